//! Sums over the bytes of files of rows, kept in the log beside their names: a bit that has changed on the disk is found before
//! it changes an answer.
//!
//! A file is looked at once by each process, before its first rows are read. Files that other engines or older releases wrote
//! have no sum; of them the length alone is known.

use std::sync::{Mutex, PoisonError};

use ahash::AHashSet;
use deltalake::{
    DeltaTable,
    kernel::{Add, LogicalFileView},
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::Error;

/// Tag of a file in the log.
const TAG: &str = "dualwheel.xxh3";
/// Bytes that are read at once.
const PART: u64 = 8 << 20;
/// Files that are looked at at once.
const TOGETHER: usize = 4;
/// Files that are remembered as right; beyond that all are looked at again.
const MOST_KNOWN: usize = 1 << 20;
/// What to do about a file that is not as it was written.
const CURE: &str = "restore this file from a backup, or from the bucket's former versions";

/// Which files were found to be as they were written.
#[derive(Debug, Default)]
pub(crate) struct Sums(Mutex<AHashSet<u128>>);

/// A file of rows as the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) path: Path,
    bytes: u64,
    sum: Option<String>,
}

impl Logged {
    pub(crate) fn of_view(view: &LogicalFileView) -> Self {
        #[expect(deprecated, reason = "there is no other way to the tags of a file")]
        let add = view.add_action();
        Self {
            path: view.object_store_path(),
            bytes: u64::try_from(add.size).unwrap_or_default(),
            sum: sum_of(&add),
        }
    }

    pub(crate) fn of_add(add: &Add) -> Result<Self, Error> {
        Ok(Self {
            path: Path::from_url_path(&add.path).map_err(object_store::Error::from)?,
            bytes: u64::try_from(add.size).unwrap_or_default(),
            sum: sum_of(add),
        })
    }

    /// Whether a sum of it is known.
    pub(crate) fn has_sum(&self) -> bool {
        self.sum.is_some()
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fails where the file is not as it was written.
    pub(crate) async fn look(&self, table: &DeltaTable) -> Result<(), Error> {
        let store = table.log_store().object_store(None);
        let stored = store.head(&self.path).await?.size;
        let damaged = |reason: String| Error::Damaged {
            what: format!("{}{}", table.table_url(), self.path),
            reason,
            cure: CURE,
        };
        if stored != self.bytes {
            return Err(damaged(format!(
                "it has {stored} bytes, but {} were written",
                self.bytes
            )));
        }
        let Some(sum) = &self.sum else {
            return Ok(());
        };
        if *sum != sum_of_file(&*store, &self.path, stored).await? {
            return Err(damaged("its bytes are not those that were written".to_owned()));
        }
        Ok(())
    }
}

impl Sums {
    /// Fails where a file is not as it was written; found right before, it is not looked at again.
    pub(crate) async fn require(&self, table: &DeltaTable, file: &Logged) -> Result<(), Error> {
        if self.knows(table, &file.path) {
            return Ok(());
        }
        file.look(table).await?;
        let mut right = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= MOST_KNOWN {
            right.clear();
        }
        right.insert(key(table, &file.path));
        Ok(())
    }

    /// As [`require`](Self::require), for the files of a tenant, or those in some of its buckets.
    pub(crate) async fn require_part(
        &self,
        table: &DeltaTable,
        tenant: &str,
        buckets: &[i32],
    ) -> Result<(), Error> {
        let buckets: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        let log = table.log_store();
        let views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
        let unknown = views.try_filter_map(|view| {
            let new = !self.knows(table, &view.object_store_path()) && {
                let values = view.partition_values_map();
                let value = |column: &str| values.get(column).and_then(Option::as_deref);
                let within = |bucket: &str| buckets.is_empty() || buckets.iter().any(|one| one == bucket);
                value("tenant") == Some(tenant) && value("bucket").is_none_or(within)
            };
            let file = new.then(|| Logged::of_view(&view));
            async move { Ok(file) }
        });
        let unknown: Vec<Logged> = unknown.try_collect().await?;
        stream::iter(unknown)
            .map(|file| async move { self.require(table, &file).await })
            .buffer_unordered(TOGETHER)
            .try_collect()
            .await
    }

    fn knows(&self, table: &DeltaTable, path: &Path) -> bool {
        let right = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        right.contains(&key(table, path))
    }
}

fn key(table: &DeltaTable, path: &Path) -> u128 {
    xxh3_128(format!("{}{path}", table.table_url()).as_bytes())
}

/// Notes the sums of files that were just written, for the commit that names them.
pub(crate) async fn seal(table: &DeltaTable, adds: &mut [Add]) -> Result<(), Error> {
    let store = table.log_store().object_store(None);
    for add in adds {
        let file = Logged::of_add(add)?;
        let sum = sum_of_file(&*store, &file.path, file.bytes).await?;
        let tags = add.tags.get_or_insert_default();
        tags.insert(TAG.to_owned(), Some(sum));
    }
    Ok(())
}

fn sum_of(add: &Add) -> Option<String> {
    add.tags.as_ref()?.get(TAG)?.clone()
}

async fn sum_of_file(store: &dyn ObjectStore, path: &Path, bytes: u64) -> Result<String, Error> {
    let mut sum = Xxh3::new();
    let mut from = 0;
    while from < bytes {
        let to = (from + PART).min(bytes);
        sum.update(&store.get_range(path, from..to).await?);
        from = to;
    }
    Ok(format!("{:032x}", sum.digest128()))
}
