//! Calls to other services: lazy channels, deadlines passed on, retries where they are safe.

use std::{
    error::Error as StdError,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use http::HeaderValue;
use opentelemetry::{global, propagation::Injector};
use tokio::time::{Instant, sleep_until};
use tonic::{
    Code, IntoRequest, Request, Status, TimeoutExpired,
    metadata::{AsciiMetadataValue, MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, Endpoint},
};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    Call, Config, Failure, Reason, config, failure, headers::REQUEST_ID, jitter::random_share, reload, tls,
};

/// How often a call is tried in all.
const TRIES: u32 = 3;
/// Upper bound of the wait before the second try; it doubles with every further one.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest upper bound of a wait for a service that is overloaded.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Flow-control window of one stream, sized for batches of facts; shared with the server.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
/// Flow-control window of a connection.
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;

/// An endpoint that cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no URL of a host.
    #[error("{endpoint}: expected a URL such as http://127.0.0.1:7650 ({source})")]
    Url {
        /// What was given, a password hidden.
        endpoint: String,
        /// Cause.
        source: tonic::transport::Error,
    },
    /// A certificate or key cannot be used.
    #[error(transparent)]
    File(#[from] reload::Error),
}

/// A channel to `endpoint` (`http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`, which is the first). It connects with
/// the first call, and again after every break, each time to the addresses that the host then has; a call to nobody fails as
/// `UNAVAILABLE`.
///
/// # Errors
/// When `endpoint` is no URL, or a certificate or key of the configuration cannot be used.
pub fn connect(endpoint: &str, config: &Config) -> Result<Channel, Error> {
    let url = if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("http://{endpoint}")
    };
    let longest = Duration::from_millis(config.deadlines.default_ms);
    let secure = url.starts_with("https://");
    let built = Endpoint::from_shared(url).map_err(|source| Error::Url {
        endpoint: config::shown(endpoint),
        source,
    })?;
    let built = tuned(built).connect_timeout(CONNECT.min(longest));
    if secure {
        let connector = tls::Connector::open(&config.client)?.connector();
        return Ok(built.connect_with_connector_lazy(connector));
    }
    Ok(built.connect_lazy())
}

/// An endpoint with the mesh's windows, which notices a dead peer.
pub(crate) fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .tcp_nodelay(true)
}

/// The header of the token in the configured file, for calls of the command line.
///
/// # Errors
/// When the file cannot be read, or holds no token.
pub fn token(config: &Config) -> Result<Option<HeaderValue>, reload::Error> {
    let Some(file) = &config.client.token_file else {
        return Ok(None);
    };
    let setting = ("client.token_file", file.as_str());
    let token = std::fs::read_to_string(file).map_err(|error| reload::Error::unread(setting, &error))?;
    let token = Some(token.trim()).filter(|token| !token.is_empty());
    let header = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    let mut header = header
        .ok_or_else(|| reload::Error::of(setting, "holds no token; write one into it, and nothing else"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// A request on behalf of `call` that must be answered within `timeout`: it names the call's span as its parent, keeps the
/// call's name in logs, and shows its token.
pub fn with_deadline<T>(call: &Call, request: impl IntoRequest<T>, timeout: Duration) -> Request<T> {
    let mut request = unbounded(call, request);
    request.set_timeout(timeout);
    request
}

/// As [`with_deadline`], for a stream that goes on for as long as there is something to send.
pub fn unbounded<T>(call: &Call, request: impl IntoRequest<T>) -> Request<T> {
    let mut request = request.into_request();
    let metadata = request.metadata_mut();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&call.trace().context(), &mut Metadata(metadata));
    });
    let authorization = call.authorization().map(HeaderValue::as_bytes);
    if let Some(Ok(header)) = authorization.map(AsciiMetadataValue::try_from) {
        metadata.insert("authorization", header);
    }
    if let Ok(id) = MetadataValue::try_from(call.request_id())
        && !id.is_empty()
    {
        metadata.insert(REQUEST_ID, id);
    }
    request
}

/// Whether a call may be made again: the service is away, or says when to come again.
fn is_passing(status: &Status) -> bool {
    status.code() == Code::Unavailable || is_overloaded(status).is_some()
}

/// When to come again, where a service has too much in hand.
fn is_overloaded(status: &Status) -> Option<Duration> {
    (status.code() == Code::ResourceExhausted)
        .then(|| failure::retry_after(status))
        .flatten()
}

