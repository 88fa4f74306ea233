//! Stage models: ordered lists of states, each with the behaviours, windows and counts that put a consumer in it.
//!
//! A [`Model`] is compiled once per question. A [`Timeline`] holds the days of one consumer's signals, sorted, so
//! that the state on any day costs a few searches and the days on which it can change at all are known.

use dualwheel_lake::frames::Kind;
use dualwheel_measure::{Day, Need, Window};

use crate::parameters::{BehaviorRule, Parameters, Requirement, Signal, Standing, StateRule};

/// How browsing counts in a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Browsing {
    /// As its kind says, like any other kind.
    Plain,
    /// Only when it happened on one day of the window (passive).
    OneDay,
    /// Only when it happened on several days of the window (active).
    SeveralDays,
}

/// A compiled requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    pub(crate) track: usize,
    pub(crate) browsing: Browsing,
    pub(crate) within: i32,
    pub(crate) count: usize,
    pub(crate) days: usize,
}

/// What a state asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    Behaviors(Check),
    Relation,
    Target,
    Never,
}

/// A compiled stage model.
#[derive(Clone, Debug)]
pub struct Model {
    states: Vec<Vec<Vec<Condition>>>,
    codes: Vec<String>,
    /// Kinds of each track, as bits.
    tracks: Vec<u32>,
    browse: usize,
    checks: Vec<Check>,
    ignored: u32,
    standing: bool,
}

impl Model {
    /// Compiles `rules` with the numbers of `parameters`. `in_category` leaves out what does not count when the
    /// question is about one category: the ignored kinds and standing relations.
    #[must_use]
    pub fn new(rules: &[StateRule], parameters: &Parameters, in_category: bool) -> Self {
        let ignored = if in_category {
            mask(&parameters.category_ignores)
        } else {
            0
        };
        let mut model = Self {
            states: Vec::new(),
            codes: rules.iter().map(|rule| rule.state.clone()).collect(),
            tracks: vec![bit(Kind::Browse) & !ignored],
            browse: 0,
            checks: Vec::new(),
            ignored,
            standing: parameters.standing_relation_counts && !in_category,
        };
        for rule in rules {
            let any = rule
                .any
                .iter()
                .map(|all| all.iter().map(|one| model.condition(one, parameters)).collect());
            let any = any.collect();
            model.states.push(any);
        }
        model
    }

    fn condition(&mut self, requirement: &Requirement, parameters: &Parameters) -> Condition {
        match requirement {
            Requirement::Standing(Standing::Relation) if self.standing => Condition::Relation,
            Requirement::Standing(Standing::Relation) => Condition::Never,
            Requirement::Standing(Standing::Target) => Condition::Target,
            Requirement::Behaviors(rule) => Condition::Behaviors(self.check(rule, parameters)),
        }
    }

    /// Compiles one more requirement, to be asked with [`Timeline::holds`].
    pub fn check(&mut self, rule: &BehaviorRule, parameters: &Parameters) -> Check {
        let (passive, active) = (
            rule.of.contains(&Signal::Passive),
            rule.of.contains(&Signal::Active),
        );
        let mut kinds = mask(&rule.of) & !self.ignored;
        let browsing = match (passive, active) {
            // Both classes together take browsing on any number of days.
            (true, true) => {
                kinds |= bit(Kind::Browse) & !self.ignored;
                Browsing::Plain
            }
            _ if kinds & bit(Kind::Browse) != 0 => Browsing::Plain,
            (true, false) => Browsing::OneDay,
            (false, true) => Browsing::SeveralDays,
            (false, false) => Browsing::Plain,
        };
        let least = |amount| amount_or_one(amount, parameters);
        let track = self.track(kinds);
        let within = i32::from(parameters.amount(rule.within));
        let check = Check {
            track,
            browsing,
            within,
            count: least(rule.count),
            days: least(rule.days),
        };
        if !self.checks.contains(&check) {
            self.checks.push(check);
        }
        check
    }

    fn track(&mut self, kinds: u32) -> usize {
        if let Some(at) = self.tracks.iter().position(|known| *known == kinds) {
            return at;
        }
        self.tracks.push(kinds);
        self.tracks.len() - 1
    }

    /// Codes of the states, shallow to deep; a consumer in none is `OUT`.
    #[must_use]
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    /// Per state, shallow to deep: the ways into it, each a list of conditions that hold together.
    pub(crate) fn states(&self) -> &[Vec<Vec<Condition>>] {
        &self.states
    }

    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The kinds of a track, as bits.
    pub(crate) fn kinds(&self, track: usize) -> u32 {
        self.tracks.get(track).copied().unwrap_or(0)
    }

