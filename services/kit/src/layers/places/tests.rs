use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{Notify, mpsc};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tonic::Code;

use super::*;
use crate::{
    failure::{reason_of, retry_after},
    layers::{
        tests::{code, next},
        wrap,
    },
};

const APPEND: &str = "/dualwheel.facts.v1.FactService/Append";

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_until_a_place_is_free() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let slow = next(move |_| {
        let go = Arc::clone(&waiting);
        async move {
            go.notified().await;
            Response::new(Body::new(http_body_util::Full::<tonic::codegen::Bytes>::from(
                "x",
            )))
        }
    });
    let calls = wrap(vec![load_shed(1)], slow);
    let first = tokio::spawn(calls.run(request("/x/Y")));
    tokio::task::yield_now().await;
    let refused = calls.run(request("/x/Y")).await;
    let status = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
    let health = tokio::spawn(calls.run(request("/grpc.health.v1.Health/Check")));
    tokio::task::yield_now().await;
    go.notify_waiters();
    assert_eq!(code(&health.await.unwrap()), Code::Ok);
    // The place is held as long as the answer's body is read.
    let answer = first.await.unwrap();
    assert_eq!(code(&calls.run(request("/x/Y")).await), Code::ResourceExhausted);
    drop(answer);
    go.notify_one();
    assert_eq!(code(&calls.run(request("/x/Y")).await), Code::Ok);
}

#[tokio::test]
async fn streams_leave_room_for_single_calls_and_for_the_streams_of_others() {
    let answer = next(|_| async {
        Response::new(Body::new(http_body_util::Full::<tonic::codegen::Bytes>::from(
            "x",
        )))
    });
    let calls = wrap(vec![load_shed(4), stream_share(4)], answer);
    let ask = |path: &'static str, tenant: &str| {
        let mut call = request(path);
        call.extensions_mut().insert(Call::background(tenant));
        calls.run(call)
    };
    let append = "/dualwheel.facts.v1.FactService/Append";
    let held = [ask(append, "a").await, ask(append, "a").await];
    let third = ask(append, "a").await;
    let status = Status::from_header_map(third.headers()).unwrap();
    assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
    let of_others = [ask(append, "b").await, ask(append, "b").await];
    for answer in held.iter().chain(&of_others) {
        assert_eq!(code(answer), Code::Ok);
    }
    // No place is left for any stream, but for single calls.
    assert_eq!(code(&ask(append, "c").await), Code::ResourceExhausted);
    let single = ask("/dualwheel.facts.v1.FactService/GetTenant", "a").await;
    assert_eq!(code(&single), Code::Ok);
    drop(held);
    assert_eq!(code(&ask(append, "c").await), Code::Ok);
}

/// A service that answers every message, and tells how the request ends.
fn echo() -> Next {
    next(|request| async move {
        let frames = request.into_body().into_data_stream();
        Response::new(Body::new(StreamBody::new(
            frames.map(|frame| frame.map(Frame::data)),
        )))
    })
}

/// A stream of `tenant`, and what sends its messages.
fn open(calls: &Next, tenant: &str) -> (mpsc::UnboundedSender<Bytes>, impl Future<Output = Response<Body>>) {
    let (sender, messages) = mpsc::unbounded_channel();
    let messages = UnboundedReceiverStream::new(messages).map(|bytes| Ok::<_, Status>(Frame::data(bytes)));
    let mut call = request(APPEND).map(|_| Body::new(StreamBody::new(messages)));
    call.extensions_mut().insert(Call::background(tenant));
    (sender, calls.run(call))
}

/// Lets the stream wait for its caller for as long.
async fn wait(stream: &mut Response<Body>, time: Duration) -> Option<Result<Frame<Bytes>, Status>> {
    tokio::time::timeout(time, stream.body_mut().frame())
        .await
        .unwrap_or_default()
}

#[tokio::test]
async fn a_stream_that_waits_for_its_caller_gives_its_place_up() {
    const LONG: Duration = Duration::from_millis(200);
    let calls = wrap(vec![shared_among(2, LONG)], echo());
    let (busy, first) = open(&calls, "a");
    let (_idle, second) = open(&calls, "a");
    let (mut first, mut second) = (first.await, second.await);
    assert!(wait(&mut second, LONG / 2).await.is_none());
    // Nobody has been idle for long yet.
    let third = open(&calls, "a").1.await;
    assert_eq!(code(&third), Code::ResourceExhausted);
    for _ in 0..4 {
        busy.send(Bytes::from_static(b"x")).unwrap();
        let echoed = wait(&mut first, LONG).await.unwrap().unwrap();
        assert_eq!(echoed.into_data().unwrap(), "x");
        assert!(wait(&mut first, LONG / 3).await.is_none());
    }
    let (_next, third) = open(&calls, "a");
    let third = third.await;
    assert_eq!(code(&third), Code::Ok, "an idle stream keeps its place");
    let ended = wait(&mut second, LONG).await.unwrap().unwrap_err();
    assert_eq!(reason_of(&ended).as_deref(), Some("STREAM_IDLE"));
    assert_eq!(ended.code(), Code::Unavailable);
    // The busy one goes on, and the place of the ended one is not counted twice.
    busy.send(Bytes::from_static(b"y")).unwrap();
    assert!(wait(&mut first, LONG).await.unwrap().is_ok());
    drop(second);
    let fourth = open(&calls, "a").1.await;
    assert_eq!(code(&fourth), Code::ResourceExhausted);
}

