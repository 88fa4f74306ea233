//! Days of instants.

use ahash::AHashMap;
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use dualwheel_measure::Day;

const MICROS_AN_HOUR: i64 = 3_600_000_000;

/// Days of instants in one zone. Instants come in any order, but few hours hold most of them: the day of each hour
/// is looked up once.
pub(super) struct Days {
    zone: Tz,
    /// By hour since 1970 UTC: the day that holds the whole hour, if one does.
    hours: AHashMap<i64, Option<i32>>,
}

impl Days {
    pub(super) fn new(zone: Tz) -> Self {
        Self {
            zone,
            hours: AHashMap::new(),
        }
    }

    /// The day of an instant in microseconds since 1970 UTC.
    pub(super) fn of(&mut self, micros: i64) -> Option<i32> {
        let zone = self.zone;
        let hour = micros.div_euclid(MICROS_AN_HOUR);
        let whole = *self.hours.entry(hour).or_insert_with(|| day_of_hour(hour, zone));
        whole.or_else(|| Day::of_instant(micros, zone).map(|day| day.0))
    }
}

/// The day that holds a whole hour: an hour lies in one day when both its ends do and no clock is set in between.
fn day_of_hour(hour: i64, zone: Tz) -> Option<i32> {
    let first = hour.checked_mul(MICROS_AN_HOUR)?;
    let last = first + (MICROS_AN_HOUR - 1);
    let offset = |micros| {
        let instant = DateTime::from_timestamp_micros(micros)?;
        Some(zone.offset_from_utc_datetime(&instant.naive_utc()).fix())
    };
    let day = Day::of_instant(first, zone)?;
    (Day::of_instant(last, zone)? == day && offset(first)? == offset(last)?).then_some(day.0)
}
