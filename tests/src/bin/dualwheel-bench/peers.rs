//! The peers: programs that measure other engines on the files given and answer with one JSON document.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

/// Runs `tests/peers/{script}` with `arguments`; its standard error is ours.
pub(crate) fn ask<T: DeserializeOwned>(python: &Path, script: &str, arguments: &[&str]) -> anyhow::Result<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
    let mut command = Command::new(python);
    answer(
        command
            .arg(path)
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

/// Runs a command that answers with one JSON document; its standard error is ours.
pub(crate) fn answer<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{command:?} cannot be run"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("the answer of {command:?}"))
}
