//! Flow: who moved between the stages from the day before the window to its last day.
//!
//! Source: methodology 2.2. Rows of the matrix sum to the stages' sizes before, columns to those after.

use dualwheel_lake::frames::Within;
use dualwheel_measure::{Ask, Day, Extent, Metric, MetricGroup, Need, Scope, Window};

use crate::{
    categories,
    facts::{Counted, Facts, fold},
    index::Judge,
    matrix::Matrix,
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
};

/// The matrix of `model` between `before` and `after`.
#[must_use]
pub fn matrix(facts: &Facts, model: &Model, before: Day, after: Day, category: Option<&Within>) -> Matrix {
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

/// Metric ids, in the order of an answer.
pub const METRICS: [&str; 5] = [
    "flow.advanced",
    "flow.stayed",
    "flow.fell_back",
    "flow.lost",
    "flow.gained",
];

/// The flow of AIPL over the scope's window as a metric group; what is known of some people is their matrix.
#[derive(Clone, Copy, Debug)]
pub struct Flow;

impl MetricGroup for Flow {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Counted<Matrix>;

    fn name(&self) -> &'static str {
        "flow"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let model = Model::new(&ask.parameters.aipl, ask.parameters, false);
        let (before, after) = days(ask);
        model.needs(Window {
            first: before,
            last: after,
        })
    }

    fn partial(&self, facts: &Facts, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Counted<Matrix> {
        let category = categories::restriction(ask, &facts.orders.names);
        let model = Model::new(&ask.parameters.aipl, ask.parameters, category.is_some());
        let (before, after) = days(ask);
        Counted::of(facts, extent, |facts| {
            matrix(facts, &model, before, after, category.as_ref())
        })
    }

    fn merge(&self, one: Counted<Matrix>, other: Counted<Matrix>) -> Counted<Matrix> {
        one.merge(other, |sum, more| sum.merge(&more))
    }

    fn finish(&self, partial: Counted<Matrix>, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = ask.scope.over(ask.scope.window);
        let metrics = partial.get().map(|matrix| emit(&scope, matrix));
        partial.labelled(metrics.unwrap_or_default())
    }
}

impl Flow {
    /// The same of a whole brand, by the people index.
    #[must_use]
    pub fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Counted<Matrix> {
        let model = Model::new(&ask.parameters.aipl, ask.parameters, false);
        let (before, after) = days(ask);
        Counted::whole(judge.purchases(), judge.flow(&model, before, after))
    }
}

/// The day before the window, and its last.
fn days(ask: &Ask<'_, Parameters>) -> (Day, Day) {
    (ask.scope.window.first.plus(-1), ask.scope.window.last)
}

fn emit(scope: &Scope<'_>, matrix: &Matrix) -> Vec<Metric> {
    let moves: [fn(usize, usize) -> bool; 5] = [
        |before, after| before > 0 && after > before,
        |before, after| before > 0 && after == before,
        |before, after| after > 0 && after < before,
        |before, after| before > 0 && after == 0,
        |before, after| before == 0 && after > 0,
    ];
    let counted = METRICS.iter().zip(moves);
    counted
        .map(|(id, which)| scope.count(id, matrix.people(which)))
        .collect()
}
