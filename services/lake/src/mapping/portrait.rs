//! What the rows of a fact look like in sum, so that people see whether a mapping is right before they trust its numbers.

use std::collections::BTreeMap;

use ahash::{AHashMap, AHashSet};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Date32Type, Decimal128Type, Int64Type},
};
use dualwheel_measure::Day;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::fact::{Column, Content, Fact};

/// Keys whose distinct values are counted.
const COUNTED: [&str; 7] = [
    "consumer", "brand", "product", "order", "content", "campaign", "event_id",
];
/// Counts that are summed up.
const SUMMED: [&str; 5] = ["quantity", "returned_quantity", "units", "on_hand", "received"];
/// Rows from which on it is no accident that all of them are alike.
const MANY: u64 = 20;
/// Ten-thousandths of a unit of money.
const MONEY: i128 = 10_000;

/// What the rows of a fact look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Portrait {
    /// Rows that can be taken.
    pub rows: u64,
    /// The first day, in the mapping's zone.
    pub first_day: Option<String>,
    /// The last day.
    pub last_day: Option<String>,
    /// Sums of the amounts, by column.
    pub money: BTreeMap<&'static str, String>,
    /// Sums of the counts, by column.
    pub units: BTreeMap<&'static str, i128>,
    /// Number of distinct keys, by column.
    pub distinct: BTreeMap<&'static str, usize>,
    /// Share of rows without a value, by column that the mapping gives.
    pub nulls: BTreeMap<&'static str, f64>,
    /// What looks as if the mapping were wrong.
    pub warnings: Vec<String>,
}

/// Sum, least and largest value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    sum: i128,
    least: i128,
    most: i128,
}

impl Sum {
    fn add(slot: &mut Option<Self>, other: Self) {
        *slot = Some(slot.map_or(other, |sum| Self {
            sum: sum.sum + other.sum,
            least: sum.least.min(other.least),
            most: sum.most.max(other.most),
        }));
    }
}

/// Counts the rows of a fact.
#[derive(Clone, Debug)]
pub struct Tally {
    fact: &'static Fact,
    rows: u64,
    days: Option<Sum>,
    sums: BTreeMap<&'static str, Option<Sum>>,
    keys: BTreeMap<&'static str, AHashSet<u64>>,
    brands: AHashMap<String, u64>,
    /// Keys that end with `.0`.
    floats: BTreeMap<&'static str, u64>,
    nulls: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Nothing of a fact.
    #[must_use]
    pub fn new(fact: &'static Fact) -> Self {
        Self {
            fact,
            rows: 0,
            days: None,
            sums: BTreeMap::new(),
            keys: BTreeMap::new(),
            brands: AHashMap::new(),
            floats: BTreeMap::new(),
            nulls: BTreeMap::new(),
        }
    }

    /// Rows that have been counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The column of the day on which a row of the fact lies.
    fn day(&self) -> Option<(&'static str, &'static str)> {
        self.fact
            .columns
            .iter()
            .filter(|column| column.required)
            .find_map(|column| match column.content {
                Content::Instant { day: Some(day), .. } => Some((column.name, day)),
                Content::Day => Some((column.name, column.name)),
                _ => None,
            })
    }

    /// Counts checked rows, of which the columns `given` were.
    pub(super) fn add(&mut self, checked: &RecordBatch, given: &RecordBatch) {
        self.rows += checked.num_rows() as u64;
        if let Some(days) = self.day().and_then(|(_, day)| checked.column_by_name(day)) {
            let days = days.as_primitive::<Date32Type>().iter().flatten().map(i128::from);
            add(&mut self.days, days);
        }
        for column in self.fact.columns {
            if given.column_by_name(column.name).is_none() {
                continue;
            }
            if let Some(array) = checked.column_by_name(column.name) {
                *self.nulls.entry(column.name).or_default() += array.null_count() as u64;
                self.add_column(column, array);
            }
        }
    }

    fn add_column(&mut self, column: &Column, array: &dyn Array) {
        match column.content {
            Content::Money => {
                let values = array.as_primitive::<Decimal128Type>().iter().flatten();
                add(self.sums.entry(column.name).or_default(), values);
            }
            Content::Count(_) if SUMMED.contains(&column.name) => {
                let values = array.as_primitive::<Int64Type>().iter().flatten().map(i128::from);
                add(self.sums.entry(column.name).or_default(), values);
            }
            Content::Key if COUNTED.contains(&column.name) => {
                let keys = self.keys.entry(column.name).or_default();
                let mut floats = 0;
                for key in array.as_string::<i32>().iter().flatten() {
                    keys.insert(xxh3_64(key.as_bytes()));
                    floats += u64::from(key.ends_with(".0"));
                    if column.name == "brand" {
                        match self.brands.get_mut(key) {
                            Some(rows) => *rows += 1,
                            None => {
                                self.brands.insert(key.to_owned(), 1);
                            }
                        }
                    }
                }
                *self.floats.entry(column.name).or_default() += floats;
            }
            _ => {}
        }
    }

