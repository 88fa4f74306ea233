//! Exports as people have them (`tests/data/import`, made by `tests/oracles/make_exports.py`, which knows what they hold): what a
//! file holds is told to the cent and the day, goes in so, and what cannot go in is refused by its place and reason.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::harness::{Ran, command, finish};

/// What comes of an import.
#[derive(Debug, Deserialize)]
struct Expected {
    accepted: i64,
    paid: Option<String>,
    units: Option<i64>,
    first: Option<String>,
    last: Option<String>,
    consumers: Option<i64>,
    products: Option<i64>,
    /// Field, place, a word of the reason and, where it is not one, the number of rows.
    refused: Vec<Vec<Value>>,
}

/// One export.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// File or folder of the source.
    orders: String,
    expect: Option<Expected>,
    /// Words of the error where nothing goes in.
    error: Option<Vec<String>>,
    /// Words of the notes.
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    mapping: Map<String, Value>,
    #[serde(default)]
    source: Map<String, Value>,
    #[serde(default)]
    entry: Map<String, Value>,
    /// Expressions by field, where they are others.
    #[serde(default)]
    select: BTreeMap<String, String>,
    sql: Option<String>,
    #[serde(default)]
    options: Vec<String>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/import")
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(&fs::read_to_string(data().join("cases.json")).unwrap()).unwrap()
}

impl Case {
    /// The mapping, whose brand is the case's name.
    fn mapping(&self, name: &str) -> String {
        let mut select: BTreeMap<&str, String> = [
            ("order", "\"订单编号\""),
            ("line", "'1'"),
            ("consumer", "\"买家\""),
            ("product", "\"商品编号\""),
            ("quantity", "\"数量\""),
            ("paid_amount", "\"实付金额\""),
            ("paid_at", "\"付款时间\""),
        ]
        .into_iter()
        .map(|(field, column)| (field, column.to_owned()))
        .collect();
        select.insert("brand", format!("'{name}'"));
        select.extend(
            self.select
                .iter()
                .map(|(field, sql)| (field.as_str(), sql.clone())),
        );
        let picked = select.iter().map(|(field, sql)| format!("{sql} AS \"{field}\""));
        let sql = match &self.sql {
            Some(sql) => sql.replace("{brand}", name),
            None => format!("SELECT {} FROM orders", picked.collect::<Vec<_>>().join(", ")),
        };
        let mut entry = self.entry.clone();
        entry.extend(
            json!({"fact": "order_line", "needs": ["orders"], "sql": sql})
                .as_object()
                .unwrap()
                .clone(),
        );
        let mut mapping = json!({"about": name, "time_zone": "Asia/Shanghai", "currency": "CNY"})
            .as_object()
            .unwrap()
            .clone();
        mapping.extend(self.mapping.clone());
        mapping.insert("sources".to_owned(), json!({"orders": self.source}));
        mapping.insert("facts".to_owned(), json!([entry]));
        Value::Object(mapping).to_string()
    }

    /// The import in a folder of its own, which holds the files and the mapping.
    fn run(&self, name: &str, folder: &Path, more: &[&str]) -> Ran {
        let folder = folder.join(name);
        if !folder.exists() {
            copy(&data().join(name), &folder);
            fs::write(folder.join("mapping.yaml"), self.mapping(name)).unwrap();
        }
        let source = format!("orders={}", self.orders);
        let args = [
            "import",
            "--json",
            "--mapping",
            "mapping.yaml",
            "--source",
            &source,
        ];
        let options = self.options.iter().map(String::as_str);
        finish(command(args.into_iter().chain(options).chain(more.iter().copied())).current_dir(folder))
    }

