//! Files as people have them: what goes in is right to the cent, what cannot is refused with its file, line and cure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Decimal128Type,
};
use dualwheel_lake::mapping::{Import, Mapping, Place};
use encoding_rs::GB18030;

/// A mapping of order lines: `with` are keys of the source, `order` and `amount` its columns.
pub(crate) fn mapping(with: &str, order: &str, amount: &str) -> Mapping {
    let text = format!(
        r#"
about: a test
time_zone: Asia/Shanghai
currency: CNY
sources:
  orders: {{{with}}}
facts:
- fact: order_line
  needs: [orders]
  sql: |
    SELECT "{order}" AS "order", "{order}" AS line, 'c' AS consumer, 'b' AS brand, 'p' AS product,
           1 AS quantity, 0 AS paid_amount, CAST("{amount}" AS BIGINT) AS list_price,
           TIMESTAMP '2026-05-01T00:00:00' AS paid_at
    FROM orders
"#
    );
    Mapping::parse("test", &text).unwrap()
}

/// The orders and amounts of a source, or why there are none.
pub(crate) async fn read(mapping: &Mapping, path: &Path) -> Result<Vec<(String, Option<i64>)>, String> {
    let paths = BTreeMap::from([("orders".to_owned(), path.to_owned())]);
    let told = |error: dualwheel_lake::Error| error.to_string();
    let import = Import::open(mapping, &paths).await.map_err(told)?;
    import.plan().await.map_err(told)?;
    let mut rows = import.rows(0).await.map_err(told)?;
    let mut found = Vec::new();
    while let Some(batch) = rows.next().await.map_err(told)? {
        let orders = batch.column_by_name("order").unwrap().as_string::<i32>().clone();
        let amounts = batch.column_by_name("list_price").unwrap();
        let amounts = amounts.as_primitive::<Decimal128Type>().clone();
        found.extend((0..batch.num_rows()).map(|row| {
            let amount = amounts
                .is_valid(row)
                .then(|| (amounts.value(row) / 10_000) as i64);
            (orders.value(row).to_owned(), amount)
        }));
    }
    Ok(found)
}

/// What is told of the files of a source.
pub(crate) async fn notes(mapping: &Mapping, path: &Path) -> Vec<String> {
    let paths = BTreeMap::from([("orders".to_owned(), path.to_owned())]);
    Import::open(mapping, &paths).await.unwrap().notes().to_vec()
}

pub(crate) struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// What a file of this name with these bytes gives.
pub(crate) async fn of(
    name: &str,
    bytes: impl AsRef<[u8]>,
    mapping: &Mapping,
) -> Result<Vec<(String, Option<i64>)>, String> {
    let folder = Folder::new();
    read(mapping, &folder.file(name, bytes)).await
}

pub(crate) fn rows(expected: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    let row = |(order, amount): &(&str, i64)| ((*order).to_owned(), Some(*amount));
    expected.iter().map(row).collect()
}

pub(crate) fn plain() -> Mapping {
    mapping("", "order", "amount")
}

#[tokio::test]
async fn a_quote_left_open_is_told_with_the_line_where_it_was_opened() {
    let mut text = "order,amount,note\n1,10,\n2,20,\n3,30,\"ring twice\n".to_owned();
    for order in 4..2_000 {
        text += &format!("{order},10,\n");
    }
    let told = of("o.csv", &text, &plain()).await.unwrap_err();
    assert!(
        told.contains("o.csv, line 4: a quote is opened there and never closed"),
        "{told}"
    );
    // One that a later quote closes hides the rows between.
    text += "2000,10,\"gift\"\n";
    let told = of("o.csv", &text, &plain()).await.unwrap_err();
    assert!(
        told.contains("line 2001: text behind a quote that closes a value, which was opened on line 4"),
        "{told}"
    );
    let told = of(
        "o.csv",
        "order,amount\n1,10\n",
        &mapping("separator: '\"'", "order", "amount"),
    )
    .await;
    assert!(told.unwrap_err().contains("cannot be a quote"));
}

