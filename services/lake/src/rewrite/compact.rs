//! Joining small files into larger ones.

use std::{collections::BTreeMap, path};

use deltalake::{
    DeltaTable,
    kernel::{Add, Remove},
    parquet::{
        basic::{Compression, ZstdLevel},
        file::properties::WriterProperties,
    },
    protocol::DeltaOperation,
    writer::{DeltaWriter, RecordBatchWriter},
};
use futures::TryStreamExt;

use super::{Rewriting, whole};
use crate::{
    Error,
    append::{discard, fact_properties},
    changes::parquet_file,
    disk,
    fact::MIXED_BUCKET,
    spread::by_brand,
    sums::{self, Logged},
};

/// Files smaller than this are joined.
const SMALL_BYTES: u64 = 128 * 1024 * 1024;

/// A partition's values by column.
type Partition = BTreeMap<String, Option<String>>;

/// A file of the table.
struct Part {
    file: Logged,
    written: i64,
    remove: Remove,
}

/// Files of a partition that become one.
struct Join {
    partition: Partition,
    parts: Vec<Part>,
}

/// Joins small files of each partition, in the order in which they were written, where the disk has room for as much again;
/// whether rows that lay together were put into the buckets of their brands.
pub(super) async fn compact(
    table: &DeltaTable,
    held: &Rewriting,
    folder: Option<&path::Path>,
) -> Result<bool, Error> {
    let joins = joins(small_files(table).await?);
    if joins.is_empty() {
        return Ok(false);
    }
    let spread = joins.iter().any(|join| is_mixed(&join.partition));
    let parts = || joins.iter().flat_map(|join| &join.parts);
    let bytes: u64 = parts().map(|part| part.file.bytes()).sum();
    if let Some(room) = folder.and_then(disk::room)
        && room / 2 < bytes
    {
        tracing::warn!(
            table = table.table_url().as_str(),
            needed_bytes = bytes * 2,
            room_bytes = room,
            "small files are not joined: the disk has no room for it"
        );
        return Ok(false);
    }
    let removed = parts().map(|part| part.remove.clone()).collect();
    let mut adds = Vec::with_capacity(joins.len());
    for join in &joins {
        match write(table, join).await {
            Ok(written) => adds.extend(written),
            Err(error) => {
                let paths: Vec<String> = adds.into_iter().map(|add: Add| add.path).collect();
                discard(table, &paths).await;
                return Err(error);
            }
        }
    }
    let operation = DeltaOperation::Optimize {
        predicate: None,
        target_size: SMALL_BYTES.cast_signed(),
    };
    held.commit(table, adds, removed, operation).await?;
    Ok(spread)
}

async fn small_files(table: &DeltaTable) -> Result<BTreeMap<Partition, Vec<Part>>, Error> {
    let log = table.log_store();
    let mut views = table.snapshot()?.snapshot().file_views(log.as_ref(), None);
    let mut found: BTreeMap<Partition, Vec<Part>> = BTreeMap::new();
    while let Some(view) = views.try_next().await? {
        let file = Logged::of_view(&view);
        // Of a file with a deletion vector, made by another engine, not all rows count.
        if file.bytes() >= SMALL_BYTES || view.deletion_vector_descriptor().is_some() {
            continue;
        }
        let partition = view.partition_values_map().into_iter().collect();
        found.entry(partition).or_default().push(Part {
            file,
            written: view.modification_time(),
            remove: view.remove_action(false),
        });
    }
    Ok(found)
}

/// Which files become one: those that follow each other, up to the bytes of a large file.
fn joins(small: BTreeMap<Partition, Vec<Part>>) -> Vec<Join> {
    let mut joins = Vec::new();
    for (partition, mut parts) in small {
        parts.sort_by(|one, other| (one.written, &one.file.path).cmp(&(other.written, &other.file.path)));
        let (mut some, mut bytes) = (Vec::new(), 0);
        let mut join = |parts: Vec<Part>| {
            if parts.len() > 1 || is_mixed(&partition) && !parts.is_empty() {
                let partition = partition.clone();
                joins.push(Join { partition, parts });
            }
        };
        for part in parts {
            if bytes + part.file.bytes() > SMALL_BYTES {
                join(std::mem::take(&mut some));
                bytes = 0;
            }
            bytes += part.file.bytes();
            some.push(part);
        }
        join(some);
    }
    joins
}

/// Whether rows about any brand lie together there.
fn is_mixed(partition: &Partition) -> bool {
    let bucket = partition.get("bucket").and_then(Option::as_deref);
    bucket.and_then(|bucket| bucket.parse().ok()) == Some(MIXED_BUCKET)
}

/// Writes the rows of several files as one, or as one for each bucket where they lay together; leaves nothing where it fails.
async fn write(table: &DeltaTable, join: &Join) -> Result<Vec<Add>, Error> {
    let mut writer = RecordBatchWriter::for_table(table)?.with_writer_properties(properties());
    let schema = writer.arrow_schema();
    let (mixed, partition) = (
        is_mixed(&join.partition),
        join.partition.clone().into_iter().collect(),
    );
    for part in &join.parts {
        // What was damaged is not given a new sum.
        part.file.look(table).await?;
        let file = parquet_file(table.log_store().object_store(None), part.file.path.clone()).await?;
        let mut batches = file.build()?;
        while let Some(batch) = batches.try_next().await? {
            let rows = whole(&batch, &schema, &partition)?;
            let rows = if mixed { by_brand(&rows)? } else { rows };
            writer.write(rows).await?;
        }
    }
    let mut adds = writer.flush().await?;
    for add in &mut adds {
        add.data_change = false;
    }
    sums::seal(table, &mut adds).await?;
    Ok(adds)
}

/// Joined files are written once and read often.
fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(4).unwrap_or_default();
    fact_properties()
        .into_builder()
        .set_compression(Compression::ZSTD(level))
        .build()
}
