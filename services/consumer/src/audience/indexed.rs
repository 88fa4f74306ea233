//! Terms that the people index answers: on which days something was done, whatever it was about.

use dualwheel_lake::frames::{Kind, Members};
use dualwheel_measure::{Day, Window};
use roaring::RoaringBitmap;

use super::{
    check::{OUT, model},
    evaluate::World,
    expression::{
        BehaviorMeasure, BehaviorTerm, Filter, FlowTerm, PurchaseMeasure, PurchaseTerm, StageTerm, Term,
    },
};
use crate::{
    index::{
        Cells, Judge,
        cells::{ALL, BOUGHT, MOST_DAYS},
        judge::can_judge,
    },
    parameters::Parameters,
    stages::Model,
};

/// Whether the index and the profiles answer a term without the facts themselves.
pub(super) fn answers(term: &Term, parameters: &Parameters) -> bool {
    match term {
        Term::Stage(StageTerm {
            model: name,
            category,
            ..
        })
        | Term::Flow(FlowTerm {
            model: name,
            category,
            ..
        }) => {
            category.is_none() && compiled(name.as_deref(), parameters).is_none_or(|model| can_judge(&model))
        }
        Term::Behavior(term) => term.filter == Filter::default() && asked(term).is_some(),
        Term::Purchase(term) => term.filter == Filter::default() && asked_of_purchases(term).is_some(),
        Term::Role(_)
        | Term::Profile(_)
        | Term::Label(_)
        | Term::Predicted(_)
        | Term::Koc(_)
        | Term::Audience(_) => true,
    }
}

fn compiled(name: Option<&str>, parameters: &Parameters) -> Option<Model> {
    model(name, parameters).map(|rules| Model::new(rules, parameters, false))
}

/// A range as a question about distinct days.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    /// At least so many days (0 takes in everyone known), and fewer than so many.
    Days(usize, Option<usize>),
    /// The last day lies so many days back, at least and at most.
    Recency(i64, Option<i64>),
    Nobody,
}

/// `None` where the range counts more days than the index does.
fn by_days(least: Option<i64>, most: Option<i64>) -> Option<Asked> {
    let least = least.unwrap_or(0).max(0);
    if most.is_some_and(|most| most < least) {
        return Some(Asked::Nobody);
    }
    let countable = |days: i64| usize::try_from(days).ok().filter(|days| *days <= MOST_DAYS);
    let end = match most {
        Some(most) => Some(countable(most.checked_add(1)?)?),
        None => None,
    };
    Some(Asked::Days(countable(least)?, end))
}

fn by_recency(least: Option<i64>, most: Option<i64>) -> Asked {
    let least = least.unwrap_or(0).max(0);
    if most.is_some_and(|most| most < least) {
        return Asked::Nobody;
    }
    Asked::Recency(least, most)
}

fn asked(term: &BehaviorTerm) -> Option<Asked> {
    let (least, most) = (term.range.at_least, term.range.at_most);
    match term.measure {
        BehaviorMeasure::Days => by_days(least, most),
        BehaviorMeasure::Recency => Some(by_recency(least, most)),
        BehaviorMeasure::Count if is_any_or_none(least, most) => by_days(least, most),
        BehaviorMeasure::Count => None,
    }
}

/// Whether a range is that of at least one, or of none: then how many a day does not matter.
fn is_any_or_none(least: Option<i64>, most: Option<i64>) -> bool {
    least.unwrap_or(0) <= 1 && most.is_none_or(|most| most <= 0)
}

fn asked_of_purchases(term: &PurchaseTerm) -> Option<Asked> {
    let whole = |bound: Option<i128>| match bound {
        None => Some(None),
        Some(bound) => i64::try_from(bound).ok().map(Some),
    };
    let (least, most) = (whole(term.range.at_least)?, whole(term.range.at_most)?);
    match term.measure {
        PurchaseMeasure::Days => by_days(least, most),
        PurchaseMeasure::Recency => Some(by_recency(least, most)),
        PurchaseMeasure::Orders | PurchaseMeasure::Units if is_any_or_none(least, most) => {
            by_days(least, most)
        }
        _ => None,
    }
}

