//! The Connect protocol: methods of one request and one answer over plain HTTP, in JSON or in the contract's bytes.
//!
//! It lies outside all layers and makes a gRPC call of each of its calls. The message is translated only when a layer or a
//! service reads it: nobody's JSON is parsed before it is known that they may call.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Either},
    stream,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE, TRANSFER_ENCODING},
    request::Parts,
};
use http_body::Frame;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use prost_reflect::MessageDescriptor;
use tokio::time::timeout;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::{
    Failure, Reason,
    headers::TIMEOUT_HEADER,
    layers::{Answer, Next, framed, unframed},
};

mod error;
mod json;

/// Header of the protocol's version, of which there is one.
pub(crate) const VERSION_HEADER: &str = "connect-protocol-version";
/// Header of the milliseconds that a call may take.
pub(crate) const MILLIS_HEADER: &str = "connect-timeout-ms";
/// Bytes of a message that are translated in no time; larger ones leave the threads that serve calls.
const SMALL: usize = 64 << 10;
/// How long is waited for the rest of a message that nobody reads.
const REST: Duration = Duration::from_secs(1);

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Proto,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    /// Content type of streams, which are refused.
    fn of_streams(self) -> &'static str {
        match self {
            Self::Json => "application/connect+json",
            Self::Proto => "application/connect+proto",
        }
    }
}

/// A call of the Connect protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Unary(Form),
    Stream(Form),
}

impl Asked {
    /// `None` for calls of gRPC and gRPC-Web.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.as_bytes();
        let name = content_type.split(|byte| *byte == b';').next()?.trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        [Form::Json, Form::Proto].into_iter().find_map(|form| {
            let unary = is(form.content_type()).then_some(Self::Unary(form));
            unary.or_else(|| is(form.of_streams()).then_some(Self::Stream(form)))
        })
    }
}

/// Answers calls of the Connect protocol with `calls`, of messages up to `largest` bytes; passes on all others.
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) calls: Next,
    pub(crate) largest: usize,
}

impl<S> Layer<S> for Connect {
    type Service = Beside<S>;

    fn layer(&self, others: S) -> Beside<S> {
        Beside {
            connect: self.clone(),
            others,
        }
    }
}

/// [`Connect`], and what answers all other calls.
#[derive(Clone)]
pub(crate) struct Beside<S> {
    connect: Connect,
    others: S,
}

impl<S> Service<Request<Body>> for Beside<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(asked) = Asked::of(request.headers()) else {
            return Either::Left(self.others.call(request));
        };
        let connect = self.connect.clone();
        Either::Right(async move { Ok(connect.answer(asked, request).await) }.boxed())
    }
}

