//! A disk that fills up during appends: what was acknowledged stays, what was not is not there, and with room made
//! the refused batch goes through, once. Mounting a small file system needs root.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use dualwheel_kit::failure::reason_of;
use dualwheel_proto::{
    consumer::{GetAiplRequest, consumer_service_client::ConsumerServiceClient},
    facts::{
        AppendRequest, AppendResponse, Behavior, BehaviorKind, FactKind, FactRows, append_request,
        fact_service_client::FactServiceClient,
    },
};
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};

use crate::harness::{Server, command, finish, journey_import, question, window};

const BRAND: &str = "b";
const ROWS: usize = 4_000;
/// Batches that surely do not fit.
const MOST_BATCHES: i64 = 200;

/// A file system of its own in memory; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    fn mount(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &path);
        Self {
            path,
            _folder: folder,
        }
    }

    fn remount(&self, options: &str) {
        mount(&["-o", &format!("remount,{options}")], &self.path);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.path).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}

fn mount(args: &[&str], path: &Path) {
    let done = Command::new("mount").args(args).arg(path).output().unwrap();
    assert!(
        done.status.success(),
        "mounting needs root: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A batch whose rows do not compress well.
fn batch(sequence: i64) -> AppendRequest {
    let behavior = |row: usize| {
        let mixed = (sequence as u64 * 1_000_003 + row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Behavior {
            event_id: format!("{sequence}-{row}-{mixed:016x}"),
            consumer: format!("{:016x}", mixed.rotate_left(17)),
            brand: BRAND.to_owned(),
            kind: BehaviorKind::Browse.into(),
            occurred_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
            ..Behavior::default()
        }
    };
    AppendRequest {
        producer: "p".to_owned(),
        sequence,
        kind: FactKind::Behavior.into(),
        batch: Some(append_request::Batch::Rows(FactRows {
            behaviors: (0..ROWS).map(behavior).collect(),
            ..FactRows::default()
        })),
    }
}

async fn append(channel: Channel, sequence: i64) -> Result<AppendResponse, Status> {
    let requests = tokio_stream::iter([batch(sequence)]);
    let mut answers = FactServiceClient::new(channel)
        .append(requests)
        .await?
        .into_inner();
    Ok(answers.message().await?.expect("an answer"))
}

/// Rows that can be read: each is of a consumer of its own, who saw the brand that day.
async fn readable(server: &Server) -> i64 {
    let query = question(BRAND, window("2026-05-01", "2026-05-01"));
    let answer = ConsumerServiceClient::new(server.channel())
        .get_aipl(GetAiplRequest { query })
        .await
        .unwrap();
    let metrics = answer.into_inner().metrics;
    let aware = metrics
        .iter()
        .find(|metric| metric.id == "aipl.awareness")
        .unwrap();
    aware.value.unwrap() as i64
}

fn assert_full(status: &Status) {
    assert_eq!(
        (status.code(), reason_of(status).as_deref()),
        (Code::ResourceExhausted, Some("STORAGE_FULL")),
        "{status:?}"
    );
    assert!(
        ["full", "behaviors/", "make room"]
            .iter()
            .all(|word| status.message().contains(word)),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_and_loses_nothing() {
    let disk = SmallDisk::mount("size=3m");
    let server = Server::start(&disk.path, &["consumer"], &[]);
    let mut acknowledged = 0;
    let refused = loop {
        assert!(acknowledged < MOST_BATCHES, "the disk does not fill up");
        match append(server.channel(), acknowledged + 1).await {
            Ok(answer) => {
                assert_eq!((answer.accepted, answer.repeated_batch), (ROWS as i64, false));
                acknowledged += 1;
            }
            Err(status) => break status,
        }
    };
    assert_full(&refused);
    assert!(acknowledged > 3, "only {acknowledged} batches fitted");
    assert_eq!(readable(&server).await, acknowledged * ROWS as i64);

    // Room grows little by little: as long as it does not suffice, nothing of the batch is there.
    let mut kib = 3 * 1_024;
    let answer = loop {
        kib += 4;
        assert!(kib < 16 * 1_024, "room does not help");
        disk.remount(&format!("size={kib}k"));
        match append(server.channel(), acknowledged + 1).await {
            Ok(answer) => break answer,
            Err(status) => {
                assert_full(&status);
                assert_eq!(
                    readable(&server).await,
                    acknowledged * ROWS as i64,
                    "at {kib} KiB"
                );
            }
        }
    };
    assert_eq!((answer.accepted, answer.repeated_batch), (ROWS as i64, false));
    assert_eq!(readable(&server).await, (acknowledged + 1) * ROWS as i64);

    // Sent again, it is known; the next one goes on from there; a server that has just started agrees.
    disk.remount("size=32m");
    let again = append(server.channel(), acknowledged + 1).await.unwrap();
    assert!(again.repeated_batch && again.accepted == ROWS as i64, "{again:?}");
    drop(server);
    let server = Server::start(&disk.path, &["consumer"], &[]);
    assert!(
        append(server.channel(), acknowledged + 1)
            .await
            .unwrap()
            .repeated_batch
    );
    assert!(
        !append(server.channel(), acknowledged + 2)
            .await
            .unwrap()
            .repeated_batch
    );
    assert_eq!(readable(&server).await, (acknowledged + 2) * ROWS as i64);
}

/// Files of rows below a folder.
fn data_files(folder: &Path) -> usize {
    let below = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    below
        .map(|path| match path.is_dir() {
            true => data_files(&path),
            false => usize::from(path.extension().is_some_and(|ending| ending == "parquet")),
        })
        .sum()
}

#[tokio::test]
async fn files_are_joined_only_where_there_is_room() {
    let disk = SmallDisk::mount("size=64m");
    let server = Server::start(&disk.path, &["consumer"], &[]);
    for sequence in 1..=6 {
        append(server.channel(), sequence).await.unwrap();
    }
    drop(server);
    let (behaviors, filler) = (disk.path.join("behaviors"), disk.path.join("filler"));
    let before = data_files(&behaviors);
    // All but 600 KiB: less than the files have.
    let mut rest = 65_536;
    while rest > 0 {
        let size = format!("{rest}K");
        let filled = Command::new("fallocate")
            .args(["-l", &size])
            .arg(&filler)
            .output()
            .unwrap();
        if filled.status.success() {
            break;
        }
        rest -= 64;
    }
    let some = std::fs::File::options().write(true).open(&filler).unwrap();
    some.set_len(some.metadata().unwrap().len() - (600 << 10))
        .unwrap();
    // A file that is open keeps its room when it is removed.
    drop(some);
    let compact = || finish(command(["compact", "--data"]).arg(&disk.path));
    compact().ok();
    assert_eq!(data_files(&behaviors), before);
    std::fs::remove_file(&filler).unwrap();
    compact().ok();
    assert_eq!(data_files(&behaviors), before + 1);
}

#[test]
fn questions_are_answered_from_a_disk_that_cannot_be_written() {
    let (disk, state) = (SmallDisk::mount("size=256m"), tempfile::tempdir().unwrap());
    finish(command(journey_import()).arg("--data").arg(&disk.path)).ok();
    let database = format!("database=sqlite://{}", state.path().join("state.db").display());
    let ask = |metrics: &str| {
        let args = [
            "ask",
            metrics,
            "--brand",
            "544",
            "--window",
            "2017-10-01..2017-12-31",
            "--json",
        ];
        finish(command(args).args(["--set", &database, "--data"]).arg(&disk.path)).json()
    };
    let all = ["aipl", "grow", "super", "plus"];
    let before = all.map(ask);
    disk.remount("ro");
    assert!(all.map(ask) == before);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let disk = SmallDisk::mount("size=1m,ro");
    let folder = disk.path.join("lake");
    let told = folder.display().to_string();
    for args in [
        ["serve", "all", "--listen", "127.0.0.1:0"],
        ["ask", "aipl", "--brand=b", "--window=2026-01-01..2026-01-31"],
    ] {
        finish(command(args).arg("--data").arg(&folder)).fails(1, &[&told]);
    }
    // A file in the folder's place.
    let file = tempfile::NamedTempFile::new().unwrap();
    let told = file.path().display().to_string();
    finish(command(["serve", "all", "--listen", "127.0.0.1:0", "--data"]).arg(file.path()))
        .fails(1, &[&told]);
}
