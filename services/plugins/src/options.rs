//! How plugins are run.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use dualwheel_kit::{Config, db::Database};
use dualwheel_lake::Lake;
use dualwheel_plugin_host::{Cache, Compiler, Limits, MOST_ROWS, World};

use crate::{Error, LOADING, Plugins, SHADOWS};

/// How plugins are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where components, rows and answers are kept.
    pub lake: Lake,
    /// Database of the registry.
    pub database: Database,
    /// What a call may use, and how many there may be of any kind.
    pub limits: Limits,
    /// Who compiles components.
    pub compiler: Compiler,
    /// Calls that answer questions at once.
    pub runs: u32,
    /// Checks and replays at once.
    pub checks: u32,
    /// Where machine code is kept; in memory only when not set.
    pub cache: Option<Cache>,
    /// Loaded plugins that are kept ready.
    pub loaded: u64,
    /// Worlds of the services of this process.
    pub worlds: BTreeSet<World>,
}

impl Options {
    /// As a configuration has it, with who compiles components.
    #[must_use]
    pub fn of(
        config: &Config,
        lake: Lake,
        database: Database,
        worlds: BTreeSet<World>,
        compiler: Compiler,
    ) -> Self {
        Self {
            lake,
            database,
            limits: limits(config),
            compiler,
            runs: config.plugins.runs,
            checks: config.plugins.checks,
            cache: cache(config),
            loaded: config.plugins.loaded,
            worlds,
        }
    }

    /// Brings the database up to date and starts the engine.
    ///
    /// # Errors
    /// When the database refuses, a limit is out of bounds, or this machine cannot run plugins.
    pub async fn build(self) -> Result<Plugins, Error> {
        Plugins::start(self).await
    }
}

/// What a plugin may use in a service.
fn limits(config: &Config) -> Limits {
    let given = &config.plugins;
    Limits {
        fuel_base: given.fuel_base,
        fuel_per_row: given.fuel_per_row,
        deadline: Duration::from_millis(given.deadline_ms),
        memory_bytes: given.memory_bytes,
        // Each kind of call has places of its own, so that none waits for another one's.
        runs: given.runs + given.checks + SHADOWS + LOADING,
        component_bytes: given.component_bytes,
        table_elements: 100_000,
        instances: 64,
        stack_bytes: 512 << 10,
        output_bytes: 64 << 20,
        rows: MOST_ROWS,
        log_lines: 1_000,
        log_bytes: 1 << 20,
        compiled_bytes: 512 << 20,
    }
}

/// Where machine code is kept: the folder that the configuration names, or one in the data folder. Its key is made at
/// the first start, for the process's user alone. Without it, as where the disk is full, plugins are compiled at every start.
fn cache(config: &Config) -> Option<Cache> {
    let configured = config.plugins.cache.as_ref().map(PathBuf::from);
    let folder = configured.or_else(|| Some(config.data_folder()?.join("compiled-plugins")))?;
    match Cache::in_folder(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "Compiled plugins cannot be kept; they are compiled at every start");
            None
        }
    }
}
