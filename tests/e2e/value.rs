//! The published value models, from the raw file through the shipped mapping to the command line.

use serde_json::Value;

use crate::harness::{run, tests_folder};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn near(value: &Value, published: f64, slack: f64) {
    let mine = number(value);
    assert!((mine - published).abs() <= slack, "{mine} is not {published}");
}

#[test]
fn cdnow_is_valued_as_published() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let source = tests_folder().join("data/cdnow/CDNOW_sample.txt");
    let source = format!("purchases={}", source.display());
    run([
        "import",
        "--mapping",
        "cdnow",
        "--source",
        &source,
        "--data",
        folder,
    ])
    .ok();
    let window = "1997-01-01..1997-09-30";
    let asked = [
        "ask", "value", "--brand", "cdnow", "--window", window, "--data", folder, "--json",
    ];
    let answer = run(asked).json();
    let (purchases, spending) = (&answer["purchases"], &answer["spending"]);
    for (name, published, slack) in [
        ("r", 0.2426, 1e-4),
        ("alpha", 4.4135, 2e-3),
        ("a", 0.7929, 1e-3),
        ("b", 2.4258, 4e-3),
    ] {
        near(&purchases[name], published, slack);
    }
    // The published value counts weeks to two decimals; here they are whole days.
    near(&purchases["log_likelihood"], -9582.4256, 0.5);
    for (name, published, slack) in [("p", 6.250, 5e-3), ("q", 3.744, 5e-3), ("gamma", 15.444, 2e-2)] {
        near(&spending[name], published, slack);
    }

    let listed = run([
        "consumer",
        "values",
        "--brand",
        "cdnow",
        "--as-of",
        "1997-09-30",
        "--horizon-weeks",
        "39",
        "--data",
        folder,
        "--json",
    ])
    .ok();
    assert_eq!(listed.lines().count(), 2_357);
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["consumer"], &first["repeats"]),
        (&"00004".into(), &2.into())
    );
    near(&first["expected_purchases"], 1.226, 1e-3);

    let table = run([
        "ask", "rfm", "--brand", "cdnow", "--window", window, "--data", folder,
    ])
    .ok();
    assert!(table.contains("important_value"), "{table}");
    run([
        "ask", "value", "--brand", "cdnow", "--window", window, "--data", folder,
    ])
    .ok();
}
