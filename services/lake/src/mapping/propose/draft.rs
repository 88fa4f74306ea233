//! One entry of a proposed mapping, and the whole as YAML.

use std::collections::{BTreeMap, BTreeSet};

use super::{Seen, place::Place};
use crate::fact::{Column, Content, Fact};

/// Columns that are listed as not used.
const MOST_LISTED: usize = 40;

/// A field of the `SELECT`.
struct Line {
    field: &'static str,
    sql: String,
    note: Option<String>,
}

/// An entry.
pub(super) struct Draft {
    pub fact: &'static Fact,
    pub sources: Vec<String>,
    lines: Vec<Line>,
    used: BTreeSet<String>,
    formats: BTreeMap<&'static str, &'static str>,
    /// What stands behind `FROM`.
    pub from: String,
    /// A condition, and why.
    pub filter: Option<(String, String)>,
    pub order_by: Option<String>,
    pub notes: Vec<String>,
    /// The whole `SELECT`, where the file is of a layout that is known as such.
    pub whole: Option<String>,
}

impl Draft {
    /// An entry of a fact.
    pub fn of(file: &Seen, fact: &'static Fact) -> Self {
        Self {
            fact,
            sources: vec![file.source.clone()],
            lines: Vec::new(),
            used: BTreeSet::new(),
            formats: BTreeMap::new(),
            from: file.source.clone(),
            filter: None,
            order_by: None,
            notes: Vec::new(),
            whole: None,
        }
    }

    /// Takes a field from a column of a file, which is `sql` in the `SELECT`.
    pub fn column(&mut self, column: &Column, file: &Seen, found: &str, mut sql: String) {
        self.used.insert(found.to_owned());
        if matches!(column.content, Content::Instant { .. } | Content::Day) {
            let format = match written(file.look.values(found)) {
                Some("micros") => {
                    sql = format!("CAST({sql} AS BIGINT) / 1000");
                    Some("millis")
                }
                format => format,
            };
            self.formats.extend(format.map(|format| (column.name, format)));
        }
        let masked = file.look.values(found).any(|value| value.contains("**"));
        let note = (masked && column.name == "consumer")
            .then(|| "EDIT: the values are masked, so that different people may look alike".to_owned());
        self.put(column.name, sql, note);
    }

    /// Takes a field from an expression.
    pub fn put(&mut self, field: &'static str, sql: String, note: Option<String>) {
        self.lines.push(Line { field, sql, note });
    }

    /// Notes that a column is used.
    pub fn uses(&mut self, column: &str) {
        self.used.insert(column.to_owned());
    }

    /// Leaves a needed field to whoever edits the mapping.
    pub fn open(&mut self, column: &Column) {
        let example = match (column.name, column.content) {
            ("brand", _) => "the files name no brand: write yours, such as 'my-brand'".to_owned(),
            ("quantity", _) => {
                "no column is the quantity: write one, or 1 where each row is one unit".to_owned()
            }
            ("updated_at", _) => {
                "no column tells when this was known: write a day, such as '2026-01-31'".to_owned()
            }
            (name, Content::Code(names)) => {
                format!(
                    "no column is the {name}: write one, or '{}'",
                    names.last().unwrap_or(&"")
                )
            }
            (name, _) => format!("no column is likely {name}: write the one that is"),
        };
        self.put(column.name, "NULL".to_owned(), Some(format!("EDIT: {example}")));
    }

