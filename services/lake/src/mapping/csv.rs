//! CSV files as people have them, as tables of text.
//!
//! A file is read once to see that it is whole: its encoding, its columns, its quotes, the width of its rows. What is wrong is
//! told with file and line before anything is written.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use csv::{ByteRecord, Reader, ReaderBuilder};
use datafusion::{
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStream, streaming::PartitionStream},
};
use encoding_rs::Encoding;

use super::{
    Source,
    refused::{Refused, shown},
    text, wrong,
};
use crate::Error;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Batches that wait.
const AHEAD: usize = 4;
/// Stands for a separator of several bytes.
const ONE: char = '\u{1f}';
/// What counts as no value, where the mapping does not say.
const NULLS: [&str; 5] = ["", "\\N", "NULL", "null", "-"];

/// How the files of a source are written.
#[derive(Clone, Debug)]
struct Dialect {
    /// The separator, where it is more than one byte.
    several: Option<String>,
    separator: u8,
    has_quotes: bool,
    has_header: bool,
    skip_lines: usize,
    nulls: Arc<[String]>,
}

/// One file of a source.
#[derive(Clone, Debug)]
struct Part {
    path: PathBuf,
    encoding: &'static Encoding,
    /// For each column of the source its place in the file.
    places: Vec<usize>,
    /// Values that a row may have.
    width: usize,
    header: Option<ByteRecord>,
}

impl Part {
    fn refused(&self, line: u64, reason: String) -> Refused {
        Refused::in_file(self.path.clone(), line, reason)
    }

    /// Why a row cannot be taken that has more values than there are columns.
    fn too_wide(&self, record: &ByteRecord) -> Option<String> {
        let mut beyond = record.iter().skip(self.width);
        let beyond = beyond.find(|field| !field.trim_ascii().is_empty())?;
        Some(format!(
            "{} values where there are {} columns, the first beyond them `{}`; put a value that has the separator in it into quotes",
            record.len(),
            self.width,
            shown(&String::from_utf8_lossy(beyond))
        ))
    }
}

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

/// A source of CSV files: one table, whose columns are text.
#[derive(Debug)]
pub(super) struct Csv {
    schema: SchemaRef,
    dialect: Dialect,
    parts: Vec<Part>,
    too_wide: Option<Refused>,
}

/// The rows of a source, some at a time.
pub(super) struct Chunks {
    schema: SchemaRef,
    dialect: Dialect,
    parts: std::vec::IntoIter<Part>,
    open: Option<(Part, Reader<Box<dyn Read + Send>>)>,
}

impl Csv {
    /// Opens the files of the source `name` and reads each once.
    ///
    /// # Errors
    /// When a file cannot be read, is not whole, or lacks a column that the first one has.
    pub fn open(name: &str, source: &Source, files: &[PathBuf]) -> Result<Self, Error> {
        let dialect = Dialect::of(name, source)?;
        let mut columns: Vec<String> = source.columns.clone();
        let mut parts = Vec::with_capacity(files.len());
        let mut too_wide = None;
        for path in files {
            let encoding = text::encoding(path, source.encoding.as_deref())?;
            dialect.check_quotes(path, encoding)?;
            let mut reader = dialect.reader(path, encoding)?;
            let mut header = ByteRecord::new();
            let has_header = dialect.has_header && dialect.next(&mut reader, path, &mut header)?.is_some();
            let header = has_header.then_some(header);
            let names = header.as_ref().map(|header| names(header, &dialect));
            if columns.is_empty() {
                columns = names.clone().unwrap_or_default();
            }
            if columns.is_empty() {
                return Err(wrong(format!(
                    "{}: there is no line with the names of the columns",
                    path.display()
                )));
            }
            let part = Part {
                path: path.clone(),
                encoding,
                places: places(path, &columns, names.as_deref())?,
                width: header.as_ref().map_or(columns.len(), ByteRecord::len),
                header,
            };
            if too_wide.is_none() {
                too_wide = dialect.too_wide(&part, &mut reader)?;
            }
            parts.push(part);
        }
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(column, DataType::Utf8, true))
            .collect();
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            dialect,
            parts,
            too_wide,
        })
    }

    /// The first row that has more values than there are columns.
    pub fn too_wide(&self) -> Option<&Refused> {
        self.too_wide.as_ref()
    }

    /// Reads all rows, some at a time.
    pub fn chunks(&self) -> Chunks {
        Chunks {
            schema: Arc::clone(&self.schema),
            dialect: self.dialect.clone(),
            parts: self.parts.clone().into_iter(),
            open: None,
        }
    }
}

