//! A machine whose clock is ahead of that of its storage.

use std::path::{Path, PathBuf};

use crate::harness::{command, finish, journey};

/// A library that tells programs another time.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map_while(Result::ok);
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let mut found = libraries.filter(|library| library.exists());
    found
        .next()
        .expect("libfaketime is missing: apt-get install libfaketime")
}

fn a_file_of(table: &Path) -> PathBuf {
    let below = std::fs::read_dir(table)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut below = below.filter(|path| !path.ends_with("_delta_log"));
    let next = below.next().unwrap();
    if next.is_dir() { a_file_of(&next) } else { next }
}

/// Until the clocks agree nothing is removed: what is old by one of them an append may just have written by the other.
#[test]
fn a_clock_that_is_ahead_takes_no_files_of_appends() {
    let folder = journey().copy();
    let stored = a_file_of(&folder.path().join("order_lines"));
    let written = stored.with_file_name("being-appended.parquet");
    std::fs::copy(&stored, &written).unwrap();
    let mut ahead = command(["compact", "--data"]);
    ahead
        .arg(folder.path())
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME", "+8d")
        // Files keep the times of the storage.
        .env("NO_FAKE_STAT", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    finish(&mut ahead).fails(1, &["clocks", "NTP"]);
    assert!(written.exists());
    let mut right = command(["compact", "--data"]);
    finish(right.arg(folder.path())).ok();
    assert!(written.exists());
}
