//! The files of a source, and what they are.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    catalog::streaming::StreamingTable,
    common::TableReference,
    physical_plan::streaming::PartitionStream,
    prelude::{ParquetReadOptions, SessionContext},
};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use tempfile::TempPath;

use super::{Source, archive, table::Table, text, text::Unread, wrong};
use crate::{Error, reader::blocking};

/// How a Parquet file begins, a zip file, as which workbooks are stored, and what Office wrote before, or writes with a password.
const PARQUET: &[u8] = b"PAR1";
const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const OLD_OFFICE: &[u8] = b"\xd0\xcf\x11\xe0";
/// Zip files within each other, of which a workbook is one.
const NESTED: usize = 2;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Parquet,
    Json,
    Csv,
}

/// A file of a source, and where its bytes are.
#[derive(Clone, Debug)]
pub(super) struct Input {
    path: PathBuf,
    /// A copy of what is within it, gone with the last of these.
    unpacked: Option<Arc<TempPath>>,
    is_sheet: bool,
}

impl Input {
    fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            unpacked: None,
            is_sheet: false,
        }
    }

    /// The file that was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its bytes are read.
    pub fn at(&self) -> &Path {
        match &self.unpacked {
            Some(unpacked) => unpacked,
            None => &self.path,
        }
    }

    /// Whether it is the sheet of a workbook, of which each record of the copy is a row.
    pub fn is_sheet(&self) -> bool {
        self.is_sheet
    }
}

/// What a session reads of a source.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// The table, where the files are text.
    pub table: Option<Arc<Table>>,
    /// What who imports should know.
    pub notes: Vec<String>,
    /// Files that must stay while they are read.
    pub kept: Vec<Input>,
}

/// Lets a session read a source under its name.
///
/// # Errors
/// When it is not there, holds nothing, or cannot be read.
pub(super) async fn register(
    session: &SessionContext,
    name: &str,
    source: &Source,
    path: &Path,
) -> Result<Registered, Error> {
    if !path.exists() {
        return Err(wrong(format!(
            "the file `{}` of source `{name}` does not exist",
            path.display()
        )));
    }
    let failed = |error: datafusion::error::DataFusionError| {
        wrong(format!(
            "the source `{name}` ({}) cannot be read: {}",
            path.display(),
            error.strip_backtrace()
        ))
    };
    let (files, kind, mut notes) = {
        let (name, source, path) = (name.to_owned(), source.clone(), path.to_owned());
        blocking(move || opened(&name, &source, &path)).await?
    };
    let reference = TableReference::bare(name);
    if kind == Kind::Parquet {
        let options = ParquetReadOptions {
            // Any.
            file_extension: "",
            ..ParquetReadOptions::default()
        };
        let files = {
            let (files, told) = blocking(move || same_columns(&files).map(|told| (files, told))).await?;
            notes.extend(told);
            files
        };
        let urls: Vec<String> = files
            .iter()
            .map(|file| url(file.at()))
            .collect::<Result<_, _>>()?;
        let read = session.read_parquet(urls, options).await.map_err(failed)?;
        session
            .register_table(reference, read.into_view())
            .map_err(failed)?;
        return Ok(Registered {
            table: None,
            notes,
            kept: files,
        });
    }
    let (name, source) = (name.to_owned(), source.clone());
    let table = blocking(move || match kind {
        Kind::Json => Table::of_json(&source, &files),
        _ => Table::of_csv(&name, &source, &files),
    });
    let table = Arc::new(table.await?);
    notes.extend_from_slice(table.notes());
    let streamed: Arc<dyn PartitionStream> = table.clone();
    let streamed = StreamingTable::try_new(streamed.schema().clone(), vec![streamed]).map_err(failed)?;
    session
        .register_table(reference, Arc::new(streamed))
        .map_err(failed)?;
    Ok(Registered {
        table: Some(table),
        notes,
        kept: Vec::new(),
    })
}

/// The first file of a source, where it is of separated values; `None` where it is of another kind.
///
/// # Errors
/// When it is not there, or cannot be read.
pub(super) fn separated(path: &Path) -> Result<Option<Input>, Error> {
    let Some(file) = files(path)?.into_iter().next() else {
        return Ok(None);
    };
    let mut input = Input::of(&file);
    let kind = open(&mut input, &Source::default(), &mut Vec::new(), NESTED);
    let kind = kind.map_err(|unread| unread.of(&file))?;
    Ok((kind == Kind::Csv).then_some(input))
}

