//! What every call passes on its way in, as one ordered list of named layers.
//!
//! A layer is a function of a call and of what comes [`Next`]. gRPC-Web and Connect lie outside of them all,
//! so that each speaks plain gRPC.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry::{KeyValue, global, metrics::Counter};
use tokio::time::{Instant, timeout_at};
use tonic::{body::Body, service::Routes};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    Call, Config, Failure, Reason,
    access::named,
    headers::{Deadline, REQUEST_ID, RequestId, TIMEOUT_HEADER},
    identity::Verifier,
    shared::Shared,
    survive::survived,
};

mod access;
mod answers;
mod audit;
mod body;
mod limits;
mod places;
mod reasons;
mod replay;
mod streams;
mod trace;

pub(crate) use access::{OnBehalf, permits};
pub(crate) use answers::Answer;
pub use answers::Versions;
pub(crate) use body::{framed, largest, message as unframed};

/// How often refusals with a reason are logged.
const TOLD_EVERY: Duration = Duration::from_secs(1);

type Answering = BoxFuture<'static, Response<Body>>;

/// What comes after a layer: the layers further in, and at last the services.
#[derive(Clone)]
pub struct Next(Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>);

impl Next {
    /// The services, without any layer.
    #[must_use]
    pub fn services(routes: Routes) -> Self {
        let routes = routes.prepare();
        Self(Arc::new(move |request| {
            let answer = routes.clone().oneshot(request);
            async move { answer.await.unwrap_or_else(|never| match never {}) }.boxed()
        }))
    }

    /// Passes the call on.
    pub fn run(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        (self.0)(request)
    }
}

/// A layer and its name.
#[derive(Clone)]
pub struct Layer {
    /// Name in messages and tests.
    pub name: &'static str,
    step: Arc<dyn Fn(Request<Body>, Next) -> Answering + Send + Sync>,
}

impl Layer {
    /// A layer that does `step` around what comes next.
    pub fn new<F, A>(name: &'static str, step: F) -> Self
    where
        F: Fn(Request<Body>, Next) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::beside(name, move |request, next| step(request, next).boxed())
    }

    /// A layer that has nothing to do with most calls: these it passes on as they are, at no cost.
    fn beside<F>(name: &'static str, step: F) -> Self
    where
        F: Fn(Request<Body>, Next) -> Answering + Send + Sync + 'static,
    {
        Self {
            name,
            step: Arc::new(step),
        }
    }
}

/// What the layers of a process work with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// Who callers are; `None` where nobody is asked.
    pub verifier: Option<Arc<Verifier>>,
    /// What replicas share.
    pub shared: Shared,
    /// Whether it is reached by the mesh itself alone: calls that serve a counted call are not counted again.
    pub inner: bool,
    /// What says whether a kept answer is still the answer; `None` where none is kept.
    pub versions: Option<Arc<dyn Versions>>,
}

/// The layers of every server, the outermost first.
#[must_use]
pub fn list(config: &Config, parts: &Parts) -> Vec<Layer> {
    let Parts {
        verifier,
        shared,
        inner,
        versions,
    } = parts;
    let mut layers = vec![
        Layer::new("request-id", request_id),
        trace::layer(),
        Layer::new("panic", panic),
        places::load_shed(config.limits.concurrency),
        deadline(
            Duration::from_millis(config.deadlines.default_ms),
            Duration::from_millis(config.deadlines.margin_ms),
        ),
        match verifier {
            Some(verifier) => access::authentication(verifier.clone()),
            None => access::anonymous(&config.tenant),
        },
        audit::layer(),
    ];
    // Without identities, everything is the one tenant's own.
    if verifier.is_some() {
        layers.push(access::authorization());
    }
    layers.extend([
        audit::subject(config),
        places::stream_share(config.limits.concurrency),
    ]);
    if config.limits.tenant_calls_per_second > 0 && !inner {
        layers.push(rate_limit(config.limits.tenant_calls_per_second, shared.clone()));
    }
    layers.extend([limits::layer(config), replay::layer(config, shared.clone())]);
    if let Some(versions) = versions {
        layers.push(answers::layer(config, shared.clone(), versions.clone()));
    }
    layers.push(reasons::layer());
    layers
}

/// Those of the layers that a job's call passes: all but what bounds the time and place of calls. Who calls is known of a job.
pub(crate) fn of_jobs(layers: &[Layer]) -> Vec<Layer> {
    const PASSED: [&str; 10] = [
        "request-id",
        "trace",
        "panic",
        "audit",
        "authorization",
        "audit-subject",
        "limits",
        "idempotency",
        "answers",
        "reasons",
    ];
    let passed = layers.iter().filter_map(|layer| match layer.name {
        "authentication" => Some(access::on_behalf()),
        name => PASSED.contains(&name).then(|| layer.clone()),
    });
    passed.collect()
}

