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
/// How much more a row of the second half may cost than one of the first.
const MOST_GROWTH: f64 = 1.5;
/// Part of all fuel that growth must make up to count: collecting garbage, say, does not come row by row.
const LEAST_PART: f64 = 0.05;
/// How much more memory twice the rows may take; growing tables double.
const MOST_MEMORY: f64 = 3.0;
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
    let record = |rows: &[u64]| ask(Look::Usual, rows).map(|run| Cost::of(&run.record));
    let costs = record(&[0]).and_then(|one| Ok([one, record(first)?, record(&all)?]));
    let cost =
        |of: fn(&[Cost; 3]) -> Result<String, String>| costs.as_ref().map_err(Clone::clone).and_then(of);
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

/// What a call used.
#[derive(Clone, Copy)]
struct Cost {
    rows: u64,
    fuel: u64,
    memory: u64,
    millis: f64,
}

impl Cost {
    fn of(record: &Record) -> Self {
        Self {
            rows: record.rows as u64,
            fuel: record.fuel,
            memory: record.memory_bytes,
            millis: record.duration.as_secs_f64() * 1_000.0,
        }
    }
}

/// What each further row took, from a call to a larger one.
fn each(less: Cost, more: Cost, of: fn(Cost) -> u64) -> f64 {
    let rows = more.rows.saturating_sub(less.rows).max(1);
    of(more).saturating_sub(of(less)) as f64 / rows as f64
}

/// Fuel of a call and of a row. What every call costs, such as the start of an interpreter, hides how the rest grows; so
/// further rows are held against further rows: those of the second half must not cost much more than those of the first.
fn fuel(&[one, few, many]: &[Cost; 3]) -> Result<String, String> {
    let (early, late) = (
        each(one, few, |cost| cost.fuel),
        each(few, many, |cost| cost.fuel),
    );
    let found = format!(
        "{:.0} units a call and {late:.0} a row; {:.1} ms for {} rows",
        (one.fuel as f64 - early).max(0.0),
        many.millis,
        many.rows
    );
    let surplus = (late - early) * (many.rows - few.rows) as f64;
    if few.rows <= one.rows || late <= early * MOST_GROWTH || surplus <= many.fuel as f64 * LEAST_PART {
        return Ok(found);
    }
    Err(format!(
        "{found}, and {early:.0} a row of the first half: work in proportion to the rows"
    ))
}

/// Memory, and how it grows with the rows: it must not grow faster than they do.
fn memory(&[_, few, many]: &[Cost; 3]) -> Result<String, String> {
    let further = each(few, many, |cost| cost.memory);
    let found = format!("{} bytes, {further:.0} for each further row", many.memory);
    if many.memory as f64 <= few.memory as f64 * MOST_MEMORY {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of one, 500 and 1 000 rows.
    fn costs(of: impl Fn(u64) -> u64) -> [Cost; 3] {
        [1, 500, 1_000].map(|rows| Cost {
            rows,
            fuel: of(rows),
            memory: of(rows),
            millis: 1.0,
        })
    }

    #[test]
    fn fuel_in_proportion_to_the_rows_holds() {
        let found = fuel(&costs(|rows| 9_000 + 20 * rows)).unwrap();
        assert_eq!(found, "9000 units a call and 20 a row; 1.0 ms for 1000 rows");
        assert!(fuel(&costs(|_| 0)).is_ok());
        assert!(fuel(&costs(|rows| rows * u64::from(rows.ilog2()))).is_ok());
        // A collection of garbage in the second half.
        assert!(fuel(&costs(|rows| 1_000_000 + 20 * rows + rows / 600 * 40_000)).is_ok());
    }

    #[test]
    fn fuel_that_grows_faster_is_told_whatever_a_call_costs() {
        for fixed in [0, 1_000_000] {
            let fault = fuel(&costs(|rows| fixed + rows * rows)).unwrap_err();
            assert!(
                fault.contains("1500 a row") && fault.contains("501 a row of the first half"),
                "{fault}"
            );
        }
    }

    #[test]
    fn one_row_has_no_halves() {
        let mut costs = costs(|rows| rows * rows);
        costs[1] = costs[0];
        assert!(fuel(&costs).is_ok());
    }

    #[test]
    fn memory_may_double_with_the_rows_and_not_more() {
        assert!(memory(&costs(|rows| 65_536 + 100 * rows.next_power_of_two())).is_ok());
        let fault = memory(&costs(|rows| rows * rows)).unwrap_err();
        assert!(fault.contains("1500 for each further row"), "{fault}");
    }
}
