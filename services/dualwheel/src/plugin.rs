//! `dualwheel plugin`: what a partner does with a model before a brand sees it.

mod build;
mod check;
mod keys;
mod layout;
mod new;
mod oci;
mod project;
mod run;
mod templates;
mod vendor;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use dualwheel_kit::Config;
use dualwheel_plugin_host::{Cache, Engine, Limits, Plugin, Policy};
use serde_json::Value;

use crate::{
    cli::{Common, plugin::Plugin as Command},
    mesh, output, registry,
};

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, the component fails, or the mesh refuses.
pub async fn run(config: &Config, common: &Common, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Pack(args) => build::pack(args),
        Command::Check(args) => check::check(common, args),
        Command::Run(args) => run::run(common, args),
        Command::New(args) => new::new(args),
        Command::Test(args) => build::test(args),
        Command::Build(args) => build::build(common, args),
        Command::Keygen(args) => keys::keygen(args),
        Command::Sign(args) => keys::sign(common, args),
        Command::Verify(args) => keys::verify(common, args),
        Command::Oci(args) => oci::write(common, args),
        Command::Unpack(args) => oci::unpack(common, args),
        Command::Registry(command) => registry::run(config, common, command).await,
    }
}

/// Most bytes of a component on a partner's machine.
const COMPONENT_BYTES: u64 = 64 << 20;

/// What a plugin may use on a partner's machine: enough for the interpreter of a language.
fn limits() -> Limits {
    Limits {
        fuel_base: 200_000_000,
        fuel_per_row: 500_000,
        deadline: Duration::from_secs(30),
        memory_bytes: 256 << 20,
        table_elements: 100_000,
        instances: 64,
        runs: 1,
        stack_bytes: 512 << 10,
        output_bytes: 64 << 20,
        rows: dualwheel_plugin_host::MOST_ROWS,
        log_lines: 1_000,
        log_bytes: 1 << 20,
        component_bytes: COMPONENT_BYTES,
        compiled_bytes: 512 << 20,
    }
}

/// Components whose machine code is kept on a partner's machine.
const KEPT: usize = 16;

/// Where machine code is kept, so that a component is compiled once: in the user's folder for such files. Without one, or
/// where it cannot be written to, each command compiles.
fn cache() -> Option<Cache> {
    let folder = |variable: &str| {
        let folder = PathBuf::from(std::env::var_os(variable)?);
        folder.is_absolute().then_some(folder)
    };
    let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    let cache = Cache::in_folder(caches.join("dualwheel/compiled-plugins"));
    let kept = cache.and_then(|cache| cache.keep_newest(KEPT).map(|()| cache));
    kept.inspect_err(
        |error| tracing::warn!(%error, "Compiled plugins cannot be kept; they are compiled each time"),
    )
    .ok()
}

/// Loads a component, of whichever world it is.
fn load(path: &Path, sealed_wasi: bool) -> anyhow::Result<Plugin> {
    let policy = if sealed_wasi {
        Policy::SealedWasi
    } else {
        Policy::Pure
    };
    let engine = Engine::new(limits(), mesh::compiler(&Config::default().plugins)?, cache())?;
    engine
        .load_any(&read(path)?, policy)
        .map_err(|error| told(&error))
        .with_context(|| path.display().to_string())
}

/// A failure with its code.
fn told(error: &dualwheel_plugin_host::Error) -> anyhow::Error {
    anyhow::anyhow!("{error} ({})", error.reason())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A file of text, as keys and signatures are.
fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The bytes of a component; a core module or any other file is refused.
fn read_component(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read(path)?;
    dualwheel_plugin_pack::imports(&bytes).with_context(|| path.display().to_string())?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// A file's name with more at its end.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Whether a folder is not there, or has nothing in it.
fn is_free(folder: &Path) -> anyhow::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("{} is no folder to write to", folder.display())),
    }
}

/// Prints as JSON or as text, whichever is asked for.
fn say(common: &Common, json: &Value, text: &str) -> anyhow::Result<()> {
    if common.json {
        return output::text(&serde_json::to_string_pretty(json)?);
    }
    output::text(text)
}

/// A number of bytes, for people.
fn bytes(count: usize) -> String {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    format!("{} bytes", crate::format::whole(count))
}
