//! Rows that were refused, kept for whoever sent them: as long, and as many, as is configured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow::array::{Array, ArrayRef, RecordBatch};
use chrono::Utc;
use dualwheel_kit::Call;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

use crate::{
    Error, Lake, TenantLake,
    check::Refusal,
    erasure::suppressed::Suppressed,
    fact::{FACTS, Fact},
    reader::blocking,
};

/// Folder of all of them.
const FOLDER: &str = "dead-letter";
/// Bytes of one file, about; of further rows it has only the number.
const LARGEST: usize = 16 << 20;
/// Files of a tenant and fact.
const MOST_FILES: usize = 10_000;
/// How often those that have become too old are looked for.
const EVERY: Duration = Duration::from_secs(3_600);
/// Written since the last look, a part of the admitted bytes like this is a reason for another.
const PART: u64 = 8;

/// Bounds of the refused rows of a tenant and fact.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long they are kept.
    pub age: Duration,
    /// Bytes that they may take; the oldest are removed first.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(90 * 86_400),
            bytes: 256 << 20,
        }
    }
}

/// The refused rows of one batch.
pub(crate) struct Letter {
    pub(crate) given: RecordBatch,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) suppressed: Arc<Suppressed>,
}

/// Keeps refused rows within their bounds.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    bounds: Bounds,
    /// Bytes since the last look.
    written: AtomicU64,
}

impl DeadLetters {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            written: AtomicU64::new(0),
        }
    }

    /// Keeps a letter; answers where, or an empty text when there is nothing to keep. What is stored stays: the name shows
    /// one batch from every other, and the same batch again finds its first letter.
    pub(crate) async fn keep(
        &self,
        tenant: &TenantLake,
        fact: &Fact,
        letter: Letter,
        name: &str,
    ) -> Result<String, Error> {
        if letter.refusals.is_empty() {
            return Ok(String::new());
        }
        let text = blocking(move || Ok(letter.text())).await?;
        if text.is_empty() {
            return Ok(String::new());
        }
        let bytes = text.len() as u64;
        let path = folder(tenant, fact).join(format!("{name}.jsonl"));
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match tenant.store().put_opts(&path, text.into(), once).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.bounds.bytes / PART {
            self.written.store(0, Ordering::Relaxed);
            tenant.tidy_dead_letters(fact, self.bounds).await?;
        }
        Ok(path.to_string())
    }
}

impl Letter {
    /// A line of JSON for each row, with field and reason. Nothing is kept of consumers about whom everything was deleted.
    fn text(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (told, refusal) in self.refusals.iter().enumerate() {
            if lines.len() >= LARGEST {
                let left_out = self.refusals.len() - told;
                lines.extend_from_slice(format!("{{\"rows_left_out\":{left_out}}}\n").as_bytes());
                break;
            }
            let row = self.row(refusal.row);
            let consumer = row.get("consumer").and_then(serde_json::Value::as_str);
            if consumer.is_some_and(|key| self.suppressed.has(key)) {
                continue;
            }
            let line = serde_json::json!({
                "row": refusal.row, "field": refusal.field, "reason": refusal.reason, "fact": row,
            });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        lines
    }

    fn row(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        let schema = self.given.schema();
        let columns = schema.fields().iter().zip(self.given.columns());
        columns
            .map(|(field, array)| (field.name().clone(), readable(array, row)))
            .collect()
    }
}

fn readable(array: &ArrayRef, row: usize) -> serde_json::Value {
    if row >= array.len() || array.is_null(row) {
        return serde_json::Value::Null;
    }
    match arrow::util::display::array_value_to_string(array, row) {
        Ok(text) => serde_json::Value::String(text),
        Err(error) => serde_json::Value::String(format!("unreadable: {error}")),
    }
}

/// Where the refused rows of a tenant and fact lie.
fn folder(tenant: &TenantLake, fact: &Fact) -> Path {
    Path::from_iter([FOLDER, tenant.name(), fact.name])
}

impl Lake {
    /// Removes refused rows that are beyond their bounds, of every tenant and of the facts that `owners` own, from now on and
    /// as long as the lake is in use.
    pub fn keep_dead_letters(&self, owners: &[&str], bounds: Bounds) {
        let owned: Vec<&'static Fact> = FACTS.iter().filter(|fact| owners.contains(&fact.owner)).collect();
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let Some(inner) = inner.upgrade() else { return };
                let lake = Self { inner };
                if let Err(error) = lake.tidy_dead_letters(&owned, bounds).await {
                    tracing::warn!(%error, "refused rows cannot be tidied up; they are looked at again later");
                }
                drop(lake);
                tokio::time::sleep(EVERY).await;
            }
        });
    }

    async fn tidy_dead_letters(&self, facts: &[&'static Fact], bounds: Bounds) -> Result<(), Error> {
        let listed = self
            .inner
            .store
            .list_with_delimiter(Some(&Path::from(FOLDER)))
            .await?;
        for name in listed.common_prefixes.iter().filter_map(Path::filename) {
            let tenant = self.of(&Call::background(name));
            for fact in facts {
                tenant.tidy_dead_letters(fact, bounds).await?;
            }
        }
        Ok(())
    }
}

impl TenantLake {
    /// Removes the refused rows of a fact that are too old, and the oldest of those that are too many.
    async fn tidy_dead_letters(&self, fact: &Fact, bounds: Bounds) -> Result<(), Error> {
        let folder = folder(self, fact);
        let mut files: Vec<ObjectMeta> = self.store().list(Some(&folder)).try_collect().await?;
        files.sort_unstable_by(|one, other| {
            let newest_first = other.last_modified.cmp(&one.last_modified);
            newest_first.then_with(|| one.location.cmp(&other.location))
        });
        let (now, mut bytes) = (Utc::now(), 0_u64);
        for (place, file) in files.iter().enumerate() {
            bytes = bytes.saturating_add(file.size);
            let age = (now - file.last_modified).to_std().unwrap_or_default();
            if place < MOST_FILES && bytes <= bounds.bytes && age <= bounds.age {
                continue;
            }
            match self.store().delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
