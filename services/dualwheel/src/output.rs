//! Printing: the one place that writes to standard output.

use std::io::Write;

use anyhow::Context;
use prost::Message;

/// Prints text as it is; a reader that has gone away is no error.
///
/// # Errors
/// When standard output cannot be written.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

/// Prints a message as JSON with the contract's field names. `name` is its full name.
///
/// # Errors
/// When standard output cannot be written.
pub fn json<M: Message>(name: &str, message: &M) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(&value(name, message)?)?)
}

/// Prints a message as [`json`] does, on one line.
///
/// # Errors
/// When standard output cannot be written.
pub fn line<M: Message>(name: &str, message: &M) -> anyhow::Result<()> {
    text(&value(name, message)?.to_string())
}

fn value<M: Message>(name: &str, message: &M) -> anyhow::Result<serde_json::Value> {
    dualwheel_proto::to_json(name, message).with_context(|| format!("no message is named {name}"))
}
