//! The part of Redis. Every answer is an `Option`: `None` says that Redis did not answer, and that the process is to do
//! without. After a failure it is left alone for a second, so that calls do not all wait for it.

use std::{
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use governor::Quota;
use redis::{
    Client, Cmd, FromRedisValue, RedisError, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cmd,
};
use tokio::{
    sync::{Mutex, broadcast, mpsc},
    time::{sleep, timeout},
};

use super::Notice;
use crate::tls::set_provider;

/// Longest time of a command.
const COMMAND: Duration = Duration::from_millis(250);
/// How long Redis is left alone after a failure.
const LEFT_ALONE_MS: i64 = 1_000;
/// Channel of notices.
const CHANNEL: &str = "dw:notices";
/// Notices that wait to be sent; more are dropped.
const OUTBOX: usize = 1_024;

/// The generic cell rate algorithm on the server's clock, in microseconds: `KEYS[1]` holds when the last call would have
/// come at an even pace, and is not believed to lie further ahead than a burst: the clock may have been set back. `ARGV` are
/// the pace and the burst. Answers how long to wait; 0 admits.
static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local pace, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = math.min(tonumber(redis.call('GET', KEYS[1]) or 0), now + burst * pace)
local due = math.max(held, now) + pace
local wait = due - burst * pace - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
return 0",
    )
});

/// A URL that is none of Redis.
#[derive(Debug, thiserror::Error)]
#[error("redis.url: {0}")]
pub struct Error(#[from] RedisError);

/// A server, or a cluster of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    begun: Instant,
    /// Milliseconds since `begun` until which Redis is left alone.
    left_alone_until: AtomicI64,
    up: AtomicBool,
    outbox: mpsc::Sender<Notice>,
}

enum Link {
    One(ConnectionManager),
    Cluster(Box<ClusterClient>, Mutex<Option<ClusterConnection>>),
}

impl Redis {
    pub(super) fn open(url: &str, notices: broadcast::Sender<Notice>) -> Result<Self, Error> {
        set_provider();
        let nodes: Vec<&str> = url.split(',').map(str::trim).collect();
        let first = Client::open(nodes.first().copied().unwrap_or_default())?;
        let link = if nodes.len() == 1 {
            let config = ConnectionManagerConfig::new()
                .set_number_of_retries(1)
                .set_connection_timeout(Some(COMMAND))
                .set_response_timeout(Some(COMMAND));
            Link::One(ConnectionManager::new_lazy_with_config(first.clone(), config)?)
        } else {
            let cluster = ClusterClient::builder(nodes)
                .retries(1)
                .connection_timeout(COMMAND)
                .response_timeout(COMMAND);
            Link::Cluster(Box::new(cluster.build()?), Mutex::default())
        };
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        let inner = Inner {
            link,
            begun: Instant::now(),
            left_alone_until: AtomicI64::new(0),
            up: AtomicBool::new(true),
            outbox,
        };
        let redis = Self {
            inner: Arc::new(inner),
        };
        tokio::spawn(send(Arc::downgrade(&redis.inner), waiting));
        tokio::spawn(listen(Arc::downgrade(&redis.inner), first, notices));
        gauge(&redis);
        Ok(redis)
    }

    pub(super) async fn get(&self, key: &str) -> Option<Option<Bytes>> {
        let found: Option<Vec<u8>> = self.ask(cmd("GET").arg(key)).await?;
        Some(found.map(Bytes::from))
    }

    pub(super) async fn put(&self, key: &str, value: &[u8], kept: Duration) -> Option<()> {
        let mut set = cmd("SET");
        self.ask(set.arg(key).arg(value).arg("PX").arg(millis(kept)))
            .await
    }

    pub(super) async fn claim(&self, key: &str, value: &[u8], kept: Duration) -> Option<bool> {
        let mut set = cmd("SET");
        let set = set.arg(key).arg(value).arg("NX").arg("PX").arg(millis(kept));
        let said: Option<String> = self.ask(set).await?;
        Some(said.is_some())
    }

    pub(super) async fn forget(&self, key: &str) -> Option<()> {
        self.ask(cmd("DEL").arg(key)).await
    }

