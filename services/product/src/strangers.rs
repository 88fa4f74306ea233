//! What may be disclosed of brands that the asker may not see (methodology §0 rule 11): sums over many of them, of which none
//! holds more than half.
//!
//! Two such sums may still differ by a day of a single brand. So the days of every category are cut into runs, once for
//! all questions of an asker: a run ends as soon as what strangers sold in it may be disclosed. A market is disclosed of the whole
//! runs in a question's window, of categories cut at one depth, and no run is ever part of another: whatever is taken
//! from whatever, what remains is made of whole runs. Days after the last run are disclosed once it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dualwheel_lake::frames::Orders;
use dualwheel_measure::{Day, Window};

use crate::cut::Classes;

/// Who asks for a market without being allowed all of its brands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stranger {
    /// The brands that they may see.
    pub sees: BTreeSet<String>,
    /// Fewest other brands of which sums may be disclosed.
    pub least: usize,
    /// Depth at which categories are cut for them, whichever brand they ask about.
    pub level: u32,
}

/// A figure of the market that may not be disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld;

/// Why it is withheld, for the caller.
pub const WITHHELD: &str = "too few brands that you may not see, or one of them with more than half of it, stand for the \
     market of a category (min_brands); supply its statistics (MarketStat)";

/// What each brand holds of two sums.
#[derive(Clone, Debug, Default)]
pub struct Holdings(BTreeMap<u32, [i128; 2]>);

impl Holdings {
    /// Adds what a brand holds.
    pub fn add(&mut self, brand: u32, amounts: [i128; 2]) {
        let held = self.0.entry(brand).or_default();
        for (held, amount) in held.iter_mut().zip(amounts) {
            *held += amount;
        }
    }

    /// Whether both sums may be disclosed: at least `least` brands hold some of it and none more than half. Where returns
    /// outweigh sales a brand holds as much as it takes away.
    #[must_use]
    pub fn may_be_told(&self, least: usize) -> bool {
        [0, 1].into_iter().all(|sum| {
            let held = self.0.values().filter_map(|held| held.get(sum));
            let held: Vec<u128> = held
                .map(|held| held.unsigned_abs())
                .filter(|held| *held > 0)
                .collect();
            let greatest = held.iter().max().copied().unwrap_or(0);
            held.len() >= least && 2 * greatest <= held.iter().sum()
        })
    }
}

/// The runs of every class of categories, oldest first, by the class's path.
#[derive(Clone, Debug, Default)]
pub struct Runs(BTreeMap<String, Vec<Window>>);

impl Runs {
    /// From the first day of the first whole run in `window` to the last day of the last one.
    fn within(&self, class: &str, window: Window) -> Option<Window> {
        let runs = self.0.get(class)?;
        let mut whole = runs
            .iter()
            .filter(|run| window.first <= run.first && run.last <= window.last);
        let first = whole.next()?;
        let last = whole.next_back().unwrap_or(first);
        Some(Window {
            first: first.first,
            last: last.last,
        })
    }
}

/// What a brand sold of a class on a day.
#[derive(Clone, Copy, Debug)]
struct Sold {
    day: Day,
    brand: u32,
    amounts: [i128; 2],
}

/// Cuts days into runs. Strangers' brands may come in any order.
#[derive(Clone, Debug)]
pub struct Cutter {
    least: usize,
    classes: Classes,
    sold: Vec<Vec<Sold>>,
    brands: u32,
}

impl Cutter {
    /// Without brands yet.
    #[must_use]
    pub fn new(stranger: &Stranger) -> Self {
        Self {
            least: stranger.least,
            classes: Classes::new(stranger.level),
            sold: Vec::new(),
            brands: 0,
        }
    }

    /// Adds the lines of a brand that the asker may not see.
    pub fn add(&mut self, orders: &Orders) {
        self.classes.learn(&orders.names);
        self.sold.resize(self.classes.names().len(), Vec::new());
        let mut days: BTreeMap<(u32, Day), [i128; 2]> = BTreeMap::new();
        for line in &orders.lines {
            let [gmv, units] = days
                .entry((self.classes.of(line.category), line.day))
                .or_default();
            *gmv += line.net();
            *units += i128::from(line.net_units());
        }
        for ((class, day), amounts) in days {
            if let Some(sold) = self.sold.get_mut(class as usize) {
                sold.push(Sold {
                    day,
                    brand: self.brands,
                    amounts,
                });
            }
        }
        self.brands += 1;
    }

    /// The runs.
    #[must_use]
    pub fn finish(self) -> Runs {
        let least = self.least;
        let classes = self.classes.names().iter().zip(self.sold);
        Runs(
            classes
                .map(|(class, sold)| (class.clone(), cut(sold, least)))
                .collect(),
        )
    }
}

fn cut(mut sold: Vec<Sold>, least: usize) -> Vec<Window> {
    sold.sort_by_key(|sold| sold.day);
    let mut runs = Vec::new();
    let mut begun: Option<(Day, Holdings)> = None;
    for of_day in sold.chunk_by(|a, b| a.day == b.day) {
        for Sold { day, brand, amounts } in of_day {
            let (_, holdings) = begun.get_or_insert_with(|| (*day, Holdings::default()));
            holdings.add(*brand, *amounts);
        }
        if let (Some((first, holdings)), Some(last)) = (&begun, of_day.last())
            && holdings.may_be_told(least)
        {
            runs.push(Window {
                first: *first,
                last: last.day,
            });
            begun = None;
        }
    }
    runs
}

