//! The audit log: a line for every write and export, tried or done.

use std::sync::LazyLock;

use futures::{FutureExt, future::ready};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use opentelemetry::{KeyValue, global, metrics::Counter};
use tonic::{Code, Status, body::Body};

use super::{Layer, body, is_single, refused};
use crate::{
    Call, Config,
    access::{Method, named},
    call,
    telemetry::AUDIT,
};

/// Largest request in which brands and resources are looked for: read as a message of any kind, it takes many times as much
/// memory.
const NAMED_BYTES: usize = 1 << 20;

/// The method of a request, if its calls have lines.
fn audited<B>(request: &Request<B>) -> Option<&'static Method> {
    Method::of(request.uri().path()).filter(|method| method.is_audited())
}

/// Tells every write and export, tried or done: who, for which tenant, what, how much, and how it ended; never what was in
/// it. A stream has its line when it has ended.
pub(super) fn layer() -> Layer {
    Layer::beside("audit", |request, next| {
        let Some(method) = audited(&request) else {
            return next.run(request);
        };
        let Some(call) = request.extensions().get::<Call>().cloned() else {
            return ready(refused(&request, call::unknown())).boxed();
        };
        let single = is_single(&request);
        let work = async move {
            let mut entry = Entry {
                method,
                call,
                code: Code::Cancelled,
            };
            let response = next.run(request).await;
            match Status::from_header_map(response.headers()) {
                Some(status) => entry.code = status.code(),
                None if single => entry.code = Code::Ok,
                None => return until_its_end(entry, response),
            }
            response
        };
        work.boxed()
    })
}

/// Keeps the line until the stream ends, or nobody reads it any more.
fn until_its_end(entry: Entry, response: Response<Body>) -> Response<Body> {
    let mut entry = Some(entry);
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(trailers) = frame.trailers_ref()
                && let Some(mut entry) = entry.take()
            {
                entry.code = code(trailers);
            }
            frame
        }))
    })
}

fn code(trailers: &HeaderMap) -> Code {
    Status::from_header_map(trailers).map_or(Code::Ok, |status| status.code())
}

/// Notes the brands and the resource that a request of one message names.
pub(super) fn subject(config: &Config) -> Layer {
    let largest = body::largest(config);
    Layer::beside("audit-subject", move |mut request, next| {
        let method = audited(&request).filter(|_| is_single(&request));
        let Some(method) = method else {
            return next.run(request);
        };
        let work = async move {
            let bytes = match body::read(&mut request, largest).await {
                Ok(bytes) => bytes,
                Err(failure) => return refused(&request, failure),
            };
            let message = body::message(&bytes).filter(|message| message.len() <= NAMED_BYTES);
            let message = message.and_then(|message| named::message(method.path, &message));
            if let (Some(message), Some(call)) = (message, request.extensions().get::<Call>()) {
                let notes = call.notes();
                named::brands_of(&message)
                    .iter()
                    .for_each(|brand| notes.brand(brand));
                let resources = named::resources_of(&message);
                let named = resources.iter().filter(|name| is_name(name));
                named.for_each(|name| notes.resource(name));
            }
            next.run(request).await
        };
        work.boxed()
    })
}

/// Whether a text could be the name of a resource: anything may stand where a caller writes one, and nothing personal goes
/// into a log.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    text.contains('/') && text.len() <= 256 && text.bytes().all(allowed)
}

/// A line of the audit log, written when it is dropped: also where the caller goes away before the answer, for what was
/// asked for may have been done.
struct Entry {
    method: &'static Method,
    call: Call,
    code: Code,
}

impl Drop for Entry {
    fn drop(&mut self) {
        static ENTRIES: LazyLock<Counter<u64>> = LazyLock::new(|| {
            global::meter("dualwheel")
                .u64_counter("dualwheel.audit.entries")
                .with_description("Writes and exports noted in the audit log")
                .build()
        });
        let kind = self.method.effect.name();
        ENTRIES.add(1, &[KeyValue::new("kind", kind)]);
        let note = self.call.notes().noted();
        tracing::info!(
            target: AUDIT,
            // Of no span: what is audited is for the log alone, and spans are sent to collectors.
            parent: None,
            kind,
            tenant = self.call.tenant(),
            subject = self.call.subject(),
            method = self.method.path,
            code = ?self.code,
            request_id = self.call.request_id(),
            brand = note.brand,
            resource = note.resource,
            expression = note.expression,
            people = note.people,
            rows = note.rows,
            "audit"
        );
    }
}

#[cfg(test)]
mod tests;
