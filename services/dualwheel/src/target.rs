//! Where a command asks: a running mesh, or the data folder opened in this process.

use dualwheel_kit::{client, config::Config, failure};
use tonic::{Response, Status, transport::Channel};

use crate::mesh::{self, Role};

/// A channel to the running mesh at `endpoint`, or to `role` in this process over the configured data.
///
/// # Errors
/// When the endpoint is no URL, or the mesh cannot be built.
pub async fn reach(endpoint: Option<&str>, role: Role, config: &Config) -> anyhow::Result<Channel> {
    match endpoint {
        Some(endpoint) => Ok(client::connect(endpoint, config)?),
        // Diagnosis asks the other four.
        None if role == Role::Diagnosis => mesh::in_process(config, &[Role::All]).await,
        None => mesh::in_process(config, &[role]).await,
    }
}

/// The answer of a call, or its failure in words.
pub(crate) fn taken<T>(answer: Result<Response<T>, Status>) -> anyhow::Result<T> {
    answer
        .map(Response::into_inner)
        .map_err(|status| explain(&status))
}

/// A failed call in words: the message, then every wrong field.
#[must_use]
pub fn explain(status: &Status) -> anyhow::Error {
    let mut text = match failure::reason_of(status) {
        Some(reason) => format!("{} ({reason})", status.message()),
        None => format!("{} ({:?})", status.message(), status.code()),
    };
    for (field, reason) in failure::violations_of(status) {
        text.push_str(&format!("\n  {field}: {reason}"));
    }
    anyhow::anyhow!(text)
}
