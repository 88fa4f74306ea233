//! A first look at a file of which nothing is known: how it is written, its columns and first rows.

use std::{io::Read, path::Path, sync::Arc};

use arrow::{
    array::ArrayRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use csv::StringRecord;
use datafusion::{
    common::Column,
    dataframe::DataFrame,
    error::DataFusionError,
    prelude::{Expr, SessionConfig, SessionContext},
};

use super::{
    Source,
    files::{self, Input, Registered},
    records::Records,
    text::{self, Text},
    wrong,
};
use crate::{Error, reader::blocking};

/// Rows that are looked at.
const ROWS: usize = 200;
/// Bytes in which the way of writing is looked for.
const HEAD_BYTES: u64 = 256 << 10;
/// Lines that may stand before the header.
const MOST_PREAMBLE: usize = 30;
/// Separators that are tried, the likeliest first.
const SEPARATORS: [&str; 4] = [",", "\t", ";", "|"];

/// Values of a column that are distinguished.
const MOST_DISTINCT: usize = 100;

/// What a first look at a file shows.
#[derive(Clone)]
pub struct Look {
    /// How it is to be read.
    pub source: Source,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its first rows, as text.
    pub rows: Vec<Vec<Option<String>>>,
    table: DataFrame,
    /// What is read must stay as long.
    _kept: Arc<Registered>,
}

impl Look {
    /// The first values of a column that are there.
    pub fn values<'a>(&'a self, column: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let at = self.columns.iter().position(|name| name == column);
        let of = move |row: &'a Vec<Option<String>>| row.get(at?)?.as_deref();
        self.rows.iter().filter_map(of)
    }

    /// The different values of a column in the whole file, sorted; of very many, some.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub async fn distinct(&self, column: &str) -> Result<Vec<String>, Error> {
        let select = || {
            let frame = self
                .table
                .clone()
                .select([Expr::Column(Column::from_name(column))])?;
            frame.distinct()?.limit(0, Some(MOST_DISTINCT))
        };
        let rows = shown(select().map_err(failed)?).await?;
        let mut values: Vec<String> = rows.into_iter().flatten().flatten().collect();
        values.sort();
        Ok(values)
    }

    /// Whether no two rows of the file have the same value in a column.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub async fn is_unique(&self, column: &str) -> Result<bool, Error> {
        let values = self
            .table
            .clone()
            .select([Expr::Column(Column::from_name(column))]);
        let values = values.map_err(failed)?;
        let different = values.clone().distinct().map_err(failed)?;
        Ok(values.count().await.map_err(failed)? == different.count().await.map_err(failed)?)
    }
}

/// Looks at a file, or at the first of a folder.
///
/// # Errors
/// When it cannot be read, or has no columns.
pub async fn look(path: &Path) -> Result<Look, Error> {
    let source = {
        let path = path.to_owned();
        blocking(move || written(&path)).await?
    };
    // One partition, so that the first rows are the first.
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let registered = files::register(&session, "look", &source, path).await?;
    let table = session.table("look").await.map_err(failed)?;
    let fields = table.schema().fields().iter();
    let columns = fields.map(|field| field.name().clone()).collect();
    let first = table.clone().limit(0, Some(ROWS)).map_err(failed)?;
    Ok(Look {
        source,
        columns,
        rows: shown(first).await?,
        table,
        _kept: Arc::new(registered),
    })
}

/// The rows of a table as text.
async fn shown(frame: DataFrame) -> Result<Vec<Vec<Option<String>>>, Error> {
    let mut rows = Vec::new();
    for batch in frame.collect().await.map_err(failed)? {
        let options = FormatOptions::default();
        let columns = batch.columns().iter();
        let columns = columns.map(|column| Ok((ArrayFormatter::try_new(column, &options)?, column)));
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        for row in 0..batch.num_rows() {
            let value = |(shown, column): &(ArrayFormatter<'_>, &ArrayRef)| {
                column.is_valid(row).then(|| shown.value(row).to_string())
            };
            rows.push(columns.iter().map(value).collect());
        }
    }
    Ok(rows)
}

fn failed(error: DataFusionError) -> Error {
    wrong(error.strip_backtrace())
}

