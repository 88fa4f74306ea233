//! Instances that are made, called and dropped, a million times: the memory that the process then has more.

use anyhow::{Context, ensure};
use dualwheel_plugin_host::Plugin;
use dualwheel_plugin_sdk::Parameters;

use super::row;
use crate::figures::Figures;

/// Instances.
const CYCLES: u32 = 1_000_000;
/// Instances before the memory is looked at first.
const BEFORE: u32 = 10_000;
/// Kibibytes more that end the benchmark. A kibibyte kept of each instance would be a thousand times a thousand.
const MOST: f64 = 4_096.0;

/// Measures it.
pub(super) fn run(plugin: &Plugin, figures: &mut Figures) -> anyhow::Result<()> {
    let (row, parameters) = (row(), plugin.parameters(&Parameters::new())?);
    let cycle = |times: u32| (0..times).try_for_each(|_| plugin.score(&row, &parameters).map(drop));
    cycle(BEFORE)?;
    let before = resident()?;
    cycle(CYCLES)?;
    let grown = resident()? - before;
    ensure!(
        grown < MOST,
        "{CYCLES} instances left {grown} KiB of memory behind; less than {MOST} are admitted"
    );
    figures.tell("plugins.cycles", grown.max(0.0), "KiB", &[])
}

/// Kibibytes of memory that the process holds.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the system does not tell VmRSS")?.parse()?)
}
