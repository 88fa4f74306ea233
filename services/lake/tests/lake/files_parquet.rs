//! Parquet files of every kind of program: their types arrive as what they mean.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, Float32Array,
        Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    },
    datatypes::{Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use dualwheel_lake::mapping::{Import, Mapping};
use parquet::{
    arrow::ArrowWriter,
    data_type::{ByteArrayType, Int96, Int96Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::files::Folder;

/// 2026-05-01 12:00:00 UTC in seconds.
const NOON: i64 = 1_777_636_800;

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// What goes in, and why the rest does not.
struct Taken {
    batch: RecordBatch,
    refused: Vec<String>,
}

/// The rows of the files under a path, mapped by a list of a `SELECT`.
async fn taken(fact: &str, select: &str, path: &Path) -> Result<Taken, String> {
    let text = format!(
        "about: t\ntime_zone: UTC\ncurrency: CNY\nsources: {{s: {{}}}}\nfacts:\n- fact: {fact}\n  needs: [s]\n  \
         sql: |\n    SELECT {select} FROM s\n"
    );
    let mapping = Mapping::parse("m.yaml", &text).unwrap();
    let told = |error: dualwheel_lake::Error| error.to_string();
    let paths = BTreeMap::from([("s".to_owned(), path.to_owned())]);
    let import = Import::open(&mapping, &paths).await.map_err(told)?;
    import.plan().await.map_err(told)?;
    let mut rows = import.rows(0).await.map_err(told)?;
    let batch = rows.next().await.map_err(told)?.unwrap();
    let refused = rows.refused().iter().map(ToString::to_string).collect();
    Ok(Taken { batch, refused })
}

/// An order line of which some columns are those of the file.
async fn lines(bytes: &[u8], given: &[&str]) -> Taken {
    let others = [
        ("order", "'o'"),
        ("line", "'l'"),
        ("consumer", "'c'"),
        ("brand", "'b'"),
        ("product", "'p'"),
        ("quantity", "1"),
        ("paid_amount", "1"),
        ("paid_at", "TIMESTAMP '2026-05-01T12:00:00'"),
    ];
    let select: Vec<String> = others
        .iter()
        .map(|(name, other)| match given.contains(name) {
            true => format!("\"{name}\""),
            false => format!("{other} AS \"{name}\""),
        })
        .collect();
    let folder = Folder::new();
    taken("order_line", &select.join(", "), &folder.file("o.parquet", bytes))
        .await
        .unwrap()
}

fn texts(taken: &Taken, name: &str) -> Vec<String> {
    let array = taken
        .batch
        .column_by_name(name)
        .unwrap()
        .as_string::<i32>()
        .clone();
    (0..array.len()).map(|row| array.value(row).to_owned()).collect()
}

#[tokio::test]
async fn keys_that_programs_made_numbers_are_whole_again() {
    let keys: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![123.0, 9_007_199_254_740_991.0, -0.0])),
        Arc::new(Float32Array::from(vec![123.0, 16_777_215.0, 7.0])),
        Arc::new(Int64Array::from(vec![123, 9_007_199_254_740_993, 7])),
        Arc::new(
            Decimal128Array::from(vec![12_300, 690_123_456_789_012_345_600, 700])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        ),
        Arc::new(LargeStringArray::from(vec!["123", "007", "é"])),
        Arc::new(DictionaryArray::<Int32Type>::from_iter(["123", "x", "123"])),
    ];
    let expected = [
        ["123", "9007199254740991", "0"],
        ["123", "16777215", "7"],
        ["123", "9007199254740993", "7"],
        ["123", "6901234567890123456", "7"],
        ["123", "007", "é"],
        ["123", "x", "123"],
    ];
    for (array, expected) in keys.into_iter().zip(expected) {
        let found = lines(&parquet(vec![("order", array)]), &["order"]).await;
        assert_eq!(texts(&found, "order"), expected);
    }
    // What has lost digits, or has others behind the point, is refused alone.
    let odd: ArrayRef = Arc::new(Float64Array::from(vec![
        1.5,
        6.901_234_567_890_123e18,
        f64::NAN,
        4.0,
    ]));
    let found = lines(&parquet(vec![("order", odd)]), &["order"]).await;
    assert_eq!(texts(&found, "order"), ["4"]);
    let told = &found.refused;
    let words = ["fraction", "more digits", "missing"];
    assert_eq!(told.len(), words.len(), "{told:?}");
    assert!(
        told.iter().zip(words).all(|(told, words)| told.contains(words)),
        "{told:?}"
    );
    let odd = Decimal128Array::from(vec![150, 400]).with_precision_and_scale(9, 2);
    let odd: ArrayRef = Arc::new(odd.unwrap());
    let found = lines(&parquet(vec![("order", odd)]), &["order"]).await;
    assert_eq!(texts(&found, "order"), ["4"]);
    assert!(found.refused[0].contains("fraction"), "{:?}", found.refused);
}

