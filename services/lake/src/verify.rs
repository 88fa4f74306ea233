//! Looking through all that is stored, for what is not as it was written.

use std::collections::BTreeSet;

use dualwheel_kit::Call;
use futures::TryStreamExt;
use object_store::{ObjectStore, path::Path};

use crate::{Error, Lake, TenantLake, sums::Logged, table::Table};

/// Folders whose names below are those of tenants.
const FOLDERS: [&str; 4] = ["tenants", "keys", "suppressed", "results"];

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files of tables.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// Files of these that have no sum, because another engine or an older release wrote them: only their length is known.
    pub unsummed: usize,
    /// Lists of consumers.
    pub lists: usize,
    /// What is damaged or gone, and what to do about it.
    pub damages: Vec<String>,
}

impl Verified {
    /// Notes damage; fails with every other error.
    fn note<T>(&mut self, what: &str, looked: Result<T, Error>) -> Result<Option<T>, Error> {
        match looked {
            Ok(fine) => Ok(Some(fine)),
            Err(error) if error.is_damage() => {
                self.damages.push(error.to_string());
                Ok(None)
            }
            Err(error) if error.is_not_found() => {
                self.damages
                    .push(format!("{what} is gone; restore it from a backup"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Lake {
    /// Reads every file of every table, every list of consumers, all settings and suppressions, and checks them against what is
    /// known of them.
    ///
    /// # Errors
    /// When something cannot be read at all, because the storage does not answer.
    pub async fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        let facts = self.inner.tables.iter().map(|table| &**table);
        for table in facts.chain([&self.inner.people]) {
            verify_table(table, &mut verified).await?;
        }
        for tenant in self.tenants().await? {
            self.of(&Call::background(&tenant)).verify(&mut verified).await?;
        }
        Ok(verified)
    }

    /// Every tenant of which something is stored beside the tables.
    async fn tenants(&self) -> Result<BTreeSet<String>, Error> {
        let mut tenants = BTreeSet::new();
        for folder in FOLDERS {
            let listed = self
                .inner
                .store
                .list_with_delimiter(Some(&Path::from(folder)))
                .await?;
            let folders = listed.common_prefixes.iter().filter_map(Path::filename);
            let files = listed.objects.iter().filter_map(|file| file.location.filename());
            let files = files.filter_map(|file| file.strip_suffix(".json"));
            tenants.extend(folders.chain(files).map(str::to_owned));
        }
        Ok(tenants)
    }
}

async fn verify_table(table: &Table, verified: &mut Verified) -> Result<(), Error> {
    let what = format!("the log of table {}", table.name);
    let Some(Some(latest)) = verified.note(&what, table.latest().await)? else {
        return Ok(());
    };
    let log = latest.log_store();
    let mut views = latest.snapshot()?.snapshot().file_views(log.as_ref(), None);
    while let Some(view) = views.try_next().await? {
        let file = Logged::of_view(&view);
        verified.files += 1;
        verified.bytes += file.bytes();
        verified.unsummed += usize::from(!file.has_sum());
        let what = format!("{}{}", latest.table_url(), file.path);
        verified.note(&what, file.look(&latest).await)?;
    }
    Ok(())
}

impl TenantLake {
    async fn verify(&self, verified: &mut Verified) -> Result<(), Error> {
        let what = format!("something of tenant {}", self.name());
        verified.note(&what, self.settings().await)?;
        verified.note(&what, self.suppressed().await)?;
        let folder = Path::from_iter(["keys", self.name()]);
        let mut lists = self.store().list(Some(&folder));
        while let Some(list) = lists.try_next().await? {
            let name = list.location.filename().unwrap_or_default();
            if let Some(name) = name.strip_suffix(".parquet") {
                verified.lists += 1;
                verified.note(list.location.as_ref(), self.keys(name).await)?;
            }
        }
        Ok(())
    }
}
