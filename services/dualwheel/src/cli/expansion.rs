//! The command line of `dualwheel audience expand`.

use clap::Args;

use super::audience::Basis;

/// `dualwheel audience expand`.
#[derive(Args, Debug)]
pub struct Expand {
    /// Whose like to find: `purchase(net_gmv, last 365 days) >= 1000`
    pub expression: String,
    /// How many people to add
    #[arg(long, value_name = "PEOPLE")]
    pub size: i64,
    /// Whom to choose from, as an expression [default: everyone known to the brand]
    #[arg(long, value_name = "EXPRESSION")]
    pub candidates: Option<String>,
    /// Save the added people as an audience with this id
    #[arg(long, value_name = "ID")]
    pub save: Option<String>,
    /// Name of that audience for people
    #[arg(long, default_value = "", hide_default_value = true, requires = "save")]
    pub name: String,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}
