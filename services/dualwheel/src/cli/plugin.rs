//! `dualwheel plugin …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::registry::Registry;

/// `dualwheel plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Make a component of what cargo compiled for wasm32-unknown-unknown
    Pack(Pack),
    /// Tell what a component is and needs, and whether it behaves as the contract asks
    Check(Check),
    /// Run a component on rows of a file
    Run(Run),
    /// The registry of a mesh
    #[command(flatten)]
    Registry(Registry),
}

/// `dualwheel plugin pack`.
#[derive(Args, Debug)]
pub struct Pack {
    /// Core module, as `target/wasm32-unknown-unknown/release/NAME.wasm`
    pub module: PathBuf,
    /// Where the component goes
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `dualwheel plugin check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Component
    pub component: PathBuf,
    /// Rows of the larger questions
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub rows: u32,
    /// Admit a sealed WASI, for runtimes that cannot live without one
    #[arg(long)]
    pub sealed_wasi: bool,
}

/// `dualwheel plugin run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Component
    pub component: PathBuf,
    /// File with columns as JSON: `{"followers": [120, null], "style": ["plain", "bold"]}`; null is not known
    #[arg(long, value_name = "FILE")]
    pub rows: PathBuf,
    /// A parameter, as `half_life=6`; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, f64)>,
    /// Admit a sealed WASI, for runtimes that cannot live without one
    #[arg(long)]
    pub sealed_wasi: bool,
}

pub(super) fn parameter(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("`{value}` is no number"))?;
    Ok((name.to_owned(), value))
}
