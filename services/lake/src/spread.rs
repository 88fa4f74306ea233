//! Rows of small appends, put into the buckets of their brands.
//!
//! An append of a few rows about many brands would leave a tiny file in each bucket. Its rows lie together in a bucket of their
//! own, where every brand is looked for, until tidying up spreads those of many appends over the buckets.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, RecordBatch},
    datatypes::Int32Type,
};
use deltalake::{
    DeltaTable,
    kernel::{
        Action,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::DeltaOperation,
    writer::{DeltaWriter, RecordBatchWriter},
};
use futures::TryStreamExt;

use crate::{
    Error,
    append::{discard, fact_properties, is_conflict},
    changes::parquet_file,
    disk::local,
    erasure::tables::whole,
    fact::{MIXED_BUCKET, bucket_of},
    frames::view::View,
    stamp,
};

/// From so many rows of a tenant on, a commit writes a file for each bucket.
const ROWS_A_BUCKET_FILE: usize = 32_768;

/// Which tenants' rows of a commit lie together: those with few rows in several buckets. The bucket of each row is known.
pub(crate) fn mixed_tenants<'a>(batches: impl Iterator<Item = (&'a str, &'a RecordBatch)>) -> Vec<&'a str> {
    struct Tally {
        rows: usize,
        bucket: Option<i32>,
        several: bool,
    }
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    for (tenant, batch) in batches {
        let tally = tallies.entry(tenant).or_insert(Tally {
            rows: 0,
            bucket: None,
            several: false,
        });
        tally.rows += batch.num_rows();
        for bucket in buckets(batch).into_iter().flat_map(|buckets| buckets.values()) {
            tally.several |= *tally.bucket.get_or_insert(*bucket) != *bucket;
        }
    }
    let mixed = tallies
        .into_iter()
        .filter(|(_, tally)| tally.several && tally.rows < ROWS_A_BUCKET_FILE);
    mixed.map(|(tenant, _)| tenant).collect()
}

fn buckets(batch: &RecordBatch) -> Option<&Int32Array> {
    batch.column_by_name("bucket")?.as_primitive_opt::<Int32Type>()
}

/// The batch with all of its rows in the bucket of rows about any brand.
pub(crate) fn mixed(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    in_buckets(batch, Int32Array::from_value(MIXED_BUCKET, batch.num_rows()))
}

/// The batch with each of its rows in the bucket of its brand.
pub(crate) fn by_brand(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let brands = View(batch).text("brand")?;
    let bucket = |row| brands.get(row).map(bucket_of);
    in_buckets(batch, (0..batch.num_rows()).map(bucket).collect())
}

fn in_buckets(batch: &RecordBatch, buckets: Int32Array) -> Result<RecordBatch, Error> {
    let schema = batch.schema();
    let column = |(at, column): (usize, &ArrayRef)| -> ArrayRef {
        if schema.field(at).name() == "bucket" {
            return Arc::new(buckets.clone());
        }
        column.clone()
    };
    let columns = batch.columns().iter().enumerate().map(column).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Puts the rows that lie together into the buckets of their brands. For who follows the table nothing has changed.
pub(crate) async fn spread(mut table: DeltaTable) -> Result<DeltaTable, Error> {
    let log = table.log_store();
    let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
    let lie_together = views.try_filter_map(|view| {
        let partition = view.partition_values_map();
        let bucket = partition.get("bucket").and_then(Option::as_deref);
        let found = bucket == Some(&MIXED_BUCKET.to_string());
        let found = found.then(|| (view.object_store_path(), view.remove_action(false), partition));
        async move { Ok(found) }
    });
    let files: Vec<_> = lie_together.try_collect().await?;
    if files.is_empty() {
        return Ok(table);
    }
    let mut writer = RecordBatchWriter::for_table(&table)?.with_writer_properties(fact_properties());
    let schema = writer.arrow_schema();
    let mut actions = Vec::new();
    for (path, remove, partition) in files {
        let mut batches = parquet_file(log.object_store(None), path).await?.build()?;
        while let Some(batch) = batches.try_next().await? {
            writer
                .write(by_brand(&whole(&batch, &schema, &partition)?)?)
                .await?;
        }
        actions.push(Action::Remove(remove));
    }
    let mut adds = writer.flush().await?;
    adds.iter_mut().for_each(|add| add.data_change = false);
    let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
    actions.extend(adds.into_iter().map(Action::Add));
    let operation = DeltaOperation::Optimize {
        predicate: None,
        target_size: 0,
    };
    let done = CommitBuilder::from(CommitProperties::default())
        .with_actions(actions)
        .build(Some(table.snapshot()? as &dyn TableReference), log, operation)
        .await;
    if let Err(error) = done {
        // Otherwise it may have landed, although it was said to have failed.
        if is_conflict(&error) {
            discard(&table, &paths).await;
        }
        return Err(error.into());
    }
    stamp::changed(&table).map_err(local)?;
    table.update_state().await?;
    Ok(table)
}
