//! Flow: who moved between the stages from the day before the window to its last day.
//!
//! Source: methodology 2.2. Rows of the matrix sum to the stages' sizes before, columns to those after.

use dualwheel_measure::{Day, Metric, Scope, Window};

use crate::{
    categories::Categories,
    facts::{Facts, add_all, fold},
    index::Judge,
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
};

/// People by state on two days.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The matrix of `model` between `before` and `after`.
#[must_use]
pub fn matrix(
    facts: &Facts,
    model: &Model,
    before: Day,
    after: Day,
    category: Option<&Categories>,
) -> Matrix {
    let people = People::new(
        facts,
        model,
        Window {
            first: before,
            last: after,
        },
        category,
    );
    let (matrix, _) = fold(
        people.consumers(),
        || (Matrix::new(model), Timeline::new(model)),
        |(matrix, timeline), consumer| {
            people.read(consumer, timeline);
            matrix.add(model.depth(timeline, before), model.depth(timeline, after));
        },
        |mut one, other| {
            one.0.merge(&other.0);
            one
        },
    );
    matrix
}

/// The flow of AIPL over the scope's window, in people, and its matrix.
#[must_use]
pub fn measure(
    facts: &Facts,
    parameters: &Parameters,
    scope: &Scope<'_>,
    category: Option<&Categories>,
) -> (Vec<Metric>, Matrix) {
    let model = Model::new(&parameters.aipl, parameters, category.is_some());
    let matrix = matrix(
        facts,
        &model,
        scope.window.first.plus(-1),
        scope.window.last,
        category,
    );
    (facts.labelled(emit(scope, &matrix)), matrix)
}

/// The same for the whole brand, by the people index.
#[must_use]
pub fn measure_by_index(
    judge: &Judge<'_>,
    parameters: &Parameters,
    scope: &Scope<'_>,
) -> (Vec<Metric>, Matrix) {
    let model = Model::new(&parameters.aipl, parameters, false);
    let matrix = judge.flow(&model, scope.window.first.plus(-1), scope.window.last);
    (judge.labelled(emit(scope, &matrix)), matrix)
}

fn emit(scope: &Scope<'_>, matrix: &Matrix) -> Vec<Metric> {
    let count = |id: &str, which: fn(usize, usize) -> bool| scope.count(id, matrix.people(which));
    vec![
        count("flow.advanced", |before, after| before > 0 && after > before),
        count("flow.stayed", |before, after| before > 0 && after == before),
        count("flow.fell_back", |before, after| after > 0 && after < before),
        count("flow.lost", |before, after| before > 0 && after == 0),
        count("flow.gained", |before, after| before == 0 && after > 0),
    ]
}
