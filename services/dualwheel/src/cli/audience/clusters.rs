//! The command line of `dualwheel audience clusters`.

use clap::Args;

use super::Basis;

/// `dualwheel audience clusters`.
#[derive(Args, Debug)]
pub struct Clusters {
    /// Only these people, as an audience expression [default: everyone with a behaviour or purchase in the last 365 days]
    #[arg(long)]
    pub expression: Option<String>,
    /// Number of groups, 4 to 12 [default: the one with the best silhouette]
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    pub clusters: i32,
    /// Save each group as an audience whose id begins so
    #[arg(long, value_name = "PREFIX")]
    pub save: Option<String>,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}
