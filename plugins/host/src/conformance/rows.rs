//! Made-up rows that look like a brand's: many zeros, few who are big, markets with seasons, texts of several alphabets.
//! The distributions and their numbers are those by which `dualwheel generate` draws social profiles
//! (`services/dualwheel/src/generate/belonging.rs`) and market statistics (`industry.rs`).

use std::f64::consts::TAU;

use dualwheel_plugin_sdk::{Batch, Column, Values};

use super::products::products;
use crate::{Kind, World};

/// Months of a whole series.
const PERIODS: usize = 24;
/// By how much numbers without a natural bound are multiplied to be larger than any brand's.
const HUGE: f64 = 1e12;
/// Columns of shares, from 0 to 1.
const SHARES: [&str; 8] = [
    "match",
    "follower_spending_power",
    "penetration",
    "brand_share",
    "brand_conversion",
    "conversion",
    "precision",
    "feedback",
];
/// A key opinion consumer, as one candidate in eight is.
const OPINION: Standing = Standing {
    scale: 1.0,
    posts: 14.0,
    shares: 9.0,
    fit: (0.55, 0.95),
};
/// Everybody else.
const OTHERS: Standing = Standing {
    scale: 0.06,
    posts: 1.2,
    shares: 0.5,
    fit: (0.05, 0.6),
};
pub(super) const CATEGORIES: [&str; 6] = [
    "美妆/护肤/精华",
    "美妆/彩妆/口红",
    "服饰/女装/连衣裙",
    "服饰/男装/衬衫",
    "食品/茶饮/乌龙茶",
    "beauty/skincare/serum",
];
pub(super) const PRICE_BANDS: [&str; 5] = ["", "0-100", "100-300", "300+", "中端"];
/// The last two take four bytes a character, and an accent that can be written in two ways.
const STYLES: [&str; 12] = [
    "极简",
    "国潮",
    "新中式",
    "通勤",
    "复古",
    "甜酷",
    "Y2K",
    "sweet-cool",
    "运动休闲",
    "リネン",
    "🌿植萃",
    "décontracté",
];

/// What a candidate's columns are drawn by.
struct Standing {
    scale: f64,
    posts: f64,
    shares: f64,
    fit: (f64, f64),
}

/// So many rows of every column of a world, each value known. The same number gives the same rows.
pub(super) fn usual(world: World, rows: usize) -> Batch {
    let columns = match world {
        World::KocModel => candidates(rows),
        World::StyleTrendModel => styles(rows),
        World::HitModel => products(rows),
    };
    Batch { rows, columns }
}

pub(super) fn column(name: &str, values: Values) -> Column {
    Column {
        name: name.to_owned(),
        values,
    }
}

fn candidates(rows: usize) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut draw = |name: &str, of: &dyn Fn(&Standing, usize) -> f64| {
        let value = |row: usize| {
            let big = chance("big", row) < 0.125;
            of(if big { &OPINION } else { &OTHERS }, row)
        };
        let values: Vec<f64> = (0..rows).map(value).collect();
        let ranks = percentile_ranks(&values);
        columns.push(column(name, Values::Numbers(values)));
        columns.push(column(&format!("{name}_rank"), Values::Numbers(ranks)));
    };
    // Who posts nothing is seen by nobody, and sells nothing.
    let by_posts = |what: &'static str, median: f64, deviation: f64| {
        move |standing: &Standing, row: usize| {
            let posts = poisson("posts", row, standing.posts).min(20.0);
            (lognormal(what, row, median * standing.scale * standing.scale, deviation) * posts / 14.0).floor()
        }
    };
    let followers = |standing: &Standing, row: usize| {
        lognormal("followers", row, 9_000.0 * standing.scale, 0.6).floor() + 3.0
    };
    let fit = |standing: &Standing, row: usize| between("match", row, standing.fit);
    draw("interactions_30d", &by_posts("interactions", 1_800.0, 0.5));
    draw("spread_30d", &by_posts("spread", 14_000.0, 0.5));
    draw("shares_30d", &|standing, row| {
        poisson("shares", row, standing.shares)
    });
    draw("attributed_gmv_30d", &by_posts("sold", 5_200.0, 0.7));
    draw("own_gmv_365d", &|_, row| {
        (poisson("bought", row, 0.9) * between("price", row, (90.0, 400.0)) * 100.0).round() / 100.0
    });
    draw("followers", &followers);
    draw("match", &fit);
    draw("reach", &|standing, row| {
        followers(standing, row) * fit(standing, row)
    });
    draw("follower_spending_power", &|_, row| {
        between("spending", row, (0.2, 0.9))
    });
    columns
}