#[tokio::test]
async fn quoted_values_and_headers_hold_separators_quotes_and_line_breaks() {
    let amount = "总金额(元,含\"运费\")\n合计";
    let text = "order,\"总金额(元,含\"\"运费\"\")\n合计\",note\n\"1,5\",10,\"a\n\"\"b\"\"\"\n2,20,\n";
    let source = mapping("", "order", "second");
    let sql = source.facts[0]
        .sql
        .replace("\"second\"", &format!("\"{}\"", amount.replace('"', "\"\"")));
    let mut source = source;
    source.facts[0].sql = sql;
    assert_eq!(
        of("o.csv", text, &source).await.unwrap(),
        rows(&[("1,5", 10), ("2", 20)])
    );
}

#[tokio::test]
async fn chinese_files_of_every_encoding_are_read() {
    let text = "订单编号,实付金额\n甲1,10\n乙2,20\n";
    let expected = rows(&[("甲1", 10), ("乙2", 20)]);
    let source = mapping("", "订单编号", "实付金额");
    let wide: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        GB18030.encode(text).0.into_owned(),
        wide,
        text.replace('\n', "\r\n").into_bytes(),
    ] {
        assert_eq!(of("订单 导出.csv", bytes, &source).await.unwrap(), expected);
    }
    let declared = mapping("encoding: gbk", "订单编号", "实付金额");
    assert_eq!(
        of("o.csv", GB18030.encode(text).0, &declared).await.unwrap(),
        expected
    );
    let told = of("o.csv", text, &mapping("encoding: latin-9000", "a", "b"))
        .await
        .unwrap_err();
    assert!(told.contains("`encoding: latin-9000` is none"), "{told}");
    let told = of("o.csv", b"order,amount\n1,10\n\xff\xff,20\n", &plain())
        .await
        .unwrap_err();
    assert!(
        told.contains("line 3") && told.contains("say which encoding"),
        "{told}"
    );
}

#[tokio::test]
async fn separators_preambles_and_repeated_headers_are_as_the_mapping_says() {
    let expected = rows(&[("1", 10), ("2", 20)]);
    for (with, text) in [
        ("separator: '||'", "order||amount\n1||10\n2||20\n"),
        ("separator: '，'", "order，amount\n1，10\n2，20\n"),
        ("separator: ';'", "order;amount\n1;10\n2;20\n"),
        ("separator: \"\\t\"", "order\tamount\n1\t10\n2\t20\n"),
        (
            "skip_lines: 2",
            "Shop export\nof today, \"all\norder,amount\n1,10\n2,20\n",
        ),
        ("header: false, columns: [order, amount]", "1,10\n2,20\n"),
        ("", "order,amount\n1,10\norder,amount\n2,20\n"),
        ("", "order,amount,,\n1,10,,\n\n,,,\n2,20,,\n"),
        ("", "order , amount\n 1 ,10\n2, 20 \n"),
        (
            "quotes: false",
            "order,amount,size\n1,10,\"large\" one\n2,20,5\"\n",
        ),
        ("", "order,amount,size\n1,10,5\"\n2,20,5\"\n"),
        ("", "amount,note,order\n10,a,1\n20,b,2\n"),
        ("", "order,amount\n1,10\n2,20"),
        ("", "order,amount,note\n1,10\n2,20\n"),
    ] {
        let found = of("o.csv", text, &mapping(with, "order", "amount")).await;
        assert_eq!(found, Ok(expected.clone()), "{with} {text:?}");
    }
    let held = of(
        "o.csv",
        "order||amount\n\"a||b\"||10\n",
        &mapping("separator: '||'", "order", "amount"),
    )
    .await;
    assert_eq!(held.unwrap(), rows(&[("a||b", 10)]));
}

