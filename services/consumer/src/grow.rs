//! GROW: the exact decomposition of the change of net GMV, new-product power and penetration.
//!
//! Source: methodology 2.4. `scan` sums one brand's lines into cells of category and audience in one pass,
//! `decompose` splits the change of any set of cells, `penetration` compares with the supplied market.

mod decompose;
mod partial;
mod penetration;
mod scan;

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::{
    Categories, Launches, MarketStats, Orders, Products, Profiles, Stock, launches,
};
use dualwheel_measure::{
    Absence, Ask, Day, Extent, IntervalAbsence, MONEY_SCALE, Metric, MetricGroup, Money, Need, Quantity,
    Scope, Window,
};

pub use decompose::{Parts, decompose};
pub use partial::Partial;
pub use scan::{Cell, Side};

use crate::{categories, parameters::Parameters, strategic::Strategic};
use partial::Sums;
use penetration::Market;
use scan::Visitor;

/// Dimension of the cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Only the whole.
    Whole,
    /// Categories.
    Category,
    /// Strategic audiences.
    Audience,
    /// Category by strategic audience: the growth map.
    CategoryAudience,
    /// Calendar months of the window; launches only.
    Month,
}

impl By {
    /// Names of the cuts, as questions spell them.
    pub const NAMES: [&str; 4] = ["category", "audience", "category_audience", "month"];

    /// The dimension of a name; the whole for none.
    #[must_use]
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("category") => Self::Category,
            Some("audience") => Self::Audience,
            Some("category_audience") => Self::CategoryAudience,
            Some("month") => Self::Month,
            _ => Self::Whole,
        }
    }

    /// Whether profiles are read, to tell the audiences.
    #[must_use]
    pub fn needs_profiles(self) -> bool {
        matches!(self, Self::Audience | Self::CategoryAudience)
    }
}

/// GROW as a metric group: the change of the scope's window against the base; the whole, then the cuts that have any line
/// in either period.
///
/// Where a product's launch was not supplied its first sale is, which may be one of people in another part: a partial
/// result holds what hangs on it by product and day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grow {
    /// Period 0; `None` for the days just before the window.
    pub base: Option<Window>,
}

/// What some people bought, and who they are.
#[derive(Clone, Debug)]
pub struct Part {
    /// Order lines of the brand.
    pub orders: Arc<Orders>,
    /// Profiles; `None` where no cut asks for them.
    pub profiles: Option<Arc<Profiles>>,
}

/// What GROW has whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Products of the brand.
    pub products: Arc<Products>,
    /// Stock of the brand; `None` where every product's launch is supplied or sold.
    pub stock: Option<Arc<Stock>>,
    /// Statistics of the market.
    pub market: Arc<MarketStats>,
}

impl MetricGroup for Grow {
    type Parameters = Parameters;
    type Part = Part;
    type Whole = Whole;
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "grow"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &By::NAMES
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let mut needs = vec![
            // First sales stand for launches, and long ago is what makes a customer new: all days.
            Need::of(
                "order_lines",
                &[
                    "product",
                    "category",
                    "quantity",
                    "returned_quantity",
                    "paid_amount",
                    "refund_amount",
                    "list_price",
                ],
            ),
            Need::of("products", &["category", "launched_day"]).whole(),
            Need::of("stock_days", &["product"]).whole(),
            Need::of("market_stats", &["category", "buyers"]).whole(),
        ];
        if By::named(ask.by).needs_profiles() {
            needs.push(Need::of(
                "consumer_profiles",
                &[
                    "age",
                    "gender",
                    "city_tier",
                    "has_child",
                    "spending_power",
                    "occupation",
                ],
            ));
        }
        needs
    }

    fn partial(&self, part: &Part, whole: &Whole, extent: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let by = By::named(ask.by);
        let audiences = match &part.profiles {
            Some(profiles) if by.needs_profiles() => Strategic::assign(profiles, ask.parameters),
            _ => Strategic::everyone(),
        };
        let categories = categories::of(ask, &part.orders.names);
        let (base, now) = self.periods(ask);
        let visitor = Visitor {
            orders: &part.orders,
            audiences: &audiences,
            launches: &partial::launches((part, whole), extent),
            parameters: ask.parameters,
            base,
            now,
            by,
            categories: &categories,
            market: &Market::new(&whole.market, &categories.cuts, ask.category, (base, now)),
        };
        let first_sales = Launches::first_sales(&whole.products, &part.orders);
        Partial::of(&visitor, scan::scan(&visitor), first_sales)
    }

    fn merge(&self, one: Partial, other: Partial) -> Partial {
        one.merge(other)
    }

    fn finish(&self, partial: Partial, whole: &Whole, ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let categories = partial.categories();
        let market = Market::new(&whole.market, &categories, ask.category, self.periods(ask));
        let sold = Sold::new(whole, partial.first_sales.clone());
        let answer = Answer {
            has_lines: partial.lines,
            whole,
            categories: &categories::of(ask, &whole.products.names),
            by: By::named(ask.by),
            table: &partial.close(
                categories,
                &market,
                |product| sold.launch(product),
                ask.parameters,
            ),
            market: &market,
            sold: &sold,
        };
        answer.metrics(&ask.scope.over(ask.scope.window))
    }
}

