//! What was answered of batches when they were written. Each commit of appends says it itself: no file beside the log can be lost,
//! or be overwritten by a process that comes too late.

use std::{collections::BTreeMap, sync::Arc};

use deltalake::{
    DeltaTable,
    kernel::Action,
    logstore::{LogStore, get_actions},
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{Error, TenantLake, fact::Fact};

/// Name of it in the information of a commit.
pub(crate) const KEY: &str = "dualwheel.appended";
/// Commits that are looked through for a batch that comes again.
const COMMITS_LOOKED_THROUGH: u64 = 1_024;
/// Of these at once.
const AT_ONCE: usize = 16;

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Appended {
    pub(crate) sequence: i64,
    pub(crate) accepted: i64,
    pub(crate) refused: i64,
    /// The first of them.
    pub(crate) refusals: Vec<Listed>,
    pub(crate) dead_letter: String,
    pub(crate) digest: u64,
    /// Version that holds the batch; the commit does not say its own.
    #[serde(skip)]
    pub(crate) version: i64,
    #[serde(skip)]
    pub(crate) repeated: bool,
}

/// A refused row, as an answer lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Listed {
    pub(crate) row: usize,
    pub(crate) field: String,
    pub(crate) reason: String,
}

/// What a commit says of a batch.
#[derive(Deserialize, Serialize)]
pub(crate) struct Told {
    pub(crate) app_id: String,
    #[serde(flatten)]
    pub(crate) result: Appended,
}

/// What a commit says of the batches that it holds.
pub(crate) fn said_of(told: &[Told]) -> Result<serde_json::Value, Error> {
    serde_json::to_value(told).map_err(unreadable)
}

/// Which batches each of the newest commits holds; `None` where a commit is no longer there.
#[derive(Default)]
pub(crate) struct Acknowledged {
    commits: BTreeMap<u64, Option<Vec<(String, i64)>>>,
}

impl TenantLake {
    /// The last sequence of a producer that is stored; 0 before the first.
    pub(crate) async fn last_sequence(&self, fact: &Fact, producer: &str) -> Result<i64, Error> {
        let Some(table) = self.inner.table(fact.table)?.latest().await? else {
            return Ok(0);
        };
        stored_sequence(&table, &app_id(self.name(), producer)).await
    }
}

pub(crate) fn app_id(tenant: &str, producer: &str) -> String {
    format!("{tenant}/{producer}")
}

pub(crate) async fn stored_sequence(table: &DeltaTable, app_id: &str) -> Result<i64, Error> {
    let log = table.log_store();
    let stored = table
        .snapshot()?
        .transaction_version(log.as_ref(), app_id)
        .await?;
    Ok(stored.unwrap_or(0))
}

impl Acknowledged {
    /// What was answered of a batch; `None` where the log does not reach back to it, or an earlier release wrote it.
    pub(crate) async fn find(
        &mut self,
        table: &DeltaTable,
        app_id: &str,
        sequence: i64,
    ) -> Result<Option<Appended>, Error> {
        let newest = table.version().unwrap_or_default();
        let oldest = newest.saturating_sub(COMMITS_LOOKED_THROUGH);
        self.commits = self.commits.split_off(&oldest);
        let log = table.log_store();
        let versions: Vec<u64> = (oldest..=newest).rev().collect();
        for some in versions.chunks(AT_ONCE) {
            self.look_at(&log, some).await?;
            for version in some {
                let Some(Some(held)) = self.commits.get(version) else {
                    return Ok(None);
                };
                let mut held = held.iter().filter(|(held, _)| held == app_id);
                if held.any(|(_, held)| *held == sequence) {
                    return result_in(&log, *version, app_id, sequence).await;
                }
            }
        }
        Ok(None)
    }

    async fn look_at(&mut self, log: &Arc<dyn LogStore>, versions: &[u64]) -> Result<(), Error> {
        let unseen = versions
            .iter()
            .filter(|version| !self.commits.contains_key(version));
        let read = unseen.map(|version| async move {
            let told = told_in(log, *version).await?;
            Ok::<_, Error>((*version, told))
        });
        for (version, told) in try_join_all(read).await? {
            let held = told.map(|told| {
                let batches = told.into_iter();
                batches.map(|told| (told.app_id, told.result.sequence)).collect()
            });
            self.commits.insert(version, held);
        }
        Ok(())
    }
}

async fn result_in(
    log: &Arc<dyn LogStore>,
    version: u64,
    app_id: &str,
    sequence: i64,
) -> Result<Option<Appended>, Error> {
    let told = told_in(log, version).await?.unwrap_or_default();
    let found = told
        .into_iter()
        .find(|told| told.app_id == app_id && told.result.sequence == sequence);
    Ok(found.map(|told| Appended {
        version: i64::try_from(version).unwrap_or(i64::MAX),
        repeated: true,
        ..told.result
    }))
}

/// What a commit says of its batches; `None` where it is no longer there.
async fn told_in(log: &Arc<dyn LogStore>, version: u64) -> Result<Option<Vec<Told>>, Error> {
    Ok(commit_in(log, version).await?.map(|(_, told)| told))
}

/// The time of a commit in milliseconds since 1970 UTC, and what it says of its batches; `None` where it is no longer there.
async fn commit_in(log: &Arc<dyn LogStore>, version: u64) -> Result<Option<(Option<i64>, Vec<Told>)>, Error> {
    let Some(entry) = log.read_commit_entry(version).await? else {
        return Ok(None);
    };
    for action in get_actions(version, &entry)? {
        if let Action::CommitInfo(mut info) = action
            && let Some(told) = info.info.remove(KEY)
        {
            let told = serde_json::from_value(told).map_err(unreadable)?;
            return Ok(Some((info.timestamp, told)));
        }
    }
    Ok(Some((None, Vec::new())))
}

/// When a batch of the tenant was last written, in milliseconds since 1970 UTC; `None` where the newest commits hold none.
pub(crate) async fn last_append(table: &DeltaTable, tenant: &str) -> Result<Option<i64>, Error> {
    let (log, newest) = (table.log_store(), table.version().unwrap_or_default());
    let oldest = newest.saturating_sub(COMMITS_LOOKED_THROUGH);
    let versions: Vec<u64> = (oldest..=newest).rev().collect();
    let is_own = |told: &Told| told.app_id.rsplit_once('/').is_some_and(|(of, _)| of == tenant);
    for some in versions.chunks(AT_ONCE) {
        for commit in try_join_all(some.iter().map(|version| commit_in(&log, *version))).await? {
            match commit {
                Some((written, told)) if told.iter().any(is_own) => return Ok(written),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
    Ok(None)
}

fn unreadable(source: serde_json::Error) -> Error {
    Error::Json {
        what: "what a commit says of its batches".to_owned(),
        source,
    }
}
