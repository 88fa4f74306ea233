use std::time::Instant;

use http::header::AUTHORIZATION;
use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tonic::Code;

use super::*;
use crate::{
    failure::reason_of,
    identity::tests::{House, signed},
    layers::{access::authentication, tests::next, wrap},
};

const APPEND: &str = "/dualwheel.facts.v1.FactService/Append";
const WATCH: &str = "/dualwheel.diagnosis.v1.DiagnosisService/WatchRun";

/// Answers every frame as it comes, and its request's failure as its own, as a service does.
fn echo() -> Next {
    next(|request| async move {
        let frames = request.into_body().into_data_stream().map(|frame| match frame {
            Ok(bytes) => Ok::<_, Status>(Frame::data(bytes)),
            Err(status) => Ok(end_of_answers(&status)),
        });
        Response::new(Body::new(StreamBody::new(frames)))
    })
}

/// A stream of `path` with a token of these claims: what sends messages, and the answers.
async fn open(house: &House, path: &str, claims: Value) -> (mpsc::UnboundedSender<Bytes>, Body) {
    let calls = wrap(vec![authentication(Arc::new(house.verifier()))], echo());
    let (sender, messages) = mpsc::unbounded_channel();
    let messages = UnboundedReceiverStream::new(messages).map(|bytes| Ok::<_, Status>(Frame::data(bytes)));
    let request = Request::builder()
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {}", signed(claims)))
        .body(Body::new(StreamBody::new(messages)))
        .unwrap();
    (sender, calls.run(request).await.into_body())
}

async fn answer(body: &mut Body) -> Frame<Bytes> {
    timeout(Duration::from_secs(10), body.frame())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

fn refusal(frame: Frame<Bytes>) -> Status {
    Status::from_header_map(&frame.into_trailers().unwrap()).unwrap()
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let house = House::new();
    for path in [APPEND, WATCH] {
        // The clocks may differ by a second in this house.
        let begun = Instant::now();
        let (sender, mut answers) = open(&house, path, json!({"exp": get_current_timestamp() + 1})).await;
        sender.send(Bytes::from_static(b"x")).unwrap();
        assert_eq!(answer(&mut answers).await.into_data().unwrap(), "x", "{path}");
        // Whether anything comes or not.
        let ended = refusal(answer(&mut answers).await);
        assert_eq!(ended.code(), Code::Unauthenticated, "{path}: {ended:?}");
        assert_eq!(reason_of(&ended).as_deref(), Some("UNAUTHENTICATED"));
        assert!(ended.message().contains("expired"), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{path}");
        assert!(answers.frame().await.is_none(), "{path} goes on");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_no_later_message_is_taken() {
    for path in [APPEND, WATCH] {
        let house = House::new();
        let (sender, mut answers) = open(&house, path, json!({})).await;
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"x")).unwrap();
            assert_eq!(answer(&mut answers).await.into_data().unwrap(), "x");
        }
        house.write_jwks(&json!({"keys": []}));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        sender.send(Bytes::from_static(b"late")).unwrap();
        let ended = refusal(answer(&mut answers).await);
        assert_eq!(ended.code(), Code::Unauthenticated, "{path}: {ended:?}");
        assert!(ended.message().contains("no key"), "{ended:?}");
    }
}

#[tokio::test]
async fn single_calls_are_looked_at_once() {
    let house = House::new();
    let path = "/dualwheel.facts.v1.FactService/GetTenant";
    let (sender, mut answers) = open(&house, path, json!({})).await;
    house.write_jwks(&json!({"keys": []}));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    sender.send(Bytes::from_static(b"x")).unwrap();
    assert_eq!(answer(&mut answers).await.into_data().unwrap(), "x");
}
