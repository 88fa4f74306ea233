//! Compaction joins files while appends go on, and no version loses a row.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use dualwheel_kit::Call;
use dualwheel_lake::{Lake, Options};

use super::{House, count_lines, lines, orders, send};

const APPENDS: u32 = 40;
const ROWS: u32 = 5;

/// Data files of the brand's table, in use or not.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let each = entries.map(|entry| entry.unwrap().path());
    each.map(|path| match path.is_dir() {
        true => files(&path),
        false => usize::from(path.extension().is_some_and(|extension| extension == "parquet")),
    })
    .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_joined_while_appends_go_on_and_older_versions_stay_readable() {
    let mut house = House::new();
    for append in 0..APPENDS {
        let rows = lines(append * ROWS..(append + 1) * ROWS, "b");
        let answers = house.append(vec![orders("p", i64::from(append) + 1, rows)]).await;
        assert_eq!(answers.unwrap()[0].accepted, i64::from(ROWS));
    }
    let tenant = house.lake.of(&Call::background("default"));
    let before = tenant.reader(&BTreeMap::new()).await.unwrap();
    assert_eq!(
        before.orders("b").await.unwrap().lines.len(),
        (APPENDS * ROWS) as usize
    );
    let pinned = before.versions().tables.into_iter().collect();

    let mut client = house.client.clone();
    let appends = tokio::spawn(async move {
        for append in APPENDS..2 * APPENDS {
            let rows = lines(append * ROWS..(append + 1) * ROWS, "b");
            send(&mut client, vec![orders("p", i64::from(append) + 1, rows)])
                .await
                .unwrap();
        }
    });
    house.lake.compact().await.unwrap();
    appends.await.unwrap();
    house.lake.compact().await.unwrap();

    // Another process: no frame of these versions is in its memory.
    let (other, _) = house.again();
    assert_eq!(count_lines(&other, "b").await, (2 * APPENDS * ROWS) as usize);
    let then = other
        .of(&Call::background("default"))
        .reader(&pinned)
        .await
        .unwrap();
    assert_eq!(
        then.orders("b").await.unwrap().lines.len(),
        (APPENDS * ROWS) as usize
    );
    // What was joined lies there for seven days more, beside the joined file.
    let stored = files(&house.folder.path().join("lake/order_lines"));
    assert!(stored > 2 * APPENDS as usize, "{stored}");
    let log = house.folder.path().join("lake/order_lines/_delta_log");
    let added = newest_adds(&log);
    assert!(
        added < APPENDS as usize / 2,
        "{added} files in the newest version"
    );
}

/// Files of the newest version, from the log alone: added and not removed.
fn newest_adds(log: &Path) -> usize {
    let mut files = std::collections::BTreeSet::new();
    let mut commits: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    commits.sort();
    for commit in commits {
        for line in std::fs::read_to_string(commit).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                files.insert(path.to_owned());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
    files.len()
}

/// Rows in the files that a table consists of, as any reader of Delta tables counts them.
fn stored_rows(house: &House, table: &str) -> i64 {
    let log = house.folder.path().join("lake").join(table).join("_delta_log");
    let mut commits: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    commits.sort();
    let mut files = std::collections::BTreeMap::new();
    for commit in commits {
        for line in std::fs::read_to_string(commit).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                let statistics = action["add"]["stats"].as_str().unwrap();
                let statistics: serde_json::Value = serde_json::from_str(statistics).unwrap();
                files.insert(path.to_owned(), statistics["numRecords"].as_i64().unwrap());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
    files.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_join_files_at_once_double_nothing() {
    let mut house = House::new();
    let (other, _) = house.again();
    for sequence in 1..=12u32 {
        let rows = lines(sequence * 10..sequence * 10 + 10, "b");
        house
            .append(vec![orders("p", i64::from(sequence), rows)])
            .await
            .unwrap();
    }
    let (one, two) = tokio::join!(house.lake.compact(), other.compact());
    one.unwrap();
    two.unwrap();
    assert_eq!(stored_rows(&house, "order_lines"), 120);
}

/// The house's lake, in which files of former versions stay as long as this.
fn with_retention(house: &House, retention: Duration) -> Lake {
    let options = Options {
        location: house.folder.path().join("lake").display().to_string(),
        frame_cache_bytes: 1 << 20,
        retention,
    };
    Lake::open(&options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_they_were_out_of_use_for_the_retention() {
    let mut house = House::new();
    for sequence in 1..=5u32 {
        let rows = lines(sequence * 10..sequence * 10 + 10, "b");
        house
            .append(vec![orders("p", i64::from(sequence), rows)])
            .await
            .unwrap();
    }
    let table = house.folder.path().join("lake/order_lines");
    house.lake.compact().await.unwrap();
    assert_eq!(files(&table), 6, "what was joined stays");
    let version = |lake: Lake| async move {
        let reader = lake
            .of(&Call::background("default"))
            .reader(&BTreeMap::new())
            .await
            .unwrap();
        reader.orders("b").await.unwrap();
        reader.versions().tables["order_lines"]
    };
    let before = version(house.again().0).await;
    with_retention(&house, Duration::ZERO).compact().await.unwrap();
    assert_eq!(files(&table), 1);
    let (other, _) = house.again();
    assert_eq!(count_lines(&other, "b").await, 50);
    assert_eq!(version(other).await, before, "removing files is no new version");
}

/// A file that no commit names is one of an append under way as long as it is young, by the time of the storage.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_commit_names_go_by_their_age() {
    let mut house = House::new();
    house
        .append(vec![orders("p", 1, lines(0..10, "b"))])
        .await
        .unwrap();
    let table = house.folder.path().join("lake/order_lines");
    let stored = file_below(&table);
    let days = |days: u64| SystemTime::now() - Duration::from_secs(days * 24 * 3_600);
    let (young, old) = (
        stored.with_file_name("young.parquet"),
        stored.with_file_name("old.parquet"),
    );
    for (file, written) in [(&young, days(6)), (&old, days(8)), (&stored, days(30))] {
        if *file != stored {
            std::fs::copy(&stored, file).unwrap();
        }
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(written)
            .unwrap();
    }
    house.lake.compact().await.unwrap();
    assert!(young.exists() && stored.exists() && !old.exists());
}

/// The one data file of a table.
fn file_below(folder: &Path) -> std::path::PathBuf {
    let mut below = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let next = below.find(|path| !path.ends_with("_delta_log")).unwrap();
    if next.is_dir() { file_below(&next) } else { next }
}
