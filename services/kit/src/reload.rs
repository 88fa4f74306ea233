//! Values read from files, read again when the files change.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long files are not looked at again.
const LOOKED_FOR: Duration = Duration::from_secs(1);

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: the file {file} {reason}")]
pub struct Error {
    /// The setting that names it.
    pub setting: String,
    /// File.
    pub file: String,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// A setting and the file that it names.
pub(crate) type Named<'a> = (&'static str, &'a str);

impl Error {
    /// The file of a setting, and what is wrong with it.
    pub(crate) fn of((setting, file): Named<'_>, reason: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            file: file.to_owned(),
            reason: reason.into(),
        }
    }

    /// The file of a setting that cannot be read.
    pub(crate) fn unread(named: Named<'_>, error: &std::io::Error) -> Self {
        let cure = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "let the user of this process read it",
            _ => "write it, or correct the path",
        };
        Self::of(named, format!("cannot be read ({error}); {cure}"))
    }
}

type Read<T> = dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync;

/// A value read from files. While they cannot be used the value of before stays in force, and the log says so.
pub(crate) struct Reloaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    files: Vec<(&'static str, String)>,
    read: Box<Read<T>>,
    held: Mutex<Held<T>>,
    /// One looks at the files, and whoever comes meanwhile waits for what is found.
    looking: tokio::sync::Mutex<()>,
}

struct Held<T> {
    looked: Instant,
    bytes: Arc<Vec<Vec<u8>>>,
    value: Arc<T>,
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the files with `read`, which is given their bytes in order.
    ///
    /// # Errors
    /// When one of them cannot be read, or `read` refuses them.
    pub(crate) fn open<F>(files: &[Named<'_>], read: F) -> Result<Self, Error>
    where
        F: Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    {
        let files: Vec<_> = files
            .iter()
            .map(|(setting, file)| (*setting, (*file).to_owned()))
            .collect();
        let bytes = bytes(&files)?;
        let value = read(&bytes).map_err(|reason| Error {
            setting: joined(files.iter().map(|(setting, _)| *setting)),
            file: names(&files),
            reason,
        })?;
        let held = Held {
            looked: Instant::now(),
            bytes: Arc::new(bytes),
            value: Arc::new(value),
        };
        Ok(Self(Arc::new(Inner {
            files,
            read: Box::new(read),
            held: Mutex::new(held),
            looking: tokio::sync::Mutex::default(),
        })))
    }

    /// The value of the files as they were at most a second ago. They are read on a thread that serves no calls.
    pub(crate) async fn get(&self) -> Arc<T> {
        if let Some(value) = self.0.fresh() {
            return value;
        }
        let _looking = self.0.looking.lock().await;
        if let Some(value) = self.0.fresh() {
            return value;
        }
        let inner = Arc::clone(&self.0);
        if let Err(error) = tokio::task::spawn_blocking(move || inner.look()).await {
            tracing::warn!(%error, "the former content stays in force");
        }
        self.last()
    }

    /// The value as it was read last, however long ago.
    pub(crate) fn last(&self) -> Arc<T> {
        self.0.held().value.clone()
    }
}

impl<T> Inner<T> {
    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, where the files were looked at but now.
    fn fresh(&self) -> Option<Arc<T>> {
        let held = self.held();
        (held.looked.elapsed() < LOOKED_FOR).then(|| held.value.clone())
    }

    fn look(&self) {
        let before = {
            let mut held = self.held();
            held.looked = Instant::now();
            held.bytes.clone()
        };
        let fresh = match bytes(&self.files) {
            Ok(fresh) if fresh == *before => return,
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "the former content stays in force");
                return;
            }
        };
        let read = (self.read)(&fresh);
        let mut held = self.held();
        held.bytes = Arc::new(fresh);
        match read {
            Ok(value) => {
                tracing::info!(file = names(&self.files), "read again");
                held.value = Arc::new(value);
            }
            Err(error) => {
                tracing::warn!(file = names(&self.files), %error, "the former content stays in force")
            }
        }
    }
}

fn bytes(files: &[(&'static str, String)]) -> Result<Vec<Vec<u8>>, Error> {
    let read = |(setting, file): &(&'static str, String)| {
        std::fs::read(file).map_err(|error| Error::unread((setting, file), &error))
    };
    files.iter().map(read).collect()
}

fn names(files: &[(&'static str, String)]) -> String {
    joined(files.iter().map(|(_, file)| file.as_str()))
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(files: &[Vec<u8>]) -> Result<u32, String> {
        let text = String::from_utf8(files.concat()).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| format!("`{text}` is no number"))
    }

    #[tokio::test]
    async fn files_are_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        let name = path.to_str().unwrap();
        let told = Reloaded::open(&[("a.b", name)], number)
            .err()
            .unwrap()
            .to_string();
        assert!(
            told.contains("a.b") && told.contains(name) && told.contains("write it"),
            "{told}"
        );
        std::fs::write(&path, "1").unwrap();
        let value = Reloaded::open(&[("a.b", name)], number).unwrap();
        let mut told = Vec::new();
        for text in ["2", "broken", "3"] {
            std::fs::write(&path, text).unwrap();
            std::thread::sleep(LOOKED_FOR + Duration::from_millis(50));
            told.push(*value.get().await);
        }
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(LOOKED_FOR + Duration::from_millis(50));
        told.push(*value.get().await);
        assert_eq!(told, [2, 2, 3, 3]);
    }

    /// A file that takes long to be read keeps nothing else from going on, and is read once for all who ask.
    #[tokio::test]
    async fn the_thread_that_serves_calls_goes_on_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        std::fs::write(&path, "1").unwrap();
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (told, times) = (Mutex::new(told), Arc::new(Mutex::new(0)));
        let counted = times.clone();
        let slow = move |files: &[Vec<u8>]| {
            *counted.lock().unwrap() += 1;
            if files.concat() == b"2" {
                // For ever, unless this thread is not the only one.
                told.lock().unwrap().recv().unwrap();
            }
            number(files)
        };
        let value = Arc::new(Reloaded::open(&[("a.b", path.to_str().unwrap())], slow).unwrap());
        std::fs::write(&path, "2").unwrap();
        std::thread::sleep(LOOKED_FOR + Duration::from_millis(50));
        let asked = [(); 3].map(|()| {
            let value = value.clone();
            tokio::spawn(async move { *value.get().await })
        });
        tokio::task::yield_now().await;
        assert_eq!(*value.last(), 1);
        tell.send(()).unwrap();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), 2);
        }
        assert_eq!(*times.lock().unwrap(), 2);
    }
}
