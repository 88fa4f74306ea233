//! Checks rows and brings their columns into the stored form.
//!
//! Whatever form a batch came in, it passes here: each column is converted to its stored type, each value held
//! against what its column admits, and each row with a fault refused by position, field and reason. Days are
//! derived here, once, in the tenant's zone.

mod days;
mod field;
mod money;

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch,
        StringArray, new_null_array,
    },
    compute::filter_record_batch,
    datatypes::DataType,
};
use chrono_tz::Tz;

use self::field::FieldCheck;
pub(crate) use self::field::{plain, unreadable};
use crate::{
    Error,
    fact::{Content, Fact, bucket_of},
};
pub use money::parse_money;

/// One fault of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Position in the batch, from 0.
    pub row: usize,
    /// Field at fault.
    pub field: &'static str,
    /// What is wrong, and the cure.
    pub reason: String,
}

/// A batch after the check.
#[derive(Debug)]
pub struct Checked {
    /// The good rows in stored form, partition columns last.
    pub batch: RecordBatch,
    /// The first fault of each refused row, by row.
    pub refusals: Vec<Refusal>,
}

/// Where and when a batch is checked.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Tenant that the rows belong to.
    pub tenant: &'a str,
    /// Zone in which its days are counted.
    pub zone: Tz,
    /// The clock, in microseconds since 1970 UTC.
    pub now: i64,
    /// Who sends the batch, and its number.
    pub source: (&'a str, i64),
}

/// Checks `batch` as rows of `fact`.
///
/// # Errors
/// When the batch as a whole is wrong: a column that the fact does not have, a required one missing, or one of a
/// type that cannot be converted.
pub fn check(fact: &Fact, batch: &RecordBatch, ground: &Ground<'_>) -> Result<Checked, Error> {
    for field in batch.schema().fields() {
        if !fact.columns.iter().any(|column| column.name == field.name()) {
            let known: Vec<&str> = fact.columns.iter().map(|column| column.name).collect();
            let reason = format!(
                "{} has no field `{}`; its fields are {}",
                fact.name,
                field.name(),
                known.join(", ")
            );
            return Err(Error::Malformed { reason });
        }
    }
    let rows = batch.num_rows();
    let mut faults = Faults {
        first: vec![None; rows],
    };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(fact.columns.len() + 8);
    for column in fact.columns {
        let given = match batch.column_by_name(column.name) {
            Some(array) => array.clone(),
            None if column.required => {
                let reason = format!("{} needs the field `{}`", fact.name, column.name);
                return Err(Error::Malformed { reason });
            }
            None => new_null_array(&DataType::Utf8, rows),
        };
        let given = plain(&given, column.name)?;
        let mut field = FieldCheck {
            name: column.name,
            required: column.required,
            faults: &mut faults,
        };
        columns.extend(field.convert(&given, column.content, ground)?);
    }
    cross_checks(fact, &columns, &mut faults);
    let buckets: Int32Array = match fact
        .columns
        .iter()
        .zip(stored_positions(fact))
        .find(|(c, _)| c.name == "brand")
    {
        Some((_, at)) => {
            let brands = columns.get(at).and_then(|array| array.as_string_opt::<i32>());
            (0..rows)
                .map(|row| brands.map(|brands| bucket_of(brands.value(row))))
                .collect()
        }
        None => Int32Array::from_value(0, rows),
    };
    let text = |text| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)));
    if fact.is_corrected_by_sequence() {
        let (producer, sequence) = ground.source;
        columns.push(text(producer));
        columns.push(Arc::new(Int64Array::from_value(sequence, rows)));
    }
    columns.push(text(ground.tenant));
    columns.push(Arc::new(buckets));
    let whole = RecordBatch::try_new(fact.schema(), columns)?;
    let refusals: Vec<Refusal> = faults.first.iter().flatten().cloned().collect();
    let batch = if refusals.is_empty() {
        whole
    } else {
        let good: BooleanArray = faults.first.iter().map(|fault| Some(fault.is_none())).collect();
        filter_record_batch(&whole, &good)?
    };
    Ok(Checked { batch, refusals })
}

/// Where each of the fact's columns stands among the stored ones, derived days counted.
fn stored_positions(fact: &Fact) -> Vec<usize> {
    let mut next = 0;
    fact.columns
        .iter()
        .map(|column| {
            let at = next;
            next += if matches!(column.content, Content::Instant { day: Some(_), .. }) {
                2
            } else {
                1
            };
            at
        })
        .collect()
}

/// Rules that join two fields.
fn cross_checks(fact: &Fact, columns: &[ArrayRef], faults: &mut Faults) {
    let positions = stored_positions(fact);
    let day = |name: &str| {
        let at = fact.columns.iter().position(|column| column.name == name)?;
        columns
            .get(*positions.get(at)?)?
            .as_any()
            .downcast_ref::<Date32Array>()
    };
    if let (Some(first), Some(last)) = (day("first_day"), day("last_day")) {
        for row in 0..first.len().min(last.len()) {
            if first.is_valid(row) && last.is_valid(row) && first.value(row) > last.value(row) {
                faults.add(row, "last_day", "lies before first_day".to_owned());
            }
        }
    }
}

struct Faults {
    first: Vec<Option<Refusal>>,
}

impl Faults {
    fn add(&mut self, row: usize, field: &'static str, reason: String) {
        if let Some(slot) = self.first.get_mut(row)
            && slot.is_none()
        {
            *slot = Some(Refusal { row, field, reason });
        }
    }
}