    /// The `SELECT`.
    fn sql(&self, unused: &[&str]) -> String {
        if let Some(whole) = &self.whole {
            return whole.trim_end().to_owned();
        }
        let mut text = String::new();
        for note in &self.notes {
            text.push_str(&format!("-- {}\n", in_a_line(note)));
        }
        if !unused.is_empty() {
            text.push_str(&format!("-- not used: {}\n", in_a_line(&unused.join(", "))));
        }
        for (number, line) in self.lines.iter().enumerate() {
            text.push_str(if number == 0 { "SELECT " } else { "       " });
            let field = if line.field == "order" {
                "\"order\""
            } else {
                line.field
            };
            text.push_str(&format!("{} AS {field}", line.sql));
            text.push_str(if number + 1 < self.lines.len() { "," } else { "" });
            if let Some(note) = &line.note {
                text.push_str(&format!("  -- {}", in_a_line(note)));
            }
            text.push('\n');
        }
        text.push_str(&format!("FROM {}\n", self.from));
        if let Some((condition, why)) = &self.filter {
            text.push_str(&format!("WHERE {condition}  -- {}\n", in_a_line(why)));
        }
        if let Some(order) = &self.order_by {
            text.push_str(&format!("ORDER BY {order}\n"));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// A name in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Without line breaks, for a comment.
fn in_a_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}

/// The format of times that do not show what they are.
fn written<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let values: Vec<&str> = values.collect();
    let all = |is: &dyn Fn(&str) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
    let is_digits =
        |value: &str, count: usize| value.len() == count && value.bytes().all(|one| one.is_ascii_digit());
    let is_serial = |value: &str| {
        value
            .parse()
            .is_ok_and(|days: f64| (20_000.0..80_000.0).contains(&days))
    };
    if all(&|value| is_digits(value, 8) && value.starts_with(['1', '2'])) {
        Some("\"%Y%m%d\"")
    } else if all(&|value| is_digits(value, 10)) {
        Some("seconds")
    } else if all(&|value| is_digits(value, 13)) {
        Some("millis")
    } else if all(&|value| is_digits(value, 16)) {
        Some("micros")
    } else if all(&is_serial) {
        Some("excel")
    } else {
        None
    }
}

/// The mapping as YAML.
pub(super) fn yaml(files: &[Seen], place: &Place, drafts: &[Draft]) -> String {
    let used = |file: &&Seen| drafts.iter().any(|draft| draft.sources.contains(&file.source));
    let (taken, left): (Vec<&Seen>, Vec<&Seen>) = files.iter().partition(used);
    let mut text = String::from(
        "# Proposed by `dualwheel import --init`. Where EDIT stands, the files did not tell: edit it, then look at\n",
    );
    let name = |file: &Seen| file.path.display().to_string();
    let source = |file: &&Seen| {
        format!(
            " --source {}='{}'",
            file.source,
            name(file).replace('\'', "'\\''")
        )
    };
    let sources: String = taken.iter().map(source).collect();
    text.push_str(&in_a_line(&format!(
        "#   dualwheel import --mapping THIS-FILE{sources} --dry-run"
    )));
    text.push('\n');
    for file in &left {
        let told = format!(
            "# EDIT: no fact can be told in {}, whose columns are {}",
            name(file),
            file.look.columns.join(", ")
        );
        text.push_str(&in_a_line(&told));
        text.push('\n');
    }
    let about: Vec<String> = taken.iter().map(|file| name(file)).collect();
    text.push_str(&format!(
        "about: {}\n",
        string(&format!(
            "what {} {}",
            about.join(", "),
            if about.len() == 1 { "holds" } else { "hold" }
        ))
    ));
    for (key, (value, note)) in [("time_zone", &place.time_zone), ("currency", &place.currency)] {
        text.push_str(&format!("{key}: {value}"));
        if let Some(note) = note {
            text.push_str(&format!("  # {}", in_a_line(note)));
        }
        text.push('\n');
    }
    text.push_str("sources:\n");
    for file in &taken {
        text.push_str(&format!("  {}: {{{}}}\n", file.source, settings(file)));
    }
    text.push_str("facts:\n");
    for draft in drafts {
        text.push_str(&format!(
            "- fact: {}\n  needs: [{}]\n",
            draft.fact.name,
            draft.sources.join(", ")
        ));
        if !draft.formats.is_empty() {
            let formats = draft.formats.iter();
            let formats: Vec<String> = formats
                .map(|(field, format)| format!("{field}: {format}"))
                .collect();
            text.push_str(&format!("  formats: {{{}}}\n", formats.join(", ")));
        }
        let of_draft = taken.iter().filter(|file| draft.sources.contains(&file.source));
        let columns = of_draft.flat_map(|file| &file.look.columns).map(String::as_str);
        let unused: Vec<&str> = columns
            .filter(|column| !draft.used.contains(*column))
            .take(MOST_LISTED)
            .collect();
        text.push_str("  sql: |\n");
        for line in draft.sql(&unused).split('\n') {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

/// How a source is read, where that is not the default.
fn settings(file: &Seen) -> String {
    let source = &file.look.source;
    let mut settings = Vec::new();
    if let Some(separator) = &source.separator {
        settings.push(format!("separator: {}", string(separator)));
    }
    if source.skip_lines > 0 {
        settings.push(format!("skip_lines: {}", source.skip_lines));
    }
    if source.header == Some(false) {
        let columns: Vec<String> = source.columns.iter().map(|column| string(column)).collect();
        settings.push(format!("header: false, columns: [{}]", columns.join(", ")));
    }
    settings.join(", ")
}

/// A text in YAML, which takes those of JSON.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
