//! Candidates for `koc-affinity`, as numbers drawn from a seed.

use std::{fs, path::Path};

use dualwheel_plugin_host::Features;
use dualwheel_plugin_sdk::{Description, Values};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Part of the values that are unknown, in columns that may have such.
const UNKNOWN: f64 = 0.05;

/// The columns that a model asks for, in its order: ranks from 0 to 100, shares from 0 to 1.
pub(super) fn columns(description: &Description, rows: usize) -> Vec<(String, Vec<f64>)> {
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    let wanted = description.columns.iter();
    let columns = wanted.map(|column| {
        let most = if column.name.ends_with("_rank") {
            100.0
        } else {
            1.0
        };
        let unknown = if column.required { 0.0 } else { UNKNOWN };
        let mut draw = || match dice.random_bool(unknown) {
            true => f64::NAN,
            false => most * dice.random::<f64>(),
        };
        (column.name.clone(), (0..rows).map(|_| draw()).collect())
    });
    columns.collect()
}

/// As a table of the host.
pub(super) fn features(rows: usize, columns: &[(String, Vec<f64>)]) -> anyhow::Result<Features> {
    let mut features = Features::new(rows);
    for (name, values) in columns {
        features.add(name, Values::Numbers(values.clone()))?;
    }
    Ok(features)
}

/// As a file for the peers: column after column, as little-endian f64.
pub(super) fn write(path: &Path, columns: &[(String, Vec<f64>)]) -> anyhow::Result<()> {
    let numbers = columns.iter().flat_map(|(_, values)| values);
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}

/// What a peer answered, in the same form.
pub(super) fn read(path: &Path, rows: usize) -> anyhow::Result<Vec<Vec<f64>>> {
    let bytes = fs::read(path)?;
    let (numbers, _) = bytes.as_chunks::<{ size_of::<f64>() }>();
    let numbers: Vec<f64> = numbers.iter().copied().map(f64::from_le_bytes).collect();
    Ok(numbers.chunks(rows.max(1)).map(<[f64]>::to_vec).collect())
}
