//! What was appended to a table since a version, file by file, for those who derive something from all facts.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use arrow::array::RecordBatch;
use bytes::Bytes;
use deltalake::{DeltaTable, kernel::Action, logstore::get_actions};
use dualwheel_measure::Day;
use futures::{FutureExt, TryFutureExt, TryStreamExt, future::BoxFuture};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::ArrowReaderOptions,
        async_reader::{AsyncFileReader, MetadataSuffixFetch, ParquetRecordBatchStream},
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Error, TenantLake,
    frames::{Kind, NONE, Names},
    moved::line_hash,
    sums::{Logged, Sums},
    view::{View, at},
};

/// Rows of a batch as it is read.
const ROWS_A_BATCH: usize = 65_536;
/// Commits that are read one by one at most; who is further behind reads the whole table.
const MOST_COMMITS: i64 = 10_000;

/// Files of a table that hold a tenant's new rows.
#[derive(Debug)]
pub struct Added {
    /// Version up to which the rows reach; `None` while the table does not exist.
    pub version: Option<i64>,
    /// Whether these are all rows of the table: what was derived before does not count any more.
    pub whole: bool,
    files: VecDeque<Logged>,
    reading: Option<ParquetRecordBatchStream<File>>,
    table: Option<DeltaTable>,
    sums: Arc<Sums>,
    columns: &'static [&'static str],
}

/// Some rows of a table, unresolved: a revised line is there with every revision.
#[derive(Debug)]
pub struct Rows(RecordBatch);

/// What [`Rows::behaviors`] reads.
pub const BEHAVIOR_COLUMNS: [&str; 5] = ["event_id", "brand", "consumer", "kind", "occurred_day"];
/// What [`Rows::lines`] reads.
pub const LINE_COLUMNS: [&str; 6] = ["brand", "consumer", "order", "line", "quantity", "paid_day"];

