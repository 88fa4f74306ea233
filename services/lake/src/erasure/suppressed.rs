//! Consumers about whom facts are refused, because everything about them was to be removed.
//!
//! Only hashes of their keys are kept, salted by tenant: who reads them cannot tell whom they stand for without the
//! salt and a guess of the key.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ahash::AHashSet;
use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

use crate::{
    Error, TenantLake,
    check::{Checked, Refusal},
    frames::view::View,
};

/// How long a process may take to notice the deletions asked for at others. What it admits meanwhile is found by the
/// last look before the end of an erasure.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Files of hashes from which on they are joined.
const FILES_TO_JOIN: usize = 64;
/// Tries to read files that are just being joined.
const TRIES: usize = 5;
/// Bytes of a hash.
const HASH: usize = 16;

type Hash = [u8; HASH];

/// The consumers of a tenant about whom facts are refused.
#[derive(Debug, Default)]
pub struct Suppressed {
    salt: [u8; 32],
    hashes: AHashSet<Hash>,
}

/// What a process knows of them.
#[derive(Debug)]
pub(crate) struct Known {
    read: Instant,
    /// The files that were read, with what tells another file of the same name.
    files: Vec<ObjectMeta>,
    suppressed: Arc<Suppressed>,
}

impl Suppressed {
    /// Whether facts about the consumer are refused.
    #[must_use]
    pub fn has(&self, consumer: &str) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&hash(&self.salt, consumer))
    }

    /// A checked batch without the rows about them, which are refused. Of a fact that has no consumers all rows stay.
    pub(crate) fn refuse(&self, checked: Checked) -> Result<Checked, Error> {
        let Checked { batch, mut refusals } = checked;
        if self.hashes.is_empty() || batch.column_by_name("consumer").is_none() {
            return Ok(Checked { batch, refusals });
        }
        let consumers = View(&batch).text("consumer")?;
        let refused_before: AHashSet<usize> = refusals.iter().map(|refusal| refusal.row).collect();
        let given = (0..).filter(|row| !refused_before.contains(row));
        let mut stay = Vec::with_capacity(batch.num_rows());
        for (row, given) in (0..batch.num_rows()).zip(given) {
            let refused = consumers.get(row).is_some_and(|key| self.has(key));
            stay.push(!refused);
            if refused {
                refusals.push(Refusal {
                    row: given,
                    field: "consumer",
                    reason: "everything about this consumer was deleted; leave the consumer out".to_owned(),
                });
            }
        }
        refusals.sort_unstable_by_key(|refusal| refusal.row);
        let batch: RecordBatch = filter_record_batch(&batch, &BooleanArray::from(stay))?;
        Ok(Checked { batch, refusals })
    }
}

fn hash(salt: &[u8; 32], key: &str) -> Hash {
    let mut hash = Hash::default();
    let whole = blake3::keyed_hash(salt, key.as_bytes());
    for (to, from) in hash.iter_mut().zip(whole.as_bytes()) {
        *to = *from;
    }
    hash
}

fn encode<'a>(hashes: impl Iterator<Item = &'a Hash>) -> Vec<u8> {
    hashes.flatten().copied().collect()
}

fn decode(bytes: &[u8]) -> impl Iterator<Item = Hash> + '_ {
    bytes.as_chunks::<HASH>().0.iter().copied()
}

impl TenantLake {
    /// The consumers about whom facts are refused, as known not longer ago than a second.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn suppressed(&self) -> Result<Arc<Suppressed>, Error> {
        let mut known = self.suppressed.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.read.elapsed() < KNOWN_FOR) {
            return Ok(known.suppressed.clone());
        }
        let read = Instant::now();
        let mut tries = 0;
        let (files, suppressed) = loop {
            let files = self.hash_files().await?;
            if let Some(known) = known.as_ref().filter(|known| known.files == files) {
                break (files, known.suppressed.clone());
            }
            match self.read_hashes(&files).await {
                Ok(suppressed) => break (files, Arc::new(suppressed)),
                Err(Error::Store(object_store::Error::NotFound { .. })) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        *known = Some(Known {
            read,
            files,
            suppressed: suppressed.clone(),
        });
        Ok(suppressed)
    }

    /// Refuses facts about `keys` from now on.
    pub(super) async fn suppress(&self, id: &str, keys: &[String]) -> Result<(), Error> {
        let salt = self.salt().await?;
        let mut hashes: AHashSet<Hash> = keys.iter().map(|key| hash(&salt, key)).collect();
        let mut joined = self.hash_files().await?;
        if joined.len() < FILES_TO_JOIN {
            joined.clear();
        } else if let Ok(before) = self.read_hashes(&joined).await {
            hashes.extend(before.hashes);
        } else {
            // Somebody else is joining them.
            joined.clear();
        }
        let path = self.hash_folder().join(format!("{id}.hashes"));
        self.store().put(&path, encode(hashes.iter()).into()).await?;
        for file in joined.iter().filter(|file| file.location != path) {
            match self.store().delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        *self.suppressed.lock().await = None;
        Ok(())
    }

    fn hash_folder(&self) -> Path {
        Path::from_iter(["suppressed", self.name()])
    }

    async fn hash_files(&self) -> Result<Vec<ObjectMeta>, Error> {
        let folder = self.hash_folder();
        let listed = self.store().list(Some(&folder));
        let mut files: Vec<ObjectMeta> = listed.try_collect().await?;
        files.retain(|file| file.location.extension() == Some("hashes"));
        files.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(files)
    }

    async fn read_hashes(&self, files: &[ObjectMeta]) -> Result<Suppressed, Error> {
        let mut suppressed = Suppressed::default();
        if files.is_empty() {
            return Ok(suppressed);
        }
        suppressed.salt = self.salt().await?;
        for file in files {
            let bytes = self.store().get(&file.location).await?.bytes().await?;
            suppressed.hashes.extend(decode(&bytes));
        }
        Ok(suppressed)
    }

    /// The salt of the tenant, made at the first call.
    async fn salt(&self) -> Result<[u8; 32], Error> {
        let path = self.hash_folder().join("salt");
        let mut random = [0; 32];
        let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        for (to, from) in random
            .iter_mut()
            .zip(first.as_bytes().iter().chain(second.as_bytes()))
        {
            *to = *from;
        }
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.store().put_opts(&path, random.to_vec().into(), once).await {
            Ok(_) => return Ok(random),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let stored = self.store().get(&path).await?.bytes().await?;
        <[u8; 32]>::try_from(stored.as_ref()).map_err(|_| Error::Schema {
            table: path.to_string(),
            reason: "the salt is not 32 bytes long".to_owned(),
        })
    }
}
