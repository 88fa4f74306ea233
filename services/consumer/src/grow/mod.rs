//! GROW: the exact decomposition of the change of net GMV, new-product power and penetration.
//!
//! Source: methodology 2.4. `scan` sums one brand's lines into cells of category and audience in one pass,
//! `decompose` splits the change of any set of cells, `penetration` compares with the supplied market.

mod decompose;
mod penetration;
mod scan;

use std::sync::Arc;

use dualwheel_lake::frames::{MarketStats, Orders, Products};
use dualwheel_measure::{
    Absence, Day, IntervalAbsence, MONEY_SCALE, Metric, Money, Quantity, Scope, Window,
    bootstrap::RatioGroups,
};

pub use decompose::{Parts, decompose};
pub use scan::{Cell, Side};

use crate::{categories::Categories, launches::Launches, parameters::Parameters, strategic::Strategic};
use penetration::Market;
use scan::Table;

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

/// Facts that GROW reads.
#[derive(Debug)]
pub struct GrowFacts {
    /// Order lines of the brand.
    pub orders: Arc<Orders>,
    /// Products of the brand.
    pub products: Arc<Products>,
    /// Launch days.
    pub launches: Launches,
    /// Statistics of the market.
    pub market: Arc<MarketStats>,
    /// Strategic audiences; [`Strategic::everyone`] where no cut asks for them.
    pub audiences: Strategic,
}

/// What is asked besides the scope.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Period 0.
    pub base: Window,
    /// Category that the question is restricted to.
    pub category: Option<&'a str>,
    /// Categories covered, cut at the level at which GMV is decomposed.
    pub categories: &'a Categories,
    /// Cuts.
    pub by: By,
}

/// GROW of the scope's window against the base: the whole, then the cuts that have any line in either period.
#[must_use]
pub fn measure(
    facts: &GrowFacts,
    parameters: &Parameters,
    scope: &Scope<'_>,
    ask: &Question<'_>,
) -> Vec<Metric> {
    let market = Market::new(&facts.market, ask, scope.window);
    let table = scan::scan(facts, parameters, scope.window, ask, &market);
    let answer = Answer {
        facts,
        ask,
        table: &table,
        market: &market,
    };
    answer.metrics(scope)
}

/// What the metrics of one answer are made of.
struct Answer<'a> {
    facts: &'a GrowFacts,
    ask: &'a Question<'a>,
    table: &'a Table,
    market: &'a Market,
}

/// A part of the table: one category or all, one audience or all.
#[derive(Clone, Copy)]
struct Part {
    category: Option<usize>,
    audience: Option<usize>,
}

impl Answer<'_> {
    fn metrics(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let whole = Part {
            category: None,
            audience: None,
        };
        let mut metrics = self.part(scope, whole, &self.table.novelty_of(None));
        let cuts = &self.ask.categories.cuts;
        let ids = &self.facts.audiences.ids;
        match self.ask.by {
            By::Whole => {}
            By::Month => metrics.extend(self.months(scope)),
            By::Category => {
                for (at, cut) in cuts.iter().enumerate() {
                    let part = Part {
                        category: Some(at),
                        audience: None,
                    };
                    self.extend(&mut metrics, &scope.cut("category", cut), part, at);
                }
            }
            By::Audience => {
                for (at, id) in ids.iter().enumerate() {
                    let part = Part {
                        category: None,
                        audience: Some(at),
                    };
                    self.extend(&mut metrics, &scope.cut("audience", id), part, at);
                }
            }
            By::CategoryAudience => {
                for (category, cut) in cuts.iter().enumerate() {
                    for (audience, id) in ids.iter().enumerate() {
                        let part = Part {
                            category: Some(category),
                            audience: Some(audience),
                        };
                        let scope = scope.cut("category", cut).cut("audience", id);
                        self.extend(&mut metrics, &scope, part, category * ids.len() + audience);
                    }
                }
            }
        }
        metrics
    }

    fn extend(&self, metrics: &mut Vec<Metric>, scope: &Scope<'_>, part: Part, segment: usize) {
        if self
            .table
            .cells(part.category, part.audience)
            .any(Cell::is_present)
        {
            metrics.extend(self.part(scope, part, &self.table.novelty_of(Some(segment))));
        }
    }

    fn part(&self, scope: &Scope<'_>, part: Part, novelty: &[scan::Novelty]) -> Vec<Metric> {
        if self.facts.orders.lines.is_empty() {
            return self.without_orders(scope);
        }
        let parts = decompose(self.table.cells(part.category, part.audience));
        let mut metrics = parts_to_metrics(scope, &parts);
        metrics.push(self.novelty(scope, novelty));
        let (from_new, new) = self.table.new_customers(part.category, part.audience);
        metrics.push(scope.share("grow.new_product.customers", from_new, new));
        if part.audience.is_none() {
            metrics.push(self.launched(scope, scope.window, part.category));
            metrics.extend(self.market.metrics(scope, part.category, self.table));
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
    fn novelty(&self, scope: &Scope<'_>, sums: &[scan::Novelty]) -> Metric {
        let names = self.facts.orders.names.consumers.view();
        let mut groups = RatioGroups::default();
        for sum in sums {
            groups.add(
                names.key(sum.consumer),
                i128::from(sum.fresh),
                i128::from(sum.all),
            );
        }
        drop(names);
        let (fresh, all) = groups.totals();
        scope.ratio_of_sums(
            "grow.new_product",
            Quantity::Money(fresh),
            Quantity::Money(all),
            &groups,
        )
    }

    /// Products launched in `window`, of one category or all that the question covers.
    fn launched(&self, scope: &Scope<'_>, window: Window, category: Option<usize>) -> Metric {
        let id = "grow.new_product.launches";
        if self.facts.products.rows.is_empty() {
            return scope.absent(id, Absence::SignalNotSupplied, "supply the brand's products");
        }
        let launched = self.facts.products.rows.iter().filter(|row| {
            let segment = self.ask.categories.segment(row.category);
            let asked = segment.is_some_and(|segment| category.is_none_or(|category| category == segment));
            asked
                && self
                    .facts
                    .launches
                    .day(row.product)
                    .is_some_and(|day| window.contains(day))
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

/// Whether a sale on `day` of a product launched on `launched` falls in its novelty window; sales before the
/// launch do.
#[must_use]
pub fn is_novel(day: Day, launched: Option<Day>, parameters: &Parameters) -> bool {
    launched.is_some_and(|launched| {
        i64::from(day.0) - i64::from(launched.0) <= i64::from(parameters.novelty_days)
    })
}

/// Ten-thousandths in a cent.
const CENT: Money = MONEY_SCALE / 100;

/// A penetration's change has no interval: periods share people.
const NO_INTERVAL: IntervalAbsence = IntervalAbsence::NoUnitData;
