//! FAST: how many people (F), how many deepened (A), how many super users (S), and how active they are (T).
//!
//! Source: methodology 2.3.

use dualwheel_kit::work;
use dualwheel_lake::frames::{Kind, Role, Within};
use dualwheel_measure::{Absence, Ask, Day, Extent, Metric, MetricGroup, Need, Scope, Window};
use serde::{Deserialize, Serialize};

use crate::{
    categories,
    facts::{Counted, Facts, fold},
    index::{Judge, judge::count as people},
    matrix::Matrix,
    parameters::{Amount, BehaviorRule, Parameters, Signal},
    people::People,
    stages::{Check, Model, Timeline},
};

/// Metric ids, in the order of an answer.
pub const METRICS: [&str; 7] = [
    "fast.fertility",
    "fast.advancing",
    "fast.advancing.awareness",
    "fast.advancing.interest",
    "fast.advancing.purchase",
    "fast.superiority",
    "fast.thriving",
];

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
            super_roles: parameters.super_roles.clone(),
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

/// FAST of the scope's window as a metric group: people for F and S, ratios for A (in all and by stage) and T.
#[derive(Clone, Copy, Debug)]
pub struct Fast;

/// Counts of a window.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Counts {
    matrix: Matrix,
    fertile: i64,
    supers: i64,
    thriving: i64,
    /// Whether anybody has a role.
    has_roles: bool,
}

impl Counts {
    fn merge(&mut self, other: &Self) {
        self.matrix.merge(&other.matrix);
        self.fertile += other.fertile;
        self.supers += other.supers;
        self.thriving += other.thriving;
        self.has_roles |= other.has_roles;
    }
}

impl MetricGroup for Fast {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Counted<Counts>;

    fn name(&self) -> &'static str {
        "fast"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        Rules::new(ask.parameters, false).model.needs(ask.scope.window)
    }

    fn partial(&self, facts: &Facts, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Counted<Counts> {
        let category = categories::restriction(ask, &facts.orders.names);
        let rules = Rules::new(ask.parameters, category.is_some());
        Counted::of(facts, extent, |facts| {
            count(facts, &rules, ask.scope.window, category.as_ref())
        })
    }

    fn merge(&self, one: Counted<Counts>, other: Counted<Counts>) -> Counted<Counts> {
        one.merge(other, |sum, more| sum.merge(&more))
    }

    fn finish(&self, partial: Counted<Counts>, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = ask.scope.over(ask.scope.window);
        let metrics = partial.get().map(|counts| emit(&scope, counts));
        partial.labelled(metrics.unwrap_or_default())
    }
}

impl Fast {
    /// The same of a whole brand, by the people index.
    #[must_use]
    pub fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Counted<Counts> {
        let rules = Rules::new(ask.parameters, false);
        let (window, last) = (ask.scope.window, ask.scope.window.last);
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
            has_roles: !judge.members.rows.is_empty(),
        };
        Counted::whole(judge.purchases(), counts)
    }
}

fn emit(scope: &Scope<'_>, counts: &Counts) -> Vec<Metric> {
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
    metrics.extend(close_people(
        counts.has_roles,
        scope,
        counts.supers,
        counts.thriving,
    ));
    metrics
}

/// S and T; without a value where no role was ever supplied for the brand.
pub(crate) fn close_people(has_roles: bool, scope: &Scope<'_>, supers: i64, thriving: i64) -> [Metric; 2] {
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

fn count(facts: &Facts, rules: &Rules, window: Window, category: Option<&Within>) -> Counts {
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
        has_roles: !facts.members.rows.is_empty(),
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
            one.0.merge(&other.0);
            one
        },
    );
    counts
}
