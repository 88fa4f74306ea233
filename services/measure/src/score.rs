//! Robust scores against a reference set.
//!
//! Source: methodology §6.2 (this project's own definition).

use statrs::distribution::{ContinuousCDF, Normal};

use crate::rank::median;

/// Fewest members of a reference set that give a score.
pub const FEWEST_MEMBERS: usize = 3;

/// Centre and spread of a reference set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yardstick {
    /// Median of the members.
    pub centre: f64,
    /// 1.4826 × the median absolute deviation, or 1.2533 × the mean one where that is zero.
    pub spread: f64,
    /// Number of members.
    pub members: usize,
}

impl Yardstick {
    /// The yardstick of `values` (the brand among them); `None` with fewer than three.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.len() < FEWEST_MEMBERS {
            return None;
        }
        let centre = median(values)?;
        let deviations: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
        let mut spread = 1.4826 * median(&deviations)?;
        if spread == 0.0 {
            let mut sorted = deviations;
            sorted.sort_by(f64::total_cmp);
            spread = 1.2533 * sorted.iter().sum::<f64>() / sorted.len() as f64;
        }
        Some(Self {
            centre,
            spread,
            members: values.len(),
        })
    }

    /// z of `value`, clipped to ±3.
    #[must_use]
    pub fn z(&self, value: f64) -> f64 {
        let distance = value - self.centre;
        if self.spread > 0.0 {
            (distance / self.spread).clamp(-3.0, 3.0)
        } else if distance == 0.0 {
            0.0
        } else {
            3.0 * distance.signum()
        }
    }

    /// Score from 0 to 100: 50 + (100·Φ(z) − 50)·n ÷ (n + 4).
    #[must_use]
    pub fn score(&self, value: f64) -> f64 {
        let raw = 100.0 * Normal::standard().cdf(self.z(value));
        let n = self.members as f64;
        50.0 + (raw - 50.0) * n / (n + 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        // 1, 2, 3, 4, 10: median 3, deviations 2 1 0 1 7, MAD 1, spread 1.4826.
        let yardstick = Yardstick::of(&[10.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((yardstick.centre, yardstick.spread), (3.0, 1.4826));
        assert_eq!(yardstick.z(10.0), 3.0);
        assert_eq!(yardstick.score(3.0), 50.0);
        // z of 4 = .67449, Φ = .75, score = 50 + 25·5/9.
        assert!((yardstick.score(4.0) - (50.0 + 25.0 * 5.0 / 9.0)).abs() < 1e-3);
        assert_eq!(Yardstick::of(&[1.0, 2.0]), None);
    }

    #[test]
    fn flat_sets_fall_back() {
        // 5 5 5 8: MAD 0, mean absolute deviation .75, spread .939975.
        let yardstick = Yardstick::of(&[5.0, 5.0, 5.0, 8.0]).unwrap();
        assert!((yardstick.spread - 0.939_975).abs() < 1e-12);
        let flat = Yardstick::of(&[5.0, 5.0, 5.0]).unwrap();
        assert_eq!((flat.z(5.0), flat.z(6.0), flat.z(4.0)), (0.0, 3.0, -3.0));
    }
}
