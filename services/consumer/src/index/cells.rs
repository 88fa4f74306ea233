//! The bitmaps of a brand, by signal and day, and the two questions that everything is made of: who did any of some
//! signals in a window, and who did so on several days of it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use dualwheel_lake::frames::Kind;
use dualwheel_measure::{Day, Window};
use roaring::{MultiOps, RoaringBitmap};

/// Number of signals: the behaviour kinds by their numbers, then [`OTHER_LINE`] and [`BOUGHT`].
pub const SIGNALS: usize = 26;
/// An order line that is no purchase.
pub const OTHER_LINE: usize = 24;
/// An order line that is a purchase.
pub const BOUGHT: usize = 25;
/// Every signal.
pub const ALL: u32 = (1 << SIGNALS) - 1;

/// Fewest days that are summed up together: windows are put together from blocks of 4, 8, 16, … days, each begun on a
/// multiple of its length, and from the single days at their ends.
const SHORTEST_BLOCK: i32 = 4;
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
#[derive(Debug, Default)]
struct Summed {
    blocks: Mutex<Sums>,
    windows: Mutex<Sums>,
}

/// What the sums of all brands may take together, in bytes.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(AtomicUsize::new(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    /// What is left of it, in bytes.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(AtomicUsize::new(BLOCK_BYTES + WINDOW_BYTES))
    }
}

/// What a sum is of: signals, first and last day, most distinct days that are counted.
type Key = (u32, Day, Day, usize);

#[derive(Debug, Default)]
struct Sums {
    levels: BTreeMap<Key, Levels>,
    bytes: usize,
    room: Arc<Room>,
}

/// Bytes that the sums of blocks may take in a brand; further ones are made again each time, as are those for which
/// there is no room.
const BLOCK_BYTES: usize = 256 * 1024 * 1024;
/// Bytes that the sums of whole windows may take; all are forgotten when there are more.
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// Bitmaps that change at once from which on no sum is held against them one by one.
const MANY_CHANGES: usize = 256;

