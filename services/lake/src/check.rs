//! Checks rows and brings their columns into the stored form.
//!
//! Whatever form a batch came in, it passes here: each column is converted to its stored type, each value held
//! against what its column admits, and each row with a fault refused by position, field and reason. Days are
//! derived here, once, in the tenant's zone.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
        Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
        new_null_array,
    },
    compute::{CastOptions, cast, cast_with_options, filter_record_batch},
    datatypes::{DataType, Field, TimeUnit},
};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use dualwheel_measure::Day;

use crate::{
    Error,
    fact::{Content, Fact, LONGEST_KEY, LONGEST_LIST, LONGEST_TEXT, bucket_of},
};

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
}

const MICROS_A_DAY: i64 = 86_400_000_000;
/// 2200-01-01, beyond which no instant is admitted.
const LAST_INSTANT: i64 = 7_258_118_400_000_000;
const LAST_DAY: i32 = 84_006;
/// 10^18: money has 14 digits before the point and 4 behind.
const MONEY_LIMIT: i128 = 1_000_000_000_000_000_000;

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
    columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        ground.tenant,
        rows,
    ))));
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

/// Undoes dictionaries and large or view layouts, so that each content has few types to read.
fn plain(array: &ArrayRef, name: &'static str) -> Result<ArrayRef, Error> {
    let target = match array.data_type() {
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            other => other.clone(),
        },
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::LargeList(_) | DataType::ListView(_) | DataType::FixedSizeList(_, _) => {
            DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
        }
        _ => return Ok(array.clone()),
    };
    cast(array, &target).map_err(|_| unreadable(name, array.data_type()))
}

fn unreadable(name: &str, data_type: &DataType) -> Error {
    Error::Malformed {
        reason: format!("the field `{name}` came as {data_type}, which cannot be read as its type"),
    }
}

struct FieldCheck<'a> {
    name: &'static str,
    required: bool,
    faults: &'a mut Faults,
}

