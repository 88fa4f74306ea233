//! AIPL: people per stage as of a day.
//!
//! Source: methodology 2.1. The deepest stage wins; everyone else is `OUT` and not counted.

use dualwheel_measure::{Day, Metric, Scope, Window};

use crate::{
    categories::Categories,
    facts::{Facts, add_all, fold},
    index::{Judge, judge::count},
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
};

/// Metric ids of the stages, shallow to deep.
pub const STAGES: [&str; 4] = ["aipl.awareness", "aipl.interest", "aipl.purchase", "aipl.loyalty"];

/// People per stage on the scope's as-of day: the four stages and their total, in people.
///
/// With `category` only behaviours with a product of it and lines of it count, and no standing relation. With
/// `cuts` the same follows for each of its segments that has people in a stage.
#[must_use]
pub fn measure(
    facts: &Facts,
    parameters: &Parameters,
    scope: &Scope<'_>,
    category: Option<&Categories>,
    cuts: Option<&Categories>,
) -> Vec<Metric> {
    let model = Model::new(&parameters.aipl, parameters, category.is_some());
    let mut metrics = emit(scope, &sizes(facts, &model, scope.as_of, category, None));
    if let Some(cuts) = cuts {
        let model = Model::new(&parameters.aipl, parameters, true);
        for (cut, sizes) in cuts
            .cuts
            .iter()
            .zip(sizes_by_category(facts, &model, scope.as_of, cuts))
        {
            if sizes.iter().any(|people| *people > 0) {
                metrics.extend(emit(&scope.cut("category", cut), &sizes));
            }
        }
    }
    facts.labelled(metrics)
}

/// The same for the whole brand, by the people index.
#[must_use]
pub fn measure_by_index(judge: &Judge<'_>, parameters: &Parameters, scope: &Scope<'_>) -> Vec<Metric> {
    let model = Model::new(&parameters.aipl, parameters, false);
    let states = judge.states(&model, scope.as_of);
    let sizes: Vec<i64> = states.iter().map(count).collect();
    judge.labelled(emit(scope, &sizes))
}

fn emit(scope: &Scope<'_>, sizes: &[i64]) -> Vec<Metric> {
    let stages = STAGES
        .iter()
        .zip(sizes)
        .map(|(id, people)| scope.count(id, *people));
    stages
        .chain([scope.count("aipl.total", sizes.iter().sum())])
        .collect()
}

/// People per state of any stage model on `day`, shallow to deep, `OUT` left out.
///
/// `target` says by consumer who belongs to the target audience.
#[must_use]
pub fn sizes(
    facts: &Facts,
    model: &Model,
    day: Day,
    category: Option<&Categories>,
    target: Option<&[bool]>,
) -> Vec<i64> {
    let people = People::new(facts, model, Window::ending(day, 1), category).with_target(target);
    let (mut counts, _) = fold(
        people.consumers(),
        || (vec![0i64; model.codes().len() + 1], Timeline::new(model)),
        |(counts, timeline), consumer| {
            people.read(consumer, timeline);
            if let Some(count) = counts.get_mut(model.depth(timeline, day)) {
                *count += 1;
            }
        },
        |mut one, other| {
            add_all(&mut one.0, &other.0);
            one
        },
    );
    counts.remove(0);
    counts
}

/// People per state on `day` in each segment of `cuts`, by the rule for one category.
fn sizes_by_category(facts: &Facts, model: &Model, day: Day, cuts: &Categories) -> Vec<Vec<i64>> {
    let people = People::new(facts, model, Window::ending(day, 1), None);
    let states = model.codes().len();
    let (counts, _, _) = fold(
        people.consumers(),
        || {
            (
                vec![0i64; states * cuts.cuts.len()],
                Timeline::new(model),
                Vec::new(),
            )
        },
        |(counts, timeline, signals), consumer| {
            people.read_by_category(consumer, cuts, signals);
            for run in signals.chunk_by(|one, other| one.0 == other.0) {
                timeline.clear();
                for (_, day, tracks) in run {
                    timeline.note(*tracks, *day);
                }
                let depth = model.depth(timeline, day);
                if let Some((segment, _, _)) = run.first()
                    && let Some(count) = depth
                        .checked_sub(1)
                        .and_then(|at| counts.get_mut(segment * states + at))
                {
                    *count += 1;
                }
            }
        },
        |mut one, other| {
            add_all(&mut one.0, &other.0);
            one
        },
    );
    counts.chunks(states.max(1)).map(<[i64]>::to_vec).collect()
}
