//! Resources as the contracts name and list them: ids, request ids, pages, times.

use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use crate::{Reason, Violations};

/// Most resources on a page.
const MOST_ON_PAGE: i32 = 1_000;
/// Resources on a page unless said otherwise.
const ON_PAGE: i32 = 50;
/// Longest display name, in bytes.
const NAME_BYTES: usize = 256;

/// The id in a resource name `{collection}/{id}`; `None` when it is no such name.
#[must_use]
pub fn id_of(collection: &str, name: &str) -> Option<String> {
    let id = name.strip_prefix(collection)?.strip_prefix('/')?;
    is_id(id).then(|| id.to_owned())
}

/// Whether `id` is 1 to 63 of `a-z`, `0-9` and hyphen.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&id.len()) && id.bytes().all(allowed)
}

/// Reads a request id: empty, or a UUID, in its one canonical spelling.
pub fn read_request_id(request_id: &str, violations: &mut Violations) -> Option<String> {
    if request_id.is_empty() {
        return None;
    }
    let id = Uuid::try_parse(request_id).ok();
    if id.is_none() {
        violations.add("request_id", "empty or a UUID");
    }
    id.map(|id| id.to_string())
}

/// Reads the size of a page.
///
/// # Errors
/// `INVALID_PAGE` when it is negative.
pub fn page_size(size: i32) -> Result<usize, Status> {
    if size < 0 {
        let mut violations = Violations::new();
        violations.add("page_size", "not negative");
        violations.finish(Reason::InvalidPage)?;
    }
    let size = if size == 0 {
        ON_PAGE
    } else {
        size.min(MOST_ON_PAGE)
    };
    Ok(usize::try_from(size).unwrap_or(1))
}

/// Reads the id of a resource that is to be made at `field`; `None` when it is left to the service.
pub fn read_new_id(field: &str, id: &str, violations: &mut Violations) -> Option<String> {
    if id.is_empty() {
        return None;
    }
    if !is_id(id) || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        violations.add(field, "1 to 63 of a-z, 0-9 and hyphen, starting with a letter");
    }
    Some(id.to_owned())
}

/// Reads a name for people at `field`.
pub fn read_display_name(field: &str, name: &str, violations: &mut Violations) -> String {
    if name.len() > NAME_BYTES {
        violations.add(field, format!("at most {NAME_BYTES} bytes"));
    }
    name.to_owned()
}

/// An etag, if one was sent.
#[must_use]
pub fn etag(etag: &str) -> Option<&str> {
    (!etag.is_empty()).then_some(etag)
}

/// Microseconds since 1970 UTC as the contracts write instants.
pub fn time_to_proto(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos,
    }
}