impl FieldCheck<'_> {
    fn convert(
        &mut self,
        given: &ArrayRef,
        content: Content,
        ground: &Ground<'_>,
    ) -> Result<Vec<ArrayRef>, Error> {
        Ok(match content {
            Content::Key => vec![self.text(given, LONGEST_KEY)?],
            Content::Text => vec![self.text(given, LONGEST_TEXT)?],
            Content::Texts => vec![self.texts(given)?],
            Content::Money => vec![self.money(given)?],
            Content::Count(most) => vec![self.count(given, most)?],
            Content::Share => vec![self.share(given)?],
            Content::Instant { future, day } => self.instant(given, future, day.is_some(), ground)?,
            Content::Day => vec![self.day(given)?],
            Content::Code(names) => vec![self.code(given, names)?],
            Content::Flag => vec![self.flag(given)?],
        })
    }

    fn refuse(&mut self, row: usize, reason: impl Into<String>) {
        self.faults.add(row, self.name, reason.into());
    }

    fn missing(&mut self, row: usize) {
        if self.required {
            self.refuse(row, "is missing; every row needs it");
        }
    }

    /// Texts of a row from a text column, from bytes that must be UTF-8, or from whole numbers.
    fn text(&mut self, given: &ArrayRef, longest: usize) -> Result<ArrayRef, Error> {
        if let Some(bytes) = given.as_binary_opt::<i32>() {
            let mut kept = Vec::with_capacity(bytes.len());
            for (row, value) in bytes.iter().enumerate() {
                kept.push(match value.map(std::str::from_utf8) {
                    Some(Ok(text)) => Some(text.to_owned()),
                    Some(Err(_)) => {
                        self.refuse(row, "is not UTF-8; send it re-encoded");
                        None
                    }
                    None => None,
                });
            }
            let texts: ArrayRef = Arc::new(StringArray::from(kept));
            return self.text(&texts, longest);
        }
        let texts = match given.data_type() {
            DataType::Utf8 => given.clone(),
            kind if kind.is_integer() || *kind == DataType::Null => {
                cast(given, &DataType::Utf8).map_err(|_| unreadable(self.name, kind))?
            }
            other => return Err(unreadable(self.name, other)),
        };
        let array = texts.as_string::<i32>();
        let mut empty = false;
        for row in 0..array.len() {
            let length = if array.is_valid(row) {
                array.value_length(row) as usize
            } else {
                0
            };
            if length == 0 {
                empty |= array.is_valid(row);
                self.missing(row);
            } else if length > longest {
                self.refuse(row, format!("has {length} bytes; at most {longest} are admitted"));
            }
        }
        if !empty {
            return Ok(texts);
        }
        Ok(Arc::new(StringArray::from_iter(
            array.iter().map(|text| text.filter(|text| !text.is_empty())),
        )))
    }

    fn texts(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let stored = crate::fact::stored_type(Content::Texts);
        let list = match given.data_type() {
            DataType::List(_) => {
                cast(given, &stored).map_err(|_| unreadable(self.name, given.data_type()))?
            }
            DataType::Utf8 | DataType::Null => split_texts(given)?,
            other => return Err(unreadable(self.name, other)),
        };
        let array: &ListArray = list.as_list::<i32>();
        for row in 0..array.len() {
            if !array.is_valid(row) {
                self.missing(row);
                continue;
            }
            let values = array.value(row);
            let texts = values.as_string::<i32>();
            if texts.len() > LONGEST_LIST {
                self.refuse(
                    row,
                    format!(
                        "holds {} values; at most {LONGEST_LIST} are admitted",
                        texts.len()
                    ),
                );
            } else if texts
                .iter()
                .any(|text| text.is_none_or(|text| text.is_empty() || text.len() > LONGEST_KEY))
            {
                self.refuse(
                    row,
                    format!("holds a value that is empty or longer than {LONGEST_KEY} bytes"),
                );
            }
        }
        Ok(list)
    }

    fn money(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let mut values: Vec<Option<i128>> = Vec::with_capacity(given.len());
        match given.data_type() {
            DataType::Utf8 => {
                for (row, text) in given.as_string::<i32>().iter().enumerate() {
                    values.push(self.parsed_money(row, text));
                }
            }
            DataType::Float64 | DataType::Float32 => {
                let floats = cast(given, &DataType::Float64)?;
                let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
                for (row, value) in floats.iter().enumerate() {
                    values.push(self.float_money(row, value));
                }
            }
            DataType::Null => values.resize(given.len(), None),
            kind if kind.is_integer() || matches!(kind, DataType::Decimal128(_, _)) => {
                let strict = CastOptions {
                    safe: true,
                    ..CastOptions::default()
                };
                let wide = cast_with_options(given, &DataType::Decimal128(38, 4), &strict)?;
                let wide = wide
                    .as_any()
                    .downcast_ref::<Decimal128Array>()
                    .ok_or_else(|| unreadable(self.name, kind))?;
                values.extend(wide.iter());
            }
            other => return Err(unreadable(self.name, other)),
        }
        for (row, value) in values.iter_mut().enumerate() {
            match value {
                None => self.missing(row),
                Some(amount) if *amount < 0 => self.refuse(row, "is negative; book refunds in refund_amount"),
                Some(amount) if *amount >= MONEY_LIMIT => {
                    self.refuse(row, "has more than 14 digits before the point");
                    *value = None;
                }
                Some(_) => {}
            }
        }
        let array = Decimal128Array::from(values).with_precision_and_scale(18, 4)?;
        Ok(Arc::new(array))
    }

    fn parsed_money(&mut self, row: usize, text: Option<&str>) -> Option<i128> {
        let text = text.filter(|text| !text.is_empty())?;
        let parsed = parse_money(text);
        if parsed.is_none() {
            self.refuse(row, "is no amount; write it as 12.50, with at most four decimals");
        }
        Some(parsed.unwrap_or(0))
    }

    fn float_money(&mut self, row: usize, value: Option<f64>) -> Option<i128> {
        let value = value?;
        if !value.is_finite() {
            self.refuse(row, "is not a finite number");
            return Some(0);
        }
        Some((value * 10_000.0).round().clamp(-2e18, 2e18) as i128)
    }

    fn count(&mut self, given: &ArrayRef, most: i64) -> Result<ArrayRef, Error> {
        let wide = self.whole_numbers(given)?;
        for row in 0..wide.len() {
            if wide.is_null(row) {
                if given.is_null(row) {
                    self.missing(row);
                } else {
                    self.refuse(row, "is not a whole number");
                }
            } else if wide.value(row) < 0 {
                self.refuse(row, "is negative; at least 0 is admitted");
            } else if wide.value(row) > most {
                self.refuse(row, format!("is above {most}, the most that is admitted"));
            }
        }
        Ok(Arc::new(wide))
    }

    /// The column as whole numbers; null where a value is none.
    fn whole_numbers(&self, given: &ArrayRef) -> Result<Int64Array, Error> {
        let kind = given.data_type();
        if kind.is_floating() {
            let floats = cast(given, &DataType::Float64)?;
            let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
            let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
            return Ok(floats.iter().map(|value| value.and_then(whole)).collect());
        }
        if !(kind.is_integer() || matches!(kind, DataType::Utf8 | DataType::Null | DataType::Boolean)) {
            return Err(unreadable(self.name, kind));
        }
        let wide = cast(given, &DataType::Int64).map_err(|_| unreadable(self.name, kind))?;
        Ok(wide.as_primitive::<arrow::datatypes::Int64Type>().clone())
    }

    fn share(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let kind = given.data_type();
        if !(kind.is_numeric() || matches!(kind, DataType::Utf8 | DataType::Null)) {
            return Err(unreadable(self.name, kind));
        }
        let wide = cast(given, &DataType::Float64).map_err(|_| unreadable(self.name, kind))?;
        let wide: &Float64Array = wide.as_primitive();
        for row in 0..wide.len() {
            if wide.is_null(row) {
                if given.is_null(row) {
                    self.missing(row);
                } else {
                    self.refuse(row, "is not a number");
                }
            } else if !(0.0..=1.0).contains(&wide.value(row)) {
                self.refuse(row, "is not between 0 and 1");
            }
        }
        Ok(Arc::new(wide.clone()))
    }

    fn instant(
        &mut self,
        given: &ArrayRef,
        future: bool,
        with_day: bool,
        ground: &Ground<'_>,
    ) -> Result<Vec<ArrayRef>, Error> {
        let kind = given.data_type();
        if !matches!(
            kind,
            DataType::Timestamp(_, _) | DataType::Utf8 | DataType::Null | DataType::Date32
        ) {
            return Err(unreadable(self.name, kind));
        }
        let stored = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let micros = cast(given, &stored).map_err(|_| unreadable(self.name, kind))?;
        let micros: &TimestampMicrosecondArray = micros.as_primitive();
        let latest = if future {
            LAST_INSTANT
        } else {
            ground.now.saturating_add(MICROS_A_DAY)
        };
        let mut days = Days::new(ground.zone);
        let mut derived: Vec<Option<i32>> = Vec::with_capacity(if with_day { micros.len() } else { 0 });
        for row in 0..micros.len() {
            let value = micros.is_valid(row).then(|| micros.value(row));
            match value {
                None if given.is_null(row) => self.missing(row),
                None => self.refuse(row, "is no instant; write it as 2026-01-31T08:00:00Z"),
                Some(at) if at < 0 => self.refuse(row, "lies before 1970"),
                Some(at) if at > LAST_INSTANT => self.refuse(row, "lies beyond 2199"),
                Some(at) if at > latest => self.refuse(row, "lies in the future; check the sender's clock"),
                Some(_) => {}
            }
            if with_day {
                derived.push(
                    value
                        .filter(|at| (0..=LAST_INSTANT).contains(at))
                        .and_then(|at| days.of(at)),
                );
            }
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(micros.clone().with_timezone("UTC"))];
        if with_day {
            columns.push(Arc::new(Date32Array::from(derived)));
        }
        Ok(columns)
    }

    fn day(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let kind = given.data_type();
        if !matches!(
            kind,
            DataType::Date32
                | DataType::Date64
                | DataType::Utf8
                | DataType::Null
                | DataType::Timestamp(_, None)
        ) {
            return Err(unreadable(self.name, kind));
        }
        let days = cast(given, &DataType::Date32).map_err(|_| unreadable(self.name, kind))?;
        let days: &Date32Array = days.as_primitive();
        for row in 0..days.len() {
            if days.is_null(row) {
                if given.is_null(row) {
                    self.missing(row);
                } else {
                    self.refuse(row, "is no day; write it as 2026-01-31");
                }
            } else if !(0..=LAST_DAY).contains(&days.value(row)) {
                self.refuse(row, "does not lie between 1970 and 2199");
            }
        }
        Ok(Arc::new(days.clone()))
    }

    fn code(&mut self, given: &ArrayRef, names: &[&str]) -> Result<ArrayRef, Error> {
        let mut codes: Vec<Option<i8>> = Vec::with_capacity(given.len());
        if given.data_type() == &DataType::Utf8 {
            for (row, text) in given.as_string::<i32>().iter().enumerate() {
                let found = text.map(|text| names.iter().position(|name| name.eq_ignore_ascii_case(text)));
                if found == Some(None) {
                    self.refuse(row, format!("is none of {}", names.join(", ")));
                }
                codes.push(found.map(|at| at.and_then(|at| i8::try_from(at).ok()).unwrap_or(0)));
            }
        } else {
            let wide = self.whole_numbers(given)?;
            for (row, number) in wide.iter().enumerate() {
                let known = number
                    .and_then(|number| usize::try_from(number).ok())
                    .filter(|at| *at < names.len());
                if number.is_some() && known.is_none() {
                    self.refuse(row, format!("is none of 0 to {}", names.len() - 1));
                }
                codes.push(number.map(|_| known.and_then(|at| i8::try_from(at).ok()).unwrap_or(0)));
            }
        }
        if self.required {
            for (row, code) in codes.iter().enumerate() {
                if code.unwrap_or(0) == 0 {
                    self.refuse(row, "is missing; every row needs it");
                }
            }
        }
        Ok(Arc::new(Int8Array::from(codes)))
    }

    fn flag(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let kind = given.data_type();
        let flags = cast(given, &DataType::Boolean).map_err(|_| unreadable(self.name, kind))?;
        for row in 0..flags.len() {
            if flags.is_null(row) && given.is_valid(row) {
                self.refuse(row, "is neither true nor false");
            }
        }
        Ok(flags)
    }
}

