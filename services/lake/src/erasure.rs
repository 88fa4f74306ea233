//! Erasures: removing everything about some consumers, in every table, for good.
//!
//! An erasure is asked for once and stored beside the tables, where the process that owns a table finds it
//! (`keeper`); so every service removes its own, whenever it runs. First new facts about the consumers are refused
//! (`suppressed`), then their rows go out of the tables (`tables`) and no answer shows them any more. Files of
//! former versions hold them a while longer, for questions that are running. Then a last look must find nothing, and
//! the files go too. What is left are salted hashes of the keys, to refuse what comes later.

pub(crate) mod keeper;
pub(crate) mod suppressed;
pub(crate) mod tables;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, TenantLake,
    fact::{FACTS, Fact},
};
pub(crate) use tables::refused_of;

/// Folder of what was asked for, and of how far it has come.
const FOLDER: &str = "erasures";
/// What the name of a file that says what was asked for has behind the id.
const ASKED: &str = ".asked.json";
/// What services keep beside the tables, by service: each removes its own and notes it.
pub const OTHER_PARTS: [(&str, &str); 2] = [("consumer", "people_index"), ("consumer", "audiences")];

/// An erasure that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Id, unique in the tenant.
    pub id: String,
    /// When it was asked for, microseconds since 1970 UTC.
    pub asked_at: i64,
    /// Number of consumers.
    pub consumers: usize,
    /// How far each part has come, in a fixed order.
    pub parts: Vec<Part>,
}

/// How far one part of what is kept has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// Service that removes it.
    pub service: String,
    /// Table, or another name of [`OTHER_PARTS`].
    pub name: String,
    /// Rows removed.
    pub rows: u64,
    /// When no answer showed the consumers any more, microseconds since 1970 UTC.
    pub removed_at: Option<i64>,
    /// When nothing was left, microseconds since 1970 UTC.
    pub erased_at: Option<i64>,
    /// What keeps it from going on; empty when nothing does.
    pub problem: String,
}

#[derive(Deserialize, Serialize)]
struct Asked {
    asked_at: i64,
    consumers: usize,
}

impl Erasure {
    /// A part of it.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Whether nothing is left of any part.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.parts.iter().all(|part| part.erased_at.is_some())
    }
}

impl Part {
    fn new(service: &str, name: &str) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            rows: 0,
            removed_at: None,
            erased_at: None,
            problem: String::new(),
        }
    }

    /// The part after a step at the instant `now` that took `rows` away, or that found nothing left and erased the files
    /// of former versions.
    #[must_use]
    pub fn after(mut self, rows: u64, erased: bool, now: i64) -> Self {
        self.rows += rows;
        if erased {
            self.erased_at = Some(now);
        } else {
            self.removed_at = Some(now);
        }
        self.problem.clear();
        self
    }

    /// Whether there is something to do at the instant `now`: to remove, or after `grace_us` to look again and erase.
    #[must_use]
    pub fn is_due(&self, now: i64, grace_us: i64) -> bool {
        self.erased_at.is_none() && self.removed_at.is_none_or(|since| now - since >= grace_us)
    }
}

/// Facts whose rows are about a consumer.
pub(crate) fn personal_facts() -> impl Iterator<Item = &'static Fact> {
    let about = |fact: &&Fact| fact.columns.iter().any(|column| column.name == "consumer");
    FACTS.iter().filter(about)
}