impl PartitionStream for Csv {
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
                if let Some(refused) = chunk.refused.first() {
                    return Err(failed(wrong(refused.to_string())));
                }
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

/// The columns' names, in the order of the file. What has none is `column N`; of equal ones, `NAME (1)`, `NAME (2)`, …
fn names(header: &ByteRecord, dialect: &Dialect) -> Vec<String> {
    let mut names: Vec<String> = header
        .iter()
        .map(|field| dialect.restored(&String::from_utf8_lossy(field)))
        .map(|name| plain(&name).to_owned())
        .collect();
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    for at in 0..names.len() {
        let Some(name) = names.get(at).cloned() else {
            continue;
        };
        if name.is_empty() {
            if let Some(slot) = names.get_mut(at) {
                *slot = format!("column {}", at + 1);
            }
            continue;
        }
        if names.iter().filter(|other| **other == name).count() > 1 {
            let equal = names.iter_mut().filter(|other| **other == name);
            for (number, slot) in (1..).zip(equal) {
                *slot = format!("{name} ({number})");
            }
        }
    }
    names
}

/// Where the columns of the source stand in a file.
fn places(path: &Path, columns: &[String], names: Option<&[String]>) -> Result<Vec<usize>, Error> {
    let Some(names) = names else {
        return Ok((0..columns.len()).collect());
    };
    let place = |column: &String| {
        let found = names.iter().position(|name| name == column);
        found.ok_or_else(|| {
            wrong(format!(
                "{} has no column `{column}`, which the source has; its columns are {}",
                path.display(),
                names.join(", ")
            ))
        })
    };
    columns.iter().map(place).collect()
}

/// A value without what people and programs put around it: blanks of any kind, `="…"` and a leading apostrophe, by which Excel
/// is kept from taking an id for a number.
fn plain(value: &str) -> &str {
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

impl Dialect {
    fn of(name: &str, source: &Source) -> Result<Self, Error> {
        let given = source.separator.as_deref().unwrap_or(",");
        let (separator, several) = match given.as_bytes() {
            [] => return Err(wrong(format!("the separator of source `{name}` is empty"))),
            [one] => (*one, None),
            _ => (ONE as u8, Some(given.to_owned())),
        };
        if matches!(separator, b'"' | b'\n' | b'\r') {
            return Err(wrong(format!(
                "the separator of source `{name}` cannot be a quote or a line break"
            )));
        }
        let nulls = match &source.nulls {
            Some(nulls) => nulls.clone(),
            None => NULLS.map(str::to_owned).to_vec(),
        };
        Ok(Self {
            several,
            separator,
            has_quotes: source.quotes.unwrap_or(true),
            has_header: source.header.unwrap_or(source.columns.is_empty()),
            skip_lines: source.skip_lines,
            nulls: nulls.into(),
        })
    }

    /// The text of a file behind the lines that are skipped, and their number.
    fn text(&self, path: &Path, encoding: &'static Encoding) -> io::Result<Box<dyn Read + Send>> {
        let separator = self.several.clone().map(|several| (several, ONE));
        let mut text = io::BufReader::new(text::Text::new(text::unpacked(path)?, encoding, separator));
        for _ in 0..self.skip_lines {
            io::BufRead::skip_until(&mut text, b'\n')?;
        }
        Ok(Box::new(text))
    }

    fn reader(
        &self,
        path: &Path,
        encoding: &'static Encoding,
    ) -> Result<Reader<Box<dyn Read + Send>>, Error> {
        let text = self
            .text(path, encoding)
            .map_err(|error| unreadable(path, &error))?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.separator)
            .quoting(self.has_quotes)
            .from_reader(text);
        Ok(reader)
    }

    /// The next record that has a value, and its line.
    fn next(
        &self,
        reader: &mut Reader<impl Read>,
        path: &Path,
        record: &mut ByteRecord,
    ) -> Result<Option<u64>, Error> {
        loop {
            let more = reader.read_byte_record(record);
            if !more.map_err(|error| unreadable(path, &error))? {
                return Ok(None);
            }
            let line = record.position().map_or(0, csv::Position::line) + self.skip_lines as u64;
            if record.iter().any(|field| !field.trim_ascii().is_empty()) {
                return Ok(Some(line));
            }
        }
    }

    /// Whether every quote that is opened is closed, before a separator or the end of a line.
    fn check_quotes(&self, path: &Path, encoding: &'static Encoding) -> Result<(), Error> {
        if !self.has_quotes {
            return Ok(());
        }
        let mut text = self
            .text(path, encoding)
            .map_err(|error| unreadable(path, &error))?;
        let mut quotes = Quotes::new(self.separator, self.skip_lines as u64 + 1);
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = text.read(&mut bytes).map_err(|error| unreadable(path, &error))?;
            let Some(some) = bytes.get(..read).filter(|some| !some.is_empty()) else {
                break;
            };
            for byte in some {
                quotes.see(*byte).map_err(|place| self.stray(path, place))?;
            }
        }
        match quotes.place {
            Place::Quoted => Err(wrong(format!(
                "{}, line {}: a quote is opened there and never closed, so that the rest of the file would be one value; close it, \
                 write a quote within a value twice, or set `quotes: false` where quotes are letters like others",
                path.display(),
                quotes.opened
            ))),
            _ => Ok(()),
        }
    }

