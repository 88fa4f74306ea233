//! The price side of NEO's solidity (methodology 6.1): what the brand's units brought in, against the market's prices
//! and against each product's own highest price.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{Line, MarketStatRow, MarketStats, NONE, Orders};
use dualwheel_measure::{
    Absence, Interval, IntervalAbsence, IntervalMethod, Label, MONEY_SCALE, Metric, Money, Quantity, Scope,
    Window, bootstrap::RatioGroups,
};

use crate::{
    Parameters,
    cut::{Classes, Inside, Sums, UNKNOWN},
};

/// Ids in the order of an answer.
pub const IDS: [&str; 2] = ["neo.solidity.premium", "neo.solidity.full_price"];

/// GMV and units of a category, by class; a price is their quotient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sold {
    gmv: Money,
    units: i128,
}

impl Sold {
    /// What `units` make at this price, in ten-thousandths; `None` without units of the market.
    fn value_of(self, units: i64) -> Option<f64> {
        (self.units > 0).then(|| (i128::from(units) * self.gmv) as f64 / self.units as f64)
    }
}

/// GMV and units of the tenant's brands, class of categories by class. Brands may come in any order.
#[derive(Clone, Debug)]
pub struct PriceMarket {
    window: Window,
    category: Option<String>,
    classes: Classes,
    sold: Vec<Sold>,
}

impl PriceMarket {
    /// A market without brands yet, restricted to `category`. Categories are cut at the definition's level, or at the
    /// depth of `category` where that lies deeper.
    #[must_use]
    pub fn new(window: Window, category: Option<&str>, parameters: &Parameters) -> Self {
        let depth = category.map_or(0, |path| path.split('/').count() as u32);
        let classes = Classes::new(parameters.category_level.max(depth));
        Self {
            window,
            category: category.map(str::to_owned),
            classes,
            sold: Vec::new(),
        }
    }

    /// Adds the lines of a brand.
    pub fn add(&mut self, orders: &Orders) {
        self.classes.learn(&orders.names);
        self.sold.resize(self.classes.names().len(), Sold::default());
        let inside = Inside::new(&orders.names, self.category.as_deref());
        for line in lines(orders, self.window, &inside) {
            if let Some(sold) = self.sold.get_mut(self.classes.of(line.category) as usize) {
                sold.gmv += line.net();
                sold.units += i128::from(line.net_units());
            }
        }
    }

    /// Price of every class, and whether the tenant's brands had to stand for the market there.
    fn prices(&self, stats: &MarketStats) -> Vec<(Sold, bool)> {
        let mut by_class: BTreeMap<u32, Vec<&MarketStatRow>> = BTreeMap::new();
        for row in stats.rows.iter().filter(|row| is_whole_category(row)) {
            if let Some(class) = self.classes.find(&row.category).filter(|class| *class != UNKNOWN) {
                by_class.entry(class).or_default().push(row);
            }
        }
        (self.sold.iter().zip(0..))
            .map(
                |(own, class)| match by_class.get(&class).and_then(|rows| covering(rows, self.window)) {
                    Some(market) => (market, false),
                    None => (*own, true),
                },
            )
            .collect()
    }
}

fn lines<'a>(orders: &'a Orders, window: Window, inside: &'a Inside) -> impl Iterator<Item = &'a Line> {
    orders
        .lines
        .iter()
        .filter(move |line| window.contains(line.day) && inside.has(line.category))
}

/// Statistics of all prices and attributes, with units.
fn is_whole_category(row: &MarketStatRow) -> bool {
    let uncut = row.price_band.is_empty() && row.attribute_kind == 0 && row.attribute_value.is_empty();
    uncut && row.units.is_some_and(|units| units > 0)
}

/// GMV and units of the periods that tile the window, of several that begin on a day the longest; else of the
/// shortest period that holds the window, of equal ones the earliest.
fn covering(rows: &[&MarketStatRow], window: Window) -> Option<Sold> {
    let sold = |row: &MarketStatRow| Sold {
        gmv: row.gmv,
        units: i128::from(row.units.unwrap_or(0)),
    };
    let mut tiled = Sold::default();
    let mut next = window.first;
    while next <= window.last {
        let fits = rows
            .iter()
            .filter(|row| row.first == next && row.last <= window.last);
        let Some(longest) = fits.max_by_key(|row| row.last) else {
            break;
        };
        tiled.gmv += sold(longest).gmv;
        tiled.units += sold(longest).units;
        next = longest.last.plus(1);
    }
    if next > window.last {
        return Some(tiled);
    }
    let holding = rows
        .iter()
        .filter(|row| row.first <= window.first && window.last <= row.last);
    holding
        .min_by_key(|row| (row.last.0 - row.first.0, row.first))
        .map(|row| sold(row))
}

/// Premium and full price of a brand in the scope's window. `market` has all brands of the
/// tenant.
#[must_use]
pub fn metrics(
    scope: &Scope<'_>,
    orders: &Orders,
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
    let inside = Inside::new(&orders.names, market.category.as_deref());
    vec![
        premium(scope, orders, market, stats, &inside),
        full_price(scope, orders, &inside, parameters),
    ]
}

fn premium(
    scope: &Scope<'_>,
    orders: &Orders,
    market: &PriceMarket,
    stats: &MarketStats,
    inside: &Inside,
) -> Metric {
    let prices = market.prices(stats);
    let mut sums: Sums<(Money, i64)> = Sums::new();
    for line in lines(orders, scope.window, inside) {
        add(sums.at(line.sku, market.classes.of(line.category)), line);
    }
    let price = |class: u32| prices.get(class as usize).map(|(price, _)| *price);
    let from_tenant = sums
        .iter()
        .any(|(_, class, _)| prices.get(class as usize).is_some_and(|(_, own)| *own));
    let order = |class: u32| {
        market
            .classes
            .names()
            .get(class as usize)
            .cloned()
            .unwrap_or_default()
    };
    let metric = against(scope, "neo.solidity.premium", orders, &sums, price, order);
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

#[cfg(test)]
mod tests {
    use dualwheel_measure::Day;

    use super::*;

    fn row(first: i32, last: i32, gmv: Money) -> MarketStatRow {
        MarketStatRow {
            category: "a".to_owned(),
            first: Day(first),
            last: Day(last),
            gmv,
            units: Some(1),
            ..MarketStatRow::default()
        }
    }

    #[test]
    fn periods_tile_the_window_or_hold_it() {
        let rows = [
            row(1, 10, 1),
            row(1, 5, 10),
            row(6, 10, 100),
            row(0, 30, 1_000),
            row(0, 12, 10_000),
        ];
        let of = |rows: &[&MarketStatRow], first, last| {
            covering(rows, Window::new(Day(first), Day(last)).unwrap()).map(|sold| sold.gmv)
        };
        let all: Vec<&MarketStatRow> = rows.iter().collect();
        assert_eq!(of(&all, 1, 10), Some(1)); // the longest that begins on day 1
        assert_eq!(of(&all[1..], 1, 10), Some(110)); // two halves
        assert_eq!(of(&all, 1, 11), Some(10_000)); // the shortest that holds it
        assert_eq!(of(&all, 2, 20), Some(1_000));
        assert_eq!(of(&all, 20, 40), None);
    }
}