#[tokio::test]
async fn equal_headers_are_wrong_only_where_they_are_used() {
    let text = "order,price,price,amount\n1,5,6,10\n";
    assert_eq!(of("o.csv", text, &plain()).await.unwrap(), rows(&[("1", 10)]));
    let told = of("o.csv", text, &mapping("", "order", "price"))
        .await
        .unwrap_err();
    assert!(told.contains("price (1)") && told.contains("price (2)"), "{told}");
    assert_eq!(
        of("o.csv", text, &mapping("", "order", "price (2)"))
            .await
            .unwrap(),
        rows(&[("1", 6)])
    );
}

#[tokio::test]
async fn ids_keep_every_digit_and_lose_what_guards_them() {
    let text = "order,amount\n\t0012,1\n'6901234567890123456,2\n=\"007\",3\n\"=\"\"008\"\"\",4\n\u{3000}９\u{a0},5\n'twas,6\n";
    let expected = rows(&[
        ("0012", 1),
        ("6901234567890123456", 2),
        ("007", 3),
        ("008", 4),
        ("９", 5),
        ("'twas", 6),
    ]);
    let source = mapping("", "order", "amount");
    // A guard of the third form is Excel's own, in quotes; without them the line is no CSV and is still understood.
    assert_eq!(of("o.csv", text, &source).await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_no_value_is_null() {
    let text = "order,amount\n1,\n2,NULL\n3,\\N\n4,-\n5,null\n6,\"\"\n7,0\n";
    let found = of("o.csv", text, &plain()).await.unwrap();
    let nulls = found.iter().filter(|(_, amount)| amount.is_none()).count();
    assert_eq!((nulls, found[6].1), (6, Some(0)));
    let own = of(
        "o.csv",
        "order,amount\n1,none\n2,5\n",
        &mapping("nulls: [none]", "order", "amount"),
    )
    .await;
    assert_eq!(own.unwrap(), [("1".to_owned(), None), ("2".to_owned(), Some(5))]);
}

/// The rows that an entry takes, and those that it refuses: line and reason.
pub(crate) async fn taken(mapping: &Mapping, path: &Path) -> Result<(usize, Vec<(u64, String)>), String> {
    let paths = BTreeMap::from([("orders".to_owned(), path.to_owned())]);
    let told = |error: dualwheel_lake::Error| error.to_string();
    let import = Import::open(mapping, &paths).await.map_err(told)?;
    import.plan().await.map_err(told)?;
    let mut rows = import.rows(0).await.map_err(told)?;
    let mut found = 0;
    while let Some(batch) = rows.next().await.map_err(told)? {
        found += batch.num_rows();
    }
    let refused = rows.refused();
    Ok((
        found,
        refused
            .into_iter()
            .map(|one| match &one.place {
                Place::Line { file, line } if file == path => (*line, one.to_string()),
                Place::Row(row) => (*row, one.to_string()),
                other => panic!("{other}"),
            })
            .collect(),
    ))
}

#[tokio::test]
async fn a_row_that_cannot_be_taken_is_refused_alone_with_its_line() {
    let folder = Folder::new();
    let mut text = "order,amount\n1,10\n2,1,250\n3,ten\n\n5,50\n".to_owned();
    for order in 6..20_000 {
        text += &format!("{order},{}\n", if order % 5_000 == 0 { "much" } else { "10" });
    }
    let path = folder.file("o.csv", &text);
    let (found, refused) = taken(&plain(), &path).await.unwrap();
    let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5_001, 10_001, 15_001]);
    // Rows out and rows refused are the rows in.
    assert_eq!(
        found + refused.len(),
        text.lines().filter(|line| !line.is_empty()).count() - 1
    );
    assert!(
        refused[0]
            .1
            .contains("3 values where there are 2 columns, the first beyond them `250`"),
        "{refused:?}"
    );
    assert!(refused[1].1.contains("amount `ten` is no Int64"), "{refused:?}");

    // Where rows are grouped, one that is no row of the file is left out, and one whose value is none by its place among them.
    let mut grouped = plain();
    let from = "FROM (SELECT DISTINCT * FROM orders ORDER BY CAST(\"order\" AS BIGINT)) AS o";
    grouped.facts[0].sql = grouped.facts[0].sql.replace("FROM orders", from);
    let told = taken(&grouped, &path).await.unwrap_err();
    assert!(
        told.contains("`ten` is no Int64, which the SELECT casts it to"),
        "{told}"
    );
    grouped.facts[0].sql = grouped.facts[0]
        .sql
        .replace("CAST(\"amount\" AS BIGINT)", "\"amount\"");
    let (of_groups, refused) = taken(&grouped, &path).await.unwrap();
    assert_eq!(of_groups, found);
    let places: Vec<u64> = refused.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [3, 2, 4_998, 9_998, 14_998], "{refused:?}");
    assert!(refused[0].1.contains("o.csv, line 3: 3 values"), "{refused:?}");
    assert!(
        refused[1]
            .1
            .starts_with("row 2 of the SELECT: list_price `ten` is no number"),
        "{refused:?}"
    );

    // Where no row can be taken, it is the mapping that is wrong.
    let all: String = (0..3_000).map(|order| format!("{order},much\n")).collect();
    let told = taken(&plain(), &folder.file("all.csv", format!("order,amount\n{all}")))
        .await
        .unwrap_err();
    assert!(
        told.contains("so the mapping is wrong") && told.contains("all.csv, line 2"),
        "{told}"
    );
}

