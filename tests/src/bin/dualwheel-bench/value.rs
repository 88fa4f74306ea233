//! `value`: seconds to fit BG/NBD and Gamma-Gamma, beside SciPy on the same customers.

use std::{io::Write, time::Instant};

use anyhow::{Context, ensure};
use dualwheel_consumer::value::{
    bgnbd::{self, Timing},
    gamma_gamma::{self, Limits, Spending},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma};
use serde::Deserialize;

use crate::{
    Bench,
    figures::{Figures, median},
    peers,
};

/// Fits of each model.
const RUNS: usize = 3;
/// Largest relative difference of the maximum log-likelihoods.
const TOLERANCE: f64 = 1e-7;

/// What the peer found.
#[derive(Debug, Deserialize)]
struct Peer {
    seconds: Vec<f64>,
    log_likelihood: f64,
}

/// Measures the group.
pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let (timings, spendings) = customers(bench.rows)?;
    let mut seconds = Vec::new();
    let mut log_likelihood = f64::NAN;
    for _ in 0..RUNS {
        let started = Instant::now();
        let model = bgnbd::Model::fit(&timings, 50)?;
        seconds.push(started.elapsed().as_secs_f64());
        log_likelihood = model.log_likelihood;
    }
    let theirs = ask_peer(bench, &timings)?;
    let difference = (log_likelihood - theirs.log_likelihood) / theirs.log_likelihood.abs();
    ensure!(
        difference.abs() < TOLERANCE,
        "our log-likelihood is {log_likelihood}, SciPy's {}",
        theirs.log_likelihood
    );
    let ours = median(&seconds);
    let ratio = median(&theirs.seconds) / ours;
    figures.tell("value.bgnbd", ours, "s", &[("ratio_vs_scipy", ratio)])?;
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let limits = Limits {
            repeaters: 50,
            correlation: 0.3,
        };
        gamma_gamma::Model::fit(&spendings, limits)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    figures.tell("value.gamma_gamma", median(&seconds), "s", &[])
}

/// Customers whose purchases and spending follow the models, with the parameters of CDNOW.
fn customers(number: u64) -> anyhow::Result<(Vec<Timing>, Vec<Spending>)> {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let rates = Gamma::new(0.2426, 1.0 / 4.4135)?;
    let leaving = Beta::new(0.7929, 2.4258)?;
    let scales = Gamma::new(3.744, 1.0 / 15.444)?;
    let (mut timings, mut spendings) = (Vec::new(), Vec::new());
    for _ in 0..number {
        let age = f64::from(dice.random_range(91..366)) / 7.0;
        let (rate, leaves): (f64, f64) = (rates.sample(&mut dice), leaving.sample(&mut dice));
        let pauses = Exp::new(rate.max(1e-12))?;
        let (mut repeats, mut recency) = (0u32, 0.0f64);
        while !(repeats > 0 && dice.random_bool(leaves)) {
            let next = recency + pauses.sample(&mut dice);
            // Whole days, as facts have them; a second purchase of one day is none.
            let day = (next * 7.0).ceil() / 7.0;
            if day > age || day <= recency {
                break;
            }
            (repeats, recency) = (repeats + 1, day);
        }
        timings.push(Timing {
            repeats,
            recency,
            age,
        });
        if repeats > 0 {
            let spend = Gamma::new(
                6.25 * f64::from(repeats),
                1.0 / (scales.sample(&mut dice) * f64::from(repeats)),
            )?;
            spendings.push(Spending {
                repeats,
                mean: spend.sample(&mut dice),
            });
        }
    }
    eprintln!(
        "{} customers, {} of them bought again",
        timings.len(),
        spendings.len()
    );
    Ok((timings, spendings))
}

fn ask_peer(bench: &Bench, timings: &[Timing]) -> anyhow::Result<Peer> {
    let path = bench.folder.join("customers.f64");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    for timing in timings {
        for value in [f64::from(timing.repeats), timing.recency, timing.age] {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    file.flush()?;
    let path = path.to_str().context("the temporary folder has an odd name")?;
    peers::ask(
        &bench.python,
        "value.py",
        &["--file", path, "--runs", &RUNS.to_string()],
    )
}
