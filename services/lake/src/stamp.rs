//! The state of all tables in one text, read fast enough to be asked for at every call.
//!
//! On a local disk whoever commits sets the time of one file before the commit is acknowledged: as long as that time has not
//! changed, no log is read.

use std::{
    collections::BTreeMap,
    io,
    path::{self, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use deltalake::DeltaTable;
use dualwheel_kit::private;
use dualwheel_proto::facts::FactKind;
use futures::future::try_join_all;
use object_store::{ObjectStoreExt, path::Path};
use tokio::sync::Mutex;

use crate::{Error, Lake, fact::Fact, table::Table};

/// The file in the lake's folder.
const FILE: &str = ".changed";
/// How often the logs are read although nobody announced a commit: other engines, and processes that were killed before they
/// could tell, do not.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// What was seen when the logs were last read.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The file; `None` where the lake lies elsewhere.
    file: Option<PathBuf>,
    look: Mutex<Option<Look>>,
}

#[derive(Debug)]
struct Look {
    changed: Option<SystemTime>,
    began: Instant,
    stamp: Arc<str>,
}

impl Seen {
    pub(crate) fn of(folder: Option<&path::Path>) -> Self {
        Self {
            file: folder.map(|folder| folder.join(FILE)),
            look: Mutex::default(),
        }
    }
}

impl Lake {
    /// The versions of all tables: another text whenever one of them has changed, and the same in every process that sees the
    /// same. A commit of another engine than this one shows within a second.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn stamp(&self) -> Result<Arc<str>, Error> {
        let seen = &self.inner.seen;
        let Some(file) = &seen.file else {
            return self.versions().await;
        };
        // Before the logs: what is committed between the two is told of afterwards.
        let changed = std::fs::metadata(file).and_then(|file| file.modified()).ok();
        let mut look = seen.look.lock().await;
        if let Some(look) = look.as_ref()
            && look.changed == changed
            && look.began.elapsed() < LOOKED_AT
        {
            return Ok(look.stamp.clone());
        }
        let began = Instant::now();
        let stamp = self.versions().await?;
        *look = Some(Look {
            changed,
            began,
            stamp: stamp.clone(),
        });
        Ok(stamp)
    }

    /// The versions of the tables of some facts; a table that does not exist has none.
    pub(crate) async fn table_versions(&self, kinds: &[FactKind]) -> Result<BTreeMap<String, i64>, Error> {
        let mut versions = BTreeMap::new();
        for fact in kinds.iter().filter_map(|kind| Fact::of(*kind)) {
            let latest = self.inner.table(fact.table)?.latest().await?;
            let version = latest.and_then(|table| table.version());
            if let Some(version) = version.and_then(|version| i64::try_from(version).ok()) {
                versions.insert(fact.table.to_owned(), version);
            }
        }
        Ok(versions)
    }

    async fn versions(&self) -> Result<Arc<str>, Error> {
        let versions = try_join_all(self.inner.tables.iter().map(|table| version(table))).await?;
        Ok(versions.join(" ").into())
    }
}

/// Version of a table, with what distinguishes it from the same version of another lake: the size and time of its commit.
async fn version(table: &Table) -> Result<String, Error> {
    let Some(latest) = table.latest().await? else {
        return Ok("-".to_owned());
    };
    let version = latest.version().unwrap_or_default();
    let commit = Path::from(format!("_delta_log/{version:020}.json"));
    let commit = latest.log_store().object_store(None).head(&commit).await?;
    let written = commit.last_modified.timestamp_micros();
    Ok(format!("{version}/{}/{written}", commit.size))
}

/// Tells every process that a table has changed, where the lake lies on this machine.
///
/// # Errors
/// When the file of changes cannot be made or touched.
pub(crate) fn changed(table: &DeltaTable) -> io::Result<()> {
    let Ok(folder) = table.table_url().to_file_path() else {
        return Ok(());
    };
    let file = private::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.with_file_name(FILE))?;
    // Finer than the time that a write would leave, and no room is needed on the disk.
    file.set_modified(SystemTime::now())
}
