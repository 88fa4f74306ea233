//! FAST: how many people (F), how many deepened (A), how many super users (S), and how active they are (T).
//!
//! Source: methodology 2.3.

use dualwheel_kit::work;
use dualwheel_lake::frames::{Kind, Role};
use dualwheel_measure::{Absence, Day, Metric, Scope, Window};

use crate::{
    categories::Categories,
    facts::{Facts, fold},
    flow::Matrix,
    index::{Judge, judge::count as people},
    parameters::{Amount, BehaviorRule, Parameters, Signal},
    people::People,
    stages::{Check, Model, Timeline},
    trend::{self, Steps},
};

/// Metric ids of advancing from one stage, shallow to deep.
const ADVANCING_FROM: [&str; 3] = [
    "fast.advancing.awareness",
    "fast.advancing.interest",
    "fast.advancing.purchase",
];

/// What FAST asks of each consumer.
#[derive(Debug)]
pub struct Rules {
    /// The stage model.
    pub model: Model,
    /// An active behaviour or a purchase within the thriving days.
    pub active: Check,
    /// Roles of super users.
    pub super_roles: Vec<Role>,
}

impl Rules {
    /// The rules of `parameters`, for the whole brand or one category.
    #[must_use]
    pub fn new(parameters: &Parameters, in_category: bool) -> Self {
        let mut model = Model::new(&parameters.aipl, parameters, in_category);
        let of = vec![Signal::Active, Signal::Kind(Kind::Purchase)];
        let within = Amount::Number(parameters.thriving_days);
        let active = model.check(
            &BehaviorRule {
                of,
                within,
                count: None,
                days: None,
            },
            parameters,
        );
        Self {
            model,
            active,
            super_roles: parameters.super_roles.iter().map(|name| name.role()).collect(),
        }
    }

    /// Whether a consumer's deepest role on `day` is one of the super users'.
    #[must_use]
    pub fn is_super(&self, facts: &Facts, consumer: u32, day: Day) -> bool {
        facts
            .members
            .role_on(consumer, day)
            .is_some_and(|role| self.super_roles.contains(&role))
    }
}

/// Counts of a window.
#[derive(Clone, Debug)]
struct Counts {
    matrix: Matrix,
    fertile: i64,
    supers: i64,
    thriving: i64,
}

/// FAST of the scope's window: people for F and S, ratios for A (in all and by stage) and T.
#[must_use]
pub fn measure(
    facts: &Facts,
    parameters: &Parameters,
    scope: &Scope<'_>,
    category: Option<&Categories>,
) -> Vec<Metric> {
    let rules = Rules::new(parameters, category.is_some());
    let counts = count(facts, &rules, scope.window, category);
    facts.labelled(emit(scope, &counts, !facts.members.rows.is_empty()))
}

/// The same for the whole brand, by the people index.
#[must_use]
pub fn measure_by_index(judge: &Judge<'_>, parameters: &Parameters, scope: &Scope<'_>) -> Vec<Metric> {
    let rules = Rules::new(parameters, false);
    let (window, last) = (scope.window, scope.window.last);
    let reached = || {
        let supers = judge.in_roles(&rules.super_roles, last);
        let active = judge.holds(&rules.model, rules.active, last);
        let fertile = people(&judge.ever(&rules.model, window));
        (fertile, people(&supers), people(&(supers & active)))
    };
    let moved = || judge.flow(&rules.model, window.first.plus(-1), last);
    let (matrix, (fertile, supers, thriving)) = work::join(moved, reached);
    let counts = Counts {
        matrix,
        fertile,
        supers,
        thriving,
    };
    judge.labelled(emit(scope, &counts, !judge.members.rows.is_empty()))
}

fn emit(scope: &Scope<'_>, counts: &Counts, has_roles: bool) -> Vec<Metric> {
    let flow = |which: fn(usize, usize) -> bool| counts.matrix.people(which);
    let mut metrics = vec![
        scope.count("fast.fertility", counts.fertile),
        scope.share(
            "fast.advancing",
            flow(|before, after| before > 0 && after > before),
            flow(|before, _| before > 0),
        ),
    ];
    for (at, id) in ADVANCING_FROM.iter().enumerate() {
        let advanced = counts
            .matrix
            .people(|before, after| before == at + 1 && after > before);
        metrics.push(scope.share(id, advanced, counts.matrix.people(|before, _| before == at + 1)));
    }
    metrics.extend(close_people(has_roles, scope, counts.supers, counts.thriving));
    metrics
}

/// S and T; without a value where no role was ever supplied for the brand.
fn close_people(has_roles: bool, scope: &Scope<'_>, supers: i64, thriving: i64) -> [Metric; 2] {
    if !has_roles {
        return ["fast.superiority", "fast.thriving"].map(|id| {
            scope.absent(
                id,
                Absence::SignalNotSupplied,
                "supply the roles of the brand's people (Member)",
            )
        });
    }
    [
        scope.count("fast.superiority", supers),
        scope.share("fast.thriving", thriving, supers),
    ]
}

fn count(facts: &Facts, rules: &Rules, window: Window, category: Option<&Categories>) -> Counts {
    let before = window.first.plus(-1);
    let people = People::new(
        facts,
        &rules.model,
        Window {
            first: before,
            last: window.last,
        },
        category,
    );
    let none = || Counts {
        matrix: Matrix::new(&rules.model),
        fertile: 0,
        supers: 0,
        thriving: 0,
    };
    let (counts, _, _) = fold(
        people.consumers(),
        || (none(), Timeline::new(&rules.model), Vec::new()),
        |(counts, timeline, changes), consumer| {
            people.read(consumer, timeline);
            counts.matrix.add(
                rules.model.depth(timeline, before),
                rules.model.depth(timeline, window.last),
            );
            counts.fertile += i64::from(rules.model.ever(timeline, window.first, window.last, changes));
            if rules.is_super(facts, consumer, window.last) {
                counts.supers += 1;
                counts.thriving += i64::from(timeline.holds(&rules.model, rules.active, window.last));
            }
        },
        |mut one, other| {
            one.0.matrix.merge(&other.0.matrix);
            one.0.fertile += other.0.fertile;
            one.0.supers += other.0.supers;
            one.0.thriving += other.0.thriving;
            one
        },
    );
    counts
}

/// F, A, S and T of every step, oldest first; each step is judged on its last day.
#[must_use]
pub fn measure_trend(
    facts: &Facts,
    parameters: &Parameters,
    scope: &Scope<'_>,
    category: Option<&Categories>,
    steps: &Steps,
) -> Vec<Metric> {
    let rules = Rules::new(parameters, category.is_some());
    let counts = trend::count(facts, &rules, category, steps);
    let mut metrics = Vec::with_capacity(counts.len() * 4);
    for (window, step) in steps.windows().zip(&counts) {
        let scope = scope.over(window);
        metrics.push(scope.count("fast.fertility", step.fertile));
        metrics.push(scope.share("fast.advancing", step.advanced, step.before));
        let has_roles = !facts.members.rows.is_empty();
        metrics.extend(close_people(has_roles, &scope, step.supers, step.thriving));
    }
    facts.labelled(metrics)
}
