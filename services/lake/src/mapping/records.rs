//! The records of a CSV text, each with the line on which it begins.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::table::LONGEST_ROW;

/// What a buffer has room for at first.
const ROOM: usize = 1_024;

/// Reads records.
pub(super) struct Records<T> {
    text: T,
    reader: Reader,
    /// Each record counts as one line, as in a sheet.
    counts_records: bool,
    line: u64,
    /// Lines that the reader had counted up to the last record.
    counted: u64,
    values: Vec<u8>,
    ends: Vec<usize>,
}

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub line: u64,
    values: &'a str,
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of its values.
    pub fn bytes(&self) -> usize {
        self.values.len()
    }

    pub fn value(&self, at: usize) -> Option<&'a str> {
        let end = self.ends.get(at)?;
        let begin = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.values.get(begin..*end)
    }

    pub fn values(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map_while(move |at| self.value(at))
    }
}

impl<T: BufRead> Records<T> {
    /// Reads a text from a line on.
    pub fn new(text: T, separator: u8, has_quotes: bool, line: u64, counts_records: bool) -> Self {
        Self {
            text,
            reader: ReaderBuilder::new()
                .delimiter(separator)
                .quoting(has_quotes)
                .build(),
            counts_records,
            line,
            counted: 1,
            values: vec![0; ROOM],
            ends: vec![0; ROOM],
        }
    }

    /// The next record that has a value; `None` at the end.
    ///
    /// # Errors
    /// When the text cannot be read, or a record is too long.
    pub fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let (line, values, ends) = loop {
            let Some(read) = self.read()? else {
                return Ok(None);
            };
            let values = self.values.get(..read.1).unwrap_or_default();
            if !values.trim_ascii().is_empty() {
                break read;
            }
        };
        let values = self.values.get(..values).unwrap_or_default();
        Ok(Some(Record {
            line,
            values: std::str::from_utf8(values).map_err(io::Error::other)?,
            ends: self.ends.get(..ends).unwrap_or_default(),
        }))
    }

    /// Reads the next record; its line, the bytes of its values, and their number.
    fn read(&mut self) -> io::Result<Option<(u64, usize, usize)>> {
        self.pass_breaks()?;
        let line = self.line;
        let (mut values, mut ends) = (0, 0);
        loop {
            let input = self.text.fill_buf()?;
            let last = |some: usize| input.get(some.wrapping_sub(1)).copied();
            let (result, some, wrote, ended) = self.reader.read_record(
                input,
                self.values.get_mut(values..).unwrap_or_default(),
                self.ends.get_mut(ends..).unwrap_or_default(),
            );
            let last = last(some);
            self.text.consume(some);
            (values, ends) = (values + wrote, ends + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => room(&mut self.values)?,
                ReadRecordResult::OutputEndsFull => room(&mut self.ends)?,
                ReadRecordResult::Record => {
                    let counted = self.reader.line();
                    self.line += if self.counts_records {
                        1
                    } else {
                        counted - self.counted
                    };
                    self.counted = counted;
                    if last == Some(b'\r') {
                        self.end_return()?;
                    }
                    return Ok(Some((line, values, ends)));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// Passes over a line feed behind a carriage return that ended a line.
    fn end_return(&mut self) -> io::Result<()> {
        self.line += u64::from(!self.counts_records);
        if self.text.fill_buf()?.first() == Some(&b'\n') {
            self.text.consume(1);
        }
        Ok(())
    }

    /// Passes over empty lines, so that a record begins where its line is said to begin.
    fn pass_breaks(&mut self) -> io::Result<()> {
        while let Some(first @ (b'\n' | b'\r')) = self.text.fill_buf()?.first().copied() {
            self.text.consume(1);
            match first {
                b'\r' => self.end_return()?,
                _ => self.line += u64::from(!self.counts_records),
            }
        }
        Ok(())
    }
}

/// Twice the room, below what the longest row needs.
fn room<T: Clone + Default>(buffer: &mut Vec<T>) -> io::Result<()> {
    if buffer.len() > LONGEST_ROW {
        return Err(io::Error::other("a row has become too long"));
    }
    buffer.resize(2 * buffer.len(), T::default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use csv::{ByteRecord, ReaderBuilder};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_are_those_of_the_reader_with_the_lines_on_which_they_begin(
            text in "(a|bc|,|\"|\"\"|\n|\r\n| |é){0,60}", piece in 1usize..9,
        ) {
            let mut records = Records::new(BufReader::with_capacity(piece, text.as_bytes()), b',', true, 1, false);
            let mut found = Vec::new();
            while let Some(record) = records.next().unwrap() {
                found.push((record.line, record.values().map(str::to_owned).collect::<Vec<_>>()));
            }
            let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let rows: Vec<ByteRecord> = reader.byte_records().map(Result::unwrap).collect();
            let rows = rows.iter().filter(|row| row.iter().any(|value| !value.trim_ascii().is_empty()));
            let expected: Vec<_> = rows
                .map(|row| {
                    let from = row.position().unwrap().byte() as usize;
                    let breaks = text[from..].bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
                    let line = 1 + text[..from + breaks].matches('\n').count() as u64;
                    (line, row.iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>())
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
