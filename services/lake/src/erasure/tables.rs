//! Taking consumers' rows out of a table: files that have some are written anew without them.

use std::{collections::HashMap, sync::Arc};

use ahash::AHashSet;
use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array},
    compute::{cast, filter_record_batch},
    datatypes::SchemaRef,
};
use deltalake::{
    DeltaTable,
    kernel::{
        Action, Remove,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
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
    disk::local,
    fact::Fact,
    frames::view::View,
    stamp,
    table::Table,
};

/// Files that one commit writes anew.
const FILES_A_COMMIT: usize = 16;
/// Tries against compactions and others that take the same files away.
const TRIES: u32 = 20;

/// A file that has rows to remove.
struct Hit {
    path: Path,
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
        let _held = table.rewriting().await?;
        let Some(opened) = table.latest().await? else {
            return Ok(());
        };
        let hits = self.hits(&opened, keys).await?;
        for some in hits.chunks(FILES_A_COMMIT) {
            rewrite(&opened, some, keys).await?;
            *removed += some.iter().map(|hit| hit.rows).sum::<u64>();
        }
        Ok(())
    }

    /// The tenant's files with rows about one of `keys`.
    async fn hits(&self, table: &DeltaTable, keys: &AHashSet<String>) -> Result<Vec<Hit>, Error> {
        let log = table.log_store();
        let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
        let mine = views.try_filter_map(|view| {
            let partition = view.partition_values_map();
            let mine = self.owns(&partition);
            let hit = || Hit {
                path: view.object_store_path(),
                remove: view.remove_action(true),
                partition,
                rows: 0,
            };
            let hit = mine.then(hit);
            async move { Ok(hit) }
        });
        let mut hits: Vec<Hit> = mine.try_collect().await?;
        for hit in &mut hits {
            hit.rows = rows_of(table, &hit.path, keys).await?;
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

/// Writes files anew without the rows about `keys`, in one commit.
async fn rewrite(table: &DeltaTable, hits: &[Hit], keys: &AHashSet<String>) -> Result<(), Error> {
    let mut writer = RecordBatchWriter::for_table(table)?.with_writer_properties(fact_properties());
    let schema = writer.arrow_schema();
    for hit in hits {
        let file = parquet_file(table.log_store().object_store(None), hit.path.clone()).await?;
        let mut batches = file.build()?;
        while let Some(batch) = batches.try_next().await? {
            let left = filter_record_batch(&batch, &kept(&batch, keys)?)?;
            if left.num_rows() > 0 {
                writer.write(whole(&left, &schema, &hit.partition)?).await?;
            }
        }
    }
    let adds = writer.flush().await?;
    let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
    let removed = hits.iter().map(|hit| Action::Remove(hit.remove.clone()));
    let actions = adds.into_iter().map(Action::Add).chain(removed).collect();
    // Whom it was about stands nowhere in the log.
    let operation = DeltaOperation::Delete { predicate: None };
    let done = CommitBuilder::from(CommitProperties::default())
        .with_actions(actions)
        .build(
            Some(table.snapshot()? as &dyn TableReference),
            table.log_store(),
            operation,
        )
        .await;
    match done {
        Ok(_) => Ok(stamp::changed(table).map_err(local)?),
        Err(error) => {
            discard(table, &paths).await;
            Err(error.into())
        }
    }
}

/// Rows of a file with all columns of the table, also those that partition it.
pub(crate) fn whole(
    batch: &RecordBatch,
    schema: &SchemaRef,
    partition: &HashMap<String, Option<String>>,
) -> Result<RecordBatch, Error> {
    let rows = batch.num_rows();
    let column = |field: &Arc<arrow::datatypes::Field>| -> Result<ArrayRef, Error> {
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