/// How a file of separated values is written; the default for any other.
fn written(path: &Path) -> Result<Source, Error> {
    let Some(input) = files::separated(path)? else {
        return Ok(Source::default());
    };
    let head = head(&input)?;
    let separators = SEPARATORS
        .iter()
        .take(if input.is_sheet() { 1 } else { SEPARATORS.len() });
    let tried: Vec<_> = separators
        .map(|separator| (*separator, records(&head, separator, input.is_sheet())))
        .collect();
    // That by which most rows have the same number of values, and many of them; of equals the likeliest.
    let scored = tried.iter().rev().map(|(separator, records)| {
        let width = usual_width(records);
        let rows = records.iter().filter(|(_, record)| record.len() == width).count();
        (rows * (width - 1), width, *separator, records)
    });
    let best = scored
        .filter(|(score, ..)| *score > 0)
        .max_by_key(|(score, ..)| *score);
    let Some((_, width, separator, records)) = best else {
        return Ok(Source::default());
    };
    let is_full = |(_, record): &&(u64, StringRecord)| {
        let filled = record.iter().filter(|value| !value.trim().is_empty()).count();
        record.len() == width && filled * 2 > width
    };
    let first = records.iter().take(MOST_PREAMBLE).find(is_full);
    let mut source = Source {
        separator: (separator != ",").then(|| separator.to_owned()),
        ..Source::default()
    };
    if let Some((line, record)) = first {
        // Blank lines before a header are passed over anyhow.
        let is_begin = records.first().is_some_and(|(begin, _)| begin == line);
        source.skip_lines = if is_begin { 0 } else { (*line - 1) as usize };
        if record.iter().any(is_value) {
            source.header = Some(false);
            source.columns = (1..=width).map(|number| format!("column {number}")).collect();
        }
    }
    Ok(source)
}

/// The begin of a file's text.
fn head(input: &Input) -> Result<String, Error> {
    let read = |encoding| {
        let text = Text::new(text::unpacked(input.at())?, encoding, None);
        let mut head = Vec::new();
        text.take(HEAD_BYTES).read_to_end(&mut head)?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    };
    let (_, mut head) =
        text::in_its_encoding(input.at(), None, read).map_err(|unread| unread.of(input.path()))?;
    let is_cut = head.len() as u64 >= HEAD_BYTES;
    if is_cut && let Some(end) = head.rfind('\n') {
        head.truncate(end + 1);
    }
    Ok(head)
}

/// The rows of a text and the lines on which they begin, by a separator; each record of a sheet is a line.
fn records(text: &str, separator: &str, is_sheet: bool) -> Vec<(u64, StringRecord)> {
    let separator = separator.bytes().next().unwrap_or(b',');
    let mut records = Records::new(text.as_bytes(), separator, true, 1, is_sheet);
    let mut found = Vec::new();
    while let Ok(Some(record)) = records.next() {
        found.push((record.line, record.values().collect()));
        if found.len() == ROWS {
            break;
        }
    }
    found
}

/// The number of values that most rows have; of equally many, the larger.
fn usual_width(records: &[(u64, StringRecord)]) -> usize {
    let widths = records.iter().map(|(_, record)| record.len());
    let mut counted: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for width in widths {
        *counted.entry(width).or_default() += 1;
    }
    let usual = counted.into_iter().max_by_key(|(width, rows)| (*rows, *width));
    usual.map_or(1, |(width, _)| width.max(1))
}

/// Whether a text is a number or a time, which no column is named.
fn is_value(text: &str) -> bool {
    let text = text.trim().trim_matches(['\'', '=', '"']);
    let is_of = |one: char| one.is_ascii_digit() || "+-.,:/ TZ¥$€£%".contains(one);
    text.contains(|one: char| one.is_ascii_digit()) && text.chars().all(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seen(text: &str) -> Look {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::write(&path, text).unwrap();
        look(&path).await.unwrap()
    }

    #[tokio::test]
    async fn separators_preambles_and_headers_are_found() {
        for separator in SEPARATORS {
            let row = |cells: [&str; 3]| cells.join(separator) + "\n";
            let rows = row(["order", "amount", "note"]) + &row(["1", "2.50", "x"]) + &row(["2", "3.50", "y"]);
            let with = |before: &str| format!("{before}{rows}");
            let preambles = [
                "",
                "Shop of words\nfrom Monday, to Sunday\n",
                "Shop\n\n\n",
                "Shop\r\nof words\r\n",
            ];
            for before in preambles {
                let look = seen(&with(before)).await;
                assert_eq!(
                    look.columns,
                    ["order", "amount", "note"],
                    "{before:?} {separator:?}"
                );
                assert_eq!(look.rows.len(), 2, "{before:?} {separator:?}");
                assert_eq!(look.values("amount").collect::<Vec<_>>(), ["2.50", "3.50"]);
            }
        }
        let padded = seen("店铺订单,,\n,,\n订单编号,实付金额,备注\n1,2,x\n2,3,\n").await;
        assert_eq!(padded.columns, ["订单编号", "实付金额", "备注"]);
        let bare = seen("1,2268318,pv,1511544070\n2,2333346,buy,1511561733\n").await;
        assert_eq!(bare.columns, ["column 1", "column 2", "column 3", "column 4"]);
        assert_eq!(bare.rows.len(), 2);
        let one = seen("line\na\nb\n").await;
        assert_eq!((one.columns.len(), one.rows.len()), (1, 2));
    }
}
