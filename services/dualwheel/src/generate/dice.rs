//! Seeded random streams: each brand and each consumer draws from a stream of its own, so that what one of
//! them does never depends on how many others there are, nor on the thread that computes it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};

/// What a stream is for; streams of one seed never overlap.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Decisions of the market as a whole, planted truths among them.
    Market = 1,
    /// A brand's character, products, contents and campaigns.
    Brand = 2,
    /// A consumer's traits and acts.
    Consumer = 3,
    /// Stock of one product.
    Stock = 4,
    /// Market statistics of one category.
    Industry = 5,
}

/// A stream of random draws.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a seed for a purpose and the index of its subject.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(((purpose as u64) << 48) | index);
        Self(rng)
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An index below `count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count < 2 {
            0
        } else {
            self.0.random_range(0..count)
        }
    }

    /// A whole number from `low` to `high`, both included; `low` when they are reversed.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            low
        } else {
            self.0.random_range(low..=high)
        }
    }

    /// A number in `[low, high)`.
    pub fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A normal draw.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let draw: f64 = StandardNormal.sample(&mut self.0);
        mean + deviation * draw
    }

    /// A log-normal draw, by its median and the deviation of its logarithm.
    pub fn lognormal(&mut self, median: f64, deviation: f64) -> f64 {
        median * self.normal(0.0, deviation).exp()
    }

    /// An exponential draw.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        let draw: f64 = Exp1.sample(&mut self.0);
        mean * draw
    }

    /// A Poisson draw; 0 for a mean that is not positive.
    pub fn poisson(&mut self, mean: f64) -> usize {
        Poisson::new(mean).map_or(0, |law| law.sample(&mut self.0) as usize)
    }

    /// One of several values, all alike likely; `None` when there are none.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        let index = self.below(values.len());
        values.get(index)
    }

    /// One of several words; empty when there are none.
    pub fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// An index by cumulative weights; `None` when they sum to nothing.
    pub fn weighted(&mut self, cumulative: &[f32]) -> Option<usize> {
        let total = f64::from(*cumulative.last()?);
        if total <= 0.0 {
            return None;
        }
        let mark = (self.unit() * total) as f32;
        Some(
            cumulative
                .partition_point(|&sum| sum <= mark)
                .min(cumulative.len() - 1),
        )
    }
}

/// Running sums of weights, for [`Dice::weighted`]; negative weights count as zero.
pub fn cumulative(weights: impl IntoIterator<Item = f64>) -> Vec<f32> {
    let mut sum = 0.0;
    weights
        .into_iter()
        .map(|weight| {
            sum += weight.max(0.0);
            sum as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draws = |purpose, index| {
            let mut dice = Dice::new(7, purpose, index);
            [dice.unit(), dice.unit(), dice.normal(0.0, 1.0)]
        };
        assert_eq!(draws(Purpose::Consumer, 5), draws(Purpose::Consumer, 5));
        assert_ne!(draws(Purpose::Consumer, 5), draws(Purpose::Consumer, 6));
        assert_ne!(draws(Purpose::Consumer, 5), draws(Purpose::Brand, 5));
    }

    #[test]
    fn weights_decide() {
        let mut dice = Dice::new(1, Purpose::Market, 0);
        let sums = cumulative([0.0, 3.0, 0.0, 1.0, -2.0]);
        let mut hits = [0; 5];
        for _ in 0..4_000 {
            hits[dice.weighted(&sums).unwrap()] += 1;
        }
        assert_eq!(hits[0] + hits[2] + hits[4], 0);
        assert!((2_800..3_200).contains(&hits[1]), "{hits:?}");
        assert_eq!(dice.weighted(&[]), None);
        assert_eq!(dice.weighted(&cumulative([0.0, 0.0])), None);
    }
}
