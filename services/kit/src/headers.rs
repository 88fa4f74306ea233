//! What goes along with a call: its name, and until when it may take.

use tokio::time::Instant;

/// Header that names a call in logs, in both directions.
pub const REQUEST_ID: &str = "x-request-id";

/// Header that carries a call's time to live.
pub const TIMEOUT_HEADER: &str = "grpc-timeout";

/// The name of a call, among the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(
    /// 1 to 64 of `A-Z`, `a-z`, `0-9`, `-` and `_`.
    pub String,
);

/// By when the calls that serve this one must have answered; put among the request's extensions by the
/// server's `deadline` layer, the margin taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(
    /// The instant.
    pub Instant,
);
