//! JSON files as people have them: one object a line, or one array of objects. Each object is a row; a field of an object within
//! it has both names with a dot between, and an array is its text.

use std::{collections::HashMap, fmt, io, sync::Arc};

use arrow::datatypes::SchemaRef;
use encoding_rs::Encoding;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Source,
    elements::Elements,
    files::Input,
    refused::shown,
    table::{Building, Chunk, Found, MOST_COLUMNS, Nulls},
    text::{self, Text, Unread},
};
use crate::Error;

/// Objects within objects.
const DEEPEST: usize = 32;
/// Bytes of a field's name, with those of the objects around it.
const LONGEST_NAME: usize = 1_024;

/// The JSON files of a source.
#[derive(Clone, Debug)]
pub(super) struct Json {
    nulls: Nulls,
    parts: Vec<Part>,
    /// Whether there are rows that cannot be taken.
    pub has_refused: bool,
}

/// One file of a source.
#[derive(Clone, Debug)]
struct Part {
    file: Input,
    encoding: &'static Encoding,
}

impl Part {
    fn elements(&self) -> io::Result<Elements<Text>> {
        elements(&self.file, self.encoding)
    }
}

fn elements(file: &Input, encoding: &'static Encoding) -> io::Result<Elements<Text>> {
    Elements::new(Text::new(text::unpacked(file.at())?, encoding, None))
}

/// The names of a source's columns, with their places.
#[derive(Clone, Debug, Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    fn add(&mut self, name: &str) {
        if !self.places.contains_key(name) {
            self.places.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
        }
    }
}

impl Json {
    /// Reads each file once; the columns are all names in all of them, and those that are declared.
    ///
    /// # Errors
    /// When one cannot be read, or is not whole.
    pub fn open(source: &Source, files: &[Input]) -> Result<Found<Self>, Error> {
        let mut columns = Columns::default();
        source.columns.iter().for_each(|name| columns.add(name));
        let mut json = Self {
            nulls: Nulls::of(source),
            parts: Vec::with_capacity(files.len()),
            has_refused: false,
        };
        for file in files {
            let read = text::in_its_encoding(file.at(), source.encoding.as_deref(), |encoding| {
                look(file, encoding, columns.clone())
            });
            let (encoding, (found, has_refused)) = read.map_err(|unread| unread.of(file.path()))?;
            columns = found;
            json.has_refused |= has_refused;
            json.parts.push(Part {
                file: file.clone(),
                encoding,
            });
        }
        if columns.names.is_empty()
            && let Some(file) = files.first()
        {
            let none = "in which there is no object with a field; a file of JSON has one object a line, or one array of objects";
            return Err(Unread::Wrong(none.to_owned()).of(file.path()));
        }
        Ok(Found {
            format: json,
            columns: columns.names,
            notes: Vec::new(),
        })
    }

    /// Reads all rows as the columns of a schema.
    pub fn rows(&self, schema: &SchemaRef) -> Rows {
        let names = schema.fields().iter().enumerate();
        Rows {
            nulls: self.nulls.clone(),
            places: Arc::new(
                names
                    .map(|(place, field)| (field.name().clone(), place))
                    .collect(),
            ),
            parts: self.parts.clone().into_iter(),
            open: None,
        }
    }
}

/// Reads a file for its columns, and whether it has rows that cannot be taken.
fn look(file: &Input, encoding: &'static Encoding, mut columns: Columns) -> Result<(Columns, bool), Unread> {
    let mut elements = elements(file, encoding)?;
    let mut has_refused = false;
    while let Some(element) = elements.next()? {
        match flat(element.text) {
            Ok(fields) => fields.iter().for_each(|(name, _)| columns.add(name)),
            Err(_) => has_refused = true,
        }
        if columns.names.len() > MOST_COLUMNS {
            return Err(Unread::Wrong(format!(
                "line {}: more than {MOST_COLUMNS} different names of fields; names that are values, such as days or ids, belong \
                 into values",
                element.line
            )));
        }
    }
    Ok((columns, has_refused))
}

