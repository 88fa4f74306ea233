//! One Delta table: opening, creating, following and scanning it.

use std::{
    fs::{File, TryLockError},
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    prelude::{Expr, SessionConfig, SessionContext, col, ident, lit},
    scalar::ScalarValue,
};
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty,
    kernel::{StructType, engine::arrow_conversion::TryIntoKernel},
    operations::vacuum::VacuumMode,
    protocol::SaveMode,
};
use dualwheel_kit::private;
use object_store::ObjectStoreExt;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    Error,
    disk::{local, make_folders},
    fact::{Fact, MIXED_BUCKET, PARTITION_COLUMNS, bucket_of},
    spread::spread,
};

/// Files smaller than this are joined by compaction.
const COMPACTED_FILE_BYTES: u64 = 128 * 1024 * 1024;
/// How often a lock is looked at that somebody else has.
const LOCK_LOOKED_AT: Duration = Duration::from_millis(50);
/// How often the whole log is listed, although no next commit was found.
const LISTED_EVERY: Duration = Duration::from_secs(60);
/// Tries to add columns to a table that others change, too.
const WIDENING_TRIES: u32 = 10;

/// A Delta table, partitioned by tenant and brand bucket.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    schema: SchemaRef,
    url: Url,
    known: Mutex<Option<Known>>,
}

