//! Every reason for which a call can fail, and the status made of it.
//!
//! A status carries exactly one `google.rpc.ErrorInfo` (domain `dualwheel.dev`, the reason's name, values as
//! metadata) and, for bad input, a `google.rpc.BadRequest` with every wrong field. What went on inside is
//! logged, never returned. What happened and what to do is said in the contract, at each value of [`Reason`].

use std::{collections::HashMap, error::Error, fmt::Write, time::Duration};

use dualwheel_proto::rpc;
use prost_reflect::prost::{DecodeError, Message};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use crate::jitter::random_share;

mod outage;

pub use dualwheel_proto::types::ErrorReason as Reason;

/// Domain of every reason.
pub const DOMAIN: &str = "dualwheel.dev";

/// Metadata that says in how many milliseconds to try again, as gRPC's retry policies have it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Longest message of a status, in bytes. All of a status travels in headers, of which many clients take in 16 KiB.
const MESSAGE_BYTES: usize = 1 << 10;
/// Longest value, field and expectation of a status, in bytes.
const VALUE_BYTES: usize = 256;
/// Most wrong fields of a status.
const VIOLATIONS: usize = 16;

/// A failed call in the making: a reason, a sentence, values and wrong fields.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
    violated: Box<Violated>,
}

/// What a failed call broke. Apart, so that a failure is small enough to be returned.
#[derive(Clone, Debug, Default)]
struct Violated {
    fields: Vec<FieldViolation>,
    quotas: Vec<QuotaViolation>,
}

impl Failure {
    /// A failure with a sentence for the caller; it must not carry internal details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            retry_after: None,
            violated: Box::default(),
        }
    }

    /// `INTERNAL`; `error` and its causes are logged here, once, and never returned.
    #[must_use]
    pub fn internal(error: &dyn Error) -> Self {
        Self::hidden(
            Reason::Internal,
            "something went wrong inside; see the server's log",
            error,
        )
    }

    /// A failure whose cause is logged here, once, and not returned: the caller reads only `message`.
    #[must_use]
    pub fn hidden(reason: Reason, message: impl Into<String>, error: &dyn Error) -> Self {
        tracing::error!(reason = reason.name(), error = %causes(error), "a call failed inside");
        Self::new(reason, message)
    }

    /// Adds a value that programs may read; the contract names the keys of each reason.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Adds a wrong field: its path in the request, and what is expected of it.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = FieldViolation::new(field, description);
        self.violated.fields.push(violation);
        self
    }

    /// Says which quota of the tenant is used up, as a `google.rpc.QuotaFailure`.
    #[must_use]
    pub fn quota(mut self, tenant: &str, description: impl Into<String>) -> Self {
        let violation = QuotaViolation::new(format!("tenants/{tenant}"), description);
        self.violated.quotas.push(violation);
        self
    }

    /// Says when to try again, as a `google.rpc.RetryInfo` and as `grpc-retry-pushback-ms`, which clients with a retry policy
    /// heed by themselves. Up to a half is added at random, so that those who are refused together do not come again together.
    /// Where something is unavailable the client learns it without this, too: the longer that lasts, the later.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status to answer. What a caller has made long is cut.
    #[must_use]
    pub fn status(mut self) -> Status {
        cut(&mut self.message, MESSAGE_BYTES);
        self.metadata
            .values_mut()
            .for_each(|value| cut(value, VALUE_BYTES));
        let Violated { mut fields, quotas } = *self.violated;
        fields.truncate(VIOLATIONS);
        for violation in &mut fields {
            cut(&mut violation.field, VALUE_BYTES);
            cut(&mut violation.description, VALUE_BYTES);
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason.name(), DOMAIN, self.metadata);
        if !fields.is_empty() {
            details.set_bad_request(fields);
        }
        if !quotas.is_empty() {
            details.set_quota_failure(quotas);
        }
        let mut metadata = MetadataMap::new();
        if let Some(wait) = self.retry_after.or_else(|| outage::wait(self.reason)) {
            let wait = wait.mul_f64(1.0 + random_share() / 2.0);
            details.set_retry_info(Some(wait));
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            metadata.insert(PUSHBACK, millis.saturating_add(1).into());
        }
        Status::with_error_details_and_metadata(self.reason.code(), self.message, details, metadata)
    }
}

/// Cuts a text to at most `most` bytes.
fn cut(text: &mut String, most: usize) {
    const MARK: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len()));
        text.push_str(MARK);
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.status()
    }
}

/// Collects every wrong field of a request before it is refused.
#[derive(Clone, Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

impl Violations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a wrong field: its path in the request, and what is expected of it.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// Whether no field is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing when no field is wrong.
    ///
    /// # Errors
    /// One status with `reason` that names every wrong field.
    pub fn finish(self, reason: Reason) -> Result<(), Status> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.refuse(reason))
    }

    /// One status with `reason` that names every wrong field.
    #[must_use]
    pub fn refuse(self, reason: Reason) -> Status {
        let mut message = String::new();
        for FieldViolation {
            field, description, ..
        } in &self.0
        {
            if message.len() > MESSAGE_BYTES {
                break;
            }
            let separator = if message.is_empty() { "" } else { "; " };
            // Writing to a string does not fail.
            let _ = write!(message, "{separator}{field}: {description}");
        }
        let mut failure = Failure::new(reason, message);
        failure.violated.fields = self.0;
        failure.status()
    }
}

/// A status as the bytes of a `google.rpc.Status`, with the details that it carries.
#[must_use]
pub fn to_bytes(status: &Status) -> Vec<u8> {
    let carried = rpc::Status::decode(status.details());
    let carried = carried.ok().filter(|carried| carried.code != 0);
    let error = carried.unwrap_or_else(|| rpc::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    });
    error.encode_to_vec()
}

/// The status that [`to_bytes`] wrote.
///
/// # Errors
/// When the bytes are none.
pub fn of_bytes(bytes: &[u8]) -> Result<Status, DecodeError> {
    let carried = rpc::Status::decode(bytes)?;
    let (code, message) = (Code::from(carried.code), carried.message);
    Ok(Status::with_details(code, message, bytes.to_vec().into()))
}

/// The reason's name in a status of the mesh; `None` where it carries none of this domain.
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN)
        .map(|info| info.reason)
}

/// A value of the status's metadata.
#[must_use]
pub fn value_of(status: &Status, key: &str) -> Option<String> {
    status
        .get_details_error_info()
        .and_then(|mut info| info.metadata.remove(key))
}

/// When a status says to try again.
#[must_use]
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// The wrong fields that a status names: path and what is expected of it.
#[must_use]
pub fn violations_of(status: &Status) -> Vec<(String, String)> {
    let violations = status
        .get_details_bad_request()
        .map_or(Vec::new(), |bad| bad.field_violations);
    violations
        .into_iter()
        .map(|violation| (violation.field, violation.description))
        .collect()
}

/// An error and what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
