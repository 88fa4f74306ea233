//! Times the model `koc-affinity` as plain Rust on this machine.
//!
//! `koc-native COLUMNS ANSWERS ROWS BATCH RUNS`: the file COLUMNS has the model's columns one after the other, as
//! little-endian f64 of ROWS rows each. They are scored in batches of BATCH rows; the powers go to the file ANSWERS in the
//! same form, the seconds of each of RUNS runs to standard output as `{"seconds": [...]}`. One run before is not counted.

use std::{env, error::Error, fs, time::Instant};

use dualwheel_plugin_sdk::{Batch, KocModel, KocScores};
use koc_affinity::KocAffinity;

/// Bytes of a number.
const NUMBER: usize = size_of::<f64>();

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [columns, answers, rows, batch, runs] = arguments.as_slice() else {
        return Err("usage: koc-native COLUMNS ANSWERS ROWS BATCH RUNS".into());
    };
    let batches = batches(&fs::read(columns)?, rows.parse()?, batch.parse()?)?;
    let parameters = KocAffinity.describe().defaults();
    let runs: usize = runs.parse()?;
    let mut seconds = Vec::with_capacity(runs);
    let mut scores = Vec::new();
    for run in 0..=runs {
        let started = Instant::now();
        let scored = batches
            .iter()
            .map(|batch| KocAffinity.score(batch, &parameters))
            .collect::<Result<Vec<_>, _>>();
        let took = started.elapsed().as_secs_f64();
        scores = scored.map_err(|refusal| refusal.0)?;
        if run > 0 {
            seconds.push(took);
        }
    }
    fs::write(answers, bytes(&scores))?;
    println!("{{\"seconds\": {seconds:?}}}");
    Ok(())
}

/// The columns of a file, cut into batches.
fn batches(bytes: &[u8], rows: usize, most: usize) -> Result<Vec<Batch>, Box<dyn Error>> {
    let wanted = KocAffinity.describe().columns;
    let (numbers, rest) = bytes.as_chunks::<NUMBER>();
    let numbers: Vec<f64> = numbers.iter().copied().map(f64::from_le_bytes).collect();
    if numbers.len() != wanted.len() * rows || !rest.is_empty() || rows == 0 || most == 0 {
        return Err("the file does not have the model's columns of so many rows".into());
    }
    let mut batches = Vec::new();
    for first in (0..rows).step_by(most) {
        let rows_here = most.min(rows - first);
        let mut batch = Batch::new(rows_here);
        for (column, values) in wanted.iter().zip(numbers.chunks_exact(rows)) {
            let part = values.iter().skip(first).take(rows_here).copied().collect();
            batch = batch.with_numbers(&column.name, part);
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// Power after power, each of all batches.
fn bytes(scores: &[KocScores]) -> Vec<u8> {
    let powers: [fn(&KocScores) -> &Vec<f64>; 3] = [
        |scores| &scores.content,
        |scores| &scores.influence,
        |scores| &scores.purchasing,
    ];
    let all = powers.iter().flat_map(|power| scores.iter().flat_map(power));
    all.flat_map(|number| number.to_le_bytes()).collect()
}
