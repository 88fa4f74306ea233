//! Removing files out of use: those that a commit took away, and those that none ever named, left behind by a crash.
//!
//! What an append has written and not committed yet looks like what a crash left: only its age shows the difference, by the clock of the
//! storage that wrote down when it came. No other rewriting is under way, for who removes files has the right to exchange them.

use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use chrono::{DateTime, TimeDelta, Utc};
use deltalake::DeltaTable;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use super::Rewriting;
use crate::{Error, clock, table::Table};

/// How often a table's files are looked through.
const EVERY: TimeDelta = TimeDelta::hours(1);
/// By how much the clocks may differ that wrote down when a file was taken away.
const APART: Duration = Duration::from_secs(60);
/// Ending of a table's files.
const ENDING: &str = ".parquet";

/// Which files go.
#[derive(Clone, Copy, Debug)]
struct Old {
    /// Those that a commit took away before this instant.
    removed: DateTime<Utc>,
    /// Those that no commit names and that were written before this instant, by the storage's clock.
    written: DateTime<Utc>,
}

impl Table {
    /// Whether an hour has gone by since the files were looked through, by whichever process; from now on the next one counts.
    pub(super) async fn vacuum_is_due(&self) -> Result<bool, Error> {
        let (store, file) = (self.store(), Path::from_iter(["vacuumed", self.name]));
        match store.head(&file).await {
            Ok(before) if clock::now(&**store).await? - before.last_modified < EVERY => return Ok(false),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        store.put(&file, PutPayload::default()).await?;
        Ok(true)
    }

    /// As [`vacuum`](Self::vacuum), where it is due and nobody else is exchanging files.
    pub(crate) async fn vacuum_now_and_then(&self) -> Result<(), Error> {
        let Some(held) = self.try_rewriting().await? else {
            return Ok(());
        };
        let done = async {
            match self.vacuum_is_due().await? {
                true => self.vacuum(&held).await,
                false => Ok(()),
            }
        };
        let done = done.await;
        held.end().await;
        done
    }

    /// Removes files that have been out of use for the lake's retention: readers of these versions are not disturbed.
    pub(crate) async fn vacuum(&self, held: &Rewriting) -> Result<(), Error> {
        let retention = TimeDelta::from_std(self.retention()).unwrap_or(TimeDelta::MAX);
        let now = self.steady().agreed(&**self.store()).await?;
        let since = now.checked_sub_signed(retention).unwrap_or(DateTime::UNIX_EPOCH);
        let old = Old {
            removed: since,
            written: since,
        };
        self.remove_files(held, old).await
    }

    /// Removes files that were out of use at an instant (microseconds since 1970 UTC), `grace` ago: versions of before it cannot
    /// be read any more.
    pub(crate) async fn vacuum_before(
        &self,
        held: &Rewriting,
        instant: i64,
        grace: Duration,
    ) -> Result<(), Error> {
        self.steady().agreed(&**self.store()).await?;
        let instant = DateTime::from_timestamp_micros(instant).unwrap_or(DateTime::UNIX_EPOCH);
        let old = Old {
            // Whoever took a file away before may have had a clock that was ahead.
            removed: instant + APART.min(grace / 2),
            written: instant,
        };
        self.remove_files(held, old).await
    }

    async fn remove_files(&self, _held: &Rewriting, old: Old) -> Result<(), Error> {
        let Some(table) = self.latest().await? else {
            return Ok(());
        };
        let store = table.log_store().object_store(None);
        let (removed, used) = (removed_files(&table).await?, used_files(&table).await?);
        let goes = |file: &ObjectMeta| {
            let path = &file.location;
            if !is_data(path) || used.contains(path) {
                return false;
            }
            match removed.get(path) {
                Some(at) => *at < old.removed.timestamp_millis(),
                None => file.last_modified < old.written,
            }
        };
        let listed = store.list(None).try_filter(|file| {
            let goes = goes(file);
            async move { goes }
        });
        let mut found: Vec<Path> = listed.map_ok(|file| file.location).try_collect().await?;
        if found.is_empty() {
            return Ok(());
        }
        // What was committed meanwhile stays.
        if let Some(now) = self.latest().await? {
            let used = used_files(&now).await?;
            found.retain(|path| !used.contains(path));
        }
        let files = found.len();
        let gone = store.delete_stream(stream::iter(found).map(Ok).boxed());
        gone.filter_map(|gone| async {
            match gone {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => Some(Err(error)),
            }
        })
        .try_collect::<()>()
        .await?;
        tracing::info!(table = self.name, files, "files out of use were removed");
        Ok(())
    }
}

/// Whether it is a file of rows, wherever in the table.
fn is_data(path: &Path) -> bool {
    let hidden = path
        .parts()
        .next()
        .is_some_and(|first| first.as_ref().starts_with(['_', '.']));
    !hidden && path.filename().is_some_and(|name| name.ends_with(ENDING))
}

/// The files of the table's version.
async fn used_files(table: &DeltaTable) -> Result<AHashSet<Path>, Error> {
    let log = table.log_store();
    let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
    let paths = views.map_ok(|view| view.object_store_path());
    Ok(paths.try_collect().await?)
}

/// The files that commits took away, and when, in milliseconds since 1970 UTC.
async fn removed_files(table: &DeltaTable) -> Result<AHashMap<Path, i64>, Error> {
    let log = table.log_store();
    let removed = table.snapshot()?.all_tombstones(log.as_ref());
    let path = |path: &str| Path::parse(path).unwrap_or_else(|_| Path::from(path));
    let removed = removed.map_ok(|one| (path(&one.path()), one.deletion_timestamp().unwrap_or(0)));
    Ok(removed.try_collect().await?)
}
