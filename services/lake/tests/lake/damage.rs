//! What is damaged or gone is told by name, and never taken for what was written.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dualwheel_kit::Call;
use dualwheel_lake::{
    Error,
    people::{Piece, Replace},
};
use dualwheel_measure::Day;

use super::{House, lines, orders};

const APPENDS: u32 = 3;

async fn filled() -> House {
    let mut house = House::new();
    for append in 0..APPENDS {
        let rows = lines(append * 10..append * 10 + 10, "b");
        house
            .append(vec![orders("p", i64::from(append) + 1, rows)])
            .await
            .unwrap();
    }
    house
}

/// Number of lines, as a process that has just started reads them.
async fn counted(house: &House) -> Result<usize, Error> {
    let (lake, _) = house.again();
    let reader = lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await?;
    Ok(reader.orders("b").await?.lines.len())
}

fn is_told<T: std::fmt::Debug>(told: Result<T, Error>, words: &[&str]) {
    let error = told.unwrap_err();
    assert!(error.is_damage(), "{error}");
    let told = error.to_string();
    for word in words {
        assert!(told.contains(word), "`{word}` in: {told}");
    }
}

/// Files below a folder whose names end so, sorted.
fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Turns one bit of a file, as often as told, each time another one.
async fn with_flips(file: &Path, flips: usize, mut look: impl AsyncFnMut(usize)) {
    let right = fs::read(file).unwrap();
    for flip in 0..flips {
        let at = flip * (right.len() - 1) / (flips - 1);
        let mut wrong = right.clone();
        wrong[at] ^= 1 << (flip % 8);
        fs::write(file, wrong).unwrap();
        look(at).await;
    }
    fs::write(file, right).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_turned_bit_of_a_fact_file_is_found() {
    let house = filled().await;
    let files = below(&house.folder.path().join("lake/order_lines"), ".parquet");
    with_flips(&files[1], 40, async |_| {
        is_told(counted(&house).await, &["order_lines", ".parquet"])
    })
    .await;
    assert_eq!(counted(&house).await.unwrap(), 30);
    // Joined files have sums as well, and none is made for what was damaged.
    fs::write(&files[1], fs::read(&files[0]).unwrap()).unwrap();
    is_told(house.again().0.compact().await, &["order_lines"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_files_have_sums() {
    let house = filled().await;
    house.lake.compact().await.unwrap();
    let verified = house.lake.verify().await.unwrap();
    assert_eq!((verified.files, verified.unsummed), (1, 0), "{verified:?}");
    let mut files = below(&house.folder.path().join("lake/order_lines"), ".parquet");
    files.sort_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
    with_flips(files.last().unwrap(), 5, async |_| {
        is_told(counted(&house).await, &["order_lines"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_found() {
    let house = filled().await;
    let table = house.folder.path().join("lake/order_lines");
    let commits = below(&table.join("_delta_log"), ".json");
    let last = commits.last().unwrap();
    let text = fs::read(last).unwrap();
    fs::write(last, "").unwrap();
    is_told(counted(&house).await, &["order_lines", "empty"]);
    fs::write(last, &text[..text.len() / 2]).unwrap();
    is_told(counted(&house).await, &["order_lines"]);
    fs::remove_file(last).unwrap();
    is_told(counted(&house).await, &["order_lines", "seen at 3"]);
    let away = table.with_file_name("away");
    fs::rename(&table, &away).unwrap();
    is_told(counted(&house).await, &["order_lines", "seen at 3"]);
    fs::rename(&away, &table).unwrap();
    fs::write(last, text).unwrap();
    assert_eq!(counted(&house).await.unwrap(), 30);
}

/// Delta takes a commit without a byte for one that changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_commit_is_found_by_who_runs_already() {
    let house = filled().await;
    let log = house.folder.path().join("lake/order_lines/_delta_log");
    fs::write(log.join(format!("{:020}.json", 4)), "").unwrap();
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    is_told(reader.orders("b").await, &["order_lines", "empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_turned_bit_of_a_list_is_found_or_changes_nothing() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    let keys: Vec<String> = (0..2_000).map(|key| format!("consumer{key}")).collect();
    tenant.put_keys("list", keys.clone()).await.unwrap();
    let file = house.folder.path().join("lake/keys/default/list.parquet");
    let mut found = 0;
    with_flips(&file, 60, async |at| match tenant.keys("list").await {
        Ok(read) => assert!(read == keys, "a bit of byte {at} changes the list"),
        told => {
            is_told(told, &["keys/default/list.parquet"]);
            found += 1;
        }
    })
    .await;
    assert!(found > 30, "only {found}");
    assert_eq!(tenant.keys("list").await.unwrap(), keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_turned_bit_of_an_index_file_is_found() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    let stored = tenant.people_index(&[]).await.unwrap();
    let pieces = (0..50).map(|signal| Piece {
        brand: "b".into(),
        signal,
        day: Day(20_000),
        generation: 0,
        data: vec![signal as u8; 300],
    });
    tenant
        .commit_people(&stored, pieces.collect(), &BTreeMap::new(), Replace::Nothing)
        .await
        .unwrap();
    let files = below(&house.folder.path().join("lake/people_index"), ".parquet");
    let read = async || {
        let tenant = house.again().0.of(&Call::background("default"));
        let stored = tenant.people_index(&[]).await?;
        tenant.people_pieces(&stored, "b", 0..=100).await
    };
    with_flips(&files[0], 40, async |_| is_told(read().await, &["people_index"])).await;
    assert_eq!(read().await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_gone_or_changed_are_not_taken_for_the_defaults() {
    let house = filled().await;
    let file = house.folder.path().join("lake/tenants/default.json");
    let right = fs::read_to_string(&file).unwrap();
    fs::write(&file, right.replace("CNY", "CNX")).unwrap();
    is_told(counted(&house).await, &["tenants/default.json"]);
    fs::remove_file(&file).unwrap();
    is_told(counted(&house).await, &["tenants/default.json", "gone"]);
    // One without facts has none.
    let settings = house
        .lake
        .of(&Call::background("other"))
        .settings()
        .await
        .unwrap();
    assert!(!settings.fixed);
    // Those of an older release have no sum.
    let older: serde_json::Value = serde_json::from_str(&right).unwrap();
    let older = serde_json::json!({"time_zone": older["time_zone"], "currency": older["currency"]});
    fs::write(&file, older.to_string()).unwrap();
    assert_eq!(counted(&house).await.unwrap(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn suppressions_that_are_gone_or_cut_are_found() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    for (id, key) in [("d1", "one"), ("d2", "two")] {
        tenant.erase(id, vec![key.to_owned()]).await.unwrap();
    }
    let folder = house.folder.path().join("lake/suppressed/default");
    let suppressed = async || {
        let tenant = house.again().0.of(&Call::background("default"));
        tenant.suppressed().await
    };
    let both = suppressed().await.unwrap();
    assert!(both.has("one") && both.has("two"));
    let files = below(&folder, ".hashes");
    assert_eq!(files.len(), 2);
    for file in [&files[0], &folder.join("salt")] {
        let right = fs::read(file).unwrap();
        for wrong in [
            right[..right.len() - 1].to_vec(),
            Vec::new(),
            right.iter().map(|byte| byte ^ 4).collect(),
        ] {
            fs::write(file, wrong).unwrap();
            is_told(suppressed().await, &["suppressed/default"]);
        }
        fs::remove_file(file).unwrap();
        is_told(suppressed().await, &["suppressed"]);
        is_told(
            tenant
                .erase("d3", vec!["three".to_owned()])
                .await
                .and(suppressed().await.map(drop)),
            &[],
        );
        fs::write(file, right).unwrap();
        suppressed().await.unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
    is_told(suppressed().await, &["suppressed", "seen at"]);
    let refused = house
        .again()
        .0
        .of(&Call::background("default"))
        .erase("d4", vec!["four".to_owned()])
        .await;
    is_told(refused, &["suppressed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_looked_through() {
    let house = filled().await;
    let tenant = house.lake.of(&Call::background("default"));
    tenant.put_keys("list", vec!["c1".to_owned()]).await.unwrap();
    tenant.erase("d1", vec!["one".to_owned()]).await.unwrap();
    let verified = house.again().0.verify().await.unwrap();
    assert_eq!((verified.files, verified.unsummed, verified.lists), (3, 0, 2));
    assert_eq!(verified.damages, [""; 0]);
    let root = house.folder.path().join("lake");
    let facts = below(&root.join("order_lines"), ".parquet");
    fs::write(&facts[0], "nothing").unwrap();
    fs::remove_file(&facts[1]).unwrap();
    fs::write(root.join("keys/default/list.parquet"), "nothing").unwrap();
    fs::remove_file(root.join("tenants/default.json")).unwrap();
    fs::remove_dir_all(root.join("suppressed")).unwrap();
    let verified = house.again().0.verify().await.unwrap();
    assert_eq!(verified.damages.len(), 5, "{:#?}", verified.damages);
}
