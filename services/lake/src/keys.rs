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
    file::{metadata::KeyValue, properties::WriterProperties, reader::ChunkReader},
};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, TenantLake, erasure, reader::blocking, view::View};

/// Name of the sum over all keys in the file's metadata.
const SUM: &str = "dualwheel.xxh3";
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
        let path = self.path(name);
        let file = self.store().get(&path).await?.bytes().await?;
        blocking(move || decode(file).map_err(|error| damaged(&path, &error))).await
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

/// Whatever keeps a list that is there from being read as it was written.
fn damaged(path: &Path, error: &Error) -> Error {
    Error::Damaged {
        what: path.to_string(),
        reason: error.to_string(),
        cure: "restore this file from a backup, or have the list made again",
    }
}

/// What stands for the keys of a list, in their order.
fn sum<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    let mut sum = Xxh3::new();
    for key in keys {
        sum.update(&(key.len() as u64).to_le_bytes());
        sum.update(key.as_bytes());
    }
    format!("{:032x}", sum.digest128())
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
    let sum = sum(keys.iter().map(String::as_str));
    writer.append_key_value_metadata(KeyValue::new(SUM.to_owned(), sum));
    Ok(writer.into_inner()?)
}

fn decode(file: impl ChunkReader + 'static) -> Result<Vec<String>, Error> {
    let mut keys: Vec<String> = Vec::new();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let written = reader.metadata().file_metadata().key_value_metadata();
    let written = written.and_then(|all| all.iter().find(|one| one.key == SUM)?.value.clone());
    for batch in reader.build()? {
        let batch = batch?;
        let column = View(&batch).text("consumer")?;
        keys.extend((0..batch.num_rows()).filter_map(|row| column.get(row).map(str::to_owned)));
    }
    // Lists of older releases have none.
    if written.is_some_and(|written| written != sum(keys.iter().map(String::as_str))) {
        return Err(Error::Malformed {
            reason: "its keys are not those that were written".to_owned(),
        });
    }
    Ok(keys)
}
