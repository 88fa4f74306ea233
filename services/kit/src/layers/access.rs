//! Who calls, and whether they may.

use std::sync::Arc;

use http::{HeaderValue, Request, header::AUTHORIZATION};
use tonic::body::Body;

use super::{Layer, Next, body, is_health, is_single, reasons, refused, streams};
use crate::{
    Failure, Reason, Tenant,
    access::{Bound, Brands, Method, named},
    audit,
    caller::{self, Caller},
    identity::{Identity, Verifier},
};

/// Largest request whose brands are looked for, for callers who may see some only: read as a message of any kind, it takes many
/// times as much memory.
const NAMED_BYTES: usize = 1 << 20;

/// Takes every caller for the one tenant's own, allowed everything: the embedded mode.
pub(super) fn anonymous(tenant: Tenant) -> Layer {
    let caller = Arc::new(Caller {
        tenant: tenant.0.clone(),
        ..Caller::anonymous()
    });
    Layer::new("authentication", move |mut request: Request<Body>, next: Next| {
        request.extensions_mut().insert(tenant.clone());
        request.extensions_mut().insert(caller.clone());
        caller::on_behalf(caller.clone(), next.run(request))
    })
}

/// Lets only calls with a good token through, and puts what it says among the call's extensions. Health needs none, so
/// that orchestrators need no token.
pub(super) fn authentication(verifier: Arc<Verifier>) -> Layer {
    Layer::new("authentication", move |mut request: Request<Body>, next: Next| {
        let verifier = verifier.clone();
        async move {
            if is_health(&request) {
                return next.run(request).await;
            }
            let header = request.headers().get(AUTHORIZATION).cloned();
            let identity = match identified(&verifier, header.as_ref()).await {
                Ok(identity) => identity,
                Err(failure) => return refused(failure),
            };
            let caller = Arc::new(Caller {
                subject: identity.subject.clone(),
                tenant: identity.tenant.clone(),
                brands: identity.brands.clone(),
                authorization: header.clone(),
            });
            let extensions = request.extensions_mut();
            extensions.insert(Tenant(identity.tenant.clone()));
            extensions.insert(caller.clone());
            extensions.insert(identity);
            let single = is_single(&request);
            match header.filter(|_| !single) {
                Some(header) => {
                    let token = streams::Token { verifier, header };
                    caller::on_behalf(caller, streams::run(request, next, token)).await
                }
                None => caller::on_behalf(caller, next.run(request)).await,
            }
        }
    })
}

/// Who the header of a call says that calls.
pub(super) async fn identified(
    verifier: &Verifier,
    header: Option<&HeaderValue>,
) -> Result<Arc<Identity>, Failure> {
    let failure = |message: &str| Failure::new(Reason::Unauthenticated, message);
    let header = header.ok_or_else(|| failure("the call carries no token"))?;
    let (scheme, token) = header
        .as_bytes()
        .split_at_checked("bearer ".len())
        .unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(failure("the authorization is no bearer token"));
    }
    let identity = verifier.identity(token).await;
    identity.map_err(|error| failure(&error.to_string()))
}

/// Decides by the table of methods. Where nobody is asked who they are, everything is allowed.
pub(super) fn authorization() -> Layer {
    Layer::new(
        "authorization",
        |mut request: Request<Body>, next: Next| async move {
            let Some(identity) = request.extensions().get::<Arc<Identity>>().cloned() else {
                return next.run(request).await;
            };
            match allowed(&identity, &mut request).await {
                Ok(()) => next.run(request).await,
                Err(failure) => refused(failure),
            }
        },
    )
}

async fn allowed(identity: &Identity, request: &mut Request<Body>) -> Result<(), Failure> {
    let path = request.uri().path();
    if path.starts_with("/grpc.reflection.") {
        return Ok(());
    }
    let Some(method) = Method::of(path) else {
        return Err(denied("no token allows this method"));
    };
    if !needs_message(identity, method)? {
        return Ok(());
    }
    let bytes = body::read(request, NAMED_BYTES).await?;
    let message = body::message(&bytes);
    let message = message.ok_or_else(|| denied("the brands of the request cannot be read"))?;
    allows_brands(identity, method, &message)
}

/// Whether a token allows the call of a method with this message.
///
/// # Errors
/// When not.
pub(crate) fn permits(identity: &Identity, method: &Method, message: &[u8]) -> Result<(), Failure> {
    if needs_message(identity, method)? {
        allows_brands(identity, method, message)?;
    }
    Ok(())
}

fn denied(message: &str) -> Failure {
    Failure::new(Reason::PermissionDenied, message)
}

/// Whether it depends on the message, once the token allows the method.
fn needs_message(identity: &Identity, method: &Method) -> Result<bool, Failure> {
    if !identity.scopes.contains(&method.scope) {
        let failure = denied("the token does not allow this method");
        return Err(failure.with("scope", method.scope));
    }
    if identity.brands == Brands::All {
        return Ok(false);
    }
    if method.bound == Bound::Whole {
        let failure = denied("the method reaches every brand, and the token does not");
        return Err(failure.with("brand", "*"));
    }
    Ok(true)
}

fn allows_brands(identity: &Identity, method: &Method, message: &[u8]) -> Result<(), Failure> {
    let named =
        named::brands(method.path, message).map_err(|error| reasons::malformed(&error.to_string()))?;
    if named.is_empty() && method.bound == Bound::Named {
        return Err(denied("the token is for some brands only; name one of them"));
    }
    match named.iter().find(|brand| !identity.brands.has(brand)) {
        Some(brand) => {
            audit::brand(brand);
            Err(denied("the token is not for this brand").with("brand", brand))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