fn styles(rows: usize) -> Vec<Column> {
    let texts =
        |of: &dyn Fn(usize) -> &'static str| Values::Texts((0..rows).map(|row| of(row).to_owned()).collect());
    let series = |of: &dyn Fn(usize) -> Vec<f64>| Values::Series((0..rows).map(of).collect());
    let numbers = |of: &dyn Fn(usize) -> f64| Values::Numbers((0..rows).map(of).collect());
    let price = |row: usize| lognormal("price", row, 180.0, 0.6);
    let units = |row: usize| -> Vec<f64> { gmv(row).iter().map(|gmv| (gmv / price(row)).floor()).collect() };
    let of_units = move |what: &'static str, range: (f64, f64)| {
        move |row: usize| -> Vec<f64> {
            let factor = |period: usize| between(what, row * PERIODS + period, range);
            let units = units(row).into_iter().enumerate();
            units
                .map(|(period, units)| (units * factor(period)).floor())
                .collect()
        }
    };
    let rarely = |what: &'static str, row: usize, of: f64| if chance(what, row) < 0.4 { 0.0 } else { of };
    vec![
        column("category", texts(&|row| one_of(&CATEGORIES, "category", row))),
        column(
            "price_band",
            texts(&|row| one_of(&PRICE_BANDS, "price_band", row)),
        ),
        column("style", texts(&|row| one_of(&STYLES, "style", row))),
        column("gmv", series(&gmv)),
        column("units", series(&units)),
        column("searches", series(&of_units("searches", (9.0, 10.0)))),
        column("listings", series(&of_units("listings", (0.02, 0.04)))),
        column(
            "period_days",
            numbers(&|row| if row % 4 == 3 { 7.0 } else { 30.4 }),
        ),
        column("penetration", numbers(&|row| chance("penetration", row).powi(3))),
        column(
            "brand_share",
            numbers(&|row| rarely("sold at all", row, chance("brand_share", row).powi(4))),
        ),
        column(
            "brand_tgi",
            numbers(&|row| lognormal("brand_tgi", row, 100.0, 0.5)),
        ),
        column(
            "brand_conversion",
            numbers(&|row| {
                rarely(
                    "bought at all",
                    row,
                    between("brand_conversion", row, (0.01, 0.2)),
                )
            }),
        ),
    ]
}

/// A style's market: a level, a trend, a season and noise. One in six is new, which shows in a series that is shorter; one
/// in six comes later than the others, which shows in zeros.
fn gmv(row: usize) -> Vec<f64> {
    let level = lognormal("level", row, 400_000.0, 0.9);
    let growth = if chance("rising", row) < 0.1 {
        0.09
    } else {
        0.008 * normal("growth", row)
    };
    let (swing, peak) = (
        between("swing", row, (0.0, 0.35)),
        between("peak", row, (0.0, 12.0)),
    );
    let draw = (chance("age", row) * 18.0) as usize;
    let periods = if draw < 3 {
        PERIODS - 5 * (draw + 1)
    } else {
        PERIODS
    };
    let before = if (3..6).contains(&draw) { draw } else { 0 };
    let value = |period: usize| {
        let season = 1.0 + swing * ((period as f64 - peak) / 12.0 * TAU).cos();
        let noise = lognormal("noise", row * PERIODS + period, 1.0, 0.03);
        (level * (1.0 + growth).powi(period as i32) * season * noise * 100.0).round() / 100.0
    };
    (0..periods)
        .map(|period| if period < before { 0.0 } else { value(period) })
        .collect()
}

/// The same rows with a value of `columns` unknown in two rows of three: of a series a period.
pub(super) fn with_gaps(rows: &Batch, columns: &[&str]) -> Batch {
    put(rows, columns, f64::NAN, 3)
}

/// The same rows, in each of which a value of `columns` is `zero`.
pub(super) fn with_zeros(rows: &Batch, columns: &[&str], zero: f64) -> Batch {
    let mut rows = put(rows, columns, zero, usize::MAX);
    // What is 0 already has the same sign.
    for column in &mut rows.columns {
        let signed = |value: &mut f64| {
            if *value == 0.0 {
                *value = zero;
            }
        };
        match &mut column.values {
            Values::Numbers(numbers) => numbers.iter_mut().for_each(signed),
            Values::Series(series) => series.iter_mut().flatten().for_each(signed),
            Values::Texts(_) => {}
        }
    }
    rows
}

/// The same rows with `value` in one of `columns` of each row but every `spared`-th; an empty text in one of texts.
fn put(rows: &Batch, columns: &[&str], value: f64, spared: usize) -> Batch {
    let mut changed = rows.clone();
    for row in (0..rows.rows).filter(|row| row % spared != spared - 1) {
        let Some(name) = columns.get(hash("gap", row) as usize % columns.len().max(1)) else {
            continue;
        };
        let column = changed.columns.iter_mut().find(|column| column.name == *name);
        match column.map(|column| &mut column.values) {
            Some(Values::Numbers(numbers)) => numbers.iter_mut().skip(row).take(1).for_each(|at| *at = value),
            Some(Values::Series(series)) => {
                for series in series.iter_mut().skip(row).take(1) {
                    let period = hash("period", row) as usize % series.len().max(1);
                    series.iter_mut().skip(period).take(1).for_each(|at| *at = value);
                }
            }
            Some(Values::Texts(texts)) => texts.iter_mut().skip(row).take(1).for_each(String::clear),
            None => {}
        }
    }
    changed
}