impl Grow {
    fn periods(&self, ask: &Ask<'_, Parameters>) -> (Window, Window) {
        let now = ask.scope.window;
        (self.base.unwrap_or(now.before()), now)
    }
}

/// Launches of products without a supplied one: the first sale, else the first stock day.
struct Sold {
    first_sales: BTreeMap<String, Day>,
    first_stock: BTreeMap<String, Day>,
}

impl Sold {
    fn new(whole: &Whole, first_sales: BTreeMap<String, Day>) -> Self {
        let mut first_stock = BTreeMap::new();
        let keys = whole.products.names.products.view();
        for row in whole.stock.iter().flat_map(|stock| &stock.rows) {
            let first = first_stock
                .entry(keys.key(row.product).to_owned())
                .or_insert(row.day);
            *first = row.day.min(*first);
        }
        Self {
            first_sales,
            first_stock,
        }
    }

    fn launch(&self, product: &str) -> Option<Day> {
        let (sale, stock) = (self.first_sales.get(product), self.first_stock.get(product));
        launches::launch(None, sale.copied(), stock.copied())
    }
}

/// What the metrics of one answer are made of.
struct Answer<'a> {
    has_lines: bool,
    whole: &'a Whole,
    categories: &'a Categories,
    by: By,
    table: &'a Sums,
    market: &'a Market,
    sold: &'a Sold,
}

/// A part of the table: one category or all, one audience or all.
#[derive(Clone, Copy)]
struct Cut<'a> {
    category: Option<&'a str>,
    audience: Option<&'a str>,
}

impl Answer<'_> {
    fn metrics(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let whole = Cut {
            category: None,
            audience: None,
        };
        let mut metrics = self.part(scope, whole);
        match self.by {
            By::Whole => {}
            By::Month => metrics.extend(self.months(scope)),
            By::Category | By::Audience | By::CategoryAudience => {
                for cut in self.cuts() {
                    let mut scope = scope.clone();
                    for (dimension, value) in [("category", cut.category), ("audience", cut.audience)] {
                        if let Some(value) = value {
                            scope = scope.cut(dimension, value);
                        }
                    }
                    let mut cells = self.table.cells(cut.category, cut.audience);
                    if cells.any(Cell::is_present) {
                        metrics.extend(self.part(&scope, cut));
                    }
                }
            }
        }
        metrics
    }

    /// The cuts in order.
    fn cuts(&self) -> Vec<Cut<'_>> {
        let categories = values(&self.table.categories, self.by != By::Audience);
        let audiences = values(&self.table.audiences, self.by != By::Category);
        let mut cuts = Vec::with_capacity(categories.len() * audiences.len());
        for category in &categories {
            for audience in &audiences {
                cuts.push(Cut {
                    category: *category,
                    audience: *audience,
                });
            }
        }
        cuts
    }

    fn part(&self, scope: &Scope<'_>, cut: Cut<'_>) -> Vec<Metric> {
        if !self.has_lines {
            return self.without_orders(scope);
        }
        let parts = decompose(self.table.cells(cut.category, cut.audience));
        let mut metrics = parts_to_metrics(scope, &parts);
        metrics.push(self.novelty(scope, cut));
        let (from_new, new) = self.table.new_customers(cut.category, cut.audience);
        metrics.push(scope.share("grow.new_product.customers", from_new, new));
        if cut.audience.is_none() {
            metrics.push(self.launched(scope, scope.window, cut.category));
            metrics.extend(self.market.metrics(scope, cut.category, self.table));
        }
        metrics
    }

    fn without_orders(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let absent =
            |id: &&str| scope.absent(id, Absence::SignalNotSupplied, "supply the brand's order lines");
        let mut metrics: Vec<Metric> = ORDER_METRICS.iter().map(absent).collect();
        metrics.push(self.launched(scope, scope.window, None));
        metrics.extend(PENETRATION_METRICS.iter().map(absent));
        metrics
    }

    /// Share of net GMV from products in their novelty window, with a bootstrap over consumers.
    fn novelty(&self, scope: &Scope<'_>, cut: Cut<'_>) -> Metric {
        let groups = self.table.novelty_of(cut.category, cut.audience);
        let (fresh, all) = groups.totals();
        scope.ratio_of_sums(
            "grow.new_product",
            Quantity::Money(fresh),
            Quantity::Money(all),
            &groups,
        )
    }

    /// Products launched in `window`, of one category or all that the question covers.
    fn launched(&self, scope: &Scope<'_>, window: Window, category: Option<&str>) -> Metric {
        let id = "grow.new_product.launches";
        let products = &self.whole.products;
        if products.rows.is_empty() {
            return scope.absent(id, Absence::SignalNotSupplied, "supply the brand's products");
        }
        let keys = products.names.products.view();
        let launched = products.rows.iter().filter(|row| {
            let segment = self.categories.segment(row.category);
            let cut = segment.and_then(|segment| self.categories.cuts.get(segment));
            let asked = cut.is_some_and(|cut| category.is_none_or(|category| category == cut));
            let day = || row.launched.or_else(|| self.sold.launch(keys.key(row.product)));
            asked && day().is_some_and(|day| window.contains(day))
        });
        scope.count(id, i64::try_from(launched.count()).unwrap_or(i64::MAX))
    }

    /// Launches of every calendar month that the window touches, the ends cut.
    fn months(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let mut months = Vec::new();
        let mut first = scope.window.first;
        while first <= scope.window.last {
            let last = crate::trend::last_of_month(first).min(scope.window.last);
            let month = first
                .date()
                .map_or_else(String::new, |date| date.format("%Y-%m").to_string());
            let window = Window { first, last };
            months.push(self.launched(&scope.over(window).cut("month", &month), window, None));
            first = last.plus(1);
        }
        months
    }
}