    /// Counts what another one has counted.
    pub fn absorb(&mut self, other: Self) {
        self.rows += other.rows;
        if let Some(days) = other.days {
            Sum::add(&mut self.days, days);
        }
        for (name, sum) in other.sums {
            let slot = self.sums.entry(name).or_default();
            if let Some(sum) = sum {
                Sum::add(slot, sum);
            }
        }
        for (name, keys) in other.keys {
            self.keys.entry(name).or_default().extend(keys);
        }
        for (brand, rows) in other.brands {
            *self.brands.entry(brand).or_default() += rows;
        }
        for (name, rows) in other.floats {
            *self.floats.entry(name).or_default() += rows;
        }
        for (name, rows) in other.nulls {
            *self.nulls.entry(name).or_default() += rows;
        }
    }

    /// What the rows look like.
    #[must_use]
    pub fn portrait(&self) -> Portrait {
        let day = |number: i128| i32::try_from(number).ok().map(|number| Day(number).to_string());
        let is_money = |name: &str| {
            let columns = &mut self.fact.columns.iter();
            columns.any(|column| column.name == name && column.content == Content::Money)
        };
        let of = |money: bool| {
            let sums = self.sums.iter().filter(move |(name, _)| is_money(name) == money);
            sums.map(|(name, sum)| (*name, sum.map_or(0, |sum| sum.sum)))
        };
        let share = |part: u64| part as f64 / self.rows.max(1) as f64;
        Portrait {
            rows: self.rows,
            first_day: self.days.and_then(|days| day(days.least)),
            last_day: self.days.and_then(|days| day(days.most)),
            money: of(true).map(|(name, sum)| (name, money(sum))).collect(),
            units: of(false).collect(),
            distinct: self.keys.iter().map(|(name, keys)| (*name, keys.len())).collect(),
            nulls: self
                .nulls
                .iter()
                .map(|(name, rows)| (*name, share(*rows)))
                .collect(),
            warnings: self.warnings(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.rows < MANY {
            return told;
        }
        if let (Some((column, _)), Some(days)) = (self.day(), self.days)
            && days.least == days.most
            && column != "updated_at"
        {
            told.push(format!("all rows lie on one day: is `{column}` the right time?"));
        }
        let sum = |name: &str| self.sums.get(name).copied().flatten();
        if let Some(paid) = sum("paid_amount") {
            if paid.least == paid.most {
                told.push(format!(
                    "every paid_amount is {}: is it the right column?",
                    money(paid.sum / i128::from(self.rows))
                ));
            }
            if let Some(refunds) = sum("refund_amount").filter(|refunds| refunds.sum > paid.sum) {
                told.push(format!(
                    "refunds of {} are above the paid {}: is refund_amount a total that stands on every line of an order?",
                    money(refunds.sum),
                    money(paid.sum)
                ));
            }
        }
        let most = self
            .brands
            .iter()
            .max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(one.0)));
        if let Some((brand, rows)) =
            most.filter(|(_, rows)| self.brands.len() > 1 && **rows * 100 >= self.rows * 99)
        {
            let share = *rows as f64 * 100.0 / self.rows as f64;
            told.push(format!(
                "{share:.1} % of the rows are of one brand, `{brand}`: is brand the right column?"
            ));
        }
        if self.keys.get("consumer").is_some_and(|keys| keys.len() == 1) {
            told.push("all rows are of one consumer: is consumer the right column?".to_owned());
        }
        for (name, rows) in self.floats.iter().filter(|(_, rows)| **rows * 2 > self.rows) {
            told.push(format!(
                "{rows} values of {name} end with `.0`: they were numbers once, and are other keys than those without it"
            ));
        }
        for (name, _) in self.nulls.iter().filter(|(_, rows)| **rows == self.rows) {
            told.push(format!("{name} is empty in every row: is it the right column?"));
        }
        told
    }
}

fn add(slot: &mut Option<Sum>, values: impl Iterator<Item = i128>) {
    for value in values {
        let one = Sum {
            sum: value,
            least: value,
            most: value,
        };
        Sum::add(slot, one);
    }
}

/// An amount in ten-thousandths as text, of two decimals where it has no more.
fn money(amount: i128) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, rest) = (
        amount.unsigned_abs() / MONEY.unsigned_abs(),
        amount.unsigned_abs() % MONEY.unsigned_abs(),
    );
    let digits = format!("{rest:04}");
    let digits = digits.strip_suffix("00").unwrap_or(&digits);
    format!("{sign}{whole}.{digits}")
}
