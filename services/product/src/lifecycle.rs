//! The one stage of life that every product is in on a day (methodology 3.1).

use std::fmt;

use dualwheel_lake::frames::Orders;
use dualwheel_measure::Day;

use crate::{
    Parameters,
    goods::{Good, Roster},
};

/// Where a product stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Not launched yet, or launch unknown.
    PreLaunch,
    /// In its novelty window.
    New,
    /// Between.
    Mature,
    /// Going out.
    Tail,
    /// Taken off sale.
    Delisted,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [
        Self::PreLaunch,
        Self::New,
        Self::Mature,
        Self::Tail,
        Self::Delisted,
    ];

    /// The name in segments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreLaunch => "pre_launch",
            Self::New => "new",
            Self::Mature => "mature",
            Self::Tail => "tail",
            Self::Delisted => "delisted",
        }
    }
}

/// The rule that decided a product's stage, with what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Delisted by the day.
    Delisted(Day),
    /// Launch unknown.
    LaunchUnknown,
    /// Launch still to come.
    LaunchAhead(Day),
    /// Delisting announced by the day.
    Announced(Day),
    /// Season over.
    SeasonOver(Day),
    /// Young: age in days.
    Young(i32),
    /// Old, and its recent units are few against its best.
    Fading {
        /// Net units of the recent window.
        recent: i64,
        /// Net units of the best window since the launch.
        best: i64,
    },
    /// Old, and its recent units hold up.
    Selling {
        /// Net units of the recent window.
        recent: i64,
        /// Net units of the best window since the launch.
        best: i64,
    },
    /// Neither young nor old enough to be judged by its sales: age in days.
    Settled(i32),
}

impl Rule {
    /// The stage that the rule leads to.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Self::Delisted(_) => Stage::Delisted,
            Self::LaunchUnknown | Self::LaunchAhead(_) => Stage::PreLaunch,
            Self::Announced(_) | Self::SeasonOver(_) | Self::Fading { .. } => Stage::Tail,
            Self::Young(_) => Stage::New,
            Self::Selling { .. } | Self::Settled(_) => Stage::Mature,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delisted(day) => write!(out, "delisted on {day}"),
            Self::LaunchUnknown => write!(out, "no launch, sale or stock day is known"),
            Self::LaunchAhead(day) => write!(out, "launches on {day}"),
            Self::Announced(day) => write!(out, "delisting announced on {day}"),
            Self::SeasonOver(day) => write!(out, "its season ended on {day}"),
            Self::Young(age) => write!(out, "{age} days after its launch"),
            Self::Fading { recent, best } => write!(
                out,
                "recent net units {recent} against {best} at its best: fading"
            ),
            Self::Selling { recent, best } => {
                write!(
                    out,
                    "recent net units {recent} against {best} at its best: holding up"
                )
            }
            Self::Settled(age) => write!(
                out,
                "{age} days after its launch: no longer new, too young to judge by sales"
            ),
        }
    }
}

/// The deciding rule of every good on `day`, in the order of the roster.
#[must_use]
pub fn rules(roster: &Roster, orders: &Orders, day: Day, parameters: &Parameters) -> Vec<Rule> {
    let undecided: Vec<Option<Rule>> = roster
        .goods
        .iter()
        .map(|good| by_dates(good, day, parameters))
        .collect();
    let launches: Vec<Option<Day>> = (roster.goods.iter().zip(&undecided))
        .map(|(good, rule)| if rule.is_none() { good.launch() } else { None })
        .collect();
    let sales = Sales::collect(roster, orders, &launches, day);
    (undecided
        .into_iter()
        .zip(sales.peaks(parameters.tail_window_days)))
    .map(|(rule, (recent, best))| {
        rule.unwrap_or({
            let fades = i128::from(recent) * 100 <= i128::from(best) * i128::from(parameters.tail_percent);
            if fades {
                Rule::Fading { recent, best }
            } else {
                Rule::Selling { recent, best }
            }
        })
    })
    .collect()
}

/// What the dates alone decide; `None` where sales must.
fn by_dates(good: &Good, day: Day, parameters: &Parameters) -> Option<Rule> {
    if let Some(delisted) = good.delisted.filter(|delisted| *delisted <= day) {
        return Some(Rule::Delisted(delisted));
    }
    let Some(launch) = good.launch() else {
        return Some(Rule::LaunchUnknown);
    };
    if launch > day {
        return Some(Rule::LaunchAhead(launch));
    }
    if let Some(announced) = good.delisting_announced.filter(|announced| *announced <= day) {
        return Some(Rule::Announced(announced));
    }
    if let Some(ended) = good.season_ends.filter(|ended| *ended < day) {
        return Some(Rule::SeasonOver(ended));
    }
    let age = day.0 - launch.0;
    if age <= parameters.new_days {
        return Some(Rule::Young(age));
    }
    (age <= parameters.tail_after_days).then_some(Rule::Settled(age))
}

/// Net units by day since the launch, of the goods that sales must decide on.
struct Sales {
    last: Day,
    series: Vec<Option<Series>>,
}

