//! `Append` with messages that were encoded before the clock started, as a sender that keeps its batches would.

use anyhow::Context;
use bytes::{BufMut, Bytes};
use dualwheel_proto::facts::AppendResponse;
use http::uri::PathAndQuery;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, EncodeBuf, Encoder},
    transport::Channel,
};
use tonic_prost::ProstDecoder;

const METHOD: &str = "/dualwheel.facts.v1.FactService/Append";

/// Sends encoded `AppendRequest`s on one stream; answers once all are acknowledged.
pub(crate) async fn append(channel: Channel, requests: Vec<Bytes>) -> anyhow::Result<Vec<AppendResponse>> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.context("the mesh cannot be reached")?;
    let path = PathAndQuery::from_static(METHOD);
    let request = Request::new(tokio_stream::iter(requests));
    let mut answers = grpc.streaming(request, path, Encoded).await?.into_inner();
    let mut acknowledged = Vec::new();
    while let Some(answer) = answers.message().await? {
        acknowledged.push(answer);
    }
    Ok(acknowledged)
}

/// Takes requests as bytes.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = AppendResponse;
    type Encoder = Self;
    type Decoder = ProstDecoder<AppendResponse>;

    fn encoder(&mut self) -> Self::Encoder {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}
