//! A call: who calls, what they may see, and until when. It is the first argument of every store, reader and client.
//!
//! It is made in one place, where the server's layers have learned who calls, and is taken out of the request in one place,
//! by [`Call::of`]. A handler hands it on. Nothing is looked up on the side: what is handed no call reaches nothing. Work that
//! serves nobody's call says so by name, with [`Call::background`].

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::time::Instant;
use tonic::{Request, Status};
use tracing::Span;

use crate::{
    Failure, Reason,
    access::{Brands, Method, Scope},
    audit::Notes,
    config::Deadlines,
    headers::{Deadline, RequestId},
    identity::Identity,
};

/// Who calls, what they may see, and until when. Cheap to clone.
#[derive(Clone)]
pub struct Call {
    made: Arc<Made>,
    identity: Arc<Identity>,
    request_hash: Option<i64>,
}

/// What stays the same of a call, whoever it is handed to.
struct Made {
    authorization: Option<HeaderValue>,
    deadline: Option<Instant>,
    request_id: String,
    trace: Span,
    notes: Notes,
}

impl Call {
    /// The call that a request is part of, and what it asks.
    ///
    /// # Errors
    /// `INTERNAL` when the request did not pass the server's layers.
    pub fn of<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (_, mut extensions, asked) = request.into_parts();
        let call = extensions.remove::<Self>();
        call.map_or_else(|| Err(unknown().status()), |call| Ok((call, asked)))
    }

    /// Work for a tenant that serves nobody's call, such as following its facts; it sees all of the tenant.
    #[must_use]
    pub fn background(tenant: &str) -> Self {
        Self::outside(Identity::whole("background", tenant), None)
    }

    /// The side of who calls: it may show its token to others, and opens nothing here.
    #[must_use]
    pub fn outgoing(authorization: Option<HeaderValue>) -> Self {
        Self::outside(Identity::nobody(), authorization)
    }

    fn outside(identity: Identity, authorization: Option<HeaderValue>) -> Self {
        let made = Made {
            authorization,
            deadline: None,
            request_id: String::new(),
            trace: Span::current(),
            notes: Notes::default(),
        };
        Self {
            made: Arc::new(made),
            identity: Arc::new(identity),
            request_hash: None,
        }
    }

    /// The call of a request of somebody known, as the layers before have left it.
    pub(crate) fn make<B>(
        request: &mut http::Request<B>,
        identity: Arc<Identity>,
        authorization: Option<HeaderValue>,
    ) -> Self {
        let audited = Method::of(request.uri().path()).is_some_and(Method::is_audited);
        let request_id = request.extensions_mut().remove::<RequestId>();
        let made = Made {
            authorization,
            deadline: request.extensions().get::<Deadline>().map(|deadline| deadline.0),
            request_id: request_id.map(|id| id.0).unwrap_or_default(),
            trace: Span::current(),
            notes: if audited { Notes::begin() } else { Notes::default() },
        };
        Self {
            made: Arc::new(made),
            identity,
            request_hash: None,
        }
    }

    /// The same call, of whose request this is the hash.
    #[must_use]
    pub fn asking(self, request_hash: u64) -> Self {
        Self {
            request_hash: Some(request_hash.cast_signed()),
            ..self
        }
    }

    /// The same call, for whoever may see no more than these of its brands.
    #[must_use]
    pub fn seeing(self, brands: &Brands) -> Self {
        let brands = match (self.brands(), brands) {
            (seen, Brands::All) => seen.clone(),
            (Brands::All, some) => some.clone(),
            (Brands::Some(seen), Brands::Some(some)) => Brands::Some(seen & some),
        };
        let identity = Identity {
            brands,
            ..Identity::clone(&self.identity)
        };
        Self {
            identity: Arc::new(identity),
            ..self
        }
    }

    /// Who is known to call.
    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Who calls, as their token says.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.identity.subject
    }

    /// The only tenant whose data the call opens.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.identity.tenant
    }

    /// The brands that the call may see.
    #[must_use]
    pub fn brands(&self) -> &Brands {
        &self.identity.brands
    }

    /// Whether the call may see the brand.
    #[must_use]
    pub fn may_see(&self, brand: &str) -> bool {
        self.brands().has(brand)
    }

    /// Whether the call may see every brand of its tenant, those too that are yet to come.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        *self.brands() == Brands::All
    }

    /// Whether the call is allowed what the scope is for.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.identity.scopes.contains(&scope)
    }

    /// The header that proves who calls, for calls that are made on their behalf.
    #[must_use]
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.made.authorization.as_ref()
    }

    /// How long the calls that serve this one may take: until its deadline, less the margin. The default deadline, where it has
    /// none of its own.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        match self.made.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::from_millis(Deadlines::default().default_ms),
        }
    }

    /// The name of the call in logs; empty where it has none.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.made.request_id
    }

    /// The hash of the call's request, by which a store distinguishes a repeated request from another one of the same id; none where
    /// the method has no request ids.
    #[must_use]
    pub fn request_hash(&self) -> Option<i64> {
        self.request_hash
    }

    /// The span of the call, parent of whatever serves it.
    #[must_use]
    pub fn trace(&self) -> &Span {
        &self.made.trace
    }

    /// What the audit log will say of the call besides who called and how it ended.
    #[must_use]
    pub fn notes(&self) -> &Notes {
        &self.made.notes
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("tenant", &self.tenant())
            .field("subject", &self.subject())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// The failure of what was handed no call.
pub(crate) fn unknown() -> Failure {
    Failure::new(Reason::Internal, "the request does not say who calls")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_without_a_call_is_refused_wherever_it_runs() {
        let refused = || Call::of(Request::new(())).unwrap_err().code();
        assert_eq!(refused(), tonic::Code::Internal);
        let mut request = Request::new(7);
        request.extensions_mut().insert(Call::background("acme"));
        let (call, asked) = Call::of(request).unwrap();
        assert_eq!((call.tenant(), asked), ("acme", 7));
        // Nothing hangs on the task: what is spawned beside a call has none.
        assert_eq!(
            tokio::spawn(async move { refused() }).await.unwrap(),
            tonic::Code::Internal
        );
    }

    #[test]
    fn a_call_is_narrowed_and_never_widened() {
        let some = |brands: &[&str]| Brands::Some(brands.iter().map(|brand| (*brand).to_owned()).collect());
        let whole = Call::background("t");
        assert!(whole.sees_all() && whole.may_see("A"));
        let one = whole
            .clone()
            .seeing(&some(&["A", "B"]))
            .seeing(&some(&["B", "C"]));
        assert_eq!(*one.brands(), some(&["B"]));
        assert_eq!(one.clone().seeing(&Brands::All).brands(), one.brands());
        assert!(!one.sees_all() && !one.may_see("A"));
        let outgoing = Call::outgoing(None);
        assert!(!outgoing.may_see("A") && outgoing.tenant().is_empty());
        assert!(
            Scope::ALL
                .iter()
                .all(|scope| whole.allows(*scope) && !outgoing.allows(*scope))
        );
    }

    #[test]
    fn the_hash_is_the_requests_own() {
        let call = Call::background("t");
        assert_eq!(call.request_hash(), None);
        assert_eq!(call.clone().asking(7).request_hash(), Some(7));
        assert_eq!(call.request_hash(), None);
    }
}

#[cfg(test)]
mod house;