    /// The track of browsing.
    pub(crate) fn browse(&self) -> usize {
        self.browse
    }

    /// Longest window of any requirement, in days.
    #[must_use]
    pub fn memory_days(&self) -> i32 {
        self.checks.iter().map(|check| check.within).max().unwrap_or(0)
    }

    /// Facts that judge states on days of `asked`.
    #[must_use]
    pub fn needs(&self, asked: Window) -> Vec<Need> {
        let days = Window {
            first: asked.first.plus(-self.memory_days()),
            last: asked.last,
        };
        vec![
            Need::of("behaviors", &["kind", "product", "category"]).within(days),
            Need::of("order_lines", &["product", "category", "quantity"]).within(days),
            Need::of("members", &["role", "joined_day", "left_day"]),
            Need::of("products", &["category"]).whole(),
        ]
    }

    /// The tracks on which each kind is noted, as bits, by the kind's number.
    #[must_use]
    pub fn tracks_by_kind(&self) -> [u64; Kind::ALL.len()] {
        let mut table = [0; Kind::ALL.len()];
        for (number, slot) in table.iter_mut().enumerate() {
            for (track, kinds) in self.tracks.iter().enumerate() {
                if (kinds >> number) & 1 == 1 {
                    *slot |= 1 << track;
                }
            }
        }
        table
    }

    /// Depth of the state on `day`: 0 is `OUT`, 1 the shallowest; the deepest whose rule holds wins.
    #[must_use]
    pub fn depth(&self, timeline: &Timeline, day: Day) -> usize {
        let holds = |condition: &Condition| match condition {
            Condition::Behaviors(check) => timeline.holds(self, *check, day),
            Condition::Relation => timeline.has_relation(day),
            Condition::Target => timeline.in_target,
            Condition::Never => false,
        };
        self.states
            .iter()
            .rposition(|any| any.iter().any(|all| all.iter().all(holds)))
            .map_or(0, |at| at + 1)
    }

    /// Whether the consumer is in any state on any day from `first` to `last`.
    #[must_use]
    pub fn ever(&self, timeline: &Timeline, first: Day, last: Day, changes: &mut Vec<Day>) -> bool {
        if self.depth(timeline, first) > 0 || self.depth(timeline, last) > 0 {
            return true;
        }
        self.changes(timeline, first, last, changes);
        changes.iter().any(|day| self.depth(timeline, *day) > 0)
    }

    /// The days after `first`, up to `last`, on which a state or a check can change: those on which something
    /// happened, and those on which it fell out of a window. Sorted.
    pub fn changes(&self, timeline: &Timeline, first: Day, last: Day, changes: &mut Vec<Day>) {
        changes.clear();
        let mut note = |day: Day| {
            if first < day && day <= last {
                changes.push(day);
            }
        };
        for check in &self.checks {
            let browsed = if check.browsing == Browsing::Plain {
                &[][..]
            } else {
                timeline.days(self.browse)
            };
            for day in timeline.days(check.track).iter().chain(browsed) {
                note(*day);
                note(day.plus(check.within));
            }
        }
        for (joined, left) in &timeline.relations {
            note(*joined);
            note(*left);
        }
        changes.sort_unstable();
        changes.dedup();
    }
}

fn amount_or_one(amount: Option<crate::parameters::Amount>, parameters: &Parameters) -> usize {
    amount.map_or(1, |amount| usize::from(parameters.amount(amount)))
}

fn bit(kind: Kind) -> u32 {
    1 << kind as u32
}

/// The kinds of `signals` as bits; the classes without browsing, whose class depends on its days.
fn mask(signals: &[Signal]) -> u32 {
    Kind::said()
        .filter(|kind| signals.iter().any(|signal| signal.contains(*kind)))
        .map(bit)
        .sum()
}

/// Days of one consumer's signals, a track per set of kinds. Made once and filled again for each consumer.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    tracks: Vec<Track>,
    relations: Vec<(Day, Day)>,
    in_target: bool,
}

/// Days sorted, each with its rank among the distinct ones.
#[derive(Clone, Debug, Default)]
struct Track {
    days: Vec<Day>,
    ranks: Vec<usize>,
    unsorted: bool,
}