/// Every part, untouched.
fn all_parts() -> Vec<Part> {
    let tables = personal_facts().map(|fact| Part::new(fact.owner, fact.table));
    let others = OTHER_PARTS.iter().map(|(service, name)| Part::new(service, name));
    tables.chain(others).collect()
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Name of the list of an erasure's consumers.
fn list_of(id: &str) -> String {
    format!("erasure-{id}")
}

/// Whether a list of keys is that of an erasure.
pub(crate) fn is_list(name: &str) -> bool {
    name.starts_with("erasure-")
}

impl TenantLake {
    /// Asks for everything about consumers to be removed; from when this returns, facts about them are refused. An id
    /// that was asked for before and has not ended is asked for again.
    ///
    /// # Errors
    /// [`Error::RequestReused`] when the id was used for other consumers, however long ago; when it cannot be stored.
    pub async fn erase(&self, id: &str, keys: Vec<String>) -> Result<(), Error> {
        let keys = sorted(keys);
        self.claim(id, &keys).await?;
        self.suppress(&keys).await?;
        let asked = Asked {
            asked_at: chrono::Utc::now().timestamp_micros(),
            consumers: keys.len(),
        };
        self.put_keys(&list_of(id), keys).await?;
        // Last: from here on it is found.
        self.put_json(&self.asked_path(id), &asked).await?;
        self.inner.erasing.send_replace(());
        Ok(())
    }

    /// Fails where `id` was used to erase other consumers than these, however long ago.
    ///
    /// # Errors
    /// [`Error::RequestReused`]; or when that cannot be read.
    pub async fn require_same_erasure(&self, id: &str, keys: Vec<String>) -> Result<(), Error> {
        self.require_claim(id, &sorted(keys)).await
    }

    /// An erasure that has not ended; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn erasure(&self, id: &str) -> Result<Option<Erasure>, Error> {
        let Some(asked) = self.get_json::<Asked>(&self.asked_path(id)).await? else {
            return Ok(None);
        };
        let mut parts = all_parts();
        for part in &mut parts {
            if let Some(noted) = self.get_json(&self.part_path(id, part)).await? {
                *part = noted;
            }
        }
        Ok(Some(Erasure {
            id: id.to_owned(),
            asked_at: asked.asked_at,
            consumers: asked.consumers,
            parts,
        }))
    }

    /// The erasures that have not ended, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn erasures(&self) -> Result<Vec<Erasure>, Error> {
        let folder = Path::from_iter([FOLDER, self.name()]);
        let files: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
        let mut erasures = Vec::new();
        for name in files.iter().filter_map(|file| file.location.filename()) {
            if let Some(id) = name.strip_suffix(ASKED) {
                erasures.extend(self.erasure(id).await?);
            }
        }
        erasures.sort_by(|one, other| (one.asked_at, &one.id).cmp(&(other.asked_at, &other.id)));
        Ok(erasures)
    }

    /// The consumers of an erasure that has not ended.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn erasure_keys(&self, id: &str) -> Result<Vec<String>, Error> {
        self.keys(&list_of(id)).await
    }

    /// Notes how far a part has come.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn note_part(&self, id: &str, part: &Part) -> Result<(), Error> {
        self.put_json(&self.part_path(id, part), part).await?;
        self.inner.erasing.send_replace(());
        Ok(())
    }

    /// Forgets an erasure of which nothing is left, with the keys that it was about.
    ///
    /// # Errors
    /// When it cannot be deleted; it is to be ended again then.
    pub async fn end_erasure(&self, id: &str) -> Result<(), Error> {
        self.delete_keys(&list_of(id)).await?;
        let parts = all_parts();
        let parts = parts.iter().map(|part| self.part_path(id, part));
        for path in std::iter::once(self.asked_path(id)).chain(parts) {
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn asked_path(&self, id: &str) -> Path {
        Path::from_iter([FOLDER, self.name(), &format!("{id}{ASKED}")])
    }

    fn part_path(&self, id: &str, part: &Part) -> Path {
        let file = format!("{id}.{}.{}.json", part.service, part.name);
        Path::from_iter([FOLDER, self.name(), &file])
    }

    async fn put_json(&self, path: &Path, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_vec(value).map_err(|source| Error::Json {
            what: path.to_string(),
            source,
        })?;
        self.store().put(path, text.into()).await?;
        Ok(())
    }

    async fn get_json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, Error> {
        let bytes = match self.store().get(path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
            what: path.to_string(),
            source,
        })?;
        Ok(Some(read))
    }
}
