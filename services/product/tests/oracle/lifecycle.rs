//! Stages of life, day by day.

use dualwheel_measure::Day;
use dualwheel_product::{
    goods::{Places, Roster},
    lifecycle::rules,
};
use proptest::prelude::*;

use crate::{
    check::Engine,
    raw::{Brand, START, ZONES, day_of, facts},
};

pub fn launch(brand: &Brand, product: &str) -> Option<i32> {
    if let Some(at) = brand.fact(product).and_then(|row| row.launched_at) {
        return Some(day_of(at.seconds, brand.zone.unwrap()));
    }
    let sold = brand
        .lines
        .iter()
        .filter(|line| line.product == product && line.quantity > 0);
    let stocked = brand.stock.iter().filter(|(row, _)| row.product == product);
    sold.map(|line| line.day)
        .min()
        .or(stocked.map(|(_, day)| *day).min())
}

/// The stage of a product on `day`, first match of methodology 3.1.
pub fn stage(brand: &Brand, product: &str, day: i32) -> &'static str {
    let on = |at: Option<prost_types::Timestamp>| at.map(|at| day_of(at.seconds, brand.zone.unwrap()));
    let fact = brand.fact(product);
    if fact
        .and_then(|row| on(row.delisted_at))
        .is_some_and(|delisted| delisted <= day)
    {
        return "delisted";
    }
    let Some(launch) = launch(brand, product).filter(|launch| *launch <= day) else {
        return "pre_launch";
    };
    if fact
        .and_then(|row| on(row.delisting_announced_at))
        .is_some_and(|announced| announced <= day)
    {
        return "tail";
    }
    if fact
        .and_then(|row| on(row.season_ends_at))
        .is_some_and(|ends| ends < day)
    {
        return "tail";
    }
    if day - launch <= 90 {
        return "new";
    }
    if day - launch > 120 {
        let units = |last: i32| -> i64 {
            let inside = |line: &&crate::raw::Line| {
                line.product == product && last - 27 <= line.day && line.day <= last
            };
            brand
                .lines
                .iter()
                .filter(inside)
                .map(|line| line.quantity - line.returned)
                .sum()
        };
        let best = (launch + 27..=day).map(units).max().unwrap();
        if units(day) * 10 <= best * 3 {
            return "tail";
        }
    }
    "mature"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_product_has_the_stage_of_the_first_match(rows in facts(), zone in 0..2usize, offset in -100..200i32) {
        let zone = ZONES[zone];
        let day = day_of(START, zone) + offset;
        let brand = Brand::read(&rows, "b1", zone);
        let engine = Engine::new(&rows, zone);
        let facts = engine.first();
        let window = dualwheel_measure::Window::ending(Day(day), 1);
        let roster = Roster::build(&facts, window, Places::default());
        let rules = rules(&roster, &facts.orders, Day(day), &engine.definitions.parameters);
        let keys = facts.products.names.products.view();
        let mut found: Vec<(String, &str, Option<i32>)> = (roster.goods.iter().zip(&rules))
            .map(|(good, rule)| {
                (keys.key(good.product).to_owned(), rule.stage().name(), good.launch().map(|launch| launch.0))
            })
            .collect();
        found.sort();
        let of = |product: String| {
            let (stage, launch) = (stage(&brand, &product, day), launch(&brand, &product));
            (product, stage, launch)
        };
        let wanted: Vec<(String, &str, Option<i32>)> = brand.goods().into_iter().map(of).collect();
        prop_assert_eq!(found, wanted);
    }
}