impl Timeline {
    /// An empty timeline for `model`, whose checks must all have been compiled.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        Self {
            tracks: vec![Track::default(); model.tracks.len()],
            ..Self::default()
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for track in &mut self.tracks {
            track.days.clear();
            track.ranks.clear();
            track.unsorted = false;
        }
        self.relations.clear();
        self.in_target = false;
    }

    /// Notes a signal on `day` in the `tracks` given as bits.
    pub fn note(&mut self, mut tracks: u64, day: Day) {
        while tracks != 0 {
            if let Some(track) = self.tracks.get_mut(tracks.trailing_zeros() as usize) {
                track.push(day);
            }
            tracks &= tracks - 1;
        }
    }

    /// Notes a standing relation, open from `joined` to the day before `left`.
    pub fn relate(&mut self, joined: Day, left: Option<Day>) {
        self.relations.push((joined, left.unwrap_or(Day(i32::MAX))));
    }

    /// Says whether the consumer belongs to the target audience.
    pub fn target(&mut self, belongs: bool) {
        self.in_target = belongs;
    }

    /// Brings the days in order; needed after the last note and before the first question.
    pub fn settle(&mut self) {
        for track in self.tracks.iter_mut().filter(|track| track.unsorted) {
            track.settle();
        }
    }

    /// Whether a requirement holds on `day`.
    #[must_use]
    pub fn holds(&self, model: &Model, check: Check, day: Day) -> bool {
        let first = day.plus(1 - check.within);
        let plain = self.between(check.track, first, day);
        let browsed = match check.browsing {
            Browsing::Plain => Span::default(),
            Browsing::OneDay => self.between(model.browse, first, day).only(|days| days == 1),
            Browsing::SeveralDays => self.between(model.browse, first, day).only(|days| days >= 2),
        };
        plain.days.len() + browsed.days.len() >= check.count
            && distinct(&plain, &browsed, check.days) >= check.days
    }

    fn has_relation(&self, day: Day) -> bool {
        self.relations
            .iter()
            .any(|(joined, left)| *joined <= day && day < *left)
    }

    fn days(&self, track: usize) -> &[Day] {
        self.tracks.get(track).map_or(&[], |track| &track.days)
    }

    fn between(&self, track: usize, first: Day, last: Day) -> Span<'_> {
        self.tracks
            .get(track)
            .map_or(Span::default(), |track| track.between(first, last))
    }
}

/// Signals of a track in a window.
#[derive(Clone, Copy, Debug, Default)]
struct Span<'a> {
    days: &'a [Day],
    distinct: usize,
}

impl Span<'_> {
    fn only(self, distinct: impl Fn(usize) -> bool) -> Self {
        if distinct(self.distinct) {
            self
        } else {
            Self::default()
        }
    }
}

/// Distinct days of both spans; counted one by one only where more than one is asked for and both have some.
fn distinct(plain: &Span<'_>, browsed: &Span<'_>, asked: usize) -> usize {
    let larger = plain.distinct.max(browsed.distinct);
    if larger >= asked || plain.distinct == 0 || browsed.distinct == 0 {
        return larger;
    }
    let mut days: Vec<Day> = plain.days.iter().chain(browsed.days).copied().collect();
    days.sort_unstable();
    days.dedup();
    days.len()
}

impl Track {
    fn push(&mut self, day: Day) {
        let rank = match (self.days.last(), self.ranks.last()) {
            (Some(last), Some(rank)) => {
                // Frames are sorted by instant: days go back only where clocks do so over midnight, or where
                // several facts feed one track.
                self.unsorted |= day < *last;
                rank + usize::from(day != *last)
            }
            _ => 0,
        };
        self.days.push(day);
        self.ranks.push(rank);
    }

    fn settle(&mut self) {
        let mut days = std::mem::take(&mut self.days);
        days.sort_unstable();
        self.ranks.clear();
        self.unsorted = false;
        for day in days {
            self.push(day);
        }
    }

    fn between(&self, first: Day, last: Day) -> Span<'_> {
        let start = self.days.partition_point(|day| *day < first);
        let end = self.days.partition_point(|day| *day <= last);
        let (Some(days), Some(ranks)) = (self.days.get(start..end), self.ranks.get(start..end)) else {
            return Span::default();
        };
        let distinct = match (ranks.first(), ranks.last()) {
            (Some(low), Some(high)) => high - low + 1,
            _ => 0,
        };
        Span { days, distinct }
    }
}
