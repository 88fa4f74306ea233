//! `dualwheel koc` and `dualwheel trends`: what models say, a brand's own or the built-in ones.

use clap::{Args, ValueEnum};
use dualwheel_measure::Day;

use super::{Place, day};

/// `dualwheel koc`.
#[derive(Args, Debug)]
pub struct Koc {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Day as of which everything is judged
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Day,
    /// List the best candidates, so many, instead of the board
    #[arg(long, value_name = "COUNT")]
    pub list: Option<u16>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// What a trend is asked of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Attribute {
    /// Style
    #[default]
    Style,
    /// Function
    Function,
    /// Craft
    Craft,
    /// Material
    Material,
    /// Colour
    Colour,
}

/// `dualwheel trends`.
#[derive(Args, Debug)]
pub struct Trends {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// What trends are asked of
    #[arg(long, value_enum, default_value_t)]
    pub attribute: Attribute,
    /// Make each price band a row of its own
    #[arg(long)]
    pub by_price_band: bool,
    /// Category path to restrict to
    #[arg(long, default_value = "", hide_default_value = true)]
    pub category: String,
    /// Last day of the market's periods
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Day,
    /// Most trends
    #[arg(long, default_value_t = 20)]
    pub most: u16,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}
