//! Local times as instants.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Offset, TimeZone, offset::LocalResult};
use chrono_tz::Tz;
use serde::Deserialize;

use super::{MICROS, NO_TIME};

pub(super) const TWICE: &str =
    "is a local time that the zone has twice, which `dst: refuse` does not admit; give it with its offset";
pub(super) const NEVER: &str =
    "is a local time that the zone skips, which `dst: refuse` does not admit; give it with its offset";

/// What becomes of local times that a zone has twice, or skips, when its clocks are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dst {
    /// Of two the earlier one; what is skipped is moved forward by the gap.
    #[default]
    Earliest,
    /// Of two the later one; what is skipped is moved forward by the gap.
    Latest,
    /// The row is refused.
    Refuse,
}

/// Local times of a zone.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: Tz,
    dst: Dst,
    /// Offset of hours in which no clock is set, by local hour since 1970.
    hours: ahash::AHashMap<i64, i64>,
}

impl Clock {
    pub fn new(zone: Tz, dst: Dst) -> Self {
        Self {
            zone,
            dst,
            hours: ahash::AHashMap::new(),
        }
    }

    /// The instant of a local time, in microseconds since 1970 UTC.
    ///
    /// # Errors
    /// When it is twice or never, and is to be refused then.
    pub fn instant(&mut self, local: NaiveDateTime) -> Result<i64, &'static str> {
        let micros = local.and_utc().timestamp_micros();
        let hour = micros.div_euclid(3_600 * MICROS);
        if let Some(offset) = self.hours.get(&hour) {
            return Ok(micros - offset);
        }
        if let Some(offset) = self.whole_hour(hour) {
            self.hours.insert(hour, offset);
            return Ok(micros - offset);
        }
        self.looked_up(local)
    }

    /// The day of an instant in the zone.
    pub fn day(&self, micros: i64) -> Option<NaiveDate> {
        Some(
            DateTime::from_timestamp_micros(micros)?
                .with_timezone(&self.zone)
                .date_naive(),
        )
    }

    /// The offset of a local hour, where all of it has one.
    fn whole_hour(&self, hour: i64) -> Option<i64> {
        let offset = |micros: i64| {
            let local = DateTime::from_timestamp_micros(micros)?.naive_utc();
            match self.zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) => Some(i64::from(offset.fix().local_minus_utc()) * MICROS),
                _ => None,
            }
        };
        let first = hour.checked_mul(3_600 * MICROS)?;
        let begin = offset(first)?;
        // Clocks are set at whole quarters, rarely at other minutes of an hour, by which its ends differ.
        (1..=4)
            .all(|quarter| offset(first + quarter * 900 * MICROS - 1) == Some(begin))
            .then_some(begin)
    }

    fn looked_up(&self, local: NaiveDateTime) -> Result<i64, &'static str> {
        let at = |offset: i32| local.and_utc().timestamp_micros() - i64::from(offset) * MICROS;
        match (self.zone.offset_from_local_datetime(&local), self.dst) {
            (LocalResult::Single(offset), _) => Ok(at(offset.fix().local_minus_utc())),
            (LocalResult::Ambiguous(_, _), Dst::Refuse) => Err(TWICE),
            (LocalResult::None, Dst::Refuse) => Err(NEVER),
            (LocalResult::Ambiguous(one, other), dst) => {
                let instants = [one, other].map(|offset| at(offset.fix().local_minus_utc()));
                Ok(match dst {
                    Dst::Latest => instants[0].max(instants[1]),
                    _ => instants[0].min(instants[1]),
                })
            }
            (LocalResult::None, _) => {
                // With the offset before the gap the time lies behind it, by as much as was skipped.
                let before = local.checked_sub_days(Days::new(1)).ok_or(NO_TIME)?;
                let offset = self
                    .zone
                    .offset_from_local_datetime(&before)
                    .earliest()
                    .ok_or(NO_TIME)?;
                Ok(at(offset.fix().local_minus_utc()))
            }
        }
    }
}
