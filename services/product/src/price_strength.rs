//! The price side of NEO's solidity (methodology 6.1): what the brand's units brought in, against the market's prices
//! and against each product's own highest price.

use std::collections::{BTreeMap, btree_map::Entry};

use dualwheel_lake::frames::{Line, MarketStats, NONE, Orders};
use dualwheel_measure::{
    Absence, Interval, IntervalAbsence, IntervalMethod, Label, MONEY_SCALE, Metric, Money, Quantity, Scope,
    Window, bootstrap::RatioGroups,
};

use crate::{
    Parameters,
    cut::{Classes, Inside, Sums},
    price_market::{PriceMarket, Sold, Source, Statistics},
    strangers::{WITHHELD, Withheld},
};

/// Ids in the order of an answer.
pub const IDS: [&str; 2] = ["neo.solidity.premium", "neo.solidity.full_price"];

fn lines<'a>(orders: &'a Orders, window: Window, inside: &'a Inside) -> impl Iterator<Item = &'a Line> {
    orders
        .lines
        .iter()
        .filter(move |line| window.contains(line.day) && inside.has(line.category))
}

/// Premium and full price of a brand in the scope's window, restricted to `category`. `market` has all brands of the
/// tenant.
#[must_use]
pub fn metrics(
    scope: &Scope<'_>,
    orders: &Orders,
    category: Option<&str>,
    market: &PriceMarket,
    stats: &MarketStats,
    parameters: &Parameters,
) -> Vec<Metric> {
    if orders.lines.is_empty() {
        let detail = "the brand has no order lines (OrderLine)";
        return IDS
            .map(|id| scope.absent(id, Absence::SignalNotSupplied, detail))
            .into();
    }
    let inside = Inside::new(&orders.names, category);
    let level = market.level(category);
    let statistics = Statistics::new(stats, scope.window, level);
    vec![
        premium(scope, orders, &inside, level, |class| {
            market.price(class, &statistics)
        }),
        full_price(scope, orders, &inside, parameters),
    ]
}

fn premium(
    scope: &Scope<'_>,
    orders: &Orders,
    inside: &Inside,
    level: u32,
    price: impl Fn(&str) -> Result<(Sold, Source), Withheld>,
) -> Metric {
    const ID: &str = "neo.solidity.premium";
    let mut classes = Classes::new(level);
    classes.learn(&orders.names);
    let mut sums: Sums<(Money, i64)> = Sums::new();
    for line in lines(orders, scope.window, inside) {
        add(sums.at(line.sku, classes.of(line.category)), line);
    }
    let mut prices: BTreeMap<u32, (Sold, Source)> = BTreeMap::new();
    for (_, class, _) in sums.iter() {
        if let Entry::Vacant(place) = prices.entry(class) {
            match price(classes.name(class)) {
                Ok(price) => place.insert(price),
                Err(Withheld) => return scope.absent(ID, Absence::SignalNotSupplied, WITHHELD),
            };
        }
    }
    let from_tenant = prices.values().any(|(_, source)| *source == Source::Brands);
    let price = |class: u32| prices.get(&class).map(|(price, _)| *price);
    let metric = against(scope, ID, orders, &sums, price, |class| {
        classes.name(class).to_owned()
    });
    if from_tenant {
        metric.with_label(Label::MarketFromTenantBrands)
    } else {
        metric
    }
}

fn full_price(scope: &Scope<'_>, orders: &Orders, inside: &Inside, parameters: &Parameters) -> Metric {
    let highest = highest_prices(
        orders,
        Window::ending(scope.window.last, parameters.full_price_days),
    );
    let mut sums: Sums<(Money, i64)> = Sums::new();
    for line in lines(orders, scope.window, inside) {
        add(sums.at(line.sku, line.product), line);
    }
    let price = |product: u32| highest.get(product as usize).copied();
    let order = |product: u32| orders.names.products.view().key(product).to_owned();
    against(scope, "neo.solidity.full_price", orders, &sums, price, order)
}

fn add((gmv, units): &mut (Money, i64), line: &Line) {
    *gmv += line.net();
    *units += line.net_units();
}

/// Highest paid amount ÷ quantity of each product's purchases in `window`, by product ordinal.
fn highest_prices(orders: &Orders, window: Window) -> Vec<Sold> {
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
        if let Some(best) = highest.get_mut(at)
            && (best.units == 0 || paid.gmv * best.units > best.gmv * paid.units)
        {
            *best = paid;
        }
    }
    highest
}

/// GMV ÷ Σ units × price, with `sums` by SKU and by what has a price; the sum runs in the order of the keys that
/// `name` gives, so that it is the same to the last digit whatever order the facts came in.
fn against(
    scope: &Scope<'_>,
    id: &str,
    orders: &Orders,
    sums: &Sums<(Money, i64)>,
    price: impl Fn(u32) -> Option<Sold>,
    name: impl Fn(u32) -> String,
) -> Metric {
    let value_of = |key: u32, units: i64| price(key).and_then(|price| price.value_of(units)).unwrap_or(0.0);
    let mut gmv: Money = 0;
    let mut units: BTreeMap<u32, i64> = BTreeMap::new();
    let mut groups = RatioGroups::default();
    let skus = orders.names.skus.view();
    for (sku, key, (part, of_key)) in sums.iter().filter(|(sku, ..)| *sku != NONE) {
        gmv += part;
        *units.entry(key).or_default() += of_key;
        groups.add(skus.key(sku), *part, value_of(key, *of_key).round() as i128);
    }
    drop(skus);
    let mut values: Vec<(String, f64)> = units
        .iter()
        .map(|(key, units)| (name(*key), value_of(*key, *units)))
        .collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    let value: f64 = values.iter().map(|(_, value)| value).sum();
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
