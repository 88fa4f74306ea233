//! `kill -9` in the middle of an import: started again and imported again, every row is there, once.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Server, command, finish, journey, journey_import};

/// Tables that the slice fills.
const TABLES: [&str; 5] = [
    "products",
    "order_lines",
    "consumer_profiles",
    "members",
    "behaviors",
];
/// Longest wait for the moment to kill at.
const PATIENCE: Duration = Duration::from_secs(60);

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as a first file of the table lies on the disk, before its commit.
    FileOf(&'static str),
    /// As soon as the table has its n-th commit, its creation included.
    CommitOf(&'static str, usize),
    /// A while after the table's first commit with rows.
    After(&'static str, Duration),
}

impl Moment {
    fn has_come(self, data: &Path) -> bool {
        match self {
            Self::FileOf(table) => !data_files(&data.join(table)).is_empty(),
            Self::CommitOf(table, number) => commits(&data.join(table)).len() >= number,
            Self::After(table, pause) => {
                let come = commits(&data.join(table)).len() >= 2;
                if come {
                    std::thread::sleep(pause);
                }
                come
            }
        }
    }

    /// Waits for it; `importer` ending first is no failure, its data are then whole.
    fn wait(self, data: &Path, importer: &mut Child) {
        let limit = Instant::now() + PATIENCE;
        while !self.has_come(data) && importer.try_wait().unwrap().is_none() {
            assert!(Instant::now() < limit, "{self:?} does not come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const MOMENTS: [Moment; 6] = [
    Moment::FileOf("products"),
    Moment::FileOf("order_lines"),
    Moment::CommitOf("order_lines", 2),
    Moment::After("order_lines", Duration::from_millis(30)),
    Moment::CommitOf("members", 1),
    Moment::CommitOf("behaviors", 2),
];

fn import(data: &Path) -> Command {
    let mut import = command(journey_import());
    import.arg("--data").arg(data);
    import
}

fn import_into(server: &Server) -> Command {
    let mut import = command(journey_import());
    import.args(["--endpoint", &server.url()]);
    import
}

#[test]
fn a_killed_server_loses_and_doubles_nothing() {
    let whole = rows(journey().copy().path());
    let mut interrupted = 0;
    for moment in MOMENTS {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::all(folder.path());
        let mut importer = import_into(&server)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        moment.wait(folder.path(), &mut importer);
        server.kill();
        let told = importer.wait().unwrap();

        let server = Server::all(folder.path());
        let after = rows(folder.path());
        assert!(
            after.iter().zip(&whole).all(|(after, whole)| after <= whole),
            "{moment:?}: {after:?} of {whole:?}"
        );
        assert!(
            !told.success() || after == whole,
            "{moment:?}: an import that succeeded is not whole: {after:?}"
        );
        interrupted += usize::from(after != whole);
        finish(&mut import_into(&server)).ok();
        assert_eq!(rows(folder.path()), whole, "{moment:?}, after {after:?}");
        // Once more changes nothing.
        finish(&mut import_into(&server)).ok();
        assert_eq!(rows(folder.path()), whole, "{moment:?}, imported a third time");
    }
    // A slow machine may see a moment too late, but not most of them.
    assert!(
        interrupted >= MOMENTS.len() / 2,
        "only {interrupted} kills fell into an import"
    );
}

#[test]
fn a_killed_import_into_a_folder_loses_and_doubles_nothing() {
    let whole = rows(journey().copy().path());
    let folder = tempfile::tempdir().unwrap();
    // One import that is killed again and again, each time a little later.
    for moment in MOMENTS {
        let mut importer = import(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        moment.wait(folder.path(), &mut importer);
        // One that has ended already cannot be killed.
        let _ = importer.kill();
        importer.wait().unwrap();
        let after = rows(folder.path());
        assert!(
            after.iter().zip(&whole).all(|(after, whole)| after <= whole),
            "{moment:?}: {after:?} of {whole:?}"
        );
    }
    let again = finish(import(folder.path()).arg("--json")).json();
    assert_eq!(rows(folder.path()), whole);
    let of = |field: &str| -> Vec<i64> {
        again["facts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fact| fact[field].as_i64().unwrap())
            .collect()
    };
    assert_eq!(of("accepted").iter().sum::<i64>(), whole.iter().sum::<i64>());
    assert_eq!(
        of("repeated")[0],
        whole[0],
        "the products had been written before"
    );
}

#[test]
fn a_half_written_file_of_the_log_is_told_and_not_taken_for_the_truth() {
    let folder: TempDir = journey().copy();
    let table = folder.path().join("order_lines");
    let next = commits(&table).len();
    let log = table.join(format!("_delta_log/{next:020}.json"));
    std::fs::write(&log, "{\"add\":{\"path\":\"tenant=default/buck").unwrap();
    let ask = [
        "ask",
        "grow",
        "--brand",
        "544",
        "--window",
        "2017-10-01..2017-12-31",
        "--data",
    ];
    finish(command(ask).arg(folder.path())).fails(1, &["LAKE_DAMAGED", "order_lines"]);
    std::fs::remove_file(&log).unwrap();
    finish(command(ask).arg(folder.path())).ok();
}

/// Rows of each table, duplicates included, as any reader of Delta tables counts them: those of the files that were
/// added and not removed.
fn rows(data: &Path) -> Vec<i64> {
    TABLES.iter().map(|table| rows_of(&data.join(table))).collect()
}

fn rows_of(table: &Path) -> i64 {
    let mut files = std::collections::BTreeMap::new();
    for log in commits(table) {
        for line in std::fs::read_to_string(log).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                let statistics: Value =
                    serde_json::from_str(action["add"]["stats"].as_str().unwrap()).unwrap();
                files.insert(path.to_owned(), statistics["numRecords"].as_i64().unwrap());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
    files.values().sum()
}

/// The commits of a table, in order.
fn commits(table: &Path) -> Vec<std::path::PathBuf> {
    files_below(&table.join("_delta_log"), ".json")
}

fn data_files(table: &Path) -> Vec<std::path::PathBuf> {
    files_below(table, ".parquet")
}

/// Files whose names end in `ending`, sorted; none where the folder is not there (yet).
fn files_below(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map_while(Result::ok)
    {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}
