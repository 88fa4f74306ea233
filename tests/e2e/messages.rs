//! Bytes that are no messages: each is the sender's fault, is told so with a reason, and nothing is done.

use bytes::Bytes;
use dualwheel_kit::{
    access::{Method, named},
    failure::{reason_of, violations_of},
};
use dualwheel_tests::raw::Raw;
use http_body_util::{BodyExt, Full};
use tonic::{Code, Request, Status, client::Grpc, transport::Channel};

use crate::harness::{Server, market};

/// Calls any method with messages of these bytes.
async fn call(channel: &Channel, path: &str, messages: Vec<Bytes>) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{path}").parse().unwrap();
    let request = Request::new(tokio_stream::iter(messages));
    let mut answers = client.streaming(request, path, Raw).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}

/// Calls a method with a body as it is.
async fn send(channel: &Channel, path: &str, body: &[u8]) -> Status {
    let request = http::Request::post(format!("http://localhost/{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Full::new(Bytes::copy_from_slice(body))))
        .unwrap();
    let mut channel = channel.clone();
    std::future::poll_fn(|context| tower::Service::poll_ready(&mut channel, context))
        .await
        .unwrap();
    let (parts, body) = tower::Service::call(&mut channel, request)
        .await
        .unwrap()
        .into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned();
    Status::from_header_map(&parts.headers)
        .or_else(|| Status::from_header_map(&trailers?))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_refused_by_every_method() {
    let data = market().copy();
    let server = Server::all(data.path());
    let channel = server.channel();
    for method in Method::all() {
        // A key that breaks off, and a field that does.
        for bytes in [&[0xff][..], &[0x0a, 9, 1]] {
            let refused = call(&channel, method.path, vec![Bytes::copy_from_slice(bytes)]).await;
            let Err(status) = refused else {
                panic!("{} takes {bytes:?}", method.path)
            };
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{}: {status:?}",
                method.path
            );
            let reason = reason_of(&status).unwrap_or_default();
            assert!(
                reason == "MESSAGE_MALFORMED" || reason == "BATCH_MALFORMED",
                "{}: {status:?}",
                method.path
            );
        }
        if named::takes_one(method.path) {
            let status = send(&channel, method.path, &[]).await;
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{}: {status:?}",
                method.path
            );
            assert_eq!(reason_of(&status).as_deref(), Some("MESSAGE_MALFORMED"));
        }
    }
    let fast = "dualwheel.consumer.v1.ConsumerService/GetFast";
    // Cut off; packed as nobody said; a flag that there is not.
    for body in [&[0, 0, 0, 0, 9, 1][..], &[1, 0, 0, 0, 1, 1], &[7, 0, 0, 0, 0]] {
        let status = send(&channel, fast, body).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(
            reason_of(&status).as_deref(),
            Some("MESSAGE_MALFORMED"),
            "{status:?}"
        );
    }
    // A brand that is no UTF-8 is named by its field.
    let status = call(
        &channel,
        fast,
        vec![Bytes::from_static(&[0x0a, 5, 0x0a, 1, 0xff, 0x12, 0])],
    )
    .await
    .unwrap_err();
    assert_eq!(violations_of(&status)[0].0, "query.brand", "{status:?}");
    for path in ["dualwheel.consumer.v1.ConsumerService/Nothing", "a.B/C"] {
        let status = call(&channel, path, vec![Bytes::new()]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(reason_of(&status).as_deref(), Some("METHOD_UNKNOWN"));
    }
    let log = server.log();
    assert!(
        !log.contains("\"level\":\"ERROR\""),
        "the log tells of a fault: {log}"
    );
}
