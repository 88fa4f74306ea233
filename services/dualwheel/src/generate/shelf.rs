//! Weighted choice that changes with time: which product of a category, which content of a brand.

use super::dice::{Dice, cumulative};

/// Things with a weight in every stock period.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Index of each thing in the market's list.
    items: Vec<usize>,
    /// Cumulative weights, by period.
    sums: Vec<Vec<f32>>,
}

impl Shelf {
    /// A shelf of things whose weight in a period is given by a function of thing and period.
    pub fn new(items: Vec<usize>, periods: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let sums = (0..periods)
            .map(|period| cumulative(items.iter().map(|&item| weight(item, period))))
            .collect();
        Self { items, sums }
    }

    /// Sum of the weights in a period.
    pub fn weight(&self, period: usize) -> f64 {
        self.sums
            .get(period)
            .and_then(|sums| sums.last())
            .copied()
            .map_or(0.0, f64::from)
    }

    /// A thing by its weight in a period; `None` when all weights are zero.
    pub fn draw(&self, period: usize, dice: &mut Dice) -> Option<usize> {
        let place = dice.weighted(self.sums.get(period)?)?;
        self.items.get(place).copied()
    }
}