#[tokio::test]
async fn the_line_told_is_that_on_which_the_row_begins() {
    for (text, lines) in [
        ("order,amount\r\n1,x\r\n\r\n\r\n2,20\r\n3,y\r\n", [2, 6]),
        ("order,amount\n\n\n1,x\n\"2\n\n\",20\n3,y\n", [4, 8]),
        ("order,amount\r1,x\r\r2,20\r3,y", [2, 5]),
        (",\norder,amount\n,\n1,x\n2,20\n,\n3,y\n", [4, 7]),
    ] {
        let folder = Folder::new();
        let (found, refused) = taken(&plain(), &folder.file("o.csv", text)).await.unwrap();
        let told: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
        assert_eq!((found, told), (1, lines.to_vec()), "{text:?}");
    }
    let skipped = mapping("skip_lines: 2", "order", "amount");
    let folder = Folder::new();
    let path = folder.file("o.csv", "a shop\r\n\r\norder,amount\r\n1,x\r\n2,20\r\n");
    let (_, refused) = taken(&skipped, &path).await.unwrap();
    assert_eq!(refused[0].0, 4);
}

#[tokio::test]
async fn rows_and_headers_have_bounds() {
    let long = format!("order,amount\n1,10\n\"{}\",20\n", "x".repeat(17 << 20));
    let told = of("o.csv", long, &plain()).await.unwrap_err();
    assert!(told.contains("line 3: a row of more than 16 MiB"), "{told}");
    let wide: Vec<String> = (0..5_000).map(|number| format!("c{number}")).collect();
    let told = of("o.csv", wide.join(","), &plain()).await.unwrap_err();
    assert!(told.contains("line 1: 5000 columns; at most 4096"), "{told}");
    // Unnamed and equal columns have names of their own, whatever the others are called.
    let odd = "order,,column 2,price,price,price (1),amount\n1,a,b,c,d,e,10\n";
    assert_eq!(of("o.csv", odd, &plain()).await.unwrap(), rows(&[("1", 10)]));
}

