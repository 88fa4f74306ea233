//! `plugins`: what it costs to run a model as a component, beside the same model in plain Rust and as a guest of Extism.

mod candidates;
mod cycles;
mod neighbours;
mod raw;
mod scoring;

use std::{
    fs,
    path::{Path, PathBuf},
    slice,
    time::{Duration, Instant},
};

use anyhow::Context;
use dualwheel_plugin_host::{Cache, Compiler, Engine, Limits, MOST_ROWS, Plugin, Policy, World};
use dualwheel_plugin_sdk::{Batch, Parameters};

use crate::{
    Bench,
    figures::{Figures, median},
};
use raw::{CAUSES, Raw, told};

/// Runs of which a median is told.
const RUNS: usize = 7;
/// Calls of which a run has the mean, where one takes microseconds.
const CALLS: u32 = 5_000;
/// The smallest component that there is: written by hand, it weighs two ranks.
const TINY: &str = "../plugins/host/tests/generations/1.0.0/koc-model.wasm";

/// Measures the group.
pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let components = Components::read(bench)?;
    let engine = Engine::new(limits(), Compiler::Here, None)?;
    let tiny = engine.load(&components.tiny, World::KocModel, Policy::Pure)?;
    calls(&components, &tiny, figures)?;
    loads(bench, &components, &engine, figures)?;
    neighbours::run(bench, &components, figures)?;
    scoring::run(bench, &components, &engine, figures)?;
    cycles::run(&tiny, figures)
}

/// What is measured.
struct Components {
    /// Where `tests/bench` built them, and the peers.
    folder: PathBuf,
    tiny: Vec<u8>,
    koc: Vec<u8>,
}

impl Components {
    fn read(bench: &Bench) -> anyhow::Result<Self> {
        let folder = bench.plugins.clone();
        let folder = folder.context("where are the plugins? tests/bench builds them and tells --plugins")?;
        let read = |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join(TINY);
        Ok(Self {
            tiny: read(&tiny)?,
            koc: read(&folder.join("koc-affinity.component.wasm"))?,
            folder,
        })
    }
}

/// Those of `dualwheel plugin`, for a model in Rust.
fn limits() -> Limits {
    Limits {
        fuel_base: 200_000_000,
        fuel_per_row: 500_000,
        deadline: Duration::from_secs(30),
        memory_bytes: 256 << 20,
        table_elements: 100_000,
        instances: 64,
        runs: 1,
        stack_bytes: 512 << 10,
        output_bytes: 64 << 20,
        rows: MOST_ROWS,
        log_lines: 1_000,
        log_bytes: 1 << 20,
        component_bytes: 64 << 20,
        compiled_bytes: 512 << 20,
    }
}

/// A row for the tiny model.
fn row() -> Batch {
    Batch::new(1)
        .with_numbers("followers_rank", vec![60.0])
        .with_numbers("interactions_30d_rank", vec![80.0])
}

/// The median of some runs' seconds a call.
fn seconds_a_call(calls: u32, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut seconds = Vec::with_capacity(RUNS);
    // The first is to warm up.
    for run in 0..=RUNS {
        let started = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        if run > 0 {
            seconds.push(started.elapsed().as_secs_f64() / f64::from(calls));
        }
    }
    Ok(median(&seconds))
}

/// A call that does hardly anything: the whole, a fresh instance alone, and a call of an instance that is there.
fn calls(components: &Components, tiny: &Plugin, figures: &mut Figures) -> anyhow::Result<()> {
    let (row, parameters) = (row(), tiny.parameters(&Parameters::new())?);
    let whole = seconds_a_call(CALLS, || {
        tiny.score(&row, &parameters)?;
        Ok(())
    })?;
    let raw = Raw::new(&limits(), &components.tiny, true).map_err(told)?;
    let instance = seconds_a_call(CALLS, || raw.instance().map_err(told))?;
    let bare = seconds_a_call(1, || raw.calls(&row, &parameters, CALLS).map_err(told))? / f64::from(CALLS);
    for (name, seconds) in [("call_warm", whole), ("instance", instance), ("call_bare", bare)] {
        figures.tell(&format!("plugins.{name}"), seconds * 1e6, "µs", &[])?;
    }
    let calls = f64::from(CALLS);
    let causes = causes(&raw, slice::from_ref(&row), &parameters, CALLS)?;
    tell_causes(
        "call",
        causes.map(|seconds| seconds / calls),
        whole,
        (1e6, "µs"),
        figures,
    )
}

/// The medians of some runs' seconds of each cause.
fn causes(
    raw: &Raw,
    batches: &[Batch],
    parameters: &Parameters,
    times: u32,
) -> anyhow::Result<[f64; CAUSES.len()]> {
    let mut runs = CAUSES.map(|_| Vec::with_capacity(RUNS));
    for run in 0..=RUNS {
        let causes = raw.causes(batches, parameters, times).map_err(told)?;
        if run > 0 {
            for (cause, seconds) in runs.iter_mut().zip(causes) {
                cause.push(seconds);
            }
        }
    }
    Ok(runs.map(|seconds| median(&seconds)))
}

/// A whole by its causes; what wasmtime does not take of it is the host's.
fn tell_causes(
    of: &str,
    causes: [f64; CAUSES.len()],
    whole: f64,
    (scale, unit): (f64, &str),
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let host = (whole - causes.iter().sum::<f64>()).max(0.0);
    for (name, seconds) in CAUSES.into_iter().zip(causes).chain([("host", host)]) {
        figures.tell(&format!("plugins.{of}_{name}"), seconds * scale, unit, &[])?;
    }
    Ok(())
}

/// From a file's bytes to a plugin that can be asked: with machine code on disk, and by compiling.
fn loads(
    bench: &Bench,
    components: &Components,
    compiling: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let cache = Cache::new(bench.folder.join("compiled"), [7; 32]);
    let caching = Engine::new(limits(), Compiler::Here, Some(cache))?;
    for (name, engine, calls) in [("load_cached", &caching, 20), ("compile_cold", compiling, 1)] {
        let seconds = seconds_a_call(calls, || {
            engine.load(&components.koc, World::KocModel, Policy::Pure)?;
            Ok(())
        })?;
        figures.tell(&format!("plugins.{name}"), seconds * 1e3, "ms", &[])?;
    }
    Ok(())
}
