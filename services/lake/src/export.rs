//! Everything that the tables hold about a consumer, for those who ask what is known of them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{Field, Int8Type, Schema},
    json::LineDelimitedWriter,
};
use datafusion::prelude::{col, lit};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::{
    Error, TenantLake,
    erasure::{personal_facts, refused_of},
    fact::{Content, Fact},
    table,
};

impl TenantLake {
    /// The tables that have rows about consumers.
    #[must_use]
    pub fn personal_tables() -> Vec<&'static str> {
        personal_facts().map(|fact| fact.table).collect()
    }

    /// Rows of a table about a consumer, every revision of them, a JSON object each: instants in UTC, money in currency
    /// units, enums by name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn rows_about(&self, table: &str, consumer: &str) -> Result<Vec<String>, Error> {
        let Some(fact) = personal_facts().find(|fact| fact.table == table) else {
            return Ok(Vec::new());
        };
        let Some(opened) = self.inner.table(table)?.latest().await? else {
            return Ok(Vec::new());
        };
        let columns: Vec<&str> = fact.columns.iter().map(|column| column.name).collect();
        let about = col("consumer").eq(lit(consumer));
        let batches = table::scan_where(&self.inner.sums, &opened, self.name(), &[], about, &columns).await?;
        let mut rows = Vec::new();
        for batch in batches {
            let mut writer = LineDelimitedWriter::new(Vec::new());
            writer.write(&named(fact, &batch)?)?;
            writer.finish()?;
            let lines = String::from_utf8_lossy(&writer.into_inner()).into_owned();
            rows.extend(lines.lines().map(str::to_owned));
        }
        rows.sort_unstable();
        Ok(rows)
    }

    /// Refused rows about a consumer, with field and reason, a JSON object each.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn refused_about(&self, consumer: &str) -> Result<Vec<String>, Error> {
        let mut rows = Vec::new();
        for fact in personal_facts() {
            let folder = Path::from_iter(["dead-letter", self.name(), fact.name]);
            let files: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
            for file in files {
                let bytes = self.store().get(&file.location).await?.bytes().await?;
                let lines = bytes.split(|byte| *byte == b'\n');
                let mine = lines.filter(|line| refused_of(line).as_deref() == Some(consumer));
                rows.extend(mine.map(|line| String::from_utf8_lossy(line).into_owned()));
            }
        }
        rows.sort_unstable();
        Ok(rows)
    }
}

/// A batch with the names of enum values in place of their numbers.
fn named(fact: &Fact, batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let content = fact.columns.iter().find(|column| column.name == field.name());
        let column: ArrayRef = match (
            content.map(|column| column.content),
            array.as_primitive_opt::<Int8Type>(),
        ) {
            (Some(Content::Code(names)), Some(codes)) => {
                let name = |code: i8| names.get(usize::try_from(code).ok()?).copied();
                Arc::new(
                    codes
                        .iter()
                        .map(|code| code.and_then(name))
                        .collect::<StringArray>(),
                )
            }
            _ => array.clone(),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