#[tokio::test]
async fn counts_and_amounts_are_exact() {
    let counts: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![6.0, 1.5])),
        Arc::new(
            Decimal128Array::from(vec![600, 150])
                .with_precision_and_scale(9, 2)
                .unwrap(),
        ),
    ];
    for array in counts {
        let found = lines(&parquet(vec![("quantity", array)]), &["quantity"]).await;
        let counts = found
            .batch
            .column_by_name("quantity")
            .unwrap()
            .as_primitive::<Int64Type>()
            .clone();
        assert_eq!((counts.len(), counts.value(0)), (1, 6));
        assert!(found.refused[0].contains("whole number"), "{:?}", found.refused);
    }
    let amounts: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![19.9, 0.07])),
        Arc::new(
            Decimal128Array::from(vec![1_990, 7])
                .with_precision_and_scale(9, 2)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from(vec![19_900, 70])
                .with_precision_and_scale(38, 3)
                .unwrap(),
        ),
    ];
    for array in amounts {
        let found = lines(&parquet(vec![("paid_amount", array)]), &["paid_amount"]).await;
        let amounts = found
            .batch
            .column_by_name("paid_amount")
            .unwrap()
            .as_primitive::<Decimal128Type>()
            .clone();
        assert_eq!((amounts.value(0), amounts.value(1)), (199_000, 700));
    }
}

#[tokio::test]
async fn instants_of_every_type_are_the_same_one() {
    let second: ArrayRef = Arc::new(TimestampSecondArray::from(vec![NOON]));
    let instants: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![NOON * 1_000])),
        Arc::new(TimestampMicrosecondArray::from(vec![NOON * 1_000_000])),
        Arc::new(TimestampNanosecondArray::from(vec![NOON * 1_000_000_000])),
        Arc::new(TimestampMicrosecondArray::from(vec![NOON * 1_000_000]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![NOON * 1_000_000]).with_timezone("Asia/Shanghai")),
        Arc::new(TimestampNanosecondArray::from(vec![NOON * 1_000_000_000]).with_timezone("+08:00")),
        Arc::new(StringArray::from(vec!["2026-05-01 12:00:00"])),
        Arc::new(Date32Array::from(vec![20_574])),
        Arc::new(Date64Array::from(vec![20_574 * 86_400_000])),
        second,
    ];
    for array in instants {
        let kind = array.data_type().clone();
        let expected = if kind.is_temporal() && !matches!(kind, arrow::datatypes::DataType::Timestamp(..)) {
            NOON - 43_200
        } else {
            NOON
        };
        let found = lines(&parquet(vec![("paid_at", array)]), &["paid_at"]).await;
        assert_eq!(found.refused, [] as [String; 0], "{kind}");
        let instants = found.batch.column_by_name("paid_at").unwrap();
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(instants.value(0), expected * 1_000_000, "{kind}");
    }
}

/// A file as Spark and Hive write it: instants of 96 bits, and texts that are bytes.
fn of_int96(days: &[(u32, u64)]) -> Vec<u8> {
    let schema = "message spark { required int96 paid_at; required binary order; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let instants: Vec<Int96> = days
        .iter()
        .map(|(day, nanos)| {
            let mut instant = Int96::new();
            instant.set_data(*nanos as u32, (*nanos >> 32) as u32, *day);
            instant
        })
        .collect();
    column
        .typed::<Int96Type>()
        .write_batch(&instants, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let orders: Vec<_> = (1..=days.len())
        .map(|order| order.to_string().as_str().into())
        .collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&orders, None, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

#[tokio::test]
async fn instants_of_96_bits_are_read_and_far_ones_do_not_become_others() {
    // Julian days of 2026-05-01 and 9999-12-31.
    let bytes = of_int96(&[(2_461_162, 43_200_000_000_000), (5_373_484, 0)]);
    let found = lines(&bytes, &["paid_at", "order"]).await;
    let instants = found.batch.column_by_name("paid_at").unwrap();
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    assert_eq!((instants.len(), instants.value(0)), (1, NOON * 1_000_000));
    assert_eq!(texts(&found, "order"), ["1"]);
    assert!(found.refused[0].contains("beyond 2199"), "{:?}", found.refused);
}

#[tokio::test]
async fn days_are_read_and_files_of_a_folder_have_their_columns() {
    let folder = Folder::new();
    let column = |name: &'static str, value: &str| -> (&str, ArrayRef) {
        (name, Arc::new(StringArray::from(vec![value.to_owned()])))
    };
    let file = |number: i32, more: Vec<(&'static str, ArrayRef)>| {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![20_574 + number]));
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![number]));
        parquet([vec![("id", ids), ("day", days)], more].concat())
    };
    folder.file("d/导出 [1] 100%.parquet", file(1, vec![column("name", "a")]));
    folder.file("d/导出 [2].PARQUET", file(2, vec![column("name", "b")]));
    folder.file(
        "d/导出 [3]",
        file(3, vec![column("note", "x"), column("name", "c")]),
    );
    let path = folder.0.path().join("d");
    let select = "id AS product, 'b' AS brand, 'l' AS location, day";
    let found = taken("stock_day", select, &path).await.unwrap();
    assert_eq!(texts(&found, "product"), ["1", "2", "3"]);
    let days = found
        .batch
        .column_by_name("day")
        .unwrap()
        .as_primitive::<Date32Type>()
        .clone();
    assert_eq!(days.values()[..], [20_575, 20_576, 20_577]);
    let notes = super::files::notes(&super::files::mapping("", "a", "b"), &path).await;
    assert!(
        matches!(&notes[..], [note] if note.contains("导出 [3] has columns that") && note.ends_with("null there: note")),
        "{notes:?}"
    );
    folder.file("d/导出 [4]", file(4, vec![column("title", "d")]));
    let told = taken("stock_day", select, &path).await.err().unwrap();
    assert!(told.contains("导出 [4], which has no column `name`"), "{told}");
}
