//! The files of a source, and what they are.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    catalog::streaming::StreamingTable,
    common::TableReference,
    physical_plan::streaming::PartitionStream,
    prelude::{JsonReadOptions, ParquetReadOptions, SessionContext},
};

use super::{Source, csv::Csv, text, wrong};
use crate::{Error, reader::blocking};

/// How a Parquet file begins.
const PARQUET: &[u8] = b"PAR1";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Parquet,
    Json,
    Csv,
}

/// Lets a session read a source under its name; answers it where it is of CSV files.
///
/// # Errors
/// When it is not there, holds nothing, or cannot be read.
pub(super) async fn register(
    session: &SessionContext,
    name: &str,
    source: &Source,
    path: &Path,
) -> Result<Option<Arc<Csv>>, Error> {
    let text = path
        .to_str()
        .ok_or_else(|| wrong(format!("the path of source `{name}` is not UTF-8")))?;
    if !path.exists() {
        return Err(wrong(format!(
            "the file `{text}` of source `{name}` does not exist"
        )));
    }
    let failed = |error: datafusion::error::DataFusionError| {
        wrong(format!(
            "the source `{name}` ({text}) cannot be read: {}",
            error.strip_backtrace()
        ))
    };
    let files = files(path)?;
    let mut kinds = Vec::with_capacity(files.len());
    for file in &files {
        kinds.push(kind(file)?);
    }
    let kind = kinds.first().copied().unwrap_or(Kind::Csv);
    if let Some((other, _)) = files.iter().zip(&kinds).find(|(_, other)| **other != kind) {
        return Err(wrong(format!(
            "the files of source `{name}` are of different kinds: {} is not what {} is",
            other.display(),
            files
                .first()
                .map(|first| first.display().to_string())
                .unwrap_or_default()
        )));
    }
    let table = TableReference::bare(name);
    let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let extension = |file: Option<&PathBuf>| {
        let extension = file.and_then(|file| file.extension()?.to_str());
        extension.map_or_else(String::new, |extension| format!(".{extension}"))
    };
    match kind {
        Kind::Parquet => {
            let extension = extension(files.first());
            let options = ParquetReadOptions {
                file_extension: &extension,
                ..ParquetReadOptions::default()
            };
            let read = session.read_parquet(paths, options).await.map_err(failed)?;
            session.register_table(table, read.into_view()).map_err(failed)?;
        }
        Kind::Json => {
            let extension = extension(files.first());
            let options = JsonReadOptions::default().file_extension(&extension);
            let read = session.read_json(paths, options).await.map_err(failed)?;
            session.register_table(table, read.into_view()).map_err(failed)?;
        }
        Kind::Csv => {
            let (name, source) = (name.to_owned(), source.clone());
            let csv = Arc::new(blocking(move || Csv::open(&name, &source, &files)).await?);
            let streamed: Arc<dyn PartitionStream> = csv.clone();
            let streamed =
                StreamingTable::try_new(streamed.schema().clone(), vec![streamed]).map_err(failed)?;
            session
                .register_table(table, Arc::new(streamed))
                .map_err(failed)?;
            return Ok(Some(csv));
        }
    }
    Ok(None)
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

/// What a file holds, by its content; its name only tells JSON from other text.
fn kind(file: &Path) -> Result<Kind, Error> {
    let unreadable = |error: std::io::Error| wrong(format!("{} cannot be read: {error}", file.display()));
    let begin = text::begin(file).map_err(unreadable)?;
    if begin.starts_with(PARQUET) {
        return Ok(Kind::Parquet);
    }
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let is_json = |name: &str| {
        let json = [".json", ".jsonl", ".ndjson"];
        json.iter().any(|extension| name.ends_with(extension))
    };
    if text::is_packed(&begin) {
        let unpacked = name.rsplit_once('.').map_or("", |(unpacked, _)| unpacked);
        if is_json(unpacked) {
            return Err(wrong(format!(
                "{}: JSON that is packed cannot be read; unpack it first",
                file.display()
            )));
        }
        return Ok(Kind::Csv);
    }
    if begin.starts_with(b"PK\x03\x04") {
        return Err(wrong(format!(
            "{} is a workbook of Excel or a zip file; save the sheet as CSV, or unpack it first",
            file.display()
        )));
    }
    if !is_json(&name) {
        return Ok(Kind::Csv);
    }
    if first_letter(file).map_err(unreadable)? == Some(b'[') {
        return Err(wrong(format!(
            "{} is one JSON array; a file of JSON has one object a line (jq -c '.[]' makes it so)",
            file.display()
        )));
    }
    Ok(Kind::Json)
}

/// The first letter of a text that is no blank.
fn first_letter(file: &Path) -> std::io::Result<Option<u8>> {
    let mut begin = Vec::new();
    std::fs::File::open(file)?.take(4_096).read_to_end(&mut begin)?;
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&begin);
    Ok(begin.trim_ascii_start().first().copied())
}