/// Makes an idempotent call, again where it fails as `UNAVAILABLE` or is asked to come again: at most three times, with full jitter,
/// not beyond `deadline`. A timeout that this side notices first becomes `DEADLINE_EXCEEDED` here, as the
/// server would say it.
///
/// # Errors
/// The status of the last try.
pub async fn retry_unavailable<T, F, A>(deadline: Instant, mut call: F) -> Result<T, Status>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, Status>>,
{
    let mut longest = FIRST_WAIT;
    for _ in 1..TRIES {
        let answer = call().await.map_err(noticed_here);
        BUDGET.count(&answer);
        match answer {
            Err(status) if is_passing(&status) && BUDGET.allows() => {
                // Not before the service says so.
                let told = failure::retry_after(&status).unwrap_or_default();
                let next = Instant::now() + told + longest.mul_f64(random_share());
                if next >= deadline {
                    return Err(status);
                }
                tracing::debug!(%status, "a service is unavailable; trying again");
                sleep_until(next).await;
                longest *= 2;
            }
            answer => return answer,
        }
    }
    call().await.map_err(noticed_here)
}

/// Makes a call again, with growing waits and jitter, as long as the service says that it has too much in hand, and not
/// beyond `deadline`: for work in the background, which has time.
///
/// # Errors
/// The status of the last try.
pub async fn retry_overloaded<T, F, A>(deadline: Instant, mut call: F) -> Result<T, Status>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, Status>>,
{
    let mut longest = FIRST_WAIT;
    loop {
        let answer = call().await;
        let Err(status) = &answer else { return answer };
        let Some(told) = is_overloaded(status) else {
            return answer;
        };
        let next = Instant::now() + told + longest.mul_f64(random_share());
        if next >= deadline {
            return answer;
        }
        sleep_until(next).await;
        longest = (longest * 2).min(LONGEST_WAIT);
    }
}

/// What a process may spend on trying again: every try that finds a service unavailable takes a token, every tenth of
/// the others gives one back, and while half of them are gone nothing is tried again. So a service that is down is not
/// asked three times as often as one that is up. (As gRPC's retry throttling.)
struct Budget(AtomicU32);

/// Tenths of a token at most.
const BUDGET_TENTHS: u32 = 1_000;
static BUDGET: Budget = Budget(AtomicU32::new(BUDGET_TENTHS));

impl Budget {
    fn count<T>(&self, answer: &Result<T, Status>) {
        let unavailable = matches!(answer, Err(status) if status.code() == Code::Unavailable);
        let change = |tenths: u32| {
            Some(if unavailable {
                tenths.saturating_sub(10)
            } else {
                (tenths + 1).min(BUDGET_TENTHS)
            })
        };
        // A change that always is one.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    fn allows(&self) -> bool {
        self.0.load(Ordering::Relaxed) > BUDGET_TENTHS / 2
    }
}

