//! The people index, win-back and expansion, through the command line.

use serde_json::Value;

use crate::harness::{Ran, journey, run};

const WINDOW: &str = "2017-10-01..2017-12-31";

fn on(data: &str, args: &[&str]) -> Ran {
    run(args.iter().copied().chain(["--data", data]))
}

fn whole(value: &Value) -> i64 {
    value
        .as_str()
        .map_or_else(|| value.as_i64().unwrap_or(0), |text| text.parse().unwrap())
}

/// The answer without the versions and whatever else tells how it was read.
fn numbers(answer: &Value) -> Vec<(String, Value, Value)> {
    let metrics = answer["metrics"].as_array().unwrap().iter();
    metrics
        .map(|metric| {
            let id = metric["id"].as_str().unwrap().to_owned();
            (id, metric["value"].clone(), metric["denominator"].clone())
        })
        .collect()
}

/// The index is made, holds against the facts, and answers what the facts themselves do, which a question at their
/// pinned versions is answered by.
#[test]
fn the_index_stands_against_the_facts() {
    let journey = journey();
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    let rebuilt = on(data, &["index", "rebuild", "--json"]).json();
    assert!(whole(&rebuilt["index"]["consumers"]) > 100);
    let verified = on(data, &["index", "verify", "--json"]).json();
    assert!(whole(&verified["bitmaps"]) > 100 && whole(&verified["people"]) > 100);
    assert_eq!(whole(&verified["different"]), 0);
    assert!(on(data, &["index", "verify"]).ok().contains("0 differ"));
    assert!(on(data, &["index", "show"]).ok().contains("order_lines"));
    let asked = |group: &str| {
        on(
            data,
            &["ask", group, "--brand", "544", "--window", WINDOW, "--json"],
        )
        .json()
    };
    // Cut by category, the whole comes from the facts.
    let by_facts = on(
        data,
        &[
            "ask", "aipl", "--brand", "544", "--window", WINDOW, "--by", "category", "--json",
        ],
    );
    let by_facts: Vec<_> = numbers(&by_facts.json()).into_iter().take(5).collect();
    assert_eq!(numbers(&asked("aipl")), by_facts);
    assert_eq!(numbers(&asked("fast"))[0].0, "fast.fertility");
}

#[test]
fn a_lost_bitmap_is_told() {
    let journey = journey();
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    on(data, &["index", "rebuild"]).ok();
    let tenant = folder.path().join("people_index/tenant=default");
    let mut buckets = std::fs::read_dir(&tenant)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let bucket = buckets.find(|bucket| !bucket.ends_with("bucket=-1")).unwrap();
    for file in std::fs::read_dir(bucket).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    on(data, &["index", "verify"]).fails(1, &["index"]);
    // Questions are answered all the same, and a rebuild mends it.
    on(data, &["ask", "aipl", "--brand", "544", "--window", WINDOW]).ok();
    on(data, &["index", "rebuild"]).ok();
    on(data, &["index", "verify"]).ok();
}

/// The facts begin with 2017, so that nobody had lapsed 360 days before its end.
#[test]
fn outlooks_are_told_by_days_and_channel() {
    let journey = journey();
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    let ask = [
        "consumer",
        "winback",
        "--brand",
        "544",
        "--as-of",
        "2017-12-31",
        "--outlooks",
    ];
    let told = on(data, &[&ask[..], &["--json"]].concat()).json();
    let outlooks = told["outlooks"].as_array().unwrap();
    let of = |days: i64| {
        let mine = outlooks.iter().filter(|one| whole(&one["horizon_days"]) == days);
        mine.collect::<Vec<_>>()
    };
    assert!(!of(90).is_empty() && of(90).len() == of(180).len());
    for outlook in of(180) {
        assert!(
            outlook["refusal"]
                .as_str()
                .unwrap()
                .contains("the model needs 200"),
            "{outlook}"
        );
    }
    assert!(on(data, &ask).ok().contains("lapsed buyers on 2017-12-31"));
    on(data, &[&ask[..], &["--channel", "x"]].concat()).fails(2, &["--outlooks", "--channel"]);
}

