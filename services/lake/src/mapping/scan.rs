//! The first reading of a CSV file: whether its quotes are sound, and its rows as wide as its header.

use super::{
    table::{LONGEST_ROW, MOST_COLUMNS},
    text::breaks,
};

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
    /// Behind blanks that follow a quote that closes.
    Closed,
}

/// Follows the quotes and values of a CSV text.
#[derive(Debug)]
pub(super) struct Scan {
    separator: u8,
    /// Whether a byte ends a value, or is a quote.
    ends: [bool; 256],
    place: Place,
    line: u64,
    /// Line on which the last quote was opened.
    opened: u64,
    is_behind_return: bool,
    row: Row,
    /// Values of the first row with any, or as many as are declared.
    width: Option<usize>,
    /// Whether there are rows with values beyond the width.
    pub is_too_wide: bool,
}

/// The row that is followed.
#[derive(Debug, Default)]
struct Row {
    line: u64,
    bytes: usize,
    /// Values that have ended.
    values: usize,
    is_filled: bool,
    is_too_wide: bool,
}

impl Scan {
    /// Follows a text from a line on, whose rows have so many values; as the first one where that is not declared.
    pub fn new(separator: u8, has_quotes: bool, line: u64, width: Option<usize>) -> Self {
        let mut ends = [false; 256];
        for (byte, is_end) in (0..=u8::MAX).zip(&mut ends) {
            *is_end = byte == separator || matches!(byte, b'\n' | b'\r') || has_quotes && byte == b'"';
        }
        Self {
            separator,
            ends,
            place: Place::Begin,
            line,
            opened: line,
            is_behind_return: false,
            row: Row::default(),
            width,
            is_too_wide: false,
        }
    }

    /// Sees the next bytes.
    ///
    /// # Errors
    /// What is not sound, with its line.
    pub fn see(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let end = match self.place {
                Place::Quoted => memchr::memchr(b'"', bytes),
                _ => bytes.iter().position(|byte| self.is_end(*byte)),
            };
            let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if !text.is_empty() {
                self.text(text)?;
            }
            let Some((byte, rest)) = rest.split_first() else {
                return Ok(());
            };
            self.end_of_value(*byte)?;
            bytes = rest;
        }
        Ok(())
    }

    /// Sees the end of the text.
    ///
    /// # Errors
    /// When a quote is left open.
    pub fn end(&mut self) -> Result<(), String> {
        if self.place == Place::Quoted {
            return Err(format!(
                "line {}: a quote is opened there and never closed, so that the rest of the file would be one value; close it, \
                 write a quote within a value twice, or set `quotes: false` where quotes are letters like others",
                self.opened
            ));
        }
        self.end_of_row()
    }

    fn is_end(&self, byte: u8) -> bool {
        self.ends.get(usize::from(byte)).is_some_and(|is_end| *is_end)
    }

    /// Sees text within a value.
    fn text(&mut self, text: &[u8]) -> Result<(), String> {
        self.is_behind_return = false;
        if self.row.bytes == 0 {
            self.row.line = self.line;
        }
        self.place = match self.place {
            Place::Quoted => {
                self.line += breaks(text);
                Place::Quoted
            }
            Place::Begin | Place::Open => Place::Open,
            Place::Closing | Place::Closed if text.iter().all(|byte| matches!(byte, b' ' | b'\t')) => {
                Place::Closed
            }
            Place::Closing | Place::Closed => return Err(self.stray()),
        };
        self.grow(text.len())?;
        let is_beyond = self.width.is_some_and(|width| self.row.values >= width);
        if (is_beyond || !self.row.is_filled) && !text.trim_ascii().is_empty() {
            self.row.is_filled = true;
            self.row.is_too_wide |= is_beyond;
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), String> {
        self.row.bytes += bytes;
        if self.row.bytes <= LONGEST_ROW {
            return Ok(());
        }
        Err(format!(
            "line {}: a row of more than {} MiB; a quote that is opened there and closed far below makes one row of many, or \
             `separator` is another",
            self.row.line,
            LONGEST_ROW >> 20
        ))
    }

    /// Sees a quote, a separator or the end of a line.
    fn end_of_value(&mut self, byte: u8) -> Result<(), String> {
        if byte == b'"' {
            return self.quote();
        }
        self.place = Place::Begin;
        if byte == self.separator {
            self.is_behind_return = false;
            self.row.values += 1;
            // The end of each value is kept.
            return self.grow(size_of::<usize>());
        }
        self.end_of_row()?;
        self.line += u64::from(byte == b'\r' || !self.is_behind_return);
        self.is_behind_return = byte == b'\r';
        Ok(())
    }

    fn quote(&mut self) -> Result<(), String> {
        self.place = match self.place {
            Place::Begin => {
                self.opened = self.line;
                self.is_behind_return = false;
                Place::Quoted
            }
            Place::Quoted => Place::Closing,
            // A quote within a value.
            Place::Closing => {
                self.place = Place::Quoted;
                return self.text(b"\"");
            }
            Place::Open => return self.text(b"\""),
            Place::Closed => return Err(self.stray()),
        };
        Ok(())
    }

    fn end_of_row(&mut self) -> Result<(), String> {
        let row = std::mem::take(&mut self.row);
        if !row.is_filled {
            return Ok(());
        }
        let values = row.values + 1;
        if self.width.is_none() && values > MOST_COLUMNS {
            return Err(format!(
                "line {}: {values} columns; at most {MOST_COLUMNS} are read",
                self.line
            ));
        }
        self.width.get_or_insert(values);
        self.is_too_wide |= row.is_too_wide;
        Ok(())
    }

    fn stray(&self) -> String {
        format!(
            "line {}: text behind a quote that closes a value, which was opened on line {}; write a quote within a value twice, \
             close what is opened, or set `quotes: false` where quotes are letters like others",
            self.line, self.opened
        )
    }
}

#[cfg(test)]
mod tests {
    use csv::{ByteRecord, ReaderBuilder};
    use proptest::prelude::*;

    use super::*;

    fn scanned(text: &str, piece: usize) -> Result<bool, String> {
        let mut scan = Scan::new(b',', true, 1, None);
        for some in text.as_bytes().chunks(piece) {
            scan.see(some)?;
        }
        scan.end()?;
        Ok(scan.is_too_wide)
    }

    proptest! {
        #[test]
        fn a_text_is_the_same_however_it_is_cut(text in "[a,\"\n\r é]{0,40}", piece in 1usize..5) {
            let whole = scanned(&text, usize::MAX);
            prop_assert_eq!(&whole, &scanned(&text, piece));
            let Ok(is_too_wide) = whole else { return Ok(()) };
            // As the reader of CSV sees it.
            let filled = |values: &[u8]| !values.trim_ascii().is_empty();
            let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let rows: Vec<ByteRecord> = reader.byte_records().map(Result::unwrap).collect();
            let mut rows = rows.iter().filter(|row| row.iter().any(filled));
            let width = rows.next().map_or(0, ByteRecord::len);
            prop_assert_eq!(is_too_wide, rows.any(|row| row.iter().skip(width).any(filled)));
        }
    }

    #[test]
    fn what_is_not_sound_is_told_with_its_line() {
        let told = |text: &str| scanned(text, 3).unwrap_err();
        assert!(told("a\r\nb\r\n\"c\r\nd").starts_with("line 3: a quote is opened"));
        assert!(told("a\rb\r\r\"c\"d\r").starts_with("line 4: text behind a quote"));
        assert!(
            told("\"a\nb\" \"c\"\n")
                .starts_with("line 2: text behind a quote that closes a value, which was opened on line 1")
        );
    }
}
