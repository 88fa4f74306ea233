//! The price side of NEO's solidity (methodology 6.1): what the brand's units brought in, against the market's prices
//! and against each product's own highest price.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::{Line, MarketStats, NONE, Orders, Within};
use dualwheel_measure::{
    Absence, Ask, Extent, Interval, IntervalAbsence, IntervalMethod, Label, MONEY_SCALE, Metric, MetricGroup,
    Money, Need, Quantity, Scope, Window, bootstrap::RatioGroups,
};
use serde::{Deserialize, Serialize};

use crate::{
    Parameters,
    cut::{Classes, Sums},
    price_market::{PriceMarket, Sold, Source, Statistics},
    strangers::{WITHHELD, Withheld},
};

/// Ids in the order of an answer.
pub const METRICS: [&str; 2] = ["neo.solidity.premium", "neo.solidity.full_price"];

fn lines<'a>(orders: &'a Orders, window: Window, within: &'a Within) -> impl Iterator<Item = &'a Line> {
    orders
        .lines
        .iter()
        .filter(move |line| window.contains(line.day) && within.covers(line.category))
}

/// The price side of NEO as a metric group: premium and full price of a brand in the scope's window.
///
/// A partial result is as large as the SKUs sold: their values at the market's prices are rounded one by one.
#[derive(Clone, Copy, Debug)]
pub struct PriceStrength;

/// What the group has whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What all brands of the tenant sold.
    pub market: Arc<PriceMarket>,
    /// Supplied statistics.
    pub stats: Arc<MarketStats>,
}

/// GMV and units of what was sold: by SKU, and by what has a price.
type SoldAt = BTreeMap<(String, String), (Money, i64)>;

/// What is known of some products.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Partial {
    /// Whether there is any order line, on whatever day.
    lines: bool,
    by_class: SoldAt,
    by_product: SoldAt,
    /// Highest price of each product.
    highest: BTreeMap<String, Sold>,
}

impl MetricGroup for PriceStrength {
    type Parameters = Parameters;
    type Part = Arc<Orders>;
    type Whole = Whole;
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "price_strength"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let (window, long) = (ask.scope.window, long(ask));
        let days = Window {
            first: window.first.min(long.first),
            last: window.last,
        };
        let lines = Need::of(
            "order_lines",
            &[
                "product",
                "sku",
                "category",
                "quantity",
                "returned_quantity",
                "paid_amount",
                "refund_amount",
            ],
        );
        vec![
            lines.clone().within(days).by_product(),
            Need::of("products", &["category"]).by_product(),
            // Whom not all brands may be shown is told of runs of days, which are cut over all days.
            lines.of_all_brands(),
            Need::of("market_stats", &["category", "gmv", "units"]).whole(),
        ]
    }

    fn partial(&self, orders: &Arc<Orders>, whole: &Whole, _: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let within = Within::new(&orders.names, ask.category);
        let mut classes = Classes::new(whole.market.level(ask.category));
        classes.learn(&orders.names);
        let products = orders.names.products.view();
        let window = ask.scope.window;
        Partial {
            lines: !orders.lines.is_empty(),
            by_class: sold_at(
                orders,
                lines(orders, window, &within),
                |line| classes.of(line.category),
                |class| classes.name(class),
            ),
            by_product: sold_at(
                orders,
                lines(orders, window, &within),
                |line| line.product,
                |product| products.key(product),
            ),
            highest: highest_prices(orders, long(ask)),
        }
    }

    fn merge(&self, mut one: Partial, other: Partial) -> Partial {
        one.lines |= other.lines;
        for (mine, more) in [
            (&mut one.by_class, other.by_class),
            (&mut one.by_product, other.by_product),
        ] {
            for (sold, (gmv, units)) in more {
                let sum = mine.entry(sold).or_default();
                sum.0 += gmv;
                sum.1 += units;
            }
        }
        for (product, price) in other.highest {
            let best = one.highest.entry(product).or_default();
            *best = higher(*best, price);
        }
        one
    }

    fn finish(&self, partial: Partial, whole: &Whole, ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = &ask.scope;
        if !partial.lines {
            let detail = "the brand has no order lines (OrderLine)";
            return METRICS
                .map(|id| scope.absent(id, Absence::SignalNotSupplied, detail))
                .into();
        }
        let level = whole.market.level(ask.category);
        let statistics = Statistics::new(&whole.stats, scope.window, level);
        vec![
            premium(scope, &partial.by_class, |class| {
                whole.market.price(class, &statistics)
            }),
            against(scope, "neo.solidity.full_price", &partial.by_product, |product| {
                partial.highest.get(product).copied()
            }),
        ]
    }
}

