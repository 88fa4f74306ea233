//! Says to browsers which web pages may call, by gRPC-Web or Connect, and read the answers.
//!
//! A browser asks first, in a call of `OPTIONS` without a token, which is answered before anybody is authenticated.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;

use crate::{
    config::Web,
    connect::{MILLIS_HEADER, VERSION_HEADER},
    headers::{REQUEST_ID, TIMEOUT_HEADER},
};

/// What pages may send beside what every page may: what gRPC-Web and Connect clients do, tokens, and names of calls.
const SENT: [&str; 10] = [
    "authorization",
    "content-type",
    "x-grpc-web",
    "x-user-agent",
    TIMEOUT_HEADER,
    VERSION_HEADER,
    MILLIS_HEADER,
    REQUEST_ID,
    "traceparent",
    "tracestate",
];
/// What pages may read. An answer without messages has its status among the headers.
const READ: [&str; 4] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    REQUEST_ID,
];
/// How long browsers need not ask again.
const ASKED_FOR: Duration = Duration::from_secs(3_600);

/// The layer for pages of the configured origins; `None` where there are none, so that browsers keep all pages away.
pub(crate) fn layer(web: &Web) -> Option<CorsLayer> {
    if web.origins.is_empty() {
        return None;
    }
    let origins = web.origins.iter();
    // What cannot be a header was refused with the configuration.
    let origins = origins.filter_map(|origin| HeaderValue::from_str(origin).ok());
    let layer = CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::POST])
        .allow_headers(SENT.map(HeaderName::from_static))
        .expose_headers(READ.map(HeaderName::from_static))
        .max_age(ASKED_FOR);
    Some(layer)
}

#[cfg(test)]
mod tests;
