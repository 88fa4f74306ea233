use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstCodec;

use super::*;
use crate::{
    failure::violations_of,
    layers::{
        tests::{answer, call, code, next},
        wrap,
    },
};

async fn given(status: Status) -> Status {
    let calls = wrap(
        vec![layer()],
        next(move |_| std::future::ready(status.clone().into_http())),
    );
    let answered = calls.run(call("/x/Y", "t", Bytes::new())).await;
    Status::from_header_map(answered.headers()).unwrap()
}

#[tokio::test]
async fn what_the_library_answers_has_a_reason_and_says_whose_fault_it_is() {
    for (status, code, reason) in [
        (Status::unimplemented(""), Code::Unimplemented, "METHOD_UNKNOWN"),
        (
            Status::unimplemented("Content is compressed with `br` which isn't supported"),
            Code::Unimplemented,
            "COMPRESSION_UNKNOWN",
        ),
        (
            Status::internal("failed to decode Protobuf message: buffer underflow"),
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
        ),
        (
            Status::internal("protocol error: received message with invalid compression flag: 7"),
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
        ),
        (
            Status::internal("Unexpected EOF decoding stream."),
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
        ),
        (
            Status::out_of_range("Error, decoded message length too large"),
            Code::InvalidArgument,
            "MESSAGE_TOO_LARGE",
        ),
        (Status::internal("a fault of ours"), Code::Internal, "INTERNAL"),
        (Status::unknown("?"), Code::Internal, "INTERNAL"),
    ] {
        let told = given(status.clone()).await;
        assert_eq!(
            (told.code(), reason_of(&told).as_deref()),
            (code, Some(reason)),
            "{status:?}"
        );
        assert!(!told.message().is_empty());
    }
    assert!(
        !given(Status::internal("/secret/path"))
            .await
            .message()
            .contains("secret")
    );
    let reasoned = Failure::new(Reason::RunUnknown, "no such run").status();
    let told = given(reasoned.clone()).await;
    assert_eq!(
        (told.message(), told.details()),
        (reasoned.message(), reasoned.details())
    );
}

#[tokio::test]
async fn a_stream_that_fails_in_its_midst_has_a_reason_too() {
    let fail = next(|_| async {
        let mut trailers = HeaderMap::new();
        Status::internal("failed to decode Protobuf message: x")
            .add_header(&mut trailers)
            .unwrap();
        let frames = [Frame::data(Bytes::from_static(b"x")), Frame::trailers(trailers)];
        let frames = frames.map(Ok::<_, Status>);
        Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))))
    });
    let calls = wrap(vec![layer()], fail);
    let body = calls.run(call("/x/Y", "t", Bytes::new())).await.into_body();
    let whole = body.collect().await.unwrap();
    let told = Status::from_header_map(whole.trailers().unwrap()).unwrap();
    assert_eq!(told.code(), Code::InvalidArgument);
    assert_eq!(reason_of(&told).as_deref(), Some("MESSAGE_MALFORMED"));
    // What is well stays as it is.
    let calls = wrap(vec![layer()], next(|_| async { answer(b"x") }));
    assert_eq!(code(&calls.run(call("/x/Y", "t", Bytes::new())).await), Code::Ok);
}

/// Answers health.
#[derive(Clone)]
struct Echo;

impl UnaryService<dualwheel_proto::consumer::GetFastRequest> for Echo {
    type Response = ();
    type Future = std::future::Ready<Result<tonic::Response<()>, Status>>;

    fn call(&mut self, _: tonic::Request<dualwheel_proto::consumer::GetFastRequest>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(())))
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_name_the_field() {
    let service = next(|request| async move {
        let codec = ProstCodec::<(), dualwheel_proto::consumer::GetFastRequest>::default();
        Grpc::new(codec).unary(Echo, request).await
    });
    let calls = wrap(vec![layer()], service);
    // `query` with a `brand` that is no UTF-8; a `query` that is a number; a field cut off.
    for (bytes, field) in [
        (&[0x0a, 3, 0x0a, 1, 0xff][..], "query.brand"),
        (&[0x08, 1], "query"),
        (&[0x0a, 9, 0x0a], "query"),
    ] {
        let answered = calls.run(call("/x/Y", "t", Bytes::copy_from_slice(bytes))).await;
        let told = Status::from_header_map(answered.headers()).unwrap();
        assert_eq!(told.code(), Code::InvalidArgument, "{told:?}");
        assert_eq!(reason_of(&told).as_deref(), Some("MESSAGE_MALFORMED"));
        let fields: Vec<_> = violations_of(&told).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, [field]);
        assert!(told.message().contains("message"), "{told:?}");
    }
}
