//! Every target on its seeds, and on blind changes of them: always the same ones.
#![cfg(test)]

#[path = "../../../../plugins/host/tests/host/hostile_files.rs"]
#[allow(dead_code, reason = "the tests of the host read why each is refused")]
mod hostile_files;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use dualwheel_fuzz::TARGETS;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Changes of a target's seeds, unless its time is over before.
const CHANGES: usize = 20_000;
/// Bytes of a seed that is changed; larger ones take more time than they find.
const LARGEST: usize = 100_000;
/// Time of a target.
const TIME: Duration = Duration::from_secs(4);

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Files of the project that are seeds as they are.
fn shipped(target: &str) -> Vec<PathBuf> {
    match target {
        "mapping" => files(&project().join("services/lake/mappings")),
        "definitions" => vec![project().join("services/consumer/definitions.yaml")],
        "inspection" | "plugin" => files(&project().join("plugins/host/tests/generations")),
        _ => Vec::new(),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The seeds of a target; in a text file of lines, each line is one.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut paths = files(&project().join("tests/fuzz/seeds").join(target));
    paths.extend(shipped(target));
    let mut seeds = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "lines") {
            seeds.extend(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        } else {
            seeds.push(bytes);
        }
    }
    if target == "inspection" {
        let hostile = hostile_files::all().into_iter().map(|file| file.bytes);
        seeds.extend(hostile.filter(|bytes| bytes.len() <= LARGEST));
    }
    seeds
}

/// Some bytes changed, left out, doubled, or put in from another seed.
fn changed(seed: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..9)).min(bytes.len());
        match random.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(0..17)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn seeds_and_their_changes_are_stood() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| target(seed));
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let begun = Instant::now();
        for _ in 0..CHANGES {
            let (seed, other) = (
                seeds.choose(&mut random).unwrap(),
                seeds.choose(&mut random).unwrap(),
            );
            target(&changed(seed, other, &mut random));
            if begun.elapsed() > TIME {
                break;
            }
        }
    }
}
