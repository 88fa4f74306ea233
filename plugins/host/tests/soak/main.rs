//! Thousands of calls and hundreds of plugins leave nothing behind. In a process of its own, whose memory nobody else
//! uses.
#![cfg(test)]

#[path = "../host/guest.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod guest;

use std::time::Duration;

use dualwheel_plugin_host::{Cache, Compiler, Engine, Limits, Policy, World};
use dualwheel_plugin_sdk::{Batch, Column, Parameters, Values};

use crate::guest::Guest;

/// Kibibytes of memory that the process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

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

#[test]
fn memory_stays_flat() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(limits(), Compiler::Here, Some(Cache::new(folder.path(), [3; 32]))).unwrap();
    let components = ["plain", "unreachable", "memory_hog", "flood"].map(|name| Guest::koc(name).build());
    let ranks = |name: &str| {
        let numbers = (0..100).map(f64::from).collect();
        Column {
            name: name.to_owned(),
            values: Values::Numbers(numbers),
        }
    };
    let batch = Batch {
        rows: 100,
        columns: vec![ranks("followers_rank"), ranks("interactions_30d_rank")],
    };
    let round = || {
        for (index, component) in components.iter().enumerate() {
            let plugin = engine.load(component, World::KocModel, Policy::Pure).unwrap();
            for _ in 0..10 {
                let run = plugin.score(&batch, &Parameters::new());
                match index {
                    0 => assert_eq!(run.unwrap().scores.content[99], 99.0),
                    3 => assert_eq!(run.unwrap().record.lines.len(), 80),
                    _ => assert!(run.is_err()),
                }
            }
        }
    };
    (0..25).for_each(|_| round());
    let before = resident();
    // 400 plugins and 4 400 instances; one page of memory kept for each instance would be 281 mebibytes.
    (0..100).for_each(|_| round());
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more than before");
}
