//! Rows and answers of runs as Arrow IPC streams, which any tool reads and which keep every bit.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, ListBuilder, PrimitiveBuilder, RecordBatch,
        RecordBatchOptions, StringArray,
    },
    datatypes::{DataType, Field, Float64Type, Schema},
    error::ArrowError,
    ipc::{
        CompressionType,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use bytes::Bytes;
use dualwheel_plugin_sdk::{Batch, Column, Values};

/// Rows in batches.
///
/// # Errors
/// None that batches of one question could cause.
pub(crate) fn encode(batches: &[Batch]) -> Result<Bytes, ArrowError> {
    let schema = batches.first().map_or_else(Schema::empty, schema);
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options)?;
    let schema = Arc::new(schema);
    for batch in batches {
        let arrays = batch.columns.iter().map(|column| array(&column.values)).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.rows));
        writer.write(&RecordBatch::try_new_with_options(schema.clone(), arrays, &rows)?)?;
    }
    Ok(writer.into_inner()?.into())
}

/// Rows of a run as they are kept, in the batches in which they were asked about.
///
/// # Errors
/// When they are damaged.
pub fn decode(bytes: &[u8]) -> Result<Vec<Batch>, ArrowError> {
    let batches = StreamReader::try_new(bytes, None)?;
    batches.map(|batch| self::batch(&batch?)).collect()
}

/// Answered columns as a batch.
pub(crate) fn of_columns(rows: usize, columns: &[Values]) -> Batch {
    let columns = columns.iter().enumerate().map(|(at, values)| Column {
        name: at.to_string(),
        values: values.clone(),
    });
    Batch {
        rows,
        columns: columns.collect(),
    }
}

/// The columns of [`of_columns`]; `None` when they are none.
pub(crate) fn columns_of(batches: Vec<Batch>) -> Option<Vec<Values>> {
    let [batch] = <[Batch; 1]>::try_from(batches).ok()?;
    Some(batch.columns.into_iter().map(|column| column.values).collect())
}

fn schema(batch: &Batch) -> Schema {
    let fields = batch.columns.iter().map(|column| {
        let kind = match column.values {
            Values::Numbers(_) => DataType::Float64,
            Values::Texts(_) => DataType::Utf8,
            Values::Series(_) => DataType::List(item()),
        };
        Field::new(&column.name, kind, false)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float64, false))
}

fn array(values: &Values) -> ArrayRef {
    match values {
        Values::Numbers(numbers) => Arc::new(Float64Array::from(numbers.clone())),
        Values::Texts(texts) => Arc::new(StringArray::from_iter_values(texts)),
        Values::Series(series) => {
            let mut lists = ListBuilder::new(PrimitiveBuilder::<Float64Type>::new()).with_field(item());
            for numbers in series {
                lists.values().append_slice(numbers);
                lists.append(true);
            }
            Arc::new(lists.finish())
        }
    }
}

fn batch(batch: &RecordBatch) -> Result<Batch, ArrowError> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        Ok(Column {
            name: field.name().clone(),
            values: values(array)?,
        })
    });
    Ok(Batch {
        rows: batch.num_rows(),
        columns: columns.collect::<Result<_, ArrowError>>()?,
    })
}

fn values(array: &ArrayRef) -> Result<Values, ArrowError> {
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        return Ok(Values::Numbers(numbers.values().to_vec()));
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Ok(Values::Texts(
            (0..texts.len()).map(|row| texts.value(row).to_owned()).collect(),
        ));
    }
    let wrong = || ArrowError::SchemaError(format!("{} is no column of a plugin", array.data_type()));
    let lists = array.as_list_opt::<i32>().ok_or_else(wrong)?;
    let series = (0..lists.len()).map(|row| {
        let numbers = lists.value(row);
        let numbers = numbers.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
        Ok(numbers.values().to_vec())
    });
    Ok(Values::Series(series.collect::<Result<_, ArrowError>>()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(batches: &[Batch]) -> String {
        let number = |number: &f64| format!("{:x}", number.to_bits());
        let numbers = |numbers: &Vec<f64>| numbers.iter().map(number).collect::<Vec<_>>();
        let column = |column: &Column| match &column.values {
            Values::Numbers(values) => format!("{} {:?}", column.name, numbers(values)),
            Values::Texts(texts) => format!("{} {texts:?}", column.name),
            Values::Series(series) => {
                let series: Vec<_> = series.iter().map(numbers).collect();
                format!("{} {series:?}", column.name)
            }
        };
        let batch = |batch: &Batch| {
            let columns: Vec<_> = batch.columns.iter().map(column).collect();
            format!("{} {columns:?}", batch.rows)
        };
        batches.iter().map(batch).collect::<Vec<_>>().join("\n")
    }

    proptest! {
        #[test]
        fn every_bit_comes_back(
            rows in prop::collection::vec(
                (any::<u64>(), ".{0,5}", prop::collection::vec(any::<u64>(), 0..4)), 0..20),
            cut in 1..8usize,
        ) {
            let batches: Vec<Batch> = rows.chunks(cut).map(|rows| {
                let number = |bits: &u64| f64::from_bits(*bits);
                Batch::new(rows.len())
                    .with_numbers("numbers", rows.iter().map(|(bits, ..)| number(bits)).collect())
                    .with_texts("texts", rows.iter().map(|(_, text, _)| text.clone()).collect())
                    .with_series("series", rows.iter().map(|(.., series)| series.iter().map(number).collect()).collect())
            }).collect();
            let back = decode(&encode(&batches).unwrap()).unwrap();
            prop_assert_eq!(bits(&back), bits(&batches));
        }
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let batches = [Batch::new(3), Batch::new(2)];
        assert_eq!(decode(&encode(&batches).unwrap()).unwrap(), batches);
        let texts = Values::Texts(vec!["A".to_owned(), "B".to_owned()]);
        let columns = vec![Values::Numbers(vec![-0.0, f64::NAN.abs()]), texts];
        let kept = encode(&[of_columns(2, &columns)]).unwrap();
        let back = columns_of(decode(&kept).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{columns:?}"));
        let mut damaged = kept.to_vec();
        damaged.truncate(kept.len() / 2);
        assert!(decode(&damaged).is_err());
    }
}
