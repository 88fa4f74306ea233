//! The example plugins, as they are built from source.

use serde_json::{Value, json};

use super::arg;
use crate::harness::{component, run};

fn example(name: &str) -> String {
    arg(&component(name))
}

/// What a check of a component finds, all of which must hold.
fn checked(example_name: &str, model: &str, world: &str) {
    let told = run(["plugin", "check", &example(example_name), "--json"]).json();
    assert_eq!((&told["name"], &told["world"]), (&model.into(), &world.into()));
    assert_eq!(told["needs_wasi"], false);
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 16, "{told:#}");
    for finding in findings {
        assert_eq!(finding["holds"], true, "{finding}");
    }
}

/// What a component answers to rows.
fn answered(name: &str, rows: &Value, parameters: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.json");
    std::fs::write(&file, rows.to_string()).unwrap();
    let mut args = ["plugin", "run", &example(name), "--json", "--input", &arg(&file)]
        .map(str::to_owned)
        .to_vec();
    for parameter in parameters {
        args.extend(["--parameter".to_owned(), (*parameter).to_owned()]);
    }
    run(args).json()["columns"].clone()
}

/// Holds a column against what was reckoned by hand.
fn close(answer: &Value, column: &str, expected: &[f64]) {
    let values = answer[column].as_array().unwrap();
    assert_eq!(values.len(), expected.len(), "{answer}");
    for (value, expected) in values.iter().zip(expected) {
        assert!(
            (value.as_f64().unwrap() - expected).abs() < 1e-6,
            "{column}: {answer}"
        );
    }
}

#[test]
fn koc_affinity() {
    checked("koc-affinity", "koc-affinity", "koc-model");
    // Of the second nothing but interactions is known: 80 · √(2 ÷ 3).
    let rows = json!({
        "interactions_30d_rank": [80, 80],
        "attributed_gmv_30d_rank": [50, null],
        "followers_rank": [90, null],
        "match": [0.5, null],
    });
    let answer = answered(
        "koc-affinity",
        &rows,
        &["content_interactions=2", "content_sales=1"],
    );
    close(&answer, "content", &[70.0, 80.0 * (2.0_f64 / 3.0).sqrt()]);
    // Spread, a third of the weight, is unknown: 90 · 0.5 · √(2 ÷ 3).
    close(&answer, "influence", &[45.0 * (2.0_f64 / 3.0).sqrt(), 0.0]);
}

#[test]
fn koc_python() {
    checked("koc-python", "koc-engagement", "koc-model");
    let rows = json!({
        "interactions_30d": [150, null],
        "followers": [100, 100],
        "followers_rank": [81, 81],
        "match": [1, 1],
        "own_gmv_365d_rank": [10, null],
        "attributed_gmv_30d_rank": [30, 40],
    });
    let answer = answered("koc-python", &rows, &["half_rate=0.5"]);
    close(&answer, "content", &[75.0, 0.0]);
    close(&answer, "influence", &[90.0, 90.0]);
    close(&answer, "purchasing", &[20.0, 40.0]);
}

#[test]
fn style_momentum() {
    checked("style-momentum", "style-momentum", "style-trend-model");
    let rows = json!({
        "gmv": [[100, 100, 100, 200], [100, 200, 200, 200], [50, 50, 50, 50]],
        "period_days": [30, 30, 30],
    });
    let answer = answered("style-momentum", &rows, &["half_life_days=30"]);
    let doubled = |weight: f64| (2.0_f64.ln() * weight / 1.75).exp_m1();
    close(&answer, "growth", &[doubled(1.0), doubled(0.25), 0.0]);
    assert_eq!(answer["score"][2], 50.0);
}

#[test]
fn style_js() {
    checked("style-js", "style-heat", "style-trend-model");
    let rows = json!({ "gmv": [[100, 100, 140, 148], [0, 0, 0, 0]] });
    let answer = answered("style-js", &rows, &["steepness=1"]);
    close(&answer, "growth", &[0.2, 0.0]);
    close(&answer, "score", &[100.0 * 1.2 / 2.2, 0.0]);
}
