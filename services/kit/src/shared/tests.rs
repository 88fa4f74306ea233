use std::time::Duration;

use super::*;

fn local(per_second: u32, burst: u32) -> Shared {
    let mut config = Config::default();
    config.limits.tenant_calls_per_second = per_second;
    config.limits.tenant_burst = burst;
    Shared::open(&config).unwrap()
}

/// What every kind of sharing must do; also run against a real Redis, in `tests/`.
#[tokio::test]
async fn a_process_shares_with_itself() {
    let shared = local(0, 0);
    let long = Duration::from_secs(60);
    let (one, two) = (key("t", "x", "1"), key("t", "x", "2"));
    assert_eq!(one, "dw:{t}:x:1");
    assert_eq!(shared.get(&one).await, None);
    shared.put(&one, "a".into(), long).await;
    assert_eq!(shared.get(&one).await.unwrap(), "a");
    assert!(!shared.claim(&one, "b".into(), long).await);
    assert!(shared.claim(&two, "b".into(), long).await);
    assert_eq!(shared.get(&two).await.unwrap(), "b");
    shared.forget(&two).await;
    assert_eq!(shared.get(&two).await, None);
    let mut notices = shared.notices();
    let notice = Notice::facts("t");
    shared.notify(notice.clone());
    assert_eq!(notices.recv().await.unwrap(), notice);
}

#[tokio::test]
async fn a_tenant_has_its_burst_and_then_its_pace() {
    let shared = local(10, 3);
    for _ in 0..3 {
        assert_eq!(shared.admit("t").await, Ok(()));
    }
    let wait = shared.admit("t").await.unwrap_err();
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_millis(100),
        "{wait:?}"
    );
    assert_eq!(shared.admit("another").await, Ok(()));
    tokio::time::sleep(wait).await;
    assert_eq!(shared.admit("t").await, Ok(()));
    assert!(local(0, 0).admit("t").await.is_ok());
}

#[tokio::test]
async fn without_its_redis_a_process_goes_on_alone() {
    let mut config = Config::default();
    // A port that nobody listens on.
    config.redis.url = Some("redis://127.0.0.1:1".to_owned());
    config.limits.tenant_calls_per_second = 1;
    let shared = Shared::open(&config).unwrap();
    let name = key("t", "x", "1");
    let begun = std::time::Instant::now();
    shared.put(&name, "a".into(), Duration::from_secs(60)).await;
    for _ in 0..100 {
        assert_eq!(shared.get(&name).await.unwrap(), "a");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "Redis is not left alone"
    );
    assert!(shared.admit("t").await.is_ok());
    assert!(shared.admit("t").await.is_err());
    config.redis.url = Some("nonsense".to_owned());
    assert!(Shared::open(&config).is_err());
}
