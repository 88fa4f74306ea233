//! A status as the Connect protocol writes it.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use dualwheel_proto::{Any, rpc};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use prost_reflect::prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Status, body::Body};

use super::{Form, json};

/// Flag of the frame that ends a stream.
const END: u8 = 2;

/// The name of a code and the HTTP status that goes with it.
pub(super) fn of(code: Code) -> (&'static str, StatusCode) {
    match code {
        // Nothing fails so.
        Code::Ok => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Cancelled => ("canceled", closed()),
        Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

/// 499, which HTTP has no word for: the client closed the request.
fn closed() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer of a unary call that failed.
pub(super) fn response(headers: HeaderMap, status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(told(status).to_string())));
    *response.status_mut() = of(status.code()).1;
    *response.headers_mut() = headers;
    let content_type = HeaderValue::from_static(Form::Json.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer of a stream that failed at once: in HTTP's words it went well, and its last frame tells.
pub(super) fn end_of_stream(form: Form, status: &Status) -> Response<Body> {
    let end = json!({"error": told(status)}).to_string();
    let length = u32::try_from(end.len()).unwrap_or(u32::MAX).to_be_bytes();
    let frame = [&[END], length.as_slice(), end.as_bytes()].concat();
    let mut response = Response::new(Body::new(Full::from(frame)));
    let content_type = HeaderValue::from_static(form.of_streams());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn told(status: &Status) -> Value {
    let carried = rpc::Status::decode(status.details()).unwrap_or_default();
    let (code, message) = (of(status.code()).0, status.message());
    if carried.details.is_empty() {
        return json!({"code": code, "message": message});
    }
    let details: Vec<Value> = carried.details.iter().map(detail).collect();
    json!({"code": code, "message": message, "details": details})
}

/// A detail: its bytes for programs, and the same in JSON for people.
fn detail(detail: &Any) -> Value {
    let (_, name) = detail.type_url.rsplit_once('/').unwrap_or(("", &detail.type_url));
    let value = STANDARD_NO_PAD.encode(&detail.value);
    match json::shown(name, &detail.value) {
        Some(debug) => json!({"type": name, "value": value, "debug": debug}),
        None => json!({"type": name, "value": value}),
    }
}