/// As many rows of which nothing is known.
pub(super) fn unknown(world: World, rows: usize) -> Batch {
    let columns = world.columns().iter().map(|known| {
        let values = match known.kind {
            Kind::Numbers => Values::Numbers(vec![f64::NAN; rows]),
            Kind::Texts => Values::Texts(vec![String::new(); rows]),
            Kind::Series => Values::Series(vec![Vec::new(); rows]),
        };
        column(known.name, values)
    });
    Batch {
        rows,
        columns: columns.collect(),
    }
}

/// The same rows with numbers that no brand will have, where they have no natural bound.
pub(super) fn huge(rows: &Batch) -> Batch {
    let mut huge = rows.clone();
    for column in &mut huge.columns {
        let bounded = column.name.ends_with("_rank") || SHARES.contains(&column.name.as_str());
        match &mut column.values {
            Values::Numbers(numbers) if !bounded => numbers.iter_mut().for_each(|value| *value *= HUGE),
            Values::Series(series) => series.iter_mut().flatten().for_each(|value| *value *= HUGE),
            _ => {}
        }
    }
    huge
}

/// The rows at these places, in this order.
pub(super) fn pick(rows: &Batch, places: &[usize]) -> Batch {
    fn of<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
        places
            .iter()
            .filter_map(|place| values.get(*place).cloned())
            .collect()
    }
    let columns = rows.columns.iter().map(|given| {
        let values = match &given.values {
            Values::Numbers(values) => Values::Numbers(of(values, places)),
            Values::Texts(values) => Values::Texts(of(values, places)),
            Values::Series(values) => Values::Series(of(values, places)),
        };
        column(&given.name, values)
    });
    Batch {
        rows: places.len(),
        columns: columns.collect(),
    }
}

/// The same rows without some columns.
pub(super) fn without(rows: &Batch, columns: &[&str]) -> Batch {
    let mut fewer = rows.clone();
    fewer
        .columns
        .retain(|column| !columns.contains(&column.name.as_str()));
    fewer
}

/// `places` in an order that looks like chance.
pub(super) fn shuffled(mut places: Vec<usize>) -> Vec<usize> {
    let mut at = 0;
    places.sort_by_cached_key(|_| {
        at += 1;
        hash("order", at)
    });
    places
}

/// As methodology, ground rule 7, has them: 100·(below + ½·(ties − 1)) ÷ (n − 1).
pub(super) fn percentile_ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let others = values.len().saturating_sub(1).max(1) as f64;
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let ties = sorted.partition_point(|other| other <= value) - below;
        100.0 * (below as f64 + 0.5 * (ties as f64 - 1.0)) / others
    };
    values.iter().map(rank).collect()
}

/// What looks like chance and is always the same.
fn hash(what: &str, row: usize) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(what.as_bytes(), row as u64)
}

/// From 0 to below 1.
pub(super) fn chance(what: &str, row: usize) -> f64 {
    (hash(what, row) >> 11) as f64 / (1u64 << 53) as f64
}

pub(super) fn between(what: &str, row: usize, (low, high): (f64, f64)) -> f64 {
    low + (high - low) * chance(what, row)
}

