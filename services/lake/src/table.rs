//! One Delta table: opening, creating, following and scanning it.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    prelude::{DataFrame, Expr, SessionConfig, SessionContext, col, ident, lit},
    scalar::ScalarValue,
};
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty,
    kernel::{StructType, engine::arrow_conversion::TryIntoKernel},
    protocol::SaveMode,
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::{
    Error,
    clock::Steady,
    disk::{local, make_folders},
    fact::{Fact, MIXED_BUCKET, PARTITION_COLUMNS, bucket_of},
    heads::{self, Heads},
    sums::Sums,
};

/// What to do about a log that is not as it was.
const LOG_CURE: &str = "restore the commits from a backup, or from the bucket's former versions";
/// How often the whole log is listed, although no next commit was found.
const LISTED_EVERY: Duration = Duration::from_secs(60);
/// Tries to add columns to a table that others change, too.
const WIDENING_TRIES: u32 = 10;

/// Commits that are asked for one by one; more are listed.
const MOST_ASKED: usize = 16;
/// Former versions that are kept: questions about the people index read the facts that it has followed, some commits ago,
/// and to read a version again opens every commit since the last checkpoint at once.
const FORMER_KEPT: usize = 8;

/// A Delta table, partitioned by tenant and brand bucket.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    schema: SchemaRef,
    url: Url,
    place: Place,
    known: Mutex<Option<Known>>,
    former: std::sync::Mutex<VecDeque<Former>>,
}

/// A version that was read; those who ask for it together read it once.
type Former = (u64, Arc<OnceCell<DeltaTable>>);

