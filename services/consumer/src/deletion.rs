//! Deletion of consumers: what a tenant asked to have removed for good, and how far that has come.
//!
//! The lake removes their facts, in every service that owns some; this service removes them from the people index and
//! from the stored lists of saved audiences. Models are fitted for each question and keep nothing. A deletion is stored
//! as asked for and, when nothing is left, as it ended; in between the lake says how far it is.

use std::time::Duration;

use ahash::AHashSet;
use dualwheel_kit::{
    Call,
    store::{Page, now},
    survive::{Panicked, survived},
};
use dualwheel_lake::{
    Lake, TenantLake,
    erasure::{Erasure, Part},
};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use crate::{
    index::{self, PeopleIndex},
    store::{self, Audiences, StoredAudience, StoredDeletion, StoredDeletions},
};

/// How often deletions asked for at other processes are looked for.
const EVERY: Duration = Duration::from_secs(5);
const INDEX: &str = "people_index";
const AUDIENCES: &str = "audiences";

/// What can go wrong with a deletion.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] dualwheel_lake::Error),
    /// The database failed, or there is no such deletion.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The people index failed.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// Something went wrong inside.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// A deletion and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Id, unique in the tenant.
    pub id: String,
    /// Number of consumers.
    pub consumers: i64,
    /// When it was asked for, microseconds since 1970 UTC.
    pub asked_at: i64,
    /// How far each part has come.
    pub parts: Vec<Part>,
}

/// The deletions of every tenant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deletions {
    lake: Lake,
    people: PeopleIndex,
    database: DatabaseConnection,
    grace: Duration,
}

impl Deletions {
    /// Deletions whose files of former versions stay for `grace`.
    #[must_use]
    pub fn new(lake: Lake, people: PeopleIndex, database: DatabaseConnection, grace: Duration) -> Self {
        Self {
            lake,
            people,
            database,
            grace,
        }
    }

    /// Asks for everything about consumers to be removed. The same request again answers the first deletion.
    ///
    /// # Errors
    /// When the request was made before for other consumers, however long ago; when it cannot be stored, where it may go on all
    /// the same.
    pub async fn ask(
        &self,
        call: &Call,
        request: Option<&str>,
        keys: Vec<String>,
    ) -> Result<Deletion, Error> {
        let id = match request {
            Some(request) => request.replace('-', ""),
            None => Uuid::now_v7().simple().to_string(),
        };
        match self.get(call, &id).await {
            Err(Error::Store(store::Error::Unknown(_))) => {}
            known => {
                let known = known?;
                self.lake.of(call).require_same_erasure(&id, keys).await?;
                return Ok(known);
            }
        }
        let lake = self.lake.of(call);
        lake.erase(&id, keys).await?;
        if let Some(erasure) = lake.erasure(&id).await? {
            self.stored(call).ensure(&begun(&erasure)).await?;
        }
        self.get(call, &id).await
    }

