//! `dualwheel plugin`: what a partner does with a model before a brand sees it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, bail};
use dualwheel_kit::Config;
use dualwheel_plugin_host::{
    Engine, Limits, Plugin, Policy,
    conformance::{self, Finding},
};
use dualwheel_plugin_sdk::{Batch, Column, Description, Parameters, Values};
use serde_json::{Value, json};

use crate::{
    cli::{
        Common,
        plugin::{Check, Pack, Plugin as Command, Run},
    },
    format, output, registry, table,
};

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, the component fails, or the mesh refuses.
pub async fn run(config: &Config, common: &Common, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Pack(args) => pack(args),
        Command::Check(args) => check(common, args),
        Command::Run(args) => ask(common, args),
        Command::Registry(command) => registry::run(config, common, command).await,
    }
}

/// What a plugin may use on a partner's machine: enough for the interpreter of a language.
fn limits() -> Limits {
    Limits {
        fuel_base: 200_000_000,
        fuel_per_row: 500_000,
        deadline: Duration::from_secs(30),
        memory_bytes: 256 << 20,
        table_elements: 100_000,
        instances: 64,
        runs: 1,
        stack_bytes: 512 << 10,
        output_bytes: 64 << 20,
        rows: dualwheel_plugin_host::MOST_ROWS,
        log_lines: 1_000,
        log_bytes: 1 << 20,
        component_bytes: 64 << 20,
        compiled_bytes: 512 << 20,
    }
}

fn pack(args: &Pack) -> anyhow::Result<()> {
    let module = read(&args.module)?;
    let component =
        dualwheel_plugin_pack::pack(&module).with_context(|| args.module.display().to_string())?;
    std::fs::write(&args.out, &component)
        .with_context(|| format!("{} cannot be written", args.out.display()))?;
    output::text(&format!(
        "{}: {} bytes",
        args.out.display(),
        format::whole(i64::try_from(component.len()).unwrap_or(i64::MAX))
    ))
}

fn check(common: &Common, args: &Check) -> anyhow::Result<()> {
    let plugin = load(&args.component, args.sealed_wasi)?;
    let description = plugin.describe().map_err(|error| told(&error))?.clone();
    let rows = usize::try_from(args.rows).unwrap_or(usize::MAX);
    let findings = conformance::examine(&plugin, rows);
    if common.json {
        let findings: Vec<Value> = findings.iter().map(finding_to_json).collect();
        let text = json!({
            "world": plugin.world().name(),
            "sha256": plugin.sha256(),
            "needs_wasi": plugin.needs() == Policy::SealedWasi,
            "name": description.name,
            "version": description.version,
            "findings": findings,
        });
        output::text(&serde_json::to_string_pretty(&text)?)?;
    } else {
        let rows = findings.iter().map(finding_row).collect();
        output::text(&format!(
            "{}\n\n{}",
            introduced(&plugin, &description),
            table::rows(&[("Check", false), ("Holds", false), ("Found", false)], rows)
        ))?;
    }
    let failed = findings.iter().filter(|finding| !finding.holds).count();
    if failed > 0 {
        bail!("of {} checks {failed} do not hold", findings.len());
    }
    Ok(())
}

fn introduced(plugin: &Plugin, description: &Description) -> String {
    let columns = description.columns.iter().map(|column| {
        let mark = if column.required { "" } else { " (if there)" };
        format!("{}{mark}", column.name)
    });
    let parameters = description.parameters.iter().map(|spec| {
        format!(
            "{} = {} ({} to {}): {}",
            spec.name, spec.default, spec.least, spec.greatest, spec.meaning
        )
    });
    let wasi = match plugin.needs() {
        Policy::SealedWasi => "needs a sealed WASI",
        _ => "needs no WASI",
    };
    let mut lines = vec![
        format!(
            "{} {}, a {}; {wasi}",
            description.name,
            description.version,
            plugin.world()
        ),
        format!("sha256 {}", plugin.sha256()),
        description.summary.clone(),
        format!("columns: {}", columns.collect::<Vec<_>>().join(", ")),
    ];
    lines.extend(parameters);
    lines.join("\n")
}

fn ask(common: &Common, args: &Run) -> anyhow::Result<()> {
    let plugin = load(&args.component, args.sealed_wasi)?;
    let batch = batch_of(&args.rows)?;
    let parameters: Parameters = args.parameters.iter().cloned().collect();
    let run = plugin.answer(&batch, &parameters).map_err(|error| told(&error))?;
    let names = plugin.world().answers().iter().map(|answer| answer.name);
    let (answers, record): (Vec<_>, _) = (names.zip(run.scores).collect(), run.record);
    if common.json {
        let columns: BTreeMap<&str, &Vec<f64>> =
            answers.iter().map(|(name, values)| (*name, values)).collect();
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
    let headings: Vec<(&str, bool)> = std::iter::once(("Row", true))
        .chain(answers.iter().map(|(name, _)| (*name, true)))
        .collect();
    let cells = |row: usize| {
        let values = answers.iter().filter_map(move |(_, values)| values.get(row));
        std::iter::once(row.to_string())
            .chain(values.map(|value| format::decimal(*value, 4)))
            .collect()
    };
    output::text(&table::rows(&headings, (0..batch.rows).map(cells).collect()))?;
    record
        .lines
        .iter()
        .try_for_each(|line| output::text(&format!("log: {line}")))
}

/// Loads a component, of whichever world it is.
fn load(path: &Path, sealed_wasi: bool) -> anyhow::Result<Plugin> {
    let bytes = read(path)?;
    let engine = Engine::new(limits(), None)?;
    let policy = if sealed_wasi {
        Policy::SealedWasi
    } else {
        Policy::Pure
    };
    engine
        .load_any(&bytes, policy)
        .map_err(|error| told(&error))
        .with_context(|| path.display().to_string())
}

fn finding_row(finding: &Finding) -> Vec<String> {
    let holds = if finding.holds { "yes" } else { "NO" };
    vec![finding.check.to_owned(), holds.to_owned(), finding.found.clone()]
}

fn finding_to_json(finding: &Finding) -> Value {
    json!({ "check": finding.check, "holds": finding.holds, "found": finding.found })
}

/// A failure with its code.
fn told(error: &dualwheel_plugin_host::Error) -> anyhow::Error {
    anyhow::anyhow!("{error} ({})", error.reason())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The rows of a file of columns.
fn batch_of(path: &Path) -> anyhow::Result<Batch> {
    let columns: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&read(path)?)
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
