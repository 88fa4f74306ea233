//! The board: class × quadrant, and what each cell buys, where to meet it and how to move it.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_lake::frames::{NONE, Purchases, categories::cut, purchases::of_consumer};
use dualwheel_measure::{Day, Window, wilson};
use dualwheel_plugin_sdk::KocScores;

use super::{Candidate, Class, Facts, Quadrant, Rating, rate};
use crate::{Parameters, parameters::Suggestion};

/// A category that a cell buys more than the candidates as a whole, or less.
#[derive(Clone, Debug, PartialEq)]
pub struct Association {
    /// Category path, cut at the definition's level.
    pub category: String,
    /// People of the cell who bought it.
    pub buyers: i64,
    /// Candidates who bought it.
    pub all_buyers: i64,
    /// Share of buyers in the cell ÷ their share among all candidates.
    pub lift: f64,
    /// 95 % interval of the lift: Wilson bounds of the cell's share ÷ the candidates' share, taken as fixed.
    pub interval: (f64, f64),
}

/// One of twelve cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Class.
    pub class: Class,
    /// Quadrant.
    pub quadrant: Quadrant,
    /// Places of its people among the candidates, ascending.
    pub people: Vec<usize>,
    /// Best-associated categories, the greatest lower bound of lift first.
    pub categories: Vec<Association>,
    /// Categories withheld because fewer people of the cell bought them than the definition's `min_cell`.
    pub withheld: usize,
    /// Where to meet its people.
    pub scene: Suggestion,
    /// How to move them.
    pub lever: Suggestion,
}

/// Everything that is answered about a brand's candidates on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// The candidates, by key.
    pub candidates: Vec<Candidate>,
    /// Their ratings, in the same order.
    pub ratings: Vec<Rating>,
    /// Class by class the quadrants, in the order of [`Class::CULTIVATED`] and [`Quadrant::ALL`].
    pub cells: Vec<Cell>,
    /// Candidates without a class, by quadrant in the order of [`Quadrant::ALL`].
    pub unclassed: [usize; 4],
}

/// The board of candidates whom a model scored.
#[must_use]
pub fn board(
    facts: Facts<'_>,
    parameters: &Parameters,
    day: Day,
    candidates: Vec<Candidate>,
    scores: &KocScores,
) -> Board {
    let ratings = rate(&candidates, scores, parameters);
    let bought = bought(facts, parameters, day, &candidates);
    let places = |class: Class, quadrant: Quadrant| -> Vec<usize> {
        let rated = ratings.iter().enumerate();
        rated
            .filter(|(_, rating)| rating.class == class && rating.quadrant == quadrant)
            .map(|(place, _)| place)
            .collect()
    };
    let mut cells = Vec::with_capacity(Class::CULTIVATED.len() * Quadrant::ALL.len());
    for class in Class::CULTIVATED {
        let Some(scene) = parameters.koc_scenes.of(class) else {
            continue;
        };
        for quadrant in Quadrant::ALL {
            let people = places(class, quadrant);
            let (categories, withheld) = associations(&people, &bought, parameters);
            cells.push(Cell {
                class,
                quadrant,
                people,
                categories,
                withheld,
                scene: scene.clone(),
                lever: parameters.koc_levers.of(quadrant).clone(),
            });
        }
    }
    let unclassed = Quadrant::ALL.map(|quadrant| places(Class::Unclassed, quadrant).len());
    Board {
        candidates,
        ratings,
        cells,
        unclassed,
    }
}

/// The categories that each candidate bought in the days up to `day`. Supplied purchases count for a brand without
/// order lines (ground rule 8).
fn bought(
    facts: Facts<'_>,
    parameters: &Parameters,
    day: Day,
    candidates: &[Candidate],
) -> Vec<BTreeSet<String>> {
    let are_behaviors = Purchases::of(Some(facts.behaviors), facts.orders).are_behaviors();
    let window = Window::ending(day, parameters.koc_category_days.get().into());
    let keys = facts.behaviors.names.categories.view();
    let of = |candidate: &Candidate| -> BTreeSet<String> {
        of_consumer(
            Some(facts.behaviors),
            facts.orders,
            candidate.consumer,
            are_behaviors,
        )
        .filter(|purchase| window.contains(purchase.day) && purchase.category != NONE)
        .map(|purchase| cut(keys.key(purchase.category), parameters.category_level.get()).to_owned())
        .collect()
    };
    candidates.iter().map(of).collect()
}

/// The best-associated categories of a cell, and how many were withheld.
fn associations(
    people: &[usize],
    bought: &[BTreeSet<String>],
    parameters: &Parameters,
) -> (Vec<Association>, usize) {
    let mut all: BTreeMap<&str, i64> = BTreeMap::new();
    for category in bought.iter().flatten() {
        *all.entry(category).or_default() += 1;
    }
    let mut own: BTreeMap<&str, i64> = BTreeMap::new();
    for category in people.iter().filter_map(|place| bought.get(*place)).flatten() {
        *own.entry(category).or_default() += 1;
    }
    let (told, few): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|(_, buyers)| *buyers >= i64::from(parameters.min_cell.get()));
    let mut found: Vec<Association> = told
        .into_iter()
        .filter_map(|(category, buyers)| {
            let all_buyers = all.get(category).copied()?;
            let base = all_buyers as f64 / bought.len() as f64;
            let (low, high) = wilson::interval(buyers, people.len() as i64)?;
            Some(Association {
                category: category.to_owned(),
                buyers,
                all_buyers,
                lift: buyers as f64 / people.len() as f64 / base,
                interval: (low / base, high / base),
            })
        })
        .collect();
    // Stable: equal ones stay in the order of their names.
    found.sort_by(|a, b| b.interval.0.total_cmp(&a.interval.0));
    found.truncate(parameters.koc_most_categories.get().into());
    (found, few.len())
}
