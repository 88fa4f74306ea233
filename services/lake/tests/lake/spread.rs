//! Small appends leave a file and a commit; their rows come into the buckets of their brands later.

use std::{collections::BTreeMap, path::Path};

use dualwheel_kit::Call;
use dualwheel_lake::{Lake, changes::LINE_COLUMNS, fact::bucket_of};
use dualwheel_proto::facts::FactRows;

use crate::{House, line, orders};

const BRANDS: u32 = 20;

fn brand(number: u32) -> String {
    format!("brand-{number}")
}

/// Two lines of each brand.
fn about_all(append: u32) -> FactRows {
    let each = |number: u32| [0, 1].map(|at| line(append * 1_000 + number * 2 + at, &brand(number)));
    FactRows {
        order_lines: (0..BRANDS).flat_map(each).collect(),
        ..FactRows::default()
    }
}

/// All files below a folder, by path.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Rows that followers of the table see after a version, and whether they see the whole table anew.
async fn followed(lake: &Lake, after: Option<i64>) -> (usize, bool) {
    let tenant = lake.of(&Call::background("default"));
    let mut added = tenant
        .added("order_lines", &LINE_COLUMNS, after, None)
        .await
        .unwrap();
    let mut rows = 0;
    while let Some(batch) = added.next().await.unwrap() {
        rows += batch.len();
    }
    (rows, added.whole)
}

async fn lines_of_each(lake: &Lake) -> Vec<usize> {
    let reader = lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let mut found = Vec::new();
    for number in 0..BRANDS {
        found.push(reader.orders(&brand(number)).await.unwrap().lines.len());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_append_about_many_brands_leaves_two_files() {
    let mut house = House::new();
    house.append(vec![orders("p", 1, about_all(0))]).await.unwrap();
    let before = files(house.folder.path()).len();
    for append in 1..=10 {
        let answers = house
            .append(vec![orders("p", i64::from(append) + 1, about_all(append))])
            .await;
        assert_eq!(answers.unwrap()[0].accepted, 2 * i64::from(BRANDS));
    }
    let new = files(house.folder.path()).len() - before;
    assert_eq!(new, 20, "files of ten appends");
    assert_eq!(lines_of_each(&house.lake).await, [22; BRANDS as usize]);
}

#[tokio::test(flavor = "multi_thread")]
async fn their_rows_come_into_the_buckets_and_nobody_sees_a_change() {
    let mut house = House::new();
    for append in 0..5 {
        let batch = orders("p", i64::from(append) + 1, about_all(append));
        house.append(vec![batch]).await.unwrap();
    }
    let pinned = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    pinned.orders(&brand(0)).await.unwrap();
    let pin: BTreeMap<String, i64> = pinned.versions().tables.into_iter().collect();
    let version = pin["order_lines"];
    house.lake.compact().await.unwrap();

    let (fresh, _) = house.again();
    assert_eq!(lines_of_each(&fresh).await, [10; BRANDS as usize]);
    assert_eq!(followed(&fresh, None).await, (5 * 2 * BRANDS as usize, true));
    assert_eq!(followed(&fresh, Some(version)).await, (0, false));
    let then = fresh.of(&Call::background("default")).reader(&pin).await.unwrap();
    assert_eq!(then.orders(&brand(7)).await.unwrap().lines.len(), 10);
    // Each bucket has its brands' rows, and nothing is left where they lay together.
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for number in 0..BRANDS {
        *expected.entry(bucket_of(&brand(number)).to_string()).or_default() += 10;
    }
    let log = house.folder.path().join("lake/order_lines/_delta_log");
    assert_eq!(rows_by_bucket(&log), expected);

    house.append(vec![orders("p", 6, about_all(5))]).await.unwrap();
    assert_eq!(
        followed(&fresh, Some(version)).await,
        (2 * BRANDS as usize, false)
    );
    assert_eq!(lines_of_each(&fresh).await, [12; BRANDS as usize]);
}

/// Rows of the files that a table consists of, by the log alone.
fn rows_by_bucket(log: &Path) -> BTreeMap<String, i64> {
    let mut commits = files(log);
    commits.retain(|path| path.ends_with(".json"));
    commits.sort();
    let mut files = BTreeMap::new();
    for commit in commits {
        for line in std::fs::read_to_string(commit).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                let bucket = action["add"]["partitionValues"]["bucket"].as_str().unwrap();
                let statistics: serde_json::Value =
                    serde_json::from_str(action["add"]["stats"].as_str().unwrap()).unwrap();
                let rows = statistics["numRecords"].as_i64().unwrap();
                files.insert(path.to_owned(), (bucket.to_owned(), rows));
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
    let mut rows = BTreeMap::new();
    for (bucket, count) in files.into_values() {
        *rows.entry(bucket).or_default() += count;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_append_goes_into_the_buckets_at_once() {
    let mut house = House::new();
    let rows = FactRows {
        order_lines: (0..40_000)
            .map(|order| line(order, &brand(order % BRANDS)))
            .collect(),
        ..FactRows::default()
    };
    house.append(vec![orders("p", 1, rows)]).await.unwrap();
    let log = house.folder.path().join("lake/order_lines/_delta_log");
    let stored = rows_by_bucket(&log);
    assert!(stored.len() > 4 && !stored.contains_key("-1"), "{stored:?}");
    assert_eq!(stored.values().sum::<i64>(), 40_000);
}