#[tokio::test]
async fn a_folder_is_read_by_names_of_columns_and_without_what_systems_leave() {
    let folder = Folder::new();
    folder.file("d/1.csv", "order,amount\n1,10\n");
    folder.file("d/2.CSV", "note,amount,order\nx,20,2\n");
    for junk in ["_SUCCESS", ".1.csv.crc", ".DS_Store", "~$1.csv", "Thumbs.db"] {
        folder.file(&format!("d/{junk}"), [0, 1, 2]);
    }
    let found = read(&plain(), &folder.0.path().join("d")).await;
    assert_eq!(found.unwrap(), rows(&[("1", 10), ("2", 20)]));
    let notes = notes(&plain(), &folder.0.path().join("d")).await;
    assert!(
        matches!(&notes[..], [note] if note.contains("2.CSV has columns that") && note.ends_with("1.csv has not, which are not read: note")),
        "{notes:?}"
    );
    folder.file("d/3.csv", "order,sum\n3,30\n");
    let told = read(&plain(), &folder.0.path().join("d")).await.unwrap_err();
    assert!(
        told.contains("3.csv, which has no column `amount`") && told.contains("order, sum"),
        "{told}"
    );
    let told = read(&plain(), &folder.0.path().join("none")).await.unwrap_err();
    assert!(told.contains("does not exist"), "{told}");
    std::fs::create_dir(folder.0.path().join("empty")).unwrap();
    let told = read(&plain(), &folder.0.path().join("empty")).await.unwrap_err();
    assert!(told.contains("holds no files of data"), "{told}");
}

#[tokio::test]
async fn the_content_tells_what_a_file_is() {
    let expected = rows(&[("1", 10), ("2", 20)]);
    let text = "order,amount\n1,10\n2,20\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(of("o.csv.gz", &gzip, &plain()).await.unwrap(), expected);
    assert_eq!(of("o.TXT", &gzip, &plain()).await.unwrap(), expected);
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    assert_eq!(of("o.csv", zstd, &plain()).await.unwrap(), expected);
    let json = "{\"order\": \"1\", \"amount\": 10}\n{\"order\": \"2\", \"amount\": 20}\n";
    assert_eq!(of("o.JSONL", json, &plain()).await.unwrap(), expected);
    let orders: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    let amounts: ArrayRef = Arc::new(Int64Array::from(vec![10, 20]));
    let batch = RecordBatch::try_from_iter([("order", orders), ("amount", amounts)]).unwrap();
    let mut parquet = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    for name in ["o.parquet", "o.PARQUET", "o.dat"] {
        assert_eq!(of(name, &parquet, &plain()).await.unwrap(), expected, "{name}");
    }
    for (name, bytes, words) in [
        (
            "o.xlsx",
            b"PK\x03\x04...".as_slice(),
            "a zip file that is not whole",
        ),
        ("o.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx"),
        ("o.csv", b"", "names of the columns"),
    ] {
        let told = of(name, bytes, &plain()).await.unwrap_err();
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn the_example_of_the_reference_reads_an_export_of_a_shop() {
    let page = include_str!("../../mappings/README.md");
    let example = page
        .split("```yaml")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let mapping = Mapping::parse("orders.yaml", example.unwrap()).unwrap();
    let text = "订单编号,子订单编号,买家会员名,商品编号,购买数量,实付金额,付款时间\n\
                =\"2026050112345678901\",1,小 王,'0012,2,199.00,2026-05-01 12:00:00\n";
    let folder = Folder::new();
    let paths = BTreeMap::from([(
        "orders".to_owned(),
        folder.file("导出.csv", GB18030.encode(text).0),
    )]);
    let import = Import::open(&mapping, &paths).await.unwrap();
    import.plan().await.unwrap();
    let batch = import.rows(0).await.unwrap().next().await.unwrap().unwrap();
    let value = |column: &str| batch.column_by_name(column).unwrap().as_string::<i32>().value(0);
    assert_eq!(batch.num_rows(), 1);
    assert_eq!(
        [value("order"), value("consumer"), value("product")],
        ["2026050112345678901", "小 王", "0012"]
    );
}
