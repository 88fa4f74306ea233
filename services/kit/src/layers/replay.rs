//! Answers a repeated request by the answer to the first one, by its `request_id`.
//!
//! The repositories are safe against repeated requests by themselves, with and without this layer. It adds that the very
//! first answer comes back, whatever has become of the resource since, for as long as it is kept.

use std::{pin::pin, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::FutureExt;
use http::{Request, Response};
use prost_reflect::{
    DynamicMessage, MapKey, Value,
    prost::encoding::{self, DecodeContext, WireType},
};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use xxhash_rust::xxh3::xxh3_64;

use super::{Layer, Next, answers::Answer, body, refused};
use crate::{
    Call, Config, Failure, Reason,
    access::{Method, named},
    shared::{Shared, key},
};

/// How long a request is taken to be under way when its process, which says so again and again, says nothing more.
const PENDING: Duration = Duration::from_secs(3);
/// How often a request under way is asked after.
const ASKED_AFTER: Duration = Duration::from_millis(50);
/// How long the answer of a request under way is waited for.
const WAITED: Duration = Duration::from_secs(10);
/// Longest `request_id`, as the contracts have it.
const ID_BYTES: usize = 36;
/// Largest request that is recognised by what it says, and not by its bytes.
const READ_BYTES: usize = 1 << 20;
/// Largest answer that is kept.
const ANSWER_BYTES: usize = 1 << 20;

/// The layer.
pub(super) fn layer(config: &Config, shared: Shared) -> Layer {
    pending_for(PENDING, config, shared)
}

fn pending_for(pending: Duration, config: &Config, shared: Shared) -> Layer {
    let largest = body::largest(config);
    let times = (pending, Duration::from_secs(config.redis.kept_s));
    Layer::beside("idempotency", move |mut request, next| {
        let method = Method::of(request.uri().path()).filter(|method| method.is_repeatable);
        let Some(method) = method else {
            return next.run(request);
        };
        let shared = shared.clone();
        let work = async move {
            let bytes = match body::read(&mut request, largest).await {
                Ok(bytes) => bytes,
                Err(failure) => return refused(&request, failure),
            };
            let call = request.extensions().get::<Call>().cloned();
            let asked = call.zip(body::message(&bytes)).and_then(|(call, message)| {
                let asked = Asked::read(&call, method, &message)?;
                Some((call, asked))
            });
            match asked {
                Some((call, asked)) => {
                    request.extensions_mut().insert(call.asking(asked.hash));
                    once(&shared, times, &asked, request, next).await
                }
                // Wrong ids are the handler's to refuse.
                None => next.run(request).await,
            }
        };
        work.boxed()
    })
}

/// A request with an id.
struct Asked {
    key: String,
    hash: u64,
}

impl Asked {
    fn read(call: &Call, method: &'static Method, message: &Bytes) -> Option<Self> {
        let descriptor = named::request(method.path)?;
        let field = descriptor.get_field_by_name("request_id")?.number();
        let id = text_of(message.clone(), field)?;
        if id.is_empty() || id.len() > ID_BYTES {
            return None;
        }
        let hash = if message.len() <= READ_BYTES {
            let mut read = DynamicMessage::decode(descriptor, message.clone()).ok()?;
            read.clear_field_by_name("request_id");
            hash(&read)
        } else {
            xxh3_64(message)
        };
        // A UUID may be written in capitals, and is the same one.
        // What is shown depends on the brands that the caller may see: who sees others is answered by the repository.
        let seen = xxh3_64(format!("{:?}", call.brands()).as_bytes());
        let id = id.to_ascii_lowercase();
        let rest = format!("{}:{}:{seen:x}:{id}", method.path, call.subject());
        Some(Self {
            key: key(call.tenant(), "request", &rest),
            hash,
        })
    }
}

/// The text of a field of a message, by its number; none where it has none, or is no message.
fn text_of(mut message: Bytes, field: u32) -> Option<String> {
    let mut found = None;
    while message.has_remaining() {
        let (number, kind) = encoding::decode_key(&mut message).ok()?;
        if number == field && kind == WireType::LengthDelimited {
            let mut text = String::new();
            encoding::string::merge(kind, &mut text, &mut message, DecodeContext::default()).ok()?;
            found = Some(text);
        } else {
            encoding::skip_field(kind, number, &mut message, DecodeContext::default()).ok()?;
        }
    }
    found
}

/// A hash of what a message says: clients may write the entries of a map in another order when they send it again.
fn hash(message: &DynamicMessage) -> u64 {
    let mut bytes = Vec::new();
    for (field, value) in message.fields() {
        bytes.put_u32(field.number());
        bytes.put_u64(hash_of(value));
    }
    xxh3_64(&bytes)
}

fn hash_of(value: &Value) -> u64 {
    match value {
        Value::Message(message) => hash(message),
        Value::List(values) => {
            let hashes: Vec<u8> = values
                .iter()
                .flat_map(|value| hash_of(value).to_be_bytes())
                .collect();
            xxh3_64(&hashes)
        }
        Value::Map(entries) => {
            let entry =
                |(key, value): (&MapKey, &Value)| xxh3_64(format!("{key:?} {}", hash_of(value)).as_bytes());
            let mut hashes: Vec<u64> = entries.iter().map(entry).collect();
            hashes.sort_unstable();
            xxh3_64(
                &hashes
                    .iter()
                    .flat_map(|hash| hash.to_be_bytes())
                    .collect::<Vec<u8>>(),
            )
        }
        scalar => xxh3_64(format!("{scalar:?}").as_bytes()),
    }
}

/// What is kept of a request: its hash, and its answer once there is one.
fn kept_as(hash: u64, answer: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(8 + answer.len());
    bytes.put_u64(hash);
    bytes.put_slice(answer);
    bytes.freeze()
}

/// The answer that is kept: empty while there is none yet.
fn kept_answer(kept: &Bytes, hash: u64) -> Result<Bytes, Failure> {
    let first = kept.first_chunk::<8>().map(|first| u64::from_be_bytes(*first));
    if first == Some(hash) {
        return Ok(kept.slice(8..));
    }
    let message = "the request id was used for another request";
    Err(Failure::new(Reason::RequestIdReused, message).violation("request_id", "a fresh one"))
}

async fn once(
    shared: &Shared,
    (pending, kept_for): (Duration, Duration),
    asked: &Asked,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let mut waited = Duration::ZERO;
    while !shared.claim(&asked.key, kept_as(asked.hash, &[]), pending).await {
        // Gone between the two: claimed in the next round.
        let Some(kept) = shared.get(&asked.key).await else {
            continue;
        };
        match kept_answer(&kept, asked.hash) {
            Err(failure) => return refused(&request, failure),
            Ok(answer) if !answer.is_empty() => return Answer::of(answer).into_response(),
            Ok(_) if waited >= WAITED => {
                let failure = Failure::new(Reason::RequestPending, "the request is still being worked on");
                return refused(&request, failure.retry_after(Duration::from_secs(1)));
            }
            Ok(_) => {
                sleep(ASKED_AFTER).await;
                waited += ASKED_AFTER;
            }
        }
    }
    let claim = Claim {
        shared: shared.clone(),
        key: Some(asked.key.clone()),
    };
    let mut answering = pin!(async { Answer::read(next.run(request).await).await });
    let answer = loop {
        match timeout(pending / 3, &mut answering).await {
            Ok(answer) => break answer,
            Err(_) => shared.put(&asked.key, kept_as(asked.hash, &[]), pending).await,
        }
    };
    match answer.good().filter(|bytes| bytes.len() <= ANSWER_BYTES) {
        Some(bytes) => {
            shared.put(&asked.key, kept_as(asked.hash, bytes), kept_for).await;
            claim.keep();
        }
        // The same request may be tried again at once.
        None => claim.forget().await,
    }
    answer.into_response()
}

/// A request that is being worked on; forgotten when the caller goes away before the answer.
struct Claim {
    shared: Shared,
    key: Option<String>,
}

impl Claim {
    fn keep(mut self) {
        self.key = None;
    }

    async fn forget(mut self) {
        if let Some(key) = self.key.take() {
            self.shared.forget(&key).await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let shared = self.shared.clone();
            tokio::spawn(async move { shared.forget(&key).await });
        }
    }
}

#[cfg(test)]
mod tests;
