//! Times as people write them, and local times as instants.

mod clock;
mod scan;
#[cfg(test)]
mod tests;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::{Deserialize, Deserializer};

use super::number::narrow;
pub(super) use clock::Clock;
pub use clock::Dst;
use scan::Scan;

const MICROS: i64 = 1_000_000;
/// Milliseconds of a day.
const DAY_MILLIS: f64 = 86_400_000.0;
/// The last day of Excel's calendar, 9999-12-31.
const LAST_SERIAL: f64 = 2_958_465.0;

pub(super) const NO_TIME: &str = "is no time; write it as 2026-01-31 08:00:00, or say how it is written with `formats:` in the mapping's entry";
const NOT_AS_DECLARED: &str = "is not written as the entry's `formats:` say";

/// How the times of a column are written, where a mapping says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Seconds since 1970 UTC.
    Seconds,
    /// Milliseconds since 1970 UTC.
    Millis,
    /// Days since 1899-12-30, local, as Excel counts them.
    Excel,
    /// A pattern of `strftime`.
    Pattern(String),
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_pattern = |text: &str| {
            text.contains('%')
                && !chrono::format::StrftimeItems::new(text).any(|item| item == chrono::format::Item::Error)
        };
        Ok(match text.as_str() {
            "seconds" => Self::Seconds,
            "millis" => Self::Millis,
            "excel" => Self::Excel,
            pattern if is_pattern(pattern) => Self::Pattern(text),
            other => {
                let told = format!(
                    "the format `{other}` is none; write seconds, millis, excel or a pattern such as %d/%m/%Y %H:%M"
                );
                return Err(serde::de::Error::custom(told));
            }
        })
    }
}

/// In which order day and month stand where the year comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    MonthFirst,
    DayFirst,
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// In the mapping's zone.
    Local(NaiveDateTime),
    /// With its offset: microseconds since 1970 UTC.
    Instant(i64),
    /// Two numbers that are day and month in an order that other values must tell, and the year.
    Open {
        first: u32,
        second: u32,
        year: i32,
        time: NaiveTime,
        offset: Option<i32>,
    },
}

impl Written {
    /// With day and month in an order.
    pub fn settled(self, order: Order) -> Option<Self> {
        let Self::Open {
            first,
            second,
            year,
            time,
            offset,
        } = self
        else {
            return Some(self);
        };
        let (month, day) = match order {
            Order::MonthFirst => (first, second),
            Order::DayFirst => (second, first),
        };
        Some(with_offset(
            NaiveDate::from_ymd_opt(year, month, day)?.and_time(time),
            offset,
        ))
    }
}

fn with_offset(local: NaiveDateTime, offset: Option<i32>) -> Written {
    match offset {
        None => Written::Local(local),
        Some(seconds) => Written::Instant(local.and_utc().timestamp_micros() - i64::from(seconds) * MICROS),
    }
}

/// Reads a time whose format nobody has declared.
pub(super) fn read(text: &str) -> Option<Written> {
    if let Some(local) = plain(text.as_bytes()) {
        return Some(Written::Local(local));
    }
    let narrow: String = text.chars().map(narrow).collect();
    Scan(narrow.trim()).time()
}

/// Reads a time in a declared format.
///
/// # Errors
/// When it is not written so.
pub(super) fn read_as(text: &str, format: &Format) -> Result<Written, &'static str> {
    let read = || -> Option<Written> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        Some(match format {
            Format::Seconds => match text.parse::<i64>() {
                Ok(seconds) => Written::Instant(seconds.checked_mul(MICROS)?),
                Err(_) => {
                    Written::Instant((number().filter(|number| number.abs() < 1e12)? * 1e6).round() as i64)
                }
            },
            Format::Millis => {
                let millis = text.strip_suffix(".0").unwrap_or(text).parse::<i64>().ok()?;
                Written::Instant(millis.checked_mul(1_000)?)
            }
            Format::Excel => Written::Local(excel(number()?)?),
            Format::Pattern(pattern) => match DateTime::parse_from_str(text, pattern) {
                Ok(instant) => Written::Instant(instant.timestamp_micros()),
                Err(_) => {
                    let time = NaiveDateTime::parse_from_str(text, pattern);
                    let day =
                        || NaiveDate::parse_from_str(text, pattern).map(|day| day.and_time(NaiveTime::MIN));
                    Written::Local(time.or_else(|_| day()).ok()?)
                }
            },
        })
    };
    read().ok_or(NOT_AS_DECLARED)
}

/// The local time of a serial number of Excel, to the millisecond.
fn excel(serial: f64) -> Option<NaiveDateTime> {
    let since = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_time(NaiveTime::MIN);
    // Below 61 stands the day 1900-02-29, which no calendar has.
    if !(61.0..=LAST_SERIAL + 1.0).contains(&serial) {
        return None;
    }
    let millis = TimeDelta::milliseconds((serial * DAY_MILLIS).round() as i64);
    since.checked_add_signed(millis)
}

/// `YYYY-MM-DD HH:MM:SS` and `YYYY-MM-DD`, which are most times.
fn plain(text: &[u8]) -> Option<NaiveDateTime> {
    let digits = |from: usize, to: usize| {
        let mut number = 0;
        for digit in text.get(from..to)? {
            number = number * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        Some(number)
    };
    let day = |year: u32| match (text.get(4)?, text.get(7)?) {
        (b'-', b'-') | (b'/', b'/') => {
            NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, digits(5, 7)?, digits(8, 10)?)
        }
        _ => None,
    };
    match text.len() {
        10 => Some(day(digits(0, 4)?)?.and_time(NaiveTime::MIN)),
        19 => match (text.get(10)?, text.get(13)?, text.get(16)?) {
            (b' ' | b'T', b':', b':') => {
                day(digits(0, 4)?)?.and_hms_opt(digits(11, 13)?, digits(14, 16)?, digits(17, 19)?)
            }
            _ => None,
        },
        _ => None,
    }
}
