//! Ranks, fit and priority of rows that a model scored.

use std::collections::BTreeMap;

use dualwheel_measure::rank::{median, percentile_ranks};
use dualwheel_plugin_sdk::StyleScores;

use super::Row;
use crate::Parameters;

/// What to do about a value: its growth × its fit, each high above its cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// It grows and fits the brand: lead.
    Lead,
    /// It grows and does not fit yet: build.
    Build,
    /// It fits and does not grow: keep.
    Keep,
    /// Neither: watch.
    Watch,
}

impl Priority {
    /// The name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Build => "build",
            Self::Keep => "keep",
            Self::Watch => "watch",
        }
    }

    fn of(grows: bool, fits: bool) -> Self {
        match (grows, fits) {
            (true, true) => Self::Lead,
            (true, false) => Self::Build,
            (false, true) => Self::Keep,
            (false, false) => Self::Watch,
        }
    }
}

/// A value of the attribute with its trend.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The row.
    pub row: Row,
    /// Relative growth a period.
    pub growth: f64,
    /// Score, 0 to 100.
    pub score: f64,
    /// Rank by score among all rows, 1 the best; ties share the best.
    pub rank: usize,
    /// Rank by recent market GMV among the rows of its category, likewise.
    pub category_rank: usize,
    /// How well it fits the brand, 0 to 100; `None` where nothing is known of the brand in it.
    pub fit: Option<f64>,
    /// Priority; `None` without a fit.
    pub priority: Option<Priority>,
}

/// The trends of `rows`, the best score first and equal ones by category, price band and value.
///
/// *Fit* (this project's own definition) is the mean of the known percentile ranks, among the rows, of the brand's share of
/// the market, of how much its consumers gather there (TGI), and of their conversion. Growth and fit are high above the
/// definition's cuts, or else above the medians of the rows.
#[must_use]
pub fn trends(rows: Vec<Row>, scores: &StyleScores, parameters: &Parameters) -> Vec<Trend> {
    let fits = fits(&rows);
    let known: Vec<f64> = fits.iter().copied().flatten().collect();
    let cut =
        |given: Option<f64>, values: &[f64]| given.unwrap_or_else(|| median(values).unwrap_or_default());
    let growth_cut = cut(parameters.style_growth_cut, &scores.growth);
    let fit_cut = cut(parameters.style_fit_cut, &known);
    let ranks = places(&scores.score);
    let in_category = category_ranks(&rows);
    let scored = scores.growth.iter().zip(&scores.score).zip(ranks);
    let mut trends: Vec<Trend> = rows
        .into_iter()
        .zip(scored)
        .zip(fits.into_iter().zip(in_category))
        .map(|((row, ((growth, score), rank)), (fit, category_rank))| Trend {
            row,
            growth: *growth,
            score: *score,
            rank,
            category_rank,
            fit,
            priority: fit.map(|fit| Priority::of(*growth > growth_cut, fit > fit_cut)),
        })
        .collect();
    // Stable: rows come by category, price band and value.
    trends.sort_by_key(|trend| trend.rank);
    trends
}

/// A fit is rounded to nine decimals, so that the rounding of sums does not decide on which side of a cut it lies.
const DECIMALS: f64 = 1e9;

fn fits(rows: &[Row]) -> Vec<Option<f64>> {
    let signs: [fn(&Row) -> Option<f64>; 3] = [
        |row| row.brand_share,
        |row| row.brand_tgi,
        |row| row.brand_conversion,
    ];
    let mut sums = vec![(0.0, 0u8); rows.len()];
    for sign in signs {
        let known: Vec<f64> = rows.iter().filter_map(sign).collect();
        let mut ranks = percentile_ranks(&known).into_iter();
        for (row, (sum, count)) in rows.iter().zip(&mut sums) {
            if let Some(rank) = sign(row).and_then(|_| ranks.next()) {
                *sum += rank;
                *count += 1;
            }
        }
    }
    let mean =
        |(sum, count): (f64, u8)| (count > 0).then(|| (sum / f64::from(count) * DECIMALS).round() / DECIMALS);
    sums.into_iter().map(mean).collect()
}

fn category_ranks(rows: &[Row]) -> Vec<usize> {
    let mut by_category: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let gmv = by_category.entry(&row.style.category).or_default();
        gmv.push(row.style.recent_gmv as f64);
    }
    // Rows stand category by category, in order.
    by_category.into_values().flat_map(|gmv| places(&gmv)).collect()
}

/// One more than the number of greater values, for each.
fn places(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let greater = |value: &f64| values.len() - sorted.partition_point(|other| other <= value);
    values.iter().map(|value| greater(value) + 1).collect()
}
