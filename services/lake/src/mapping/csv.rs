//! CSV files as people have them.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io::{self, BufRead},
};

use arrow::datatypes::SchemaRef;
use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value};

use super::{
    Source,
    files::{Input, no_column},
    records::{Record, Records},
    refused::{BEYOND, shown},
    scan::Scan,
    table::{Building, Chunk, Found, Nulls, plain},
    text::{self, Text, Unread},
    wrong,
};
use crate::Error;

/// Stands for a separator of several bytes.
const ONE: char = '\u{1f}';

/// How the files of a source are written.
#[derive(Clone, Debug)]
struct Dialect {
    /// The separator, where it is more than one byte.
    several: Option<String>,
    separator: u8,
    has_quotes: bool,
    has_header: bool,
    skip_lines: usize,
    nulls: Nulls,
}

/// One file of a source.
#[derive(Clone, Debug)]
struct Part {
    file: Input,
    encoding: &'static Encoding,
    /// For each column of the source its place in the file.
    places: Vec<usize>,
    /// Values that a row may have.
    width: usize,
    header: Option<Vec<String>>,
}

impl Part {
    /// Why a row cannot be taken that has more values than there are columns.
    fn too_wide(&self, record: Record<'_>) -> Option<String> {
        if record.len() <= self.width {
            return None;
        }
        let mut beyond = record.values().skip(self.width);
        let beyond = beyond.find(|value| !value.as_bytes().trim_ascii().is_empty())?;
        Some(format!(
            "{} values where there are {} columns, the first beyond them `{}`; put a value that has the separator in it into quotes",
            record.len(),
            self.width,
            shown(beyond)
        ))
    }

    /// Whether a row is the header again, as in files that were joined.
    fn is_header(&self, record: Record<'_>) -> bool {
        let header = self.header.as_ref();
        header.is_some_and(|header| header.len() == record.len() && record.values().eq(header.iter()))
    }
}

/// The CSV files of a source.
#[derive(Clone, Debug)]
pub(super) struct Csv {
    dialect: Dialect,
    parts: Vec<Part>,
    /// Whether there are rows that cannot be taken.
    pub has_refused: bool,
}

impl Csv {
    /// Reads each file once.
    ///
    /// # Errors
    /// When one cannot be read, is not whole, or lacks a column that the first one has.
    pub fn open(name: &str, source: &Source, files: &[Input]) -> Result<Found<Self>, Error> {
        let dialect = Dialect::of(name, source)?;
        let mut columns: Vec<String> = source.columns.clone();
        let mut csv = Self {
            dialect,
            parts: Vec::with_capacity(files.len()),
            has_refused: false,
        };
        let mut notes = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let read = csv.read(file, source.encoding.as_deref(), &mut columns);
            let added = read.map_err(|unread| unread.of(file.path()))?;
            if number > 0 && !added.is_empty() {
                notes.push(format!(
                    "{} has columns that {} has not, which are not read: {}",
                    file.path().display(),
                    files.first().map_or(file, |first| first).path().display(),
                    added.join(", ")
                ));
            }
        }
        Ok(Found {
            format: csv,
            columns,
            notes,
        })
    }

    /// Reads a file and adds it; answers the columns that it has more than the source.
    fn read(
        &mut self,
        file: &Input,
        encoding: Option<&str>,
        columns: &mut Vec<String>,
    ) -> Result<Vec<String>, Unread> {
        let dialect = &self.dialect;
        let declared = (!dialect.has_header).then_some(columns.len());
        let encoding = if file.is_sheet() {
            Some(UTF_8.name())
        } else {
            encoding
        };
        let (encoding, is_too_wide) = text::in_its_encoding(file.at(), encoding, |encoding| {
            dialect.scan(file, encoding, declared)
        })?;
        let header = match dialect.has_header {
            true => dialect.records(file, encoding)?.next()?.map(|record| {
                let values = record.values().map(|value| dialect.restored(value).into_owned());
                values.collect::<Vec<_>>()
            }),
            false => None,
        };
        let names = header.as_ref().map(|header| names(header));
        if columns.is_empty() {
            *columns = names.clone().unwrap_or_default();
        }
        if columns.is_empty() {
            return Err(Unread::Wrong(
                "in which there is no line with the names of the columns".to_owned(),
            ));
        }
        let places = places(columns, names.as_deref())?;
        self.has_refused |= is_too_wide;
        self.parts.push(Part {
            file: file.clone(),
            encoding,
            places,
            width: header.as_ref().map_or(columns.len(), Vec::len),
            header,
        });
        let mut added = names.unwrap_or_default();
        added.retain(|name| !columns.contains(name));
        Ok(added)
    }

    /// Reads all rows.
    pub fn rows(&self) -> Rows {
        Rows {
            dialect: self.dialect.clone(),
            parts: self.parts.clone().into_iter(),
            open: None,
        }
    }
}

