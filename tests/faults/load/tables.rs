//! Tables of a lake in a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use arrow::array::AsArray;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::Value;

/// How often each event is in a table, as any reader of Delta tables counts them: in the files that were added and not
/// removed.
pub fn events(table: &Path) -> BTreeMap<String, usize> {
    let mut logs: Vec<_> = std::fs::read_dir(table.join("_delta_log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    logs.sort();
    let mut files = BTreeSet::new();
    for log in logs {
        for line in std::fs::read_to_string(log).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                files.insert(path.to_owned());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
    let mut found = BTreeMap::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(table.join(file)).unwrap()).unwrap();
        let ids = ProjectionMask::columns(reader.parquet_schema(), ["event_id"]);
        for batch in reader.with_projection(ids).build().unwrap() {
            let batch = batch.unwrap();
            let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
            for id in column.as_string::<i32>().iter().flatten() {
                *found.entry(id.to_owned()).or_default() += 1;
            }
        }
    }
    found
}
