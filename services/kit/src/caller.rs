//! Who calls: known to everything that serves the call, without being handed from function to function.
//!
//! The server's layers put the caller around the call; [`spawn`] takes it along to work that outlives the call. Work that
//! serves no call, such as following the facts, has no caller and sees everything of its tenant.

use std::sync::Arc;

use http::HeaderValue;

use crate::access::Brands;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who they say they are: a token's `sub`, or `anonymous`.
    pub subject: String,
    /// Their tenant; empty on the side of who calls.
    pub tenant: String,
    /// The brands that they may see.
    pub brands: Brands,
    /// The header that proves it, for calls that are made on their behalf.
    pub authorization: Option<HeaderValue>,
}

impl Caller {
    /// The bearer of a token, who sees what the services let them see.
    #[must_use]
    pub fn bearer(authorization: HeaderValue) -> Self {
        Self {
            authorization: Some(authorization),
            ..Self::anonymous()
        }
    }

    /// Somebody who is not asked who they are.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            subject: "anonymous".to_owned(),
            tenant: String::new(),
            brands: Brands::All,
            authorization: None,
        }
    }
}

tokio::task_local! {
    static CALLER: Arc<Caller>;
    static REQUEST: u64;
}

/// Runs `work` on behalf of `caller`.
pub async fn on_behalf<F: Future>(caller: Arc<Caller>, work: F) -> F::Output {
    CALLER.scope(caller, work).await
}

/// Who is served now.
#[must_use]
pub fn current() -> Option<Arc<Caller>> {
    CALLER.try_with(Arc::clone).ok()
}

/// The tenant of who is served now; empty where nobody is.
#[must_use]
pub fn tenant() -> String {
    CALLER
        .try_with(|caller| caller.tenant.clone())
        .unwrap_or_default()
}

/// The brands that who is served now may see.
#[must_use]
pub fn brands() -> Brands {
    current().map_or(Brands::All, |caller| caller.brands.clone())
}

/// Whether who is served now may see the brand.
#[must_use]
pub fn may_see(brand: &str) -> bool {
    CALLER.try_with(|caller| caller.brands.has(brand)).unwrap_or(true)
}

/// Runs work of its own on behalf of who is served now.
pub fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match current() {
        Some(caller) => tokio::spawn(on_behalf(caller, work)),
        None => tokio::spawn(work),
    }
}

/// Runs `work` for a request with the hash `request`.
pub async fn asked<F: Future>(request: u64, work: F) -> F::Output {
    REQUEST.scope(request, work).await
}

/// A hash of the request that is served now, with which a repository tells a repeated request from another one of the
/// same id; 0 where no request is served or its method has no request ids.
#[must_use]
pub fn request_hash() -> i64 {
    REQUEST.try_with(|hash| hash.cast_signed()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_caller_goes_along_with_spawned_work() {
        assert!(current().is_none());
        assert!(may_see("B"));
        let caller = Caller {
            subject: "s".to_owned(),
            tenant: "t".to_owned(),
            brands: Brands::Some(["A".to_owned()].into()),
            authorization: None,
        };
        let seen = on_behalf(Arc::new(caller), async {
            let spawned = spawn(async { (may_see("A"), may_see("B")) }).await.unwrap();
            (
                spawned,
                tokio::spawn(async { current().is_none() }).await.unwrap(),
            )
        });
        assert_eq!(seen.await, ((true, false), true));
        assert_eq!(request_hash(), 0);
        assert_eq!(asked(7, async { request_hash() }).await, 7);
    }
}