/// The columns' names, in the order of the file. What has none is `column N`; of equal ones, `NAME (1)`, `NAME (2)`, …
fn names(header: &[String]) -> Vec<String> {
    let mut given: Vec<&str> = header.iter().map(|name| plain(name)).collect();
    while given.last().is_some_and(|name| name.is_empty()) {
        given.pop();
    }
    let mut times: HashMap<&str, usize> = HashMap::new();
    given
        .iter()
        .for_each(|name| *times.entry(*name).or_default() += 1);
    let mut taken: HashSet<String> = HashSet::new();
    let is_single = |name: &str| !name.is_empty() && times.get(name) == Some(&1);
    taken.extend(
        given
            .iter()
            .filter(|name| is_single(name))
            .map(|name| (*name).to_owned()),
    );
    let mut free = |mut names: Box<dyn Iterator<Item = String> + '_>| {
        names.find(|name| taken.insert(name.clone())).unwrap_or_default()
    };
    let named = given.iter().enumerate().map(|(at, name)| match *name {
        "" => free(Box::new((at + 1..).map(|number| format!("column {number}")))),
        name if is_single(name) => name.to_owned(),
        name => free(Box::new((1..).map(move |number| format!("{name} ({number})")))),
    });
    named.collect()
}

/// Where the columns of the source stand in a file.
fn places(columns: &[String], names: Option<&[String]>) -> Result<Vec<usize>, Unread> {
    let Some(names) = names else {
        return Ok((0..columns.len()).collect());
    };
    let place = |column: &String| {
        let found = names.iter().position(|name| name == column);
        found.ok_or_else(|| Unread::Wrong(no_column(column, names)))
    };
    columns.iter().map(place).collect()
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
        Ok(Self {
            several,
            separator,
            has_quotes: source.quotes.unwrap_or(true),
            has_header: source.header.unwrap_or(source.columns.is_empty()),
            skip_lines: source.skip_lines,
            nulls: Nulls::of(source),
        })
    }

    /// The text of a file behind the lines that are skipped.
    fn text(&self, file: &Input, encoding: &'static Encoding) -> io::Result<Text> {
        let separator = match &self.several {
            Some(several) if !file.is_sheet() => Some((several.clone(), ONE)),
            _ => None,
        };
        let mut text = Text::new(text::unpacked(file.at())?, encoding, separator);
        // A sheet is written without them.
        let skipped = if file.is_sheet() { 0 } else { self.skip_lines };
        for _ in 0..skipped {
            text.skip_until(b'\n')?;
        }
        // Joined files have more than one mark.
        while text.fill_buf()?.starts_with(text::BOM) {
            text.consume(text::BOM.len());
        }
        Ok(text)
    }

    /// How the values of a file are parted: the separator, and whether there are quotes.
    fn parting(&self, file: &Input) -> (u8, bool) {
        if file.is_sheet() {
            (b',', true)
        } else {
            (self.separator, self.has_quotes)
        }
    }

    fn records(&self, file: &Input, encoding: &'static Encoding) -> io::Result<Records<Text>> {
        let (separator, has_quotes) = self.parting(file);
        let text = self.text(file, encoding)?;
        let line = self.skip_lines as u64 + 1;
        Ok(Records::new(text, separator, has_quotes, line, file.is_sheet()))
    }

    /// Reads a file once; whether a row has more values than there are columns.
    fn scan(&self, file: &Input, encoding: &'static Encoding, width: Option<usize>) -> Result<bool, Unread> {
        let (separator, has_quotes) = self.parting(file);
        let mut text = self.text(file, encoding)?;
        let mut scan = Scan::new(separator, has_quotes, self.skip_lines as u64 + 1, width);
        loop {
            let bytes = text.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let seen = bytes.len();
            scan.see(bytes).map_err(Unread::Wrong)?;
            text.consume(seen);
        }
        scan.end().map_err(Unread::Wrong)?;
        Ok(scan.is_too_wide)
    }

    /// A value as the file has it, where a character stood for its separator.
    fn restored<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match &self.several {
            Some(several) if value.contains(ONE) => Cow::Owned(value.replace(ONE, several)),
            _ => Cow::Borrowed(value),
        }
    }
}

