//! Rows of small appends, put into the buckets of their brands.
//!
//! An append of a few rows about many brands would leave a tiny file in each bucket. Its rows lie together in a bucket of their
//! own, where every brand is looked for, until tidying up spreads those of many appends over the buckets.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, RecordBatch},
    datatypes::Int32Type,
};

use crate::{
    Error,
    fact::{MIXED_BUCKET, bucket_of},
    view::View,
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
