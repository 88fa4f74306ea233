//! The benchmarks: our figures beside those of other engines, on the same files in the same call.
//!
//! `tests/bench` builds and calls this. Standard output has one line a figure, `group.name value unit key=ratio …`;
//! a ratio above 1 says that we are better. Everything else goes to standard error.

mod append;
mod encoded;
mod figures;
mod load;
mod market;
mod mesh;
mod metrics;
mod peers;
mod people;
mod plugins;
mod value;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use figures::Figures;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Rows a second through gRPC until they are durable.
    Append,
    /// Calls a second and their times under 64 connections, beside a bare tonic server.
    Load,
    /// Milliseconds to the answer of each metric group.
    Metrics,
    /// The people index: building, asking, following.
    People,
    /// Models as components: calling, loading, scoring.
    Plugins,
    /// Fitting the models of customer value.
    Value,
}

/// How much data to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scale {
    /// 1 million rows; of `people` 10 million behaviours of 1 million consumers.
    Small,
    /// Ten times as much.
    Full,
}

impl Scale {
    /// Rows of a group at the scale.
    fn rows(self, group: Group) -> u64 {
        let small = if group == Group::People {
            10_000_000
        } else {
            1_000_000
        };
        match self {
            Self::Small => small,
            Self::Full => small * 10,
        }
    }
}

/// Measures one group of figures.
#[derive(Debug, Parser)]
#[command(name = "dualwheel-bench")]
struct Args {
    /// What to measure.
    group: Group,
    /// How much data to measure on.
    #[arg(long, default_value = "small")]
    scale: Scale,
    /// Python with the packages of the peers.
    #[arg(long)]
    peers_python: PathBuf,
    /// Folder of the components and programs that the group `plugins` measures.
    #[arg(long)]
    plugins: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().context("the client's runtime cannot be started")?;
    let scratch = tempfile::tempdir().context("no temporary folder can be made")?;
    let bench = Bench {
        rows: args.scale.rows(args.group),
        python: args.peers_python,
        plugins: args.plugins,
        folder: scratch.path().to_owned(),
        client: runtime,
    };
    let mut figures = Figures::default();
    match args.group {
        Group::Append => append::run(&bench, &mut figures),
        Group::Load => load::run(&bench, &mut figures),
        Group::Metrics => metrics::run(&bench, &mut figures),
        Group::People => people::run(&bench, &mut figures),
        Group::Plugins => plugins::run(&bench, &mut figures),
        Group::Value => value::run(&bench, &mut figures),
    }
}

/// What every group needs.
struct Bench {
    /// Rows to measure on.
    rows: u64,
    /// Python of the peers.
    python: PathBuf,
    /// Components and programs of the group `plugins`.
    plugins: Option<PathBuf>,
    /// Folder that is removed at the end.
    folder: PathBuf,
    /// Runtime of the client; each server has its own.
    client: tokio::runtime::Runtime,
}