/// The values of a dimension that is cut by, or all of it at once.
fn values(values: &[String], by: bool) -> Vec<Option<&str>> {
    if by {
        values.iter().map(|value| Some(value.as_str())).collect()
    } else {
        vec![None]
    }
}

/// Metric ids, in the order of an answer.
pub const METRICS: [&str; 18] = [
    "grow.delta_gmv",
    "grow.gmv_base",
    "grow.gmv",
    "grow.gain",
    "grow.gain.new",
    "grow.gain.existing",
    "grow.retain",
    "grow.boost",
    "grow.boost.list_price",
    "grow.boost.discount",
    "grow.widen",
    "grow.unexplained",
    "grow.rounding",
    "grow.new_product",
    "grow.new_product.customers",
    "grow.new_product.launches",
    "grow.penetration",
    "grow.penetration_change",
];

/// Metrics that need order lines.
const ORDER_METRICS: [&str; 15] = [
    "grow.delta_gmv",
    "grow.gmv_base",
    "grow.gmv",
    "grow.gain",
    "grow.gain.new",
    "grow.gain.existing",
    "grow.retain",
    "grow.boost",
    "grow.boost.list_price",
    "grow.boost.discount",
    "grow.widen",
    "grow.unexplained",
    "grow.rounding",
    "grow.new_product",
    "grow.new_product.customers",
];

/// Metrics that need the market's statistics.
pub(crate) const PENETRATION_METRICS: [&str; 2] = ["grow.penetration", "grow.penetration_change"];

/// The decomposition as metrics: parts to the cent, splits to four decimals.
fn parts_to_metrics(scope: &Scope<'_>, parts: &Parts) -> Vec<Metric> {
    let rounded = parts.to_the_cent();
    let split = |id: &str, part: Option<f64>| match part {
        Some(part) => scope.money(id, part.round() as Money),
        None => scope.absent(
            id,
            Absence::NoData,
            "a line of a continuing category has no list price",
        ),
    };
    vec![
        scope.money("grow.delta_gmv", parts.gmv - parts.gmv_base),
        scope.money("grow.gmv_base", parts.gmv_base),
        scope.money("grow.gmv", parts.gmv),
        scope.money("grow.gain", rounded.gain),
        split("grow.gain.new", Some(parts.gain_new)),
        split("grow.gain.existing", Some(parts.gain_existing)),
        scope.money("grow.retain", rounded.retain),
        scope.money("grow.boost", rounded.boost),
        split("grow.boost.list_price", parts.list_price),
        split("grow.boost.discount", parts.discount),
        scope.money("grow.widen", rounded.widen),
        scope.money("grow.unexplained", rounded.unexplained),
        scope.money("grow.rounding", rounded.residual),
    ]
}

/// Ten-thousandths in a cent.
const CENT: Money = MONEY_SCALE / 100;

/// A penetration's change has no interval: periods share people.
const NO_INTERVAL: IntervalAbsence = IntervalAbsence::NoUnitData;
