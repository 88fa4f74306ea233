//! Trends: FAST of many steps in one pass.
//!
//! A consumer's state can only change on few days (see [`Model::changes`](crate::stages::Model::changes)). Each
//! consumer is judged on those days alone; the quiet steps between them are counted as ranges, so that the cost
//! follows the facts and not the number of steps.

use chrono::Datelike;
use dualwheel_lake::frames::Within;
use dualwheel_measure::{Ask, Day, Extent, Metric, MetricGroup, Need, Window};
use serde::{Deserialize, Serialize};

use crate::{
    categories,
    facts::{Counted, Facts, fold},
    fast::{Fast, Rules, close_people},
    parameters::Parameters,
    people::People,
    stages::Timeline,
};

/// Most steps of a trend.
pub const MOST_STEPS: usize = 400;

/// Length of a trend's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A day.
    Day,
    /// Seven days, the last ending with the window.
    Week,
    /// A calendar month, cut at the window's ends.
    Month,
}

/// The steps of a window: each begins on the day after the one before has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    first: Day,
    lasts: Vec<Day>,
}

impl Steps {
    /// Cuts `window` into steps; `None` when there would be more than [`MOST_STEPS`].
    ///
    /// The first week is shorter where the window is no whole number of weeks.
    #[must_use]
    pub fn new(window: Window, step: Step) -> Option<Self> {
        let mut lasts = Vec::new();
        let mut day = window.first;
        while day <= window.last {
            let last = match step {
                Step::Day => day,
                Step::Week => day.plus((window.last.0 - day.0).rem_euclid(7)),
                Step::Month => last_of_month(day).min(window.last),
            };
            lasts.push(last);
            if lasts.len() > MOST_STEPS {
                return None;
            }
            day = last.plus(1);
        }
        Some(Self {
            first: window.first,
            lasts,
        })
    }

    /// The steps' windows, oldest first.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        let firsts = std::iter::once(self.first).chain(self.lasts.iter().map(|last| last.plus(1)));
        firsts
            .zip(&self.lasts)
            .map(|(first, last)| Window { first, last: *last })
    }

    /// Number of the step that holds `day`.
    fn holding(&self, day: Day) -> usize {
        self.lasts.partition_point(|last| *last < day)
    }

    fn last(&self, step: usize) -> Option<Day> {
        self.lasts.get(step).copied()
    }
}

/// The last day of the calendar month of `day`.
pub(crate) fn last_of_month(day: Day) -> Day {
    let Some(date) = day.date() else { return day };
    let next = date
        .checked_add_months(chrono::Months::new(1))
        .and_then(|later| later.with_day(1));
    next.map_or(day, |next| Day::from_date(next).plus(-1))
}

/// Counts of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counts {
    /// In any stage on any day of the step.
    pub fertile: i64,
    /// In any stage on the day before the step.
    pub before: i64,
    /// Of these, deeper on the last day.
    pub advanced: i64,
    /// Super users on the last day.
    pub supers: i64,
    /// Of these, active or buying lately.
    pub thriving: i64,
}

/// What a consumer is on a day.
#[derive(Clone, Copy, Default)]
struct Standing {
    depth: usize,
    is_super: bool,
    thrives: bool,
}

/// Counts as differences from step to step, so that a range of steps costs two additions.
struct Tally {
    steps: Vec<Counts>,
}

impl Tally {
    fn new(steps: usize) -> Self {
        Self {
            steps: vec![Counts::default(); steps + 1],
        }
    }

    /// Counts steps `from..to` in which nothing changes.
    fn quiet(&mut self, from: usize, to: usize, standing: Standing) {
        if from >= to {
            return;
        }
        for (at, sign) in [(from, 1), (to, -1)] {
            if let Some(step) = self.steps.get_mut(at) {
                let staged = i64::from(standing.depth > 0) * sign;
                step.fertile += staged;
                step.before += staged;
                step.supers += i64::from(standing.is_super) * sign;
                step.thriving += i64::from(standing.thrives) * sign;
            }
        }
    }

