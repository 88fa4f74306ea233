//! One column: conversion to its stored type, and each value checked against what the column admits.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int64Array,
        ListArray, StringArray, TimestampMicrosecondArray,
    },
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, TimeUnit},
};

use super::{Faults, Ground, days::Days, money::parse_money};
use crate::{
    Error,
    fact::{Content, LONGEST_KEY, LONGEST_LIST, LONGEST_TEXT},
};

const MICROS_A_DAY: i64 = 86_400_000_000;
/// 2200-01-01, beyond which no instant is admitted.
const LAST_INSTANT: i64 = 7_258_118_400_000_000;
const LAST_DAY: i32 = 84_006;
/// 10^18: money has 14 digits before the point and 4 behind.
const MONEY_LIMIT: i128 = 1_000_000_000_000_000_000;

/// Undoes dictionaries and large or view layouts, so that each content has few types to read.
pub(crate) fn plain(array: &ArrayRef, name: &'static str) -> Result<ArrayRef, Error> {
    let target = match array.data_type() {
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        },
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
        }
        _ => return Ok(array.clone()),
    };
    cast(array, &target).map_err(|_| unreadable(name, array.data_type()))
}

pub(crate) fn unreadable(name: &str, data_type: &DataType) -> Error {
    Error::Malformed {
        reason: format!("the field `{name}` came as {data_type}, which cannot be read as its type"),
    }
}

/// A number as a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Is(i128),
    Not,
}

/// The numbers of a column of floats or decimals as whole ones. What is not a number is none.
fn whole(given: &ArrayRef) -> Result<Vec<Option<Whole>>, Error> {
    if let DataType::Decimal32(_, scale)
    | DataType::Decimal64(_, scale)
    | DataType::Decimal128(_, scale)
    | DataType::Decimal256(_, scale) = given.data_type()
    {
        let scale = (*scale).max(0);
        let wide = cast(given, &DataType::Decimal128(38, scale))?;
        let wide = wide.as_primitive::<arrow::datatypes::Decimal128Type>();
        let unit = 10i128.pow(scale.unsigned_abs().into());
        let number = |value: i128| match value % unit {
            0 => Whole::Is(value / unit),
            _ => Whole::Not,
        };
        // One that is too wide is none here, and is no missing one.
        let wide = wide.iter().enumerate();
        return Ok(wide
            .map(|(row, value)| match value {
                None if given.is_valid(row) => Some(Whole::Not),
                value => value.map(number),
            })
            .collect());
    }
    let exact = match given.data_type() {
        DataType::Float16 => 2_048.0,
        DataType::Float32 => 16_777_216.0,
        _ => 9_007_199_254_740_992.0,
    };
    let floats = cast(given, &DataType::Float64)?;
    let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
    let number = |value: f64| match value {
        value if value.is_nan() => None,
        value if value.fract() == 0.0 && value.abs() < exact => Some(Whole::Is(value as i128)),
        _ => Some(Whole::Not),
    };
    Ok(floats.iter().map(|value| value.and_then(number)).collect())
}

/// The check of one column.
pub(super) struct FieldCheck<'a> {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) faults: &'a mut Faults,
}

impl FieldCheck<'_> {
    /// The column in its stored type, followed by its days where the content derives them.
    pub(super) fn convert(
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

    /// Texts of a row from a text column, from bytes that must be UTF-8, or from whole numbers, of which a `123.0` is one.
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
            kind if kind.is_floating() || kind.is_decimal() => self.whole_texts(given)?,
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

    /// Numbers that are whole as texts, as ids become numbers where programs guess.
    fn whole_texts(&mut self, given: &ArrayRef) -> Result<ArrayRef, Error> {
        let mut texts = Vec::with_capacity(given.len());
        for (row, value) in whole(given)?.into_iter().enumerate() {
            texts.push(match value {
                None => None,
                Some(Whole::Is(number)) => Some(number.to_string()),
                Some(Whole::Not) => {
                    self.refuse(
                        row,
                        "is a number with a fraction, or of more digits than a float keeps; send it as text",
                    );
                    Some("?".to_owned())
                }
            });
        }
        Ok(Arc::new(StringArray::from(texts)))
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
            kind if kind.is_integer() || kind.is_decimal() => {
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
        if kind.is_floating() || kind.is_decimal() {
            let number = |value: Option<Whole>| match value {
                Some(Whole::Is(number)) => i64::try_from(number).ok(),
                _ => None,
            };
            return Ok(whole(given)?.into_iter().map(number).collect());
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
            DataType::Timestamp(_, _) | DataType::Utf8 | DataType::Null | DataType::Date32 | DataType::Date64
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