    /// A deletion.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn get(&self, call: &Call, id: &str) -> Result<Deletion, Error> {
        let stored = self.stored(call).get(id).await?;
        self.filled(call, stored).await
    }

    /// A page of the tenant's deletions, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(&self, call: &Call, size: usize, token: &str) -> Result<Page<Deletion>, Error> {
        let page = self.stored(call).list(size, token).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for stored in page.items {
            items.push(self.filled(call, stored).await?);
        }
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// Brings the deletions of every tenant on, from now on and as long as the process runs.
    pub fn keep_up(&self) {
        let deletions = self.clone();
        let mut erasing = deletions.lake.erasing();
        tokio::spawn(async move {
            loop {
                let round = survived(deletions.bring_on()).await;
                if let Err(error) = round.map_err(Error::from).flatten() {
                    tracing::warn!(%error, "deletions cannot be brought on; they are looked at again later");
                }
                let _ = tokio::time::timeout(EVERY.min(deletions.grace), erasing.changed()).await;
            }
        });
    }

    fn stored(&self, call: &Call) -> StoredDeletions {
        StoredDeletions::of(call, &self.database)
    }

    /// A stored deletion with its parts: as it ended, or as it stands.
    async fn filled(&self, call: &Call, stored: StoredDeletion) -> Result<Deletion, Error> {
        let parts = match stored.parts {
            Some(ended) => ended,
            None => match self.lake.of(call).erasure(&stored.id).await? {
                Some(erasure) => erasure.parts,
                // It has just ended.
                None => self.stored(call).get(&stored.id).await?.parts.unwrap_or_default(),
            },
        };
        Ok(Deletion {
            id: stored.id,
            consumers: stored.consumers,
            asked_at: stored.asked_at,
            parts,
        })
    }

    async fn bring_on(&self) -> Result<(), Error> {
        for tenant in self.lake.tenants_erasing().await? {
            let call = Call::background(&tenant);
            let erasures = self.lake.of(&call).erasures().await;
            let erasures = erasures.unwrap_or_else(|error| {
                tracing::warn!(tenant, %error, "the deletions of a tenant cannot be read");
                Vec::new()
            });
            for erasure in &erasures {
                let brought_on = survived(self.bring_on_one(&call, erasure)).await;
                if let Err(error) = brought_on.map_err(Error::from).flatten() {
                    tracing::warn!(tenant, %error, "a deletion waits");
                }
            }
        }
        Ok(())
    }

    async fn bring_on_one(&self, call: &Call, erasure: &Erasure) -> Result<(), Error> {
        self.stored(call).ensure(&begun(erasure)).await?;
        if erasure.is_done() {
            self.stored(call).end(&erasure.id, &erasure.parts).await?;
            return Ok(self.lake.of(call).end_erasure(&erasure.id).await?);
        }
        self.step(call, erasure).await
    }

    /// What is to be done now of this service's own.
    async fn step(&self, call: &Call, erasure: &Erasure) -> Result<(), Error> {
        let tables = || {
            let own = |part: &&Part| part.name != INDEX && part.name != AUDIENCES;
            erasure.parts.iter().filter(own)
        };
        // The index follows the facts, and numbers whomever any of them names: it comes after them.
        let facts_first = tables().all(|part| part.service != crate::NAME || part.removed_at.is_some());
        let all_facts_first = tables().all(|part| part.removed_at.is_some());
        for name in [AUDIENCES, INDEX] {
            let grace_us = i64::try_from(self.grace.as_micros()).unwrap_or(i64::MAX);
            let Some(part) = erasure.part(name).filter(|part| part.is_due(now(), grace_us)) else {
                continue;
            };
            let waits = if part.removed_at.is_some() {
                !all_facts_first
            } else {
                !facts_first
            };
            if waits {
                continue;
            }
            let lake = self.lake.of(call);
            let keys: AHashSet<String> = lake.erasure_keys(&erasure.id).await?.into_iter().collect();
            let done = if name == AUDIENCES {
                self.leave_audiences(call, &lake, &keys, part.removed_at).await
            } else {
                self.leave_index(call, &keys, part.removed_at).await
            };
            let part = match done {
                Ok(rows) => {
                    let erased = rows == 0 && part.removed_at.is_some();
                    part.clone().after(rows, erased, now())
                }
                Err(error) => {
                    tracing::warn!(part = name, %error, "a deletion waits");
                    Part {
                        problem: error.to_string(),
                        ..part.clone()
                    }
                }
            };
            lake.note_part(&erasure.id, &part).await?;
        }
        Ok(())
    }

    /// Takes the consumers out of the index; where they have been out of it since `removed_at`, its files of before go.
    async fn leave_index(
        &self,
        call: &Call,
        keys: &AHashSet<String>,
        removed_at: Option<i64>,
    ) -> Result<u64, Error> {
        let (snapshot, known) = self.people.forget(call, keys).await?;
        if let (0, Some(since)) = (known, removed_at) {
            snapshot.erase_files_before(since, self.grace).await?;
        }
        Ok(known)
    }

    /// Takes the consumers out of the lists of audiences; where they have been out of them since `removed_at`, lists of
    /// before that belong to no audience go.
    async fn leave_audiences(
        &self,
        call: &Call,
        lake: &TenantLake,
        keys: &AHashSet<String>,
        removed_at: Option<i64>,
    ) -> Result<u64, Error> {
        let audiences = Audiences::of(call, &self.database);
        let mut removed = 0;
        for audience in audiences.with_people().await? {
            removed += leave_audience(lake, &audiences, &audience, keys).await?;
        }
        if let (0, Some(since)) = (removed, removed_at) {
            let lists = lake.key_lists(since).await?;
            let kept = audiences.with_people().await?;
            let kept: AHashSet<&String> = kept
                .iter()
                .filter_map(|one| Some(&one.people.as_ref()?.keys))
                .collect();
            for list in lists.iter().filter(|list| !kept.contains(list)) {
                lake.delete_keys(list).await?;
            }
        }
        Ok(removed)
    }
}

fn begun(erasure: &Erasure) -> StoredDeletion {
    StoredDeletion {
        id: erasure.id.clone(),
        consumers: i64::try_from(erasure.consumers).unwrap_or(i64::MAX),
        asked_at: erasure.asked_at,
        parts: None,
    }
}

/// Takes consumers out of the list of an audience; answers how many were on it.
async fn leave_audience(
    lake: &TenantLake,
    audiences: &Audiences,
    audience: &StoredAudience,
    keys: &AHashSet<String>,
) -> Result<u64, Error> {
    let Some(people) = &audience.people else {
        return Ok(0);
    };
    let listed = lake.keys(&people.keys).await?;
    let before = listed.len();
    let left: Vec<String> = listed.into_iter().filter(|key| !keys.contains(key)).collect();
    let removed = before - left.len();
    if removed > 0 {
        let (list, size) = (Uuid::now_v7().simple().to_string(), left.len());
        lake.put_keys(&list, left).await?;
        let replaced = audiences
            .replace_list(&audience.id, &people.keys, &list, size as i64)
            .await?;
        // Where somebody has just judged it again, the next look finds what is in the new list.
        let unused = if replaced { &people.keys } else { &list };
        lake.delete_keys(unused).await?;
    }
    Ok(removed as u64)
}
