//! Import mappings: how the files of another system become facts.
//!
//! A mapping is a YAML file. It names the time zone and currency of the data, the sources it reads (CSV, Parquet or
//! JSON lines), and entries that each give a fact and a SQL `SELECT` over the sources, in DataFusion's dialect. The
//! columns of the `SELECT` are the fact's fields by name. CSV columns are text, trimmed; the `SELECT` casts what it needs.
//!
//! An entry gives the same rows in the same order each time, so that an import that was cut off can be repeated.

mod csv;
mod files;
mod row_by_row;
mod text;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema},
};
use chrono_tz::Tz;
use datafusion::{
    execution::SendableRecordBatchStream,
    logical_expr::LogicalPlan,
    prelude::{SessionConfig, SessionContext},
};
use serde::Deserialize;
use tokio_stream::StreamExt;

use crate::{Error, fact::Fact};
use csv::Csv;
pub use csv::Refused;
pub use files::files;
use row_by_row::RowByRow;

/// Rows of a batch.
pub const BATCH_ROWS: usize = 65_536;

/// Bytes of rows that wait for a batch to be full: where texts are so long, it has fewer rows. A column's texts must stay below
/// the 2 GiB that its offsets reach.
const WAITING_BYTES: usize = 512 << 20;

/// Mappings that come with the program, by name.
pub const SHIPPED: [(&str, &str); 6] = [
    ("cdnow", include_str!("../../mappings/cdnow.yaml")),
    (
        "complete-journey",
        include_str!("../../mappings/complete-journey.yaml"),
    ),
    ("olist", include_str!("../../mappings/olist.yaml")),
    (
        "online-retail-ii",
        include_str!("../../mappings/online-retail-ii.yaml"),
    ),
    ("rees46", include_str!("../../mappings/rees46.yaml")),
    (
        "taobao-userbehavior",
        include_str!("../../mappings/taobao-userbehavior.yaml"),
    ),
];

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What it reads, for people.
    pub about: String,
    /// Zone in which the data count their days.
    #[serde(deserialize_with = "crate::settings::zone_of")]
    pub time_zone: Tz,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// The sources by name.
    pub sources: BTreeMap<String, Source>,
    /// The entries, imported in this order.
    pub facts: Vec<Entry>,
}

/// One source of a mapping.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Whether the first line of a CSV file names its columns.
    pub header: Option<bool>,
    /// Names of a CSV file's columns, where it has no header.
    pub columns: Vec<String>,
    /// Separator of a CSV file, of one or more characters; a comma when not given.
    pub separator: Option<String>,
    /// Whether quotes have values between them in which a separator is none; so it is when not given.
    pub quotes: Option<bool>,
    /// Lines before a CSV file's header, or first row.
    pub skip_lines: usize,
    /// Encoding of a CSV file, by its name of the WHATWG; where it is not given, that of its byte order mark, UTF-8, or GB18030.
    pub encoding: Option<String>,
    /// Texts that are no value in a CSV file; none, `\N`, `NULL`, `null` and `-` where they are not given.
    pub nulls: Option<Vec<String>>,
    /// Whether the import goes on without it.
    pub optional: bool,
}

/// One entry of a mapping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of the fact, for example `order_line`.
    pub fact: String,
    /// The `SELECT` whose columns are the fact's fields.
    pub sql: String,
    /// Sources that this entry needs; it is left out when an optional one of them is not given.
    #[serde(default)]
    pub needs: Vec<String>,
}

fn wrong(reason: String) -> Error {
    Error::Setting {
        field: "mapping",
        reason,
    }
}

impl Mapping {
    /// Reads a shipped mapping by name, or a file.
    ///
    /// # Errors
    /// When there is no such mapping, or it does not fit the schema.
    pub fn load(name: &str) -> Result<(Self, String), Error> {
        let text = match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(name).map_err(|error| {
                let shipped: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                wrong(format!(
                    "`{name}` is no file ({error}) and none of the shipped ones: {}",
                    shipped.join(", ")
                ))
            })?,
        };
        Ok((Self::parse(name, &text)?, text))
    }

    /// Reads a mapping's text.
    ///
    /// # Errors
    /// When it does not fit the schema, or names an unknown fact or source.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let mapping: Self =
            serde_yaml_ng::from_str(text).map_err(|error| wrong(format!("{name}: {error}")))?;
        crate::settings::parse_currency(&mapping.currency)?;
        for (number, entry) in mapping.facts.iter().enumerate() {
            if Fact::named(&entry.fact).is_none() {
                let known: Vec<&str> = crate::fact::FACTS.iter().map(|fact| fact.name).collect();
                let reason = format!(
                    "{name}: facts[{number}] is of `{}`; facts are {}",
                    entry.fact,
                    known.join(", ")
                );
                return Err(wrong(reason));
            }
            if let Some(stranger) = entry
                .needs
                .iter()
                .find(|need| !mapping.sources.contains_key(*need))
            {
                return Err(wrong(format!(
                    "{name}: facts[{number}] needs `{stranger}`, which is no source of it"
                )));
            }
        }
        Ok(mapping)
    }
}

