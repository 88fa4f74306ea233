//! Taking consumers' rows out of a table: files that have some are rewritten without them.

use std::collections::HashMap;

use ahash::AHashSet;
use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use deltalake::{
    DeltaTable,
    kernel::{Add, Remove},
    protocol::DeltaOperation,
    writer::{DeltaWriter, RecordBatchWriter},
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::arrow::ProjectionMask;

use crate::{
    Error, TenantLake,
    append::{discard, fact_properties, pause},
    changes::parquet_file,
    fact::Fact,
    rewrite::{Rewriting, whole},
    sums::{self, Logged},
    table::Table,
    view::View,
};

/// Files that are rewritten together: of each partition what is left of them becomes one.
const FILES_AT_ONCE: usize = 16;
/// Tries against compactions and others that take the same files away.
const TRIES: u32 = 20;

/// A file that has rows to remove.
struct Hit {
    file: Logged,
    partition: HashMap<String, Option<String>>,
    remove: Remove,
    rows: u64,
}

impl TenantLake {
    /// Takes every row about one of `keys` out of the table of `fact`, and out of its refused rows; answers how many
    /// there were. What is appended meanwhile may be left.
    pub(super) async fn remove_rows(&self, fact: &Fact, keys: &AHashSet<String>) -> Result<u64, Error> {
        let table = self.inner.table(fact.table)?.clone();
        let mut removed = self.remove_refused(fact, keys).await?;
        let mut tries = 0;
        loop {
            match self.remove_stored(&table, keys, &mut removed).await {
                Ok(()) => return Ok(removed),
                Err(error) if tries >= TRIES || error.is_full() => return Err(error),
                Err(error) => {
                    tracing::info!(table = table.name, %error, "rows are taken out again");
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
            }
        }
    }

    async fn remove_stored(
        &self,
        table: &Table,
        keys: &AHashSet<String>,
        removed: &mut u64,
    ) -> Result<(), Error> {
        if table.latest().await?.is_none() {
            return Ok(());
        }
        let held = table.rewriting().await?;
        let done = self.remove_as(&held, table, keys).await;
        held.end().await;
        *removed += done?;
        Ok(())
    }

    async fn remove_as(
        &self,
        held: &Rewriting,
        table: &Table,
        keys: &AHashSet<String>,
    ) -> Result<u64, Error> {
        let Some(opened) = table.latest().await? else {
            return Ok(0);
        };
        let hits = self.hits(&opened, keys).await?;
        if hits.is_empty() {
            return Ok(0);
        }
        let mut adds = Vec::new();
        for some in hits.chunks(FILES_AT_ONCE) {
            match write_without(&opened, some, keys).await {
                Ok(written) => adds.extend(written),
                Err(error) => {
                    let paths: Vec<String> = adds.into_iter().map(|add: Add| add.path).collect();
                    discard(&opened, &paths).await;
                    return Err(error);
                }
            }
        }
        let rows = hits.iter().map(|hit| hit.rows).sum();
        let removed = hits.into_iter().map(|hit| hit.remove).collect();
        // Whom it was about stands nowhere in the log.
        let operation = DeltaOperation::Delete { predicate: None };
        held.commit(&opened, adds, removed, operation).await?;
        Ok(rows)
    }

    /// The tenant's files with rows about one of `keys`.
    async fn hits(&self, table: &DeltaTable, keys: &AHashSet<String>) -> Result<Vec<Hit>, Error> {
        let log = table.log_store();
        let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
        let mine = views.try_filter_map(|view| {
            let partition = view.partition_values_map();
            let mine = self.owns(&partition);
            let hit = || Hit {
                file: Logged::of_view(&view),
                remove: view.remove_action(true),
                partition,
                rows: 0,
            };
            let hit = mine.then(hit);
            async move { Ok(hit) }
        });
        let mut hits: Vec<Hit> = mine.try_collect().await?;
        for hit in &mut hits {
            self.inner.sums.require(table, &hit.file).await?;
            hit.rows = rows_of(table, &hit.file.path, keys).await?;
        }
        hits.retain(|hit| hit.rows > 0);
        Ok(hits)
    }

    /// Takes the consumers' rows out of those that were refused.
    async fn remove_refused(&self, fact: &Fact, keys: &AHashSet<String>) -> Result<u64, Error> {
        let folder = Path::from_iter(["dead-letter", self.name(), fact.name]);
        let files: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
        let mut removed = 0;
        for file in files {
            let bytes = self.store().get(&file.location).await?.bytes().await?;
            let mut left = Vec::with_capacity(bytes.len());
            let before = removed;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                if refused_of(line).is_some_and(|consumer| keys.contains(&consumer)) {
                    removed += 1;
                } else {
                    left.extend_from_slice(line);
                }
            }
            if left.is_empty() {
                self.store().delete(&file.location).await?;
            } else if removed > before {
                self.store().put(&file.location, left.into()).await?;
            }
        }
        Ok(removed)
    }
}

/// The consumer of a refused row.
pub(crate) fn refused_of(line: &[u8]) -> Option<String> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    Some(line.get("fact")?.get("consumer")?.as_str()?.to_owned())
}

/// Number of rows of a file about one of `keys`.
async fn rows_of(table: &DeltaTable, path: &Path, keys: &AHashSet<String>) -> Result<u64, Error> {
    let builder = parquet_file(table.log_store().object_store(None), path.clone()).await?;
    let column = ProjectionMask::columns(builder.parquet_schema(), ["consumer"]);
    let mut batches = builder.with_projection(column).build()?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += kept(&batch, keys)?
            .iter()
            .filter(|kept| *kept == Some(false))
            .count() as u64;
    }
    Ok(rows)
}

/// Whether each row stays.
fn kept(batch: &RecordBatch, keys: &AHashSet<String>) -> Result<BooleanArray, Error> {
    let consumers = View(batch).text("consumer")?;
    let stays = |row: usize| consumers.get(row).is_none_or(|key| !keys.contains(key));
    Ok((0..batch.num_rows()).map(|row| Some(stays(row))).collect())
}

/// Rewrites files without the rows about `keys`.
async fn write_without(table: &DeltaTable, hits: &[Hit], keys: &AHashSet<String>) -> Result<Vec<Add>, Error> {
    let mut writer = RecordBatchWriter::for_table(table)?.with_writer_properties(fact_properties());
    let schema = writer.arrow_schema();
    for hit in hits {
        let file = parquet_file(table.log_store().object_store(None), hit.file.path.clone()).await?;
        let mut batches = file.build()?;
        while let Some(batch) = batches.try_next().await? {
            let left = filter_record_batch(&batch, &kept(&batch, keys)?)?;
            if left.num_rows() > 0 {
                writer.write(whole(&left, &schema, &hit.partition)?).await?;
            }
        }
    }
    let mut adds = writer.flush().await?;
    sums::seal(table, &mut adds).await?;
    Ok(adds)
}
