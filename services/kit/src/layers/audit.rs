//! The audit log: a line for every write and export, tried or done.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use opentelemetry::{KeyValue, global, metrics::Counter};
use tonic::{Code, Status, body::Body};

use super::{Layer, Next, RequestId, body, is_single, refused};
use crate::{
    Config, Tenant,
    access::{Deed, Method, named},
    audit::{self, Notes},
    caller::Caller,
    telemetry::AUDIT,
};

/// Largest request in which brands and resources are looked for: read as a message of any kind, it takes many times as much
/// memory.
const NAMED_BYTES: usize = 1 << 20;

/// The method of a request, if its calls have lines.
fn audited<B>(request: &Request<B>) -> Option<&'static Method> {
    let method = Method::of(request.uri().path());
    method.filter(|method| matches!(method.deed, Deed::Write | Deed::Export))
}

/// Tells every write and export, tried or done: who, for which tenant, what, how much, and how it ended; never what was in
/// it. A stream is told when it has ended.
pub(super) fn layer() -> Layer {
    Layer::new("audit", |request: Request<Body>, next: Next| async move {
        let Some(method) = audited(&request) else {
            return next.run(request).await;
        };
        let extensions = request.extensions();
        let tenant = extensions.get::<Tenant>().map(|tenant| tenant.0.clone());
        let mut entry = Entry {
            method,
            tenant: tenant.unwrap_or_default(),
            caller: extensions.get::<Arc<Caller>>().cloned(),
            request_id: extensions.get::<RequestId>().map(|id| id.0.clone()),
            notes: Notes::begin(),
            code: Code::Cancelled,
        };
        let single = is_single(&request);
        let notes = entry.notes.clone();
        let response = notes.during(next.run(request)).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => entry.code = status.code(),
            None if single => entry.code = Code::Ok,
            None => return until_its_end(entry, response),
        }
        response
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
    Layer::new(
        "audit-subject",
        move |mut request: Request<Body>, next: Next| async move {
            if let Some(method) = audited(&request)
                && is_single(&request)
            {
                let bytes = match body::read(&mut request, largest).await {
                    Ok(bytes) => bytes,
                    Err(failure) => return refused(failure),
                };
                let message = body::message(&bytes).filter(|message| message.len() <= NAMED_BYTES);
                if let Some(message) = message.and_then(|message| named::message(method.path, &message)) {
                    named::brands_of(&message)
                        .iter()
                        .for_each(|brand| audit::brand(brand));
                    named::resources_of(&message)
                        .iter()
                        .for_each(|name| audit::resource(name));
                }
            }
            next.run(request).await
        },
    )
}

/// A line of the audit log, written when it is dropped: also where the caller goes away before the answer, for what was
/// asked for may have been done.
struct Entry {
    method: &'static Method,
    tenant: String,
    caller: Option<Arc<Caller>>,
    request_id: Option<String>,
    notes: Notes,
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
        let kind = if self.method.deed == Deed::Write {
            "write"
        } else {
            "export"
        };
        ENTRIES.add(1, &[KeyValue::new("kind", kind)]);
        let note = self.notes.noted();
        tracing::info!(
            target: AUDIT,
            // Of no span: what is audited is for the log alone, and spans are sent to collectors.
            parent: None,
            kind,
            tenant = self.tenant,
            subject = self.caller.as_ref().map_or("", |caller| &caller.subject),
            method = self.method.path,
            code = ?self.code,
            request_id = self.request_id.as_deref().unwrap_or_default(),
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
