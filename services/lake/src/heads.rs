//! The greatest number seen of what only grows: versions of tables, counts of consumers about whom facts are refused.
//!
//! What a log has lost at its end it cannot tell by itself. Nothing is lost with these files but that: where they are gone, or
//! cannot be written, they are made again from what is there.

use std::{
    collections::HashMap,
    io::{self, Read, Seek, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use dualwheel_kit::private;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::{Error, disk::make_folders};

/// Folder of the files.
const FOLDER: &str = "heads";

/// What was seen of a lake, by this process and by others.
#[derive(Debug)]
pub(crate) struct Heads {
    store: Arc<dyn ObjectStore>,
    /// The lake's folder; `None` where it lies in a bucket.
    folder: Option<PathBuf>,
    told: Mutex<HashMap<String, u64>>,
}

impl Heads {
    pub(crate) fn of(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>) -> Self {
        Self {
            store,
            folder,
            told: Mutex::default(),
        }
    }

    /// Fails where fewer than were seen are left of what is called `name`.
    pub(crate) async fn require(&self, name: &str, number: u64, cure: &'static str) -> Result<(), Error> {
        require(name, number, self.seen(name).await?, cure)
    }

    /// The greatest number that was seen. Asked before what is numbered is read, or others may have gone on meanwhile.
    pub(crate) async fn seen(&self, name: &str) -> Result<Option<u64>, Error> {
        let text = match &self.folder {
            Some(folder) => std::fs::read(folder.join(FOLDER).join(name)).ok(),
            None => match self.store.get(&Path::from_iter([FOLDER, name])).await {
                Ok(found) => Some(found.bytes().await?.to_vec()),
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(text.and_then(|text| parse(&text)))
    }

    /// Remembers a number, where none that is greater was seen.
    pub(crate) async fn saw(&self, name: &str, number: u64) {
        let told = |told: &HashMap<String, u64>| told.get(name).is_some_and(|told| *told >= number);
        if told(&self.told.lock().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        if let Err(error) = self.write(name, number).await {
            tracing::debug!(%error, name, number, "what was seen is not remembered");
            return;
        }
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(name.to_owned()).or_default();
        *known = number.max(*known);
    }

    async fn write(&self, name: &str, number: u64) -> Result<(), Error> {
        match &self.folder {
            // In place and not forced to the disk: after a cut of the power an older number is remembered, which does no harm,
            // and no room is needed.
            Some(folder) => Ok(raise(&folder.join(FOLDER), name, number).map_err(crate::disk::local)?),
            None => {
                if self.seen(name).await?.is_some_and(|seen| seen >= number) {
                    return Ok(());
                }
                let file = Path::from_iter([FOLDER, name]);
                self.store.put(&file, text(number).into()).await?;
                Ok(())
            }
        }
    }
}

/// Fails where fewer than were `seen` are left of what is called `name`.
pub(crate) fn require(name: &str, number: u64, seen: Option<u64>, cure: &'static str) -> Result<(), Error> {
    match seen {
        Some(seen) if number < seen => Err(Error::Damaged {
            what: name.to_owned(),
            reason: format!("it is at {number}, but was seen at {seen}"),
            cure,
        }),
        _ => Ok(()),
    }
}

/// Writes a number into a file that has none that is greater.
fn raise(folder: &std::path::Path, name: &str, number: u64) -> io::Result<()> {
    make_folders(folder)?;
    let open = || {
        private::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(folder.join(name))
    };
    let mut file = open()?;
    file.lock()?;
    let mut before = Vec::new();
    file.read_to_end(&mut before)?;
    if parse(&before).is_some_and(|seen| seen >= number) {
        return Ok(());
    }
    file.rewind()?;
    file.write_all(text(number).as_bytes())
}

/// A number as it is kept: twice, so that none that was damaged is taken for one that was seen.
fn text(number: u64) -> String {
    format!("{number:020} {number:020}\n")
}

fn parse(text: &[u8]) -> Option<u64> {
    let (one, other) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    (one == other).then(|| one.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_greatest_number_is_remembered_wherever_it_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for place in [Some(folder.path().to_owned()), None] {
            let heads = || Heads::of(store.clone(), place.clone());
            let (one, other) = (heads(), heads());
            one.require("t", 0, "").await.unwrap();
            one.saw("t", 7).await;
            other.saw("t", 5).await;
            assert_eq!(heads().seen("t").await.unwrap(), Some(7));
            other.require("t", 7, "").await.unwrap();
            let told = other.require("t", 6, "the cure").await.unwrap_err().to_string();
            assert!(told.contains("seen at 7") && told.contains("the cure"), "{told}");
        }
        // One that was damaged says nothing.
        let file = folder.path().join(FOLDER).join("t");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[0] = b'9';
        std::fs::write(&file, bytes).unwrap();
        let heads = Heads::of(store, Some(folder.path().to_owned()));
        assert_eq!(heads.seen("t").await.unwrap(), None);
    }
}