/// The days whose prices are a product's highest.
fn long(ask: &Ask<'_, Parameters>) -> Window {
    Window::ending(ask.scope.window.last, ask.parameters.full_price_days)
}

fn premium(
    scope: &Scope<'_>,
    sold: &SoldAt,
    price: impl Fn(&str) -> Result<(Sold, Source), Withheld>,
) -> Metric {
    const ID: &str = "neo.solidity.premium";
    let mut prices: BTreeMap<&str, (Sold, Source)> = BTreeMap::new();
    for (_, class) in sold.keys() {
        if !prices.contains_key(class.as_str()) {
            match price(class) {
                Ok(price) => prices.insert(class, price),
                Err(Withheld) => return scope.absent(ID, Absence::SignalNotSupplied, WITHHELD),
            };
        }
    }
    let from_tenant = prices.values().any(|(_, source)| *source == Source::Brands);
    let metric = against(scope, ID, sold, |class| {
        prices.get(class).map(|(price, _)| *price)
    });
    if from_tenant {
        metric.with_label(Label::MarketFromTenantBrands)
    } else {
        metric
    }
}

/// What `lines` sold, by SKU and by what has a price.
fn sold_at<'a, 'k>(
    orders: &'a Orders,
    lines: impl Iterator<Item = &'a Line>,
    key: impl Fn(&Line) -> u32,
    name: impl Fn(u32) -> &'k str,
) -> SoldAt {
    let mut sums: Sums<(Money, i64)> = Sums::new();
    for line in lines.filter(|line| line.sku != NONE) {
        add(sums.at(line.sku, key(line)), line);
    }
    let skus = orders.names.skus.view();
    let named = sums
        .iter()
        .map(|(sku, key, sum)| ((skus.key(sku).to_owned(), name(key).to_owned()), *sum));
    named.collect()
}

fn add((gmv, units): &mut (Money, i64), line: &Line) {
    *gmv += line.net();
    *units += line.net_units();
}

/// Highest paid amount ÷ quantity of each product's purchases in `window`, by the product's key.
fn highest_prices(orders: &Orders, window: Window) -> BTreeMap<String, Sold> {
    let mut highest: Vec<Sold> = Vec::new();
    for line in orders
        .lines
        .iter()
        .filter(|line| line.is_purchase() && window.contains(line.day))
    {
        let at = line.product as usize;
        if at >= highest.len() {
            highest.resize(at + 1, Sold::default());
        }
        let paid = Sold {
            gmv: Money::from(line.paid),
            units: i128::from(line.quantity),
        };
        if let Some(best) = highest.get_mut(at) {
            *best = higher(*best, paid);
        }
    }
    let keys = orders.names.products.view();
    let known = highest.into_iter().zip(0..).filter(|(price, _)| price.units > 0);
    known
        .map(|(price, product)| (keys.key(product).to_owned(), price))
        .collect()
}

/// The higher price of two; of equal ones that of fewer units, so that the order does not show.
fn higher(one: Sold, other: Sold) -> Sold {
    if one.units == 0 || other.units == 0 {
        return if one.units == 0 { other } else { one };
    }
    let (left, right) = (one.gmv * other.units, other.gmv * one.units);
    if left > right || (left == right && one.units <= other.units) {
        one
    } else {
        other
    }
}

/// GMV ÷ Σ units × price, with `sold` by SKU and by what has a price; the sum runs in the order of the latter's names, so
/// that it is the same to the last digit whatever order the facts came in.
fn against(scope: &Scope<'_>, id: &str, sold: &SoldAt, price: impl Fn(&str) -> Option<Sold>) -> Metric {
    let value_of = |key: &str, units: i64| price(key).and_then(|price| price.value_of(units)).unwrap_or(0.0);
    let mut gmv: Money = 0;
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    let mut groups = RatioGroups::default();
    for ((sku, key), (part, of_key)) in sold {
        gmv += part;
        *units.entry(key).or_default() += of_key;
        groups.add(sku, *part, value_of(key, *of_key).round() as i128);
    }
    let value: f64 = units.iter().map(|(key, units)| value_of(key, *units)).sum();
    let interval = groups
        .interval(1.0)
        .map(|(low, high)| Interval {
            low,
            high,
            method: IntervalMethod::Bootstrap,
        })
        .ok_or(IntervalAbsence::NoUnitData);
    let below = Quantity::Real(value / MONEY_SCALE as f64);
    let mut metric = scope.ratio(id, Quantity::Money(gmv), below, interval);
    // The value was made of the unrounded sum; what is shown beside it is money, to four decimals.
    metric.denominator = Some(Quantity::Money(value.round() as Money));
    metric
}
