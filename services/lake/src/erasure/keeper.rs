//! Brings the erasures on, in the tables that a process owns.

use std::{sync::Arc, time::Duration};

use ahash::AHashSet;
use dualwheel_kit::{Call, survive::survived};
use object_store::{ObjectStore, path::Path};

use super::{Erasure, FOLDER, personal_facts};
use crate::{Error, Lake, TenantLake, fact::Fact};

/// How often erasures asked for at other processes are looked for.
const EVERY: Duration = Duration::from_secs(5);

impl Lake {
    /// Brings on the erasures of every tenant, in the tables that `owners` own, for example `["consumer"]`, from now on
    /// and as long as the lake is in use. Files of former versions stay for `grace`, which is to be longer than any
    /// question or append takes.
    pub fn keep_erasing(&self, owners: &[&str], grace: Duration) {
        let mine = |fact: &&Fact| owners.contains(&fact.owner);
        let owned: Vec<&'static Fact> = personal_facts().filter(mine).collect();
        let (mut erasing, inner) = (self.erasing(), Arc::downgrade(&self.inner));
        tokio::spawn(async move {
            loop {
                let Some(inner) = inner.upgrade() else { return };
                let lake = Self { inner };
                let round = survived(lake.bring_on(&owned, grace)).await;
                if let Err(error) = round.map_err(Error::from).flatten() {
                    tracing::warn!(%error, "erasures cannot be read; they are looked at again later");
                }
                drop(lake);
                let _ = tokio::time::timeout(EVERY.min(grace), erasing.changed()).await;
            }
        });
    }

    /// Changes whenever an erasure is asked for, or comes further, in this process.
    #[must_use]
    pub fn erasing(&self) -> tokio::sync::watch::Receiver<()> {
        self.inner.erasing.subscribe()
    }

    /// The tenants with an erasure that has not ended.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn tenants_erasing(&self) -> Result<Vec<String>, Error> {
        let listed = self
            .inner
            .store
            .list_with_delimiter(Some(&Path::from(FOLDER)))
            .await?;
        let tenants = listed.common_prefixes.iter().filter_map(Path::filename);
        Ok(tenants.map(str::to_owned).collect())
    }

    async fn bring_on(&self, owned: &[&'static Fact], grace: Duration) -> Result<(), Error> {
        for name in self.tenants_erasing().await? {
            let tenant = self.of(&Call::background(&name));
            let erasures = tenant.erasures().await.unwrap_or_else(|error| {
                tracing::warn!(tenant = name, %error, "the erasures of a tenant cannot be read");
                Vec::new()
            });
            for erasure in &erasures {
                for fact in owned {
                    let step = survived(tenant.bring_on(erasure, fact, grace)).await;
                    if let Err(error) = step.map_err(Error::from).flatten() {
                        tracing::warn!(tenant = name, table = fact.table, %error, "an erasure waits");
                    }
                }
            }
        }
        Ok(())
    }
}

impl TenantLake {
    async fn bring_on(&self, erasure: &Erasure, fact: &Fact, grace: Duration) -> Result<(), Error> {
        let now = chrono::Utc::now().timestamp_micros();
        let Some(part) = erasure.part(fact.table) else {
            return Ok(());
        };
        if !part.is_due(now, i64::try_from(grace.as_micros()).unwrap_or(i64::MAX)) {
            return Ok(());
        }
        let mut part = part.clone();
        let keys: AHashSet<String> = self.erasure_keys(&erasure.id).await?.into_iter().collect();
        let step = async {
            let rows = self.remove_rows(fact, &keys).await?;
            let erased = rows == 0 && part.removed_at.is_some();
            if let (true, Some(since)) = (erased, part.removed_at) {
                self.remove_files(fact, since, grace).await?;
            }
            Ok::<_, Error>((rows, erased))
        };
        match step.await {
            Ok((rows, erased)) => part = part.after(rows, erased, chrono::Utc::now().timestamp_micros()),
            Err(error) => {
                tracing::warn!(table = fact.table, %error, "an erasure waits");
                part.problem = error.to_string();
            }
        }
        self.note_part(&erasure.id, &part).await
    }

    /// Removes the files that were out of use at an instant (microseconds since 1970 UTC), `grace` ago.
    async fn remove_files(&self, fact: &Fact, at: i64, grace: Duration) -> Result<(), Error> {
        let table = self.inner.table(fact.table)?;
        let held = table.rewriting().await?;
        let done = table.vacuum_before(&held, at, grace).await;
        held.end().await;
        done
    }
}
