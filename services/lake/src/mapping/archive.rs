//! Zip files: one that holds a single file, and workbooks of Excel, which are zip files, too.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use encoding_rs::GB18030;
use tempfile::{NamedTempFile, TempPath};
use zip::{ZipArchive, result::ZipError};

use super::{sheet, text::Unread};

/// The most bytes that a file within a zip file may have.
const MOST_BYTES: u64 = 32 << 30;
/// The most bytes of a workbook's sheets, and of what it keeps beside them in memory.
const MOST_SHEETS: u64 = 4 << 30;
const MOST_BESIDE: u64 = 512 << 20;
/// Names of files in a message.
const TOLD: usize = 10;

/// What was within a zip file.
pub(super) struct Unpacked {
    pub path: TempPath,
    /// Its name.
    pub name: String,
    /// Whether it is the sheet of a workbook, as CSV.
    pub is_sheet: bool,
    /// What who imports should know.
    pub notes: Vec<String>,
}

impl From<ZipError> for Unread {
    fn from(error: ZipError) -> Self {
        Self::Wrong(format!("a zip file that is not whole: {error}"))
    }
}

/// Unpacks the one file that is within a zip file; of a workbook, its first sheet, without the rows that are skipped.
///
/// # Errors
/// When it is not whole, holds none or several, or what it holds is too large.
pub(super) fn unpacked(path: &Path, skip_rows: usize) -> Result<Unpacked, Unread> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let names: Vec<String> = archive.file_names_raw().map(named).collect();
    let has = |name: &str| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    if has("xl/workbook.bin") || has("content.xml") && has("mimetype") {
        return Err(Unread::Wrong(
            "which is a workbook that is not read (.xlsb, .ods); save it as .xlsx, or its sheet as CSV"
                .to_owned(),
        ));
    }
    if has("[Content_Types].xml") && names.iter().any(|name| name.starts_with("xl/")) {
        measure(&mut archive, &names)?;
        return temporary(|file| sheet::write(path, skip_rows, file)).map(|(path, notes)| Unpacked {
            path,
            name: String::new(),
            is_sheet: true,
            notes,
        });
    }
    let held: Vec<(usize, &String)> = names
        .iter()
        .enumerate()
        .filter(|(_, name)| is_data(name))
        .collect();
    let [(number, name)] = held[..] else {
        let told: Vec<&str> = held.iter().take(TOLD).map(|(_, name)| name.as_str()).collect();
        return Err(Unread::Wrong(format!(
            "a zip file that holds {} files where one is read{}{}{}; unpack it, and give a file or a folder of files that are \
             one table",
            held.len(),
            if told.is_empty() { "" } else { ": " },
            told.join(", "),
            if held.len() > TOLD { ", …" } else { "" }
        )));
    };
    let packed = archive.by_index(number)?;
    let (path, ()) = temporary(|file| {
        let bytes = io::copy(&mut packed.take(MOST_BYTES + 1), file)?;
        if bytes > MOST_BYTES {
            return Err(too_large(MOST_BYTES));
        }
        Ok(())
    })?;
    Ok(Unpacked {
        path,
        name: name.clone(),
        is_sheet: false,
        notes: Vec::new(),
    })
}

/// The name of a file within; programs of China write it in GBK.
fn named(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => GB18030.decode_without_bom_handling(raw).0.into_owned(),
    }
}

/// Whether a file within is one of data, and not a folder or what systems leave beside them.
fn is_data(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    !name.ends_with('/')
        && !name.starts_with("__MACOSX/")
        && !last.starts_with('.')
        && !matches!(last.to_ascii_lowercase().as_str(), "thumbs.db" | "desktop.ini")
}

/// Sees that a workbook has no more than can be read, whatever it says of itself.
fn measure(archive: &mut ZipArchive<BufReader<File>>, names: &[String]) -> Result<(), Unread> {
    let (mut sheets, mut beside) = (MOST_SHEETS, MOST_BESIDE);
    for (number, name) in names.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        if !(lower.ends_with(".xml") || lower.ends_with(".rels")) {
            continue;
        }
        let (left, most) = match lower.starts_with("xl/worksheets/") {
            true => (&mut sheets, MOST_SHEETS),
            false => (&mut beside, MOST_BESIDE),
        };
        let bytes = io::copy(&mut archive.by_index(number)?.take(*left + 1), &mut io::sink())?;
        *left = left.checked_sub(bytes).ok_or_else(|| too_large(most))?;
    }
    Ok(())
}

fn too_large(most: u64) -> Unread {
    Unread::Wrong(format!(
        "which holds more than {} MiB when unpacked; save it as several files, or as CSV packed by gzip",
        most >> 20
    ))
}

/// A file that is gone when it is not used any more, with what `write` writes to it.
fn temporary<T>(
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> Result<T, Unread>,
) -> Result<(TempPath, T), Unread> {
    let mut file = BufWriter::with_capacity(1 << 20, NamedTempFile::with_prefix("dualwheel-import-")?);
    let made = write(&mut file)?;
    file.flush()?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((file.into_temp_path(), made))
}
