//! The bitmaps of a brand, by signal and day, and the two questions that everything is made of: who did any of some
//! signals in a window, and who did so on several days of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use dualwheel_lake::frames::Kind;
use dualwheel_measure::{Day, Window};
use rayon::prelude::*;
use roaring::RoaringBitmap;

/// Number of signals: the behaviour kinds by their numbers, then [`OTHER_LINE`] and [`BOUGHT`].
pub const SIGNALS: usize = 26;
/// An order line that is no purchase.
pub const OTHER_LINE: usize = 24;
/// An order line that is a purchase.
pub const BOUGHT: usize = 25;
/// Every signal.
pub const ALL: u32 = (1 << SIGNALS) - 1;

/// Days that are summed up together: windows are put together from such blocks and the days at their ends.
const BLOCK: i32 = 32;
/// Most distinct days that are counted; who asks for more reads the facts themselves.
pub const MOST_DAYS: usize = 32;

/// People by the number of distinct days: at least one, at least two, and so on.
type Levels = Arc<Vec<RoaringBitmap>>;

/// The bitmaps of a brand. An update makes another one, which shares what did not change.
#[derive(Debug, Default)]
pub struct Cells {
    signals: [BTreeMap<Day, Arc<RoaringBitmap>>; SIGNALS],
    summed: Summed,
}

/// Sums made before, for the questions to come.
#[derive(Debug)]
struct Summed {
    sums: Mutex<Sums>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Sums {
    levels: BTreeMap<(u32, Day, Day, usize), Levels>,
    bytes: usize,
}

/// Bytes that the sums of a brand may take.
const SUMMED_BYTES: usize = 256 * 1024 * 1024;

impl Default for Summed {
    fn default() -> Self {
        Self {
            sums: Mutex::default(),
            most_bytes: SUMMED_BYTES,
        }
    }
}

impl Summed {
    fn get(&self, key: (u32, Day, Day, usize)) -> Option<Levels> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.levels.get(&key).cloned()
    }

    fn keep(&self, key: (u32, Day, Day, usize), levels: &Levels) {
        let bytes: usize = levels.iter().map(RoaringBitmap::serialized_size).sum();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.bytes + bytes > self.most_bytes {
            *sums = Sums::default();
        }
        if bytes <= self.most_bytes && sums.levels.insert(key, levels.clone()).is_none() {
            sums.bytes += bytes;
        }
    }
}

impl Cells {
    /// These bitmaps and, added to them, those of `more` by signal and day.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = (usize, Day, RoaringBitmap)>) -> Self {
        let mut signals = self.signals.clone();
        for (signal, day, people) in more {
            let Some(days) = signals.get_mut(signal) else {
                continue;
            };
            match days.get_mut(&day) {
                Some(known) => *Arc::make_mut(known) |= people,
                None => {
                    days.insert(day, Arc::new(people));
                }
            }
        }
        Self {
            signals,
            summed: Summed::default(),
        }
    }

    /// The same without any bitmap of `signal`.
    #[must_use]
    pub fn without(&self, signal: usize) -> Self {
        let mut signals = self.signals.clone();
        if let Some(days) = signals.get_mut(signal) {
            days.clear();
        }
        Self {
            signals,
            summed: Summed::default(),
        }
    }

    /// Every bitmap: signal, day, people.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Day, &RoaringBitmap)> {
        let signals = self.signals.iter().enumerate();
        signals.flat_map(|(signal, days)| days.iter().map(move |(day, people)| (signal, *day, &**people)))
    }

    /// Bytes that the bitmaps take, about; sums are not counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter()
            .map(|(_, _, people)| people.serialized_size() + 64)
            .sum()
    }

    /// Whether the brand has any order line: then supplied `PURCHASE` behaviours are no purchases.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        let some = |signal: usize| self.signals.get(signal).is_some_and(|days| !days.is_empty());
        some(OTHER_LINE) || some(BOUGHT)
    }

    /// Whether any purchase could be known.
    #[must_use]
    pub fn has_purchase_facts(&self) -> bool {
        let supplied = self.signals.get(Kind::Purchase as usize);
        self.has_lines() || supplied.is_some_and(|days| !days.is_empty())
    }

    /// The signals of behaviour `kinds`, given as bits, with the purchases of the brand for `PURCHASE`.
    #[must_use]
    pub fn signals(&self, kinds: u32) -> u32 {
        let supplied = 1 << Kind::Purchase as u32;
        if kinds & supplied != 0 && self.has_lines() {
            (kinds & !supplied) | 1 << BOUGHT
        } else {
            kinds
        }
    }

    /// Who did any of `signals` in `window`.
    #[must_use]
    pub fn any(&self, signals: u32, window: Window) -> RoaringBitmap {
        self.on_days(signals, window, 1)
    }

    /// Who did any of `signals` on at least `days` (1 to [`MOST_DAYS`]) distinct days of `window`.
    #[must_use]
    pub fn on_days(&self, signals: u32, window: Window, days: usize) -> RoaringBitmap {
        let levels = self.levels(signals, window, days.clamp(1, MOST_DAYS));
        levels.last().cloned().unwrap_or_default()
    }

    /// First and last day with any of `signals` in `window`.
    fn within(&self, signals: u32, window: Window) -> Option<Window> {
        let mine = || {
            self.of(signals)
                .map(|days| days.range(window.first..=window.last))
        };
        let first = mine()
            .filter_map(|mut days| days.next())
            .map(|(day, _)| *day)
            .min()?;
        let last = mine()
            .filter_map(|mut days| days.next_back())
            .map(|(day, _)| *day)
            .max()?;
        Some(Window { first, last })
    }

    fn of(&self, signals: u32) -> impl Iterator<Item = &BTreeMap<Day, Arc<RoaringBitmap>>> {
        let asked = self.signals.iter().enumerate();
        asked
            .filter(move |(signal, days)| signals >> signal & 1 == 1 && !days.is_empty())
            .map(|(_, days)| days)
    }

    /// Who did any of `signals` in `window`, and who of these on one day only.
    #[must_use]
    pub fn any_and_once(&self, signals: u32, window: Window) -> (RoaringBitmap, RoaringBitmap) {
        let levels = self.levels(signals, window, 2);
        match levels.as_slice() {
            [any, twice] => (any.clone(), any - twice),
            _ => (RoaringBitmap::new(), RoaringBitmap::new()),
        }
    }

    fn levels(&self, signals: u32, window: Window, most: usize) -> Levels {
        let empty = || Arc::new(vec![RoaringBitmap::new(); most]);
        if window.first > window.last {
            return empty();
        }
        let Some(window) = self.within(signals, window) else {
            return empty();
        };
        let key = (signals, window.first, window.last, most);
        if let Some(known) = self.summed.get(key) {
            return known;
        }
        let parts = parts(window);
        let summed = parts
            .into_par_iter()
            .map(|part| self.part(signals, part, most))
            .reduce(empty, |one, other| Arc::new(merge(&one, &other)));
        self.summed.keep(key, &summed);
        summed
    }

    /// A part of a window: kept when it is a whole block.
    fn part(&self, signals: u32, part: Window, most: usize) -> Levels {
        let key = (signals, part.first, part.last, most);
        let whole = part.days() == BLOCK;
        if let Some(known) = whole.then(|| self.summed.get(key)).flatten() {
            return known;
        }
        let mut levels = vec![RoaringBitmap::new(); most];
        let mut day = part.first;
        while day <= part.last {
            let mut today = RoaringBitmap::new();
            for people in self.of(signals).filter_map(|days| days.get(&day)) {
                today |= &**people;
            }
            fold_day(&mut levels, today);
            day = day.plus(1);
        }
        let levels = Arc::new(levels);
        if whole {
            self.summed.keep(key, &levels);
        }
        levels
    }
}