/// A service that answers without an end, and tells when it is no longer asked to.
fn endless(gone: Arc<Notify>) -> Next {
    struct Asked(Arc<Notify>);
    impl Drop for Asked {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    next(move |_| {
        let asked = Asked(gone.clone());
        async move {
            let frames = stream::repeat_with(move || {
                let _asked = &asked;
                Ok::<_, Status>(Frame::data(Bytes::from_static(b"x")))
            });
            Response::new(Body::new(StreamBody::new(frames)))
        }
    })
}

#[tokio::test]
async fn a_stream_whose_answers_nobody_takes_gives_its_place_up() {
    const LONG: Duration = Duration::from_millis(200);
    let gone = Arc::new(Notify::new());
    let calls = wrap(vec![shared_among(2, LONG)], endless(gone.clone()));
    // Both have said everything, so that neither waits for a message.
    let [mut read, mut unread] = [open(&calls, "a").1.await, open(&calls, "a").1.await];
    assert!(wait(&mut unread, LONG).await.unwrap().is_ok());
    assert_eq!(code(&open(&calls, "a").1.await), Code::ResourceExhausted);
    for _ in 0..4 {
        assert!(wait(&mut read, LONG).await.unwrap().is_ok());
        tokio::time::sleep(LONG / 3).await;
    }
    let third = open(&calls, "a").1.await;
    assert_eq!(code(&third), Code::Ok, "an unread stream keeps its place");
    // The service is told at once, although nobody reads; who reads at last is told why there is no more.
    tokio::time::timeout(LONG, gone.notified()).await.unwrap();
    let end = loop {
        let frame = wait(&mut unread, LONG).await.unwrap().unwrap();
        if let Ok(trailers) = frame.into_trailers() {
            break Status::from_header_map(&trailers).unwrap();
        }
    };
    assert_eq!(reason_of(&end).as_deref(), Some("STREAM_IDLE"));
    assert!(end.message().contains("not read"), "{}", end.message());
    assert!(wait(&mut unread, LONG).await.is_none(), "that was the end");
    // Who reads keeps the place.
    assert!(wait(&mut read, LONG).await.unwrap().is_ok());
    drop(unread);
    assert_eq!(code(&open(&calls, "a").1.await), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_whose_caller_has_said_everything_is_not_idle() {
    const LONG: Duration = Duration::from_millis(50);
    let working = next(|request| async move {
        request.into_body().collect().await.unwrap();
        Response::new(Body::new(StreamBody::new(stream::pending::<
            Result<Frame<Bytes>, Status>,
        >())))
    });
    let calls = wrap(vec![shared_among(1, LONG)], working);
    let (sender, held) = open(&calls, "a");
    drop(sender);
    let mut held = held.await;
    assert!(wait(&mut held, LONG * 2).await.is_none());
    assert_eq!(code(&open(&calls, "a").1.await), Code::ResourceExhausted);
}

#[tokio::test]
async fn waits_grow_while_more_are_refused_and_shrink_again() {
    let places = Places::new(4, IDLE);
    let held: Vec<_> = (0..4).map(|_| places.take().ok().unwrap()).collect();
    let told: Vec<Duration> = (0..100).map(|_| places.take().err().unwrap()).collect();
    assert_eq!(told[0], FIRST_WAIT);
    assert!(told.is_sorted());
    // It doubles with as many refusals as there are places, five times.
    for (refusals, doublings) in [(4, 1), (8, 2), (20, 5), (99, 5)] {
        assert_eq!(told[refusals], FIRST_WAIT * 2_u32.pow(doublings));
    }
    drop(held);
    for _ in 0..20 {
        drop(places.take().ok().unwrap());
    }
    let _held: Vec<_> = (0..4).map(|_| places.take().ok().unwrap()).collect();
    assert_eq!(places.take().err().unwrap(), FIRST_WAIT);
}

#[tokio::test]
async fn those_that_are_refused_together_do_not_come_again_together() {
    let calls = wrap(vec![load_shed(1)], next(|_| std::future::pending()));
    let mut first = Box::pin(calls.run(request("/dualwheel.facts.v1.FactService/GetTenant")));
    assert!(futures::poll!(&mut first).is_pending());
    let mut waits = Vec::new();
    for _ in 0..20 {
        let refused = calls
            .run(request("/dualwheel.facts.v1.FactService/GetTenant"))
            .await;
        let status = Status::from_header_map(refused.headers()).unwrap();
        waits.push(retry_after(&status).unwrap());
    }
    let longest = FIRST_WAIT * 2_u32.pow(DOUBLINGS);
    let at_most: Vec<_> = waits.iter().filter(|wait| **wait >= longest).collect();
    assert!(
        at_most.len() >= 10 && at_most.iter().all(|wait| **wait <= longest.mul_f64(1.5)),
        "{waits:?}"
    );
    assert!(at_most.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
}
