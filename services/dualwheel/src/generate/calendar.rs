//! Days of the generated period in the tenant's time zone, numbered from its first day, and their instants.

use anyhow::Context;
use chrono::{Datelike, Days, Duration, NaiveDate, TimeZone};
use chrono_tz::Tz;

use super::dice::Dice;

/// Days before and after the period whose instants are known as well: launches, joins and promises lie there.
const MARGIN: i32 = 1_100;
/// Days of a month on which stock is counted; a whole month is a whole number of stock periods.
const COUNT_DAYS: [u32; 4] = [1, 8, 15, 22];
/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;

/// A month of the period, cut to it.
#[derive(Clone, Copy, Debug)]
pub struct Month {
    /// First day.
    pub first: NaiveDate,
    /// Last day.
    pub last: NaiveDate,
}

/// The generated period. Days are numbered from 0; a day before the period has a negative number.
#[derive(Debug)]
pub struct Calendar {
    first: NaiveDate,
    days: usize,
    /// UTC microseconds of the start of each local day from `-MARGIN` on.
    starts: Vec<i64>,
    months: Vec<Month>,
    month_of: Vec<usize>,
    counts: Vec<i32>,
    period_of: Vec<usize>,
}

impl Calendar {
    /// The calendar of a period, both days included.
    ///
    /// # Errors
    /// When the days are reversed or too near the end of time.
    pub fn new(first: NaiveDate, last: NaiveDate, zone: Tz) -> anyhow::Result<Self> {
        anyhow::ensure!(
            first <= last,
            "the first day {first} is after the last day {last}"
        );
        let days = usize::try_from((last - first).num_days() + 1)?;
        let from = first
            .checked_sub_days(Days::new(MARGIN as u64))
            .context("the first day is too early")?;
        let mut starts = Vec::with_capacity(days + 2 * MARGIN as usize);
        for day in from.iter_days().take(days + 2 * MARGIN as usize) {
            starts.push(start_of(day, zone)?);
        }
        let (mut months, mut month_of) = (Vec::<Month>::new(), Vec::with_capacity(days));
        let (mut counts, mut period_of) = (Vec::new(), Vec::with_capacity(days));
        for (number, day) in first.iter_days().take(days).enumerate() {
            match months.last_mut() {
                Some(month) if month.first.month() == day.month() && month.first.year() == day.year() => {
                    month.last = day;
                }
                _ => months.push(Month {
                    first: day,
                    last: day,
                }),
            }
            if number == 0 || COUNT_DAYS.contains(&day.day()) {
                counts.push(number as i32);
            }
            month_of.push(months.len() - 1);
            period_of.push(counts.len() - 1);
        }
        Ok(Self {
            first,
            days,
            starts,
            months,
            month_of,
            counts,
            period_of,
        })
    }

    /// Number of days of the period.
    pub fn days(&self) -> usize {
        self.days
    }

    /// Number of the last day.
    pub fn last(&self) -> i32 {
        self.days as i32 - 1
    }

    /// Months of the period, in order.
    pub fn months(&self) -> &[Month] {
        &self.months
    }

    /// Days on which stock is counted, in order; the first is day 0.
    pub fn counts(&self) -> &[i32] {
        &self.counts
    }

    /// Month of a day; days outside the period belong to the nearest one.
    pub fn month_of(&self, day: i32) -> usize {
        self.month_of.get(self.clamp(day)).copied().unwrap_or_default()
    }

    /// Stock period of a day; days outside the period belong to the nearest one.
    pub fn period_of(&self, day: i32) -> usize {
        self.period_of.get(self.clamp(day)).copied().unwrap_or_default()
    }

    fn clamp(&self, day: i32) -> usize {
        usize::try_from(day)
            .unwrap_or_default()
            .min(self.days.saturating_sub(1))
    }

    /// The calendar date of a day.
    pub fn date(&self, day: i32) -> NaiveDate {
        self.first
            .checked_add_signed(Duration::days(i64::from(day)))
            .unwrap_or(self.first)
    }

    /// The instant, in UTC microseconds, that lies `second` seconds after the start of a day.
    pub fn instant(&self, day: i32, second: i64) -> i64 {
        let index = usize::try_from(day + MARGIN)
            .unwrap_or_default()
            .min(self.starts.len() - 1);
        self.starts.get(index).copied().unwrap_or_default() + second * SECOND
    }

    /// The last microsecond of the period.
    pub fn end(&self) -> i64 {
        self.instant(self.days as i32, 0) - 1
    }

    /// Number of the day on which an instant falls.
    pub fn day_of(&self, instant: i64) -> i32 {
        self.starts.partition_point(|&start| start <= instant) as i32 - 1 - MARGIN
    }
}

/// The first instant of a local day. Some zones have days that start at one o'clock.
fn start_of(day: NaiveDate, zone: Tz) -> anyhow::Result<i64> {
    (0..4)
        .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
        .find_map(|time| zone.from_local_datetime(&time).earliest())
        .map(|instant| instant.timestamp_micros())
        .with_context(|| format!("the day {day} has no start in {zone}"))
}

/// A second of the day at which people act: most in the evening, some at noon, few at night.
pub fn waking_second(dice: &mut Dice) -> i64 {
    let hour = if dice.chance(0.6) {
        dice.normal(20.2, 2.2)
    } else {
        dice.normal(12.8, 3.0)
    };
    ((hour.clamp(0.0, 23.9)) * 3_600.0) as i64 + dice.between(0, 299)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn days_months_and_counts_follow_the_calendar() {
        let calendar = Calendar::new(day(2025, 4, 1), day(2026, 6, 30), chrono_tz::Asia::Shanghai).unwrap();
        assert_eq!(
            (calendar.days(), calendar.months().len(), calendar.counts().len()),
            (456, 15, 60)
        );
        // 2025-04-01T00:00+08:00 is 2025-03-31T16:00Z
        assert_eq!(calendar.instant(0, 0), 1_743_436_800 * SECOND);
        assert_eq!(calendar.date(455), day(2026, 6, 30));
        assert_eq!(calendar.day_of(calendar.end()), 455);
        assert_eq!(calendar.day_of(calendar.end() + 1), 456);
        assert_eq!(
            (
                calendar.month_of(30),
                calendar.period_of(7),
                calendar.period_of(-3)
            ),
            (1, 1, 0)
        );
    }

    #[test]
    fn daylight_saving_days_keep_their_length() {
        let calendar = Calendar::new(day(2026, 3, 1), day(2026, 11, 30), chrono_tz::Europe::Berlin).unwrap();
        let length = |date: NaiveDate| {
            let number = (date - day(2026, 3, 1)).num_days() as i32;
            (calendar.instant(number + 1, 0) - calendar.instant(number, 0)) / SECOND / 3_600
        };
        assert_eq!(
            (
                length(day(2026, 3, 29)),
                length(day(2026, 10, 25)),
                length(day(2026, 5, 1))
            ),
            (23, 25, 24)
        );
    }
}
