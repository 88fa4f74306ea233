//! Whether a model behaves as the contract asks: the same answer to the same question, and to each row whatever stands
//! beside it.

use dualwheel_plugin_host::{Error, Kind, Plugin};
use dualwheel_plugin_sdk::{Batch, Column, Parameters, Values};
use serde_json::{Value, json};

use super::{Answers, answered};
use crate::format;

/// Periods of a series.
const PERIODS: u64 = 24;
/// What numbers are without a natural bound.
const USUAL: f64 = 1_000.0;
/// What no brand will have.
const HUGE: f64 = 1e15;
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

    /// As cells of a table.
    pub(super) fn row(&self) -> Vec<String> {
        let holds = if self.holds { "yes" } else { "NO" };
        vec![self.check.to_owned(), holds.to_owned(), self.found.clone()]
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "check": self.check, "holds": self.holds, "found": self.found })
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
    let asked = |look: Look, rows: &[u64]| asked(plugin, look, rows);
    let all: Vec<u64> = (0..rows as u64).collect();
    let reversed: Vec<u64> = all.iter().rev().copied().collect();
    let (first, second) = all.split_at(rows / 2);
    let whole = asked(Look::Usual, &all);
    let fuel = |batch: &[u64]| answered(plugin, &batch_of(plugin, Look::Usual, batch), &Parameters::new());
    let mut findings = vec![
        Finding::of("no rows", asked(Look::Usual, &[]).map(|_| "answered".to_owned())),
        Finding::of("one row", asked(Look::Usual, &[0]).map(|_| "answered".to_owned())),
        Finding::of(
            "nothing known",
            asked(Look::Unknown, &all).map(|_| "answered".to_owned()),
        ),
        Finding::of(
            "huge numbers",
            asked(Look::Huge, &all).map(|_| "answered".to_owned()),
        ),
    ];
    let same = |other: Result<Answers, String>, cure: &str| {
        let (one, other) = (whole.clone()?, other?);
        match one.iter().zip(&other).find(|((_, one), (_, other))| one != other) {
            None => Ok("the same answer".to_owned()),
            Some(((name, _), _)) => Err(format!("another `{name}`: {cure}")),
        }
    };
    let keeps = "a model must not keep anything from one call to the next";
    findings.push(Finding::of("asked again", same(asked(Look::Usual, &all), keeps)));
    let turned = asked(Look::Usual, &reversed).map(|mut answers| {
        answers.iter_mut().for_each(|(_, values)| values.reverse());
        answers
    });
    let alone = "what a row gets must not depend on the rows beside it";
    findings.push(Finding::of("rows in another order", same(turned, alone)));
    let parts = asked(Look::Usual, first).and_then(|mut one| {
        for ((_, values), (_, more)) in one.iter_mut().zip(asked(Look::Usual, second)?) {
            values.extend(more);
        }
        Ok(one)
    });
    findings.push(Finding::of("rows in two questions", same(parts, alone)));
    let cost = fuel(&all).map_err(|error| told(&error)).map(|(_, record)| {
        let number = |number: u64| format::whole(i64::try_from(number).unwrap_or(i64::MAX));
        format!(
            "{} units of fuel a row, {} bytes of memory, {:.1} ms for {} rows",
            number(record.fuel / all.len().max(1) as u64),
            number(record.memory_bytes),
            record.duration.as_secs_f64() * 1_000.0,
            number(all.len() as u64)
        )
    });
    findings.push(Finding::of("cost", cost));
    findings
}

fn told(error: &Error) -> String {
    format!("{error} ({})", error.reason())
}

fn asked(plugin: &Plugin, look: Look, rows: &[u64]) -> Result<Answers, String> {
    let answered = answered(plugin, &batch_of(plugin, look, rows), &Parameters::new());
    answered.map(|(answers, _)| answers).map_err(|error| told(&error))
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
