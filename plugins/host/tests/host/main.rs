//! The plugin host against good, bad and broken guests.
#![cfg(test)]

mod cache;
mod complex;
mod conformance;
mod contract;
mod crowd;
mod generations;
mod good;
mod guest;
mod hostile;
mod hostile_files;
mod refused;
mod sealed;

use std::{sync::LazyLock, time::Duration};

use dualwheel_plugin_host::{Apart, Compiler, Engine, Error, Limits, Plugin, Policy, World};
use dualwheel_plugin_sdk::{Batch, Column, KocScores, Parameters, Values};

use crate::guest::Guest;

/// Limits that good guests keep with room to spare, and bad ones reach within moments.
fn limits() -> Limits {
    Limits {
        fuel_base: 5_000_000,
        fuel_per_row: 10_000,
        deadline: Duration::from_secs(30),
        memory_bytes: 8 << 20,
        table_elements: 10_000,
        instances: 8,
        runs: 4,
        stack_bytes: 256 << 10,
        output_bytes: 1 << 20,
        rows: 4_096,
        log_lines: 100,
        log_bytes: 4_000,
        component_bytes: 1 << 20,
        compiled_bytes: 8 << 20,
    }
}

/// Compiles as a server does. Its own program is the harness of these tests.
fn apart() -> Compiler {
    let program = env!("CARGO_BIN_EXE_dualwheel-plugin-compiler");
    Compiler::Apart(Apart::new(program, 1 << 30, Duration::from_secs(20)))
}

/// An engine that all tests share which do not need one of their own, as plugins share one in a service.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(limits(), apart(), None).unwrap());

/// A good plugin on it.
static GOOD: LazyLock<Plugin> = LazyLock::new(|| koc(&Guest::koc("plain")));

fn koc(guest: &Guest) -> Plugin {
    ENGINE
        .load(&guest.build(), World::KocModel, Policy::Pure)
        .unwrap()
}

fn column(name: &str, values: Values) -> Column {
    Column {
        name: name.to_owned(),
        values,
    }
}

/// Ranks of so many candidates, and a column that nobody asks for.
fn candidates(rows: usize) -> Batch {
    let numbers = |step: usize| Values::Numbers((0..rows).map(|row| ((row * step) % 101) as f64).collect());
    Batch {
        rows,
        columns: vec![
            column("interactions_30d_rank", numbers(7)),
            column("match", numbers(3)),
            column("followers_rank", numbers(13)),
        ],
    }
}

fn numbers<'a>(batch: &'a Batch, name: &str) -> &'a [f64] {
    match &batch
        .columns
        .iter()
        .find(|column| column.name == name)
        .unwrap()
        .values
    {
        Values::Numbers(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

/// What `plain.wat` answers, as Rust says it.
fn expected(batch: &Batch, weight: f64, factor: f64) -> KocScores {
    let (a, b) = (
        numbers(batch, "followers_rank"),
        numbers(batch, "interactions_30d_rank"),
    );
    KocScores {
        content: a.iter().map(|a| factor * a).collect(),
        influence: b.iter().map(|b| weight * b).collect(),
        purchasing: a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect(),
    }
}

/// Another plugin on the same engine still answers, and rightly.
fn others_are_well() {
    let batch = candidates(50);
    let run = GOOD.score(&batch, &Parameters::new()).unwrap();
    assert_eq!(run.scores, expected(&batch, 0.5, 1.0));
}

/// How a guest fails on ten candidates.
fn fails(guest: &Guest) -> Error {
    let error = koc(guest).score(&candidates(10), &Parameters::new()).unwrap_err();
    others_are_well();
    error
}
