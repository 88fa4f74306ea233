//! Files that services keep beside the tables, such as partners' models and what these answered. Never of a consumer: nothing
//! here is searched when consumers are erased.

use bytes::Bytes;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, path::Path};

use crate::{Error, TenantLake};

impl TenantLake {
    /// Keeps `bytes` as `folder/name` in place of what was there before.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn put_blob(&self, folder: &str, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.store()
            .put(&self.blob_path(folder, name), bytes.into())
            .await?;
        Ok(())
    }

    /// What is kept as `folder/name`; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read, or has more than `most` bytes.
    pub async fn blob(&self, folder: &str, name: &str, most: u64) -> Result<Option<Bytes>, Error> {
        let path = self.blob_path(folder, name);
        let found = match self.store().get_opts(&path, GetOptions::default()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let size = found.meta.size;
        if size > most {
            return Err(Error::TooLarge {
                given: format!("{size} bytes"),
                most: format!("{most} bytes"),
            });
        }
        Ok(Some(found.bytes().await?))
    }

    /// Deletes `folder/name`; succeeds when there is none.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn delete_blob(&self, folder: &str, name: &str) -> Result<(), Error> {
        match self.store().delete(&self.blob_path(folder, name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn blob_path(&self, folder: &str, name: &str) -> Path {
        Path::from_iter(["blobs", self.name(), folder, name])
    }
}