/// Where the lake of a table lies, and how long files of former versions stay there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) retention: Duration,
    pub(crate) heads: Arc<Heads>,
    pub(crate) sums: Arc<Sums>,
    pub(crate) steady: Arc<Steady>,
}

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
    pub(crate) fn new(name: &'static str, schema: SchemaRef, url: Url, place: Place) -> Self {
        Self {
            name,
            schema,
            url,
            place,
            known: Mutex::new(None),
            former: std::sync::Mutex::default(),
        }
    }

    /// Its folder, where it is on this machine.
    pub(crate) fn folder(&self) -> Option<std::path::PathBuf> {
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// The store of the whole lake.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.place.store
    }

    /// This machine's clock.
    pub(crate) fn steady(&self) -> &Steady {
        &self.place.steady
    }

    /// How long files of former versions stay.
    pub(crate) fn retention(&self) -> Duration {
        self.place.retention
    }

    /// The table at its latest version; `None` while nothing was ever appended.
    pub(crate) async fn latest(&self) -> Result<Option<DeltaTable>, Error> {
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        let looking = Instant::now();
        if let Some(held) = known.as_mut() {
            // Whoever looked since this was asked has seen all that had been committed by then.
            if held.looked < asked {
                let caught = self.catch_up(held, looking).await;
                if caught.as_ref().is_err_and(Error::is_damage) {
                    // Opened again, it is as damaged.
                    *known = None;
                    self.former().clear();
                }
                caught?;
            }
            return Ok(known.as_ref().map(|held| held.table.clone()));
        }
        *known = self.open().await?.map(|table| Known {
            table,
            listed: looking,
            looked: looking,
        });
        Ok(known.as_ref().map(|known| known.table.clone()))
    }

    async fn catch_up(&self, known: &mut Known, looking: Instant) -> Result<(), Error> {
        if known.may_be_behind().await? {
            let before = known.table.version().unwrap_or_default();
            known.listed = looking;
            let former = known.table.clone();
            known.table.update_state().await?;
            let now = known.table.version().unwrap_or_default();
            if now > before {
                self.keep(before, OnceCell::new_with(Some(former)).into());
                self.require_commits(Some(before + 1..=now)).await?;
                self.saw(now).await;
            }
        }
        known.looked = looking;
        Ok(())
    }

    /// Fails where a commit has no byte: Delta takes it for one that does nothing.
    async fn require_commits(&self, versions: Option<RangeInclusive<u64>>) -> Result<(), Error> {
        let log = Path::from_iter([self.name, "_delta_log"]);
        let empty = |commit: &Path| self.damaged(format!("the commit {commit} is empty"));
        if let Some(versions) = versions.filter(|versions| versions.clone().count() <= MOST_ASKED) {
            for version in versions {
                let commit = log.clone().join(format!("{version:020}.json"));
                match self.store().head(&commit).await {
                    Ok(found) if found.size == 0 => return Err(empty(&commit)),
                    // It may have been summed up by a checkpoint and removed.
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(());
        }
        let mut commits = self.store().list(Some(&log));
        while let Some(commit) = commits.try_next().await? {
            if commit.size == 0 && commit.location.extension() == Some("json") {
                return Err(empty(&commit.location));
            }
        }
        Ok(())
    }

    /// Remembers that there is this version.
    pub(crate) async fn saw(&self, version: u64) {
        self.place.heads.saw(self.name, version).await;
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
        let load = || async move {
            table.load_version(asked).await.map_err(|_| unknown())?;
            Ok(table)
        };
        self.formerly(asked).get_or_try_init(load).await.cloned()
    }

    fn former(&self) -> std::sync::MutexGuard<'_, VecDeque<Former>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a version, in place of the one that was asked for longest ago.
    fn keep(&self, version: u64, table: Arc<OnceCell<DeltaTable>>) {
        let mut former = self.former();
        former.retain(|(kept, _)| *kept != version);
        former.truncate(FORMER_KEPT - 1);
        former.push_front((version, table));
    }

    /// Where a former version is kept, or will be.
    fn formerly(&self, version: u64) -> Arc<OnceCell<DeltaTable>> {
        let kept = self.former().iter().find(|(kept, _)| *kept == version).cloned();
        let table = kept.map(|(_, table)| table).unwrap_or_default();
        self.keep(version, table.clone());
        table
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
        let seen = self.place.heads.seen(self.name).await?;
        let found = self.load().await?;
        let version = found.as_ref().and_then(DeltaTable::version).unwrap_or_default();
        heads::require(self.name, version, seen, LOG_CURE)?;
        if let Some(table) = &found {
            self.check_schema(table)?;
            self.saw(version).await;
        }
        Ok(found)
    }

    async fn load(&self) -> Result<Option<DeltaTable>, Error> {
        if let Ok(path) = self.url.to_file_path()
            && !path.join("_delta_log").exists()
        {
            return Ok(None);
        }
        self.require_commits(None).await?;
        match DeltaTableBuilder::from_url(self.url.clone())?.load().await {
            Ok(table) => Ok(Some(table)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => {
                let error = Error::from(error);
                Err(if error.is_of_storage() {
                    error
                } else {
                    self.damaged(error.to_string())
                })
            }
        }
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged {
            what: format!("the log of table {}", self.name),
            reason,
            cure: LOG_CURE,
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
        let next = Path::from(format!("_delta_log/{:020}.json", version + 1));
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

impl Part<'_> {
    /// The buckets in which it lies, all where none is named, and what tells its rows from others there.
    fn sought(self) -> (Vec<i32>, Expr) {
        match self {
            Self::Whole => (Vec::new(), lit(true)),
            Self::Bucket(number) => (vec![number, MIXED_BUCKET], lit(true)),
            Self::Brand(brand) => (vec![bucket_of(brand), MIXED_BUCKET], col("brand").eq(lit(brand))),
        }
    }
}

/// Rows of a tenant in `table`, cut to `columns`.
pub(crate) async fn scan(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    part: Part<'_>,
    columns: &[&str],
) -> Result<Vec<RecordBatch>, Error> {
    let (buckets, part) = part.sought();
    scan_where(sums, table, tenant, &buckets, part, columns).await
}

/// Rows of a tenant in `table`, in some of its buckets or in all where none is named, for which `predicate` holds, cut to `columns`.
pub(crate) async fn scan_where(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    buckets: &[i32],
    predicate: Expr,
    columns: &[&str],
) -> Result<Vec<RecordBatch>, Error> {
    let columns = columns.iter().map(|name| column_or_null(table, name));
    let columns = columns.collect::<Result<Vec<Expr>, Error>>()?;
    let frame = rows_where(sums, table, tenant, buckets, predicate).await?;
    Ok(frame.select(columns)?.collect().await?)
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

/// The distinct values of a column in a part of a tenant's rows in `table`.
pub(crate) async fn distinct(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    part: Part<'_>,
    column: &str,
) -> Result<Vec<RecordBatch>, Error> {
    let frame = rows(sums, table, tenant, part).await?;
    let column = column_or_null(table, column)?;
    Ok(frame.select(vec![column])?.distinct()?.collect().await?)
}

/// A part of a tenant's rows in `table`, with all columns, to be asked for less.
pub(crate) async fn rows(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    part: Part<'_>,
) -> Result<DataFrame, Error> {
    let (buckets, part) = part.sought();
    rows_where(sums, table, tenant, &buckets, part).await
}

/// A tenant's rows in some buckets of `table`, or in all where none is named, for which `predicate` holds.
async fn rows_where(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    buckets: &[i32],
    predicate: Expr,
) -> Result<DataFrame, Error> {
    sums.require_part(table, tenant, buckets).await?;
    let within = buckets.iter().map(|bucket| col("bucket").eq(lit(*bucket)));
    let predicate = match within.reduce(Expr::or) {
        Some(within) => within.and(predicate),
        None => predicate,
    };
    let session = session();
    table.update_datafusion_session(&session.state())?;
    let predicate = col("tenant").eq(lit(tenant)).and(predicate);
    Ok(session
        .read_table(table.table_provider().await?)?
        .filter(predicate)?)
}

fn session() -> SessionContext {
    let config = SessionConfig::new()
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", true);
    SessionContext::new_with_config(config)
}
