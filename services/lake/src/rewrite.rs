//! Exchanging a table's files for others with the same rows, or with fewer: who may ([`Rewriting`], [`lease`]), joining small
//! ones ([`compact`]) and removing those out of use ([`vacuum`]).
//!
//! One process at a time may exchange a table's files. Of two that do so all the same, because one was held up until the other
//! took its right for lost, Delta refuses the later commit: both note themselves under the same application id.

mod compact;
mod lease;
mod vacuum;

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, new_null_array},
    compute::cast,
    datatypes::{Field, SchemaRef},
};
use deltalake::{
    DeltaTable,
    kernel::{
        Action, Add, Remove, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::DeltaOperation,
};
use dualwheel_kit::private;
use futures::TryStreamExt;
use object_store::path::Path;

use self::lease::Lease;
use crate::{Error, append::discard, disk::local, stamp, table::Table};

/// Application id of every commit that exchanges files.
const FENCE: &str = "dualwheel/rewriting";
/// How often a right is asked for that somebody else has.
const ASKED_EVERY: Duration = Duration::from_millis(50);
/// Tries of a commit against appends.
const COMMIT_TRIES: usize = 100;

/// The right to exchange a table's files, until it is ended or dropped, or its process ends.
#[derive(Debug)]
pub(crate) enum Rewriting {
    /// Of a table on this machine: the lock goes with the file.
    Folder(#[expect(dead_code, reason = "the lock goes with the file")] File),
    /// Of a table in a bucket.
    Bucket(Lease),
}

impl Table {
    /// The right to exchange files, when nobody has it now.
    pub(crate) async fn try_rewriting(&self) -> Result<Option<Rewriting>, Error> {
        let Some(folder) = self.folder() else {
            let lease = Lease::take(self.store().clone(), self.name).await?;
            return Ok(lease.map(Rewriting::Bucket));
        };
        let locked = || {
            let path = folder.with_file_name(format!(".{}.lock", self.name));
            let file = private::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(Rewriting::Folder(file))),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        Ok(locked().map_err(local)?)
    }

    /// The right to exchange files, as soon as nobody else has it.
    pub(crate) async fn rewriting(&self) -> Result<Rewriting, Error> {
        let mut pause = ASKED_EVERY;
        loop {
            if let Some(rewriting) = self.try_rewriting().await? {
                return Ok(rewriting);
            }
            tokio::time::sleep(pause).await;
            if self.folder().is_none() {
                // Each look at a bucket costs.
                pause = (pause * 2).min(lease::RENEWED);
            }
        }
    }

    /// Joins small files and removes those out of use, unless somebody else is exchanging files.
    pub(crate) async fn tidy(&self) -> Result<(), Error> {
        match self.try_rewriting().await? {
            Some(held) => {
                let done = self.tidy_as(&held, false).await;
                held.end().await;
                done
            }
            None => Ok(()),
        }
    }

    /// As [`tidy`](Self::tidy), as soon as it may be, and however short ago files were removed.
    pub(crate) async fn tidy_now(&self) -> Result<(), Error> {
        if self.latest().await?.is_none() {
            return Ok(());
        }
        let held = self.rewriting().await?;
        let done = self.tidy_as(&held, true).await;
        held.end().await;
        done
    }

    async fn tidy_as(&self, held: &Rewriting, always: bool) -> Result<(), Error> {
        let Some(latest) = self.latest().await? else {
            return Ok(());
        };
        let joined = self.join(&latest, held).await;
        // Files out of use go also where there was no room to join others.
        if always || self.vacuum_is_due().await? {
            self.vacuum(held).await?;
        }
        joined
    }
}

impl Table {
    /// Joins small files; those that come of rows that lay together are joined with the others of their buckets.
    async fn join(&self, latest: &DeltaTable, held: &Rewriting) -> Result<(), Error> {
        let folder = self.folder();
        if compact::compact(latest, held, folder.as_deref()).await?
            && let Some(latest) = self.latest().await?
        {
            compact::compact(&latest, held, folder.as_deref()).await?;
        }
        Ok(())
    }
}

impl Rewriting {
    /// Puts `adds` in place of `removed` in one commit. Where that fails, what was added is removed again.
    pub(crate) async fn commit(
        &self,
        table: &DeltaTable,
        adds: Vec<Add>,
        removed: Vec<Remove>,
        operation: DeltaOperation,
    ) -> Result<(), Error> {
        let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
        let committed = self.try_commit(table, adds, removed, operation).await;
        let Err(error) = committed else {
            return Ok(());
        };
        // A commit that has landed may still be answered with an error: one of what follows it, or of a lost answer.
        match has_one_of(table, &paths).await {
            Ok(true) => {
                tracing::warn!(%error, "files were exchanged, but not all that follows was done");
                Ok(stamp::changed(table).map_err(local)?)
            }
            Ok(false) => {
                discard(table, &paths).await;
                Err(error)
            }
            Err(unknown) => {
                tracing::warn!(error = %unknown, "whether files were exchanged is not known; they stay");
                Err(error)
            }
        }
    }

    async fn try_commit(
        &self,
        table: &DeltaTable,
        adds: Vec<Add>,
        removed: Vec<Remove>,
        operation: DeltaOperation,
    ) -> Result<(), Error> {
        if let Self::Bucket(lease) = self {
            lease.require().await?;
        }
        let version = table.version().and_then(|version| i64::try_from(version).ok());
        let fence = Transaction::new(FENCE, version.unwrap_or_default());
        let properties = CommitProperties::default()
            .with_application_transaction(fence)
            .with_max_retries(COMMIT_TRIES);
        let removed = removed.into_iter().map(Action::Remove);
        let actions = adds.into_iter().map(Action::Add).chain(removed).collect();
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(
                Some(table.snapshot()? as &dyn TableReference),
                table.log_store(),
                operation,
            )
            .await?;
        Ok(stamp::changed(table).map_err(local)?)
    }

    /// Gives the right back.
    pub(crate) async fn end(self) {
        if let Self::Bucket(lease) = self {
            lease.end().await;
        }
    }
}

/// Whether the table now consists of one of these files, among others.
async fn has_one_of(table: &DeltaTable, paths: &[String]) -> Result<bool, Error> {
    let mut table = table.clone();
    table.update_state().await?;
    let log = table.log_store();
    let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
    let paths: Vec<Path> = paths
        .iter()
        .filter_map(|path| Path::from_url_path(path).ok())
        .collect();
    let found = views.try_any(|view| {
        let found = paths.contains(&view.object_store_path());
        async move { found }
    });
    Ok(found.await?)
}

/// Rows of a file with all columns of the table, also those that partition it.
pub(crate) fn whole(
    batch: &RecordBatch,
    schema: &SchemaRef,
    partition: &HashMap<String, Option<String>>,
) -> Result<RecordBatch, Error> {
    let rows = batch.num_rows();
    let column = |field: &Arc<Field>| -> Result<ArrayRef, Error> {
        if let Some(stored) = batch.column_by_name(field.name()) {
            return Ok(cast(stored, field.data_type())?);
        }
        match partition.get(field.name()).and_then(Option::as_deref) {
            Some(value) => Ok(cast(&StringArray::from(vec![value; rows]), field.data_type())?),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, Int64Array};
    use deltalake::writer::{DeltaWriter, RecordBatchWriter};
    use tempfile::TempDir;
    use url::Url;

    use super::*;
    use crate::{disk, people, table::Place};

    /// A table in a folder, with files of ten rows each.
    async fn table_of(files: i32) -> (TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        let root = Url::from_directory_path(folder.path()).unwrap();
        let (store, prefix) = disk::open(&root).unwrap();
        let store: Arc<dyn object_store::ObjectStore> =
            Arc::new(object_store::prefix::PrefixStore::new(store, prefix));
        let place = Place {
            heads: Arc::new(crate::heads::Heads::of(
                store.clone(),
                Some(folder.path().to_owned()),
            )),
            store,
            retention: Duration::from_secs(3_600),
            sums: Arc::default(),
            steady: Arc::default(),
        };
        let url = root.join("people_index/").unwrap();
        let table = Table::new(people::TABLE, people::schema(), url, place);
        let mut delta = table.create().await.unwrap();
        for file in 0..files {
            let mut writer = RecordBatchWriter::for_table(&delta).unwrap();
            writer.write(rows(file)).await.unwrap();
            writer.flush_and_commit(&mut delta).await.unwrap();
        }
        (folder, table)
    }

    fn rows(file: i32) -> RecordBatch {
        let schema = people::schema();
        let column = |field: &Arc<Field>| -> ArrayRef {
            match field.name().as_str() {
                "tenant" => Arc::new(StringArray::from(vec!["t"; 10])),
                "bucket" => Arc::new(Int32Array::from(vec![3; 10])),
                "signal" => Arc::new(Int64Array::from_iter_values(
                    (0..10).map(|row| i64::from(file) * 10 + row),
                )),
                _ => new_null_array(field.data_type(), 10),
            }
        };
        RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
    }

    /// Signals of the table's rows, as stored.
    async fn signals(table: &Table) -> Vec<i64> {
        let latest = table.latest().await.unwrap().unwrap();
        let all = datafusion::prelude::lit(true);
        let batches = crate::table::scan_where(&Default::default(), &latest, "t", &[], all, &["signal"])
            .await
            .unwrap();
        let mut signals = Vec::new();
        for batch in &batches {
            let column = crate::view::View(batch).count("signal").unwrap();
            signals.extend(column.values().iter().copied());
        }
        signals.sort_unstable();
        signals
    }

    fn files(table: &std::path::Path) -> usize {
        let folder = table.join("people_index/tenant=t/bucket=3");
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn of_two_that_begin_at_the_same_version_the_later_changes_nothing() {
        let (folder, table) = table_of(3).await;
        let begun = table.latest().await.unwrap().unwrap();
        let held = table.rewriting().await.unwrap();
        compact::compact(&begun, &held, None).await.unwrap();
        assert_eq!(files(folder.path()), 4);
        // One that was held up until another had the right, and that does not know it.
        compact::compact(&begun, &held, None).await.unwrap_err();
        assert_eq!(signals(&table).await, (0..30).collect::<Vec<_>>());
        assert_eq!(files(folder.path()), 4, "what it wrote is removed again");
        // As an erasure takes rows out of files that were joined meanwhile: they would be left in the joined one.
        let log = begun.log_store();
        let views = begun
            .snapshot()
            .unwrap()
            .snapshot()
            .file_views(log.as_ref(), None);
        let removed = views.map_ok(|view| view.remove_action(true));
        let removed: Vec<Remove> = removed.try_collect().await.unwrap();
        let erasing = DeltaOperation::Delete { predicate: None };
        let late = held.commit(&begun, Vec::new(), removed, erasing).await;
        late.unwrap_err();
        assert_eq!(signals(&table).await, (0..30).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_right() {
        let (_folder, table) = table_of(0).await;
        let held = table.try_rewriting().await.unwrap().unwrap();
        assert!(table.try_rewriting().await.unwrap().is_none());
        held.end().await;
        assert!(table.try_rewriting().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn files_are_looked_through_once_an_hour() {
        let (_folder, table) = table_of(1).await;
        assert!(table.vacuum_is_due().await.unwrap());
        assert!(!table.vacuum_is_due().await.unwrap());
    }
}
