//! The ways that people take: which sequences of points, how many touches, how many days.

use std::collections::BTreeMap;

use dualwheel_measure::Money;

use super::Journeys;

/// One sequence of points; the same point several times in a row is one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Points, oldest first, by place in [`Journeys::points`].
    pub points: Vec<usize>,
    /// Outcomes at its end.
    pub outcomes: i64,
    /// People who took it to no outcome.
    pub without: i64,
    /// Net GMV of the outcomes.
    pub money: Money,
}

impl Route {
    /// Outcomes ÷ (outcomes + people who took it to none).
    #[must_use]
    pub fn conversion(&self) -> f64 {
        self.outcomes as f64 / (self.outcomes + self.without) as f64
    }
}

/// The routes with the most outcomes, at most `most`; of equal ones those that brought more come first.
#[must_use]
pub fn routes(journeys: &Journeys, most: usize) -> Vec<Route> {
    let mut found: BTreeMap<Vec<usize>, (i64, i64, Money)> = BTreeMap::new();
    for path in &journeys.paths {
        let mut points = path.points.clone();
        points.dedup();
        let counts = found.entry(points).or_default();
        match path.outcome {
            Some(money) => {
                counts.0 += 1;
                counts.2 += money;
            }
            None => counts.1 += 1,
        }
    }
    let mut routes: Vec<Route> = found
        .into_iter()
        .map(|(points, (outcomes, without, money))| Route {
            points,
            outcomes,
            without,
            money,
        })
        .filter(|route| route.outcomes > 0)
        .collect();
    // Stable: the rest is in the order of the points.
    routes.sort_by_key(|route| std::cmp::Reverse((route.outcomes, route.money)));
    routes.truncate(most);
    routes
}

/// Outcomes by the number of touches before them.
#[must_use]
pub fn lengths(journeys: &Journeys) -> BTreeMap<i32, i64> {
    distribution(journeys, |ages| i32::try_from(ages.len()).ok())
}

/// Outcomes by the days from the first touch to them; those without a touch are left out.
#[must_use]
pub fn times(journeys: &Journeys) -> BTreeMap<i32, i64> {
    distribution(journeys, |ages| ages.first().copied())
}

fn distribution(journeys: &Journeys, of: impl Fn(&[i32]) -> Option<i32>) -> BTreeMap<i32, i64> {
    let mut counts = BTreeMap::new();
    let reached = journeys.paths.iter().filter(|path| path.outcome.is_some());
    for value in reached.filter_map(|path| of(&path.ages)) {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}
