//! What the people index stores: pieces of bitmaps by brand, signal and day, and the consumers' keys by ordinal.
//!
//! One Delta table holds both, so that one commit makes them count together, along with the versions of the facts
//! that they come from (as application transactions). Pieces of the same signal and day add up; pieces of an older
//! generation than the newest of their brand's signal do not count.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::{
    array::{
        AsArray, BinaryArray, BinaryViewArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    },
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::prelude::{Expr, col, lit};
use deltalake::{
    DeltaTable,
    kernel::{
        Action, Add, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    parquet::{
        basic::{Compression, ZstdLevel},
        file::properties::WriterProperties,
    },
    protocol::{DeltaOperation, SaveMode},
    writer::{DeltaWriter, RecordBatchWriter},
};
use dualwheel_measure::Day;
use futures::TryStreamExt;

use crate::{
    Error, TenantLake,
    append::discard,
    fact::{PARTITION_COLUMNS, bucket_of},
    sums, table,
    view::{View, at},
};

/// Name of the table.
pub(crate) const TABLE: &str = "people_index";
/// Signal of the rows that hold keys.
const KEYS: i64 = -1;
/// Bucket of these rows.
const KEYS_BUCKET: i32 = -1;
/// How the pieces are to be read. An index of another format is rebuilt.
const FORMAT: i64 = 2;
/// Keys of one row.
const KEYS_A_ROW: usize = 16_384;
/// Rows of keys in a written batch: 64 MiB of the longest keys. A batch's bytes must stay below the 2 GiB that offsets reach.
const ROWS_OF_KEYS: usize = 32;
/// Bytes of one written batch, about.
const BATCH_BYTES: usize = 64 * 1024 * 1024;

/// A bitmap, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Brand.
    pub brand: String,
    /// Number of the signal.
    pub signal: i64,
    /// Day of the signal.
    pub day: Day,
    /// Which counting of the signal it belongs to.
    pub generation: i64,
    /// The bitmap in its portable format.
    pub data: Vec<u8>,
}

/// The stored index of a tenant at one version.
#[derive(Clone, Debug)]
pub struct Stored {
    table: DeltaTable,
    /// Version of the index table.
    pub version: i64,
    /// Versions of the fact tables that the pieces come from; a table without facts is left out.
    pub followed: BTreeMap<&'static str, i64>,
    /// Number of keys stored.
    pub keys: usize,
    /// Whether its pieces are of another format than ours.
    pub outdated: bool,
}

/// What a commit does beside adding pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Nothing: the pieces add up with those before.
    Nothing,
    /// Takes the pieces of one bucket away, which the new ones sum up.
    Bucket(i32),
    /// Takes all pieces of the tenant away.
    All,
    /// Takes all pieces and all keys of the tenant away: consumers have been numbered again.
    AllAndKeys,
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("brand", DataType::Utf8, true),
        Field::new("signal", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("generation", DataType::Int64, true),
        Field::new("first_ordinal", DataType::Int64, true),
        Field::new("data", DataType::Binary, true),
        Field::new("tenant", DataType::Utf8, true),
        Field::new("bucket", DataType::Int32, true),
    ]))
}

impl TenantLake {
    fn app_id(&self, what: &str) -> String {
        format!("{}/{what}", self.name())
    }

