//! Who calls, and whether they may.

use std::sync::Arc;

use futures::{FutureExt, future::ready};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use tonic::body::Body;

use super::{Layer, Next, body, is_health, is_single, reasons, refused, streams};
use crate::{
    Call, Failure, Reason,
    access::{BrandRule, Method, named},
    call,
    identity::{Identity, Verifier},
};

/// Largest request whose brands are looked for, for callers who may see some only: read as a message of any kind, it takes many
/// times as much memory.
const NAMED_BYTES: usize = 1 << 20;

/// Takes every caller for the one tenant's own, allowed everything: the embedded mode.
pub(super) fn anonymous(tenant: &str) -> Layer {
    let identity = Arc::new(Identity::whole("anonymous", tenant));
    Layer::beside("authentication", move |request, next| {
        next.run(known(request, identity.clone(), None))
    })
}

/// Lets only calls with a good token through, and makes the call of it. Health needs none, so that orchestrators need no token.
pub(super) fn authentication(verifier: Arc<Verifier>) -> Layer {
    Layer::new("authentication", move |request: Request<Body>, next: Next| {
        let verifier = verifier.clone();
        async move {
            if is_health(&request) {
                return next.run(request).await;
            }
            let header = request.headers().get(AUTHORIZATION).cloned();
            let identity = match identified(&verifier, header.as_ref()).await {
                Ok(identity) => identity,
                Err(failure) => return refused(&request, failure),
            };
            let token = header.clone().filter(|_| !is_single(&request));
            let request = known(request, identity, header);
            match token {
                Some(header) => streams::run(request, next, streams::Token { verifier, header }).await,
                None => next.run(request).await,
            }
        }
    })
}

/// Makes the calls of jobs: on behalf of who made the job, which the request says.
pub(super) fn on_behalf() -> Layer {
    Layer::beside("authentication", |mut request, next| {
        let Some(OnBehalf(call)) = request.extensions_mut().remove::<OnBehalf>() else {
            return ready(refused(&request, call::unknown())).boxed();
        };
        let authorization = call.authorization().cloned();
        next.run(known(request, call.identity().clone(), authorization))
    })
}

/// On whose behalf a job makes its call.
#[derive(Clone)]
pub(crate) struct OnBehalf(pub Call);

/// What somebody known asks, with its call. This alone makes calls of requests.
fn known(
    mut request: Request<Body>,
    identity: Arc<Identity>,
    authorization: Option<HeaderValue>,
) -> Request<Body> {
    let call = Call::make(&mut request, identity, authorization);
    request.extensions_mut().insert(call);
    request
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

/// Decides by the table of methods. What says not who calls is refused, but for health.
pub(super) fn authorization() -> Layer {
    Layer::beside("authorization", |mut request, next| match decided(&request) {
        Ok(None) => next.run(request),
        Ok(Some((call, method))) => async move {
            match allowed(&call, method, &mut request).await {
                Ok(()) => next.run(request).await,
                Err(failure) => refused(&request, failure),
            }
        }
        .boxed(),
        Err(failure) => ready(refused(&request, failure)).boxed(),
    })
}

/// What is decided before the message is read; the call and its method where it depends on the message.
fn decided(request: &Request<Body>) -> Result<Option<(Call, &'static Method)>, Failure> {
    if is_health(request) {
        return Ok(None);
    }
    let call = request.extensions().get::<Call>().ok_or_else(call::unknown)?;
    let path = request.uri().path();
    if path.starts_with("/grpc.reflection.") {
        return Ok(None);
    }
    let method = Method::of(path).ok_or_else(|| denied("no token allows this method"))?;
    Ok(needs_message(call, method)?.then(|| (call.clone(), method)))
}

async fn allowed(call: &Call, method: &Method, request: &mut Request<Body>) -> Result<(), Failure> {
    let bytes = body::read(request, NAMED_BYTES).await?;
    let message = body::message(&bytes);
    let message = message.ok_or_else(|| denied("the brands of the request cannot be read"))?;
    allows_brands(call, method, &message)
}

/// Whether who calls may also call a method with this message.
///
/// # Errors
/// When not.
pub(crate) fn permits(call: &Call, method: &Method, message: &[u8]) -> Result<(), Failure> {
    if needs_message(call, method)? {
        allows_brands(call, method, message)?;
    }
    Ok(())
}

fn denied(message: &str) -> Failure {
    Failure::new(Reason::PermissionDenied, message)
}

/// Whether it depends on the message, once the token allows the method.
fn needs_message(call: &Call, method: &Method) -> Result<bool, Failure> {
    if !call.allows(method.scope) {
        let failure = denied("the token does not allow this method");
        return Err(failure.with("scope", method.scope));
    }
    if call.sees_all() {
        return Ok(false);
    }
    if method.brands == BrandRule::Whole {
        let failure = denied("the method reaches every brand, and the token does not");
        return Err(failure.with("brand", "*"));
    }
    Ok(true)
}

fn allows_brands(call: &Call, method: &Method, message: &[u8]) -> Result<(), Failure> {
    let named =
        named::brands(method.path, message).map_err(|error| reasons::malformed(&error.to_string()))?;
    if named.is_empty() && method.brands == BrandRule::Named {
        return Err(denied("the token is for some brands only; name one of them"));
    }
    match named.iter().find(|brand| !call.may_see(brand)) {
        Some(brand) => {
            call.notes().brand(brand);
            Err(denied("the token is not for this brand").with("brand", brand))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
