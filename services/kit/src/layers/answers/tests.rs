use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;
use tonic::Code;

use super::*;
use crate::layers::{
    Next, framed,
    tests::{answer, call, next, read},
    wrap,
};

const FAST: &str = "/dualwheel.consumer.v1.ConsumerService/GetFast";

/// Versions that a test sets.
#[derive(Default)]
pub(in crate::layers) struct Fixed(Mutex<String>);

#[async_trait]
impl Versions for Fixed {
    async fn of(&self, _tenant: &str) -> Option<Arc<str>> {
        Some(self.0.lock().unwrap().as_str())
            .filter(|text| *text != "unknown")
            .map(Into::into)
    }
}

/// The layer before a handler that counts, and answers the number of its call; `fail` lets it fail.
struct House {
    calls: Next,
    versions: Arc<Fixed>,
    asked: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

impl House {
    fn new(waits: bool, fails: bool) -> Self {
        let config = Config::default();
        let versions = Arc::new(Fixed::default());
        let layer = layer(&config, Shared::open(&config).unwrap(), versions.clone());
        let asked = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let (count, gone) = (asked.clone(), go.clone());
        let handler = next(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let gone = gone.clone();
            async move {
                if waits {
                    gone.notified().await;
                }
                if fails {
                    return Status::unavailable("down").into_http();
                }
                answer(number.to_string().as_bytes())
            }
        });
        Self {
            calls: wrap(vec![layer], handler),
            versions,
            asked,
            go,
        }
    }

    async fn ask(&self, path: &str, tenant: &str, message: &'static [u8]) -> (Bytes, Code) {
        read(self.calls.run(call(path, tenant, message.into())).await).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_answer_is_kept_while_nothing_changes() {
    let house = House::new(false, false);
    let first = (framed(b"0"), Code::Ok);
    assert_eq!(house.ask(FAST, "t", b"q").await, first);
    assert_eq!(house.ask(FAST, "t", b"q").await, first);
    for (path, tenant, question) in [
        (FAST, "another", &b"q"[..]),
        (FAST, "t", b"r"),
        ("/dualwheel.consumer.v1.ConsumerService/GetAipl", "t", b"q"),
    ] {
        assert_ne!(house.ask(path, tenant, question).await.0, first.0);
    }
    *house.versions.0.lock().unwrap() = "2".to_owned();
    assert_eq!(house.ask(FAST, "t", b"q").await.0, framed(b"4"));
    *house.versions.0.lock().unwrap() = "unknown".to_owned();
    assert_eq!(house.ask(FAST, "t", b"q").await.0, framed(b"5"));
    assert_eq!(house.ask(FAST, "t", b"q").await.0, framed(b"6"));
}

/// What a caller may see decides what a market says: callers of other rights share no answer, those of the same do.
#[tokio::test]
async fn an_answer_is_for_the_brands_that_the_caller_may_see() {
    let house = House::new(false, false);
    let ask = |brands: Brands| {
        let mut request = call(FAST, "t", b"q"[..].into());
        request
            .extensions_mut()
            .insert(Call::background("t").seeing(&brands));
        house.calls.run(request)
    };
    let some = |brands: &[&str]| Brands::Some(brands.iter().map(|brand| (*brand).to_owned()).collect());
    let askers = [
        Brands::All,
        some(&[]),
        some(&["a"]),
        some(&["b"]),
        some(&["a", "b"]),
        some(&["ab"]),
    ];
    for _ in 0..2 {
        for (number, brands) in askers.iter().enumerate() {
            let (answer, _) = read(ask(brands.clone()).await).await;
            assert_eq!(answer, framed(number.to_string().as_bytes()), "{brands:?}");
        }
    }
    let keys: std::collections::BTreeSet<String> = askers
        .into_iter()
        .map(|brands| {
            let question = Question {
                sight: Sight(Call::background("t").seeing(&brands).identity().clone()),
                method: FAST,
                request: Bytes::new(),
                versions: "".into(),
            };
            question.key()
        })
        .collect();
    assert_eq!(keys.len(), 6);
}

#[tokio::test]
async fn only_answers_from_the_facts_are_kept() {
    let house = House::new(false, false);
    let list = "/dualwheel.consumer.v1.AudienceService/ListAudiences";
    assert_ne!(house.ask(list, "t", b"").await, house.ask(list, "t", b"").await);
}

#[tokio::test]
async fn failures_are_told_and_not_kept() {
    let house = House::new(false, true);
    for asked in 1..3 {
        assert_eq!(house.ask(FAST, "t", b"q").await.1, Code::Unavailable);
        assert_eq!(house.asked(), asked);
    }
}

#[tokio::test]
async fn the_same_questions_at_once_are_one_question() {
    let house = Arc::new(House::new(true, false));
    let ask = |_| {
        let house = house.clone();
        tokio::spawn(async move { house.ask(FAST, "t", b"q").await.0 })
    };
    let mut asking: Vec<_> = (0..20).map(ask).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.asked(), 1);
    // Who asked first goes away: the next one takes over.
    asking.remove(0).abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.asked(), 2);
    house.go.notify_one();
    for asking in asking {
        assert_eq!(asking.await.unwrap(), framed(b"1"));
    }
    assert_eq!(house.asked(), 2);
}
