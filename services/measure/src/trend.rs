//! Trends that a few odd periods cannot bend.

use crate::rank::median;

/// The slope of Theil and Sen: the median of the slopes between all pairs of points whose positions lie a whole number
/// of `season`s apart; `None` where there is no such pair. A season of 1 compares every pair.
///
/// With a longer season only like is compared with like (December with December), so that what comes back every season
/// does not count as a trend.
///
/// Sources: P. K. Sen, 1968, *Estimates of the regression coefficient based on Kendall's tau*; for seasons R. M. Hirsch,
/// J. R. Slack and R. A. Smith, 1982, *Techniques of trend analysis for monthly water quality data*.
#[must_use]
pub fn theil_sen(points: &[(i32, f64)], season: i32) -> Option<f64> {
    median(&slopes(points, season))
}

/// Number of pairs that [`theil_sen`] compares.
#[must_use]
pub fn pairs(points: &[(i32, f64)], season: i32) -> usize {
    compared(points, season).count()
}

fn slopes(points: &[(i32, f64)], season: i32) -> Vec<f64> {
    compared(points, season)
        .map(|((x0, y0), (x1, y1))| (y1 - y0) / (f64::from(x1) - f64::from(x0)))
        .collect()
}

type Point = (i32, f64);

fn compared(points: &[Point], season: i32) -> impl Iterator<Item = (Point, Point)> {
    let season = i64::from(season.max(1));
    let later = move |at: usize| points.iter().skip(at + 1);
    let pairs = points
        .iter()
        .enumerate()
        .flat_map(move |(at, point)| later(at).map(move |other| (*point, *other)));
    pairs.filter(move |((x0, _), (x1, _))| {
        let apart = i64::from(*x1) - i64::from(*x0);
        apart != 0 && apart % season == 0
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slopes_by_hand() {
        // Pairs of (0, 0), (1, 1), (2, 9), (3, 3): 1, 4.5, 1, 8, 1, -6; sorted -6 1 1 1 4.5 8: median 1, whatever 9 does.
        let points = [(0, 0.0), (1, 1.0), (2, 9.0), (3, 3.0)];
        assert_eq!(theil_sen(&points, 1), Some(1.0));
        // Two apart: (9 - 0)/2 = 4.5 and (3 - 1)/2 = 1: median 2.75.
        assert_eq!((theil_sen(&points, 2), pairs(&points, 2)), (Some(2.75), 2));
        assert_eq!((theil_sen(&points, 4), pairs(&points, 4)), (None, 0));
        assert_eq!(theil_sen(&[(5, 1.0), (5, 2.0)], 1), None);
    }

    #[test]
    fn seasons_are_no_trend() {
        // 24 months that grow by .5 a month, and every December 100 more.
        let value = |month: i32| 0.5 * f64::from(month) + if month % 12 == 11 { 100.0 } else { 0.0 };
        let points: Vec<(i32, f64)> = (0..24).map(|month| (month, value(month))).collect();
        assert_eq!((theil_sen(&points, 12), pairs(&points, 12)), (Some(0.5), 12));
    }

    proptest! {
        #[test]
        fn equals_the_obvious_way(
            values in prop::collection::vec((0..30i32, -100..100i32), 0..20),
            season in 1..6i32,
        ) {
            let points: Vec<(i32, f64)> = values.iter().map(|(x, y)| (*x, f64::from(*y))).collect();
            let mut slopes = Vec::new();
            for (i, a) in points.iter().enumerate() {
                for (j, b) in points.iter().enumerate() {
                    if i < j && a.0 != b.0 && (a.0 - b.0).abs() % season == 0 {
                        slopes.push((b.1 - a.1) / f64::from(b.0 - a.0));
                    }
                }
            }
            slopes.sort_by(f64::total_cmp);
            let middle = match slopes.len() {
                0 => None,
                n if n % 2 == 1 => Some(slopes[n / 2]),
                n => Some((slopes[n / 2 - 1] + slopes[n / 2]) / 2.0),
            };
            let found = theil_sen(&points, season);
            prop_assert_eq!(found.is_some(), middle.is_some());
            prop_assert!((found.unwrap_or(0.0) - middle.unwrap_or(0.0)).abs() < 1e-9);
            prop_assert_eq!(pairs(&points, season), slopes.len());
            // A steady rise on top adds itself; the order of points does not matter.
            let tilted: Vec<(i32, f64)> = points.iter().rev().map(|(x, y)| (*x, y + 2.0 * f64::from(*x))).collect();
            if let (Some(found), Some(tilted)) = (found, theil_sen(&tilted, season)) {
                prop_assert!((tilted - found - 2.0).abs() < 1e-9);
            }
        }
    }
}
