//! Running a component on rows of a file.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};
use dualwheel_plugin_sdk::{Batch, Column, Parameters, Values};
use serde_json::{Value, json};

use super::{load, read, told};
use crate::{
    cli::{Common, plugin::Run},
    format, output, table,
};

/// What an Arrow IPC stream begins with, and no JSON.
const ARROW: [u8; 4] = [0xff; 4];

/// Asks a model about the rows of a file.
pub(super) fn run(common: &Common, args: &Run) -> anyhow::Result<()> {
    let plugin = load(&args.component, args.sealed_wasi)?;
    let batches = batches_of(&args.input)?;
    let parameters: Parameters = args.parameters.iter().cloned().collect();
    let question = plugin.question_of(batches, &parameters);
    let question = question.map_err(|error| told(&error))?;
    let run = plugin.ask_all(&question).map_err(|error| told(&error))?;
    let names = plugin.world().answers().iter().map(|answer| answer.name);
    let (answers, record): (Vec<_>, _) = (names.zip(run.scores).collect(), run.record);
    if common.json {
        let columns: BTreeMap<&str, Value> = answers
            .iter()
            .map(|(name, values)| (*name, json_of(values)))
            .collect();
        let text = json!({
            "columns": columns,
            "plugin_sha256": record.plugin_sha256,
            "input_hash": record.input_hash,
            "output_hash": record.output_hash,
            "parameters": record.parameters,
            "fuel": record.fuel,
            "memory_bytes": record.memory_bytes,
            "log": record.lines,
        });
        return output::text(&serde_json::to_string_pretty(&text)?);
    }
    let heading = |(name, values): &(_, Values)| (*name, matches!(values, Values::Numbers(_)));
    let headings: Vec<(&str, bool)> = std::iter::once(("Row", true))
        .chain(answers.iter().map(heading))
        .collect();
    let cells = |row: usize| {
        let values = answers.iter().filter_map(move |(_, values)| cell(values, row));
        std::iter::once(row.to_string()).chain(values).collect()
    };
    output::text(&table::rows(&headings, (0..question.rows()).map(cells).collect()))?;
    record
        .lines
        .iter()
        .try_for_each(|line| output::text(&format!("log: {line}")))
}

/// An answered column.
fn json_of(values: &Values) -> Value {
    match values {
        Values::Numbers(numbers) => json!(numbers),
        Values::Texts(texts) => json!(texts),
        Values::Series(series) => json!(series),
    }
}

/// What a row was answered.
fn cell(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Numbers(numbers) => numbers.get(row).map(|number| format::decimal(*number, 4)),
        Values::Texts(texts) => texts.get(row).cloned(),
        Values::Series(_) => None,
    }
}

/// The rows of a file: as `plugin fixtures` writes it, or of columns as JSON.
fn batches_of(path: &Path) -> anyhow::Result<Vec<Batch>> {
    let bytes = read(path)?;
    if bytes.starts_with(&ARROW) {
        return dualwheel_plugins::kept_rows(&bytes)
            .with_context(|| format!("{} holds no rows of a run", path.display()));
    }
    Ok(vec![batch_of(path, &bytes)?])
}

fn batch_of(path: &Path, bytes: &[u8]) -> anyhow::Result<Batch> {
    let columns: BTreeMap<String, Vec<Value>> = serde_json::from_slice(bytes)
        .with_context(|| format!("{} holds no JSON object of columns", path.display()))?;
    let rows = columns.values().map(Vec::len).max().unwrap_or(0);
    let columns = columns.into_iter().map(|(name, values)| {
        let given = values.len();
        if given != rows {
            bail!("column `{name}` has {given} values where others have {rows}");
        }
        let values = values_of(&values).with_context(|| format!("column `{name}`"))?;
        Ok(Column { name, values })
    });
    Ok(Batch {
        rows,
        columns: columns.collect::<anyhow::Result<_>>()?,
    })
}

/// Values of a column: numbers, texts or rows of numbers, as the first that is known.
fn values_of(values: &[Value]) -> anyhow::Result<Values> {
    let number = |value: &Value| match value {
        Value::Null => Ok(f64::NAN),
        value => value.as_f64().with_context(|| format!("{value} is no number")),
    };
    let text = |value: &Value| match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        value => bail!("{value} is no text"),
    };
    let series = |value: &Value| match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(numbers) => numbers.iter().map(number).collect(),
        value => bail!("{value} is no row of numbers"),
    };
    Ok(match values.iter().find(|value| !value.is_null()) {
        Some(Value::String(_)) => Values::Texts(values.iter().map(text).collect::<anyhow::Result<_>>()?),
        Some(Value::Array(_)) => Values::Series(values.iter().map(series).collect::<anyhow::Result<_>>()?),
        _ => Values::Numbers(values.iter().map(number).collect::<anyhow::Result<_>>()?),
    })
}