    /// The stored index as it is now, following `tables`.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub async fn people_index(&self, tables: &[&'static str]) -> Result<Stored, Error> {
        let table = self.inner.people.create().await?;
        let (log, mut followed) = (table.log_store(), BTreeMap::new());
        let snapshot = table.snapshot()?;
        let stored = |what: &str| snapshot.transaction_version(log.as_ref(), self.app_id(what));
        for name in tables {
            if let Some(version) = stored(name).await? {
                followed.insert(*name, version);
            }
        }
        let keys = usize::try_from(stored("keys").await?.unwrap_or(0)).unwrap_or(0);
        let outdated = !followed.is_empty() && stored("format").await? != Some(FORMAT);
        let version = table.version().and_then(|version| i64::try_from(version).ok());
        Ok(Stored {
            version: version.unwrap_or(0),
            table,
            followed,
            keys,
            outdated,
        })
    }

    /// Version of the index table now, whoever wrote it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn people_index_version(&self) -> Result<i64, Error> {
        let table = self.inner.people.latest().await?;
        let version = table.and_then(|table| table.version());
        Ok(version
            .and_then(|version| i64::try_from(version).ok())
            .unwrap_or(0))
    }

    /// Gives the stored keys their ordinals; false when other keys have them already, because facts were read
    /// before the index.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seed_consumers(&self, stored: &Stored) -> Result<bool, Error> {
        let filter = col("signal").eq(lit(KEYS));
        let columns = ["first_ordinal", "data"];
        let batches = self.scan_people(stored, KEYS_BUCKET, filter, &columns).await?;
        let names = self.names.clone();
        let seeded = crate::reader::blocking(move || {
            let mut runs = Vec::new();
            for batch in &batches {
                let first = View(batch).count("first_ordinal")?;
                let data = binary(batch)?;
                for row in 0..batch.num_rows() {
                    runs.push((at(first, row).unwrap_or(0), data.value(row).to_vec()));
                }
            }
            runs.sort_unstable_by_key(|(first, _)| *first);
            Ok(runs.iter().all(|(first, run)| {
                let keys: Vec<Option<&str>> = decode_keys(run).map(Some).collect();
                let ordinals = names.consumers.intern_all(&keys);
                (*first..)
                    .zip(ordinals)
                    .all(|(stored, ordinal)| i64::from(ordinal) == stored)
            }))
        })
        .await;
        self.inner.weigh_names().await;
        seeded
    }

    /// The pieces of a brand whose signal is one of `signals`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn people_pieces(
        &self,
        stored: &Stored,
        brand: &str,
        signals: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<Piece>, Error> {
        let signals = col("signal").between(lit(*signals.start()), lit(*signals.end()));
        let filter = col("brand").eq(lit(brand)).and(signals);
        self.pieces_where(stored, bucket_of(brand), filter).await
    }

    /// All pieces of a bucket.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn people_pieces_of_bucket(&self, stored: &Stored, bucket: i32) -> Result<Vec<Piece>, Error> {
        self.pieces_where(stored, bucket, lit(true)).await
    }

    async fn pieces_where(&self, stored: &Stored, bucket: i32, filter: Expr) -> Result<Vec<Piece>, Error> {
        let columns = ["brand", "signal", "day", "generation", "data"];
        let batches = self.scan_people(stored, bucket, filter, &columns).await?;
        let mut pieces = Vec::new();
        for batch in &batches {
            let view = View(batch);
            let (brands, signals) = (view.text("brand")?, view.count("signal")?);
            let (days, generations, data) = (view.day("day")?, view.count("generation")?, binary(batch)?);
            for row in 0..batch.num_rows() {
                pieces.push(Piece {
                    brand: brands.get(row).unwrap_or_default().to_owned(),
                    signal: at(signals, row).unwrap_or(0),
                    day: Day(at(days, row).unwrap_or(0)),
                    generation: at(generations, row).unwrap_or(0),
                    data: data.value(row).to_vec(),
                });
            }
        }
        Ok(pieces)
    }

    async fn scan_people(
        &self,
        stored: &Stored,
        bucket: i32,
        filter: Expr,
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, Error> {
        let (sums, table) = (&self.inner.sums, &stored.table);
        table::scan_where(sums, table, &self.tenant, &[bucket], filter, columns).await
    }

    /// Files of a bucket, to know when to join them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn people_files(&self, stored: &Stored, bucket: i32) -> Result<usize, Error> {
        Ok(self.removals(stored, Replace::Bucket(bucket)).await?.len())
    }

    /// Adds pieces and all keys that are not stored yet, and notes how far the facts have been followed.
    ///
    /// # Errors
    /// When nothing can be written, or another process has followed the same facts meanwhile: then nothing of it
    /// counts.
    pub async fn commit_people(
        &self,
        stored: &Stored,
        pieces: Vec<Piece>,
        followed: &BTreeMap<&'static str, i64>,
        replace: Replace,
    ) -> Result<Stored, Error> {
        let from = if replace == Replace::AllAndKeys {
            0
        } else {
            stored.keys
        };
        let (names, tenant) = (self.names.clone(), self.tenant.clone());
        let (batches, keys) = crate::reader::blocking(move || {
            let view = names.consumers.view();
            let mut batches = key_batches(&view, from, &tenant)?;
            batches.extend(piece_batches(&pieces, &tenant)?);
            Ok((batches, view.len()))
        })
        .await?;
        // Whoever removes files does not take those for left behind that are written here for long.
        let held = match replace {
            Replace::Nothing => None,
            Replace::Bucket(_) | Replace::All | Replace::AllAndKeys => {
                Some(self.inner.people.rewriting().await?)
            }
        };
        let done = self
            .commit_batches(stored, batches, keys, followed, replace)
            .await;
        if let Some(held) = held {
            held.end().await;
        }
        done
    }

    async fn commit_batches(
        &self,
        stored: &Stored,
        batches: Vec<RecordBatch>,
        keys: usize,
        followed: &BTreeMap<&'static str, i64>,
        replace: Replace,
    ) -> Result<Stored, Error> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .build();
        let mut writer = RecordBatchWriter::for_table(&stored.table)?.with_writer_properties(properties);
        for batch in batches {
            writer.write(batch).await?;
        }
        let mut adds = writer.flush().await?;
        sums::seal(&stored.table, &mut adds).await?;
        let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
        let committed = self.commit_files(stored, adds, keys, followed, replace).await;
        if committed.is_err() {
            // Left where they are, the files of every further try would take the room that is made. What may have
            // landed stays.
            let tables: Vec<&'static str> = followed.keys().copied().collect();
            let now = self.people_index(&tables).await;
            if now.is_ok_and(|now| now.followed != *followed) {
                discard(&stored.table, &paths).await;
            }
        }
        committed
    }

    async fn commit_files(
        &self,
        stored: &Stored,
        adds: Vec<Add>,
        keys: usize,
        followed: &BTreeMap<&'static str, i64>,
        replace: Replace,
    ) -> Result<Stored, Error> {
        let mut actions: Vec<Action> = adds.into_iter().map(Action::Add).collect();
        actions.extend(self.removals(stored, replace).await?);
        let mut transactions: Vec<Transaction> = followed
            .iter()
            .map(|(table, version)| Transaction::new(self.app_id(table), *version))
            .collect();
        transactions.push(Transaction::new(
            self.app_id("keys"),
            i64::try_from(keys).unwrap_or(i64::MAX),
        ));
        transactions.push(Transaction::new(self.app_id("format"), FORMAT));
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(PARTITION_COLUMNS.map(str::to_owned).to_vec()),
            predicate: None,
        };
        let state = stored.table.snapshot()?;
        let done =
            CommitBuilder::from(CommitProperties::default().with_application_transactions(transactions))
                .with_actions(actions)
                .build(
                    Some(state as &dyn TableReference),
                    stored.table.log_store(),
                    operation,
                )
                .await?;
        self.inner.people.saw(done.version()).await;
        let mut table = stored.table.clone();
        table.load_version(done.version()).await?;
        Ok(Stored {
            version: i64::try_from(done.version()).unwrap_or(i64::MAX),
            table,
            followed: followed.clone(),
            keys,
            outdated: false,
        })
    }

    /// Removes files of the index that have been out of use for the lake's retention, where that was not done within the hour.
    ///
    /// # Errors
    /// When the storage cannot be listed, or the clocks of this machine and the storage differ.
    pub async fn vacuum_people(&self) -> Result<(), Error> {
        self.inner.people.vacuum_now_and_then().await
    }

    /// Removes files of the index that were out of use at an instant (microseconds since 1970 UTC), `grace` ago.
    ///
    /// # Errors
    /// When the storage cannot be listed, or the clocks of this machine and the storage differ.
    pub async fn vacuum_people_before(&self, instant: i64, grace: Duration) -> Result<(), Error> {
        let held = self.inner.people.rewriting().await?;
        let done = self.inner.people.vacuum_before(&held, instant, grace).await;
        held.end().await;
        done
    }

    async fn removals(&self, stored: &Stored, replace: Replace) -> Result<Vec<Action>, Error> {
        if replace == Replace::Nothing {
            return Ok(Vec::new());
        }
        let log = stored.table.log_store();
        let views = stored.table.snapshot()?.snapshot().file_views(log.as_ref(), None);
        let removed = views.try_filter_map(|view| {
            let values = view.partition_values_map();
            let bucket = values.get("bucket").and_then(Option::as_deref);
            let bucket = bucket.and_then(|bucket| bucket.parse::<i32>().ok());
            let asked = match replace {
                Replace::Bucket(asked) => bucket == Some(asked),
                Replace::AllAndKeys => true,
                Replace::Nothing | Replace::All => bucket != Some(KEYS_BUCKET),
            };
            let removed = asked && self.owns(&values);
            async move { Ok(removed.then(|| Action::Remove(view.remove_action(true)))) }
        });
        Ok(removed.try_collect().await?)
    }
}

