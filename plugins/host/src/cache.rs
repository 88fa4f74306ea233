//! Machine code of components on disk, so that a component is compiled once.
//!
//! Machine code is run as it is found. So each file starts with a tag, the keyed hash of what it was compiled from and
//! of the code: who can write to the folder but does not have the key can make a file useless, not have it run.

use std::{
    fmt,
    fs::{self, DirBuilder},
    io::{self, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use blake3::Hash;

/// Bytes of the tag.
const TAG: usize = blake3::OUT_LEN;
/// How the names of files of machine code end.
const EXTENSION: &str = "compiled";

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
    /// files of another key are compiled again.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, key: [u8; blake3::KEY_LEN]) -> Self {
        Self {
            folder: folder.into(),
            key,
        }
    }

    /// The same with a key of its own, which is kept in the folder for this user alone and made when there is none.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or what is there is no key.
    pub fn in_folder(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        let path = folder.join("key");
        if !path.exists() {
            make_key(&folder, &path)?;
        }
        let key = fs::read(&path)?
            .try_into()
            .map_err(|_| io::Error::other(format!("{} holds no key; delete it", path.display())))?;
        Ok(Self::new(folder, key))
    }

    /// Deletes all but so many of the files that were kept last.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file not be deleted.
    pub fn keep_newest(&self, files: usize) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                kept.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        kept.sort();
        let old = kept.len().saturating_sub(files);
        kept.into_iter()
            .take(old)
            .try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn path(&self, id: &Hash) -> PathBuf {
        self.folder.join(format!("{}.{EXTENSION}", id.to_hex()))
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

fn make_key(folder: &Path, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut fresh = [0; blake3::KEY_LEN];
    getrandom::fill(&mut fresh).map_err(io::Error::other)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&fresh)?;
    // Temporary files are for their user alone. Of two processes that start together the first one's key stays.
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::PermissionsExt,
        time::{Duration, SystemTime},
    };

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

    #[test]
    fn a_folder_has_a_key_of_its_own() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/compiled");
        let id = blake3::hash(b"component");
        Cache::in_folder(&folder).unwrap().write(&id, b"machine code");
        let mode = |name: &str| folder.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("key")), (0o700, 0o600));
        let again = Cache::in_folder(&folder).unwrap();
        assert_eq!(again.read(&id, 100).as_deref(), Some(b"machine code".as_slice()));
        fs::write(folder.join("key"), "short").unwrap();
        let told = Cache::in_folder(&folder).unwrap_err().to_string();
        assert!(told.contains("holds no key; delete it"), "{told}");
    }

    #[test]
    fn the_newest_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(folder.path()).unwrap();
        let ids = [b"a", b"b", b"c"].map(|name| blake3::hash(name));
        for (id, age) in ids.iter().zip([20, 30, 10]) {
            cache.write(id, b"machine code");
            let file = File::options().write(true).open(cache.path(id)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
        }
        cache.keep_newest(2).unwrap();
        assert_eq!(ids.map(|id| cache.has(&id)), [true, false, true]);
        assert!(folder.path().join("key").exists());
    }
}