/// A text column with `|` between values as a list column; the empty text is an empty list.
fn split_texts(given: &ArrayRef) -> Result<ArrayRef, Error> {
    let texts = cast(given, &DataType::Utf8)?;
    let mut builder = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    for text in texts.as_string::<i32>() {
        if let Some(text) = text {
            for value in text.split('|').map(str::trim).filter(|value| !value.is_empty()) {
                builder.values().append_value(value);
            }
        }
        builder.append(text.is_some());
    }
    let list: ArrayRef = Arc::new(builder.finish());
    Ok(cast(&list, &crate::fact::stored_type(Content::Texts))?)
}

/// An amount in ten-thousandths from decimal text; negative ones are parsed, for the caller to refuse.
#[must_use]
pub fn parse_money(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = if fraction.len() > 4 {
        fraction.trim_end_matches('0')
    } else {
        fraction
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 20 || fraction.len() > 4 {
        return None;
    }
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let number = |part: &str| {
        part.bytes()
            .fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'))
    };
    let scale = 10i128.pow(4 - fraction.len() as u32);
    Some(sign * (number(whole) * 10_000 + number(fraction) * scale))
}

/// Days of instants in one zone. Instants come in any order, but few hours hold most of them: the day of each hour
/// is looked up once.
struct Days {
    zone: Tz,
    /// By hour since 1970 UTC: the day that holds the whole hour, if one does.
    hours: AHashMap<i64, Option<i32>>,
}

const MICROS_AN_HOUR: i64 = 3_600_000_000;

impl Days {
    fn new(zone: Tz) -> Self {
        Self {
            zone,
            hours: AHashMap::new(),
        }
    }

    fn of(&mut self, micros: i64) -> Option<i32> {
        let zone = self.zone;
        let hour = micros.div_euclid(MICROS_AN_HOUR);
        let whole = *self.hours.entry(hour).or_insert_with(|| day_of_hour(hour, zone));
        whole.or_else(|| Day::of_instant(micros, zone).map(|day| day.0))
    }
}

/// The day that holds a whole hour: an hour lies in one day when both its ends do and no clock is set in between.
fn day_of_hour(hour: i64, zone: Tz) -> Option<i32> {
    let first = hour.checked_mul(MICROS_AN_HOUR)?;
    let last = first + (MICROS_AN_HOUR - 1);
    let offset = |micros| {
        let instant = DateTime::from_timestamp_micros(micros)?;
        Some(zone.offset_from_utc_datetime(&instant.naive_utc()).fix())
    };
    let day = Day::of_instant(first, zone)?;
    (Day::of_instant(last, zone)? == day && offset(first)? == offset(last)?).then_some(day.0)
}
