//! Premium and full price.

use std::collections::BTreeSet;

use dualwheel_measure::Absence;
use dualwheel_proto::facts::{FactRows, MarketStat};
use proptest::prelude::*;

use crate::{
    check::{BRANDS, Engine, Expected, absent, compare, ratio},
    market::cut,
    raw::{Brand, Line, START, ZONES, day_of, facts, market_stats},
};

type Stat = (MarketStat, i32, i32, i128);

/// First day, last day, GMV and units.
type Period = (i32, i32, i128, i64);

/// The periods of a class: in each the rows at or below it, but those below another one of the same period.
fn periods(stats: &[Stat], class: &str, level: usize) -> Vec<Period> {
    let whole = |row: &&Stat| {
        let (stat, ..) = row;
        cut(&stat.category, level) == class
            && stat.price_band.is_empty()
            && stat.attribute_value.is_empty()
            && stat.units.unwrap_or(0) > 0
    };
    let rows: Vec<&Stat> = stats.iter().filter(whole).collect();
    let days: BTreeSet<(i32, i32)> = rows.iter().map(|row| (row.1, row.2)).collect();
    let mut periods = Vec::new();
    for (first, last) in days {
        let of: Vec<&&Stat> = rows
            .iter()
            .filter(|row| (row.1, row.2) == (first, last))
            .collect();
        let top = of.iter().filter(|row| {
            let above = |other: &&&Stat| row.0.category.starts_with(&format!("{}/", other.0.category));
            !of.iter().any(above)
        });
        let (mut gmv, mut units) = (0, 0);
        for row in top {
            gmv += row.3;
            units += row.0.units.unwrap();
        }
        periods.push((first, last, gmv, units));
    }
    periods
}

/// Price from the supplied statistics: periods that tile the window, else the shortest that holds it.
fn supplied(rows: &[Period], (first, last): (i32, i32)) -> Option<f64> {
    let (mut gmv, mut units, mut day) = (0i128, 0i64, first);
    while day <= last {
        let mut best: Option<&Period> = None;
        for row in rows {
            if row.0 == day && row.1 <= last && best.is_none_or(|best| row.1 > best.1) {
                best = Some(row);
            }
        }
        let Some(best) = best else { break };
        gmv += best.2;
        units += best.3;
        day = best.1 + 1;
    }
    if day > last {
        return Some(gmv as f64 / units as f64);
    }
    let mut holding: Vec<&Period> = rows
        .iter()
        .filter(|row| row.0 <= first && row.1 >= last)
        .collect();
    holding.sort_by_key(|row| (row.1 - row.0, row.0));
    holding.first().map(|row| row.2 as f64 / row.3 as f64)
}

fn answer(brands: &[Brand], stats: &[Stat], window: (i32, i32), category: Option<&str>) -> Vec<Expected> {
    let ids = ["neo.solidity.premium", "neo.solidity.full_price"];
    if brands[0].lines.is_empty() {
        return ids.map(|id| absent(id, Absence::SignalNotSupplied)).into();
    }
    let level = category.map_or(2, |path| path.split('/').count().max(2));
    let covers = |path: &str| category.is_none_or(|c| path == c || path.starts_with(&format!("{c}/")));
    let lines = |brand: &Brand| -> Vec<Line> {
        let inside = |line: &&Line| window.0 <= line.day && line.day <= window.1 && covers(&line.category);
        brand.lines.iter().filter(inside).cloned().collect()
    };
    let own = lines(&brands[0]);
    let gmv: i128 = own.iter().map(|line| line.paid - line.refund).sum();
    let units = |line: &Line| line.quantity - line.returned;

    let (mut at_market, mut from_tenant) = (0.0, false);
    for class in own
        .iter()
        .map(|line| cut(&line.category, level))
        .collect::<BTreeSet<_>>()
    {
        let sold: i64 = own
            .iter()
            .filter(|line| cut(&line.category, level) == class)
            .map(units)
            .sum();
        let price = supplied(&periods(stats, &class, level), window).filter(|_| !class.is_empty());
        from_tenant |= price.is_none();
        let tenant = || {
            let market: Vec<Line> = brands
                .iter()
                .flat_map(lines)
                .filter(|line| cut(&line.category, level) == class)
                .collect();
            let gmv: i128 = market.iter().map(|line| line.paid - line.refund).sum();
            let units: i64 = market.iter().map(units).sum();
            (units > 0).then(|| gmv as f64 / units as f64)
        };
        at_market += sold as f64 * price.or_else(tenant).unwrap_or(0.0);
    }
    let mut at_highest = 0.0;
    for product in own
        .iter()
        .map(|line| line.product.clone())
        .collect::<BTreeSet<_>>()
    {
        let sold: i64 = own.iter().filter(|line| line.product == product).map(units).sum();
        let year = |line: &&Line| line.day <= window.1 && line.day > window.1 - 365;
        let bought = brands[0]
            .lines
            .iter()
            .filter(|line| line.product == product && line.quantity > 0)
            .filter(year);
        let highest = bought
            .map(|line| line.paid as f64 / line.quantity as f64)
            .max_by(f64::total_cmp);
        at_highest += sold as f64 * highest.unwrap_or(0.0);
    }
    let gmv = gmv as f64 / 10_000.0;
    let mut premium = ratio(ids[0], gmv, at_market / 10_000.0);
    if from_tenant {
        premium.labels.push("MARKET_FROM_TENANT_BRANDS");
    }
    vec![premium, ratio(ids[1], gmv, at_highest / 10_000.0)]
}

/// Sums of both signs may leave nothing but the last digit of a float below the line, where the engine's exact
/// fractions and the oracle's floats may differ; such a draw says nothing.
fn is_degenerate(oracle: &[Expected]) -> bool {
    oracle.iter().any(|metric| {
        metric
            .denominator
            .is_some_and(|below| below != 0.0 && below.abs() < 1e-6)
    })
}

fn hold(rows: &FactRows, zone: usize, window: (i32, i32), category: Option<&str>) -> bool {
    let zone = ZONES[zone];
    let start = day_of(START, zone);
    let window = (start + window.0, start + window.1);
    let brands: Vec<Brand> = BRANDS
        .iter()
        .map(|brand| Brand::read(rows, brand, zone))
        .collect();
    let wanted = answer(&brands, &market_stats(rows), window, category);
    if is_degenerate(&wanted) {
        return false;
    }
    compare(&Engine::new(rows, zone).price_strength(window, category), &wanted);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn both_prices(
        rows in facts(),
        zone in 0..2usize,
        (first, days) in (-30..40i32, prop_oneof![2 => 0..12i32, 2 => 0..60i32, 1 => 300..500i32]),
        category in prop_oneof![3 => Just(None), 1 => Just(Some("a/x")), 1 => Just(Some("a")), 1 => Just(Some("a/x/1"))],
    ) {
        prop_assume!(hold(&rows, zone, (first, first + days), category));
    }
}
