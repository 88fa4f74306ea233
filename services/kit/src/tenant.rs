//! For whom a call is made. The server's layers decide it; a request's body never does.

use tonic::{Request, Status};

use crate::{Failure, Reason};

/// The tenant of a call, put among the request's extensions by the server's `tenant` layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(
    /// Name of the tenant: 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    pub String,
);

/// The tenant of `request`.
///
/// # Errors
/// `INTERNAL` when the call did not pass the server's layers.
pub fn tenant_of<T>(request: &Request<T>) -> Result<&str, Status> {
    match request.extensions().get::<Tenant>() {
        Some(tenant) => Ok(&tenant.0),
        None => Err(Failure::new(Reason::Internal, "the call carries no tenant").into()),
    }
}

/// Whether `name` may be a tenant's: it becomes part of paths and keys.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_from_the_extensions_only() {
        let mut request = Request::new(());
        assert_eq!(tenant_of(&request).unwrap_err().code(), tonic::Code::Internal);
        request.extensions_mut().insert(Tenant("acme".to_owned()));
        assert_eq!(tenant_of(&request).unwrap(), "acme");
    }
}
