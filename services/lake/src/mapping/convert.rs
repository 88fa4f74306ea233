//! What a `SELECT` gives as the fields of a fact: texts become numbers, times and days, as people write them.
//!
//! A value that cannot be converted is a fault of its row alone.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        RecordBatch, TimestampMicrosecondArray, new_null_array,
    },
    compute::cast,
    datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType},
};
use chrono::{DateTime, Datelike, NaiveDate};

use super::{
    number::{self, Decimal, NO_NUMBER},
    time::{self, Clock, Format, NO_TIME, Order, Written},
};
use crate::{
    Error,
    check::{parse_money, unreadable},
    fact::{Column, Content, Fact},
};

/// Days from the first of the first year to 1970.
const EPOCH: i32 = 719_163;
/// Decimals of money.
const MONEY_SCALE: u32 = 4;

const NO_FRACTION: &str = "is no whole number";
const FINE: &str = "has more than four decimals; write it as 12.50";
const LONG_ID: &str =
    "is a key in scientific notation, which has lost digits; format the column as text and export again";
const NO_FLAG: &str = "is neither true nor false";
pub(super) const UNSETTLED: &str = "can be day or month first";

/// A value that is none of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub row: usize,
    pub field: &'static str,
    pub reason: Cow<'static, str>,
}

/// Rows in the types of their fact, and the faults among them: their values are null.
pub(super) struct Converted {
    pub batch: RecordBatch,
    pub faults: Vec<Fault>,
}

/// Converts the columns of one entry.
pub(super) struct Converter {
    fact: &'static Fact,
    clock: Clock,
    formats: BTreeMap<String, Format>,
    orders: BTreeMap<&'static str, Order>,
}

/// What the values of a column tell of the order of day and month.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    month_first: Option<String>,
    day_first: Option<String>,
    open: Option<String>,
}

impl Converter {
    pub fn new(fact: &'static Fact, clock: Clock, formats: BTreeMap<String, Format>) -> Self {
        Self {
            fact,
            clock,
            formats,
            orders: BTreeMap::new(),
        }
    }

    /// The columns in whose texts the order of day and month is not known yet, with what these rows tell of it.
    pub fn look(&self, batch: &RecordBatch, found: &mut BTreeMap<&'static str, Evidence>) {
        for (column, array) in self.columns(batch) {
            let is_time = matches!(column.content, Content::Instant { .. } | Content::Day);
            let is_known = self.formats.contains_key(column.name) || self.orders.contains_key(column.name);
            let texts = array.as_string_opt::<i32>().filter(|_| is_time && !is_known);
            for text in texts.into_iter().flatten().flatten() {
                let Some(Written::Open { first, second, .. }) = time::read(text) else {
                    continue;
                };
                let evidence = found.entry(column.name).or_default();
                let slot = match (first > 12, second > 12) {
                    (true, false) => &mut evidence.day_first,
                    (false, true) => &mut evidence.month_first,
                    _ if first == second => continue,
                    _ => &mut evidence.open,
                };
                slot.get_or_insert_with(|| text.to_owned());
            }
        }
    }

    /// Fixes the orders that all rows of the entry tell.
    ///
    /// # Errors
    /// The column whose values tell both orders, or none.
    pub fn settle(&mut self, found: BTreeMap<&'static str, Evidence>) -> Result<(), String> {
        for (name, evidence) in found {
            let order = match evidence {
                Evidence {
                    month_first: Some(month),
                    day_first: Some(day),
                    ..
                } => {
                    return Err(format!(
                        "the values of `{name}` have day and month in different orders, such as `{month}` and `{day}`; \
                         write all in one, and say which with `formats: {{{name}: \"%d/%m/%Y %H:%M\"}}`"
                    ));
                }
                Evidence {
                    month_first: Some(_), ..
                } => Order::MonthFirst,
                Evidence {
                    day_first: Some(_), ..
                } => Order::DayFirst,
                Evidence { open: Some(open), .. } => {
                    return Err(format!(
                        "every value of `{name}`, such as `{open}`, {UNSETTLED}; say which with \
                         `formats: {{{name}: \"%d/%m/%Y %H:%M\"}}` or `formats: {{{name}: \"%m/%d/%Y %H:%M\"}}`"
                    ));
                }
                // The same in both orders.
                Evidence { .. } => Order::DayFirst,
            };
            self.orders.insert(name, order);
        }
        Ok(())
    }

