//! `dualwheel demo`, small: the table, the report in both languages, and JSON.

use std::fs;

use serde_json::Value;

use crate::harness::{Ran, command, finish};

/// The demo over a small market, its report in `folder`.
fn demo(folder: &std::path::Path, args: &[&str]) -> (Ran, String) {
    let report = folder.join("report.html");
    let size = ["demo", "--consumers", "3000", "--facts", "60000", "--report"];
    let ran = finish(command(size).arg(&report).args(args));
    (ran, fs::read_to_string(&report).unwrap_or_default())
}

/// What a browser would have to fetch. Names of XML vocabularies are not fetched.
fn loads(page: &str) -> Vec<&str> {
    let vocabularies = [
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/1999/xhtml",
    ];
    let links = page.match_indices("http").map(|(at, _)| &page[at..]);
    links
        .filter(|link| link.starts_with("http://") || link.starts_with("https://"))
        .filter(|link| !vocabularies.iter().any(|name| link.starts_with(name)))
        .map(|link| link.split(['"', '\'', '<', ' ', ')']).next().unwrap())
        .collect()
}

#[test]
fn english() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, page) = demo(folder.path(), &[]);
    let out = ran.ok();
    for word in [
        "brand-01",
        "Index ",
        "Five tracks",
        "Fertility",
        "Where the points are lost",
        "What to do",
        "report: ",
    ] {
        assert!(out.contains(word), "`{word}` is not in the table: {out}");
    }
    assert!(out.lines().count() > 30, "{out}");
    check_page(&page);
    assert!(
        page.contains("<html lang=\"en\">"),
        "{}",
        &page[..300.min(page.len())]
    );
    assert!(page.contains("DTC Operating Index Plus") && page.contains("brand-01"));
}

#[test]
fn chinese() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, page) = demo(folder.path(), &["--lang", "zh", "--brand", "brand-03"]);
    let out = ran.ok();
    assert!(
        out.contains("brand-03") && out.contains("五大赛道") && out.contains("人群总量"),
        "{out}"
    );
    check_page(&page);
    assert!(
        page.contains("<html lang=\"zh-Hans\">"),
        "{}",
        page.chars().take(300).collect::<String>()
    );
    assert!(page.contains("五大赛道") && page.contains("人群总量"));
}

/// One whole page that needs no network.
fn check_page(page: &str) {
    assert!(
        page.trim_start().to_lowercase().starts_with("<!doctype html>")
            && page.trim_end().ends_with("</html>")
    );
    assert_eq!(loads(page), Vec::<&str>::new());
    for foreign in ["src=\"//", "href=\"//", "@import", "<link ", "<iframe"] {
        assert!(
            !page.contains(foreign),
            "the report is not self-contained: {foreign}"
        );
    }
    assert!(page.matches("<svg").count() >= 5, "pictures are missing");
    for wrong in [">NaN", " NaN", "\"NaN", ">inf"] {
        assert!(!page.contains(wrong), "the report holds {wrong}");
    }
}

#[test]
fn json_has_the_names_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = demo(folder.path(), &["--json"]);
    let (second, _) = demo(folder.path(), &["--json"]);
    assert_eq!(
        first.err, "",
        "JSON is asked for by programs, which are told nothing else"
    );
    let first = first.json();
    assert_eq!(first["brand"], "brand-01");
    assert_eq!(first["index"]["id"], "index");
    assert!(
        first["index"]["value"]
            .as_f64()
            .is_some_and(|value| value > 0.0 && value < 100.0)
    );
    assert_eq!(first["tracks"].as_array().map(Vec::len), Some(5));
    assert_eq!(first["reference_size"], 10);
    for field in ["metrics", "gaps", "scenes", "members", "definitions"] {
        assert!(
            first[field].as_array().is_some_and(|list| !list.is_empty()),
            "{field} is empty"
        );
    }
    for field in ["metric", "track", "score", "rank", "peer_median", "weight", "gap"] {
        assert!(
            first["metrics"]
                .as_array()
                .unwrap()
                .iter()
                .any(|metric| !metric[field].is_null()),
            "no {field}"
        );
    }
    assert_eq!(
        without_versions(first),
        without_versions(second.json()),
        "the same seed gives the same diagnosis"
    );
}

/// The tables' versions count commits, of which an import may need one more or less.
fn without_versions(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("data_version");
            fields
                .values_mut()
                .for_each(|field| *field = without_versions(field.take()));
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|entry| *entry = without_versions(entry.take())),
        _ => {}
    }
    value
}
