//! Every failure has a reason: what the library below the services answers by itself, of methods that it does not know and of
//! messages that it cannot read, is put into the mesh's words.

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use tonic::{Code, Status, body::Body};

use super::Layer;
use crate::{Failure, Reason, failure::reason_of};

/// The layer; the innermost, as all the others have reasons for what they refuse.
pub(super) fn layer() -> Layer {
    Layer::new("reasons", |request, next: super::Next| async move {
        let (mut parts, body) = next.run(request).await.into_parts();
        if parts.headers.contains_key(Status::GRPC_STATUS) {
            give_reason(&mut parts.headers);
            return Response::from_parts(parts, body);
        }
        let body = body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                give_reason(trailers);
            }
            frame
        });
        Response::from_parts(parts, Body::new(body))
    })
}

/// Puts a reason to a failure that has none.
fn give_reason(headers: &mut HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    if status.code() == Code::Ok || reason_of(&status).is_some() {
        return;
    }
    let given = reasoned(&status);
    // What does not fit into headers is left as it was.
    let _ = given.add_header(headers);
}

/// A failure of the library in the mesh's words. It answers `INTERNAL` where a message cannot be read: that is the caller's
/// fault.
fn reasoned(status: &Status) -> Status {
    let message = status.message();
    let failure = match status.code() {
        Code::Unimplemented if message.contains("ompress") => Failure::new(
            Reason::CompressionUnknown,
            format!("the message cannot be unpacked: {message}"),
        ),
        Code::Unimplemented => Failure::new(
            Reason::MethodUnknown,
            "this process serves no such method; check its name, or ask the process that serves it",
        ),
        Code::OutOfRange => Failure::new(Reason::MessageTooLarge, message),
        Code::ResourceExhausted if message.starts_with("Error decompressing") => {
            Failure::new(Reason::MessageTooLarge, message)
        }
        Code::Internal | Code::DataLoss if is_unread(message) => malformed(message),
        Code::NotFound => Failure::new(Reason::NotFound, message),
        Code::Cancelled => Failure::new(Reason::Cancelled, message),
        Code::Unavailable => Failure::new(Reason::ServiceUnavailable, message),
        Code::DeadlineExceeded => Failure::new(Reason::Deadline, message),
        Code::InvalidArgument => Failure::new(Reason::MessageMalformed, message),
        Code::ResourceExhausted => Failure::new(Reason::Overloaded, message),
        Code::Unauthenticated => Failure::new(Reason::Unauthenticated, message),
        Code::PermissionDenied => Failure::new(Reason::PermissionDenied, message),
        _ => {
            tracing::error!(code = ?status.code(), message, "a failure without a reason");
            Failure::new(
                Reason::Internal,
                "something went wrong inside; see the server's log",
            )
        }
    };
    failure.status()
}

/// What tonic and prost say of messages that they cannot read.
fn is_unread(message: &str) -> bool {
    [
        "failed to decode Protobuf message",
        "protocol error: received message",
        "Error decompressing",
        "Unexpected EOF decoding stream",
        "Missing request message",
        "tonic-web: ",
    ]
    .iter()
    .any(|begin| message.starts_with(begin))
}

/// prost names the fields on the way to the fault, the innermost first: `MetricQuery.brand: Asked.query: invalid string…`.
pub(super) fn malformed(message: &str) -> Failure {
    let failure = Failure::new(
        Reason::MessageMalformed,
        format!("the message cannot be read, nothing was done: {message}"),
    );
    let Some((_, told)) = message.split_once("Protobuf message: ") else {
        return failure;
    };
    let field = |part: &str| {
        let (kind, field) = part.split_once('.')?;
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (is_name(kind) && is_name(field)).then(|| field.to_owned())
    };
    let mut path: Vec<String> = told.split(": ").map_while(field).collect();
    if path.is_empty() {
        return failure;
    }
    path.reverse();
    failure.violation(path.join("."), "bytes that its type in the contract has")
}

#[cfg(test)]
mod tests;
