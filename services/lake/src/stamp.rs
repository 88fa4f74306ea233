//! The state of all tables in one text, told fast enough to be asked for at every call.
//!
//! On a local disk a commit makes a new file in a table's log, which changes the time of that folder: as long as no such time
//! has changed, no log is read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures::future::try_join_all;
use object_store::{ObjectStoreExt, path::Path};

use crate::{Error, Lake, table::Table};

/// How coarse the times of folders may be: a change this soon after a look may not show.
const COARSE: Duration = Duration::from_millis(50);

/// What was seen when the logs were last read.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<Look>>);

#[derive(Clone, Debug)]
struct Look {
    times: Vec<Option<SystemTime>>,
    began: SystemTime,
    stamp: Arc<str>,
}

impl Look {
    /// Whether no table can have changed since: the times are the same, and none of them is so young that another change
    /// could have left it as it is.
    fn holds(&self, times: &[Option<SystemTime>]) -> bool {
        let settled = |time: &SystemTime| self.began.duration_since(*time).is_ok_and(|since| since > COARSE);
        self.times == times && times.iter().flatten().all(settled)
    }
}

impl Lake {
    /// The versions of all tables: another text whenever one of them has changed, and the same in every process that sees the
    /// same.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn stamp(&self) -> Result<Arc<str>, Error> {
        let began = SystemTime::now();
        let times = self.times();
        if let Some(times) = &times {
            let seen = self.inner.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(look) = seen.as_ref().filter(|look| look.holds(times)) {
                return Ok(look.stamp.clone());
            }
        }
        let versions = try_join_all(self.inner.tables.iter().map(|table| version(table))).await?;
        let stamp: Arc<str> = versions.join(" ").into();
        if let Some(times) = times {
            let look = Look {
                times,
                began,
                stamp: stamp.clone(),
            };
            *self.inner.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        }
        Ok(stamp)
    }

    /// The times of the tables' logs; `None` where the lake lies elsewhere.
    fn times(&self) -> Option<Vec<Option<SystemTime>>> {
        let logs = self.inner.logs.as_ref()?;
        let time = |log: &PathBuf| std::fs::metadata(log).and_then(|log| log.modified()).ok();
        Some(logs.iter().map(time).collect())
    }
}

/// Version of a table, with what tells it from the same version of another lake: the size and time of its commit.
async fn version(table: &Table) -> Result<String, Error> {
    let Some(latest) = table.latest().await? else {
        return Ok("-".to_owned());
    };
    let version = latest.version().unwrap_or_default();
    let commit = Path::from(format!("_delta_log/{version:020}.json"));
    let commit = latest.log_store().object_store(None).head(&commit).await?;
    let written = commit.last_modified.timestamp_micros();
    Ok(format!("{version}/{}/{written}", commit.size))
}

/// The folders of the tables' logs, where all of them are on this machine.
pub(crate) fn logs<'a>(tables: impl Iterator<Item = &'a Table>) -> Option<Vec<PathBuf>> {
    tables
        .map(|table| Some(table.folder()?.join("_delta_log")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_holds_only_while_times_stand_and_are_settled() {
        let began = SystemTime::now();
        let ago = |millis: u64| Some(began - Duration::from_millis(millis));
        let look = |times: Vec<Option<SystemTime>>| Look {
            times,
            began,
            stamp: "".into(),
        };
        assert!(look(vec![ago(1_000), None]).holds(&[ago(1_000), None]));
        assert!(!look(vec![ago(1_000), None]).holds(&[ago(1_000), ago(900)]));
        assert!(!look(vec![ago(1_000)]).holds(&[ago(999)]));
        assert!(!look(vec![ago(20)]).holds(&[ago(20)]));
        // A clock that was set back.
        let ahead = Some(began + Duration::from_secs(5));
        assert!(!look(vec![ahead]).holds(&[ahead]));
    }
}
