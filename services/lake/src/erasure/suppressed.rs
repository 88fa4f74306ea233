//! Consumers about whom facts are refused, because everything about them was to be removed.
//!
//! Only hashes of their keys are kept, salted by tenant: who reads them cannot tell whom they stand for without the
//! salt and a guess of the key. A file of them is named by its salted content and never changed: what was cut or damaged
//! no longer fits its name. How many there are is remembered beside, for nobody is ever taken out.

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
    view::View,
};

/// How long a process may take to notice the deletions asked for at others. What it admits meanwhile is found by the
/// last look before the end of an erasure.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Files of hashes from which on they are joined.
const FILES_TO_JOIN: usize = 64;
/// Tries to read files that are just being joined.
const TRIES: usize = 5;
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a hash.
const HASH: usize = 16;
/// Letters of a name that comes from a file's content. Files of older releases have shorter ones.
const NAME: usize = 64;
/// What to do where suppressions are gone or damaged.
const CURE: &str = "restore the folder `suppressed` from a backup, and ask again for deletions since then";

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
    /// The files that were read, with what distinguishes another file of the same name.
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
    /// When they cannot be read, or some of them are gone.
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
            match self.read_all(&files).await {
                Ok(suppressed) => break (files, Arc::new(suppressed)),
                // Somebody may be joining them.
                Err(error) if tries < TRIES && (error.is_not_found() || error.is_damage()) => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        self.inner
            .heads
            .saw(&self.count_name(), suppressed.hashes.len() as u64)
            .await;
        *known = Some(Known {
            read,
            files,
            suppressed: suppressed.clone(),
        });
        Ok(suppressed)
    }

    /// Refuses facts about `keys` from now on.
    pub(super) async fn suppress(&self, keys: &[String]) -> Result<(), Error> {
        let salt = self.salt().await?;
        // What is gone shows before there is something new in its place.
        *self.suppressed.lock().await = None;
        self.suppressed().await?;
        let hashes: AHashSet<Hash> = keys.iter().map(|key| hash(&salt, key)).collect();
        self.put_hashes(&salt, &hashes).await?;
        *self.suppressed.lock().await = None;
        self.join_hashes(&salt).await?;
        // So that they are counted.
        self.suppressed().await?;
        Ok(())
    }

    /// Claims the id of a deletion for these consumers.
    ///
    /// # Errors
    /// [`Error::RequestReused`] when it was claimed for others; or when that cannot be stored.
    pub(super) async fn claim(&self, id: &str, keys: &[String]) -> Result<(), Error> {
        let digest = digest(&self.salt().await?, keys);
        match self.put_once(&self.claim_path(id), digest).await? {
            true => Ok(()),
            false => self.require_claim(id, keys).await,
        }
    }

    /// Fails where the id of a deletion was claimed for others.
    pub(super) async fn require_claim(&self, id: &str, keys: &[String]) -> Result<(), Error> {
        let claimed = match self.store().get(&self.claim_path(id)).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if claimed != digest(&self.salt().await?, keys) {
            return Err(Error::RequestReused { id: id.to_owned() });
        }
        Ok(())
    }

    /// Puts one file in place of many with the same hashes.
    async fn join_hashes(&self, salt: &[u8; 32]) -> Result<(), Error> {
        let files = self.hash_files().await?;
        if files.len() < FILES_TO_JOIN {
            return Ok(());
        }
        let all = match self.read_hashes(&files, salt).await {
            Ok(all) => all,
            // Somebody else is joining them.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let joined = self.put_hashes(salt, &all).await?;
        for file in files.iter().filter(|file| file.location != joined) {
            match self.store().delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn put_hashes(&self, salt: &[u8; 32], hashes: &AHashSet<Hash>) -> Result<Path, Error> {
        let mut sorted: Vec<&Hash> = hashes.iter().collect();
        sorted.sort_unstable();
        let bytes = encode(sorted.into_iter());
        let path = self.hash_folder().join(format!("{}.hashes", name(salt, &bytes)));
        self.put_once(&path, bytes).await?;
        Ok(path)
    }

    /// Stores a file where there is none of its name yet; whether there was none.
    async fn put_once(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, Error> {
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.store().put_opts(path, bytes.into(), once).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn hash_folder(&self) -> Path {
        Path::from_iter(["suppressed", self.name()])
    }

    fn claim_path(&self, id: &str) -> Path {
        self.hash_folder().join(format!("{id}.claim"))
    }

    fn count_name(&self) -> String {
        format!("suppressed.{}", self.name())
    }

    async fn hash_files(&self) -> Result<Vec<ObjectMeta>, Error> {
        let folder = self.hash_folder();
        let listed = self.store().list(Some(&folder));
        let mut files: Vec<ObjectMeta> = listed.try_collect().await?;
        files.retain(|file| file.location.extension() == Some("hashes"));
        files.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(files)
    }

    async fn read_all(&self, files: &[ObjectMeta]) -> Result<Suppressed, Error> {
        let mut suppressed = Suppressed::default();
        if !files.is_empty() {
            suppressed.salt = self.salt().await?;
            suppressed.hashes = self.read_hashes(files, &suppressed.salt).await?;
        }
        let count = suppressed.hashes.len() as u64;
        self.inner.heads.require(&self.count_name(), count, CURE).await?;
        Ok(suppressed)
    }

    async fn read_hashes(&self, files: &[ObjectMeta], salt: &[u8; 32]) -> Result<AHashSet<Hash>, Error> {
        let mut hashes = AHashSet::new();
        for file in files {
            let bytes = self.store().get(&file.location).await?.bytes().await?;
            let named = file.location.filename().unwrap_or_default();
            let named = named.trim_end_matches(".hashes");
            let fits = named.len() != NAME || named == name(salt, &bytes);
            if !fits || bytes.len() % HASH != 0 {
                return Err(Error::Damaged {
                    what: file.location.to_string(),
                    reason: "it is not what was written, or the salt beside it is another".to_owned(),
                    cure: CURE,
                });
            }
            hashes.extend(decode(&bytes));
        }
        Ok(hashes)
    }

    /// The salt of the tenant, made at the first call.
    async fn salt(&self) -> Result<[u8; 32], Error> {
        let path = self.hash_folder().join("salt");
        let stored = match self.store().get(&path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                if !self.hash_files().await?.is_empty() {
                    return Err(salt_damaged(&path, "it is gone, but hashes are left"));
                }
                self.inner.heads.require(&self.count_name(), 0, CURE).await?;
                if self.put_once(&path, random().to_vec()).await? {
                    tracing::debug!(%path, "a salt was made");
                }
                // Another process may have been first.
                self.store().get(&path).await?.bytes().await?
            }
            Err(error) => return Err(error.into()),
        };
        <[u8; 32]>::try_from(stored.as_ref()).map_err(|_| salt_damaged(&path, "it is not 32 bytes long"))
    }
}

fn salt_damaged(path: &Path, reason: &str) -> Error {
    Error::Damaged {
        what: path.to_string(),
        reason: reason.to_owned(),
        cure: CURE,
    }
}

fn random() -> [u8; 32] {
    let mut random = [0; 32];
    let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    for (to, from) in random
        .iter_mut()
        .zip(first.as_bytes().iter().chain(second.as_bytes()))
    {
        *to = *from;
    }
    random
}

/// Name of a file of hashes.
fn name(salt: &[u8; 32], bytes: &[u8]) -> String {
    blake3::keyed_hash(salt, bytes).to_hex().to_string()
}

/// What stands for the consumers of a deletion, sorted, when they are gone.
fn digest(salt: &[u8; 32], keys: &[String]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(salt);
    for key in keys {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
    }
    hasher.finalize().to_hex().as_bytes().to_vec()
}
