//! Keeps answers that depend on the facts, the definitions and the request alone, for as long as none of them changes.
//!
//! Questions that come while the first is being answered wait for its answer. Within a process the whole question is the key,
//! so that no two questions can be taken for one another; between processes it is its SHA-256.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use opentelemetry::{KeyValue, global};
use sha2::{Digest, Sha256};
use tonic::{Status, body::Body};

use super::{Layer, body, refused};
use crate::{
    Call, Config, Failure, Reason,
    access::{Brands, Effect, Method},
    identity::Identity,
    shared::{Shared, key},
};

/// Largest answer that processes share.
const SHARED_BYTES: usize = 1 << 20;
/// Largest request whose answer is kept.
const REQUEST_BYTES: usize = 16 << 10;

/// What answers depend on besides the request.
#[async_trait]
pub trait Versions: Send + Sync {
    /// A text that is another one whenever a tenant's facts, or the definitions that they are measured by, are others: the
    /// same at every process that would answer the same. `None` where that is not known; nothing is kept then.
    async fn of(&self, tenant: &str) -> Option<Arc<str>>;
}

/// Whose facts an answer is made of, and of which brands: what a market says depends on those that the asker may see. Who the
/// asker is makes no difference.
#[derive(Clone)]
struct Sight(Arc<Identity>);

impl Sight {
    fn parts(&self) -> (&str, &Brands) {
        (&self.0.tenant, &self.0.brands)
    }
}

impl PartialEq for Sight {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parts() == other.parts()
    }
}

impl Eq for Sight {}

impl Hash for Sight {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// A question, whole.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    sight: Sight,
    method: &'static str,
    request: Bytes,
    versions: Arc<str>,
}

impl Question {
    fn bytes(&self) -> usize {
        let (tenant, brands) = self.sight.parts();
        let brands = match brands {
            Brands::All => 0,
            Brands::Some(brands) => brands.iter().map(|brand| brand.len() + 32).sum(),
        };
        tenant.len() + brands + self.request.len() + 128
    }

    /// The key between processes.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for part in [self.method.as_bytes(), &self.request, self.versions.as_bytes()] {
            add(part);
        }
        let (tenant, brands) = self.sight.parts();
        if let Brands::Some(brands) = brands {
            add(b"brands");
            brands.iter().for_each(|brand| add(brand.as_bytes()));
        }
        let hash = hash.finalize();
        key(tenant, "answer", &format!("{hash:x}"))
    }
}

/// The layer.
pub(super) fn layer(config: &Config, shared: Shared, versions: Arc<dyn Versions>) -> Layer {
    let largest = body::largest(config);
    let kept_for = Duration::from_secs(config.redis.kept_s);
    let kept: moka::future::Cache<Question, Answer, ahash::RandomState> = moka::future::Cache::builder()
        .max_capacity(config.redis.answer_bytes)
        .weigher(|question: &Question, answer: &Answer| {
            u32::try_from(question.bytes() + answer.body.len()).unwrap_or(u32::MAX)
        })
        .build_with_hasher(ahash::RandomState::new());
    let outcomes = global::meter("dualwheel")
        .u64_counter("dualwheel.answers.cached")
        .with_description(
            "Answers by where they came from: kept, of another process or question, or worked out",
        )
        .build();
    Layer::beside("answers", move |mut request, next| {
        let method = Method::of(request.uri().path());
        let Some(method) = method.filter(|method| method.effect == Effect::Measure) else {
            return next.run(request);
        };
        let (shared, versions) = (shared.clone(), versions.clone());
        let (kept, outcomes) = (kept.clone(), outcomes.clone());
        let work = async move {
            let bytes = match body::read(&mut request, largest).await {
                Ok(bytes) if bytes.len() <= REQUEST_BYTES => bytes,
                Ok(_) => return next.run(request).await,
                Err(failure) => return refused(&request, failure),
            };
            let call = request.extensions().get::<Call>();
            let (Some(call), Some(request_bytes)) = (call, body::message(&bytes)) else {
                return next.run(request).await;
            };
            let Some(versions) = versions.of(call.tenant()).await else {
                return next.run(request).await;
            };
            let question = Question {
                sight: Sight(call.identity().clone()),
                method: method.path,
                request: request_bytes,
                versions,
            };
            let outcome = |outcome: &'static str| outcomes.add(1, &[KeyValue::new("outcome", outcome)]);
            if let Some(answer) = kept.get(&question).await {
                outcome("hit");
                return answer.into_response();
            }
            let mut asked_here = false;
            let answer = kept
                .try_get_with_by_ref(&question, async {
                    let key = shared.is_shared().then(|| question.key());
                    if let Some(key) = &key
                        && let Some(bytes) = shared.get(key).await
                    {
                        return Ok(Answer::of(bytes));
                    }
                    asked_here = true;
                    let answer = Answer::read(next.run(request).await).await;
                    let Some(bytes) = answer.good() else {
                        return Err(answer);
                    };
                    if let Some(key) = key.filter(|_| bytes.len() <= SHARED_BYTES) {
                        shared.put(&key, bytes.clone(), kept_for).await;
                    }
                    Ok(answer)
                })
                .boxed()
                .await;
            outcome(if asked_here { "miss" } else { "shared" });
            match answer {
                Ok(answer) => answer.into_response(),
                Err(failed) => (*failed).clone().into_response(),
            }
        };
        work.boxed()
    })
}

/// The whole answer to a unary call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// A good answer with the body.
    pub(super) fn of(body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Self {
            headers,
            body,
            trailers,
        }
    }

    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let headers = parts.headers;
        match body.collect().await {
            Ok(whole) => {
                let trailers = whole.trailers().cloned().unwrap_or_default();
                Self {
                    headers,
                    body: whole.to_bytes(),
                    trailers,
                }
            }
            Err(status) => {
                let (parts, _) = status.into_http::<Body>().into_parts();
                Self {
                    headers: parts.headers,
                    body: Bytes::new(),
                    trailers: HeaderMap::new(),
                }
            }
        }
    }

    /// The body of an answer that is no failure.
    pub(crate) fn good(&self) -> Option<&Bytes> {
        let failed = self.headers.contains_key(Status::GRPC_STATUS);
        let ended_well = self
            .trailers
            .get(Status::GRPC_STATUS)
            .is_some_and(|code| code == "0");
        (!failed && ended_well).then_some(&self.body)
    }

    /// How a call failed whose answer is not good.
    pub(crate) fn failure(&self) -> Status {
        let status = Status::from_header_map(&self.headers);
        let status = status.or_else(|| Status::from_header_map(&self.trailers));
        status.unwrap_or_else(|| Failure::new(Reason::Internal, "an answer without a status").status())
    }

    pub(super) fn into_response(self) -> Response<Body> {
        if self.body.is_empty() && self.trailers.is_empty() {
            // A failure is told by the headers alone: with an empty frame after them, some clients do not find its status.
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = self.headers;
            return response;
        }
        let frames = [
            (!self.body.is_empty()).then(|| Frame::data(self.body)),
            (!self.trailers.is_empty()).then(|| Frame::trailers(self.trailers)),
        ];
        let frames = frames.into_iter().flatten().map(Ok::<_, Status>);
        let mut response = Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))));
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
pub(super) mod tests;
