//! The elements of a JSON text: its lines, or what its one array holds, each with the line on which it begins.

use std::io::{self, BufRead};

use super::{
    table::LONGEST_ROW,
    text::{Unread, breaks},
};

/// How a text holds its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Lines,
    /// In an array, of which some elements are read.
    Array,
    /// Behind the end of an array.
    Behind,
}

/// Reads elements.
pub(super) struct Elements<T> {
    text: T,
    shape: Shape,
    line: u64,
    is_first: bool,
    element: Vec<u8>,
}

/// One element, not empty, and not known to be JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub line: u64,
    pub text: &'a str,
}

impl<T: BufRead> Elements<T> {
    /// Reads a text, whose first letter says how it holds its elements.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(text: T) -> io::Result<Self> {
        let mut elements = Self {
            text,
            shape: Shape::Lines,
            line: 1,
            is_first: true,
            element: Vec::new(),
        };
        if elements.first_letter()? == Some(b'[') {
            elements.text.consume(1);
            elements.shape = Shape::Array;
        }
        Ok(elements)
    }

    /// The next element; `None` at the end.
    ///
    /// # Errors
    /// When the text cannot be read, its array is not sound, or an element is too long.
    pub fn next(&mut self) -> Result<Option<Element<'_>>, Unread> {
        self.element.clear();
        let line = match self.shape {
            Shape::Lines => self.of_lines()?,
            Shape::Array => self.of_array()?,
            Shape::Behind => None,
        };
        let Some(line) = line else { return Ok(None) };
        let text = std::str::from_utf8(&self.element).map_err(io::Error::other)?;
        Ok(Some(Element {
            line,
            text: text.trim_matches(|one: char| one.is_ascii_whitespace()),
        }))
    }

    /// Reads the next line that is not empty; where it is.
    fn of_lines(&mut self) -> Result<Option<u64>, Unread> {
        if self.first_letter()?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            let bytes = self.text.fill_buf()?;
            let end = memchr::memchr(b'\n', bytes);
            let some = end.unwrap_or(bytes.len());
            let is_last = bytes.is_empty();
            self.take(some, line)?;
            if is_last || end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    /// Reads the next element of an array; where it begins.
    fn of_array(&mut self) -> Result<Option<u64>, Unread> {
        let mut first = self.first_letter()?;
        if first == Some(b']') && self.is_first {
            return self.end();
        }
        if !self.is_first {
            match first {
                Some(b',') => self.text.consume(1),
                Some(b']') => return self.end(),
                _ => return Err(self.broken("neither a comma nor the end of the array behind an element")),
            }
            first = self.first_letter()?;
        }
        self.is_first = false;
        if matches!(first, None | Some(b',' | b']')) {
            return Err(self.broken("no element where the array has one"));
        }
        let line = self.line;
        let mut end = End::default();
        loop {
            let bytes = self.text.fill_buf()?;
            if bytes.is_empty() {
                let reason = format!("line {line}: an element that is not closed before the file ends");
                return Err(Unread::Wrong(reason));
            }
            let found = end.of(bytes);
            let some = found.unwrap_or(bytes.len());
            self.line += breaks(bytes.get(..some).unwrap_or_default());
            self.take(some, line)?;
            if found.is_some() {
                return Ok(Some(line));
            }
        }
    }

    /// Sees the end of an array, behind which there is nothing.
    fn end(&mut self) -> Result<Option<u64>, Unread> {
        self.text.consume(1);
        self.shape = Shape::Behind;
        match self.first_letter()? {
            None => Ok(None),
            Some(_) => Err(self.broken("text behind the end of the array")),
        }
    }

    /// Takes some bytes as those of the element that begins on a line.
    fn take(&mut self, some: usize, line: u64) -> Result<(), Unread> {
        if self.element.len() + some > LONGEST_ROW {
            return Err(Unread::Wrong(format!(
                "line {line}: an object of more than {} MiB; a file of JSON has one object a line, or one array of objects (for \
                 example by jq -c '.orders[]')",
                LONGEST_ROW >> 20
            )));
        }
        let bytes = self.text.fill_buf()?;
        self.element
            .extend_from_slice(bytes.get(..some).unwrap_or_default());
        self.text.consume(some);
        Ok(())
    }

    /// Passes over blanks; the letter behind them.
    fn first_letter(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.text.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let blanks = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            let some = blanks.unwrap_or(bytes.len());
            let first = bytes.get(some).copied();
            self.line += breaks(bytes.get(..some).unwrap_or_default());
            self.text.consume(some);
            if first.is_some() {
                return Ok(first);
            }
        }
    }

    fn broken(&self, reason: &str) -> Unread {
        Unread::Wrong(format!("line {}: {reason}; the file is no whole JSON", self.line))
    }
}

/// Looks for the end of an element of an array.
#[derive(Debug, Default)]
struct End {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
}

impl End {
    /// Where the element ends among the next bytes.
    fn of(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.is_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.is_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                b',' | b']' | b'}' if self.depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str, piece: usize) -> Result<Vec<(u64, String)>, Unread> {
        let mut elements = Elements::new(BufReader::with_capacity(piece, text.as_bytes()))?;
        let mut found = Vec::new();
        while let Some(element) = elements.next()? {
            found.push((element.line, element.text.to_owned()));
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn arrays_and_lines_hold_the_same_elements_however_they_are_cut(
            texts in prop::collection::vec("[a\\\\\"\\[\\]{}, \né]{0,8}", 0..6), piece in 1usize..9,
        ) {
            let values: Vec<Value> = texts
                .iter()
                .map(|text| json!({"t": text, "o": {text.as_str(): [text, 1.5, null]}}))
                .collect();
            let parsed = |found: &[(u64, String)]| -> Vec<Value> {
                found.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect()
            };
            let array = serde_json::to_string_pretty(&values).unwrap();
            let found = read(&array, piece).unwrap();
            prop_assert_eq!(parsed(&found), values.clone());
            for (line, text) in &found {
                let begin = array.lines().nth(*line as usize - 1).unwrap().trim();
                prop_assert!(text.starts_with(begin), "{text} {begin}");
            }
            let lines: String = values.iter().map(|value| format!("{value}\r\n\r\n")).collect();
            let found = read(&lines, piece).unwrap();
            prop_assert_eq!(parsed(&found), values);
            prop_assert!(found.iter().zip((1..).step_by(2)).all(|((line, _), expected)| *line == expected));
        }
    }
}