fn locked(sums: &Mutex<Sums>) -> MutexGuard<'_, Sums> {
    sums.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sums {
    fn of(room: &Arc<Room>) -> Mutex<Self> {
        Mutex::new(Self {
            levels: BTreeMap::new(),
            bytes: 0,
            room: room.clone(),
        })
    }

    /// Keeps a sum where there is room for it.
    fn keep(&mut self, key: Key, levels: &Levels) {
        let bytes: usize = levels.iter().map(RoaringBitmap::serialized_size).sum();
        if let Entry::Vacant(place) = self.levels.entry(key)
            && self.room.take(bytes)
        {
            place.insert(levels.clone());
            self.bytes += bytes;
        }
    }

    fn forget(&mut self) {
        self.levels.clear();
        self.room.give(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Summed {
    fn keep_block(&self, key: Key, levels: &Levels) {
        let mut blocks = locked(&self.blocks);
        if blocks.bytes < BLOCK_BYTES {
            blocks.keep(key, levels);
        }
    }

    fn keep_window(&self, key: Key, levels: &Levels) {
        let mut windows = locked(&self.windows);
        if windows.bytes > WINDOW_BYTES.min(windows.room.left()) {
            windows.forget();
        }
        windows.keep(key, levels);
    }

    fn of(room: &Arc<Room>) -> Self {
        Self {
            blocks: Sums::of(room),
            windows: Sums::of(room),
        }
    }

    fn room(&self) -> Arc<Room> {
        locked(&self.blocks).room.clone()
    }

    /// The sums of blocks that none of the changed bitmaps is part of.
    fn without(&self, changed: &[(usize, Day)]) -> Self {
        let kept = Self::of(&self.room());
        if changed.len() > MANY_CHANGES {
            return kept;
        }
        let mut blocks = locked(&kept.blocks);
        for (key, levels) in &locked(&self.blocks).levels {
            let (signals, first, last, _) = *key;
            let touched =
                |(signal, day): &(usize, Day)| signals >> signal & 1 == 1 && first <= *day && *day <= last;
            if !changed.iter().any(touched) {
                blocks.keep(*key, levels);
            }
        }
        drop(blocks);
        kept
    }
}

impl Cells {
    /// These bitmaps and, added to them, those of `more` by signal and day.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = (usize, Day, RoaringBitmap)>) -> Self {
        let (mut signals, mut changed) = (self.signals.clone(), Vec::new());
        for (signal, day, people) in more {
            let Some(days) = signals.get_mut(signal) else {
                continue;
            };
            changed.push((signal, day));
            match days.get_mut(&day) {
                Some(known) => *Arc::make_mut(known) |= people,
                None => {
                    days.insert(day, Arc::new(people));
                }
            }
        }
        Self {
            signals,
            summed: self.summed.without(&changed),
        }
    }

    /// The same without any bitmap of the signals `left_out`.
    #[must_use]
    pub fn without(&self, left_out: Range<usize>) -> Self {
        let mut signals = self.signals.clone();
        if let Some(signals) = signals.get_mut(left_out) {
            signals.iter_mut().for_each(BTreeMap::clear);
        }
        Self {
            signals,
            summed: Summed::of(&self.summed.room()),
        }
    }

    /// The same with sums that take from `room`.
    #[must_use]
    pub fn in_room(self, room: &Arc<Room>) -> Self {
        Self {
            signals: self.signals,
            summed: Summed::of(room),
        }
    }

    /// Every bitmap: signal, day, people.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Day, &RoaringBitmap)> {
        let signals = self.signals.iter().enumerate();
        signals.flat_map(|(signal, days)| days.iter().map(move |(day, people)| (signal, *day, &**people)))
    }

    /// Bytes that the bitmaps take, about; sums take from their [`Room`].
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

    /// Whether the brand has any `PURCHASE` behaviour.
    #[must_use]
    pub fn has_purchase_behaviors(&self) -> bool {
        let supplied = self.signals.get(Kind::Purchase as usize);
        supplied.is_some_and(|days| !days.is_empty())
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
        if let Some(known) = locked(&self.summed.windows).levels.get(&key) {
            return known.clone();
        }
        let (blocks, days) = parts(window);
        let blocks: Vec<Levels> = blocks
            .into_iter()
            .map(|block| self.block(signals, block, most))
            .collect();
        let days = days.into_iter().flat_map(|days| self.days(signals, days));
        let summed = if most == 1 {
            let blocks = blocks.iter().filter_map(|block| block.first());
            let all: Vec<&RoaringBitmap> = blocks.chain(days.flat_map(|(_, people)| people)).collect();
            vec![all.union()]
        } else {
            let mut levels = vec![RoaringBitmap::new(); most];
            for block in &blocks {
                merge(&mut levels, block);
            }
            days.for_each(|(_, people)| fold_day(&mut levels, people.union()));
            levels
        };
        let summed = Arc::new(summed);
        self.summed.keep_window(key, &summed);
        summed
    }

    /// The sums of a block, kept for the next question.
    fn block(&self, signals: u32, block: Window, most: usize) -> Levels {
        let key = (signals, block.first, block.last, most);
        if let Some(known) = locked(&self.summed.blocks).levels.get(&key) {
            return known.clone();
        }
        let mut levels = vec![RoaringBitmap::new(); most];
        let length = block.days();
        if length > SHORTEST_BLOCK {
            let middle = block.first.plus(length / 2);
            for half in [(block.first, middle.plus(-1)), (middle, block.last)] {
                let (first, last) = half;
                merge(&mut levels, &self.block(signals, Window { first, last }, most));
            }
        } else {
            for (_, people) in self.days(signals, block) {
                fold_day(&mut levels, people.union());
            }
        }
        let levels = Arc::new(levels);
        self.summed.keep_block(key, &levels);
        levels
    }

    /// The bitmaps of every day with any of `signals`.
    fn days(&self, signals: u32, window: Window) -> impl Iterator<Item = (Day, Vec<&RoaringBitmap>)> {
        let mut by_day: BTreeMap<Day, Vec<&RoaringBitmap>> = BTreeMap::new();
        for days in self.of(signals) {
            for (day, people) in days.range(window.first..=window.last) {
                by_day.entry(*day).or_default().push(people);
            }
        }
        by_day.into_iter()
    }
}

/// The longest blocks that lie in a window, and what remains of it.
fn parts(window: Window) -> (Vec<Window>, Vec<Window>) {
    let (mut blocks, mut days) = (Vec::new(), Vec::new());
    let mut first = window.first;
    while first <= window.last {
        let left = window.last.0 - first.0 + 1;
        let begins = |length: i32| first.0.rem_euclid(length) == 0 && length <= left;
        let mut length = SHORTEST_BLOCK;
        if begins(length) {
            while length < i32::MAX / 4 && begins(length * 2) {
                length *= 2;
            }
            blocks.push(Window::ending(first.plus(length - 1), length));
        } else {
            length = left.min(SHORTEST_BLOCK - first.0.rem_euclid(SHORTEST_BLOCK));
            days.push(Window::ending(first.plus(length - 1), length));
        }
        first = first.plus(length);
    }
    (blocks, days)
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

/// Adds the days of another window, which has none of these.
fn merge(levels: &mut [RoaringBitmap], other: &[RoaringBitmap]) {
    for at in (0..levels.len()).rev() {
        let mut added = RoaringBitmap::new();
        // On `few` days here and on the rest there.
        for few in 1..=at {
            if let (Some(here), Some(there)) = (levels.get(few - 1), other.get(at - few))
                && !here.is_empty()
                && !there.is_empty()
            {
                added |= here & there;
            }
        }
        if let (Some(level), Some(all)) = (levels.get_mut(at), other.get(at)) {
            *level |= all;
            *level |= added;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fall_into_blocks_and_ends() {
        let window = |first, last| Window {
            first: Day(first),
            last: Day(last),
        };
        let ends = |windows: Vec<Window>| -> Vec<(i32, i32)> {
            windows.iter().map(|part| (part.first.0, part.last.0)).collect()
        };
        let (blocks, days) = parts(window(-13, 74));
        assert_eq!(ends(blocks), [(-12, -9), (-8, -1), (0, 63), (64, 71)]);
        assert_eq!(ends(days), [(-13, -13), (72, 74)]);
        let (blocks, days) = parts(window(3, 5));
        assert_eq!((ends(blocks), ends(days)), (vec![], vec![(3, 3), (4, 5)]));
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
        // Another day of a block that was summed before.
        let later = cells.with([(6, Day(3), one(&[2]))]);
        let kept = |cells: &Cells| locked(&cells.summed.blocks).levels.len();
        assert!(0 < kept(&later) && kept(&later) < kept(&cells));
        assert_eq!(later.on_days(0b110_0000, window, 2), one(&[1, 2, 3]));
        assert_eq!(later.without(6..7).on_days(0b110_0000, window, 2), one(&[1, 3]));
    }

    #[test]
    fn sums_of_all_brands_share_their_room_and_give_it_back() {
        let days =
            |brand: u32| (0..64).map(move |day| (5, Day(day), RoaringBitmap::from_iter([brand, brand + 1])));
        let window = Window {
            first: Day(1),
            last: Day(62),
        };
        let alone = Cells::default().with(days(7));
        let (room, full) = (Arc::new(Room::new(1_000)), 1_000);
        let brands: Vec<Cells> = (0..40)
            .map(|brand| Cells::default().with(days(brand)).in_room(&room))
            .collect();
        for cells in &brands {
            let _ = cells.on_days(1 << 5, window, 2);
        }
        let left = room.left();
        assert!(left < full / 4, "{left}");
        let kept = |cells: &Cells| locked(&cells.summed.blocks).bytes + locked(&cells.summed.windows).bytes;
        assert_eq!(brands.iter().map(kept).sum::<usize>(), full - left);
        let late = Cells::default().with(days(7)).in_room(&room);
        for days in 1..5 {
            assert_eq!(
                late.on_days(1 << 5, window, days),
                alone.on_days(1 << 5, window, days)
            );
        }
        // An update shares the room, too.
        let later = late.with([(5, Day(70), RoaringBitmap::from_iter([1]))]);
        drop((brands, late));
        assert!(room.left() + kept(&later) == full);
        drop(later);
        assert_eq!(room.left(), full);
    }
}