/// `next` within `layers`, of which the first is the outermost.
#[must_use]
pub fn wrap(layers: Vec<Layer>, next: Next) -> Next {
    layers.into_iter().rev().fold(next, |next, layer| {
        Next(Arc::new(move |request| (layer.step)(request, next.clone())))
    })
}

/// Names the call: takes the caller's name where it is valid, and puts it into the answer.
async fn request_id(mut request: Request<Body>, next: Next) -> Response<Body> {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| is_decent(id));
    let id = given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).await;
    if let Ok(mut header) = header {
        // It never comes again: HTTP/2 is to keep no place for it in its table of headers.
        header.set_sensitive(true);
        response.headers_mut().insert(REQUEST_ID, header);
    }
    response
}

fn is_decent(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

/// Answers `INTERNAL` where a handler panics; other calls go on.
async fn panic(request: Request<Body>, next: Next) -> Response<Body> {
    survived(next.run(request)).await.unwrap_or_else(|panicked| {
        tracing::error!(error = %panicked, "a handler panicked");
        let text = "something went wrong inside; see the server's log";
        Failure::new(Reason::Internal, text).status().into_http()
    })
}

/// Whether a call has one request and one answer.
fn is_single(request: &Request<Body>) -> bool {
    named::is_unary(request.uri().path().trim_start_matches('/'))
}

/// Whether a call is of the health service.
fn is_health(request: &Request<Body>) -> bool {
    request.uri().path().starts_with("/grpc.health.")
}

/// Answers `DEADLINE_EXCEEDED` when the answer, or the begin of an answering stream, is not there in time:
/// the caller's `grpc-timeout`, at most `longest`. `margin` is taken off, so that the answer is back before
/// the caller gives up, and off again for the calls that this one makes. (tonic's own timeout would answer
/// `CANCELLED`.)
fn deadline(longest: Duration, margin: Duration) -> Layer {
    Layer::new("deadline", move |mut request: Request<Body>, next: Next| {
        let allowed = timeout(request.headers()).map_or(longest, |asked| asked.min(longest));
        // Short deadlines are not eaten up by the margin.
        let margin = margin.min(allowed / 10);
        let answer_by = Instant::now() + (allowed - margin);
        request.extensions_mut().insert(Deadline(answer_by - margin));
        async move {
            timeout_at(answer_by, next.run(request))
                .await
                .unwrap_or_else(|_| {
                    let failure = Failure::new(Reason::Deadline, "the answer was not ready in time");
                    failure
                        .with("allowed_ms", allowed.as_millis())
                        .status()
                        .into_http()
                })
        }
    })
}

/// The caller's `grpc-timeout`: up to eight digits and a unit. One that cannot be read counts as none.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT_HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Refuses calls of a tenant beyond its limit, and says when to come again.
fn rate_limit(per_second: u32, shared: Shared) -> Layer {
    Layer::new("rate-limit", move |request: Request<Body>, next: Next| {
        let shared = shared.clone();
        async move {
            // Health, which nobody is known to ask.
            let Some(call) = request.extensions().get::<Call>() else {
                return next.run(request).await;
            };
            match shared.admit(call.tenant()).await {
                Ok(()) => next.run(request).await,
                Err(wait) => {
                    let failure = Failure::new(Reason::RateLimited, "the tenant's limit of calls is reached");
                    let quota = format!("{per_second} calls a second");
                    let failure = failure.retry_after(wait).quota(call.tenant(), quota);
                    refused(&request, failure)
                }
            }
        }
    })
}

/// The answer of a layer that does not let a request through; counted by reason, and logged now and then.
fn refused(request: &Request<Body>, failure: Failure) -> Response<Body> {
    static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
        global::meter("dualwheel")
            .u64_counter("dualwheel.calls.refused")
            .with_description("Calls that were not let through to a service")
            .build()
    });
    let reason = failure.reason().name();
    REFUSED.add(1, &[KeyValue::new("reason", reason)]);
    if let Some(count) = to_tell(reason) {
        let call = request.extensions().get::<Call>();
        let tenant = call.map_or("", Call::tenant);
        tracing::warn!(
            reason,
            message = failure.message(),
            tenant,
            count,
            "calls were refused"
        );
    }
    failure.status().into_http()
}

/// When refusals with a reason were last logged, and how many there were since.
type Told = (Option<Instant>, u64);

/// Counts a refusal; answers how many there were since some were logged, unless that was within the last second.
fn to_tell(reason: &'static str) -> Option<u64> {
    static COUNTED: LazyLock<Mutex<HashMap<&str, Told>>> = LazyLock::new(Mutex::default);
    let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let (told, count) = counted.entry(reason).or_default();
    *count += 1;
    if told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
        return None;
    }
    *told = Some(Instant::now());
    Some(std::mem::take(count))
}

#[cfg(test)]
pub(crate) mod tests;