/// The days of each class of categories of which a market is disclosed.
#[derive(Clone, Debug)]
pub enum Days {
    /// A question's window.
    Window(Window),
    /// The whole runs in it.
    Runs(Arc<Runs>, Window),
}

impl Days {
    /// The days of a class, by its path; `None` where it has none that may be disclosed.
    #[must_use]
    pub fn of(&self, class: &str) -> Option<Window> {
        match self {
            Self::Window(window) => Some(*window),
            Self::Runs(runs, window) => runs.within(class, *window),
        }
    }

    /// The question's window.
    #[must_use]
    pub fn window(&self) -> Window {
        match self {
            Self::Window(window) | Self::Runs(_, window) => *window,
        }
    }
}

/// How a market is disclosed: of which days and categories, and to whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Days.
    pub days: Days,
    /// Depth at which categories are cut.
    pub level: u32,
    /// The asker, where not all brands may be seen.
    pub stranger: Option<Stranger>,
}

impl Terms {
    /// For who may see every brand.
    #[must_use]
    pub fn open(window: Window, level: u32) -> Self {
        Self {
            days: Days::Window(window),
            level,
            stranger: None,
        }
    }

    /// Whether the asker may not see the brand.
    #[must_use]
    pub fn hide(&self, brand: &str) -> bool {
        self.stranger
            .as_ref()
            .is_some_and(|stranger| !stranger.sees.contains(brand))
    }

    /// Whether sums that strangers hold so may be disclosed.
    #[must_use]
    pub fn admit(&self, holdings: &Holdings) -> bool {
        self.stranger
            .as_ref()
            .is_none_or(|stranger| holdings.may_be_told(stranger.least))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn sold(rows: &[(i32, u32, i128)]) -> Vec<Sold> {
        let sold = rows.iter().map(|(day, brand, gmv)| Sold {
            day: Day(*day),
            brand: *brand,
            amounts: [*gmv, 1],
        });
        sold.collect()
    }

    fn told(amounts: &[i128], least: usize) -> bool {
        let mut holdings = Holdings::default();
        for (brand, amount) in amounts.iter().enumerate() {
            holdings.add(brand as u32, [*amount, 1]);
        }
        holdings.may_be_told(least)
    }

    #[test]
    fn few_brands_and_great_ones_are_not_told() {
        assert!(told(&[2, 1, 1], 3) && !told(&[2, 1, 1], 4));
        assert!(!told(&[3, 1, 1], 3), "three fifths are more than half");
        assert!(!told(&[1, 1, 0], 3), "a brand without any is none");
        assert!(told(&[2, -1, 1], 3) && !told(&[1, -3, 1], 3));
    }

    #[test]
    fn a_run_ends_as_soon_as_it_may_be_told() {
        // Day 1: two brands. Day 4: the third, and all equal. Day 5 is one brand's alone, and so are 7 and 8.
        let rows = [
            (1, 0, 10),
            (1, 1, 10),
            (4, 2, 10),
            (5, 0, 10),
            (7, 1, 10),
            (8, 2, 5),
            (9, 0, 1),
        ];
        let window = |first, last| Window::new(Day(first), Day(last)).unwrap();
        let runs = Runs([("a".to_owned(), cut(sold(&rows), 3))].into());
        assert_eq!(runs.0["a"], [window(1, 4), window(5, 8)]);
        assert_eq!(runs.within("a", window(0, 9)), Some(window(1, 8)));
        assert_eq!(runs.within("a", window(1, 7)), Some(window(1, 4)));
        assert_eq!(runs.within("a", window(2, 8)), Some(window(5, 8)));
        assert_eq!(
            (runs.within("a", window(2, 7)), runs.within("b", window(0, 9))),
            (None, None)
        );
    }

    proptest! {
        /// Whatever two windows differ by may be disclosed itself: it is counted again from the rows.
        #[test]
        fn windows_differ_by_what_may_be_told(
            rows in vec((0..30i32, 0..8u32, 0..100i128), 0..200),
            (first, early, late) in (0..30i32, 0..30i32, 0..30i32),
        ) {
            let runs = Runs([("a".to_owned(), cut(sold(&rows), 5))].into());
            let within = |last: i32| Window::new(Day(first), Day(last)).and_then(|window| runs.within("a", window));
            let (Some(less), Some(more)) = (within(early.min(late)), within(early.max(late))) else { return Ok(()) };
            prop_assert_eq!(less.first, more.first);
            let mut holdings = Holdings::default();
            for sold in sold(&rows).iter().filter(|sold| more.contains(sold.day) && !less.contains(sold.day)) {
                holdings.add(sold.brand, sold.amounts);
            }
            for sum in [0, 1] {
                let mut held: Vec<i128> = holdings.0.values().map(|held| held[sum]).filter(|held| *held > 0).collect();
                held.sort_unstable();
                let greatest = held.last().copied().unwrap_or(0);
                prop_assert!(held.is_empty() || held.len() >= 5);
                prop_assert!(greatest * 2 <= held.iter().sum::<i128>());
            }
        }
    }
}