    /// Counts one step that begins with `before`, ends with `after`, and has people in a stage as `fertile` says.
    fn busy(&mut self, at: usize, before: Standing, after: Standing, fertile: bool) {
        let advanced = i64::from(before.depth > 0 && after.depth > before.depth);
        for (at, sign) in [(at, 1), (at + 1, -1)] {
            if let Some(step) = self.steps.get_mut(at) {
                step.fertile += i64::from(fertile) * sign;
                step.before += i64::from(before.depth > 0) * sign;
                step.advanced += advanced * sign;
                step.supers += i64::from(after.is_super) * sign;
                step.thriving += i64::from(after.thrives) * sign;
            }
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        for (step, more) in self.steps.iter_mut().zip(&other.steps) {
            step.add(more);
        }
        self
    }

    fn finish(mut self) -> Vec<Counts> {
        let mut running = Counts::default();
        for step in &mut self.steps {
            running.add(step);
            *step = running;
        }
        self.steps.pop();
        self.steps
    }
}

impl Counts {
    /// Adds the counts of other people.
    pub fn add(&mut self, more: &Self) {
        self.fertile += more.fertile;
        self.before += more.before;
        self.advanced += more.advanced;
        self.supers += more.supers;
        self.thriving += more.thriving;
    }
}

/// Counts of every step.
#[must_use]
pub fn count(facts: &Facts, rules: &Rules, category: Option<&Within>, steps: &Steps) -> Vec<Counts> {
    let Some(last) = steps.lasts.last().copied() else {
        return Vec::new();
    };
    let before = steps.first.plus(-1);
    let people = People::new(facts, &rules.model, Window { first: before, last }, category);
    let (tally, _, _) = fold(
        people.consumers(),
        || {
            (
                Tally::new(steps.lasts.len()),
                Timeline::new(&rules.model),
                Vec::new(),
            )
        },
        |(tally, timeline, changes), consumer| {
            people.read(consumer, timeline);
            rules.model.changes(timeline, before, last, changes);
            let judge = |day| {
                let is_super = rules.is_super(facts, consumer, day);
                let thrives = is_super && timeline.holds(&rules.model, rules.active, day);
                Standing {
                    depth: rules.model.depth(timeline, day),
                    is_super,
                    thrives,
                }
            };
            walk(
                tally,
                steps,
                changes,
                |day| rules.model.depth(timeline, day),
                judge,
                before,
            );
        },
        |one, other| (one.0.merge(&other.0), one.1, one.2),
    );
    tally.finish()
}

/// Goes through the steps of one consumer from one step with changes to the next.
fn walk(
    tally: &mut Tally,
    steps: &Steps,
    changes: &[Day],
    depth: impl Fn(Day) -> usize,
    judge: impl Fn(Day) -> Standing,
    before: Day,
) {
    let mut standing = judge(before);
    let mut next = 0;
    for run in changes.chunk_by(|one, other| steps.holding(*one) == steps.holding(*other)) {
        let Some(first) = run.first() else { continue };
        let at = steps.holding(*first);
        tally.quiet(next, at, standing);
        let opens = at
            .checked_sub(1)
            .and_then(|at| steps.last(at))
            .unwrap_or(before)
            .plus(1);
        let carried = standing.depth > 0 && *first != opens;
        let after = judge(steps.last(at).unwrap_or(*first));
        let fertile = carried || after.depth > 0 || run.iter().any(|day| depth(*day) > 0);
        tally.busy(at, standing, after, fertile);
        standing = after;
        next = at + 1;
    }
    tally.quiet(next, steps.lasts.len(), standing);
}

/// FAST step by step, as a metric group: F, A, S and T of every step, oldest first, each judged on its last day.
#[derive(Clone, Debug)]
pub struct FastTrend {
    /// The steps.
    pub steps: Steps,
}

/// Counts of every step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StepCounts {
    steps: Vec<Counts>,
    has_roles: bool,
}

impl MetricGroup for FastTrend {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Counted<StepCounts>;

    fn name(&self) -> &'static str {
        "fast_trend"
    }

    fn ids(&self) -> &'static [&'static str] {
        &[
            "fast.fertility",
            "fast.advancing",
            "fast.superiority",
            "fast.thriving",
        ]
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        Fast.needs(ask)
    }

    fn partial(
        &self,
        facts: &Facts,
        (): &(),
        extent: Extent,
        ask: &Ask<'_, Parameters>,
    ) -> Counted<StepCounts> {
        let category = categories::restriction(ask, &facts.orders.names);
        let rules = Rules::new(ask.parameters, category.is_some());
        Counted::of(facts, extent, |facts| StepCounts {
            steps: count(facts, &rules, category.as_ref(), &self.steps),
            has_roles: !facts.members.rows.is_empty(),
        })
    }

    fn merge(&self, one: Counted<StepCounts>, other: Counted<StepCounts>) -> Counted<StepCounts> {
        one.merge(other, |sum, more| {
            for (step, more) in sum.steps.iter_mut().zip(&more.steps) {
                step.add(more);
            }
            sum.has_roles |= more.has_roles;
        })
    }

    fn finish(&self, partial: Counted<StepCounts>, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let Some(counts) = partial.get() else {
            return Vec::new();
        };
        let mut metrics = Vec::with_capacity(counts.steps.len() * 4);
        for (window, step) in self.steps.windows().zip(&counts.steps) {
            let scope = ask.scope.over(window);
            metrics.push(scope.count("fast.fertility", step.fertile));
            metrics.push(scope.share("fast.advancing", step.advanced, step.before));
            metrics.extend(close_people(counts.has_roles, &scope, step.supers, step.thriving));
        }
        partial.labelled(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(first: &str, last: &str) -> Window {
        Window::new(Day::parse(first).unwrap(), Day::parse(last).unwrap()).unwrap()
    }

    #[test]
    fn steps_cover_the_window_without_gap() {
        let year = window("2024-01-15", "2024-12-31");
        for (step, number) in [(Step::Day, 352), (Step::Week, 51), (Step::Month, 12)] {
            let steps: Vec<Window> = Steps::new(year, step).unwrap().windows().collect();
            assert_eq!(
                (steps.len(), steps[0].first, steps[steps.len() - 1].last),
                (number, year.first, year.last)
            );
            assert!(steps.windows(2).all(|pair| pair[0].last.plus(1) == pair[1].first));
        }
        // 352 days are 50 weeks and two days: the first step has two.
        let weeks: Vec<Window> = Steps::new(year, Step::Week).unwrap().windows().collect();
        assert_eq!((weeks[0].days(), weeks[1].days()), (2, 7));
        let months: Vec<String> = Steps::new(window("2024-01-31", "2024-03-01"), Step::Month)
            .unwrap()
            .windows()
            .map(|month| month.to_string())
            .collect();
        assert_eq!(
            months,
            [
                "2024-01-31..2024-01-31",
                "2024-02-01..2024-02-29",
                "2024-03-01..2024-03-01"
            ]
        );
        assert_eq!(Steps::new(window("2023-01-01", "2024-02-05"), Step::Day), None);
    }
}
