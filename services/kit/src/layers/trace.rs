//! A span, a log line and a measurement for every call; never what it says.

use std::time::Instant;

use http::{HeaderMap, Request, Response};
use opentelemetry::{KeyValue, global, metrics::UpDownCounter, propagation::Extractor};
use tonic::{Code, Status, body::Body};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{Layer, Next};
use crate::access::Method;
use crate::headers::RequestId;

/// Upper bounds of the histogram, in seconds.
const BOUNDARIES: [f64; 19] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
    20.0, 30.0, 60.0,
];

/// The layer; measures in seconds, as OpenTelemetry's conventions for RPC ask.
pub(super) fn layer() -> Layer {
    let meter = global::meter("dualwheel");
    let durations = meter
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("Time to a call's answer, or to the begin of its answering stream")
        .with_boundaries(BOUNDARIES.into())
        .build();
    let active = meter
        .i64_up_down_counter("dualwheel.calls.active")
        .with_description("Calls that wait for their answer, or for the begin of their answering stream")
        .build();
    Layer::new("trace", move |request: Request<Body>, next: Next| {
        let durations = durations.clone();
        let (span, method) = (span(&request), method(request.uri().path()));
        let begun = Instant::now();
        let counted = Active::count(&active);
        async move {
            let _counted = counted;
            let response = next.run(request).instrument(span.clone()).await;
            let (code, duration) = (code(&response), begun.elapsed());
            note(&span, code, duration.as_secs_f64() * 1e3);
            let attributes = [
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.response.status_code", i64::from(i32::from(code))),
            ];
            durations.record(duration.as_secs_f64(), &attributes);
            response
        }
    })
}

/// A call in the gauge, until it is dropped.
struct Active(UpDownCounter<i64>);

impl Active {
    fn count(active: &UpDownCounter<i64>) -> Self {
        active.add(1, &[]);
        Self(active.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}

/// The method in measurements: callers make up any path, and each would be a time series of its own.
fn method(path: &str) -> &'static str {
    match Method::of(path) {
        Some(method) => method.path,
        None if path.starts_with("/grpc.health.") => "grpc.health.v1.Health",
        None if path.starts_with("/grpc.reflection.") => "grpc.reflection.v1.ServerReflection",
        None => "other",
    }
}

/// The call's span; a child of the caller's where the caller names one.
fn span(request: &Request<Body>) -> Span {
    let path = request.uri().path().trim_start_matches('/');
    let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
    let id = request
        .extensions()
        .get::<RequestId>()
        .map_or("", |id| id.0.as_str());
    let span = tracing::info_span!(
        "call",
        otel.name = path,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        duration_ms = Empty,
        request_id = id,
    );
    let caller =
        global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // Fails only where no OpenTelemetry layer listens.
    let _ = span.set_parent(caller);
    span
}

fn note(span: &Span, code: Code, duration_ms: f64) {
    span.record("rpc.grpc.status_code", i32::from(code));
    span.record("duration_ms", duration_ms);
    let _entered = span.enter();
    if is_fault(code) {
        span.record("otel.status_code", "ERROR");
        tracing::warn!(?code, "a call failed");
    } else {
        tracing::debug!(?code, "a call was answered");
    }
}

/// Whether a code is the server's fault and not the caller's.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The code of an answer; that of a stream that has only begun is `Ok`.
fn code(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
