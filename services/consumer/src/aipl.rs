//! AIPL: people per stage as of a day.
//!
//! Source: methodology 2.1. The deepest stage wins; everyone else is `OUT` and not counted.

use std::collections::{BTreeMap, btree_map::Entry};

use dualwheel_lake::frames::{Categories, Within};
use dualwheel_measure::{Ask, Day, Extent, Metric, MetricGroup, Need, Scope, Window};
use serde::{Deserialize, Serialize};

use crate::{
    categories,
    facts::{Counted, Facts, add_all, fold},
    index::{Judge, judge::count},
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
};

/// Metric ids: the stages, shallow to deep, and their total.
pub const METRICS: [&str; 5] = [
    "aipl.awareness",
    "aipl.interest",
    "aipl.purchase",
    "aipl.loyalty",
    "aipl.total",
];

/// AIPL as a metric group: people per stage on the scope's as-of day.
///
/// With a category only behaviours with a product of it and lines of it count, and no standing relation. By category the
/// same follows for each of its segments that has people in a stage.
#[derive(Clone, Copy, Debug)]
pub struct Aipl;

/// People in each stage, shallow to deep.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Sizes {
    whole: Vec<i64>,
    /// By segment of categories; those without people are left out.
    by_category: BTreeMap<String, Vec<i64>>,
}

impl MetricGroup for Aipl {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Counted<Sizes>;

    fn name(&self) -> &'static str {
        "aipl"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &["category"]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let model = Model::new(&ask.parameters.aipl, ask.parameters, false);
        model.needs(Window::ending(ask.scope.as_of, 1))
    }

    fn partial(&self, facts: &Facts, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Counted<Sizes> {
        let names = &facts.orders.names;
        let (category, day) = (categories::restriction(ask, names), ask.scope.as_of);
        let model = Model::new(&ask.parameters.aipl, ask.parameters, category.is_some());
        let cuts = ask.by.map(|_| categories::of(ask, names));
        let in_category = Model::new(&ask.parameters.aipl, ask.parameters, true);
        Counted::of(facts, extent, |facts| {
            let by_category = cuts.iter().flat_map(|cuts| {
                let sizes = sizes_by_category(facts, &in_category, day, cuts);
                cuts.cuts.iter().cloned().zip(sizes)
            });
            Sizes {
                whole: sizes(facts, &model, day, category.as_ref(), None),
                by_category: by_category
                    .filter(|(_, sizes)| sizes.iter().any(|people| *people > 0))
                    .collect(),
            }
        })
    }

    fn merge(&self, one: Counted<Sizes>, other: Counted<Sizes>) -> Counted<Sizes> {
        one.merge(other, |sum, more| {
            add_all(&mut sum.whole, &more.whole);
            for (cut, more) in more.by_category {
                match sum.by_category.entry(cut) {
                    Entry::Vacant(place) => {
                        place.insert(more);
                    }
                    Entry::Occupied(mut sizes) => add_all(sizes.get_mut(), &more),
                }
            }
        })
    }

    fn finish(&self, partial: Counted<Sizes>, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = &ask.scope;
        let Some(sizes) = partial.get() else {
            return Vec::new();
        };
        let mut metrics = emit(scope, &sizes.whole);
        for (cut, sizes) in &sizes.by_category {
            metrics.extend(emit(&scope.cut("category", cut), sizes));
        }
        partial.labelled(metrics)
    }
}

impl Aipl {
    /// The same of a whole brand, by the people index.
    #[must_use]
    pub fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Counted<Sizes> {
        let model = Model::new(&ask.parameters.aipl, ask.parameters, false);
        let states = judge.states(&model, ask.scope.as_of);
        let sizes = Sizes {
            whole: states.iter().map(count).collect(),
            ..Sizes::default()
        };
        Counted::whole(judge.purchases(), sizes)
    }
}

fn emit(scope: &Scope<'_>, sizes: &[i64]) -> Vec<Metric> {
    let total = sizes.iter().sum();
    let people = sizes.iter().copied().chain([total]);
    let counted = METRICS.iter().zip(people);
    counted.map(|(id, people)| scope.count(id, people)).collect()
}

/// People per state of any stage model on `day`, shallow to deep, `OUT` left out.
///
/// `target` says by consumer who belongs to the target audience.
#[must_use]
pub fn sizes(
    facts: &Facts,
    model: &Model,
    day: Day,
    category: Option<&Within>,
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
