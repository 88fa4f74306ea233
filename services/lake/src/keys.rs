//! Lists of consumer keys, such as the people of a frozen audience: one Parquet file each, with the column `consumer`.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::{properties::WriterProperties, reader::ChunkReader},
};

use crate::{Error, TenantLake, erasure, frames::view::View, reader::blocking};

/// Keys of one batch of the file.
const BATCH: usize = 64 * 1024;

impl TenantLake {
    /// Stores `keys` as the list `name`; durable when it returns. A list is never changed: another one has another
    /// name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put_keys(&self, name: &str, keys: Vec<String>) -> Result<(), Error> {
        let file = blocking(move || encode(&keys)).await?;
        self.store().put(&self.path(name), file.into()).await?;
        Ok(())
    }

    /// The keys of the list `name`, in the order given.
    ///
    /// # Errors
    /// When there is no such list, or it cannot be read.
    pub async fn keys(&self, name: &str) -> Result<Vec<String>, Error> {
        let file = self.store().get(&self.path(name)).await?.bytes().await?;
        blocking(move || decode(file)).await
    }

    /// Deletes the list `name`; succeeds when there is none.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn delete_keys(&self, name: &str) -> Result<(), Error> {
        match self.store().delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The lists stored before an instant (microseconds since 1970 UTC), but for those of erasures.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn key_lists(&self, before: i64) -> Result<Vec<String>, Error> {
        let folder = Path::from_iter(["keys", self.name()]);
        let files: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
        let names = files.iter().filter_map(|file| {
            let name = file.location.filename()?.strip_suffix(".parquet")?;
            let listed = file.last_modified.timestamp_micros() < before && !erasure::is_list(name);
            listed.then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    fn path(&self, name: &str) -> Path {
        let file = format!("{name}.parquet");
        Path::from_iter(["keys", self.name(), &file])
    }
}

fn encode(keys: &[String]) -> Result<Vec<u8>, Error> {
    let field = Field::new("consumer", DataType::Utf8, false);
    let schema = Arc::new(Schema::new(vec![field]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    for some in keys.chunks(BATCH) {
        let column = StringArray::from_iter_values(some);
        writer.write(&RecordBatch::try_new(schema.clone(), vec![Arc::new(column)])?)?;
    }
    Ok(writer.into_inner()?)
}

fn decode(file: impl ChunkReader + 'static) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
        let batch = batch?;
        let column = View(&batch).text("consumer")?;
        keys.extend((0..batch.num_rows()).filter_map(|row| column.get(row).map(str::to_owned)));
    }
    Ok(keys)
}
