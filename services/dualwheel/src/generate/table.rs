//! Rows on their way into a Parquet file: typed columns of one fact, written in batches of bounded size.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int8Builder, Int64Builder,
    ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use chrono::NaiveDate;
use dualwheel_lake::fact::{self, Fact};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

/// Rows of one batch.
pub const BATCH_ROWS: usize = 16_384;
/// Rows of one row group.
const GROUP_ROWS: usize = 262_144;

/// One column under construction.
enum Column {
    Text(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    Money(Decimal128Builder),
    Whole(Int64Builder),
    Share(Float64Builder),
    Instant(TimestampMicrosecondBuilder),
    Day(Date32Builder),
    Code(Int8Builder),
    Flag(BooleanBuilder),
}

impl Column {
    fn new(content: fact::Content) -> anyhow::Result<Self> {
        Ok(match fact::stored_type(content) {
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::List(element) => {
                Self::Texts(ListBuilder::new(StringBuilder::new()).with_field(element))
            }
            DataType::Decimal128(digits, scale) => {
                Self::Money(Decimal128Builder::new().with_precision_and_scale(digits, scale)?)
            }
            DataType::Int64 => Self::Whole(Int64Builder::new()),
            DataType::Float64 => Self::Share(Float64Builder::new()),
            DataType::Timestamp(_, zone) => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_timezone_opt(zone))
            }
            DataType::Date32 => Self::Day(Date32Builder::new()),
            DataType::Int8 => Self::Code(Int8Builder::new()),
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            other => anyhow::bail!("no builder for columns of type {other}"),
        })
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Texts(column) => Arc::new(column.finish()),
            Self::Money(column) => Arc::new(column.finish()),
            Self::Whole(column) => Arc::new(column.finish()),
            Self::Share(column) => Arc::new(column.finish()),
            Self::Instant(column) => Arc::new(column.finish()),
            Self::Day(column) => Arc::new(column.finish()),
            Self::Code(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
        }
    }
}

/// The table of one fact in one file, or in none when rows are only counted.
///
/// A row is written value by value in the order of the fact's columns and closed by [`Table::end`], which
/// reports a value that did not fit its column.
pub struct Table {
    fact: &'static Fact,
    schema: SchemaRef,
    columns: Vec<Column>,
    cursor: usize,
    misfit: Option<&'static str>,
    pending: usize,
    rows: u64,
    path: Option<PathBuf>,
    writer: Option<ArrowWriter<File>>,
}

impl Table {
    /// A table that becomes the file `<fact>.parquet`, or `<fact>-<shard>.parquet`, in a folder once it has a row.
    /// Without a folder, rows are counted and dropped.
    ///
    /// # Errors
    /// When no fact has the name.
    pub fn new(name: &str, folder: Option<&Path>, shard: Option<usize>) -> anyhow::Result<Self> {
        let fact = Fact::named(name).with_context(|| format!("no fact is called {name}"))?;
        let fields: Vec<Field> = fact
            .columns
            .iter()
            .map(|column| Field::new(column.name, fact::stored_type(column.content), !column.required))
            .collect();
        let columns = fact
            .columns
            .iter()
            .map(|column| Column::new(column.content))
            .collect::<Result<_, _>>()?;
        let file = match shard {
            Some(shard) => format!("{name}-{:04}.parquet", shard + 1),
            None => format!("{name}.parquet"),
        };
        Ok(Self {
            fact,
            schema: Arc::new(Schema::new(fields)),
            columns,
            cursor: 0,
            misfit: None,
            pending: 0,
            rows: 0,
            path: folder.map(|folder| folder.join(file)),
            writer: None,
        })
    }

    /// Name of the fact.
    pub fn name(&self) -> &'static str {
        self.fact.name
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn column(&mut self) -> Option<&mut Column> {
        let column = self.columns.get_mut(self.cursor);
        self.cursor += 1;
        column
    }

    fn refuse(&mut self, kind: &'static str) -> &mut Self {
        self.misfit.get_or_insert(kind);
        self
    }