    fn stray(&self, path: &Path, (opened, line): (u64, u64)) -> Error {
        wrong(format!(
            "{}, line {line}: text behind a quote that closes a value, which was opened on line {opened}; write a quote within a \
             value twice, close what is opened, or set `quotes: false` where quotes are letters like others",
            path.display()
        ))
    }

    /// Rows that have more values than there are columns, of which some would be lost.
    fn too_wide(&self, part: &Part, reader: &mut Reader<impl Read>) -> Result<Option<Refused>, Error> {
        let mut record = ByteRecord::new();
        while let Some(line) = self.next(reader, &part.path, &mut record)? {
            if let Some(reason) = part.too_wide(&record) {
                return Ok(Some(part.refused(line, reason)));
            }
        }
        Ok(None)
    }

    /// A value as the file has it, where a character stood for its separator.
    fn restored(&self, value: &str) -> String {
        match &self.several {
            Some(several) => value.replace(ONE, several),
            None => value.to_owned(),
        }
    }
}

impl Chunks {
    /// The next rows; `None` at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read on.
    pub fn next(&mut self) -> Result<Option<Chunk>, Error> {
        loop {
            if let Some((part, reader)) = &mut self.open {
                let chunk = self.dialect.chunk(&self.schema, part, reader)?;
                if chunk.rows.num_rows() + chunk.refused.len() > 0 {
                    return Ok(Some(chunk));
                }
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            let mut reader = self.dialect.reader(&part.path, part.encoding)?;
            if part.header.is_some() {
                self.dialect
                    .next(&mut reader, &part.path, &mut ByteRecord::new())?;
            }
            self.open = Some((part, reader));
        }
    }
}

impl Dialect {
    /// The next rows of a file; none at its end.
    fn chunk(&self, schema: &SchemaRef, part: &Part, reader: &mut Reader<impl Read>) -> Result<Chunk, Error> {
        let mut columns: Vec<StringBuilder> = part.places.iter().map(|_| StringBuilder::new()).collect();
        let (mut lines, mut refused) = (Vec::new(), Vec::new());
        let mut record = ByteRecord::new();
        while lines.len() + refused.len() < BATCH_ROWS {
            let Some(line) = self.next(reader, &part.path, &mut record)? else {
                break;
            };
            // Files that were joined have their header again.
            if part.header.as_ref().is_some_and(|header| *header == record) {
                continue;
            }
            if let Some(reason) = part.too_wide(&record) {
                refused.push(part.refused(line, reason));
                continue;
            }
            for (column, place) in columns.iter_mut().zip(&part.places) {
                let field = record.get(*place).unwrap_or_default();
                // What is read is UTF-8, and is cut at ASCII characters.
                let value = plain(std::str::from_utf8(field).unwrap_or_default());
                if self.nulls.iter().any(|null| null == value) {
                    column.append_null();
                } else if self.several.is_some() {
                    column.append_value(self.restored(value));
                } else {
                    column.append_value(value);
                }
            }
            lines.push(line);
        }
        let columns: Vec<ArrayRef> = columns
            .iter_mut()
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect();
        Ok(Chunk {
            rows: RecordBatch::try_new(Arc::clone(schema), columns)?,
            file: part.path.clone(),
            lines,
            refused,
        })
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    wrong(format!("{} cannot be read: {error}", path.display()))
}

/// Where a byte of a CSV file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the begin of a value.
    Begin,
    /// In a value without quotes.
    Open,
    /// Between quotes.
    Quoted,
    /// Behind a quote between quotes: it closes, or is the first of two.
    Closing,
}

/// Follows the quotes of a file.
struct Quotes {
    separator: u8,
    place: Place,
    line: u64,
    /// Line on which the last quote was opened.
    opened: u64,
}

impl Quotes {
    fn new(separator: u8, line: u64) -> Self {
        Self {
            separator,
            place: Place::Begin,
            line,
            opened: line,
        }
    }

    /// Sees the next byte; the lines of quote and text where text follows a quote that closes.
    fn see(&mut self, byte: u8) -> Result<(), (u64, u64)> {
        let ends = byte == self.separator || byte == b'\n' || byte == b'\r';
        self.place = match (self.place, byte) {
            (Place::Begin, b'"') => {
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Quoted, b'"') => Place::Closing,
            (Place::Quoted, _) | (Place::Closing, b'"') => Place::Quoted,
            (Place::Begin | Place::Open | Place::Closing, _) if ends => Place::Begin,
            (Place::Closing, b' ' | b'\t') => Place::Closing,
            (Place::Closing, _) => return Err((self.opened, self.line)),
            (Place::Begin | Place::Open, _) => Place::Open,
        };
        if byte == b'\n' {
            self.line += 1;
        }
        Ok(())
    }
}
