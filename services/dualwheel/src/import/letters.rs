//! Refused rows, kept where whoever imports can mend them: a file of JSON, one row a line, that `--retry` reads again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dualwheel_kit::private;
use dualwheel_lake::{
    fact::Fact,
    mapping::{BEYOND, Entry, Mapping, Refused, Source},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::report;

/// Bytes that a line may have.
const LONGEST: u64 = 16 << 20;
/// The source that a letter is.
pub(super) const LETTER: &str = "letter";

/// The first line of a letter: by what its rows were read.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    /// The mapping's name and text.
    mapping: String,
    text: String,
}

/// A line of a letter, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Line {
    entry: usize,
    #[serde(default)]
    source: String,
    row: Map<String, Value>,
}

/// Where refused rows are kept: a file that is made with the first.
#[derive(Debug)]
pub struct Letters {
    path: PathBuf,
    head: Head,
    file: Option<BufWriter<File>>,
}

impl Letters {
    /// Letters of an import under a producer's name, in the current folder.
    pub fn new(producer: &str, mapping: &str, text: &str) -> Self {
        Self {
            path: PathBuf::from(format!("{producer}.refused.jsonl")),
            head: Head {
                mapping: mapping.to_owned(),
                text: text.to_owned(),
            },
            file: None,
        }
    }

    /// The file, where it was made.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// Keeps rows of an entry.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&mut self, entry: usize, fact: &Fact, refused: &[Refused]) -> anyhow::Result<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let failed = || {
            format!(
                "{} cannot be written, which keeps the refused rows",
                self.path.display()
            )
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut open = private::options();
                let open = open.create(true).truncate(true).write(true).open(&self.path);
                let mut file = BufWriter::new(open.with_context(failed)?);
                writeln!(file, "{}", serde_json::to_string(&self.head)?).with_context(failed)?;
                self.file.insert(file)
            }
        };
        for one in refused {
            let mut line = serde_json::json!({
                "entry": entry, "fact": fact.name, "field": one.field, "reason": one.reason, "source": one.source, "row": one.row,
            });
            if let (Some(line), Value::Object(place)) = (line.as_object_mut(), report::place(&one.place)) {
                line.extend(place);
            }
            writeln!(file, "{line}").with_context(failed)?;
        }
        file.flush().with_context(failed)
    }
}

/// The mapping that reads the rows of a letter again, its name and text: those of the import, or of another one that was mended.
///
/// # Errors
/// When the file is no letter, or its rows are not of the mapping.
pub fn mended(
    path: &Path,
    other: Option<(Mapping, String, String)>,
) -> anyhow::Result<(Mapping, String, String)> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("the file {shown}"))?;
    let mut lines = BufReader::new(file);
    let mut text = String::new();
    let mut read = |text: &mut String| {
        text.clear();
        std::io::Read::take(&mut lines, LONGEST).read_line(text)
    };
    read(&mut text).with_context(|| format!("the file {shown}"))?;
    let Ok(head) = serde_json::from_str::<Head>(&text) else {
        bail!("{shown} is no file of refused rows: its first line tells no mapping");
    };
    let (mut mapping, name, text_of) = match other {
        Some(other) => other,
        None => (
            Mapping::parse(&head.mapping, &head.text)?,
            head.mapping,
            head.text,
        ),
    };
    // By entry and source, the columns of its rows.
    let mut kinds: BTreeMap<(usize, String), BTreeSet<String>> = BTreeMap::new();
    for number in 2.. {
        if read(&mut text).with_context(|| format!("the file {shown}"))? == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| {
            anyhow::anyhow!(
                "{shown}, line {number}: it is no longer a line of JSON with `entry` and `row`: {error}"
            )
        })?;
        if line.row.contains_key(BEYOND) {
            bail!(
                "{shown}, line {number}: values are left `{BEYOND}`; put all where they belong, and remove these"
            );
        }
        if line.row.is_empty() {
            bail!(
                "{shown}, line {number}: nothing of the row could be read; mend it in its file, and remove the line here"
            );
        }
        let columns = kinds.entry((line.entry, line.source)).or_default();
        columns.extend(line.row.into_iter().map(|(name, _)| name));
    }
    let entries = std::mem::take(&mut mapping.facts);
    for ((number, source), columns) in kinds {
        let Some(entry) = entries.get(number) else {
            bail!("{shown} has rows of facts[{number}], which the mapping has not");
        };
        if !source.is_empty() && entry.needs.len() > 1 {
            bail!(
                "{shown} has rows of the source `{source}`, which facts[{number}] joins with others; mend them in their file, and \
                 import it again"
            );
        }
        mapping.facts.push(Entry {
            fact: entry.fact.clone(),
            sql: again(number, &source, &columns, &entry.sql),
            needs: vec![LETTER.to_owned()],
            formats: entry.formats.clone(),
        });
    }
    mapping.sources = BTreeMap::from([(LETTER.to_owned(), Source::default())]);
    Ok((mapping, name, text_of))
}

/// The `SELECT` over the rows of an entry that a letter keeps.
fn again(number: usize, source: &str, columns: &BTreeSet<String>, sql: &str) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let picked: Vec<String> = columns
        .iter()
        .map(|column| format!("{} AS {}", quoted(&format!("row.{column}")), quoted(column)))
        .collect();
    let literal = source.replace('\'', "''");
    let rows = format!(
        "SELECT {} FROM {LETTER} WHERE entry = '{number}' AND COALESCE(source, '') = '{literal}'",
        picked.join(", ")
    );
    if source.is_empty() {
        rows
    } else {
        format!(
            "WITH {} AS ({rows}) SELECT * FROM ({}) AS mended",
            quoted(source),
            sql.trim().trim_end_matches(';')
        )
    }
}
