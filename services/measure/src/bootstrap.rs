//! Seeded bootstrap intervals that do not depend on the order of the data.

use serde::{Deserialize, Serialize};

use crate::draw::part_of;

/// Groups into which units are put by the hash of their key.
const GROUPS: usize = 512;
/// Draws of an interval.
const DRAWS: usize = 1_000;
/// Seed of all intervals.
const SEED: u64 = 0x00d0_a1e1;

/// SplitMix64: a small generator whose stream is part of the metric definitions, so that it never changes
/// under us with a library's version.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator with its seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Sums of a ratio's two sides per group of units, for the bootstrap over units (consumers or SKUs).
///
/// Units are joined into 512 groups by the hash of their key and whole groups are drawn: the result is the same
/// in whatever order and on however many machines the units were added, and costs the same at any size.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RatioGroups {
    sums: Vec<(i128, i128)>,
    used: Vec<bool>,
}

impl Default for RatioGroups {
    fn default() -> Self {
        Self {
            sums: vec![(0, 0); GROUPS],
            used: vec![false; GROUPS],
        }
    }
}

impl RatioGroups {
    /// The group of a unit.
    #[must_use]
    pub fn group_of(key: &str) -> u16 {
        part_of(key, GROUPS as u64, 0) as u16
    }

    /// Adds one unit's part of the numerator and denominator.
    pub fn add(&mut self, key: &str, numerator: i128, denominator: i128) {
        self.add_to(Self::group_of(key), numerator, denominator);
    }

    /// Adds a part of the units of a group.
    pub fn add_to(&mut self, group: u16, numerator: i128, denominator: i128) {
        let group = usize::from(group);
        if let (Some(sum), Some(used)) = (self.sums.get_mut(group), self.used.get_mut(group)) {
            sum.0 += numerator;
            sum.1 += denominator;
            *used = true;
        }
    }

    /// Adds other units.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
            sum.0 += more.0;
            sum.1 += more.1;
        }
        for (used, more) in self.used.iter_mut().zip(&other.used) {
            *used |= more;
        }
    }

    /// Sums of both sides.
    #[must_use]
    pub fn totals(&self) -> (i128, i128) {
        self.sums
            .iter()
            .fold((0, 0), |total, sum| (total.0 + sum.0, total.1 + sum.1))
    }

    /// The 95 % percentile interval of numerator ÷ denominator × `factor`; `None` with fewer than two groups or
    /// where too many draws have no denominator.
    #[must_use]
    pub fn interval(&self, factor: f64) -> Option<(f64, f64)> {
        let sums: Vec<(f64, f64)> = (self.sums.iter().zip(&self.used))
            .filter(|(_, used)| **used)
            .map(|((numerator, denominator), _)| (*numerator as f64, *denominator as f64))
            .collect();
        if sums.len() < 2 {
            return None;
        }
        let mut random = SplitMix::new(SEED);
        let mut ratios = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let mut total = (0.0, 0.0);
            for _ in 0..sums.len() {
                if let Some(sum) = sums.get(random.below(sums.len())) {
                    total.0 += sum.0;
                    total.1 += sum.1;
                }
            }
            if total.1 != 0.0 {
                ratios.push(total.0 / total.1 * factor);
            }
        }
        if ratios.len() < DRAWS * 9 / 10 {
            return None;
        }
        percentile_bounds(&mut ratios)
    }
}

/// The 95 % bootstrap interval of a quantile of `sorted` values; `None` with fewer than two values.
///
/// A draw of n values with replacement has its k-th smallest at position ⌊n·U₍ₖ₎⌋, and U₍ₖ₎ is Beta(k, n+1−k):
/// so a draw costs one Beta number instead of n values.
#[must_use]
pub fn quantile_interval(sorted: &[f64], quantile: f64) -> Option<(f64, f64)> {
    use statrs::distribution::{Beta, ContinuousCDF};
    let n = sorted.len();
    if n < 2 {
        return None;
    }
    let k = ((quantile * n as f64).ceil() as usize).clamp(1, n);
    let beta = Beta::new(k as f64, (n + 1 - k) as f64).ok()?;
    let mut random = SplitMix::new(SEED);
    let mut values: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let position = (beta.inverse_cdf(random.unit()) * n as f64) as usize;
            sorted.get(position.min(n - 1)).copied()
        })
        .collect();
    percentile_bounds(&mut values)
}

/// The 2.5 % and 97.5 % order statistics of `values`; `None` when there are none.
pub fn percentile_bounds(values: &mut [f64]) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values.get((share * last as f64).round() as usize).copied();
    Some((at(0.025)?, at(0.975)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_units_does_not_matter() {
        let unit = |i: u64| (format!("c{i}"), i128::from(i * 7919 % 100), i128::from(1 + i % 3));
        let (mut forward, mut backward) = (RatioGroups::default(), RatioGroups::default());
        for i in 0..3_000 {
            let (key, numerator, denominator) = unit(i);
            forward.add(&key, numerator, denominator);
            let (key, numerator, denominator) = unit(2_999 - i);
            backward.add(&key, numerator, denominator);
        }
        assert_eq!(forward.interval(1.0), backward.interval(1.0));
        assert_eq!(forward.totals(), backward.totals());
    }

    #[test]
    fn agrees_with_the_normal_interval_of_a_mean() {
        // 20 000 units with values 0..99 uniformly: sd 28.87, standard error of the mean 0.2041.
        let mut groups = RatioGroups::default();
        let mut random = SplitMix::new(7);
        for i in 0..20_000 {
            groups.add(&format!("k{i}"), random.below(100) as i128, 1);
        }
        let (low, high) = groups.interval(1.0).unwrap();
        let half = (high - low) / 2.0;
        assert!((half - 1.96 * 0.2041).abs() < 0.06, "{half}");
    }

    #[test]
    fn median_interval_agrees_with_naive_resampling() {
        let sorted: Vec<f64> = (0..201).map(|i| f64::from(i * i)).collect();
        let (low, high) = quantile_interval(&sorted, 0.5).unwrap();
        let mut random = SplitMix::new(3);
        let mut medians: Vec<f64> = (0..4_000)
            .map(|_| {
                let mut draw: Vec<f64> = (0..201).map(|_| sorted[random.below(201)]).collect();
                draw.sort_by(f64::total_cmp);
                draw[100]
            })
            .collect();
        let naive = percentile_bounds(&mut medians).unwrap();
        assert!((low - naive.0).abs() / naive.0 < 0.1 && (high - naive.1).abs() / naive.1 < 0.1);
    }
}