/// A mapping joined with its files.
pub struct Import {
    session: SessionContext,
    /// The sources of CSV files.
    csv: BTreeMap<String, Arc<Csv>>,
    entries: Vec<(usize, Entry, &'static Fact)>,
}

impl Import {
    /// Opens the files. `paths` gives each source's file or folder.
    ///
    /// # Errors
    /// When a source is missing, unknown or cannot be read.
    pub async fn open(mapping: &Mapping, paths: &BTreeMap<String, PathBuf>) -> Result<Self, Error> {
        if let Some(stranger) = paths.keys().find(|name| !mapping.sources.contains_key(*name)) {
            let known: Vec<&str> = mapping.sources.keys().map(String::as_str).collect();
            return Err(wrong(format!(
                "the mapping has no source `{stranger}`; its sources are {}",
                known.join(", ")
            )));
        }
        let session = session();
        let mut csv = BTreeMap::new();
        for (name, source) in &mapping.sources {
            match paths.get(name) {
                Some(path) => {
                    let read = files::register(&session, name, source, path).await?;
                    csv.extend(read.map(|read| (name.clone(), read)));
                }
                None if source.optional => {}
                None => {
                    return Err(wrong(format!(
                        "the source `{name}` is not given; add --source {name}=PATH"
                    )));
                }
            }
        }
        let given = |entry: &Entry| entry.needs.iter().all(|need| paths.contains_key(need));
        let entries = mapping.facts.iter().enumerate().filter(|(_, entry)| given(entry));
        let entries =
            entries.filter_map(|(number, entry)| Some((number, entry.clone(), Fact::named(&entry.fact)?)));
        Ok(Self {
            session,
            csv,
            entries: entries.collect(),
        })
    }

    /// The entries whose sources are given: number in the mapping, and fact.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &'static Fact)> + '_ {
        self.entries.iter().map(|(number, _, fact)| (*number, *fact))
    }

    /// Plans every entry without reading the rows, so that a wrong column is found before anything is written.
    ///
    /// # Errors
    /// The first SQL error, naming the entry and what is wrong with it.
    pub async fn plan(&self) -> Result<(), Error> {
        for (number, entry, fact) in &self.entries {
            let frame = self
                .session
                .sql(&entry.sql)
                .await
                .map_err(|error| sql_error(*number, fact, &error))?;
            // Rows that are joined or grouped cannot be left out one by one.
            if self.row_by_row(frame.logical_plan()).is_none()
                && let Some(refused) = entry.needs.iter().find_map(|need| self.csv.get(need)?.too_wide())
            {
                return Err(wrong(refused.to_string()));
            }
            for field in frame.schema().fields() {
                if !fact.columns.iter().any(|column| column.name == field.name()) {
                    let known: Vec<&str> = fact.columns.iter().map(|column| column.name).collect();
                    return Err(wrong(format!(
                        "facts[{number}] ({}) selects `{}`, which is no field of it; fields are {}",
                        fact.name,
                        field.name(),
                        known.join(", ")
                    )));
                }
            }
            for column in fact.columns.iter().filter(|column| column.required) {
                if !frame
                    .schema()
                    .fields()
                    .iter()
                    .any(|field| field.name() == column.name)
                {
                    let reason = format!(
                        "facts[{number}] ({}) lacks the column `{}`",
                        fact.name, column.name
                    );
                    return Err(wrong(reason));
                }
            }
        }
        Ok(())
    }

    /// The rows of an entry, in batches of [`BATCH_ROWS`] or, where texts are very long, fewer.
    ///
    /// # Errors
    /// A SQL error, naming the entry.
    pub async fn rows(&self, number: usize) -> Result<Rows, Error> {
        let found = self.entries.iter().find(|(at, _, _)| *at == number);
        let (_, entry, fact) = found.ok_or_else(|| wrong(format!("there is no facts[{number}]")))?;
        let frame = self
            .session
            .sql(&entry.sql)
            .await
            .map_err(|error| sql_error(number, fact, &error))?;
        let reading = match self.row_by_row(frame.logical_plan()) {
            Some((name, csv)) => RowByRow::new(session(), &name, csv, &entry.sql)
                .await
                .map(|rows| Reading::RowByRow(Box::new(rows))),
            None => frame.execute_stream().await.map(Reading::Whole),
        };
        Ok(Rows {
            number,
            fact,
            reading: reading.map_err(|error| sql_error(number, fact, &error))?,
            waiting: Vec::new(),
            rows: 0,
            ended: false,
            refused: Vec::new(),
        })
    }