    /// Holds what was told against what the files hold.
    fn check(&self, name: &str, ran: Ran) {
        let Some(expected) = &self.expect else {
            let words: Vec<&str> = self.error.iter().flatten().map(String::as_str).collect();
            assert!(!words.is_empty(), "{name}: nothing is expected");
            assert_eq!(ran.code, 1, "{name}: {ran:?}");
            for word in words {
                assert!(ran.err.contains(word), "{name}: `{word}` is not in {}", ran.err);
            }
            return;
        };
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        let fact = &told["facts"][0];
        let portrait = &fact["portrait"];
        assert_eq!(fact["accepted"], expected.accepted, "{name}: {told}");
        let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::String);
        let number = |value: &Option<i64>| value.map_or(Value::Null, Value::from);
        for (found, expected) in [
            (&portrait["money"]["paid_amount"], text(&expected.paid)),
            (&portrait["units"]["quantity"], number(&expected.units)),
            (&portrait["first_day"], text(&expected.first)),
            (&portrait["last_day"], text(&expected.last)),
            (&portrait["distinct"]["consumer"], number(&expected.consumers)),
            (&portrait["distinct"]["product"], number(&expected.products)),
        ] {
            assert_eq!(*found, expected, "{name}: {told}");
        }
        let refusals = fact["refusals"].as_array().unwrap();
        assert_eq!(refusals.len(), expected.refused.len(), "{name}: {told}");
        let mut rows = 0;
        for (group, expected) in refusals.iter().zip(&expected.refused) {
            let count = expected.get(3).and_then(Value::as_i64).unwrap_or(1);
            rows += count;
            assert_eq!(
                (&group["field"], &group["count"]),
                (&expected[0], &count.into()),
                "{name}: {told}"
            );
            assert_eq!(group["first"][0]["place"], expected[1], "{name}: {told}");
            let reason = group["reason"].as_str().unwrap();
            assert!(reason.contains(expected[2].as_str().unwrap()), "{name}: {reason}");
        }
        assert_eq!(fact["refused"], rows, "{name}: {told}");
        for word in &self.notes {
            assert!(told["notes"].to_string().contains(word), "{name}: {told}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn what_a_file_holds_is_told_or_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    every(&cases, |name, case| {
        let ran = case.run(name, folder.path(), &["--dry-run"]);
        // With too many refused rows a dry run still tells of all.
        match case
            .error
            .as_ref()
            .and_then(|words| words.first())
            .filter(|word| word.contains(" of "))
        {
            Some(word) => assert!(ran.json()["notes"].to_string().contains(word), "{name}"),
            None => case.check(name, ran),
        }
    });
}

/// Does it with every case, and tells all that fail.
fn every(cases: &BTreeMap<String, Case>, mut check: impl FnMut(&str, &Case)) {
    let failed = cases.iter().filter(|(name, case)| {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(name, case)));
        checked.is_err()
    });
    let failed: Vec<&String> = failed.map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn what_goes_in_is_what_the_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut asked = 0;
    let mut number = 0;
    every(&cases(), |name, case| {
        case.check(name, case.run(name, folder.path(), &["--data", "lake"]));
        let own = folder.path().join(name);
        let letters = fs::read_dir(&own).unwrap().filter(|entry| {
            let entry = entry.as_ref().unwrap().file_name();
            entry.to_string_lossy().ends_with(".refused.jsonl")
        });
        let is_refused = case
            .expect
            .as_ref()
            .is_some_and(|expected| !expected.refused.is_empty());
        assert!(
            case.error.is_some() || letters.count() == usize::from(is_refused),
            "{name}"
        );
        // Of some the service is asked for the sum.
        let paid = case.expect.as_ref().and_then(|expected| expected.paid.as_ref());
        let Some(paid) = paid.filter(|_| case.mapping.is_empty()) else {
            return;
        };
        number += 1;
        if number % 6 == 0 {
            let args = [
                "ask",
                "grow",
                "--json",
                "--brand",
                name,
                "--window",
                "2026-05-01..2026-05-31",
                "--data",
                "lake",
            ];
            let answer = finish(command(args).current_dir(&own)).json();
            let Some(metrics) = answer["metrics"].as_array() else {
                panic!("{name}: {answer}");
            };
            let gmv = metrics.iter().find(|metric| metric["id"] == "grow.gmv").unwrap();
            let cents = |value: f64| (value * 100.0).round() as i64;
            assert_eq!(
                cents(gmv["value"].as_f64().unwrap()),
                cents(paid.parse().unwrap()),
                "{name}: {gmv}"
            );
            asked += 1;
        }
    });
    assert!(asked >= 8, "{asked} sums were asked for");
}
