//! The model `koc-affinity` as a guest of Extism, which hands over bytes.
//!
//! Given are little-endian f64: the parameters in the order of the model's description, then its columns one after the
//! other. Answered are the three powers in the same way.
#![allow(missing_docs, reason = "`plugin_fn` makes a function without any")]

use dualwheel_plugin_sdk::{Batch, Description, KocModel, KocScores, Parameters};
use extism_pdk::{Error, FnResult, plugin_fn};
use koc_affinity::KocAffinity;

/// Bytes of a number.
const NUMBER: usize = size_of::<f64>();

/// Scores a batch.
#[plugin_fn]
pub fn score(given: Vec<u8>) -> FnResult<Vec<u8>> {
    let description = KocAffinity.describe();
    let head = description.parameters.len() * NUMBER;
    let (parameters, columns) = given
        .split_at_checked(head)
        .ok_or_else(|| Error::msg("the parameters are cut off"))?;
    let scores = KocAffinity
        .score(&batch(&description, columns), &named(&description, parameters))
        .map_err(|refusal| Error::msg(refusal.0))?;
    Ok(bytes(&scores))
}

fn named(description: &Description, bytes: &[u8]) -> Parameters {
    let names = description
        .parameters
        .iter()
        .map(|parameter| parameter.name.clone());
    names.zip(numbers(bytes)).collect()
}

fn batch(description: &Description, bytes: &[u8]) -> Batch {
    let rows = bytes.len() / NUMBER / description.columns.len();
    let parts = bytes.chunks_exact((rows * NUMBER).max(1));
    let named = description.columns.iter().zip(parts);
    named.fold(Batch::new(rows), |batch, (column, part)| {
        batch.with_numbers(&column.name, numbers(part))
    })
}

fn numbers(bytes: &[u8]) -> Vec<f64> {
    let (numbers, _) = bytes.as_chunks::<NUMBER>();
    numbers.iter().copied().map(f64::from_le_bytes).collect()
}

fn bytes(scores: &KocScores) -> Vec<u8> {
    let columns = [&scores.content, &scores.influence, &scores.purchasing];
    let mut bytes = Vec::with_capacity(columns.iter().map(|column| column.len() * NUMBER).sum());
    for number in columns.into_iter().flatten() {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}
