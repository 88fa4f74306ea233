//! What a lake on this machine needs that an object store does by itself.

use std::{fs::File, io, path::PathBuf};

use deltalake::DeltaTable;
use object_store::path::Path;

use crate::{Error, stamp};

/// Forces files of a local table to the disk; object stores are durable when they answer.
pub(crate) async fn sync_local(table: &DeltaTable, paths: Vec<String>) -> Result<(), Error> {
    let Ok(root) = table.table_url().to_file_path() else {
        return Ok(());
    };
    let sync = move || -> io::Result<()> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for path in paths {
            let Ok(decoded) = Path::from_url_path(&path) else {
                continue;
            };
            let file = root.join(decoded.as_ref());
            File::open(&file)?.sync_data()?;
            if let Some(folder) = file.parent()
                && !folders.iter().any(|known| known == folder)
            {
                folders.push(folder.to_owned());
            }
        }
        folders
            .iter()
            .try_for_each(|folder| File::open(folder)?.sync_all())
    };
    let done = tokio::task::spawn_blocking(sync)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(local)
}

/// Makes a commit safe against a power cut, and known to [`crate::Lake::stamp`].
pub(crate) async fn settle(table: &DeltaTable, version: u64) -> Result<(), Error> {
    sync_local(table, vec![format!("_delta_log/{version:020}.json")]).await?;
    stamp::changed(table).map_err(local)
}

/// A failure of the local disk.
pub(crate) fn local(source: io::Error) -> Error {
    let source = Box::new(source);
    object_store::Error::Generic {
        store: "local",
        source,
    }
    .into()
}