#[test]
fn an_audience_is_expanded_and_saved() {
    let journey = journey();
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    let whose = ["--brand", "544", "--as-of", "2017-12-31"];
    let expand = |args: &[&str]| {
        on(
            data,
            &[&["audience", "expand", "stage(L)"][..], &whose[..], args].concat(),
        )
    };
    let told = expand(&["--size", "100", "--save", "likely", "--json"]).json();
    assert_eq!((whole(&told["seed_size"]), whole(&told["size"])), (1_689, 100));
    assert!(whole(&told["candidates"]) >= 323, "{told}");
    assert_eq!(told["audience"], "audiences/likely");
    let estimate = |text: &str| {
        let size = on(
            data,
            &[&["audience", "estimate", text, "--json"][..], &whose[..]].concat(),
        )
        .json();
        whole(&size["size"])
    };
    assert_eq!(estimate("audience(likely)"), 100);
    assert_eq!(estimate("audience(likely) and stage(L)"), 0);
    assert!(expand(&["--size", "5"]).ok().contains("AUC"));
    expand(&["--size", "0"]).fails(1, &["size", "1 to 10000000"]);
    expand(&["--size", "5", "--save", "likely"]).fails(1, &["AUDIENCE_EXISTS"]);
}

/// On a generated market, whose lapsed buyers come back for benefits and the sooner the better.
#[test]
fn win_back_finds_what_was_planted() {
    let (market, lake) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (out, data) = (market.path().to_str().unwrap(), lake.path().to_str().unwrap());
    run([
        "generate",
        "--out",
        out,
        "--brands",
        "1",
        "--consumers",
        "40000",
        "--facts",
        "1500000",
        "--months",
        "24",
    ])
    .ok();
    on(data, &["import", "--facts", out]).ok();
    let ask = [
        "consumer",
        "winback",
        "--brand",
        "brand-01",
        "--as-of",
        "2026-06-30",
    ];
    let told = on(data, &[&ask[..], &["--json"]].concat()).json();
    let model = &told["model"];
    assert!(model.is_object(), "{told}");
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&model["auc"]) > number(&model["recency_auc"]), "{model}");
    let features = model["features"].as_array().unwrap();
    let place = |name: &str| {
        features
            .iter()
            .position(|feature| feature["name"] == name)
            .unwrap()
    };
    assert!(place("benefit_recency") < 6, "{model}");
    assert!(place("recency").min(place("lapse")) < 6, "{model}");
    let packs = told["packs"].as_array().unwrap();
    let people: i64 = packs.iter().map(|pack| whole(&pack["people"])).sum();
    assert_eq!(people, whole(&told["candidates"]));
    assert!((20..=50).contains(&packs.len()), "{} packs", packs.len());
    assert!(on(data, &ask).ok().contains("AUC"));

    let saved = on(data, &[&ask[..], &["--save", "back", "--json"]].concat()).json();
    let saved = saved["packs"].as_array().unwrap();
    assert_eq!(saved.len(), packs.len());
    let first = saved[0]["audience"]
        .as_str()
        .unwrap()
        .trim_start_matches("audiences/")
        .to_owned();
    let expression = format!("audience({first})");
    let size = on(
        data,
        &[
            "audience",
            "estimate",
            "--brand",
            "brand-01",
            "--as-of",
            "2026-06-30",
            &expression,
            "--json",
        ],
    );
    assert_eq!(whole(&size.json()["size"]), whole(&packs[0]["people"]));
    // The same ids again are refused, and nothing is saved twice.
    on(data, &[&ask[..], &["--save", "back"]].concat()).fails(1, &["exists"]);
    on(data, &[&ask[..], &["--horizon-days", "3"]].concat()).fails(1, &["horizon_days", "7 to 365"]);
    on(data, &[&ask[..], &["--save", "9"]].concat()).fails(1, &["audience_prefix"]);
}
