//! What a mapping makes of files, as texts that can be compared.

use std::{collections::BTreeMap, path::PathBuf};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use dualwheel_lake::{
    check::{Ground, check},
    mapping::{Import, Mapping},
};
use tempfile::TempDir;

/// A file of a test.
pub fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What became of the rows of one entry.
pub struct Mapped {
    pub fact: &'static str,
    pub refused: Vec<String>,
    batches: Vec<RecordBatch>,
}

impl Mapped {
    /// Some columns of each row, with bars between; a dash for none.
    pub fn rows(&self, columns: &str) -> Vec<String> {
        let options = FormatOptions::default().with_null("-");
        let mut rows = Vec::new();
        for batch in &self.batches {
            let shown: Vec<_> = columns
                .split(' ')
                .map(|name| {
                    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("{name}"));
                    ArrayFormatter::try_new(column, &options).unwrap()
                })
                .collect();
            for row in 0..batch.num_rows() {
                let value = |(name, column): (&str, &ArrayFormatter<'_>)| {
                    let value = column.value(row).to_string();
                    match name {
                        "kind" => {
                            dualwheel_proto::names::BEHAVIOR_KIND[value.parse::<usize>().unwrap()].to_owned()
                        }
                        _ => value,
                    }
                };
                let values: Vec<String> = columns.split(' ').zip(&shown).map(value).collect();
                rows.push(values.join("|"));
            }
        }
        rows
    }
}

/// Maps files as a mapping says.
pub async fn mapped(text: &str, files: &[(&str, PathBuf)]) -> Vec<Mapped> {
    let mapping = Mapping::parse("tried", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let paths: BTreeMap<String, PathBuf> = files
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.clone()))
        .collect();
    let import = Import::open(&mapping, &paths).await.unwrap();
    import
        .plan()
        .await
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut found = Vec::new();
    for (number, fact) in import.entries() {
        let mut rows = import.rows(number).await.unwrap();
        let (mut batches, mut refused) = (Vec::new(), Vec::new());
        while let Some(batch) = rows
            .next()
            .await
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
        {
            let ground = Ground {
                tenant: "t",
                zone: mapping.time_zone,
                now: i64::MAX / 2,
                source: ("p", 1),
            };
            let checked = check(fact, &batch, &ground).unwrap();
            let told = checked
                .refusals
                .iter()
                .map(|one| format!("{}: {}", one.field, one.reason));
            refused.extend(told);
            batches.push(checked.batch);
        }
        refused.extend(rows.refused().iter().map(ToString::to_string));
        found.push(Mapped {
            fact: fact.name,
            refused,
            batches,
        });
    }
    found
}
