//! A partner's model on the command line.

mod examples;
mod guide;
mod keys;
mod languages;
mod layout;
mod new;

use std::path::Path;

use serde_json::Value;

use crate::harness::{command, finish, run, tests_folder};

/// A component of the first generation: content is the rank by followers, influence that by interactions times a weight,
/// purchasing the mean of both.
fn component() -> String {
    let generations = tests_folder().join("../plugins/host/tests/generations/1.0.0");
    generations.join("koc-model.wasm").display().to_string()
}

/// A path as an argument.
fn arg(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_model_that_passes_on_what_is_not_known_is_told_so() {
    let checked = run(["plugin", "check", &component(), "--rows", "200", "--json"]);
    let told: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(
        (&told["world"], &told["name"]),
        (&"koc-model".into(), &"fixture".into())
    );
    assert_eq!(told["needs_wasi"], false);
    let findings = told["findings"].as_array().unwrap();
    let failed: Vec<&Value> = findings
        .iter()
        .filter(|finding| finding["holds"] == false)
        .collect();
    assert_eq!(failed.len(), 2, "{told}");
    assert_eq!(failed[0]["check"], "single values unknown");
    assert_eq!(failed[1]["check"], "nothing known");
    assert!(
        failed[1]["found"].as_str().unwrap().contains("PLUGIN_BAD_OUTPUT"),
        "{told}"
    );
    assert_eq!(findings.len(), 16);
    checked.fails(1, &["do not hold"]);
    let shown = run(["plugin", "check", &component()]);
    assert!(
        shown.out.contains("followers_rank") && shown.out.contains("weight = 0.5"),
        "{}",
        shown.out
    );
}

#[test]
fn what_was_compiled_is_kept_in_the_users_cache() {
    let folder = tempfile::tempdir().unwrap();
    let check = |variable: &str| {
        let mut check = command(["plugin", "check", &component(), "--json"]);
        check.env_remove("XDG_CACHE_HOME").env("HOME", "/nowhere");
        finish(check.env(variable, folder.path())).out
    };
    let kept = |below: &str| {
        let entries = std::fs::read_dir(folder.path().join(below)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let first = check("XDG_CACHE_HOME");
    let names = kept("dualwheel/compiled-plugins");
    assert!(
        names.len() == 2 && names[0].ends_with(".compiled") && names[1] == "key",
        "{names:?}"
    );
    let (findings, again): (Value, Value) = (
        serde_json::from_str(&first).unwrap(),
        serde_json::from_str(&check("XDG_CACHE_HOME")).unwrap(),
    );
    assert_eq!(findings["sha256"], again["sha256"]);
    assert_eq!(kept("dualwheel/compiled-plugins"), names);
    check("HOME");
    assert_eq!(kept(".cache/dualwheel/compiled-plugins").len(), 2);
}

#[test]
fn a_model_runs_on_rows_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rows = file(
        "rows.json",
        r#"{"followers_rank": [80, 20], "interactions_30d_rank": [10, 60]}"#,
    );
    let ask = |rows: &str, more: &[&str]| {
        let args = ["plugin", "run", &component(), "--input", rows].map(str::to_owned);
        run(args.into_iter().chain(more.iter().map(|arg| (*arg).to_owned())))
    };
    let answer = ask(&rows, &["--json"]).json();
    assert_eq!(answer["columns"]["content"], serde_json::json!([80.0, 20.0]));
    assert_eq!(answer["columns"]["influence"], serde_json::json!([5.0, 30.0]));
    assert_eq!(answer["columns"]["purchasing"], serde_json::json!([45.0, 40.0]));
    let again = ask(&rows, &["--json"]).json();
    assert_eq!(
        (&again["output_hash"], &again["fuel"]),
        (&answer["output_hash"], &answer["fuel"])
    );
    let weighted = ask(&rows, &["--parameter", "weight=1", "--json"]).json();
    assert_eq!(weighted["columns"]["influence"], serde_json::json!([10.0, 60.0]));
    assert!(ask(&rows, &[]).ok().contains("content"));
    ask(&rows, &["--parameter", "weight=2"]).fails(1, &["weight", "PLUGIN_INPUT"]);
    ask(&rows, &["--parameter", "weight"]).fails(2, &["NAME=VALUE"]);
    let short = file(
        "short.json",
        r#"{"followers_rank": [80], "interactions_30d_rank": [10, 60]}"#,
    );
    ask(&short, &[]).fails(1, &["followers_rank", "1 values"]);
    let lacking = file("lacking.json", r#"{"followers_rank": [80]}"#);
    ask(&lacking, &[]).fails(1, &["interactions_30d_rank", "PLUGIN_INPUT"]);
    let text = file("text.wasm", "no component");
    run(["plugin", "check", &text]).fails(1, &["PLUGIN_NOT_A_COMPONENT"]);
    run(["plugin", "pack", &text, "--out", &text]).fails(1, &["text.wasm"]);
}
