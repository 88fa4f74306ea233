//! Names of tenants.

/// Whether `name` may be a tenant's: it becomes part of paths and keys.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
}
