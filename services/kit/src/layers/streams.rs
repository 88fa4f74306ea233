//! Streams end when the token that opened them no longer holds: it has expired, or its key is gone. That is looked at with
//! everything that is sent, in either direction, and now and then where nothing is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::timeout;
use tonic::{Status, body::Body};

use super::{Next, access::identified};
use crate::{Failure, access::named, identity::Verifier};

/// How often the token of a silent stream is looked at.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// What a stream was opened with.
#[derive(Clone)]
pub(super) struct Token {
    pub verifier: Arc<Verifier>,
    pub header: HeaderValue,
}

/// Passes a stream on for as long as its token holds. Where the caller streams, its messages end with the failure, and the
/// service answers what came before; else the answers do.
pub(super) async fn run(request: Request<Body>, next: Next, token: Token) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/');
    if !named::takes_one(path) {
        let end = |failure: Failure| Err(failure.status());
        return next.run(request.map(|body| while_good(body, token, end))).await;
    }
    let response = next.run(request).await;
    if response.headers().contains_key(Status::GRPC_STATUS) {
        return response;
    }
    response.map(|body| while_good(body, token, |failure| Ok(end_of_answers(&failure.status()))))
}

fn while_good<E>(body: Body, token: Token, end: E) -> Body
where
    E: Fn(Failure) -> Result<Frame<Bytes>, Status> + Send + 'static,
{
    let frames = stream::unfold(Some((body, token, end)), |state| async move {
        let (mut body, token, end) = state?;
        loop {
            let frame = timeout(LOOKED_AT, body.frame()).await;
            if let Err(failure) = identified(&token.verifier, Some(&token.header)).await {
                return Some((end(failure), None));
            }
            if let Ok(frame) = frame {
                return Some((frame?, Some((body, token, end))));
            }
        }
    });
    Body::new(StreamBody::new(frames))
}

/// The end of answers that are broken off.
pub(super) fn end_of_answers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // A code alone is always a header.
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    Frame::trailers(trailers)
}

#[cfg(test)]
mod tests;
