//! JSON as people have it: rows of text, as from CSV.

use std::path::Path;

use arrow::array::{Array, AsArray};
use dualwheel_lake::mapping::{Import, Mapping, Refused};
use encoding_rs::GB18030;

use super::files::{Folder, mapping, of, plain, rows, taken};

/// A mapping that reads columns as they are: `first` and `second`, which are SQL.
fn bare(with: &str, first: &str, second: &str) -> Mapping {
    let text = format!(
        "{{about: t, time_zone: UTC, currency: USD, sources: {{s: {{{with}}}}},\n\
         facts: [{{fact: product, needs: [s], sql: \"SELECT {first} AS product, {second} AS season, 'b' AS brand, \
         TIMESTAMP '2026-05-01T00:00:00' AS updated_at FROM s\"}}]}}"
    );
    Mapping::parse("m.yaml", &text).unwrap()
}

/// The values of the two columns, and what is refused.
async fn values(mapping: &Mapping, path: &Path) -> Result<(Vec<[Option<String>; 2]>, Vec<Refused>), String> {
    let paths = [("s".to_owned(), path.to_owned())].into();
    let told = |error: dualwheel_lake::Error| error.to_string();
    let import = Import::open(mapping, &paths).await.map_err(told)?;
    import.plan().await.map_err(told)?;
    let mut read = import.rows(0).await.map_err(told)?;
    let mut found = Vec::new();
    while let Some(batch) = read.next().await.map_err(told)? {
        let column = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (first, second) = (column("product"), column("season"));
        let value =
            |array: &arrow::array::StringArray, row| array.is_valid(row).then(|| array.value(row).to_owned());
        found.extend((0..batch.num_rows()).map(|row| [value(&first, row), value(&second, row)]));
    }
    Ok((found, read.refused()))
}

/// The values of a text under a name, all rows of which are taken.
async fn all(name: &str, text: impl AsRef<[u8]>, mapping: &Mapping) -> Vec<[Option<String>; 2]> {
    let folder = Folder::new();
    let (found, refused) = values(mapping, &folder.file(name, text)).await.unwrap();
    assert_eq!(refused, []);
    found
}

fn pair(first: &str, second: Option<&str>) -> [Option<String>; 2] {
    [Some(first.to_owned()), second.map(str::to_owned)]
}

