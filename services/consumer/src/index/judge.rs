//! Stages, flow and FAST by bitmap algebra: the same rules as [`stages`](crate::stages), for everyone at once.

use dualwheel_kit::work;
use dualwheel_lake::frames::{Members, Purchases, Role, members::deepest};
use dualwheel_measure::{Day, Window};
use roaring::RoaringBitmap;

use super::cells::{Cells, MOST_DAYS};
use crate::{
    matrix::Matrix,
    stages::{Browsing, Check, Condition, Model},
};

/// The people of a brand, to be judged by stage models.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// What they did.
    pub cells: &'a Cells,
    /// Their roles.
    pub members: &'a Members,
    /// The target audience, where the model asks for one.
    pub target: Option<&'a RoaringBitmap>,
}

/// Whether `model` can be judged by bitmaps: they know on which days something was done, but not how often a day.
#[must_use]
pub fn can_judge(model: &Model) -> bool {
    model
        .checks()
        .iter()
        .all(|check| check.count <= check.days.max(1) && check.days <= MOST_DAYS)
}

/// Number of people.
pub(crate) fn count(people: &RoaringBitmap) -> i64 {
    i64::try_from(people.len()).unwrap_or(i64::MAX)
}

impl Judge<'_> {
    /// Where the brand's purchases come from.
    #[must_use]
    pub fn purchases(&self) -> Purchases {
        Purchases {
            lines: self.cells.has_lines(),
            behaviors: self.cells.has_purchase_behaviors(),
        }
    }

    /// The people of every state on `day`, shallow to deep; the deepest state that holds is a consumer's.
    #[must_use]
    pub fn states(&self, model: &Model, day: Day) -> Vec<RoaringBitmap> {
        let mut deeper = RoaringBitmap::new();
        let mut states = Vec::with_capacity(model.states().len());
        for any in model.states().iter().rev() {
            let mut people = RoaringBitmap::new();
            for all in any {
                people |= self.all(model, all, day);
            }
            people -= &deeper;
            deeper |= &people;
            states.push(people);
        }
        states.reverse();
        states
    }

    /// Who meets every one of `conditions` on `day`.
    fn all(&self, model: &Model, conditions: &[Condition], day: Day) -> RoaringBitmap {
        let sets = conditions.iter().map(|condition| match condition {
            Condition::Behaviors(check) => self.holds(model, *check, day),
            Condition::Relation => self.related(Window {
                first: day,
                last: day,
            }),
            Condition::Target => self.target.cloned().unwrap_or_default(),
            Condition::Never => RoaringBitmap::new(),
        });
        sets.reduce(|all, one| all & one).unwrap_or_default()
    }

    /// Who meets a requirement on `day`.
    #[must_use]
    pub fn holds(&self, model: &Model, check: Check, day: Day) -> RoaringBitmap {
        let window = Window {
            first: day.plus(1 - check.within),
            last: day,
        };
        let days = check.days.max(1);
        let kinds = model.kinds(check.track);
        let plain = self.cells.on_days(self.cells.signals(kinds), window, days);
        if check.browsing == Browsing::Plain {
            return plain;
        }
        let browse = model.kinds(model.browse());
        let (browsed, once) = self.cells.any_and_once(browse, window);
        let counted = match check.browsing {
            Browsing::OneDay => once,
            _ => browsed - once,
        };
        if days == 1 {
            return plain | counted;
        }
        let with_browsing = self
            .cells
            .on_days(self.cells.signals(kinds | browse), window, days);
        plain | (with_browsing & counted)
    }

    /// Who has a standing relation on any day of `window`.
    fn related(&self, window: Window) -> RoaringBitmap {
        let open = self.members.rows.iter().filter(|row| {
            row.joined <= window.last
                && row
                    .left
                    .is_none_or(|left| left > window.first && left > row.joined)
        });
        let mut people = RoaringBitmap::new();
        for row in open {
            // Rows are in ascending order; who is there already stays.
            let _ = people.try_push(row.consumer);
        }
        people
    }

    /// Whose deepest role on `day` is one of `roles`.
    #[must_use]
    pub fn in_roles(&self, roles: &[Role], day: Day) -> RoaringBitmap {
        let mut people = RoaringBitmap::new();
        for rows in self
            .members
            .rows
            .chunk_by(|one, next| one.consumer == next.consumer)
        {
            if let (Some(role), Some(row)) = (deepest(rows, day), rows.first())
                && roles.contains(&role)
            {
                let _ = people.try_push(row.consumer);
            }
        }
        people
    }

    /// The flow matrix between two days.
    #[must_use]
    pub fn flow(&self, model: &Model, before: Day, after: Day) -> Matrix {
        let (from, to) = work::join(|| self.states(model, before), || self.states(model, after));
        let mut matrix = Matrix::new(model);
        let mut arrived: Vec<i64> = to.iter().map(count).collect();
        for (depth, start) in (1..).zip(&from) {
            let mut stayed = 0;
            for ((reached, end), arrived) in (1..).zip(&to).zip(&mut arrived) {
                let moved = i64::try_from(start.intersection_len(end)).unwrap_or(i64::MAX);
                matrix.set(depth, reached, moved);
                *arrived -= moved;
                stayed += moved;
            }
            matrix.set(depth, 0, count(start) - stayed);
        }
        for (reached, gained) in (1..).zip(arrived) {
            matrix.set(0, reached, gained);
        }
        matrix
    }

    /// Who is in any state on any day of `window`: in closed form where the model has one, else day by day.
    #[must_use]
    pub fn ever(&self, model: &Model, window: Window) -> RoaringBitmap {
        if let Some(reach) = Reach::of(model) {
            return self.reached(&reach, window);
        }
        self.ever_by_day(model, window)
    }

    /// The same, always day by day.
    #[must_use]
    pub fn ever_by_day(&self, model: &Model, window: Window) -> RoaringBitmap {
        let mut people = RoaringBitmap::new();
        let mut day = window.first;
        while day <= window.last {
            for state in self.states(model, day) {
                people |= state;
            }
            day = day.plus(1);
        }
        people
    }

    fn reached(&self, reach: &Reach, window: Window) -> RoaringBitmap {
        let mut people = RoaringBitmap::new();
        for (kinds, within) in &reach.signals {
            let first = window.first.plus(1 - within);
            let window = Window { first, ..window };
            people |= self.cells.any(self.cells.signals(*kinds), window);
        }
        if reach.relation {
            people |= self.related(window);
        }
        if let Some(target) = self.target.filter(|_| reach.target) {
            people |= target;
        }
        people
    }
}

