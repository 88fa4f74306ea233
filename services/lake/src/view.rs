//! Typed reading of the columns of stored batches.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
        Int64Array, ListArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int8Type, Int64Type, TimestampMicrosecondType,
    },
};

use crate::Error;

/// Ordinal that stands for "the fact did not say".
pub const NONE: u32 = u32::MAX;

/// A stored batch whose columns are asked for by name and kind.
pub(crate) struct View<'a>(pub &'a RecordBatch);

/// Text of either Arrow layout.
pub(crate) enum Texts<'a> {
    Plain(&'a StringArray),
    View(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    /// The text of a row; `None` when the fact did not say.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Plain(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Self::View(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
        }
    }

    /// The texts of all rows.
    pub(crate) fn all(&self) -> Vec<Option<&str>> {
        match self {
            Self::Plain(array) => array.iter().collect(),
            Self::View(array) => array.iter().collect(),
        }
    }
}

macro_rules! reader {
    ($(#[$doc:meta])* $name:ident, $array:ty, $arrow:ty) => {
        $(#[$doc])*
        pub(crate) fn $name(&self, name: &'static str) -> Result<&'a $array, Error> {
            self.column(name)?.as_primitive_opt::<$arrow>().ok_or(Error::ColumnType { column: name })
        }
    };
}

impl<'a> View<'a> {
    fn column(&self, name: &'static str) -> Result<&'a ArrayRef, Error> {
        self.0
            .column_by_name(name)
            .ok_or(Error::ColumnMissing { column: name })
    }

    /// A text column.
    pub(crate) fn text(&self, name: &'static str) -> Result<Texts<'a>, Error> {
        let column = self.column(name)?;
        if let Some(array) = column.as_string_opt::<i32>() {
            return Ok(Texts::Plain(array));
        }
        column
            .as_string_view_opt()
            .map(Texts::View)
            .ok_or(Error::ColumnType { column: name })
    }

    reader!(
        /// A column of whole numbers.
        count, Int64Array, Int64Type
    );
    reader!(
        /// A column of enum numbers.
        code, Int8Array, Int8Type
    );
    reader!(
        /// A column of days.
        day, Date32Array, Date32Type
    );
    reader!(
        /// A column of instants, in microseconds since 1970 UTC.
        instant, TimestampMicrosecondArray, TimestampMicrosecondType
    );
    reader!(
        /// A column of money, in ten-thousandths.
        money, Decimal128Array, Decimal128Type
    );
    reader!(
        /// A column of shares.
        share, Float64Array, Float64Type
    );

    /// A column of flags.
    pub(crate) fn flag(&self, name: &'static str) -> Result<&'a BooleanArray, Error> {
        self.column(name)?
            .as_boolean_opt()
            .ok_or(Error::ColumnType { column: name })
    }

    /// A column of lists.
    pub(crate) fn list(&self, name: &'static str) -> Result<&'a ListArray, Error> {
        self.column(name)?
            .as_list_opt::<i32>()
            .ok_or(Error::ColumnType { column: name })
    }
}

/// The texts of one row of a list column; `None` when the fact did not say.
pub(crate) fn list_texts(array: &ListArray, row: usize) -> Option<Vec<String>> {
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    let values = cast(&array.value(row), &DataType::Utf8).ok()?;
    let texts = values.as_string_opt::<i32>()?;
    Some(texts.iter().flatten().map(str::to_owned).collect())
}

/// The value of a row of a primitive column; `None` when the fact did not say.
pub(crate) fn at<T: arrow::array::ArrowPrimitiveType>(
    array: &arrow::array::PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    (row < array.len() && array.is_valid(row)).then(|| array.value(row))
}

/// The ordinal of a row's key.
pub(crate) fn ordinal_at(ordinals: &[u32], row: usize) -> u32 {
    ordinals.get(row).copied().unwrap_or(NONE)
}

/// The flag of a row; `None` when the fact did not say.
pub(crate) fn flag_at(array: &BooleanArray, row: usize) -> Option<bool> {
    (row < array.len() && array.is_valid(row)).then(|| array.value(row))
}
