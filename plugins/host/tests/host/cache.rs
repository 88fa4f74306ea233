//! Machine code on disk: found again when it is whole, made again when it is not.

use std::{fs, os::unix::fs::MetadataExt, path::Path, path::PathBuf};

use dualwheel_plugin_host::{Cache, Engine, Policy, World};
use dualwheel_plugin_sdk::Parameters;

use crate::{apart, candidates, expected, guest::Guest, limits};

/// Loads and runs on a new engine, as after a restart.
fn restart(folder: &Path, key: [u8; 32], guest: &Guest, factor: f64) {
    let engine = Engine::new(limits(), apart(), Some(Cache::new(folder, key))).unwrap();
    let plugin = engine
        .load(&guest.build(), World::KocModel, Policy::Pure)
        .unwrap();
    let batch = candidates(10);
    assert_eq!(
        plugin.score(&batch, &Parameters::new()).unwrap().scores,
        expected(&batch, 0.5, factor)
    );
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A file that is written anew is another one.
fn number(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Guest::koc("plain");
    restart(folder.path(), [1; 32], &plain, 1.0);
    let [file] = files(folder.path()).try_into().unwrap();
    let before = (number(&file), fs::metadata(&file).unwrap().mtime_nsec());
    restart(folder.path(), [1; 32], &plain, 1.0);
    assert_eq!(
        (number(&file), fs::metadata(&file).unwrap().mtime_nsec()),
        before,
        "found, not made again"
    );
    // Another component makes other code.
    restart(
        folder.path(),
        [1; 32],
        &plain.with("f64.const 1)", "f64.const 0.25)"),
        0.25,
    );
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn damaged_code_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Guest::koc("plain");
    restart(folder.path(), [1; 32], &plain, 1.0);
    let [file] = files(folder.path()).try_into().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    for damaged in [
        flipped,
        whole[..whole.len() - 1].to_vec(),
        whole[..20].to_vec(),
        Vec::new(),
    ] {
        fs::write(&file, &damaged).unwrap();
        restart(folder.path(), [1; 32], &plain, 1.0);
        let healed = fs::read(&file).unwrap();
        assert_ne!(healed, damaged);
        // It is found again from now on.
        let before = number(&file);
        restart(folder.path(), [1; 32], &plain, 1.0);
        assert_eq!(number(&file), before);
    }
}

#[test]
fn code_of_another_component_or_key_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, other) = (
        Guest::koc("plain"),
        Guest::koc("plain").with("f64.const 1)", "f64.const 0.25)"),
    );
    restart(folder.path(), [1; 32], &plain, 1.0);
    let [first] = files(folder.path()).try_into().unwrap();
    let code = fs::read(&first).unwrap();
    restart(folder.path(), [1; 32], &other, 0.25);
    let second = files(folder.path())
        .into_iter()
        .find(|file| *file != first)
        .unwrap();
    fs::write(&second, &code).unwrap();
    restart(folder.path(), [1; 32], &other, 0.25);
    let before = number(&first);
    restart(folder.path(), [2; 32], &plain, 1.0);
    assert_ne!(number(&first), before, "made again with the other key");
}