/// The bytes of a batch as they are read: all of them together may be more than the offsets of one array reach.
fn binary(batch: &RecordBatch) -> Result<BinaryViewArray, Error> {
    let column = "data";
    let found = batch
        .column_by_name(column)
        .ok_or(Error::ColumnMissing { column })?;
    let views = cast(found, &DataType::BinaryView)?;
    let array = views.as_binary_view_opt().ok_or(Error::ColumnType { column })?;
    Ok(array.clone())
}

/// Keys, each behind its length in bytes (at most 128).
fn encode_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut data = Vec::new();
    for key in keys {
        data.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(key.as_bytes());
    }
    data
}

fn decode_keys(mut data: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first()?;
        let (key, rest) = rest.split_at_checked(usize::from(*length))?;
        data = rest;
        std::str::from_utf8(key).ok()
    })
}

fn key_batches(
    names: &crate::frames::KeysView,
    from: usize,
    tenant: &str,
) -> Result<Vec<RecordBatch>, Error> {
    let rows: Vec<usize> = (from..names.len()).step_by(KEYS_A_ROW).collect();
    rows.chunks(ROWS_OF_KEYS)
        .map(|rows| key_batch(names, rows, tenant))
        .collect()
}

/// A batch of rows whose first keys have these ordinals.
fn key_batch(names: &crate::frames::KeysView, rows: &[usize], tenant: &str) -> Result<RecordBatch, Error> {
    let (mut firsts, mut data) = (Vec::new(), Vec::new());
    for first in rows {
        let ordinals = *first..(first + KEYS_A_ROW).min(names.len());
        let keys = ordinals.map(|ordinal| names.key(u32::try_from(ordinal).unwrap_or(u32::MAX)));
        firsts.push(i64::try_from(*first).unwrap_or(i64::MAX));
        data.push(encode_keys(keys));
    }
    let rows = firsts.len();
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::new_null(rows)),
            Arc::new(Int64Array::from(vec![KEYS; rows])),
            Arc::new(Date32Array::new_null(rows)),
            Arc::new(Int64Array::new_null(rows)),
            Arc::new(Int64Array::from(firsts)),
            Arc::new(BinaryArray::from_iter_values(data)),
            Arc::new(StringArray::from(vec![tenant; rows])),
            Arc::new(Int32Array::from(vec![KEYS_BUCKET; rows])),
        ],
    )?)
}