    fn columns<'a>(
        &'a self,
        batch: &'a RecordBatch,
    ) -> impl Iterator<Item = (&'static Column, &'a ArrayRef)> {
        let columns = self.fact.columns.iter();
        columns.filter_map(|column| Some((column, batch.column_by_name(column.name)?)))
    }

    /// Converts the columns that are fields of the fact.
    ///
    /// # Errors
    /// When a column is of a type that its field cannot have.
    pub fn convert(&mut self, batch: &RecordBatch) -> Result<Converted, Error> {
        let mut faults = Vec::new();
        let mut fields = Vec::with_capacity(batch.num_columns());
        let mut arrays = Vec::with_capacity(batch.num_columns());
        for column in self.fact.columns {
            let Some(given) = batch.column_by_name(column.name) else {
                continue;
            };
            let array = self.column(column, &plain(given, column.name)?, &mut faults)?;
            fields.push(Field::new(column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        faults.sort_by_key(|fault| fault.row);
        faults.dedup_by_key(|fault| fault.row);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        Ok(Converted { batch, faults })
    }

    fn column(
        &mut self,
        column: &'static Column,
        given: &ArrayRef,
        faults: &mut Vec<Fault>,
    ) -> Result<ArrayRef, Error> {
        let mut fault = |row: usize, reason: Cow<'static, str>| {
            faults.push(Fault {
                row,
                field: column.name,
                reason,
            });
        };
        let kind = given.data_type();
        Ok(match column.content {
            Content::Key => {
                if let Some(texts) = given.as_string_opt::<i32>() {
                    for (row, text) in texts.iter().enumerate() {
                        if text.is_some_and(number::is_scientific) {
                            fault(row, LONG_ID.into());
                        }
                    }
                }
                Arc::clone(given)
            }
            Content::Money if kind == &DataType::Utf8 => {
                let money = of_texts(given, &mut fault, |text| match parse_money(text) {
                    Some(amount) => Ok(amount),
                    None => Decimal::parse(text)?.at(MONEY_SCALE).ok_or(FINE),
                });
                let money = Decimal128Array::from(money).with_precision_and_scale(38, MONEY_SCALE as i8)?;
                Arc::new(money)
            }
            Content::Count(_) if kind == &DataType::Utf8 => {
                Arc::new(Int64Array::from(of_texts(given, &mut fault, whole)))
            }
            Content::Share if kind == &DataType::Utf8 => {
                let share = |text: &str| Decimal::parse(text).map(Decimal::to_f64);
                Arc::new(Float64Array::from(of_texts(given, &mut fault, share)))
            }
            Content::Flag if kind == &DataType::Utf8 => {
                Arc::new(BooleanArray::from(of_texts(given, &mut fault, flag)))
            }
            Content::Instant { .. } => self.instants(column.name, given, &mut fault)?,
            Content::Day => self.days(column.name, given, &mut fault)?,
            _ => Arc::clone(given),
        })
    }

    fn instants(
        &mut self,
        name: &'static str,
        given: &ArrayRef,
        fault: &mut impl FnMut(usize, Cow<'static, str>),
    ) -> Result<ArrayRef, Error> {
        let instants: TimestampMicrosecondArray = match given.data_type() {
            DataType::Timestamp(_, Some(_)) => {
                let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
                return Ok(cast(given, &utc)?);
            }
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => {
                let local = cast(given, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let local = local.as_primitive::<TimestampMicrosecondType>();
                let instant = |micros: i64| {
                    let local = DateTime::from_timestamp_micros(micros).ok_or(NO_TIME)?;
                    self.clock.instant(local.naive_utc())
                };
                of_values(local.iter(), fault, instant).into()
            }
            _ => {
                let texts = self.texts(name, given)?;
                of_texts(&texts, fault, |text| self.instant(name, text)).into()
            }
        };
        Ok(Arc::new(instants.with_timezone("UTC")))
    }

    /// Times as texts: those that are numbers need a declared format.
    fn texts(&self, name: &'static str, given: &ArrayRef) -> Result<ArrayRef, Error> {
        match given.data_type() {
            DataType::Utf8 => Ok(Arc::clone(given)),
            DataType::Null => Ok(new_null_array(&DataType::Utf8, given.len())),
            kind if kind.is_numeric() && self.formats.contains_key(name) => Ok(cast(given, &DataType::Utf8)?),
            kind if kind.is_numeric() => Err(Error::Malformed {
                reason: format!(
                    "the field `{name}` came as numbers; say what they are with `formats: {{{name}: seconds}}`, millis or excel"
                ),
            }),
            other => Err(unreadable(name, other)),
        }
    }

    fn instant(&mut self, name: &'static str, text: &str) -> Result<i64, &'static str> {
        match self.written(name, text)? {
            Written::Instant(micros) => Ok(micros),
            Written::Local(local) => self.clock.instant(local),
            Written::Open { .. } => Err(UNSETTLED),
        }
    }

    fn written(&self, name: &'static str, text: &str) -> Result<Written, &'static str> {
        if let Some(format) = self.formats.get(name) {
            return time::read_as(text, format);
        }
        let written = time::read(text).ok_or(NO_TIME)?;
        match self.orders.get(name) {
            Some(order) => written.settled(*order).ok_or(NO_TIME),
            None => Ok(written),
        }
    }

    fn days(
        &mut self,
        name: &'static str,
        given: &ArrayRef,
        fault: &mut impl FnMut(usize, Cow<'static, str>),
    ) -> Result<ArrayRef, Error> {
        let number = |day: NaiveDate| day.num_days_from_ce() - EPOCH;
        let days: Date32Array = match given.data_type() {
            DataType::Date32 => return Ok(Arc::clone(given)),
            DataType::Date64 | DataType::Timestamp(_, None) => return Ok(cast(given, &DataType::Date32)?),
            DataType::Timestamp(_, Some(_)) => {
                let utc = cast(
                    given,
                    &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                )?;
                let utc = utc.as_primitive::<TimestampMicrosecondType>();
                of_values(utc.iter(), fault, |micros| {
                    self.clock.day(micros).map(number).ok_or(NO_TIME)
                })
                .into()
            }
            _ => {
                let texts = self.texts(name, given)?;
                let day = |text: &str| match self.written(name, text)? {
                    Written::Local(local) => Ok(number(local.date())),
                    Written::Instant(micros) => self.clock.day(micros).map(number).ok_or(NO_TIME),
                    Written::Open { .. } => Err(UNSETTLED),
                };
                of_texts(&texts, fault, day).into()
            }
        };
        Ok(Arc::new(days))
    }
}

/// Undoes dictionaries and large or view layouts.
fn plain(array: &ArrayRef, name: &'static str) -> Result<ArrayRef, Error> {
    crate::check::plain(array, name)
}

/// Each text's value; a text that has none is a fault, an empty one is null.
fn of_texts<T>(
    given: &ArrayRef,
    fault: &mut impl FnMut(usize, Cow<'static, str>),
    value: impl FnMut(&str) -> Result<T, &'static str>,
) -> Vec<Option<T>> {
    let texts = given.as_string::<i32>();
    of_values(
        texts
            .iter()
            .map(|text| text.map(str::trim).filter(|text| !text.is_empty())),
        fault,
        value,
    )
}

fn of_values<V, T>(
    given: impl Iterator<Item = Option<V>>,
    fault: &mut impl FnMut(usize, Cow<'static, str>),
    mut value: impl FnMut(V) -> Result<T, &'static str>,
) -> Vec<Option<T>> {
    let mut values = Vec::with_capacity(given.size_hint().0);
    for (row, one) in given.enumerate() {
        values.push(match one.map(&mut value) {
            None => None,
            Some(Ok(value)) => Some(value),
            Some(Err(reason)) => {
                fault(row, reason.into());
                None
            }
        });
    }
    values
}

fn whole(text: &str) -> Result<i64, &'static str> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let whole = Decimal::parse(text)?.at(0).ok_or(NO_FRACTION)?;
    i64::try_from(whole).map_err(|_| NO_NUMBER)
}

fn flag(text: &str) -> Result<bool, &'static str> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "on" | "是" | "有" | "真" => Ok(true),
        "false" | "f" | "no" | "n" | "0" | "off" | "否" | "无" | "假" => Ok(false),
        _ => Err(NO_FLAG),
    }
}
