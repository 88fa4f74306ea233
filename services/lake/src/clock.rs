//! The time by the clock of the storage, which need not be that of this machine.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use crate::Error;

/// The file whose time counts.
const FILE: &str = ".clock";
/// Clocks that differ by more are not trusted with the age of anything.
const MOST_APART: TimeDelta = TimeDelta::minutes(1);
/// How long after a clock was reset ages are not trusted: what was under way then has ended by now.
const SETTLED: Duration = Duration::from_secs(3_600);

/// What time it is by the storage: when a file was written just now.
pub(crate) async fn now(store: &dyn ObjectStore) -> Result<DateTime<Utc>, Error> {
    let file = Path::from(FILE);
    store.put(&file, PutPayload::default()).await?;
    Ok(store.head(&file).await?.last_modified)
}

/// Whether this machine's clock goes as time does.
#[derive(Debug)]
pub(crate) struct Steady(Mutex<Look>);

/// A look at the clock.
#[derive(Debug)]
struct Look {
    at: Instant,
    time: SystemTime,
    /// When it was noticed that it had been reset.
    stepped: Option<Instant>,
}

impl Default for Steady {
    fn default() -> Self {
        Self(Mutex::new(Look {
            at: Instant::now(),
            time: SystemTime::now(),
            stepped: None,
        }))
    }
}

impl Steady {
    /// What time it is by the storage, where this machine's clock says about the same, and was not reset lately.
    ///
    /// # Errors
    /// [`Error::ClocksDiffer`] and [`Error::ClockStepped`].
    pub(crate) async fn agreed(&self, store: &dyn ObjectStore) -> Result<DateTime<Utc>, Error> {
        self.look(Instant::now(), SystemTime::now())?;
        agree(now(store).await?, Utc::now())
    }

    fn look(&self, at: Instant, time: SystemTime) -> Result<(), Error> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = at.saturating_duration_since(last.at);
        let apart = match time.duration_since(last.time) {
            Ok(told) => told.abs_diff(passed),
            Err(back) => back.duration() + passed,
        };
        (last.at, last.time) = (at, time);
        if apart > MOST_APART.to_std().unwrap_or_default() {
            last.stepped = Some(at);
        }
        match last.stepped {
            Some(since) if at.saturating_duration_since(since) < SETTLED => Err(Error::ClockStepped),
            _ => Ok(()),
        }
    }
}

fn agree(storage: DateTime<Utc>, ours: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let apart = (ours - storage).abs();
    if apart > MOST_APART {
        return Err(Error::ClocksDiffer {
            seconds: apart.num_seconds(),
        });
    }
    Ok(storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_more_than_a_minute_apart_are_not_trusted() {
        let storage = Utc::now();
        for (seconds, agrees) in [(0, true), (60, true), (-60, true), (61, false), (-61, false)] {
            let told = agree(storage, storage + TimeDelta::seconds(seconds));
            assert_eq!(told.is_ok(), agrees, "{seconds} s: {told:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_anew_is_not_trusted_for_an_hour() {
        let steady = Steady::default();
        let (begun, time) = (Instant::now(), SystemTime::now());
        let look = |passed: u64, told: i64| {
            let told = match u64::try_from(told) {
                Ok(seconds) => time + Duration::from_secs(seconds),
                Err(_) => time - Duration::from_secs(told.unsigned_abs()),
            };
            steady.look(begun + Duration::from_secs(passed), told).is_ok()
        };
        assert!(look(10, 10) && look(4_000, 4_030));
        assert!(!look(4_010, 8_000), "set forward");
        assert!(!look(7_000, 10_990), "within the hour");
        assert!(look(7_700, 11_690));
        assert!(!look(7_710, -100), "set back");
    }
}
