//! Who has lapsed: the days that buyers let pass between purchases, by category.

use std::collections::HashMap;

use dualwheel_lake::frames::{Categories, Line, Orders};
use dualwheel_measure::Day;

/// Fewest pauses of a category by which it is judged; others are judged by those of the whole brand.
pub const FEWEST_PAUSES: usize = 20;

/// After how many days without a purchase a buyer has lapsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rhythm {
    by_category: HashMap<Option<usize>, i32>,
    overall: Option<i32>,
}

impl Rhythm {
    /// The rhythm of purchases up to `until`: of each category the smallest number of days that at least `quantile`
    /// of the pauses between two purchase days of one buyer do not exceed.
    #[must_use]
    pub fn new(orders: &Orders, cuts: &Categories, until: Day, quantile: f64) -> Self {
        let mut pauses: HashMap<Option<usize>, Vec<i32>> = HashMap::new();
        let mut overall = Vec::new();
        for consumer in orders.groups.consumers() {
            let mut days: Vec<(Option<usize>, Day)> = purchases(orders.of(consumer), until)
                .map(|line| (cuts.segment(line.category), line.day))
                .collect();
            let mut all: Vec<Day> = days.iter().map(|(_, day)| *day).collect();
            all.sort_unstable();
            all.dedup();
            overall.extend(between(&all));
            days.sort_unstable();
            days.dedup();
            for run in days.chunk_by(|one, other| one.0 == other.0) {
                let mine: Vec<Day> = run.iter().map(|(_, day)| *day).collect();
                if let Some((category, _)) = run.first() {
                    pauses.entry(*category).or_default().extend(between(&mine));
                }
            }
        }
        let by_category = pauses
            .into_iter()
            .filter(|(_, pauses)| pauses.len() >= FEWEST_PAUSES)
            .filter_map(|(category, pauses)| Some((category, rank(pauses, quantile)?)))
            .collect();
        Self {
            by_category,
            overall: rank(overall, quantile),
        }
    }

    /// Days without a purchase that are usual for who last bought in a category; `None` where nobody bought twice.
    #[must_use]
    pub fn patience(&self, category: Option<usize>) -> Option<i32> {
        self.by_category.get(&category).copied().or(self.overall)
    }

    /// Last purchase day up to `day`, and the days without a purchase that are usual after it: the longest of the
    /// categories bought on that day.
    #[must_use]
    pub fn last(&self, lines: &[Line], cuts: &Categories, day: Day) -> Option<(Day, i32)> {
        let last = purchases(lines, day).map(|line| line.day).max()?;
        let mine = purchases(lines, day).filter(|line| line.day == last);
        let usual = mine
            .filter_map(|line| self.patience(cuts.segment(line.category)))
            .max()?;
        Some((last, usual))
    }

    /// Whether a buyer with these lines has lapsed on `day`.
    #[must_use]
    pub fn has_lapsed(&self, lines: &[Line], cuts: &Categories, day: Day) -> bool {
        self.last(lines, cuts, day)
            .is_some_and(|(last, usual)| day.0 - last.0 > usual)
    }
}

/// The purchases up to a day.
pub(super) fn purchases(lines: &[Line], until: Day) -> impl Iterator<Item = &Line> {
    lines
        .iter()
        .filter(move |line| line.is_purchase() && line.day <= until)
}

/// Days between each sorted day and the next.
pub(super) fn between(days: &[Day]) -> impl Iterator<Item = i32> {
    days.iter()
        .zip(days.iter().skip(1))
        .map(|(one, next)| next.0 - one.0)
}

/// The smallest value that at least `quantile` of them do not exceed.
fn rank(mut values: Vec<i32>, quantile: f64) -> Option<i32> {
    values.sort_unstable();
    let place = (quantile * values.len() as f64).ceil() as usize;
    values.get(place.max(1) - 1).copied()
}
