//! Machine code of components on disk, so that a component is compiled once.
//!
//! Machine code is run as it is found. So each file starts with a tag, the keyed hash of what it was compiled from and
//! of the code: who can write to the folder but does not have the key can make a file useless, not have it run.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::PathBuf,
};

use blake3::Hash;

/// Bytes of the tag.
const TAG: usize = blake3::OUT_LEN;

/// A folder of machine code.
#[derive(Clone)]
pub struct Cache {
    folder: PathBuf,
    key: [u8; blake3::KEY_LEN],
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// Machine code in `folder`, which is made when something is first kept. `key` is a secret of who runs the host:
    /// files of another key are compiled anew.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, key: [u8; blake3::KEY_LEN]) -> Self {
        Self {
            folder: folder.into(),
            key,
        }
    }

    fn path(&self, id: &Hash) -> PathBuf {
        self.folder.join(format!("{}.compiled", id.to_hex()))
    }

    fn tag(&self, id: &Hash, code: &[u8]) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(id.as_bytes()).update(code);
        hasher.finalize()
    }

    /// Whether something is kept for `id`.
    pub(crate) fn has(&self, id: &Hash) -> bool {
        self.path(id).exists()
    }

    /// The code kept for `id` if it is whole, of this key, and at most `most` bytes.
    pub(crate) fn read(&self, id: &Hash, most: u64) -> Option<Vec<u8>> {
        let path = self.path(id);
        let file = fs::File::open(&path).ok()?;
        let admitted = most.saturating_add(u64::try_from(TAG).unwrap_or(u64::MAX));
        let mut bytes = Vec::new();
        let read = file.take(admitted.saturating_add(1)).read_to_end(&mut bytes);
        if let Err(error) = read {
            tracing::warn!(path = %path.display(), %error, "Compiled plugin could not be read; compiling it again");
            return None;
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let parts = bytes.split_at_checked(TAG).filter(|_| size <= admitted);
        let whole = parts.is_some_and(|(tag, code)| {
            // Hashes compare in constant time.
            <[u8; TAG]>::try_from(tag).is_ok_and(|tag| Hash::from_bytes(tag) == self.tag(id, code))
        });
        if !whole {
            tracing::warn!(path = %path.display(), "Compiled plugin is damaged or of another key; compiling it again");
            return None;
        }
        bytes.drain(..TAG);
        Some(bytes)
    }

    /// Keeps code for `id`; a reader finds all of it or nothing. Not being able to only costs time later.
    pub(crate) fn write(&self, id: &Hash, code: &[u8]) {
        if let Err(error) = self.try_write(id, code) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "Compiled plugin could not be kept; it will be compiled again");
        }
    }

    fn try_write(&self, id: &Hash, code: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(self.tag(id, code).as_bytes())?;
        file.write_all(code)?;
        file.persist(self.path(id)).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Cache;

    #[test]
    fn gives_back_what_was_kept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new"), [7; 32]);
        let (id, other) = (blake3::hash(b"component"), blake3::hash(b"another"));
        assert_eq!(cache.read(&id, 100), None);
        cache.write(&id, b"machine code");
        assert_eq!(cache.read(&id, 12).as_deref(), Some(b"machine code".as_slice()));
        assert_eq!(cache.read(&id, 11), None, "larger than admitted");
        assert_eq!(
            Cache::new(folder.path().join("new"), [8; 32]).read(&id, 100),
            None,
            "another key"
        );

        let path = cache.path(&id);
        let kept = fs::read(&path).unwrap();
        fs::write(cache.path(&other), &kept).unwrap();
        assert_eq!(cache.read(&other, 100), None, "another component's");
        for at in 0..kept.len() {
            let mut damaged = kept.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.read(&id, 100), None, "byte {at}");
            fs::write(&path, &kept[..at]).unwrap();
            assert_eq!(cache.read(&id, 100), None, "the first {at} bytes");
        }
    }
}
