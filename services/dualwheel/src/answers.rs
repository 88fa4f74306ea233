//! What kept answers depend on: this program, the definitions, and the versions of the fact tables.

use std::{io, path::Path, sync::Arc};

use async_trait::async_trait;
use dualwheel_kit::{config::Config, layers};
use dualwheel_lake::Lake;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_128;

/// See [`layers::Versions`].
pub struct Versions {
    lake: Lake,
    /// The program and its definitions.
    maker: String,
    last: Mutex<Option<(Arc<str>, Arc<str>)>>,
}

impl Versions {
    /// Of `lake`, measured by this program with the configured definitions.
    ///
    /// # Errors
    /// When a file of definitions, or the program's own, cannot be read.
    pub fn of(config: &Config, lake: Lake) -> io::Result<Self> {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        if let Some(folder) = &config.definitions {
            add_folder(&mut hash, Path::new(folder))?;
        }
        // Only processes that share answers need to know of each other whether they are the same program.
        if config.redis.url.is_some() {
            // Hundreds of megabytes; nobody makes one program up to look like another.
            let program = xxh3_128(&std::fs::read(std::env::current_exe()?)?);
            hash.update(program.to_be_bytes());
        }
        Ok(Self {
            lake,
            maker: format!("{:x}", hash.finalize()),
            last: Mutex::default(),
        })
    }
}

#[async_trait]
impl layers::Versions for Versions {
    async fn of(&self, _tenant: &str) -> Option<Arc<str>> {
        let stamp = self.lake.stamp().await.ok()?;
        let mut last = self.last.lock().await;
        match last.as_ref() {
            Some((of, text)) if *of == stamp => Some(text.clone()),
            _ => {
                let text = Sha256::digest(format!("{} {stamp}", self.maker));
                let text: Arc<str> = format!("{text:x}").into();
                *last = Some((stamp, text.clone()));
                Some(text)
            }
        }
    }
}

fn add_folder(hash: &mut Sha256, folder: &Path) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        hash.update(entry.file_name().as_encoded_bytes());
        if path.is_dir() {
            add_folder(hash, &path)?;
        } else {
            let bytes = std::fs::read(&path)?;
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
    Ok(())
}
