//! Damaged requests of every method, sent to a live mesh: none of them is answered by a crash.

use bytes::Bytes;
use dualwheel_kit::access::Method;
use dualwheel_tests::raw::Raw;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tonic::{Code, Request, client::Grpc};

use crate::{
    harness::{Server, market},
    requests::{encode, requests, unstored},
};

/// Damaged requests of each method.
const CHANGES: usize = 25;

fn damaged(bytes: &Bytes, random: &mut ChaCha8Rng) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_never_break_a_handler() {
    let data = market().copy();
    let server = Server::all(data.path());
    let channel = server.channel();
    let requests = requests(&unstored());
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let slow = [
        "RebuildPeopleIndex",
        "VerifyPeopleIndex",
        "StartDiagnosis",
        "GetIndex",
    ];
    for method in Method::all() {
        let whole = encode(method.path, &requests[method.path]);
        let name = method.path.rsplit('/').next().unwrap();
        let changes = if slow.contains(&name) { 3 } else { CHANGES };
        for _ in 0..changes {
            let bytes = damaged(&whole, &mut random);
            let mut client = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
            client.ready().await.unwrap();
            let path = format!("/{}", method.path).parse().unwrap();
            let request = Request::new(tokio_stream::once(bytes.clone()));
            let answered = match client.streaming(request, path, Raw).await {
                Ok(answers) => answers.into_inner().message().await.map(drop),
                Err(status) => Err(status),
            };
            if let Err(status) = answered {
                // tonic's own word for bytes that are no message is INTERNAL, without a reason of ours.
                let broken = status.code() == Code::Unknown
                    || dualwheel_kit::failure::reason_of(&status).is_some_and(|reason| reason == "INTERNAL");
                assert!(!broken, "{}: {status:?} for {bytes:?}", method.path);
            }
        }
    }
    assert!(!server.log().contains("a handler panicked"), "{}", server.log());
}
