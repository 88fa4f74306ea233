//! The command line of `dualwheel consumer moves` and `dualwheel consumer sources`.

use clap::Args;
use dualwheel_measure::Window;

use super::{Place, window};

/// `dualwheel consumer moves`.
#[derive(Args, Debug)]
pub struct Moves {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Days of the moves and of the campaigns, both ends included
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub window: Window,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer sources`.
#[derive(Args, Debug)]
pub struct Sources {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Days in which the new buyers came, both ends included
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub window: Window,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}
