//! Whether a model behaves as the contract asks: the same answer to the same question, and to each row whatever stands
//! beside it.

use dualwheel_plugin_sdk::{Batch, Column, Parameters, Values};

use crate::{Kind, Plugin, Record};

/// Periods of a series.
const PERIODS: u64 = 24;
/// What numbers are without a natural bound.
const USUAL: f64 = 1_000.0;
/// What no brand will have.
const HUGE: f64 = 1e15;
/// How much more a row may cost when there are twice as many.
const MOST_GROWTH: f64 = 1.5;
/// Columns of shares, from 0 to 1.
const SHARES: [&str; 5] = [
    "match",
    "follower_spending_power",
    "penetration",
    "brand_share",
    "brand_conversion",
];

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, and what may be the cure.
    pub found: String,
}

impl Finding {
    fn of(check: &'static str, found: Result<String, String>) -> Self {
        Self {
            check,
            holds: found.is_ok(),
            found: found.unwrap_or_else(|fault| fault),
        }
    }
}

/// How a made-up question looks.
#[derive(Clone, Copy)]
enum Look {
    Usual,
    /// Nothing is known of any row.
    Unknown,
    Huge,
}

/// Asks a plugin made-up questions of up to `rows` rows, with its own parameters.
#[must_use]
pub fn examine(plugin: &Plugin, rows: usize) -> Vec<Finding> {
    let ask = |look: Look, rows: &[u64]| {
        let run = plugin.answer(&batch_of(plugin, look, rows), &Parameters::new());
        run.map_err(|error| format!("{error} ({})", error.reason()))
    };
    let answers = |look: Look, rows: &[u64]| ask(look, rows).map(|run| run.scores);
    let answered = |look: Look, rows: &[u64]| answers(look, rows).map(|_| "answered".to_owned());
    let all: Vec<u64> = (0..rows as u64).collect();
    let reversed: Vec<u64> = all.iter().rev().copied().collect();
    let (first, second) = all.split_at(rows / 2);
    let whole = answers(Look::Usual, &all);
    let same = |other: Result<Vec<Vec<f64>>, String>, cure: &str| {
        let (one, other) = (whole.clone()?, other?);
        let mut columns = plugin.world().answers().iter().zip(one.iter().zip(&other));
        match columns.find(|(_, (one, other))| one != other) {
            None => Ok("the same answer".to_owned()),
            Some((column, _)) => Err(format!("another `{}`: {cure}", column.name)),
        }
    };
    let turned = answers(Look::Usual, &reversed).map(|mut columns| {
        columns.iter_mut().for_each(|values| values.reverse());
        columns
    });
    let parts = answers(Look::Usual, first).and_then(|mut one| {
        for (values, more) in one.iter_mut().zip(answers(Look::Usual, second)?) {
            values.extend(more);
        }
        Ok(one)
    });
    let keeps = "a model must not keep anything from one call to the next";
    let alone = "what a row gets must not depend on the rows beside it";
    let (few, many) = (
        ask(Look::Usual, first).map(|run| run.record),
        ask(Look::Usual, &all).map(|run| run.record),
    );
    let cost = |of: fn(&Record, &Record) -> Result<String, String>| {
        let (few, many) = (few.as_ref(), many.as_ref());
        few.and_then(|few| Ok((few, many?)))
            .map_err(Clone::clone)
            .and_then(|(few, many)| of(few, many))
    };
    vec![
        Finding::of("no rows", answered(Look::Usual, &[])),
        Finding::of("one row", answered(Look::Usual, &[0])),
        Finding::of("nothing known", answered(Look::Unknown, &all)),
        Finding::of("huge numbers", answered(Look::Huge, &all)),
        Finding::of("asked again", same(answers(Look::Usual, &all), keeps)),
        Finding::of("rows in another order", same(turned, alone)),
        Finding::of("rows in two questions", same(parts, alone)),
        Finding::of("fuel", cost(fuel)),
        Finding::of("memory", cost(memory)),
    ]
}

/// Fuel of a row; twice the rows must not cost much more than twice as much.
fn fuel(few: &Record, many: &Record) -> Result<String, String> {
    let growth = many.fuel as f64 / few.fuel.max(1) as f64 * few.rows as f64 / many.rows.max(1) as f64;
    let found = format!(
        "{} units a row of {} rows, {:.1} ms for all",
        many.fuel / many.rows.max(1) as u64,
        many.rows,
        many.duration.as_secs_f64() * 1_000.0
    );
    if growth <= MOST_GROWTH {
        return Ok(found);
    }
    Err(format!(
        "{found}, but {growth:.1} times as much a row as of half the rows: work in proportion to the rows"
    ))
}

/// Memory, and how it grows with the rows: it must not grow faster than they do.
fn memory(few: &Record, many: &Record) -> Result<String, String> {
    let more = many.memory_bytes.saturating_sub(few.memory_bytes);
    let rows = (many.rows - few.rows).max(1) as u64;
    let found = format!(
        "{} bytes, {} for each further row",
        many.memory_bytes,
        more / rows
    );
    if many.memory_bytes as f64 <= few.memory_bytes as f64 * 2.0 * MOST_GROWTH {
        return Ok(found);
    }
    Err(format!("{found}: keep columns, not copies of them for each row"))
}

/// Rows by number, each the same wherever it stands.
fn batch_of(plugin: &Plugin, look: Look, rows: &[u64]) -> Batch {
    let columns = plugin.world().columns().iter().map(|known| {
        let number = |row: &u64| number(look, known.name, *row);
        let values = match known.kind {
            Kind::Texts => Values::Texts(rows.iter().map(|row| text(look, *row)).collect()),
            Kind::Series => Values::Series(rows.iter().map(|row| series(look, known.name, *row)).collect()),
            _ => Values::Numbers(rows.iter().map(number).collect()),
        };
        Column {
            name: known.name.to_owned(),
            values,
        }
    });
    Batch {
        rows: rows.len(),
        columns: columns.collect(),
    }
}

fn number(look: Look, column: &str, row: u64) -> f64 {
    let most = match look {
        Look::Unknown => return f64::NAN,
        _ if column.ends_with("_rank") => 100.0,
        _ if SHARES.contains(&column) => 1.0,
        Look::Huge => HUGE,
        Look::Usual => USUAL,
    };
    unit(column, row) * most
}

fn text(look: Look, row: u64) -> String {
    match look {
        Look::Unknown => String::new(),
        _ => format!("text {}", row % 7),
    }
}

fn series(look: Look, column: &str, row: u64) -> Vec<f64> {
    let most = match look {
        Look::Unknown => return Vec::new(),
        Look::Huge => HUGE,
        Look::Usual => USUAL,
    };
    (0..PERIODS)
        .map(|period| (1.0 + unit(column, row * PERIODS + period)) * most)
        .collect()
}

/// A number from 0 to 1 that looks like chance and is always the same.
fn unit(column: &str, row: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(column.as_bytes(), row);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