/// What brings anyone into some state: one of these is enough, and nothing else is.
struct Reach {
    /// Kinds as bits, each with the days that they count.
    signals: Vec<(u32, i32)>,
    relation: bool,
    target: bool,
}

impl Reach {
    /// `None` where a state asks for more than one happening and no other is reached by its first.
    fn of(model: &Model) -> Option<Self> {
        let mut reach = Self {
            signals: Vec::new(),
            relation: false,
            target: false,
        };
        let ways: Vec<&[Condition]> = model.states().iter().flatten().map(Vec::as_slice).collect();
        let single = |way: &&&[Condition]| way.len() == 1;
        for way in ways.iter().filter(single) {
            match way.first() {
                Some(Condition::Behaviors(check)) => {
                    let browsing = check.browsing == Browsing::Plain || reach.browses(model, &ways, *check);
                    if check.days <= 1 && browsing {
                        reach.signals.push((kinds_of(model, *check), check.within));
                    }
                }
                Some(Condition::Relation) => reach.relation = true,
                Some(Condition::Target) => reach.target = true,
                _ => {}
            }
        }
        ways.iter().all(|way| reach.covers(model, way)).then_some(reach)
    }

    /// Whether browsing on any number of days reaches a state: one day by `check`, several by another, or the other
    /// way round, in the same window.
    fn browses(&self, model: &Model, ways: &[&[Condition]], check: Check) -> bool {
        ways.iter().any(|way| {
            matches!(way, [Condition::Behaviors(other)] if other.within == check.within
                && other.days <= 1
                && other.browsing != check.browsing
                && kinds_of(model, *other) & model.kinds(model.browse()) != 0)
        })
    }

    fn covers(&self, model: &Model, way: &[Condition]) -> bool {
        way.iter().any(|condition| match condition {
            Condition::Behaviors(check) => {
                let kinds = kinds_of(model, *check);
                let wider = |(wide, within): &(u32, i32)| kinds & !wide == 0 && check.within <= *within;
                self.signals.iter().any(wider)
            }
            Condition::Relation => self.relation,
            Condition::Target => self.target,
            Condition::Never => true,
        })
    }
}

/// The kinds that a requirement may count, browsing among them.
fn kinds_of(model: &Model, check: Check) -> u32 {
    let browse = if check.browsing == Browsing::Plain {
        0
    } else {
        model.kinds(model.browse())
    };
    model.kinds(check.track) | browse
}
