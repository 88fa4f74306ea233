//! Made-up products that look like a brand's: few sell much, some are new, some rise, some have sold nothing recently.

use dualwheel_plugin_sdk::{Column, Values, hit};

use super::rows::{
    CATEGORIES, PRICE_BANDS, between, chance, column, lognormal, one_of, percentile_ranks, poisson,
};

/// Weeks of a whole series.
const WEEKS: usize = 26;
/// Weeks of 28 days.
const LATE: usize = 4;

/// A product's weeks, oldest first.
struct Weeks {
    units: Vec<f64>,
    gmv: Vec<f64>,
    visitors: Vec<f64>,
    spend: Vec<f64>,
}

impl Weeks {
    fn of(row: usize) -> Self {
        let weeks = match chance("new product", row) < 0.2 {
            true => 8 + (chance("launched", row) * 8.0) as usize,
            false => WEEKS,
        };
        let level = lognormal("product level", row, 12.0, 1.3);
        let growth = match chance("rising product", row) < 0.1 {
            true => 0.12,
            false => between("drift", row, (-0.04, 0.04)),
        };
        let price = lognormal("product price", row, 150.0, 0.6);
        let week = |what: &'static str, week: usize, range| between(what, row * WEEKS + week, range);
        let units: Vec<f64> = (0..weeks)
            .map(|at| (level * (1.0 + growth).powf(at as f64) * week("noise", at, (0.6, 1.4))).floor())
            .collect();
        let each = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            units
                .iter()
                .enumerate()
                .map(|(at, units)| of(at, *units))
                .collect()
        };
        Self {
            gmv: each(&|_, units| (units * price * 100.0).round() / 100.0),
            visitors: each(&|at, units| (units * week("visitors", at, (15.0, 60.0)) + 20.0).floor()),
            spend: each(&|at, units| (units * price * week("spend", at, (0.0, 0.3))).round()),
            units,
        }
    }
}

/// Sum of the 28 days that end so many weeks before the last.
fn sum(weeks: &[f64], before: usize) -> f64 {
    weeks.iter().rev().skip(before).take(LATE).sum()
}

/// A ratio; 0 where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// So many rows of every column of the world.
pub(super) fn products(rows: usize) -> Vec<Column> {
    let weeks: Vec<Weeks> = (0..rows).map(Weeks::of).collect();
    let texts =
        |of: &dyn Fn(usize) -> &'static str| Values::Texts((0..rows).map(|row| of(row).to_owned()).collect());
    let series =
        |of: fn(&Weeks) -> &Vec<f64>| Values::Series(weeks.iter().map(|weeks| of(weeks).clone()).collect());
    let is_new = |row: usize| weeks.get(row).is_some_and(|weeks| weeks.units.len() <= 13);
    let mut columns = vec![
        column(hit::CATEGORY, texts(&|row| one_of(&CATEGORIES, "sold in", row))),
        column(
            hit::PRICE_BAND,
            texts(&|row| one_of(&PRICE_BANDS, "sold at", row)),
        ),
        column(
            hit::STAGE,
            texts(&|row| match is_new(row) {
                true => "NEW",
                false => one_of(&["MATURE", "MATURE", "MATURE", "TAIL"], "stage", row),
            }),
        ),
        column(hit::WEEKLY_UNITS, series(|weeks| &weeks.units)),
        column(hit::WEEKLY_GMV, series(|weeks| &weeks.gmv)),
        column(hit::WEEKLY_VISITORS, series(|weeks| &weeks.visitors)),
        column(hit::WEEKLY_SPEND, series(|weeks| &weeks.spend)),
    ];
    let numbers = |of: &dyn Fn(usize, &Weeks) -> f64| -> Vec<f64> {
        weeks
            .iter()
            .enumerate()
            .map(|(row, weeks)| of(row, weeks))
            .collect()
    };
    let age = numbers(&|row, weeks| match is_new(row) {
        true => weeks.units.len() as f64 * 7.0,
        false => lognormal("age", row, 400.0, 0.5).floor() + WEEKS as f64 * 7.0,
    });
    columns.push(column(hit::AGE_DAYS, Values::Numbers(age)));
    let factors = [
        (hit::VOLUME, numbers(&|_, weeks| sum(&weeks.gmv, 0))),
        (
            hit::GROWTH,
            numbers(&|_, weeks| {
                let before = sum(&weeks.gmv, LATE);
                ratio(sum(&weeks.gmv, 0) - before, before)
            }),
        ),
        (
            hit::CONVERSION,
            numbers(&|row, weeks| {
                let buyers = sum(&weeks.units, 0) * between("buyers", row, (0.8, 1.0));
                ratio(buyers, sum(&weeks.visitors, 0))
            }),
        ),
        (
            hit::PRECISION,
            numbers(&|row, _| between("precision", row, (0.05, 0.7))),
        ),
        (
            hit::COST_RATIO,
            numbers(&|_, weeks| ratio(sum(&weeks.spend, 0), sum(&weeks.gmv, 0))),
        ),
        (
            hit::FEEDBACK,
            numbers(&|row, _| {
                let bad = poisson("bad reviews", row, 1.5);
                1.0 - ratio(bad, bad + poisson("good reviews", row, 20.0))
            }),
        ),
    ];
    for (name, values) in factors {
        columns.push(column(
            &hit::rank(name),
            Values::Numbers(percentile_ranks(&values)),
        ));
        columns.push(column(name, Values::Numbers(values)));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{World, conformance::rows::usual};

    #[test]
    fn factors_are_those_of_the_weeks() {
        let rows = usual(World::HitModel, 500);
        let gmv = rows.series(hit::WEEKLY_GMV).unwrap();
        let (volume, growth) = (
            rows.numbers(hit::VOLUME).unwrap(),
            rows.numbers(hit::GROWTH).unwrap(),
        );
        for (row, weeks) in gmv.iter().enumerate() {
            let (before, late) = weeks.split_at(weeks.len() - 4);
            let late: f64 = late.iter().rev().sum();
            let before: f64 = before.iter().rev().take(4).sum();
            assert_eq!(volume[row], late);
            if before > 0.0 {
                assert!((growth[row] - (late / before - 1.0)).abs() < 1e-9);
            }
        }
        for name in [hit::WEEKLY_UNITS, hit::WEEKLY_VISITORS, hit::WEEKLY_SPEND] {
            let others = rows.series(name).unwrap();
            assert!(
                gmv.iter()
                    .zip(others)
                    .all(|(one, other)| one.len() == other.len()),
                "{name}"
            );
        }
        let count = |holds: &dyn Fn(usize) -> bool| (0..500).filter(|row| holds(*row)).count();
        assert!(
            (5..250).contains(&count(&|row| volume[row] == 0.0)),
            "some sell nothing"
        );
        assert!(count(&|row| growth[row] > 0.3) > 25);
        assert!(count(&|row| gmv[row].len() < WEEKS) > 60);
    }
}