/// The right to exchange a table's files, until it is dropped or its process ends.
pub(crate) struct Rewriting(#[expect(dead_code, reason = "the lock goes with the file")] Option<File>);

/// The table as it was read last.
#[derive(Debug)]
struct Known {
    table: DeltaTable,
    /// When its whole log was listed.
    listed: Instant,
    /// When it was last asked whether there is a later version.
    looked: Instant,
}

impl Table {
    pub(crate) fn new(name: &'static str, schema: SchemaRef, url: Url) -> Self {
        Self {
            name,
            schema,
            url,
            known: Mutex::new(None),
        }
    }

    /// Its folder, where it is on this machine.
    pub(crate) fn folder(&self) -> Option<std::path::PathBuf> {
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// The right to exchange files for others with the same rows, when nobody has it now. On a local disk one process has it
    /// at a time: of two that join the same files, Delta would take both commits, and the rows would be there twice.
    /// Elsewhere there is no such lock.
    pub(crate) fn try_rewriting(&self) -> Result<Option<Rewriting>, Error> {
        let Some(folder) = self.folder() else {
            return Ok(Some(Rewriting(None)));
        };
        let locked = || {
            let path = folder.with_file_name(format!(".{}.lock", self.name));
            let file = private::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(Rewriting(Some(file)))),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        Ok(locked().map_err(local)?)
    }

    /// The right to exchange files, as soon as nobody else has it.
    pub(crate) async fn rewriting(&self) -> Result<Rewriting, Error> {
        loop {
            if let Some(rewriting) = self.try_rewriting()? {
                return Ok(rewriting);
            }
            tokio::time::sleep(LOCK_LOOKED_AT).await;
        }
    }

    /// The table at its latest version; `None` while nothing was ever appended.
    pub(crate) async fn latest(&self) -> Result<Option<DeltaTable>, Error> {
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        let looking = Instant::now();
        if let Some(known) = known.as_mut() {
            // Whoever looked since this was asked has seen all that had been committed by then.
            if known.looked < asked {
                if known.may_be_behind().await? {
                    known.listed = looking;
                    known.table.update_state().await?;
                }
                known.looked = looking;
            }
            return Ok(Some(known.table.clone()));
        }
        *known = self.open().await?.map(|table| Known {
            table,
            listed: looking,
            looked: looking,
        });
        Ok(known.as_ref().map(|known| known.table.clone()))
    }

    /// The table at `version`.
    pub(crate) async fn at(&self, version: i64) -> Result<DeltaTable, Error> {
        let unknown = || Error::VersionUnknown {
            table: self.name.to_owned(),
            version,
        };
        let asked = u64::try_from(version).map_err(|_| unknown())?;
        let mut table = self.latest().await?.ok_or_else(unknown)?;
        let latest = table.version().unwrap_or_default();
        if latest == asked {
            return Ok(table);
        }
        if latest < asked {
            return Err(unknown());
        }
        table.load_version(asked).await.map_err(|_| unknown())?;
        Ok(table)
    }

    /// The table at its latest version with every column of ours, created when there is none.
    pub(crate) async fn create(&self) -> Result<DeltaTable, Error> {
        if let Some(table) = self.latest().await? {
            return self.widened(table).await;
        }
        if let Ok(path) = self.url.to_file_path() {
            make_folders(&path).map_err(local)?;
        }
        let schema: StructType = self.schema.as_ref().try_into_kernel()?;
        let fields: Vec<_> = schema.fields().cloned().collect();
        let created = DeltaTableBuilder::from_url(self.url.clone())?
            .build()?
            .create()
            .with_save_mode(SaveMode::Ignore)
            .with_table_name(self.name)
            .with_columns(fields)
            .with_partition_columns(PARTITION_COLUMNS)
            .with_configuration_property(
                TableProperty::DataSkippingStatsColumns,
                Some(self.counted_columns()),
            )
            .await;
        match created {
            Ok(_) | Err(DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::Transaction { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.latest().await?.ok_or_else(|| Error::WriterGone {
            table: self.name.to_owned(),
        })
    }

    /// The table with the columns of ours that an earlier release did not have: its rows are without them.
    async fn widened(&self, mut table: DeltaTable) -> Result<DeltaTable, Error> {
        let mut tries = 0;
        loop {
            let stored = table.snapshot()?.schema();
            let lacking = self.schema.fields().iter();
            let lacking = lacking.filter(|field| stored.field(field.name()).is_none());
            let lacking = Schema::new(lacking.cloned().collect::<Vec<_>>());
            if lacking.fields().is_empty() {
                return Ok(table);
            }
            let lacking: StructType = (&lacking).try_into_kernel()?;
            let fields: Vec<_> = lacking.fields().cloned().collect();
            if let Err(error) = table.add_columns().with_fields(fields).await {
                // Another process may have added them, or appended rows.
                tries += 1;
                if tries >= WIDENING_TRIES {
                    return Err(error.into());
                }
            }
            table = self.latest().await?.ok_or_else(|| Error::WriterGone {
                table: self.name.to_owned(),
            })?;
        }
    }

    /// Columns whose bounds stand in the log, for files to be skipped by: brands, days and instants. What identifies a
    /// consumer or an order stays out of the log, from which it could not be erased.
    fn counted_columns(&self) -> String {
        let counted = |field: &&Arc<Field>| match field.data_type() {
            DataType::Date32 | DataType::Timestamp(_, _) => true,
            _ => field.name() == "brand",
        };
        let fields = self.schema.fields().iter().filter(counted);
        fields
            .map(|field| field.name().as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    async fn open(&self) -> Result<Option<DeltaTable>, Error> {
        if let Ok(path) = self.url.to_file_path()
            && !path.join("_delta_log").exists()
        {
            return Ok(None);
        }
        match DeltaTableBuilder::from_url(self.url.clone())?.load().await {
            Ok(table) => {
                self.check_schema(&table)?;
                Ok(Some(table))
            }
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The stored schema must have every column of ours in its type. One that rows may be without may be missing: it is read
    /// as null, and added at the next append.
    fn check_schema(&self, table: &DeltaTable) -> Result<(), Error> {
        let stored: Arc<Schema> = table.snapshot()?.snapshot().arrow_schema();
        let fact = Fact::in_table(self.name);
        for field in self.schema.fields() {
            let reason = match stored.field_with_name(field.name()) {
                Ok(found) if same_type(found.data_type(), field.data_type()) => continue,
                Ok(found) => format!(
                    "column `{}` is {} instead of {}",
                    field.name(),
                    found.data_type(),
                    field.data_type()
                ),
                Err(_) if fact.is_some_and(|fact| fact.may_lack(field.name())) => continue,
                Err(_) => format!("column `{}` is missing", field.name()),
            };
            return Err(Error::Schema {
                table: self.name.to_owned(),
                reason,
            });
        }
        Ok(())
    }
}

impl Known {
    /// Whether there may be a later version. Versions follow each other without a gap, so one look for the next commit
    /// tells; only when it has been there and is gone already, a listing of the log would.
    async fn may_be_behind(&self) -> Result<bool, Error> {
        let Some(version) = self
            .table
            .version()
            .filter(|_| self.listed.elapsed() < LISTED_EVERY)
        else {
            return Ok(true);
        };
        let next = object_store::path::Path::from(format!("_delta_log/{:020}.json", version + 1));
        match self.table.log_store().object_store(None).head(&next).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether two types hold the same values, whatever their layout.
fn same_type(stored: &arrow::datatypes::DataType, ours: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::{List, Utf8, Utf8View};
    match (stored, ours) {
        (Utf8View, Utf8) | (Utf8, Utf8View) => true,
        (List(a), List(b)) => same_type(a.data_type(), b.data_type()),
        (a, b) => a == b,
    }
}

/// Which of a tenant's rows are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// All.
    Whole,
    /// Those of the brands in a bucket, and some of others.
    Bucket(i32),
    /// Those of one brand.
    Brand(&'a str),
}

/// Rows of a tenant in `table`, cut to `columns`.
pub(crate) async fn scan(
    table: &DeltaTable,
    tenant: &str,
    part: Part<'_>,
    columns: &[&str],
) -> Result<Vec<RecordBatch>, Error> {
    let is = |bucket: i32| col("bucket").eq(lit(bucket));
    let bucket = |bucket: i32| is(bucket).or(is(MIXED_BUCKET));
    let part = match part {
        Part::Whole => lit(true),
        Part::Bucket(number) => bucket(number),
        Part::Brand(brand) => bucket(bucket_of(brand)).and(col("brand").eq(lit(brand))),
    };
    scan_where(table, tenant, part, columns).await
}

/// Rows of a tenant in `table` for which `predicate` holds, cut to `columns`.
pub(crate) async fn scan_where(
    table: &DeltaTable,
    tenant: &str,
    predicate: Expr,
    columns: &[&str],
) -> Result<Vec<RecordBatch>, Error> {
    let session = session();
    table.update_datafusion_session(&session.state())?;
    let predicate = col("tenant").eq(lit(tenant)).and(predicate);
    let columns = columns.iter().map(|name| column_or_null(table, name));
    let columns = columns.collect::<Result<Vec<Expr>, Error>>()?;
    let frame = session
        .read_table(table.table_provider().await?)?
        .filter(predicate)?
        .select(columns)?;
    Ok(frame.collect().await?)
}

/// A column, or nulls where the table comes from a release without it.
fn column_or_null(table: &DeltaTable, name: &str) -> Result<Expr, Error> {
    let snapshot = table.snapshot()?;
    let fact = snapshot.metadata().name().and_then(Fact::in_table);
    let Some(fact) = fact.filter(|fact| fact.may_lack(name) && snapshot.schema().field(name).is_none())
    else {
        return Ok(ident(name));
    };
    let null = ScalarValue::try_from(fact.schema().field_with_name(name)?.data_type())?;
    Ok(lit(null).alias(name))
}

/// The distinct brands of a tenant in `table`.
pub(crate) async fn brands(table: &DeltaTable, tenant: &str) -> Result<Vec<RecordBatch>, Error> {
    let session = session();
    table.update_datafusion_session(&session.state())?;
    let frame = session
        .read_table(table.table_provider().await?)?
        .filter(col("tenant").eq(lit(tenant)))?
        .select(vec![ident("brand")])?
        .distinct()?;
    Ok(frame.collect().await?)
}

/// Joins small files into larger ones, then removes those out of use.
pub(crate) async fn compact(table: DeltaTable) -> Result<(), Error> {
    let target = NonZeroU64::new(COMPACTED_FILE_BYTES).unwrap_or(NonZeroU64::MIN);
    let (joined, _) = spread(table)
        .await?
        .optimize()
        .with_target_size(target)
        .with_max_concurrent_tasks(1)
        .await?;
    vacuum(joined).await
}

/// Removes files that no version of the last seven days (Delta's own retention) names: what was joined, and what a
/// crash left behind. Readers of these versions are not disturbed.
pub(crate) async fn vacuum(table: DeltaTable) -> Result<(), Error> {
    table.vacuum().with_mode(VacuumMode::Full).await?;
    Ok(())
}

/// Removes files that were out of use at an instant (microseconds since 1970 UTC), however short ago that is: versions
/// of before it cannot be read any more.
pub(crate) async fn vacuum_before(table: DeltaTable, instant: i64) -> Result<(), Error> {
    let since = chrono::Utc::now().timestamp_micros() - instant;
    table
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(chrono::Duration::microseconds(since))
        .with_enforce_retention_duration(false)
        .await?;
    Ok(())
}

fn session() -> SessionContext {
    let config = SessionConfig::new()
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", true);
    SessionContext::new_with_config(config)
}
