//! Import mappings: how the files of another system become facts.
//!
//! A mapping is a YAML file. It names the time zone and currency of the data, the sources it reads (CSV, JSON,
//! workbooks or Parquet), and entries that each give a fact and a SQL `SELECT` over the sources, in DataFusion's dialect. The
//! columns of the `SELECT` are the fact's fields by name. All but Parquet's columns are text, trimmed; texts that the `SELECT` gives are
//! read as the field's type, and times without an offset as local ones of the mapping's zone.
//!
//! An entry gives the same rows in the same order each time, so that an import that was cut off can be repeated.

mod archive;
mod convert;
mod csv;
mod elements;
mod files;
mod json;
mod look;
mod number;
mod portrait;
mod propose;
mod records;
mod refused;
mod row_by_row;
mod rows;
mod scan;
mod sheet;
mod table;
mod text;
mod time;
mod zoned;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arrow::array::RecordBatch;
use chrono_tz::Tz;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde::Deserialize;

use crate::{
    Error,
    fact::{Content, Fact},
};
use convert::Converter;
pub use files::files;
pub use look::{Look, look};
pub use portrait::{Portrait, Tally};
pub use propose::propose;
pub use refused::{BEYOND, Place, Refused};
pub use rows::Rows;
use rows::{Opened, Single};
use table::Table;
use time::Clock;
pub use time::{Dst, Format};
use zoned::Zoned;

/// Rows of a batch.
pub const BATCH_ROWS: usize = 65_536;

/// Bytes of rows that wait for a batch to be full: where texts are so long, it has fewer rows. A column's texts must stay below
/// the 2 GiB that its offsets reach.
const WAITING_BYTES: usize = 512 << 20;