#[tokio::test]
async fn lines_and_arrays_are_read_in_every_form() {
    let expected = rows(&[("甲1", 10), ("乙2", 20)]);
    let source = mapping("", "订单", "金额");
    let lines = "{\"订单\": \"甲1\", \"金额\": 10}\n\n{\"金额\": \"20\", \"订单\": \"乙2\"}";
    let array = "[\n  {\n    \"订单\": \"甲1\",\n    \"金额\": 10\n  },\n  {\"金额\": \"20\", \"订单\": \"乙2\"}\n]\n";
    for text in [lines, array] {
        let wide: Vec<u8> = format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        for (name, bytes) in [
            ("o.json", text.as_bytes().to_vec()),
            ("o.txt", text.as_bytes().to_vec()),
            ("o.csv", text.replace('\n', "\r\n").into_bytes()),
            ("o.jsonl", format!("\u{feff}{text}").into_bytes()),
            ("o.JSON", GB18030.encode(text).0.into_owned()),
            ("o.dat", wide),
            ("o.json.gz", gzip.finish().unwrap()),
            ("o.json.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
        ] {
            assert_eq!(of(name, bytes, &source).await.unwrap(), expected, "{name} {text}");
        }
    }
}

#[tokio::test]
async fn numbers_keep_every_digit_and_types_may_be_mixed() {
    let text = r#"{"id": 9007199254740993, "v": 1e3}
{"id": "007", "v": 123456789012345678901234567890.10}
{"id": -0.50, "v": true}
{"id": 1, "v": false}
{"id": 2, "v": [1, {"a": "b"}]}
{"id": 3, "v": null}
{"id": 4}
{"id": 5, "v": "NULL"}
{"id": 6, "v": " x\u0041\n"}"#;
    assert_eq!(
        all("x.jsonl", text, &bare("", "id", "v")).await,
        [
            pair("9007199254740993", Some("1e3")),
            pair("007", Some("123456789012345678901234567890.10")),
            pair("-0.50", Some("true")),
            pair("1", Some("false")),
            pair("2", Some("[1, {\"a\": \"b\"}]")),
            pair("3", None),
            pair("4", None),
            pair("5", None),
            pair("6", Some("xA")),
        ]
    );
    let own = bare("nulls: [none]", "id", "v");
    assert_eq!(
        all("x.json", r#"[{"id": 1, "v": "none"}, {"id": 2, "v": "-"}]"#, &own).await,
        [pair("1", None), pair("2", Some("-"))]
    );
}

#[tokio::test]
async fn fields_first_seen_late_and_within_objects_are_columns() {
    let mut text: String = (0..9_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    text += r#"{"id": "z", "geo": {"country": {"code": "CN"}, "city": null}}"#;
    let late = bare("", "id", "\\\"geo.country.code\\\"");
    let found = all("x.json", &text, &late).await;
    assert_eq!((found.len(), &found[0]), (9_001, &pair("0", None)));
    assert_eq!(found[9_000], pair("z", Some("CN")));
    // One that may be missing in the whole file is declared.
    let declared = bare("columns: [coupon]", "id", "coupon");
    assert_eq!(all("x.json", "{\"id\": 1}", &declared).await, [pair("1", None)]);
    // Files of a folder need not have the same fields.
    let folder = Folder::new();
    folder.file("d/1.json", "{\"id\": 1}\n");
    folder.file("d/2.json", "[{\"id\": 2, \"v\": 3}]\n");
    let (found, _) = values(&bare("", "id", "v"), &folder.0.path().join("d"))
        .await
        .unwrap();
    assert_eq!(found, [pair("1", None), pair("2", Some("3"))]);
}

#[tokio::test]
async fn a_malformed_line_is_refused_alone_and_not_printed() {
    let text = "{\"order\": \"1\", \"amount\": 10}\n\
                {\"order\": \"2\", \"amount\": \n\n\
                [1]\n\
                {\"order\": \"secret\", \"amount\": 1,}\n\
                {\"order\": \"5\", \"amount\": 1, \"order\": \"6\"}\n\
                {\"order\": \"6\", \"amount\": \"ten\"}\n\
                garbage secret\n\
                {\"order\": {\"a\": 1, \"b\": {\"c\": 1}}, \"order.a\": 2}\n\
                {\"order\": \"7\", \"amount\": 01}\n\
                {\"order\": \"8\", \"amount\": 20}\n";
    let folder = Folder::new();
    let (found, refused) = taken(&plain(), &folder.file("o.jsonl", text)).await.unwrap();
    let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!((found, lines), (2, vec![2, 4, 5, 6, 7, 8, 9, 10]));
    assert!(refused[0].1.contains("not closed"), "{refused:?}");
    assert!(refused[1].1.contains("no object"), "{refused:?}");
    assert!(
        refused[3].1.contains("the field `order` is there twice"),
        "{refused:?}"
    );
    assert!(
        refused[6].1.contains("the field `order.a` is there twice"),
        "{refused:?}"
    );
    assert!(
        refused.iter().all(|(_, reason)| !reason.contains("secret")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_broken_array_is_told_with_its_line_and_none_of_its_content() {
    let begin = "[\n{\"order\": \"secret\", \"amount\": 10}";
    for (rest, words) in [
        (
            ",\n{\"order\": \"2\",\n \"amount\": 20}\n",
            "line 5: neither a comma nor the end",
        ),
        (
            "\n{\"order\": \"2\", \"amount\": 20}]",
            "line 3: neither a comma nor the end",
        ),
        (",\n{\"order\": \"2\n", "line 3: an element that is not closed"),
        (",\n]", "line 3: no element where the array has one"),
        (
            "]\n{\"order\": \"2\"}\n",
            "line 3: text behind the end of the array",
        ),
    ] {
        let told = of("o.json", format!("{begin}{rest}"), &plain())
            .await
            .unwrap_err();
        assert!(
            told.contains(words) && !told.contains("secret"),
            "{rest:?}: {told}"
        );
    }
    // An element alone is refused alone.
    let folder = Folder::new();
    let path = folder.file(
        "o.json",
        format!("{begin},\n7,\n{{\"order\": 1,}},\n{{\"order\": 2, \"amount\": 5}}]"),
    );
    let (found, refused) = taken(&plain(), &path).await.unwrap();
    let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!((found, lines), (2, vec![3, 4]));
    for empty in ["", "[]", "\n", "{}"] {
        let told = of("o.json", empty, &plain()).await.unwrap_err();
        assert!(told.contains("there is no object with a field"), "{told}");
    }
}

#[tokio::test]
async fn objects_and_names_have_bounds() {
    let long = format!("{{\"order\": \"{}\"}}\n", "x".repeat(17 << 20));
    let told = of("o.json", &long, &plain()).await.unwrap_err();
    assert!(told.contains("line 1: an object of more than 16 MiB"), "{told}");
    let told = of("o.json", format!("[{{\"order\": 1}},\n{long}]"), &plain())
        .await
        .unwrap_err();
    assert!(told.contains("line 2: an object of more than 16 MiB"), "{told}");
    let wide: String = (0..5_000)
        .map(|number| format!("{{\"f{number}\": 1}}\n"))
        .collect();
    let told = of("o.json", wide, &plain()).await.unwrap_err();
    assert!(
        told.contains("line 4097: more than 4096 different names"),
        "{told}"
    );
    let deep = format!("{{\"order\": 1}}\n{}1{}\n", "{\"a\": ".repeat(40), "}".repeat(40));
    let folder = Folder::new();
    let (_, refused) = taken(
        &mapping("columns: [amount]", "order", "amount"),
        &folder.file("o.json", deep),
    )
    .await
    .unwrap();
    assert!(
        matches!(&refused[..], [(2, reason)] if reason.contains("32 deep")),
        "{refused:?}"
    );
}
