//! Rows that cannot be taken, and why.

use std::{fmt, path::PathBuf};

use serde_json::{Map, Value};

/// Characters of a value in a message.
const SHOWN: usize = 40;
/// Digits from which on a value may be a telephone or card number.
const PERSONAL: usize = 7;

/// Within the row of a [`Refused`], the values that stand beyond its columns.
pub const BEYOND: &str = "beyond the columns";

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file: the line on which it begins, or the row of a sheet.
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// Among the rows that an entry's `SELECT` gives, from 1: where these are joined or grouped, they are those of no line.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(formatter, "{}, line {line}", file.display()),
            Self::Row(row) => write!(formatter, "row {row} of the SELECT"),
        }
    }
}

/// A row that cannot be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Where it stands.
    pub place: Place,
    /// The field at fault; empty where it is the row as a whole.
    pub field: String,
    /// The value at fault, where one is.
    pub value: Option<String>,
    /// Why, and what to do.
    pub reason: String,
    /// The source of the row where it has a line, else empty.
    pub source: String,
    /// What the row holds: the columns of its source where it has a line, else those of the `SELECT`.
    pub row: Map<String, Value>,
}

impl Refused {
    /// A row of a file that cannot be read.
    #[must_use]
    pub fn in_file(file: PathBuf, line: u64, reason: String) -> Self {
        Self {
            place: Place::Line { file, line },
            field: String::new(),
            value: None,
            reason,
            source: String::new(),
            row: Map::new(),
        }
    }

    /// The value for people: its begin, and of one that may be personal only both ends.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        let value = self.value.as_deref()?;
        let is_personal = self.field == "consumer" || may_be_personal(value);
        Some(if is_personal { masked(value) } else { shown(value) })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if !self.field.is_empty() {
            write!(formatter, "{} ", self.field)?;
        }
        if let Some(value) = self.shown() {
            write!(formatter, "`{value}` ")?;
        }
        formatter.write_str(&self.reason)
    }
}

/// The begin of a value, for people.
pub(super) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// Whether a value may tell who somebody is: an address of mail, or a number as long as those of telephones and cards that is no
/// time or amount.
fn may_be_personal(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_number = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'+' | b'(' | b')' | b'-' | b'x' | b'X'));
    value.contains('@') || (is_number && digits >= PERSONAL && super::time::read(value).is_none())
}

/// A value with only its ends.
fn masked(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    let kept = if letters.len() >= 8 { 2 } else { 1 };
    let (Some(begin), Some(end)) = (
        letters.get(..kept),
        letters
            .len()
            .checked_sub(kept)
            .and_then(|from| letters.get(from..)),
    ) else {
        return "***".to_owned();
    };
    if letters.len() < 3 {
        return "***".to_owned();
    }
    format!(
        "{}***{}",
        begin.iter().collect::<String>(),
        end.iter().collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shortened_and_what_may_be_personal_is_masked() {
        let told = |field: &str, value: &str| {
            let mut refused = Refused::in_file("o.csv".into(), 3, "is no number".to_owned());
            (refused.field, refused.value) = (field.to_owned(), Some(value.to_owned()));
            refused.to_string()
        };
        assert_eq!(
            told("paid_amount", "ten"),
            "o.csv, line 3: paid_amount `ten` is no number"
        );
        assert_eq!(
            told("paid_amount", "13812345678"),
            "o.csv, line 3: paid_amount `13***78` is no number"
        );
        assert_eq!(
            told("product", "li@example.com"),
            "o.csv, line 3: product `li***om` is no number"
        );
        assert_eq!(
            told("consumer", "王小明"),
            "o.csv, line 3: consumer `王***明` is no number"
        );
        assert_eq!(
            told("consumer", "王"),
            "o.csv, line 3: consumer `***` is no number"
        );
        assert_eq!(
            told("paid_at", "2026-02-30 10:00:00x"),
            "o.csv, line 3: paid_at `2026-02-30 10:00:00x` is no number"
        );
        assert!(told("return_reason", &"很".repeat(90)).contains(&format!("`{}…`", "很".repeat(40))));
    }
}