    /// The CSV source whose rows are those of a plan, one by one.
    fn row_by_row(&self, plan: &LogicalPlan) -> Option<(String, &Arc<Csv>)> {
        let name = row_by_row::source_of(plan)?;
        let csv = self.csv.get(&name)?;
        Some((name, csv))
    }
}

/// A session in which rows come in one order, each time: in one partition.
fn session() -> SessionContext {
    // Plain text layout: views would drag whole pages of a file into each batch sent.
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(8_192)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    SessionContext::new_with_config(config)
}

/// How the rows of an entry are read.
enum Reading {
    /// All in one: a row that cannot be mapped ends it.
    Whole(SendableRecordBatchStream),
    /// Each for itself.
    RowByRow(Box<RowByRow>),
}

/// The rows of one entry.
pub struct Rows {
    number: usize,
    fact: &'static Fact,
    reading: Reading,
    waiting: Vec<RecordBatch>,
    rows: usize,
    ended: bool,
    refused: Vec<Refused>,
}

impl Rows {
    /// The rows of the source that were refused since this was asked last.
    pub fn refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// The next batch: [`BATCH_ROWS`] rows or, where texts are very long, and at the end, fewer.
    ///
    /// # Errors
    /// When a source cannot be read on, naming the entry.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let mut bytes = 0;
        while self.rows < BATCH_ROWS && bytes < WAITING_BYTES && !self.ended {
            let batches = match &mut self.reading {
                Reading::Whole(stream) => match stream.next().await {
                    Some(Ok(batch)) => vec![batch],
                    Some(Err(error)) => return Err(sql_error(self.number, self.fact, &error)),
                    None => {
                        self.ended = true;
                        break;
                    }
                },
                Reading::RowByRow(rows) => match rows.next().await? {
                    Some((batches, refused)) => {
                        self.refused.extend(refused);
                        batches
                    }
                    None => {
                        self.ended = true;
                        break;
                    }
                },
            };
            for batch in batches {
                let batch = without_views(&batch)?;
                self.rows += batch.num_rows();
                bytes += batch.get_array_memory_size();
                self.waiting.push(batch);
            }
        }
        if self.rows == 0 {
            return Ok(None);
        }
        let Some(schema) = self.waiting.first().map(RecordBatch::schema) else {
            return Ok(None);
        };
        let whole = arrow::compute::concat_batches(&schema, &self.waiting)?;
        let taken = whole.num_rows().min(BATCH_ROWS);
        self.rows = whole.num_rows() - taken;
        self.waiting = if self.rows == 0 {
            Vec::new()
        } else {
            vec![whole.slice(taken, self.rows)]
        };
        Ok(Some(whole.slice(0, taken)))
    }
}

/// The batch with its own copy of each text: a view may keep the text of a whole sort alive.
fn without_views(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let plain = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        columns.push(arrow::compute::cast(column, &plain)?);
        fields.push(Field::new(field.name(), plain, true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn sql_error(number: usize, fact: &Fact, error: &datafusion::error::DataFusionError) -> Error {
    wrong(format!(
        "facts[{number}] ({}): {}",
        fact.name,
        error.strip_backtrace()
    ))
}

/// A mapping that takes files which already hold facts, each as it is: source name and fact of each.
#[must_use]
pub fn of_facts(time_zone: Tz, currency: &str, files: &[(String, &'static Fact)]) -> Mapping {
    let entry = |(source, fact): &(String, &'static Fact)| Entry {
        fact: fact.name.to_owned(),
        sql: format!("SELECT * FROM \"{source}\""),
        needs: vec![source.clone()],
    };
    Mapping {
        about: "facts in the lake's own columns".to_owned(),
        time_zone,
        currency: currency.to_owned(),
        sources: files
            .iter()
            .map(|(source, _)| (source.clone(), Source::default()))
            .collect(),
        facts: files.iter().map(entry).collect(),
    }
}

/// A batch as Arrow IPC streams of at most `most_bytes` each: one, unless its rows are unusually long.
///
/// # Errors
/// When Arrow cannot write it.
pub fn to_ipc_pieces(batch: &RecordBatch, most_bytes: usize) -> Result<Vec<Vec<u8>>, Error> {
    let whole = to_ipc(batch)?;
    if whole.len() <= most_bytes || batch.num_rows() < 2 {
        return Ok(vec![whole]);
    }
    let half = batch.num_rows() / 2;
    let mut pieces = to_ipc_pieces(&batch.slice(0, half), most_bytes)?;
    pieces.extend(to_ipc_pieces(
        &batch.slice(half, batch.num_rows() - half),
        most_bytes,
    )?);
    Ok(pieces)
}

/// A batch as an Arrow IPC stream.
///
/// # Errors
/// When Arrow cannot write it.
pub fn to_ipc(batch: &RecordBatch) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(batch.get_array_memory_size());
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, batch.schema_ref())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}
