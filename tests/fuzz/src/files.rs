//! Files of any bytes that are imported.

use std::{collections::BTreeMap, sync::LazyLock};

use dualwheel_lake::{
    Error,
    mapping::{Import, Mapping},
};
use tokio::runtime::Runtime;

/// How what is no text begins: Parquet, zip files, old workbooks, gzip and zstd.
const OTHERS: [&[u8]; 6] = [
    b"PAR1",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
];
const MARK: char = '\u{feff}';

/// A file of a source: `n` before it makes it CSV without quotes, `j` JSON, and any other letter CSV. Rows that go in and rows
/// that are refused are the rows that are there, or the file is refused as a whole.
///
/// # Panics
/// When rows are lost or made up.
pub fn files(bytes: &[u8]) {
    static RUNTIME: LazyLock<Option<Runtime>> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().ok());
    let (Some((kind, file)), Some(runtime)) = (bytes.split_first(), RUNTIME.as_ref()) else {
        return;
    };
    let Some(Ok(found)) = runtime.block_on(read(*kind, file)) else {
        return;
    };
    if let Some(there) = there(*kind, file) {
        assert_eq!(found, there, "rows of {:?}", String::from_utf8_lossy(file));
    }
}

/// The rows that go in or are refused; `None` where the test itself cannot be set up.
async fn read(kind: u8, file: &[u8]) -> Option<Result<usize, Error>> {
    let folder = tempfile::tempdir().ok()?;
    let path = folder.path().join(if kind == b'j' { "f.json" } else { "f.csv" });
    std::fs::write(&path, file).ok()?;
    let quotes = kind != b'n';
    let text = format!(
        "about: fuzz\ntime_zone: Asia/Shanghai\ncurrency: CNY\n\
         sources: {{s: {{header: false, columns: [a, b], quotes: {quotes}, encoding: utf-8}}}}\n\
         facts:\n- fact: order_line\n  needs: [s]\n  sql: |\n    \
         SELECT a AS \"order\", a AS line, a AS consumer, a AS brand, a AS product, CAST(b AS BIGINT) AS quantity,\n    \
         CAST(1 AS BIGINT) AS paid_amount, TIMESTAMP '2026-05-01T00:00:00' AS paid_at FROM s\n"
    );
    let mapping = Mapping::parse("fuzz", &text).ok()?;
    Some(count(&mapping, BTreeMap::from([("s".to_owned(), path)])).await)
}

async fn count(mapping: &Mapping, paths: BTreeMap<String, std::path::PathBuf>) -> Result<usize, Error> {
    let import = Import::open(mapping, &paths).await?;
    import.plan().await?;
    let mut rows = import.rows(0).await?;
    let mut found = 0;
    while let Some(batch) = rows.next().await? {
        found += batch.num_rows();
    }
    Ok(found + rows.refused().len())
}

/// The rows of a file, counted in the plainest way; `None` where that does not tell.
fn there(kind: u8, file: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(file).ok()?;
    if OTHERS.iter().any(|begin| file.starts_with(begin)) || file.len() > 4_096 {
        return None;
    }
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let first: String = text.chars().filter(|one| !one.is_whitespace()).take(2).collect();
    if kind != b'j' && !matches!(first.as_str(), "{\"" | "{}" | "[{" | "[]") {
        return Some(records(text.trim_start_matches(MARK), kind != b'n'));
    }
    let blank = |one: char| one.is_ascii_whitespace();
    let text = text.trim_matches(blank);
    if text.starts_with('[') {
        let array: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
        return Some(array.len());
    }
    Some(
        text.split('\n')
            .filter(|line| !line.trim_matches(blank).is_empty())
            .count(),
    )
}

/// The records of a CSV text that have a value.
fn records(text: &str, has_quotes: bool) -> usize {
    let (mut records, mut is_filled, mut is_quoted, mut is_begin) = (0, false, false, true);
    let mut bytes = text.bytes().chain([b'\n']).peekable();
    while let Some(byte) = bytes.next() {
        if is_quoted {
            if byte == b'"' && bytes.peek() != Some(&b'"') {
                is_quoted = false;
            } else {
                is_filled |= !byte.is_ascii_whitespace();
                if byte == b'"' {
                    bytes.next();
                }
            }
            continue;
        }
        match byte {
            b'"' if has_quotes && is_begin => (is_quoted, is_begin) = (true, false),
            b',' => is_begin = true,
            b'\n' | b'\r' => {
                records += usize::from(is_filled);
                (is_filled, is_begin) = (false, true);
            }
            _ => {
                is_filled |= !byte.is_ascii_whitespace();
                is_begin = false;
            }
        }
    }
    records
}
