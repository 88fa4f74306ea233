//! What the replicas of a service share: short-lived values, rate limits and notices.
//!
//! With `redis.url` they share it through Redis, otherwise and while Redis does not answer each process has its own. Nothing
//! that must not be lost is kept here: a value that is gone is worked out again, and what is acknowledged stands in the lake
//! or the database.
//!
//! Keys are `dw:{TENANT}:KIND:…`. What is in braces decides the slot in a Redis Cluster, so that what belongs to a tenant
//! lies together.

mod limit;
mod redis;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast;

pub use self::redis::Error;
use self::{limit::Limits, redis::Redis};
use crate::Config;

/// Notices that a slow listener may be behind before it misses some.
const NOTICES: usize = 1_024;
/// Topic of notices about new facts.
const FACTS: &str = "facts";
/// Bytes of values that a process keeps for itself.
const LOCAL_BYTES: u64 = 64 << 20;

/// What the replicas share. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    local: moka::future::Cache<String, Kept>,
    limits: Limits,
    redis: Option<Redis>,
    notices: broadcast::Sender<Notice>,
}

/// A value, and how long it is kept.
#[derive(Clone)]
struct Kept {
    value: Bytes,
    kept: Duration,
}

/// Lets every value expire after its own time.
struct AsLong;

impl moka::Expiry<String, Kept> for AsLong {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.kept)
    }

    fn expire_after_update(
        &self,
        _: &String,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.kept)
    }
}

/// Something that other processes hear of. It may be lost: who listens also looks by itself now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Tenant.
    pub tenant: String,
    /// What has changed.
    pub topic: String,
}

impl Notice {
    /// That a tenant has new facts.
    #[must_use]
    pub fn facts(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            topic: FACTS.to_owned(),
        }
    }

    /// Whether it is about new facts.
    #[must_use]
    pub fn is_of_facts(&self) -> bool {
        self.topic == FACTS
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("redis", &self.redis.is_some())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// By the configuration; connects when first asked.
    ///
    /// # Errors
    /// When the URL of Redis cannot be read.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let (notices, _) = broadcast::channel(NOTICES);
        let redis = match &config.redis.url {
            Some(url) => Some(Redis::open(url, notices.clone())?),
            None => None,
        };
        let local = moka::future::Cache::builder()
            .max_capacity(LOCAL_BYTES)
            .weigher(|key: &String, kept: &Kept| {
                u32::try_from(key.len() + kept.value.len() + 64).unwrap_or(u32::MAX)
            })
            .expire_after(AsLong)
            .build();
        Ok(Self {
            local,
            limits: Limits::new(config.limits.tenant_calls_per_second, config.limits.tenant_burst),
            redis,
            notices,
        })
    }

    /// Whether processes share anything at all.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.redis.is_some()
    }

    /// A value; `None` where there is none or nobody answers.
    pub async fn get(&self, key: &str) -> Option<Bytes> {
        if let Some(redis) = &self.redis
            && let Some(found) = redis.get(key).await
        {
            return found;
        }
        Some(self.local.get(key).await?.value)
    }

    /// Keeps a value for as long.
    pub async fn put(&self, key: &str, value: Bytes, kept: Duration) {
        let stored = match &self.redis {
            Some(redis) => redis.put(key, &value, kept).await,
            None => None,
        };
        match stored {
            // What was kept here while Redis was away is no longer the last word.
            Some(()) => self.local.invalidate(key).await,
            None => self.local.insert(key.to_owned(), Kept { value, kept }).await,
        }
    }

    /// Keeps a value where there is none yet; whether it is this one now.
    pub async fn claim(&self, key: &str, value: Bytes, kept: Duration) -> bool {
        if let Some(redis) = &self.redis
            && let Some(claimed) = redis.claim(key, &value, kept).await
        {
            return claimed;
        }
        self.local
            .entry(key.to_owned())
            .or_insert(Kept { value, kept })
            .await
            .is_fresh()
    }

    /// Forgets a value.
    pub async fn forget(&self, key: &str) {
        if let Some(redis) = &self.redis {
            redis.forget(key).await;
        }
        self.local.invalidate(key).await;
    }

    /// Counts a call of the tenant against its limit.
    ///
    /// # Errors
    /// How long to wait where the limit is reached.
    pub async fn admit(&self, tenant: &str) -> Result<(), Duration> {
        let Some(quota) = self.limits.quota() else {
            return Ok(());
        };
        if let Some(redis) = &self.redis
            && let Some(wait) = redis.admit(&key(tenant, "rate", ""), quota).await
        {
            return if wait.is_zero() { Ok(()) } else { Err(wait) };
        }
        self.limits.admit(tenant)
    }

    /// Tells all processes, this one too.
    pub fn notify(&self, notice: Notice) {
        if let Some(redis) = &self.redis {
            redis.notify(notice.clone());
        }
        // Nobody has to listen.
        let _ = self.notices.send(notice);
    }

    /// What is noticed from now on. A notice of this process may come twice.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

/// The key of a tenant's value.
#[must_use]
pub fn key(tenant: &str, kind: &str, rest: &str) -> String {
    format!("dw:{{{tenant}}}:{kind}:{rest}")
}

#[cfg(test)]
mod tests;