    /// Counts a call under `key`; how long it must wait.
    pub(super) async fn admit(&self, key: &str, quota: Quota) -> Option<Duration> {
        let mut admit = ADMIT.key(key);
        admit.arg(quota.replenish_interval().as_micros() as u64);
        admit.arg(quota.burst_size().get());
        let admitted = async {
            match &self.inner.link {
                Link::One(one) => admit.invoke_async::<i64>(&mut one.clone()).await,
                Link::Cluster(client, held) => {
                    let mut connection = connect(client, held).await?;
                    admit.invoke_async::<i64>(&mut connection).await
                }
            }
        };
        let wait = self.answered(admitted).await?;
        Some(Duration::from_micros(u64::try_from(wait).unwrap_or(0)))
    }

    pub(super) fn notify(&self, notice: Notice) {
        // A full outbox means that Redis is away; notices may be lost.
        let _ = self.inner.outbox.try_send(notice);
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let asked = async {
            match &self.inner.link {
                Link::One(one) => command.query_async(&mut one.clone()).await,
                Link::Cluster(client, held) => {
                    let mut connection = connect(client, held).await?;
                    command.query_async(&mut connection).await
                }
            }
        };
        self.answered(asked).await
    }

    /// What Redis answers, where it is not left alone and answers in time.
    async fn answered<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let inner = &self.inner;
        let now = || i64::try_from(inner.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        if now() < inner.left_alone_until.load(Ordering::Relaxed) {
            return None;
        }
        let reason = match timeout(COMMAND, asked).await {
            Ok(Ok(answer)) => {
                if !inner.up.swap(true, Ordering::Relaxed) {
                    tracing::info!("Redis answers again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {COMMAND:?}"),
        };
        inner
            .left_alone_until
            .store(now() + LEFT_ALONE_MS, Ordering::Relaxed);
        if inner.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(reason, "Redis does not answer; the process does without");
        }
        None
    }
}

async fn connect(
    client: &ClusterClient,
    held: &Mutex<Option<ClusterConnection>>,
) -> RedisResult<ClusterConnection> {
    let mut held = held.lock().await;
    if let Some(connection) = held.as_ref() {
        return Ok(connection.clone());
    }
    let fresh = client.get_async_connection().await?;
    *held = Some(fresh.clone());
    Ok(fresh)
}

/// Sends notices until the last handle is gone.
async fn send(inner: Weak<Inner>, mut waiting: mpsc::Receiver<Notice>) {
    while let Some(notice) = waiting.recv().await {
        let Some(inner) = inner.upgrade() else { return };
        let said = format!("{} {}", notice.tenant, notice.topic);
        // Without Redis the notice is lost; who listens looks by itself.
        let _: Option<()> = Redis { inner }.ask(cmd("PUBLISH").arg(CHANNEL).arg(said)).await;
    }
}

/// Hears the notices of all processes until the last handle is gone.
async fn listen(inner: Weak<Inner>, client: Client, notices: broadcast::Sender<Notice>) {
    while inner.strong_count() > 0 {
        if let Ok(mut heard) = client.get_async_pubsub().await
            && heard.subscribe(CHANNEL).await.is_ok()
        {
            let mut messages = heard.on_message();
            while let Some(message) = messages.next().await {
                let said: String = message.get_payload().unwrap_or_default();
                if let Some((tenant, topic)) = said.split_once(' ') {
                    let notice = Notice {
                        tenant: tenant.to_owned(),
                        topic: topic.to_owned(),
                    };
                    let _ = notices.send(notice);
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn gauge(redis: &Redis) {
    let inner = Arc::downgrade(&redis.inner);
    opentelemetry::global::meter("dualwheel")
        .u64_observable_gauge("dualwheel.redis.up")
        .with_description("Whether Redis answered when it was last asked")
        .with_callback(move |observer| {
            if let Some(inner) = inner.upgrade() {
                observer.observe(u64::from(inner.up.load(Ordering::Relaxed)), &[]);
            }
        })
        .build();
}

fn millis(kept: Duration) -> u64 {
    u64::try_from(kept.as_millis()).unwrap_or(u64::MAX).max(1)
}
