//! How a shadow's answer compares with the one that was given.

use dualwheel_measure::rank::percentile_ranks;

/// A column of both answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Column of the world's answer.
    pub column: String,
    /// Spearman's rank correlation; `None` where a column is constant.
    pub rank_correlation: Option<f64>,
    /// Share of the given answer's best tenth (rounded up) that is among the shadow's; `None` without rows.
    pub top_overlap: Option<f64>,
    /// Largest absolute difference of a row.
    pub largest_difference: f64,
}

/// Compares a column of finite numbers, of as many rows each.
#[must_use]
pub fn compare(column: &str, given: &[f64], shadow: &[f64]) -> Comparison {
    let differences = given.iter().zip(shadow).map(|(a, b)| (a - b).abs());
    Comparison {
        column: column.to_owned(),
        rank_correlation: correlation(&percentile_ranks(given), &percentile_ranks(shadow)),
        top_overlap: overlap(given, shadow),
        // Of huge numbers the difference may be no number any more.
        largest_difference: differences.fold(0.0, f64::max).min(f64::MAX),
    }
}

/// Pearson's correlation.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        square_a += (a - mean_a).powi(2);
        square_b += (b - mean_b).powi(2);
    }
    (square_a > 0.0 && square_b > 0.0).then(|| (both / (square_a * square_b).sqrt()).clamp(-1.0, 1.0))
}

fn overlap(given: &[f64], shadow: &[f64]) -> Option<f64> {
    let size = given.len().div_ceil(10);
    let (best, other) = (best(given, size), best(shadow, size));
    let common = best.iter().filter(|row| other.binary_search(row).is_ok()).count();
    (size > 0).then(|| common as f64 / size as f64)
}

/// The rows with the greatest values, ascending; of equal ones the first.
fn best(values: &[f64], size: usize) -> Vec<usize> {
    let mut rows: Vec<(usize, &f64)> = values.iter().enumerate().collect();
    rows.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    let mut best: Vec<usize> = rows.into_iter().take(size).map(|(row, _)| row).collect();
    best.sort_unstable();
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        // Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 − 6·(1+1+1+1+0) ÷ (5·24) = 0.8.
        let same = compare("x", &[10.0, 20.0, 30.0, 40.0, 50.0], &[2.0, 1.0, 4.0, 3.0, 5.0]);
        assert!((same.rank_correlation.unwrap() - 0.8).abs() < 1e-12);
        assert_eq!((same.top_overlap, same.largest_difference), (Some(1.0), 45.0));
        let turned = compare("x", &[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]);
        assert_eq!(
            (turned.rank_correlation, turned.top_overlap),
            (Some(-1.0), Some(0.0))
        );
        let constant = compare("x", &[1.0, 1.0], &[1.0, 2.0]);
        assert_eq!(
            (constant.rank_correlation, constant.top_overlap),
            (None, Some(0.0))
        );
        let none = compare("x", &[], &[]);
        assert_eq!(
            (none.rank_correlation, none.top_overlap, none.largest_difference),
            (None, None, 0.0)
        );
    }

    proptest! {
        #[test]
        fn correlation_is_that_of_pairs(pairs in prop::collection::vec((0..9i8, 0..9i8), 2..30)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
            // The mean rank of a value, by counting.
            let rank = |values: &[f64], value: f64| {
                let below = values.iter().filter(|other| **other < value).count() as f64;
                let ties = values.iter().filter(|other| **other == value).count() as f64;
                below + (ties + 1.0) / 2.0
            };
            let ranks = |values: &[f64]| values.iter().map(|value| rank(values, *value)).collect::<Vec<_>>();
            let (ra, rb) = (ranks(&a), ranks(&b));
            let n = a.len() as f64;
            let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let covariance = |x: &[f64], y: &[f64]| {
                n * sum(x, y) - x.iter().sum::<f64>() * y.iter().sum::<f64>()
            };
            let spread = covariance(&ra, &ra) * covariance(&rb, &rb);
            let found = compare("x", &a, &b).rank_correlation;
            prop_assert_eq!(found.is_some(), spread > 0.0);
            if let Some(found) = found {
                prop_assert!((found - covariance(&ra, &rb) / spread.sqrt()).abs() < 1e-9);
            }
        }
    }
}