/// Whether each Parquet file has the columns of the first one; what is said of those that have more.
fn same_columns(files: &[Input]) -> Result<Vec<String>, Error> {
    let columns = |file: &Input| {
        let open = || -> Result<_, Unread> {
            let read = ArrowReaderMetadata::load(&File::open(file.at())?, ArrowReaderOptions::default());
            let read =
                read.map_err(|error| Unread::Wrong(format!("a Parquet file that is not whole: {error}")))?;
            Ok(read
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect::<Vec<String>>())
        };
        open().map_err(|unread| unread.of(file.path()))
    };
    let Some((first, others)) = files.split_first() else {
        return Ok(Vec::new());
    };
    let names = columns(first)?;
    let mut notes = Vec::new();
    for file in others {
        let mut more = columns(file)?;
        if let Some(name) = names.iter().find(|name| !more.contains(name)) {
            let reason = no_column(name, &more);
            return Err(Unread::Wrong(reason).of(file.path()));
        }
        more.retain(|name| !names.contains(name));
        if !more.is_empty() {
            notes.push(format!(
                "{} has columns that {} has not, which are null there: {}",
                file.path().display(),
                first.path().display(),
                more.join(", ")
            ));
        }
    }
    Ok(notes)
}

/// That a file lacks a column which the first file, or the mapping, has.
pub(super) fn no_column(column: &str, columns: &[String]) -> String {
    format!(
        "which has no column `{column}` that the source has; its columns are {}",
        columns.join(", ")
    )
}

/// The address of a file, in which no letter of its name has a meaning.
fn url(path: &Path) -> Result<String, Error> {
    let whole = std::path::absolute(path).map_err(|error| Unread::Broken(error).of(path))?;
    let url = url::Url::from_file_path(&whole);
    let url = url.map_err(|()| wrong(format!("the path {} is no path of a file", whole.display())))?;
    Ok(url.into())
}

/// The files of a source, unpacked, what all of them are, and what is said of them.
fn opened(name: &str, source: &Source, path: &Path) -> Result<(Vec<Input>, Kind, Vec<String>), Error> {
    let mut notes = Vec::new();
    let (mut inputs, mut kinds) = (Vec::new(), Vec::new());
    for file in files(path)? {
        let mut input = Input::of(&file);
        let kind = open(&mut input, source, &mut notes, NESTED).map_err(|unread| unread.of(&file))?;
        kinds.push(kind);
        inputs.push(input);
    }
    let kind = kinds.first().copied().unwrap_or(Kind::Csv);
    match inputs.iter().zip(&kinds).find(|(_, other)| **other != kind) {
        Some((other, _)) => Err(wrong(format!(
            "the files of source `{name}` are of different kinds: {} is not what {} is",
            other.path().display(),
            inputs.first().unwrap_or(other).path().display()
        ))),
        None => Ok((inputs, kind, notes)),
    }
}

/// The files of a source: one alone, or those of a folder that hold data, by name.
///
/// # Errors
/// When the folder cannot be read, or holds none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| wrong(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.is_file() && holds_data(&file) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(wrong(format!(
            "the folder {} holds no files of data",
            path.display()
        )));
    }
    Ok(files)
}

/// Whether a file of a folder is one of data, and not what programs and systems leave beside them.
fn holds_data(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let is_hidden = name.starts_with(['.', '_']) || name.starts_with("~$");
    !is_hidden && !lower.ends_with(".crc") && !matches!(lower.as_str(), "thumbs.db" | "desktop.ini")
}

/// What a file holds, by its content, unpacked where it is within another; a name shows JSON, too.
fn open(input: &mut Input, source: &Source, notes: &mut Vec<String>, nested: usize) -> Result<Kind, Unread> {
    let begin = text::begin(input.at())?;
    if begin.starts_with(PARQUET) {
        return Ok(Kind::Parquet);
    }
    if begin.starts_with(OLD_OFFICE) {
        return Err(Unread::Wrong(
            "which is a workbook of the old kind (.xls), or one with a password; save it as .xlsx without one, or its sheet as CSV"
                .to_owned(),
        ));
    }
    if begin.starts_with(ZIP) || begin.starts_with(EMPTY_ZIP) {
        if nested == 0 {
            return Err(Unread::Wrong(
                "which is a zip file within others; unpack it first".to_owned(),
            ));
        }
        let unpacked = archive::unpacked(input.at(), source.skip_lines)?;
        input.unpacked = Some(Arc::new(unpacked.path));
        input.is_sheet = unpacked.is_sheet;
        let path = input.path.display();
        notes.extend(unpacked.notes.into_iter().map(|note| format!("{path}: {note}")));
        if input.is_sheet {
            return Ok(Kind::Csv);
        }
        let kind = open(input, source, notes, nested - 1)?;
        return Ok(if is_json(&unpacked.name) { Kind::Json } else { kind });
    }
    let name = input.path.file_name().and_then(|name| name.to_str());
    if is_json(name.unwrap_or_default()) {
        return Ok(Kind::Json);
    }
    let first = text::first_letters(input.at(), source.encoding.as_deref())?;
    let is_json = matches!(first.as_str(), "{\"" | "{}" | "[{" | "[]");
    Ok(if is_json { Kind::Json } else { Kind::Csv })
}

/// Whether a name is that of a file of JSON, packed or not.
fn is_json(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let packed = [".gz", ".zst", ".zstd"];
    let name = packed
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    let json = [".json", ".jsonl", ".ndjson"];
    json.iter().any(|extension| name.ends_with(extension))
}
