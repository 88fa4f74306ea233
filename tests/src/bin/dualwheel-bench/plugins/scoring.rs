//! Candidates scored by `koc-affinity`: as a component, in plain Rust, as a guest of Extism; with fuel counted and not.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, bail, ensure};
use dualwheel_plugin_host::{Engine, MOST_ROWS, Plugin, Policy, Question, World};
use dualwheel_plugin_sdk::{Parameters, Values};
use serde::Deserialize;

use super::{
    Components, RUNS, candidates, causes, limits,
    raw::{Raw, told},
    tell_causes,
};
use crate::{
    Bench,
    figures::{Figures, median},
    peers,
};

/// Largest relative difference to plain Rust, whose powers (x^y) are those of the system's library. Guests have the same
/// ones, and answer bit for bit the same.
const TOLERANCE: f64 = 1e-12;

/// Seconds of a peer's runs.
#[derive(Debug, Deserialize)]
struct Peer {
    seconds: Vec<f64>,
}

/// Measures it.
pub(super) fn run(
    bench: &Bench,
    components: &Components,
    engine: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let rows = usize::try_from(bench.rows)?;
    let plugin = engine.load(&components.koc, World::KocModel, Policy::Pure)?;
    let columns = candidates::columns(plugin.describe()?, rows);
    let given = bench.folder.join("candidates.f64");
    candidates::write(&given, &columns)?;
    let question = plugin.question(&candidates::features(rows, &columns)?, &Parameters::new())?;
    drop(columns);
    let (seconds, powers) = ours(&plugin, &question)?;

    let answers = bench.folder.join("native.f64");
    let native = ask_native(components, &given, &answers, rows)?;
    same(
        "plain Rust",
        TOLERANCE,
        &powers,
        &candidates::read(&answers, rows)?,
    )?;
    let answers = bench.folder.join("extism.f64");
    let extism = ask_extism(bench, components, &plugin, &given, &answers)?;
    same("Extism", 0.0, &powers, &candidates::read(&answers, rows)?)?;
    eprintln!("{rows} rows: component {seconds:.4?}, plain Rust {native:.4?}, Extism {extism:.4?} s");
    let ours = median(&seconds);
    let (native, extism) = (median(&native.seconds) / ours, median(&extism.seconds) / ours);
    let ratios = [("ratio_vs_native", native), ("ratio_vs_extism", extism)];
    figures.tell(
        "plugins.koc",
        f64::from(u32::try_from(rows)?) / ours,
        "rows/s",
        &ratios,
    )?;
    let metered = Raw::new(&limits(), &components.koc, true).map_err(told)?;
    let causes = causes(&metered, question.batches(), question.parameters(), 1)?;
    tell_causes("koc", causes, ours, (1e3, "ms"), figures)?;
    fuel(components, &question, &powers, figures)
}

fn ours(plugin: &Plugin, question: &Question) -> anyhow::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let (mut seconds, mut powers) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let started = Instant::now();
        let answer = plugin.ask_all(question)?;
        let took = started.elapsed().as_secs_f64();
        if run > 0 {
            seconds.push(took);
        }
        powers = answer.scores.into_iter().filter_map(numbers).collect();
    }
    Ok((seconds, powers))
}

fn numbers(values: Values) -> Option<Vec<f64>> {
    match values {
        Values::Numbers(numbers) => Some(numbers),
        _ => None,
    }
}

fn ask_native(components: &Components, given: &Path, answers: &Path, rows: usize) -> anyhow::Result<Peer> {
    let numbers = [rows, MOST_ROWS, RUNS].map(|number| number.to_string());
    let mut command = Command::new(components.folder.join("koc-native"));
    peers::answer(command.arg(given).arg(answers).args(numbers))
}

fn ask_extism(
    bench: &Bench,
    components: &Components,
    plugin: &Plugin,
    given: &Path,
    answers: &Path,
) -> anyhow::Result<Peer> {
    let path = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .context("a folder has an odd name")
    };
    let description = plugin.describe()?;
    let parameters: Vec<f64> = description
        .parameters
        .iter()
        .map(|parameter| parameter.default)
        .collect();
    let guest = components.folder.join("koc-extism.wasm");
    let arguments = [
        ("--guest", path(&guest)?),
        ("--file", path(given)?),
        ("--answers", path(answers)?),
        ("--parameters", serde_json::to_string(&parameters)?),
        ("--columns", description.columns.len().to_string()),
        ("--batch", MOST_ROWS.to_string()),
        ("--runs", RUNS.to_string()),
    ];
    let arguments: Vec<&str> = arguments
        .iter()
        .flat_map(|(name, value)| [*name, value.as_str()])
        .collect();
    peers::ask(&bench.python, "plugins.py", &arguments)
}

/// Refuses powers that are not ours.
fn same(whose: &str, tolerance: f64, ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> anyhow::Result<()> {
    let rows = |powers: &[Vec<f64>]| powers.iter().map(Vec::len).collect::<Vec<_>>();
    ensure!(
        rows(ours) == rows(theirs),
        "{whose} answers {:?} numbers, we answer {:?}",
        rows(theirs),
        rows(ours)
    );
    // What is not a number is near to nothing.
    let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= tolerance * ours.abs();
    let mut pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    match pairs.find(|(ours, theirs)| !near(**ours, **theirs)) {
        None => Ok(()),
        Some((ours, theirs)) => bail!("{whose} answers {theirs} where we answer {ours}"),
    }
}

/// What counting fuel costs: the same component on the same rows, turn by turn.
fn fuel(
    components: &Components,
    question: &Question,
    powers: &[Vec<f64>],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let raw = |metered| Raw::new(&limits(), &components.koc, metered).map_err(told);
    let sides = [raw(true)?, raw(false)?];
    let mut seconds = [Vec::new(), Vec::new()];
    for run in 0..=RUNS {
        for (side, seconds) in sides.iter().zip(&mut seconds) {
            let started = Instant::now();
            let answer = side
                .score(question.batches(), question.parameters())
                .map_err(told)?;
            let took = started.elapsed().as_secs_f64();
            same("wasmtime", 0.0, powers, &answer)?;
            if run > 0 {
                seconds.push(took);
            }
        }
    }
    let [metered, unmetered] = seconds;
    eprintln!("fuel: counted {metered:.4?}, not counted {unmetered:.4?} s");
    figures.tell(
        "plugins.fuel",
        median(&metered) / median(&unmetered),
        "times",
        &[],
    )
}