    /// A key or text that is present.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.maybe_text(Some(value))
    }

    /// A key or text that may be missing.
    pub fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        match self.column() {
            Some(Column::Text(column)) => column.append_option(value),
            _ => return self.refuse("text"),
        }
        self
    }

    /// A list of texts; `None` means not supplied.
    pub fn texts<'a>(&mut self, values: Option<impl IntoIterator<Item = &'a str>>) -> &mut Self {
        match self.column() {
            Some(Column::Texts(column)) => match values {
                Some(values) => {
                    values
                        .into_iter()
                        .for_each(|value| column.values().append_value(value));
                    column.append(true);
                }
                None => column.append(false),
            },
            _ => return self.refuse("texts"),
        }
        self
    }

    /// Money in ten-thousandths of the currency's unit.
    pub fn money(&mut self, value: Option<i64>) -> &mut Self {
        match self.column() {
            Some(Column::Money(column)) => column.append_option(value.map(i128::from)),
            _ => return self.refuse("money"),
        }
        self
    }

    /// A whole number.
    pub fn whole(&mut self, value: Option<i64>) -> &mut Self {
        match self.column() {
            Some(Column::Whole(column)) => column.append_option(value),
            _ => return self.refuse("whole"),
        }
        self
    }

    /// A number from 0 to 1.
    pub fn share(&mut self, value: Option<f64>) -> &mut Self {
        match self.column() {
            Some(Column::Share(column)) => column.append_option(value.map(|value| value.clamp(0.0, 1.0))),
            _ => return self.refuse("share"),
        }
        self
    }

    /// An instant in UTC microseconds.
    pub fn instant(&mut self, value: Option<i64>) -> &mut Self {
        match self.column() {
            Some(Column::Instant(column)) => column.append_option(value),
            _ => return self.refuse("instant"),
        }
        self
    }

    /// A calendar day.
    pub fn day(&mut self, value: Option<NaiveDate>) -> &mut Self {
        match self.column() {
            Some(Column::Day(column)) => {
                column.append_option(value.map(arrow::datatypes::Date32Type::from_naive_date));
            }
            _ => return self.refuse("day"),
        }
        self
    }

    /// An enum value by number.
    pub fn code(&mut self, value: i8) -> &mut Self {
        match self.column() {
            Some(Column::Code(column)) => column.append_value(value),
            _ => return self.refuse("code"),
        }
        self
    }

    /// True, false or not supplied.
    pub fn flag(&mut self, value: Option<bool>) -> &mut Self {
        match self.column() {
            Some(Column::Flag(column)) => column.append_option(value),
            _ => return self.refuse("flag"),
        }
        self
    }

    /// Closes the row; every [`BATCH_ROWS`] rows they go to the file.
    ///
    /// # Errors
    /// When a value did not fit its column, a column was left out, or the file cannot be written.
    pub fn end(&mut self) -> anyhow::Result<()> {
        let columns = self.columns.len();
        if self.misfit.is_some() || self.cursor != columns {
            let misfit = self.misfit.unwrap_or("short row");
            anyhow::bail!(
                "{}: {} of {columns} values, misfit: {misfit}",
                self.fact.name,
                self.cursor
            );
        }
        self.cursor = 0;
        self.pending += 1;
        self.rows += 1;
        if self.pending >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        self.pending = 0;
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        let Some(path) = &self.path else { return Ok(()) };
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(open(path, self.schema.clone())?),
        };
        writer
            .write(&batch)
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Writes what is left and closes the file; `None` when there was no row or no folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(mut self) -> anyhow::Result<Option<PathBuf>> {
        self.flush()?;
        let Some(writer) = self.writer.take() else {
            return Ok(None);
        };
        writer
            .close()
            .with_context(|| format!("closing the file of {}", self.fact.name))?;
        Ok(self.path)
    }
}

fn open(path: &Path, schema: SchemaRef) -> anyhow::Result<ArrowWriter<File>> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let event_id = ColumnPath::from("event_id");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by("dualwheel generate".to_owned())
        // event ids are all different: a dictionary of them is work for nothing
        .set_column_dictionary_enabled(event_id.clone(), false)
        .set_column_encoding(event_id, Encoding::DELTA_BYTE_ARRAY)
        .build();
    Ok(ArrowWriter::try_new(file, schema, Some(properties))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let mut table = Table::new("stock_day", None, None).unwrap();
        assert!(
            table
                .text("b")
                .text("p")
                .end()
                .unwrap_err()
                .to_string()
                .contains("2 of 10 values")
        );
        let mut table = Table::new("stock_day", None, None).unwrap();
        assert!(
            table
                .whole(Some(1))
                .end()
                .unwrap_err()
                .to_string()
                .contains("misfit: whole")
        );
        assert!(Table::new("weather", None, None).is_err());
    }

    #[test]
    fn no_row_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table::new("stock_day", Some(folder.path()), Some(0)).unwrap();
        assert_eq!(table.close().unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
