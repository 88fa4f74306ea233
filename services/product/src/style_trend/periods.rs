//! The periods of a market's statistics as one row of equal steps.

use std::collections::BTreeSet;

use dualwheel_measure::{Window, rank::median};

/// Longest period in days of each kind: days, weeks, months, quarters; longer ones are years.
const LONGEST: [i32; 4] = [1, 10, 45, 135];

/// Periods that follow each other, oldest first, each at its step; a step without a period is a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Periods {
    /// The periods that the statistics have.
    pub windows: Vec<Window>,
    /// Step of each, from 0.
    steps: Vec<usize>,
}

impl Periods {
    /// The periods of `windows`. A source may tell weeks, months and years of the same market: the shortest kind with at
    /// least `fewest` periods is taken, or else the one with most periods; of periods that overlap, the first, and of
    /// those that begin together the longest.
    pub fn of(windows: impl Iterator<Item = Window>, fewest: usize) -> Self {
        let mut kinds: [BTreeSet<(i32, i32)>; LONGEST.len() + 1] = Default::default();
        for window in windows {
            let kind = LONGEST
                .iter()
                .take_while(|longest| window.days() > **longest)
                .count();
            if let Some(kind) = kinds.get_mut(kind) {
                kind.insert((window.first.0, -window.last.0));
            }
        }
        let candidates: Vec<Vec<Window>> = kinds.iter().map(apart).collect();
        let enough = candidates.iter().find(|kind| kind.len() >= fewest.max(1));
        // Of equally many the shortest kind: `max_by_key` takes the last of equals.
        let most = || candidates.iter().rev().max_by_key(|kind| kind.len());
        Self::placed(enough.or_else(most).cloned().unwrap_or_default())
    }

    /// Periods of one kind, in order and apart, each at its step. A gap is as many steps as median periods fit in.
    fn placed(windows: Vec<Window>) -> Self {
        let lengths: Vec<f64> = windows.iter().map(|window| f64::from(window.days())).collect();
        let length = median(&lengths).unwrap_or(1.0);
        let mut steps = Vec::with_capacity(windows.len());
        let mut before: Option<(Window, usize)> = None;
        for window in &windows {
            let step = before.map_or(0, |(last, step)| {
                let days = f64::from(window.first.0 - last.first.0);
                step + ((days / length).round() as usize).max(1)
            });
            steps.push(step);
            before = Some((*window, step));
        }
        Self { windows, steps }
    }

    /// Steps, gaps among them.
    pub fn len(&self) -> usize {
        self.steps.last().map_or(0, |last| last + 1)
    }

    /// Step of a period; `None` for one that is not among these.
    pub fn step(&self, window: Window) -> Option<usize> {
        let at = self
            .windows
            .binary_search_by_key(&window.first, |known| known.first)
            .ok()?;
        let known = self.windows.get(at)?;
        (known.last == window.last).then(|| self.steps.get(at).copied())?
    }

    /// Mean days of a period.
    pub fn days(&self) -> f64 {
        let days: i32 = self.windows.iter().map(|window| window.days()).sum();
        f64::from(days) / self.windows.len().max(1) as f64
    }

    /// The periods that end in the last `days` days up to the end of the last one; at least that one.
    pub fn recent(&self, days: i32) -> &[Window] {
        let Some(last) = self.windows.last() else {
            return &[];
        };
        let recent = Window::ending(last.last, days);
        let old = self
            .windows
            .partition_point(|window| !recent.contains(window.last));
        self.windows.get(old..).unwrap_or_default()
    }
}

fn apart(periods: &BTreeSet<(i32, i32)>) -> Vec<Window> {
    let mut kept: Vec<Window> = Vec::new();
    for (first, last) in periods {
        let (first, last) = (dualwheel_measure::Day(*first), dualwheel_measure::Day(-last));
        if kept.last().is_none_or(|before| before.last < first) {
            kept.push(Window { first, last });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Day;

    use super::*;

    fn window(first: Day, days: i32) -> Window {
        Window::ending(first.plus(days - 1), days)
    }

    fn month(year: i32, month: u32) -> Window {
        let first = Day::from_ymd(year, month, 1).unwrap();
        let next = Day::from_ymd(year + (month / 12) as i32, month % 12 + 1, 1).unwrap();
        window(first, next.0 - first.0)
    }

    #[test]
    fn months_stay_in_step_over_years() {
        let months: Vec<Window> = (0..48)
            .map(|at| month(2020 + at / 12, at as u32 % 12 + 1))
            .collect();
        let periods = Periods::of(months.iter().rev().copied(), 8);
        assert_eq!((periods.len(), periods.windows.len()), (48, 48));
        assert_eq!(periods.step(month(2021, 2)), Some(13));
        // 48 months of 2020 to 2023 have 1 461 days.
        assert_eq!(periods.days(), 1_461.0 / 48.0);
        // Without March and April 2020 and all of 2022 the others stay where they are.
        let gone = |at: &usize| [2, 3].contains(at) || (24..36).contains(at);
        let left = (0..48)
            .filter(|at| !gone(at))
            .filter_map(|at| months.get(at))
            .copied();
        let periods = Periods::of(left, 8);
        assert_eq!((periods.len(), periods.windows.len()), (48, 34));
        assert_eq!(
            (periods.step(month(2020, 5)), periods.step(month(2023, 1))),
            (Some(4), Some(36))
        );
        assert_eq!(periods.step(month(2022, 1)), None);
    }

    #[test]
    fn one_kind_of_period_is_taken() {
        let weeks = |count: i32| (0..count).map(|at| window(Day(at * 7), 7));
        let months = (0..9).map(|at| window(Day(at * 30), 30));
        let years = (0..2).map(|at| window(Day(at * 365), 365));
        let of = |weeks_count, fewest| {
            let all = weeks(weeks_count).chain(months.clone()).chain(years.clone());
            Periods::of(all, fewest).days()
        };
        assert_eq!(of(8, 8), 7.0);
        assert_eq!(of(7, 8), 30.0);
        // Nobody has ten: most have months.
        assert_eq!(of(7, 10), 30.0);
        assert_eq!(of(9, 10), 7.0);
        assert_eq!(Periods::of(std::iter::empty(), 8).len(), 0);
    }

    #[test]
    fn periods_do_not_overlap() {
        let all = [
            window(Day(0), 7),
            window(Day(0), 6),
            window(Day(3), 7),
            window(Day(7), 7),
        ];
        let periods = Periods::of(all.into_iter(), 1);
        assert_eq!(periods.windows, [window(Day(0), 7), window(Day(7), 7)]);
        assert_eq!(
            (periods.step(window(Day(0), 6)), periods.step(window(Day(7), 7))),
            (None, Some(1))
        );
    }

    #[test]
    fn recent_periods_end_in_the_last_days() {
        let weeks: Vec<Window> = (0..9).map(|at| window(Day(at * 7), 7)).collect();
        let periods = Periods::of(weeks.iter().copied(), 1);
        assert_eq!(periods.recent(14), &weeks[7..]);
        assert_eq!(periods.recent(15), &weeks[6..]);
        assert_eq!(periods.recent(1), &weeks[8..]);
        assert!(Periods::default().recent(9).is_empty());
    }
}