impl TenantLake {
    /// The rows of `table` that came after version `after`, or all that it has at version `to` (the latest when
    /// `None`) where `after` is `None` or so old that the log does not reach back to it.
    ///
    /// # Errors
    /// When the table's log cannot be read, or has no version `to`.
    pub async fn added(
        &self,
        table: &'static str,
        columns: &'static [&'static str],
        after: Option<i64>,
        to: Option<i64>,
    ) -> Result<Added, Error> {
        let mut added = Added {
            version: None,
            whole: after.is_none(),
            files: VecDeque::new(),
            reading: None,
            table: None,
            sums: self.inner.sums.clone(),
            columns,
        };
        let table = self.inner.table(table)?;
        let opened = match to {
            Some(version) => Some(table.at(version).await?),
            None => table.latest().await?,
        };
        let Some(opened) = opened else {
            return Ok(added);
        };
        let version = opened.version().and_then(|version| i64::try_from(version).ok());
        added.version = version;
        let since = match (after, version) {
            (Some(after), Some(version)) => self.files_since(&opened, after, version).await?,
            _ => None,
        };
        added.whole = since.is_none();
        added.files = match since {
            Some(files) => files,
            None => self.files_of(&opened).await?,
        };
        added.table = Some(opened);
        Ok(added)
    }

    /// Files that commits after `after` added; `None` where one of them is gone or took rows away.
    async fn files_since(
        &self,
        table: &DeltaTable,
        after: i64,
        to: i64,
    ) -> Result<Option<VecDeque<Logged>>, Error> {
        if to - after > MOST_COMMITS || to < after {
            return Ok(None);
        }
        let (log, mut files) = (table.log_store(), VecDeque::new());
        for version in after + 1..=to {
            let number = u64::try_from(version).unwrap_or_default();
            let Some(entry) = log.read_commit_entry(number).await? else {
                return Ok(None);
            };
            for action in get_actions(number, &entry)? {
                match action {
                    Action::Add(add) if add.data_change && self.owns(&add.partition_values) => {
                        files.push_back(Logged::of_add(&add)?);
                    }
                    Action::Remove(remove) if remove.data_change => {
                        let values = remove.partition_values.unwrap_or_default();
                        if values.is_empty() || self.owns(&values) {
                            return Ok(None);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(files))
    }

    async fn files_of(&self, table: &DeltaTable) -> Result<VecDeque<Logged>, Error> {
        let log = table.log_store();
        let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
        let mine = views.try_filter_map(|view| {
            let mine = self.owns(&view.partition_values_map());
            async move { Ok(mine.then(|| Logged::of_view(&view))) }
        });
        Ok(mine.try_collect().await?)
    }

    pub(crate) fn owns(&self, partition: &std::collections::HashMap<String, Option<String>>) -> bool {
        partition.get("tenant").and_then(Option::as_deref) == Some(self.tenant.as_str())
    }
}

impl Added {
    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Rows>, Error> {
        loop {
            if let Some(reading) = &mut self.reading
                && let Some(batch) = reading.try_next().await?
            {
                return Ok(Some(Rows(batch)));
            }
            let (Some(file), Some(table)) = (self.files.pop_front(), &self.table) else {
                return Ok(None);
            };
            self.sums.require(table, &file).await?;
            let builder = parquet_file(table.log_store().object_store(None), file.path).await?;
            let columns = ProjectionMask::columns(builder.parquet_schema(), self.columns.iter().copied());
            let stream = builder.with_projection(columns).with_batch_size(ROWS_A_BATCH);
            self.reading = Some(stream.build()?);
        }
    }
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.0
    }

    /// Visits behaviours: brand, what stands for the event id, consumer, kind, day.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub fn behaviors(
        &self,
        names: &Names,
        mut visit: impl FnMut(&str, u64, u32, Kind, Day),
    ) -> Result<(), Error> {
        let view = View(&self.0);
        let (brand, event) = (view.text("brand")?, view.text("event_id")?);
        let (kind, day) = (view.code("kind")?, view.day("occurred_day")?);
        let consumers = names.consumers.intern_all(&view.text("consumer")?.all());
        for (row, consumer) in consumers.into_iter().enumerate() {
            if let (Some(brand), Some(day), true) = (brand.get(row), at(day, row), consumer != NONE) {
                let event = xxh3_64(event.get(row).unwrap_or_default().as_bytes());
                let kind = Kind::from_number(at(kind, row).unwrap_or(0));
                visit(brand, event, consumer, kind, Day(day));
            }
        }
        Ok(())
    }

    /// Visits order lines: brand, consumer, what stands for order and line, whether it is a purchase, day.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub fn lines(
        &self,
        names: &Names,
        mut visit: impl FnMut(&str, u32, u64, bool, Day),
    ) -> Result<(), Error> {
        let view = View(&self.0);
        let (brand, order, line) = (view.text("brand")?, view.text("order")?, view.text("line")?);
        let (quantity, day) = (view.count("quantity")?, view.day("paid_day")?);
        let consumers = names.consumers.intern_all(&view.text("consumer")?.all());
        for (row, consumer) in consumers.into_iter().enumerate() {
            let (Some(brand), Some(order), Some(line), Some(day), true) = (
                brand.get(row),
                order.get(row),
                line.get(row),
                at(day, row),
                consumer != NONE,
            ) else {
                continue;
            };
            let bought = at(quantity, row).unwrap_or(0) > 0;
            visit(brand, consumer, line_hash(order, line), bought, Day(day));
        }
        Ok(())
    }
}

/// The reader of a Parquet file in the making.
pub(crate) async fn parquet_file(
    store: Arc<dyn ObjectStore>,
    path: Path,
) -> Result<ParquetRecordBatchStreamBuilder<File>, Error> {
    Ok(ParquetRecordBatchStreamBuilder::new(File { store, path }).await?)
}

/// A Parquet file of an object store.
#[derive(Debug)]
pub(crate) struct File {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

fn parquet_error(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store
            .get_range(&self.path, range)
            .map_err(parquet_error)
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
        reader.load_via_suffix_and_finish(self).map_ok(Arc::new).boxed()
    }
}

impl MetadataSuffixFetch for &mut File {
    fn fetch_suffix(&mut self, bytes: usize) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let options = GetOptions {
            range: Some(GetRange::Suffix(bytes as u64)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.path, options);
        found
            .and_then(|found| found.bytes())
            .map_err(parquet_error)
            .boxed()
    }
}
