//! Files of text as one table, whose columns are text.
//!
//! A file is read once before anything is written, to see that it is whole. What is wrong with it is reported with file and line;
//! a row that is wrong is refused alone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStream, streaming::PartitionStream},
};

use serde_json::{Map, Value};

use super::{
    Source,
    csv::{self, Csv},
    files::Input,
    json::{self, Json},
    refused::Refused,
};
use crate::Error;

/// Rows that are read at a time.
const CHUNK_ROWS: usize = 8_192;
/// Bytes of rows that are read at a time.
const CHUNK_BYTES: usize = 32 << 20;
/// Chunks that wait.
const AHEAD: usize = 4;
/// The longest row, in bytes.
pub(super) const LONGEST_ROW: usize = 16 << 20;
/// The most columns.
pub(super) const MOST_COLUMNS: usize = 4_096;
/// What counts as no value, where the mapping does not say.
const NULLS: [&str; 5] = ["", "\\N", "NULL", "null", "-"];

/// Some rows of a source.
pub(super) struct Chunk {
    pub rows: RecordBatch,
    /// Their file.
    pub file: PathBuf,
    /// The line of each row.
    pub lines: Vec<u64>,
    /// Rows among these that cannot be taken.
    pub refused: Vec<Refused>,
}

/// Rows that become a chunk.
pub(super) struct Building {
    columns: Vec<StringBuilder>,
    file: PathBuf,
    lines: Vec<u64>,
    refused: Vec<Refused>,
    bytes: usize,
}

impl Building {
    pub fn new(schema: &SchemaRef, file: &Path) -> Self {
        Self {
            columns: schema
                .fields()
                .iter()
                .map(|_| StringBuilder::with_capacity(0, 0))
                .collect(),
            file: file.to_owned(),
            lines: Vec::new(),
            refused: Vec::new(),
            bytes: 0,
        }
    }

    pub fn is_full(&self) -> bool {
        self.lines.len() + self.refused.len() >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES
    }

    /// Adds a row of so many bytes: a value, or none, for each column.
    pub fn row<'a>(&mut self, line: u64, bytes: usize, values: impl Iterator<Item = Option<&'a str>>) {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.append_option(value);
        }
        self.lines.push(line);
        self.bytes += bytes;
    }

    /// Refuses a row of so many bytes, of which `row` is known.
    pub fn refuse(&mut self, line: u64, bytes: usize, reason: String, row: Map<String, Value>) {
        let refused = Refused::in_file(self.file.clone(), line, reason);
        self.refused.push(Refused { row, ..refused });
        self.bytes += bytes;
    }

    /// The chunk; `None` where there are no rows.
    pub fn done(mut self, schema: &SchemaRef) -> Result<Option<Chunk>, Error> {
        if self.lines.len() + self.refused.len() == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter_mut();
        let columns: Vec<ArrayRef> = columns
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect();
        Ok(Some(Chunk {
            rows: RecordBatch::try_new(Arc::clone(schema), columns)?,
            file: self.file,
            lines: self.lines,
            refused: self.refused,
        }))
    }
}

/// What is no value in a source.
#[derive(Clone, Debug)]
pub(super) struct Nulls {
    texts: Arc<[String]>,
    longest: usize,
}

impl Nulls {
    pub fn of(source: &Source) -> Self {
        let texts = source
            .nulls
            .clone()
            .unwrap_or_else(|| NULLS.map(str::to_owned).to_vec());
        Self {
            longest: texts.iter().map(String::len).max().unwrap_or_default(),
            texts: texts.into(),
        }
    }

    /// A value without what surrounds it; `None` where it is none.
    pub fn value<'a>(&self, text: &'a str) -> Option<&'a str> {
        let value = plain(text);
        let is_null = value.len() <= self.longest && self.texts.iter().any(|null| null == value);
        (!is_null).then_some(value)
    }
}

/// How the files of a source are written.
#[derive(Clone, Debug)]
enum Format {
    Csv(Csv),
    Json(Json),
}