/// What a failure that this side noticed is in the words of the mesh. tonic's client answers `CANCELLED` when its own clock
/// runs out, and `UNKNOWN` or `CANCELLED` when the connection breaks below a call; what a service says has no cause.
fn noticed_here(status: Status) -> Status {
    let mut cause = status.source();
    let broken = cause.is_some();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return Failure::new(Reason::Deadline, "the service did not answer in time").status();
        }
        cause = error.source();
    }
    if broken && matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal) {
        return Status::unavailable(format!("the connection broke: {}", status.message()));
    }
    status
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (
            MetadataKey::from_bytes(key.as_bytes()),
            MetadataValue::try_from(&value),
        ) {
            self.0.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        headers::{Deadline, RequestId, TIMEOUT_HEADER},
        identity::Identity,
    };

    async fn tries(answers: &[Code], deadline: Duration) -> (u32, Result<(), Code>) {
        let made = Cell::new(0);
        let result = retry_unavailable(Instant::now() + deadline, || {
            let code = answers.get(made.get() as usize).copied().unwrap_or(Code::Ok);
            made.set(made.get() + 1);
            async move {
                if code == Code::Ok {
                    Ok(())
                } else {
                    Err(Status::new(code, "x"))
                }
            }
        })
        .await;
        (made.get(), result.map_err(|status| status.code()))
    }

    #[tokio::test]
    async fn only_unavailable_is_retried_and_not_for_ever() {
        const LONG: Duration = Duration::from_secs(60);
        assert_eq!(tries(&[], LONG).await, (1, Ok(())));
        assert_eq!(tries(&[Code::Unavailable, Code::Ok], LONG).await, (2, Ok(())));
        assert_eq!(
            tries(&[Code::Unavailable; 9], LONG).await,
            (3, Err(Code::Unavailable))
        );
        assert_eq!(tries(&[Code::Internal; 9], LONG).await, (1, Err(Code::Internal)));
        assert_eq!(
            tries(&[Code::Unavailable; 9], Duration::ZERO).await,
            (1, Err(Code::Unavailable))
        );
    }

    #[tokio::test]
    async fn overload_is_waited_out_within_the_deadline_and_nothing_else_is() {
        const TOLD: Duration = Duration::from_millis(10);
        let refused = |reason| Failure::new(reason, "x").retry_after(TOLD).status();
        let tries = async |deadline: Duration, enough: u32, reason: Reason| {
            let (begun, made) = (Instant::now(), Cell::new(0));
            let answer = retry_overloaded(begun + deadline, || {
                made.set(made.get() + 1);
                let answer = if made.get() > enough {
                    Ok(())
                } else {
                    Err(refused(reason))
                };
                async move { answer }
            });
            (
                answer.await.map_err(|status| status.code()),
                made.get(),
                begun.elapsed(),
            )
        };
        let long = Duration::from_secs(600);
        let (answer, made, took) = tries(long, 4, Reason::Overloaded).await;
        assert_eq!((answer, made), (Ok(()), 5));
        assert!(took >= TOLD * 4, "{took:?}");
        let (answer, made, _) = tries(TOLD, 4, Reason::Overloaded).await;
        assert_eq!((answer, made), (Err(Code::ResourceExhausted), 1));
        let (answer, made, _) = tries(long, 4, Reason::ServiceUnavailable).await;
        assert_eq!((answer, made), (Err(Code::Unavailable), 1));
    }

    #[tokio::test]
    async fn nobody_there_is_unavailable() {
        let channel = connect("127.0.0.1:1", &Config::default()).unwrap();
        let mut client = tonic_health::pb::health_client::HealthClient::new(channel);
        let request = tonic_health::pb::HealthCheckRequest::default();
        assert_eq!(client.check(request).await.unwrap_err().code(), Code::Unavailable);
        assert!(connect("http://", &Config::default()).is_err());
    }

    #[tokio::test]
    async fn a_silent_peer_is_deadline_exceeded() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let channel = connect(&listener.local_addr().unwrap().to_string(), &Config::default()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let status = retry_unavailable(deadline, || async {
            let request = tonic_health::pb::HealthCheckRequest::default();
            let mut client = tonic_health::pb::health_client::HealthClient::new(channel.clone());
            client
                .check(with_deadline(
                    &Call::outgoing(None),
                    request,
                    Duration::from_millis(100),
                ))
                .await
        });
        assert_eq!(status.await.unwrap_err().code(), Code::DeadlineExceeded);
    }

    #[test]
    fn a_broken_connection_is_no_answer() {
        let mut broken = Status::unknown("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert_eq!(noticed_here(broken).code(), Code::Unavailable);
        // What a service says stays as it says it.
        assert_eq!(noticed_here(Status::unknown("x")).code(), Code::Unknown);
    }

    #[tokio::test]
    async fn a_budget_that_is_spent_ends_trying_again() {
        let budget = Budget(AtomicU32::new(BUDGET_TENTHS));
        let down: Result<(), _> = Err(Status::unavailable("x"));
        for _ in 0..49 {
            budget.count(&down);
        }
        assert!(budget.allows());
        budget.count(&down);
        assert!(!budget.allows());
        for _ in 0..10 {
            budget.count(&Ok(()));
        }
        assert!(budget.allows());
    }

    #[tokio::test]
    async fn the_rest_of_a_deadline_is_passed_on() {
        let call = |deadline: Instant| {
            let mut request = http::Request::new(());
            request.extensions_mut().insert(Deadline(deadline));
            request.extensions_mut().insert(RequestId("abc".to_owned()));
            let token = HeaderValue::from_static("Bearer x");
            Call::make(&mut request, Identity::whole("s", "t").into(), Some(token))
        };
        let soon = call(Instant::now() + Duration::from_secs(40));
        let left = soon.remaining();
        assert!(
            left > Duration::from_secs(35) && left <= Duration::from_secs(40),
            "{left:?}"
        );
        let passed = with_deadline(&soon, (), left);
        let told = passed.metadata().get(TIMEOUT_HEADER).unwrap().to_str().unwrap();
        let told: u64 = told.strip_suffix('u').unwrap().parse().unwrap();
        assert!((35_000_000..=40_000_000).contains(&told), "{told}");
        assert_eq!(passed.metadata().get(REQUEST_ID).unwrap(), "abc");
        assert_eq!(passed.metadata().get("authorization").unwrap(), "Bearer x");
        let late = call(Instant::now() - Duration::from_secs(1));
        assert_eq!(late.remaining(), Duration::ZERO);
        assert_eq!(Call::background("t").remaining(), Duration::from_secs(30));
        assert!(unbounded(&Call::outgoing(None), ()).metadata().is_empty());
    }
}