impl Connect {
    async fn answer(&self, asked: Asked, request: Request<Body>) -> Response<Body> {
        if request.method() != Method::POST {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let (head, body) = request.into_parts();
        let sent = Sent(Arc::new(Mutex::new(Some(body))));
        let response = match asked {
            Asked::Stream(form) => error::end_of_stream(form, &streams().status()),
            Asked::Unary(form) => self.unary(form, head, &sent).await.unwrap_or_else(|refused| {
                let (headers, status) = *refused;
                error::response(headers, &status)
            }),
        };
        sent.drain().await;
        response
    }

    async fn unary(&self, form: Form, mut head: Parts, sent: &Sent) -> Result<Response<Body>, Box<Refused>> {
        let refused = |failure: Failure| Box::new((HeaderMap::new(), failure.status()));
        // What is unknown is asked all the same: gRPC says what is wrong with it, and to whom.
        let method = json::method(head.uri.path());
        if let Some(method) = &method
            && (method.is_client_streaming() || method.is_server_streaming())
        {
            return Err(refused(streams()));
        }
        put_as_grpc(&mut head).map_err(refused)?;
        let unread = Arc::new(OnceLock::new());
        let body = match &method {
            Some(method) => translated(sent.clone(), form, method.input(), self.largest, unread.clone()),
            None => Body::new(Full::new(framed(&[]))),
        };
        let answer = Answer::read(self.calls.run(Request::from_parts(head, body)).await).await;
        let message = answer.good().and_then(unframed);
        let headers = metadata(&answer);
        let written = match (message, method) {
            (Some(message), Some(method)) => write(form, method.output(), message).await,
            (Some(_), None) => Err(streams().status()),
            (None, _) => Err(unread.get().cloned().unwrap_or_else(|| answer.failure())),
        };
        let written = written.map_err(|status| Box::new((headers.clone(), status)))?;
        let mut response = Response::new(Body::new(Full::new(written)));
        *response.headers_mut() = headers;
        let content_type = HeaderValue::from_static(form.content_type());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Ok(response)
    }
}

/// What the caller sends, until somebody reads it.
#[derive(Clone)]
struct Sent(Arc<Mutex<Option<Body>>>);

impl Sent {
    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reads what nobody has read: over HTTP/1.1, some clients do not read an answer that comes while they still send.
    async fn drain(&self) {
        if let Some(body) = self.take() {
            // The answer is the same, however much came.
            let _ = timeout(REST, Limited::new(body, SMALL).collect()).await;
        }
    }
}

/// How a call failed, and what else its caller is told.
type Refused = (HeaderMap, Status);

fn streams() -> Failure {
    Failure::new(
        Reason::ProtocolUnsupported,
        "the Connect protocol is answered here for methods of one request and one answer; call this one by gRPC, or by \
         gRPC-Web where only its answers stream",
    )
}

/// Makes the headers of a call those of gRPC.
fn put_as_grpc(head: &mut Parts) -> Result<(), Failure> {
    let headers = &mut head.headers;
    if headers
        .remove(VERSION_HEADER)
        .is_some_and(|version| version != "1")
    {
        return Err(bad_header(VERSION_HEADER, "1, or leave it out"));
    }
    if let Some(encoding) = headers.remove(CONTENT_ENCODING)
        && encoding != "identity"
    {
        let failure = Failure::new(
            Reason::CompressionUnknown,
            "the message is compressed; send it as it is",
        );
        return Err(failure.violation("content-encoding", "identity, or leave it out"));
    }
    headers.remove(TIMEOUT_HEADER);
    if let Some(millis) = headers.remove(MILLIS_HEADER) {
        let timeout = grpc_timeout(&millis)
            .ok_or_else(|| bad_header(MILLIS_HEADER, "whole milliseconds, of at most 10 digits"))?;
        headers.insert(TIMEOUT_HEADER, timeout);
    }
    for name in [ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    for name in GRPC_ENCODINGS {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    head.version = Version::HTTP_2;
    Ok(())
}

const GRPC_ENCODINGS: [&str; 2] = ["grpc-encoding", "grpc-accept-encoding"];

fn bad_header(name: &str, expected: &str) -> Failure {
    let message = format!("the header {name} must be {expected}");
    Failure::new(Reason::MessageMalformed, message).violation(name, expected)
}

/// As gRPC writes it: eight digits and a unit.
fn grpc_timeout(millis: &HeaderValue) -> Option<HeaderValue> {
    let digits = millis.to_str().ok()?;
    if !(1..=10).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: u64 = digits.parse().ok()?;
    let timeout = match millis {
        ..100_000_000 => format!("{millis}m"),
        _ => format!("{}S", millis / 1_000),
    };
    HeaderValue::from_str(&timeout).ok()
}

/// The body of a call as gRPC has it, read and translated when it is asked for. Why it cannot be goes to `unread`: a layer
/// that reads it knows only that it broke off.
fn translated(
    sent: Sent,
    form: Form,
    kind: MessageDescriptor,
    largest: usize,
    unread: Arc<OnceLock<Status>>,
) -> Body {
    let message = async move {
        let message = read(sent.take().unwrap_or_default(), form, kind, largest).await;
        let message = message.map(|message| Frame::data(framed(&message)));
        message.map_err(|failure| unread.get_or_init(|| failure.status()).clone())
    };
    Body::new(StreamBody::new(stream::once(message)))
}

async fn read(body: Body, form: Form, kind: MessageDescriptor, largest: usize) -> Result<Bytes, Failure> {
    let whole = Limited::new(body, largest).collect().await;
    let bytes = whole.map_err(|error| match error.is::<LengthLimitError>() {
        true => Failure::new(
            Reason::MessageTooLarge,
            format!("the message is larger than {largest} bytes"),
        ),
        false => Failure::new(Reason::MessageMalformed, "the message ended before its end"),
    })?;
    let bytes = bytes.to_bytes();
    match form {
        Form::Proto => Ok(bytes),
        Form::Json => translate(bytes, move |json| json::read(&kind, json)).await,
    }
}

async fn write(form: Form, kind: MessageDescriptor, message: Bytes) -> Result<Bytes, Status> {
    match form {
        Form::Proto => Ok(message),
        Form::Json => Ok(translate(message, move |message| json::write(kind, message)).await?),
    }
}

async fn translate(
    bytes: Bytes,
    translation: impl FnOnce(&[u8]) -> Result<Vec<u8>, Failure> + Send + 'static,
) -> Result<Bytes, Failure> {
    let translated = if bytes.len() <= SMALL {
        translation(&bytes)
    } else {
        let elsewhere = tokio::task::spawn_blocking(move || translation(&bytes));
        elsewhere.await.map_err(|error| Failure::internal(&error))?
    };
    translated.map(Bytes::from)
}

/// What a call answers beside its message: headers, and trailers with a prefix.
fn metadata(answer: &Answer) -> HeaderMap {
    const STATUS: [&str; 4] = [
        "content-type",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
    ];
    let is_told =
        |name: &HeaderName| !STATUS.contains(&name.as_str()) && !GRPC_ENCODINGS.contains(&name.as_str());
    let headers = answer.headers.iter().filter(|(name, _)| is_told(name));
    let mut told: HeaderMap = headers
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in answer.trailers.iter().filter(|(name, _)| is_told(name)) {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            told.append(name, value.clone());
        }
    }
    told
}

#[cfg(test)]
mod tests;