fn piece_batches(pieces: &[Piece], tenant: &str) -> Result<Vec<RecordBatch>, Error> {
    let mut batches = Vec::new();
    let mut rest = pieces;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|piece| {
            let fits = bytes < BATCH_BYTES;
            bytes += piece.data.len();
            fits
        });
        let (some, more) = rest.split_at(fitting.count());
        rest = more;
        batches.push(RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(StringArray::from_iter_values(
                    some.iter().map(|piece| &piece.brand),
                )),
                Arc::new(Int64Array::from_iter_values(
                    some.iter().map(|piece| piece.signal),
                )),
                Arc::new(Date32Array::from_iter_values(
                    some.iter().map(|piece| piece.day.0),
                )),
                Arc::new(Int64Array::from_iter_values(
                    some.iter().map(|piece| piece.generation),
                )),
                Arc::new(Int64Array::new_null(some.len())),
                Arc::new(BinaryArray::from_iter_values(
                    some.iter().map(|piece| &piece.data),
                )),
                Arc::new(StringArray::from(vec![tenant; some.len()])),
                Arc::new(Int32Array::from_iter_values(
                    some.iter().map(|piece| bucket_of(&piece.brand)),
                )),
            ],
        )?);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Names;

    #[test]
    fn keys_are_cut_into_batches_and_come_back() {
        let names = Names::default();
        // The longest keys: more than one batch may hold.
        let key = |number: usize| format!("{number:0128}");
        let count = KEYS_A_ROW * ROWS_OF_KEYS + 5;
        for number in 0..count {
            assert_eq!(names.consumers.intern(&key(number)) as usize, number);
        }
        let batches = key_batches(&names.consumers.view(), 3, "t").unwrap();
        let mut next = 3;
        for batch in &batches {
            let (data, first) = (
                binary(batch).unwrap(),
                View(batch).count("first_ordinal").unwrap(),
            );
            let bytes: usize = data.iter().flatten().map(<[u8]>::len).sum();
            assert!(bytes <= 65 << 20, "{bytes} bytes in one batch");
            for row in 0..batch.num_rows() {
                assert_eq!(at(first, row), Some(next as i64));
                for found in decode_keys(data.value(row)) {
                    assert_eq!(found, key(next));
                    next += 1;
                }
            }
        }
        assert_eq!((next, batches.len()), (count, 2));
    }
}
