//! The peers: Python scripts that measure other engines on the files given and answer with one JSON document.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

/// Runs `tests/peers/{script}` with `arguments`; its standard error is ours.
pub(crate) fn ask<T: DeserializeOwned>(python: &Path, script: &str, arguments: &[&str]) -> anyhow::Result<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
    let output = Command::new(python)
        .arg(&path)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} cannot be run with {}", path.display(), python.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", path.display(), output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("the answer of {}", path.display()))
}