/// Mappings that come with the program, by name.
pub const SHIPPED: [(&str, &str); 9] = [
    ("cdnow", include_str!("../mappings/cdnow.yaml")),
    (
        "complete-journey",
        include_str!("../mappings/complete-journey.yaml"),
    ),
    ("olist", include_str!("../mappings/olist.yaml")),
    (
        "online-retail-ii",
        include_str!("../mappings/online-retail-ii.yaml"),
    ),
    ("orders-events", include_str!("../mappings/orders-events.yaml")),
    ("qianniu-orders", include_str!("../mappings/qianniu-orders.yaml")),
    ("rees46", include_str!("../mappings/rees46.yaml")),
    ("shopify-orders", include_str!("../mappings/shopify-orders.yaml")),
    (
        "taobao-userbehavior",
        include_str!("../mappings/taobao-userbehavior.yaml"),
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
    /// What becomes of local times that the zone has twice, or skips.
    #[serde(default)]
    pub dst: Dst,
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
    /// How the times of a column are written, where they are numbers, or days and months stand in an order that values do not tell.
    #[serde(default)]
    pub formats: BTreeMap<String, Format>,
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
            let fact = Fact::named(&entry.fact);
            let is_time = |name: &str| {
                let column = fact.and_then(|fact| fact.columns.iter().find(|column| column.name == name));
                column.is_some_and(|column| matches!(column.content, Content::Instant { .. } | Content::Day))
            };
            if let Some(stranger) = entry.formats.keys().find(|name| !is_time(name)) {
                return Err(wrong(format!(
                    "{name}: facts[{number}] has a format of `{stranger}`, which is no time of {}",
                    entry.fact
                )));
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
    zoned: Zoned,
    time_zone: Tz,
    dst: Dst,
    /// The sources of text.
    tables: BTreeMap<String, Arc<Table>>,
    notes: Vec<String>,
    /// Files that must stay while they are read.
    _kept: Vec<files::Input>,
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
        let (session, zoned) = session(mapping.time_zone, mapping.dst);
        let mut tables = BTreeMap::new();
        let (mut notes, mut kept) = (Vec::new(), Vec::new());
        for (name, source) in &mapping.sources {
            match paths.get(name) {
                Some(path) => {
                    let read = files::register(&session, name, source, path).await?;
                    tables.extend(read.table.map(|table| (name.clone(), table)));
                    notes.extend(read.notes);
                    kept.extend(read.kept);
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
            zoned,
            time_zone: mapping.time_zone,
            dst: mapping.dst,
            tables,
            notes,
            _kept: kept,
            entries: entries.collect(),
        })
    }

    /// What who imports should know of the files, such as columns that are not read.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
            let opened = self.opened(*number, entry, fact).await?;
            let schema = opened.plan.schema().as_arrow();
            let is_given = |name: &str| schema.fields().iter().any(|field| field.name() == name);
            if let Some(stranger) = schema
                .fields()
                .iter()
                .find(|field| !fact.columns.iter().any(|column| column.name == field.name()))
            {
                let known: Vec<&str> = fact.columns.iter().map(|column| column.name).collect();
                return Err(wrong(format!(
                    "facts[{number}] ({}) selects `{}`, which is no field of it; fields are {}",
                    fact.name,
                    stranger.name(),
                    known.join(", ")
                )));
            }
            if let Some(missing) = fact
                .columns
                .iter()
                .find(|column| column.required && !is_given(column.name))
            {
                let reason = format!(
                    "facts[{number}] ({}) lacks the column `{}`",
                    fact.name, missing.name
                );
                return Err(wrong(reason));
            }
            let nothing = RecordBatch::new_empty(Arc::new(schema.clone()));
            self.converter(entry, fact)
                .convert(&nothing)
                .map_err(|error| wrong(format!("facts[{number}] ({}): {error}", fact.name)))?;
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
        let opened = self.opened(number, entry, fact).await?;
        Rows::open(opened, self.converter(entry, fact), self.time_zone).await
    }

    fn converter(&self, entry: &Entry, fact: &'static Fact) -> Converter {
        Converter::new(fact, Clock::new(self.time_zone, self.dst), entry.formats.clone())
    }

    async fn opened(&self, number: usize, entry: &Entry, fact: &'static Fact) -> Result<Opened, Error> {
        let failed = |error| sql_error(number, fact, &error);
        let planned = self.session.state().create_logical_plan(&entry.sql).await;
        let plan = planned
            .and_then(|plan| self.zoned.rewrite(plan))
            .map_err(failed)?;
        let source = row_by_row::source_of(&plan);
        let single = match source.and_then(|name| Some((self.tables.get(&name)?, name))) {
            Some((table, name)) => Some(self.single(table, &name, &entry.sql).await.map_err(failed)?),
            None => None,
        };
        let read = row_by_row::sources_of(&plan).map_err(failed)?;
        let tables = self.tables.iter().filter(|(name, _)| read.contains(*name));
        Ok(Opened {
            tables: tables
                .map(|(name, table)| (name.clone(), Arc::clone(table)))
                .collect(),
            number,
            fact,
            session: self.session.clone(),
            plan,
            single,
        })
    }

    async fn single(
        &self,
        table: &Arc<Table>,
        name: &str,
        sql: &str,
    ) -> Result<Single, datafusion::error::DataFusionError> {
        let (session, zoned) = session(self.time_zone, self.dst);
        let slot = row_by_row::register(&session, name, table)?;
        let plan = zoned.rewrite(session.state().create_logical_plan(sql).await?)?;
        Ok(Single {
            source: name.to_owned(),
            plan: row_by_row::numbered(plan)?,
            session,
            slot,
            table: Arc::clone(table),
        })
    }
}

/// A session in which rows come in one order, each time: in one partition.
fn session(time_zone: Tz, dst: Dst) -> (SessionContext, Zoned) {
    // Plain text layout: views would drag whole pages of a file into each batch sent.
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(8_192)
        .set_str("datafusion.execution.time_zone", "UTC")
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
        // In nanoseconds, years such as 9999 would become others.
        .set_str("datafusion.execution.parquet.coerce_int96", "us")
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    let session = SessionContext::new_with_config(config);
    let zoned = Zoned::new(&session, time_zone, dst);
    (session, zoned)
}

fn sql_error(number: usize, fact: &Fact, error: &datafusion::error::DataFusionError) -> Error {
    let told = error.strip_backtrace();
    let told = match row_by_row::cast_of(&told) {
        Some((value, kind)) => format!("`{}` {}", refused::shown(value), row_by_row::no_cast(kind)),
        None => told,
    };
    wrong(format!("facts[{number}] ({}): {told}", fact.name))
}

/// A mapping that takes files which already hold facts, each as it is: source name and fact of each.
#[must_use]
pub fn of_facts(time_zone: Tz, currency: &str, files: &[(String, &'static Fact)]) -> Mapping {
    let entry = |(source, fact): &(String, &'static Fact)| Entry {
        fact: fact.name.to_owned(),
        sql: format!("SELECT * FROM \"{source}\""),
        needs: vec![source.clone()],
        formats: BTreeMap::new(),
    };
    Mapping {
        about: "facts in the lake's own columns".to_owned(),
        time_zone,
        dst: Dst::default(),
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