pub(super) fn one_of(words: &[&'static str], what: &str, row: usize) -> &'static str {
    let at = hash(what, row) as usize % words.len().max(1);
    words.get(at).copied().unwrap_or_default()
}

/// By Box and Muller.
fn normal(what: &str, row: usize) -> f64 {
    let (radius, turn) = (1.0 - chance(what, row), chance(what, usize::MAX - row));
    (-2.0 * radius.ln()).sqrt() * (TAU * turn).cos()
}

pub(super) fn lognormal(what: &str, row: usize, median: f64, deviation: f64) -> f64 {
    median * (deviation * normal(what, row)).exp()
}

/// By inversion.
pub(super) fn poisson(what: &str, row: usize, mean: f64) -> f64 {
    let mut left = chance(what, row);
    let (mut count, mut part) = (0.0, (-mean).exp());
    while left > part && count < 100.0 {
        left -= part;
        count += 1.0;
        part *= mean / count;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<'a>(rows: &'a Batch, name: &str) -> &'a [f64] {
        rows.numbers(name).unwrap()
    }

    #[test]
    fn every_column_is_there_known_and_of_its_kind() {
        for world in World::ALL {
            let rows = usual(world, 300);
            assert_eq!(rows.columns.len(), world.columns().len());
            for known in world.columns() {
                let values = rows.values(known.name).unwrap();
                let holds = match (known.kind, values) {
                    (Kind::Numbers, Values::Numbers(values)) => {
                        let least = if known.name == "growth" { -1.0 } else { 0.0 };
                        values.iter().all(|value| value.is_finite() && *value >= least)
                    }
                    (Kind::Texts, Values::Texts(texts)) => texts.len() == 300,
                    (Kind::Series, Values::Series(series)) => series.iter().all(|series| {
                        series.len() > 3 && series.iter().all(|value| value.is_finite() && *value >= 0.0)
                    }),
                    _ => false,
                };
                assert!(holds, "{}", known.name);
                if SHARES.contains(&known.name) {
                    assert!(numbers(&rows, known.name).iter().all(|share| *share <= 1.0));
                }
            }
            assert_eq!(rows, usual(world, 300));
        }
    }

    #[test]
    fn candidates_are_many_small_and_few_big() {
        let rows = usual(World::KocModel, 2_000);
        let share = |name: &str, holds: &dyn Fn(f64) -> bool| {
            numbers(&rows, name).iter().filter(|value| holds(**value)).count() as f64 / 2_000.0
        };
        // Of seven in eight 30 % post nothing, and of 36 % and 22 % with one or two posts 94 % and 55 % get no reaction.
        assert!((0.6..0.75).contains(&share("interactions_30d", &|value| value == 0.0)));
        assert!((0.3..0.5).contains(&share("own_gmv_365d", &|value| value == 0.0)));
        assert!((0.08..0.16).contains(&share("followers", &|value| value > 2_500.0)));
        let (followers, fit) = (numbers(&rows, "followers"), numbers(&rows, "match"));
        for (row, reach) in numbers(&rows, "reach").iter().enumerate() {
            assert_eq!(*reach, followers[row] * fit[row]);
        }
        let mean = numbers(&rows, "followers_rank").iter().sum::<f64>() / 2_000.0;
        assert!((mean - 50.0).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn ranks_by_hand() {
        assert_eq!(
            percentile_ranks(&[10.0, 20.0, 20.0, 30.0]),
            [0.0, 50.0, 50.0, 100.0]
        );
    }

    #[test]
    fn markets_have_periods_in_common_and_start_late() {
        let rows = usual(World::StyleTrendModel, 600);
        let gmv = rows.series("gmv").unwrap();
        for name in ["units", "searches", "listings"] {
            let others = rows.series(name).unwrap();
            assert!(
                gmv.iter()
                    .zip(others)
                    .all(|(one, other)| one.len() == other.len()),
                "{name}"
            );
        }
        let count = |holds: &dyn Fn(&[f64]) -> bool| gmv.iter().filter(|series| holds(series)).count();
        assert!(count(&|series| series.len() < PERIODS) > 50);
        assert!(count(&|series| series.first() == Some(&0.0)) > 50);
        assert!(count(&|series| series.last() == Some(&0.0)) == 0);
    }

    #[test]
    fn one_value_of_a_row_is_taken_away() {
        let rows = usual(World::StyleTrendModel, 90);
        let gaps = with_gaps(&rows, &["gmv", "brand_tgi"]);
        let unknown = |row: usize| {
            let series = gaps.series("gmv").unwrap()[row].iter();
            series.filter(|value| value.is_nan()).count()
                + usize::from(numbers(&gaps, "brand_tgi")[row].is_nan())
        };
        let counts: Vec<usize> = (0..90).map(unknown).collect();
        assert!(
            (0..90).all(|row| counts[row] == usize::from(row % 3 != 2)),
            "{counts:?}"
        );
        assert!(numbers(&gaps, "brand_tgi").iter().any(|value| value.is_nan()));
        assert_eq!(gaps.numbers("penetration"), rows.numbers("penetration"));
        assert_eq!(with_gaps(&rows, &[]), rows);
        let places = shuffled((0..90).collect());
        assert_ne!(places, (0..90).collect::<Vec<_>>());
        let mut back = places.clone();
        back.sort_unstable();
        assert_eq!(back, (0..90).collect::<Vec<_>>());
    }

    #[test]
    fn zeros_differ_in_their_sign_alone() {
        let rows = usual(World::KocModel, 50);
        let names = ["followers", "match"];
        let (plus, minus) = (with_zeros(&rows, &names, 0.0), with_zeros(&rows, &names, -0.0));
        assert_eq!(plus, minus);
        let signs = |rows: &Batch| {
            numbers(rows, "followers")
                .iter()
                .filter(|value| value.is_sign_negative())
                .count()
        };
        assert!(signs(&plus) == 0 && signs(&minus) > 10);
    }
}