/// The rows of the files, some at a time.
pub(super) struct Rows {
    dialect: Dialect,
    parts: std::vec::IntoIter<Part>,
    open: Option<(Part, Records<Text>)>,
}

impl Rows {
    /// The next rows; `None` at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read on.
    pub fn next(&mut self, schema: &SchemaRef) -> Result<Option<Chunk>, Error> {
        loop {
            if let Some((part, records)) = &mut self.open {
                let unreadable = |error| Unread::Broken(error).of(part.file.path());
                let building = self.dialect.build(schema, part, records).map_err(unreadable)?;
                if let Some(chunk) = building.done(schema)? {
                    return Ok(Some(chunk));
                }
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            let unreadable = |error| Unread::Broken(error).of(part.file.path());
            let mut records = self
                .dialect
                .records(&part.file, part.encoding)
                .map_err(unreadable)?;
            if part.header.is_some() {
                records.next().map_err(unreadable)?;
            }
            self.open = Some((part, records));
        }
    }
}

impl Dialect {
    /// What a row holds that has more values than there are columns.
    fn row_beyond(&self, schema: &SchemaRef, part: &Part, record: Record<'_>) -> Map<String, Value> {
        let text = |value: &str| Value::String(self.restored(value).into_owned());
        let columns = schema.fields().iter().zip(&part.places);
        let mut row: Map<String, Value> = columns
            .map(|(field, place)| {
                (
                    field.name().clone(),
                    record.value(*place).map_or(Value::Null, text),
                )
            })
            .collect();
        row.insert(
            BEYOND.to_owned(),
            record.values().skip(part.width).map(text).collect(),
        );
        row
    }

    /// The next rows of a file; none at its end.
    fn build(&self, schema: &SchemaRef, part: &Part, records: &mut Records<Text>) -> io::Result<Building> {
        let mut building = Building::new(schema, part.file.path());
        while !building.is_full() {
            let Some(record) = records.next()? else {
                break;
            };
            if part.is_header(record) {
                continue;
            }
            if let Some(reason) = part.too_wide(record) {
                let row = self.row_beyond(schema, part, record);
                building.refuse(record.line, record.bytes(), reason, row);
                continue;
            }
            let restored = self.several.is_some().then(|| {
                let values = record.values().map(|value| self.restored(value));
                values.collect::<Vec<_>>()
            });
            let value = |place: &usize| {
                let value = match &restored {
                    Some(values) => values.get(*place).map(|value| &**value),
                    None => record.value(*place),
                };
                self.nulls.value(value.unwrap_or_default())
            };
            building.row(record.line, record.bytes(), part.places.iter().map(value));
        }
        Ok(building)
    }
}
