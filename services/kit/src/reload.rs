//! Values read from files, read again when the files change.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long files are not looked at again.
const LOOKED_FOR: Duration = Duration::from_secs(1);

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct Error {
    /// File.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

type Read<T> = dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync;

/// A value read from files. While they cannot be used the value of before stays in force, and the log says so.
pub(crate) struct Reloaded<T> {
    files: Vec<PathBuf>,
    read: Box<Read<T>>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    looked: Instant,
    bytes: Vec<Vec<u8>>,
    value: Arc<T>,
}

impl<T> Reloaded<T> {
    /// Reads the files with `read`, which is given their bytes in order.
    ///
    /// # Errors
    /// When one of them cannot be read, or `read` refuses them.
    pub(crate) fn open<F>(files: &[&str], read: F) -> Result<Self, Error>
    where
        F: Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let bytes = bytes(&files)?;
        let value = read(&bytes).map_err(|reason| Error {
            file: names(&files),
            reason,
        })?;
        let held = Held {
            looked: Instant::now(),
            bytes,
            value: Arc::new(value),
        };
        Ok(Self {
            files,
            read: Box::new(read),
            held: Mutex::new(held),
        })
    }

    /// The value of the files as they were at most a second ago.
    pub(crate) fn get(&self) -> Arc<T> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= LOOKED_FOR {
            held.looked = Instant::now();
            self.look(&mut held);
        }
        held.value.clone()
    }

    fn look(&self, held: &mut Held<T>) {
        let fresh = match bytes(&self.files) {
            Ok(fresh) if fresh == held.bytes => return,
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "the former content stays in force");
                return;
            }
        };
        match (self.read)(&fresh) {
            Ok(value) => {
                tracing::info!(file = names(&self.files), "read again");
                held.value = Arc::new(value);
            }
            Err(error) => {
                tracing::warn!(file = names(&self.files), %error, "the former content stays in force")
            }
        }
        held.bytes = fresh;
    }
}

fn bytes(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, Error> {
    let read = |file: &PathBuf| {
        std::fs::read(file).map_err(|error| Error {
            file: file.display().to_string(),
            reason: error.to_string(),
        })
    };
    files.iter().map(read).collect()
}

fn names(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(files: &[Vec<u8>]) -> Result<u32, String> {
        let text = String::from_utf8(files.concat()).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| format!("`{text}` is no number"))
    }

    #[test]
    fn files_are_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        let name = path.to_str().unwrap();
        assert!(Reloaded::open(&[name], number).is_err());
        std::fs::write(&path, "1").unwrap();
        let value = Reloaded::open(&[name], number).unwrap();
        let mut told = Vec::new();
        for text in ["2", "broken", "3"] {
            std::fs::write(&path, text).unwrap();
            std::thread::sleep(LOOKED_FOR + Duration::from_millis(50));
            told.push(*value.get());
        }
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(LOOKED_FOR + Duration::from_millis(50));
        told.push(*value.get());
        assert_eq!(told, [2, 2, 3, 3]);
    }
}