/// One good's net units: a cell a day where it sells often, else a list.
enum Series {
    Cells { launch: Day, units: Vec<i64> },
    List { launch: Day, sold: Vec<(Day, i64)> },
}

impl Sales {
    fn collect(roster: &Roster, orders: &Orders, launches: &[Option<Day>], last: Day) -> Self {
        let mut lines = vec![0usize; launches.len()];
        for line in &orders.lines {
            if let Some(count) = roster.place(line.product).and_then(|place| lines.get_mut(place)) {
                *count += 1;
            }
        }
        let mut series: Vec<Option<Series>> = (launches.iter().zip(&lines))
            .map(|(launch, lines)| launch.map(|launch| Series::sized(launch, last, *lines)))
            .collect();
        for line in orders
            .lines
            .iter()
            .filter(|line| line.day <= last && line.net_units() != 0)
        {
            let series = roster.place(line.product).and_then(|place| series.get_mut(place));
            if let Some(Some(series)) = series {
                series.add(line.day, line.net_units());
            }
        }
        Self { last, series }
    }

    /// Net units of the `days` to the last one, and of the best such window since the launch, good by good.
    fn peaks(self, days: i32) -> impl Iterator<Item = (i64, i64)> {
        self.series
            .into_iter()
            .map(move |series| series.map_or((0, 0), |series| series.peak(self.last, days)))
    }
}

impl Series {
    fn sized(launch: Day, last: Day, lines: usize) -> Self {
        let span = usize::try_from(last.0 - launch.0 + 1).unwrap_or(0);
        if span <= 2 * lines {
            Self::Cells {
                launch,
                units: vec![0; span],
            }
        } else {
            Self::List {
                launch,
                sold: Vec::with_capacity(lines),
            }
        }
    }

    fn add(&mut self, day: Day, net: i64) {
        match self {
            Self::Cells { launch, units } => {
                let cell = usize::try_from(day.0 - launch.0)
                    .ok()
                    .and_then(|at| units.get_mut(at));
                if let Some(cell) = cell {
                    *cell += net;
                }
            }
            Self::List { launch, sold } => {
                if day >= *launch {
                    sold.push((day, net));
                }
            }
        }
    }

    fn peak(self, last: Day, days: i32) -> (i64, i64) {
        match self {
            Self::Cells { launch, units } => {
                let sold = units.into_iter().zip(0..).filter(|(net, _)| *net != 0);
                let sold: Vec<(Day, i64)> = sold.map(|(net, at)| (launch.plus(at), net)).collect();
                peak(launch, last, days, &sold)
            }
            Self::List { launch, mut sold } => {
                sold.sort_unstable();
                peak(launch, last, days, &sold)
            }
        }
    }
}

/// Recent and best sums over windows of `days` that lie in `[launch, last]`; `sold` is sorted by day.
///
/// The sum of the window that ends on a day changes only where a sale comes in, and `days` later where it leaves.
fn peak(launch: Day, last: Day, days: i32, sold: &[(Day, i64)]) -> (i64, i64) {
    let first_end = launch.plus(days - 1).min(last);
    let mut coming = sold
        .iter()
        .map(|(day, net)| ((*day).max(first_end), *net))
        .peekable();
    let mut leaving = sold
        .iter()
        .map(|(day, net)| (day.plus(days), *net))
        .filter(|(day, _)| *day <= last)
        .peekable();
    let mut sum = 0;
    let mut best: Option<i64> = None;
    let mut end = first_end;
    loop {
        while let Some((_, net)) = coming.next_if(|(day, _)| *day <= end) {
            sum += net;
        }
        while let Some((_, net)) = leaving.next_if(|(day, _)| *day <= end) {
            sum -= net;
        }
        best = Some(best.map_or(sum, |best| best.max(sum)));
        let next = [coming.peek(), leaving.peek()]
            .into_iter()
            .flatten()
            .map(|(day, _)| *day)
            .min();
        match next {
            Some(next) => end = next,
            None => return (sum, best.unwrap_or(sum)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_window_by_hand() {
        // Launch on day 0, sales of 5 on day 1, 7 on day 4, 4 back on day 5; windows of 4 days up to day 10:
        // [0,3] 5, [1,4] 12, [2,5] 3, … [5,8] -4, [6,9] 0, [7,10] 0.
        let sold = [(Day(1), 5), (Day(4), 7), (Day(5), -4)];
        assert_eq!(peak(Day(0), Day(10), 4, &sold), (0, 12));
        assert_eq!(peak(Day(0), Day(8), 4, &sold), (-4, 12));
        assert_eq!(peak(Day(0), Day(10), 4, &[]), (0, 0));
        // Only returns: the best window is an empty one.
        assert_eq!(peak(Day(0), Day(10), 4, &[(Day(9), -2)]), (-2, 0));
        // On the window's first and last days: [7,10] holds both.
        assert_eq!(peak(Day(0), Day(10), 4, &[(Day(7), 1), (Day(10), 1)]), (2, 2));
    }
}
