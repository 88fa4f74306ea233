//! People by state on two days.

use serde::{Deserialize, Serialize};

use crate::{facts::add_all, stages::Model};

/// People by state on two days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Matrix {
    /// Codes of the states: `OUT`, then shallow to deep.
    pub codes: Vec<String>,
    /// People, row by row: state before, then state after. `OUT` to `OUT` is 0: it is not a count.
    pub cells: Vec<i64>,
}

impl Matrix {
    /// No people in any state of `model`.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let codes: Vec<String> = std::iter::once("OUT".to_owned())
            .chain(model.codes().iter().cloned())
            .collect();
        Self {
            cells: vec![0; codes.len() * codes.len()],
            codes,
        }
    }

    /// Adds one consumer by depths; who is `OUT` on both days is not counted.
    pub fn add(&mut self, before: usize, after: usize) {
        if before + after > 0
            && let Some(cell) = self.cells.get_mut(before * self.codes.len() + after)
        {
            *cell += 1;
        }
    }

    /// Sets the people of one cell.
    pub(crate) fn set(&mut self, before: usize, after: usize, people: i64) {
        if let Some(cell) = self.cells.get_mut(before * self.codes.len() + after) {
            *cell = people;
        }
    }

    /// Adds the people of another matrix of the same model.
    pub fn merge(&mut self, other: &Self) {
        add_all(&mut self.cells, &other.cells);
    }

    /// Every cell: depth before, depth after, people.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, i64)> + '_ {
        let states = self.codes.len().max(1);
        self.cells
            .iter()
            .enumerate()
            .map(move |(at, people)| (at / states, at % states, *people))
    }

    /// People of the cells that `which` picks by depth before and after.
    pub fn people(&self, which: impl Fn(usize, usize) -> bool) -> i64 {
        self.iter()
            .filter(|(before, after, _)| which(*before, *after))
            .map(|(_, _, people)| people)
            .sum()
    }
}
