//! A span, a log line and a measurement for every call; never what it says.

use std::time::Instant;

use http::{HeaderMap, Request, Response};
use opentelemetry::{KeyValue, global, propagation::Extractor};
use tonic::{Code, Status, body::Body};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{Layer, Next, RequestId};

/// The layer; measures in seconds, as OpenTelemetry's conventions for RPC ask.
pub(super) fn layer() -> Layer {
    let durations = global::meter("dualwheel")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("Time to a call's answer, or to the begin of its answering stream")
        .build();
    Layer::new("trace", move |request: Request<Body>, next: Next| {
        let durations = durations.clone();
        let (span, method) = (
            span(&request),
            request.uri().path().trim_start_matches('/').to_owned(),
        );
        let begun = Instant::now();
        async move {
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
