//! Clients that ask for too much, too slowly, or not at all; none of them keeps others from being answered.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dualwheel_kit::failure::{reason_of, retry_after};
use dualwheel_proto::{
    consumer::{GetFastRequest, consumer_service_client::ConsumerServiceClient},
    facts::{AppendRequest, fact_service_client::FactServiceClient},
};
use dualwheel_tests::raw::Raw;
use tokio::time::sleep;
use tonic::{Code, Request, Status, client::Grpc, transport::Channel};

use crate::{
    diagnosis::query,
    harness::{Server, market},
};

fn server(settings: &[&str]) -> (Server, tempfile::TempDir) {
    let data = market().copy();
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    (Server::start(data.path(), &["all"], &settings), data)
}

async fn fast(channel: &Channel) -> Result<(), Status> {
    let request = GetFastRequest {
        query: query(),
        ..GetFastRequest::default()
    };
    ConsumerServiceClient::new(channel.clone())
        .get_fast(request)
        .await
        .map(drop)
}

/// Whether the server closes the connection within `time`.
fn is_closed(mut stream: &TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    matches!(stream.read(&mut [0; 64]), Ok(0))
        || stream.take_error().unwrap().is_some()
        || stream.write(b"x").and_then(|_| stream.write(b"x")).is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_speak_are_let_go() {
    let (server, _data) = server(&["deadlines.handshake_ms=300"]);
    let address = server.url().replace("http://", "");
    let silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut slow = TcpStream::connect(&address).unwrap();
    fast(&server.channel()).await.unwrap();
    let begun = Instant::now();
    for byte in b"PRI * HTTP/2.0\r\n" {
        if slow.write(&[*byte]).is_err() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    for stream in silent.iter().chain([&slow]) {
        assert!(
            is_closed(stream, Duration::from_secs(5)),
            "after {:?}",
            begun.elapsed()
        );
    }
    fast(&server.channel()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_ended() {
    let (server, _data) = server(&["deadlines.default_ms=3000"]);
    let channel = server.channel();
    fast(&channel).await.unwrap();
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = "/dualwheel.consumer.v1.ConsumerService/GetFast".parse().unwrap();
    let begun = Instant::now();
    let never = Request::new(tokio_stream::pending::<Bytes>());
    let refused = match client.streaming(never, path, Raw).await {
        Ok(answers) => answers.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    assert_eq!(refused.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(10));
    fast(&channel).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_metadata_and_messages_are_refused_and_others_answered() {
    let (server, _data) = server(&["limits.metadata_bytes=4096", "limits.message_bytes=65536"]);
    let channel = server.channel();
    let mut request = Request::new(GetFastRequest {
        query: query(),
        ..GetFastRequest::default()
    });
    request
        .metadata_mut()
        .insert("x-large", "a".repeat(20_000).parse().unwrap());
    assert!(
        ConsumerServiceClient::new(channel.clone())
            .get_fast(request)
            .await
            .is_err()
    );
    let mut large = query().unwrap();
    large.brand = "a".repeat(4 << 20);
    let request = GetFastRequest {
        query: Some(large),
        ..GetFastRequest::default()
    };
    let refused = ConsumerServiceClient::new(channel.clone())
        .get_fast(request)
        .await
        .unwrap_err();
    assert!(
        [Code::InvalidArgument, Code::OutOfRange, Code::ResourceExhausted].contains(&refused.code()),
        "{refused:?}"
    );
    fast(&server.channel()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_asks_too_often_is_told_when_to_come_again() {
    let (server, _data) = server(&["limits.tenant_calls_per_second=5", "limits.tenant_burst=5"]);
    let channel = server.channel();
    let mut waits = Vec::new();
    for _ in 0..8 {
        if let Err(status) = fast(&channel).await {
            assert_eq!(reason_of(&status).unwrap(), "RATE_LIMITED");
            waits.push(retry_after(&status).unwrap());
        }
    }
    let wait = *waits.last().expect("nobody is told to wait");
    // Up to a half is added, so that not all come again at once.
    assert!(wait <= Duration::from_millis(300), "{wait:?}");
    sleep(wait + Duration::from_millis(5)).await;
    fast(&channel).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_streams_on_one_connection_waits_its_turn() {
    let (server, _data) = server(&["limits.streams_per_connection=4"]);
    let channel = server.channel();
    // Streams that are begun before the client knows of the limit are refused unbegun, to be begun again.
    let ask = async |_| {
        while let Err(status) = fast(&channel).await {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        }
    };
    futures::future::join_all((0..200).map(ask)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_grow_old_are_exchanged_without_a_failed_call() {
    let (server, _data) = server(&["deadlines.connection_age_ms=200"]);
    let channel = server.channel();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        // A call that meets the end of its connection was not begun: a client may make it again.
        while let Err(status) = fast(&channel).await {
            assert!(std::error::Error::source(&status).is_some(), "{status:?}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{status:?}");
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_not_used_do_not_keep_a_tenant_from_appending() {
    let (server, _data) = server(&["limits.concurrency=4"]);
    let channel = server.channel();
    let open = async || -> Result<_, Status> {
        let (sender, messages) = tokio::sync::mpsc::channel::<AppendRequest>(1);
        let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
        let answers = FactServiceClient::new(channel.clone()).append(messages).await?;
        Ok((sender, answers.into_inner()))
    };
    // A tenant may have half of four streams.
    let mut idle = [open().await.unwrap(), open().await.unwrap()];
    let begun = Instant::now();
    let refused = open().await.unwrap_err();
    assert_eq!(reason_of(&refused).unwrap(), "OVERLOADED");
    let (_sender, _answers) = loop {
        match open().await {
            Ok(opened) => break opened,
            Err(status) => sleep(retry_after(&status).unwrap()).await,
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "idle streams keep their places"
        );
    };
    let ended = idle[0].1.message().await.unwrap_err();
    assert_eq!(reason_of(&ended).unwrap(), "STREAM_IDLE");
}