/// The blocks that lie in a window, and what remains at its ends.
fn parts(window: Window) -> Vec<Window> {
    let mut parts = Vec::new();
    let mut first = window.first;
    while first <= window.last {
        let end = Day((first.0.div_euclid(BLOCK) + 1) * BLOCK - 1);
        let last = end.min(window.last);
        parts.push(Window { first, last });
        first = last.plus(1);
    }
    parts
}

/// Adds a day: who was there on at least `n` days before and is there today, is on at least `n + 1`.
fn fold_day(levels: &mut [RoaringBitmap], today: RoaringBitmap) {
    if today.is_empty() {
        return;
    }
    for at in (1..levels.len()).rev() {
        let again = levels.get(at - 1).map(|below| below & &today).unwrap_or_default();
        if let Some(level) = levels.get_mut(at) {
            *level |= again;
        }
    }
    if let Some(first) = levels.first_mut() {
        *first |= today;
    }
}

/// Adds the days of two windows that do not overlap.
fn merge(one: &[RoaringBitmap], other: &[RoaringBitmap]) -> Vec<RoaringBitmap> {
    let mut merged: Vec<RoaringBitmap> = one.iter().zip(other).map(|(one, other)| one | other).collect();
    for (days, few) in one.iter().enumerate().filter(|(_, few)| !few.is_empty()) {
        for (more, others) in other.iter().enumerate().filter(|(_, others)| !others.is_empty()) {
            // `days + 1` here and `more + 1` there.
            if let Some(level) = merged.get_mut(days + more + 1) {
                *level |= few & others;
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fall_into_blocks_and_ends() {
        let parts = parts(Window {
            first: Day(-5),
            last: Day(70),
        });
        let ends: Vec<(i32, i32)> = parts.iter().map(|part| (part.first.0, part.last.0)).collect();
        assert_eq!(ends, [(-5, -1), (0, 31), (32, 63), (64, 70)]);
    }

    #[test]
    fn distinct_days_add_up_over_blocks() {
        // Consumer 1 on four days, 2 twice on one day by two kinds, 3 on two days far apart.
        let one = |people: &[u32]| people.iter().copied().collect::<RoaringBitmap>();
        let cells = Cells::default().with([
            (5, Day(0), one(&[1, 2, 3])),
            (6, Day(0), one(&[2])),
            (5, Day(31), one(&[1])),
            (6, Day(32), one(&[1])),
            (5, Day(200), one(&[1, 3])),
        ]);
        let window = Window {
            first: Day(0),
            last: Day(200),
        };
        let on = |days| {
            cells
                .on_days(0b110_0000, window, days)
                .iter()
                .collect::<Vec<u32>>()
        };
        assert_eq!(on(1), [1, 2, 3]);
        assert_eq!(on(2), [1, 3]);
        assert_eq!(on(4), [1]);
        assert_eq!(on(5), [0u32; 0]);
        // The first level of a question for two days is that of a question for one.
        assert_eq!(
            cells.levels(0b110_0000, window, 2).first(),
            cells.levels(0b110_0000, window, 1).first()
        );
        let later = cells.with([(6, Day(199), one(&[2]))]);
        assert_eq!(later.on_days(0b110_0000, window, 2), one(&[1, 2, 3]));
    }
}