/// The rows of the files, some at a time.
pub(super) struct Rows {
    nulls: Nulls,
    places: Arc<HashMap<String, usize>>,
    parts: std::vec::IntoIter<Part>,
    open: Option<(Part, Elements<Text>)>,
}

impl Rows {
    /// The next rows; `None` at the end of the last file.
    ///
    /// # Errors
    /// When a file cannot be read on.
    pub fn next(&mut self, schema: &SchemaRef) -> Result<Option<Chunk>, Error> {
        loop {
            if let Some((part, elements)) = &mut self.open {
                let mut building = Building::new(schema, part.file.path());
                let built = build(&self.nulls, &self.places, &mut building, elements);
                built.map_err(|unread| unread.of(part.file.path()))?;
                if let Some(chunk) = building.done(schema)? {
                    return Ok(Some(chunk));
                }
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            let elements = part.elements();
            let elements = elements.map_err(|error| Unread::Broken(error).of(part.file.path()))?;
            self.open = Some((part, elements));
        }
    }
}

/// Adds the next rows of a file.
fn build(
    nulls: &Nulls,
    places: &HashMap<String, usize>,
    building: &mut Building,
    elements: &mut Elements<Text>,
) -> Result<(), Unread> {
    while !building.is_full() {
        let Some(element) = elements.next()? else {
            break;
        };
        let (line, bytes) = (element.line, element.text.len());
        let fields = match flat(element.text) {
            Ok(fields) => fields,
            Err(reason) => {
                building.refuse(line, bytes, reason, serde_json::Map::new());
                continue;
            }
        };
        let mut row: Vec<Option<&str>> = vec![None; places.len()];
        for (name, value) in &fields {
            if let Some(slot) = places.get(name).and_then(|place| row.get_mut(*place)) {
                *slot = value.as_deref().and_then(|value| nulls.value(value));
            }
        }
        building.row(line, bytes, row.into_iter());
    }
    Ok(())
}

/// The fields of an object, also of those within it; numbers are as they are written.
fn flat(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut fields = Vec::new();
    flatten(text, "", 0, &mut fields)?;
    once(fields.iter().map(|(name, _)| name.as_str()))?;
    Ok(fields)
}

/// Whether no name is there twice.
fn once<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    });
    twice.map_or(Ok(()), |name| {
        Err(format!(
            "the field `{}` is there twice; which is meant, is not known",
            shown(name)
        ))
    })
}

fn flatten(
    text: &str,
    prefix: &str,
    depth: usize,
    fields: &mut Vec<(String, Option<String>)>,
) -> Result<(), String> {
    if !text.starts_with('{') {
        return Err("no object; each row is one, such as {\"order\": \"1\"}".to_owned());
    }
    if depth > DEEPEST {
        return Err(format!("objects more than {DEEPEST} deep"));
    }
    let Object(inner) = serde_json::from_str(text).map_err(|error| broken(&error))?;
    once(inner.iter().map(|(name, _)| name.as_str()))?;
    for (name, value) in inner {
        let name = match prefix {
            "" => name,
            outer => format!("{outer}.{name}"),
        };
        if name.len() > LONGEST_NAME {
            return Err(format!("the name of a field is longer than {LONGEST_NAME} bytes"));
        }
        let value = value.get();
        match value.as_bytes().first() {
            Some(b'{') => flatten(value, &name, depth + 1, fields)?,
            Some(b'n') => fields.push((name, None)),
            Some(b'"') => {
                let text = serde_json::from_str(value).map_err(|error| broken(&error))?;
                fields.push((name, Some(text)));
            }
            // Numbers keep each digit, and arrays are kept as their text.
            _ => fields.push((name, Some(value.to_owned()))),
        }
    }
    Ok(())
}

/// What is wrong, without what is there.
fn broken(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "an object that is not closed; a row is one whole object on one line (jq -c . makes it so)"
            .to_owned();
    }
    format!("no JSON at column {}; write the row as JSON says", error.column())
}

/// The fields of an object as they are written.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.len() > MOST_COLUMNS {
                return Err(M::Error::custom("too many fields"));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Object(fields))
    }
}
