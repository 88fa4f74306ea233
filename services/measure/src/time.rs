//! Calendar days in a tenant's zone, and windows of them.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

/// A calendar day in the tenant's zone, counted from 1970-01-01.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Deserialize, serde::Serialize,
)]
pub struct Day(pub i32);

impl Day {
    /// The day of a Gregorian date; `None` where there is no such date.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, day).map(Self::from_date)
    }

    /// The day of a date.
    #[must_use]
    pub fn from_date(date: NaiveDate) -> Self {
        Self(date.num_days_from_ce() - EPOCH_FROM_CE)
    }

    /// The day on which an instant (microseconds since 1970 UTC) falls in `zone`.
    #[must_use]
    pub fn of_instant(micros: i64, zone: Tz) -> Option<Self> {
        let instant = DateTime::<Utc>::from_timestamp_micros(micros)?;
        Some(Self::from_date(
            zone.from_utc_datetime(&instant.naive_utc()).date_naive(),
        ))
    }

    /// The date of the day; `None` beyond the calendar.
    #[must_use]
    pub fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_num_days_from_ce_opt(self.0.checked_add(EPOCH_FROM_CE)?)
    }

    /// `days` later; earlier where negative.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Reads `2026-01-31`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .map(Self::from_date)
    }
}

/// Days from 0001-01-01 to 1970-01-01, counted as chrono counts them.
const EPOCH_FROM_CE: i32 = 719_163;

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(formatter, "{date}"),
            None => write!(formatter, "day {}", self.0),
        }
    }
}

/// An inclusive range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// First day.
    pub first: Day,
    /// Last day, not before the first.
    pub last: Day,
}

impl Window {
    /// A window from `first` to `last`; `None` when reversed.
    #[must_use]
    pub fn new(first: Day, last: Day) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The window of `days` days that ends on `last`.
    #[must_use]
    pub fn ending(last: Day, days: i32) -> Self {
        Self {
            first: last.plus(1 - days.max(1)),
            last,
        }
    }

    /// Number of days.
    #[must_use]
    pub fn days(self) -> i32 {
        self.last.0 - self.first.0 + 1
    }

    /// Whether `day` lies in the window.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// The window of the same length that ends just before this one.
    #[must_use]
    pub fn before(self) -> Self {
        Self::ending(self.first.plus(-1), self.days())
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_zone_over_daylight_saving() {
        let zone: Tz = "America/New_York".parse().unwrap();
        // 2017-03-12 is 23 hours long in New York: 05:00 UTC starts it, 04:00 UTC of the 13th ends it.
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_micros();
        let day = |text: &str| Day::of_instant(at(text), zone).unwrap();
        assert_eq!(day("2017-03-12T04:59:59Z"), Day::parse("2017-03-11").unwrap());
        assert_eq!(day("2017-03-12T05:00:00Z"), Day::parse("2017-03-12").unwrap());
        assert_eq!(day("2017-03-13T03:59:59Z"), Day::parse("2017-03-12").unwrap());
        assert_eq!(day("2017-03-13T04:00:00Z"), Day::parse("2017-03-13").unwrap());
    }

    #[test]
    fn windows_include_both_ends() {
        let window = Window::ending(Day(10), 15);
        assert_eq!((window.first, window.days()), (Day(-4), 15));
        assert_eq!(
            window.before(),
            Window {
                first: Day(-19),
                last: Day(-5)
            }
        );
        assert_eq!(Window::new(Day(2), Day(1)), None);
        assert_eq!(Day(0).to_string(), "1970-01-01");
    }
}
