//! Rate limits of tenants: so many calls a second, and so many at once, by the generic cell rate algorithm.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock};

/// The limits within a process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Limits {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    quota: Quota,
    tenants: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    /// `per_second` calls of a tenant and `burst` at once (as many as a second allows when 0); no limit when 0.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let inner = NonZeroU32::new(per_second).map(|per_second| {
            let burst = NonZeroU32::new(burst).unwrap_or(per_second);
            let quota = Quota::per_second(per_second).allow_burst(burst);
            Arc::new(Inner {
                quota,
                tenants: DefaultKeyedRateLimiter::keyed(quota),
            })
        });
        Self { inner }
    }

    /// The quota of each tenant; `None` for no limit.
    pub(super) fn quota(&self) -> Option<Quota> {
        self.inner.as_ref().map(|inner| inner.quota)
    }

    /// Counts a call.
    pub(super) fn admit(&self, tenant: &str) -> Result<(), Duration> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let counted = inner.tenants.check_key(&tenant.to_owned());
        counted.map_err(|not_until| not_until.wait_time_from(inner.tenants.clock().now()))
    }
}
