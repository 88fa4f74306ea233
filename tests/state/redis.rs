//! What replicas share through Redis: a server, and a cluster, which refuses keys that lie apart.

use std::time::Duration;

use dualwheel_kit::{
    Config,
    shared::{Notice, Shared, key},
};
use dualwheel_tests::servers::Redis;
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(60);

/// A process that shares through `redis`.
fn process(redis: &Redis, per_second: u32, burst: u32) -> Shared {
    let mut config = Config::default();
    config.redis.url = Some(redis.url());
    config.limits.tenant_calls_per_second = per_second;
    config.limits.tenant_burst = burst;
    Shared::open(&config).unwrap()
}

async fn two_processes_share(redis: Redis) {
    let (one, two) = (process(&redis, 10, 3), process(&redis, 10, 3));
    let name = key("t", "x", "1");
    one.put(&name, "a".into(), LONG).await;
    assert_eq!(two.get(&name).await.unwrap(), "a");
    assert!(!two.claim(&name, "b".into(), LONG).await);
    two.forget(&name).await;
    assert!(one.claim(&name, "c".into(), LONG).await);
    assert_eq!(two.get(&name).await.unwrap(), "c");
    one.put(&name, "d".into(), Duration::from_millis(20)).await;
    sleep(Duration::from_millis(40)).await;
    assert_eq!(two.get(&name).await, None);

    // Three at once, whichever process they come to.
    assert!(one.admit("t").await.is_ok() && two.admit("t").await.is_ok() && one.admit("t").await.is_ok());
    let wait = two.admit("t").await.unwrap_err();
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_millis(100),
        "{wait:?}"
    );
    assert!(two.admit("u").await.is_ok());
    sleep(wait + Duration::from_millis(1)).await;
    assert!(one.admit("t").await.is_ok());

    let mut notices = two.notices();
    let notice = Notice::facts("t");
    // Until the other one listens.
    let heard = timeout(LONG, async {
        loop {
            one.notify(notice.clone());
            if let Ok(heard) = timeout(Duration::from_millis(100), notices.recv()).await {
                return heard.unwrap();
            }
        }
    });
    assert_eq!(heard.await.unwrap(), notice);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_server() {
    two_processes_share(Redis::start().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_cluster() {
    two_processes_share(Redis::cluster().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_is_done_without_and_found_again() {
    let mut redis = Redis::start().unwrap();
    let (one, two) = (process(&redis, 0, 0), process(&redis, 0, 0));
    let name = key("t", "x", "1");
    one.put(&name, "a".into(), LONG).await;
    redis.kill().unwrap();
    let begun = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(one.get(&name).await, None);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    one.put(&name, "alone".into(), LONG).await;
    assert_eq!(one.get(&name).await.unwrap(), "alone");
    assert_eq!(two.get(&name).await, None);
    redis.run().unwrap();
    let shared = timeout(LONG, async {
        loop {
            one.put(&name, "again".into(), LONG).await;
            if two.get(&name).await.is_some_and(|value| value == "again") {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    shared.await.unwrap();
}
