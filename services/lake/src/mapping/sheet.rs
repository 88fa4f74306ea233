//! Workbooks of Excel: the first sheet as CSV, in which each record is a row of the sheet.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
};

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use csv::Writer;

use super::text::Unread;

/// Whole numbers from here on have digits that Excel has rounded to zeros.
const ROUNDED: f64 = 1e15;
/// Seconds of a day.
const DAY: f64 = 86_400.0;

impl From<XlsxError> for Unread {
    fn from(error: XlsxError) -> Self {
        Self::Wrong(format!("a workbook that is not whole: {error}"))
    }
}

impl From<csv::Error> for Unread {
    fn from(error: csv::Error) -> Self {
        Self::Broken(io::Error::other(error))
    }
}

/// Cells to report: how many, and the first.
#[derive(Default)]
struct Told {
    cells: u64,
    first: String,
}

impl Told {
    fn add(&mut self, row: u32, column: u32) {
        if self.cells == 0 {
            self.first = format!("{}{}", letters(column), row + 1);
        }
        self.cells += 1;
    }

    fn note(&self, what: &str) -> Option<String> {
        let Self { cells, first } = self;
        (*cells > 0).then(|| format!("{cells} cells (first {first}) {what}"))
    }
}

/// Writes the first sheet of a workbook, without so many rows at its top; answers what is said of it.
///
/// # Errors
/// When it is not whole, or has no sheet.
pub(super) fn write(path: &Path, skip_rows: usize, into: impl Write) -> Result<Vec<String>, Unread> {
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(File::open(path)?))?;
    let sheets = book.sheets_metadata().iter();
    let sheets =
        sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let sheets: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
    let Some(first) = sheets.first() else {
        return Err(Unread::Wrong(
            "a workbook without a sheet that is shown".to_owned(),
        ));
    };
    let mut notes = Vec::new();
    if sheets.len() > 1 {
        notes.push(format!(
            "of the sheets {} only the first is read; save another one as a file of its own",
            sheets.join(", ")
        ));
    }
    let mut cells = book.worksheet_cells_reader(first)?;
    let mut rows = Rows {
        csv: csv::WriterBuilder::new().flexible(true).from_writer(into),
        skip: u32::try_from(skip_rows).unwrap_or(u32::MAX),
        at: 0,
        row: Vec::new(),
    };
    let (mut errors, mut rounded) = (Told::default(), Told::default());
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        let text = match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::Error(_) => {
                errors.add(row, column);
                continue;
            }
            DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Bool(flag) => flag.to_string(),
            DataRef::DateTime(time) => of_time(*time),
            DataRef::Int(number) => of_number(*number as f64),
            DataRef::Float(number) => of_number(*number),
        };
        if matches!(cell.get_value(), DataRef::Float(number) if number.abs() >= ROUNDED) {
            rounded.add(row, column);
        }
        rows.cell(row, column, text)?;
    }
    rows.end()?;
    notes.extend(errors.note("hold errors such as #N/A and are read as no value"));
    notes.extend(rounded.note(
        "hold numbers of more than 15 digits, of which Excel has dropped the last; give the column the format Text and export again",
    ));
    Ok(notes)
}

/// Writes rows whose cells come one by one.
struct Rows<W: Write> {
    csv: Writer<W>,
    skip: u32,
    /// The row that the next cell may belong to.
    at: u32,
    row: Vec<String>,
}

impl<W: Write> Rows<W> {
    fn cell(&mut self, row: u32, column: u32, text: String) -> Result<(), Unread> {
        if row < self.at {
            return Err(Unread::Wrong(
                "a workbook whose rows are not in order; save it again with Excel".to_owned(),
            ));
        }
        while self.at < row {
            self.end()?;
        }
        let column = column as usize;
        if self.row.len() <= column {
            self.row.resize(column + 1, String::new());
        }
        if let Some(slot) = self.row.get_mut(column) {
            *slot = text;
        }
        Ok(())
    }

    /// Ends a row; one without cells is a record, too.
    fn end(&mut self) -> Result<(), Unread> {
        if self.row.is_empty() {
            self.row.push(String::new());
        }
        if self.at >= self.skip {
            self.csv.write_record(&self.row)?;
        }
        self.row.clear();
        self.at += 1;
        Ok(())
    }
}

/// A number as Excel shows it where there is room: 15 digits, and the exponent where there are more before the point.
fn of_number(number: f64) -> String {
    let shown = format!("{number:.14E}");
    if number.abs() >= ROUNDED {
        return shown.replace('E', "E+");
    }
    shown.parse::<f64>().unwrap_or(number).to_string()
}

/// A time as the sheet shows it, of no zone.
fn of_time(time: ExcelDateTime) -> String {
    let days = time.as_f64();
    if time.is_duration() || (0.0..1.0).contains(&days) {
        let seconds = (days * DAY).round().clamp(-1e12, 1e12) as i64;
        let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
        return format!(
            "{sign}{:02}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        );
    }
    if days < 0.0 {
        return of_number(days);
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let whole = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    match milli {
        0 => whole,
        _ => format!("{whole}.{milli:03}"),
    }
}

/// The letters of a column, such as `AB`.
fn letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        letters.push(char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}
