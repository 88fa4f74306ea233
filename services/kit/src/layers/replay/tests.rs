use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tonic::{Code, Status};

use super::*;
use crate::{
    access::Brands,
    failure::reason_of,
    layers::{
        framed,
        tests::{answer, call, next, read},
        wrap,
    },
};

const CREATE: &str = "/dualwheel.diagnosis.v1.PeerSetService/CreatePeerSet";

fn request(id: &str, name: &str) -> Bytes {
    let path = CREATE.trim_start_matches('/');
    let json = serde_json::json!({"requestId": id, "peerSet": {"displayName": name}});
    named::encode(path, &json.to_string()).into()
}

/// The layer before a handler that counts, answers the number of its call, and fails the first `failing` times.
fn house(failing: usize) -> (Next, Arc<AtomicUsize>) {
    house_of(failing, Duration::from_millis(20), PENDING)
}

/// The same with a handler that takes `work`, where a request counts as under way for `pending`.
fn house_of(failing: usize, work: Duration, pending: Duration) -> (Next, Arc<AtomicUsize>) {
    let config = Config::default();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let handler = next(move |request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let hash = request.extensions().get::<Call>().unwrap().request_hash();
        async move {
            sleep(work).await;
            if number < failing {
                return Status::unavailable("down").into_http();
            }
            answer(format!("{number} {}", hash.is_some()).as_bytes())
        }
    });
    let layer = pending_for(pending, &config, Shared::open(&config).unwrap());
    (wrap(vec![layer], handler), asked)
}

async fn ask(calls: &Next, tenant: &str, request: Bytes) -> (Bytes, Code) {
    read(calls.run(call(CREATE, tenant, request)).await).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let (calls, asked) = house(0);
    let first = (framed(b"0 true"), Code::Ok);
    for id in ["a1", "a1", "A1"] {
        assert_eq!(ask(&calls, "t", request(id, "a")).await, first);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for (tenant, id) in [("t", "2"), ("another", "a1"), ("t", ""), ("t", "")] {
        assert_ne!(ask(&calls, tenant, request(id, "a")).await, first);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

/// What an answer shows depends on the brands of the token, although the same person asks.
#[tokio::test]
async fn who_sees_other_brands_does_not_get_the_kept_answer() {
    let (calls, asked) = house(0);
    let first = ask(&calls, "t", request("1", "a")).await;
    let mut narrow = call(CREATE, "t", request("1", "a"));
    let caller = narrow.extensions().get::<Call>().unwrap().clone();
    let brands = Brands::Some(["A".to_owned()].into());
    narrow.extensions_mut().insert(caller.seeing(&brands));
    assert_ne!(read(calls.run(narrow).await).await, first);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn another_request_with_the_same_id_is_refused() {
    let (calls, asked) = house(0);
    ask(&calls, "t", request("1", "a")).await;
    let refused = calls.run(call(CREATE, "t", request("1", "b"))).await;
    let refused = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(reason_of(&refused).unwrap(), "REQUEST_ID_REUSED");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_failed_or_was_left_is_tried_again() {
    let (calls, asked) = house(1);
    assert_eq!(ask(&calls, "t", request("1", "a")).await.1, Code::Unavailable);
    assert_eq!(ask(&calls, "t", request("1", "a")).await.1, Code::Ok);
    let left = tokio::spawn(calls.run(call(CREATE, "t", request("2", "a"))));
    sleep(Duration::from_millis(5)).await;
    left.abort();
    assert_eq!(ask(&calls, "t", request("2", "a")).await.0, framed(b"3 true"));
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_same_request_at_once_is_done_once() {
    let (calls, asked) = house(0);
    let asking = (0..20).map(|_| ask(&calls, "t", request("1", "a")));
    for (answer, code) in futures::future::join_all(asking).await {
        assert_eq!((answer, code), (framed(b"0 true"), Code::Ok));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_is_under_way_for_as_long_as_it_takes() {
    let (calls, asked) = house_of(0, Duration::from_millis(1_500), Duration::from_millis(600));
    let both = futures::join!(
        ask(&calls, "t", request("1", "a")),
        ask(&calls, "t", request("1", "a"))
    );
    assert_eq!(both.0, both.1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn what_a_message_says_is_told_from_how_it_is_written() {
    let path = "dualwheel.diagnosis.v1.DiagnosisService/StartDiagnosis";
    let supplied = |names: &[&str]| {
        let supplied: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), serde_json::json!({"value": name.len()})))
            .collect();
        let json = serde_json::json!({"requestId": "r", "spec": {"brand": "A", "peers": [
            {"brand": "B", "supplied": supplied}, {"brand": "C"}]}});
        named::encode(path, &json.to_string())
    };
    let read = |bytes: &[u8]| hash(&DynamicMessage::decode(named::request(path).unwrap(), bytes).unwrap());
    let (one, other) = (supplied(&["a", "bb", "ccc"]), supplied(&["a", "bb", "cccc"]));
    // However the map is written: it is a hash map, and comes in another order again and again.
    assert!((0..20).all(|_| read(&supplied(&["ccc", "bb", "a"])) == read(&one)));
    assert_ne!(read(&one), read(&other));
    assert_eq!(text_of(one.into(), 2).as_deref(), Some("r"));
    assert_eq!(text_of(Bytes::from_static(&[0xff]), 2), None);
}