impl World<'_> {
    /// The people of a term by the index; `None` where it cannot say.
    pub(super) fn by_index(&self, term: &Term) -> Option<RoaringBitmap> {
        let cells = self.index?;
        if !answers(term, self.parameters) {
            return None;
        }
        match term {
            Term::Stage(term) => {
                let day = term.day.unwrap_or(self.as_of);
                Some(self.in_states_by_index(cells, term.model.as_deref(), &[(day, &term.state)]))
            }
            Term::Flow(term) => {
                let window = term.days.until(self.as_of);
                if window.first > window.last {
                    return Some(RoaringBitmap::new());
                }
                let days = [
                    (window.first.plus(-1), term.from.as_str()),
                    (window.last, &term.to),
                ];
                Some(self.in_states_by_index(cells, term.model.as_deref(), &days))
            }
            Term::Behavior(term) => {
                let wanted = |kind: &Kind| {
                    term.kinds.is_empty() || term.kinds.iter().any(|signal| signal.contains(*kind))
                };
                let kinds = Kind::said().filter(wanted).map(|kind| 1 << kind as u32).sum();
                let signals = cells.signals(kinds);
                Some(self.of_days(cells, signals, term.days.until(self.as_of), asked(term)?))
            }
            Term::Purchase(term) => {
                // Orders and units are those of order lines alone.
                let signals = match term.measure {
                    PurchaseMeasure::Orders | PurchaseMeasure::Units => 1 << BOUGHT,
                    _ => cells.signals(1 << Kind::Purchase as u32),
                };
                let window = term.days.until(self.as_of);
                Some(self.of_days(cells, signals, window, asked_of_purchases(term)?))
            }
            _ => None,
        }
    }

    fn in_states_by_index(&self, cells: &Cells, name: Option<&str>, states: &[(Day, &str)]) -> RoaringBitmap {
        let known = states.iter().all(|(day, _)| *day <= self.as_of);
        let Some(model) = compiled(name, self.parameters).filter(|_| known) else {
            return RoaringBitmap::new();
        };
        let target = self.target().map(|target| members(&target));
        let judge = Judge {
            cells,
            members: &self.facts.members,
            target: target.as_ref(),
        };
        let (mut inside, mut outside) = (None, RoaringBitmap::new());
        for (day, state) in states {
            let mut of_day = judge.states(&model, *day);
            if *state == OUT {
                of_day.iter().for_each(|people| outside |= people);
                continue;
            }
            let at = model.codes().iter().position(|code| code == state);
            let people = at.map(|at| of_day.swap_remove(at)).unwrap_or_default();
            inside = Some(match inside {
                None => people,
                Some(before) => before & people,
            });
        }
        inside.unwrap_or_default() - outside
    }

    fn of_days(&self, cells: &Cells, signals: u32, window: Window, asked: Asked) -> RoaringBitmap {
        match asked {
            Asked::Nobody => RoaringBitmap::new(),
            Asked::Days(least, end) => {
                let mut people = match least {
                    0 => known(cells, &self.facts.members, self.as_of),
                    least => cells.on_days(signals, window, least),
                };
                if let Some(end) = end {
                    people -= cells.on_days(signals, window, end);
                }
                people
            }
            Asked::Recency(least, most) => {
                let back = |days: i64| {
                    let day = i64::from(self.as_of.0).saturating_sub(days);
                    Day(i32::try_from(day).unwrap_or(i32::MIN))
                };
                let (first, last) = (most.map_or(window.first, back), back(least));
                let during = Window {
                    first: first.max(window.first),
                    last: last.min(window.last),
                };
                let since = Window {
                    first: last.plus(1).max(window.first),
                    last: window.last,
                };
                cells.any(signals, during) - cells.any(signals, since)
            }
        }
    }
}

/// Everyone of whom the brand has a fact up to `day`.
#[must_use]
pub(super) fn known(cells: &Cells, members: &Members, day: Day) -> RoaringBitmap {
    let ever = Window {
        first: Day(i32::MIN),
        last: day,
    };
    let joined = members.rows.iter().filter(|row| row.joined <= day);
    let joined: RoaringBitmap = joined.map(|row| row.consumer).collect();
    cells.any(ALL, ever) | joined
}

/// The consumers marked by ordinal.
fn members(marked: &[bool]) -> RoaringBitmap {
    let mine = (0..).zip(marked).filter(|(_, belongs)| **belongs);
    mine.map(|(consumer, _)| consumer).collect()
}
