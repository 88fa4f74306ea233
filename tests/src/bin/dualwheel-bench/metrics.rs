//! `metrics`: milliseconds to the answer of each metric group for one brand, beside DuckDB on the same facts.
//!
//! Cold is the first question after the lake was opened, when no frame is loaded; warm is any later one.

pub(crate) mod ask;
pub(crate) mod compare;

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::ensure;
use dualwheel_measure::Window;
use dualwheel_proto::types::Metric;
use serde::Deserialize;

use crate::{
    Bench,
    figures::{Figures, median},
    market,
    mesh::Mesh,
    peers,
};
use ask::{GROUPS, ask};
use compare::{Theirs, differences};

/// Openings of the lake for each group.
const COLD_RUNS: usize = 3;
/// Warm questions after each opening.
const WARM_RUNS: usize = 5;

/// Milliseconds of each run of a group.
#[derive(Debug, Default)]
struct Ours {
    cold: Vec<f64>,
    warm: Vec<f64>,
    metrics: Vec<Metric>,
}

/// What the peer answers of a group.
#[derive(Debug, Deserialize)]
struct Peer {
    cold_ms: Vec<f64>,
    warm_ms: Vec<f64>,
    metrics: BTreeMap<String, Theirs>,
}

/// Measures the group.
pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let (folder, lake) = (bench.folder.join("market"), bench.folder.join("lake"));
    let (_, window) = market::generate(&folder, bench.rows)?;
    market::import_into(bench, &folder, &lake)?;
    let mut ours = BTreeMap::new();
    for group in GROUPS {
        ours.insert(group, measure(bench, &lake, group, window)?);
    }
    let theirs = ask_peers(bench, &folder, window)?;
    let mut wrong = 0;
    for group in GROUPS {
        let (Some(ours), Some(theirs)) = (ours.get(group), theirs.get(group)) else {
            anyhow::bail!("nobody measured {group}");
        };
        for difference in differences(&ours.metrics, &theirs.metrics) {
            eprintln!("{difference}");
            wrong += 1;
        }
    }
    ensure!(wrong == 0, "{wrong} numbers are not those that DuckDB computes");
    for group in GROUPS {
        if let (Some(ours), Some(theirs)) = (ours.get(group), theirs.get(group)) {
            for (name, mine, peer) in [
                ("warm", &ours.warm, &theirs.warm_ms),
                ("cold", &ours.cold, &theirs.cold_ms),
            ] {
                let mine = median(mine);
                let ratio = median(peer) / mine;
                figures.tell(
                    &format!("metrics.{group}.{name}"),
                    mine,
                    "ms",
                    &[("ratio_vs_duckdb", ratio)],
                )?;
            }
        }
    }
    Ok(())
}

fn measure(bench: &Bench, lake: &Path, group: &'static str, window: Window) -> anyhow::Result<Ours> {
    let mut ours = Ours::default();
    for _ in 0..COLD_RUNS {
        let mesh = Mesh::start(lake)?;
        bench.client.block_on(async {
            let channel = mesh.connect().await?;
            for run in 0..=WARM_RUNS {
                let started = Instant::now();
                let metrics = ask(&channel, group, window).await?;
                let took = started.elapsed().as_secs_f64() * 1_000.0;
                if run == 0 {
                    ours.cold.push(took);
                } else {
                    ours.warm.push(took);
                }
                ours.metrics = metrics;
            }
            anyhow::Ok(())
        })?;
        mesh.stop()?;
    }
    eprintln!(
        "{group}: cold {:.1?} ms, warm {:.2} ms",
        ours.cold,
        median(&ours.warm)
    );
    Ok(ours)
}

fn ask_peers(bench: &Bench, folder: &Path, window: Window) -> anyhow::Result<BTreeMap<String, Peer>> {
    let folder = folder.display().to_string();
    let (first, last) = (window.first.0.to_string(), window.last.0.to_string());
    let (cold, warm) = (COLD_RUNS.to_string(), WARM_RUNS.to_string());
    let arguments = [
        "--folder",
        &folder,
        "--brand",
        market::BRAND,
        "--first",
        &first,
        "--last",
        &last,
        "--cold-runs",
        &cold,
        "--warm-runs",
        &warm,
    ];
    peers::ask(&bench.python, "metrics.py", &arguments)
}
