//! Random facts with styles, and statistics in periods.

use std::collections::BTreeMap;

use dualwheel_proto::facts::{FactRows, MarketStat};
use proptest::{collection::vec, option, prelude::*};

use crate::raw::{START, date, day_of, facts, money};

const VALUES: [&str; 3] = ["", "retro", "sport"];
const BANDS: [&str; 4] = ["", "0-15", "15-", "cheap"];

fn stat() -> impl Strategy<Value = MarketStat> {
    let cut = (
        prop::sample::select(vec!["a/x", "a/x/1", "ab/x"]),
        prop_oneof![3 => Just(0usize), 1 => 1..BANDS.len()],
        0..VALUES.len(),
        prop_oneof![7 => Just(1), 1 => Just(5)],
    );
    // Weeks, some of them shifted, and months.
    let period = prop_oneof![
        8 => (0..12i32).prop_map(|week| (week * 7 - 14, 7)),
        1 => (0..12i32).prop_map(|week| (week * 7 - 12, 7)),
        2 => (0..3i32).prop_map(|month| (month * 30 - 14, 30)),
    ];
    let count = || option::weighted(0.8, 0..40i64);
    let numbers = (0..90_000i64, count(), count(), count(), count());
    (cut, period, numbers).prop_map(|((category, band, value, kind), (first, days), numbers)| {
        let (gmv, units, buyers, searches, listings) = numbers;
        let first = day_of(START, chrono_tz::UTC) + first;
        MarketStat {
            category: category.to_owned(),
            price_band: BANDS[band].to_owned(),
            attribute_kind: if value == 0 { 0 } else { kind },
            attribute_value: VALUES[value].to_owned(),
            first_day: date(first),
            last_day: date(first + days - 1),
            gmv: money(if gmv % 7 == 0 { 0 } else { gmv }),
            units,
            buyers,
            searches,
            listings,
            ..Default::default()
        }
    })
}

/// Facts of three brands whose products have styles and colours; with statistics, or mostly none.
pub fn styled() -> impl Strategy<Value = FactRows> {
    let stats = prop_oneof![1 => vec(stat(), 0..3), 3 => vec(stat(), 60..220)];
    (facts(), stats, vec(0..16usize, 12)).prop_map(|(mut rows, stats, looks)| {
        for (product, look) in rows.products.iter_mut().zip(looks) {
            let all = ["retro", "sport", "boho", "retro"];
            let worn = (0..4).filter(|bit| look >> bit & 1 == 1);
            product.styles = worn.map(|bit| all[bit].to_owned()).collect();
            product.colour = (look > 3).then(|| VALUES[1 + look % 2].to_owned());
        }
        // One row a cut and period, so that which of two counts is no question here.
        let mut kept = BTreeMap::new();
        for stat in stats {
            let days = |day: &Option<dualwheel_proto::Date>| {
                let day = day.unwrap();
                (day.year, day.month, day.day)
            };
            let key = (
                stat.category.clone(),
                stat.price_band.clone(),
                (stat.attribute_kind, stat.attribute_value.clone()),
                days(&stat.first_day),
                days(&stat.last_day),
            );
            kept.insert(key, stat);
        }
        rows.market_stats = kept.into_values().collect();
        rows
    })
}
