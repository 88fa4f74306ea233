//! The board in numbers.

use dualwheel_measure::{Metric, Scope};

use super::{Board, Class};

/// The metrics of the group, in the order of the definitions.
pub const METRICS: [&str; 4] = [
    "koc.candidates",
    "koc.standard_koc",
    "koc.sharer",
    "koc.quality_buyer",
];

/// How many candidates there are, and how many of each class.
#[must_use]
pub fn metrics(board: &Board, scope: &Scope<'_>) -> Vec<Metric> {
    let people = |class: Class| {
        board
            .ratings
            .iter()
            .filter(|rating| rating.class == class)
            .count()
    };
    let all = std::iter::once(board.candidates.len());
    let classes = Class::CULTIVATED.into_iter().map(people);
    let counted = METRICS.into_iter().zip(all.chain(classes));
    counted
        .map(|(id, people)| scope.count(id, people as i64))
        .collect()
}