/// A source of files of text: one table, whose columns are text.
#[derive(Debug)]
pub(super) struct Table {
    schema: SchemaRef,
    format: Format,
    notes: Vec<String>,
}

/// What the first reading of a source's files finds.
pub(super) struct Found<T> {
    pub format: T,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// What who imports should know.
    pub notes: Vec<String>,
}

impl Table {
    /// Opens CSV files and reads each once.
    ///
    /// # Errors
    /// When one cannot be read, is not whole, or lacks a column that the first one has.
    pub fn of_csv(name: &str, source: &Source, files: &[Input]) -> Result<Self, Error> {
        Csv::open(name, source, files).map(|found| Self::of(found, Format::Csv))
    }

    /// Opens JSON files and reads each once.
    ///
    /// # Errors
    /// When one cannot be read, or is not whole.
    pub fn of_json(source: &Source, files: &[Input]) -> Result<Self, Error> {
        Json::open(source, files).map(|found| Self::of(found, Format::Json))
    }

    fn of<T>(found: Found<T>, format: fn(T) -> Format) -> Self {
        let fields = found.columns.iter();
        let fields: Vec<Field> = fields
            .map(|column| Field::new(column, DataType::Utf8, true))
            .collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            format: format(found.format),
            notes: found.notes,
        }
    }

    /// What who imports should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The rows that cannot be split into columns, which no `SELECT` sees.
    ///
    /// # Errors
    /// When a file cannot be read on.
    pub fn refused(&self) -> Result<Vec<Refused>, Error> {
        let has_refused = match &self.format {
            Format::Csv(csv) => csv.has_refused,
            Format::Json(json) => json.has_refused,
        };
        let (mut chunks, mut refused) = (self.chunks(), Vec::new());
        while has_refused && let Some(chunk) = chunks.next()? {
            refused.extend(chunk.refused);
        }
        Ok(refused)
    }

    /// Reads all rows, some at a time.
    pub fn chunks(&self) -> Chunks {
        Chunks {
            schema: Arc::clone(&self.schema),
            reading: match &self.format {
                Format::Csv(csv) => Reading::Csv(Box::new(csv.rows())),
                Format::Json(json) => Reading::Json(Box::new(json.rows(&self.schema))),
            },
        }
    }
}

enum Reading {
    Csv(Box<csv::Rows>),
    Json(Box<json::Rows>),
}

/// The rows of a source, some at a time.
pub(super) struct Chunks {
    schema: SchemaRef,
    reading: Reading,
}

impl Chunks {
    /// The next rows; `None` at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read on.
    pub fn next(&mut self) -> Result<Option<Chunk>, Error> {
        match &mut self.reading {
            Reading::Csv(rows) => rows.next(&self.schema),
            Reading::Json(rows) => rows.next(&self.schema),
        }
    }
}

impl PartitionStream for Table {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), AHEAD);
        let send = builder.tx();
        let mut chunks = self.chunks();
        builder.spawn_blocking(move || {
            let failed = |error: Error| DataFusionError::External(Box::new(error));
            while let Some(chunk) = chunks.next().map_err(failed)? {
                if send.blocking_send(Ok(chunk.rows)).is_err() {
                    // Nobody reads on.
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// A value without what people and programs put around it: blanks of any kind, `="…"` and a leading apostrophe, by which Excel
/// is kept from taking an id for a number.
pub(super) fn plain(value: &str) -> &str {
    // Most values are bare.
    let is_bare = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b'\'');
    if let [first, .., last] = value.as_bytes()
        && is_bare(first)
        && last.is_ascii_graphic()
    {
        return value;
    }
    let is_blank = |one: char| one.is_whitespace() || one == '\u{feff}' || one == '\u{200b}';
    let value = value.trim_matches(is_blank);
    let guarded = value.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    let guarded = guarded.or_else(|| {
        let rest = value.strip_prefix('\'')?;
        rest.starts_with(|first: char| first.is_ascii_digit())
            .then_some(rest)
    });
    guarded.map_or(value, |inner| inner.trim_matches(is_blank))
}
