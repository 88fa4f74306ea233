//! Arrival decides nothing: the same facts, delivered in any order, give the same answers, byte for byte.
//!
//! A generated market is made full of ties and of rows that compete. Then it is delivered again and again to fresh
//! meshes: rows shuffled, cut into other batches and so into other files, all tables at once, each row once or twice,
//! and everything is asked at once, in another order each time. Every answer of every RPC that answers from facts has
//! the bytes that it had the first time.

#![cfg(test)]

mod facts;
mod questions;

use std::{collections::BTreeMap, sync::LazyLock};

use dualwheel::mesh::{self, Role};
use dualwheel_kit::config::Config;
use dualwheel_proto::facts::{AppendRequest, append_request::Batch, fact_service_client::FactServiceClient};
use futures::future::join_all;
use proptest::prelude::*;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use tonic::transport::Channel;

use facts::Market;
use questions::{Told, questions};

/// Batches of each fact.
const BATCHES: usize = 3;

static MARKET: LazyLock<Market> = LazyLock::new(Market::generate);
static FIRST: LazyLock<BTreeMap<String, Told>> = LazyLock::new(|| {
    answers(Delivery {
        seed: 0,
        twice: false,
    })
});

/// How facts are delivered.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    /// Of the shuffles.
    seed: u64,
    /// Whether each row comes twice.
    twice: bool,
}

/// What a mesh of its own answers after a delivery.
fn answers(delivery: Delivery) -> BTreeMap<String, Told> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The futures of a build without optimization are large.
        .thread_stack_size(64 << 20)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            data: folder.path().display().to_string(),
            ..Config::default()
        };
        config.deadlines.default_ms = 600_000;
        config.limits.concurrency = 1_000;
        let channel = mesh::in_process(&config, &[Role::All]).await.unwrap();
        deliver(&channel, delivery).await;
        let mut asked = questions(&channel, &MARKET.some_consumers());
        asked.shuffle(&mut ChaCha8Rng::seed_from_u64(delivery.seed));
        let told = asked
            .into_iter()
            .map(|(name, answer)| async move { (name, tokio::spawn(answer).await.unwrap()) });
        join_all(told).await.into_iter().collect()
    })
}

async fn deliver(channel: &Channel, delivery: Delivery) {
    let kinds = MARKET.facts.iter().map(|(fact, rows)| {
        let channel = channel.clone();
        async move {
            let batches = facts::batches(rows, delivery.seed, delivery.twice, BATCHES);
            let requests: Vec<AppendRequest> = (1..)
                .zip(batches)
                .map(|(sequence, ipc)| AppendRequest {
                    producer: "market".to_owned(),
                    sequence,
                    kind: fact.kind.into(),
                    batch: Some(Batch::ArrowIpc(ipc)),
                })
                .collect();
            for request in requests {
                // One batch a commit, so that the tables have the same versions each time.
                let mut client = FactServiceClient::new(channel.clone());
                let mut answer = client
                    .append(tokio_stream::iter([request]))
                    .await
                    .unwrap()
                    .into_inner();
                let answer = answer.message().await.unwrap().unwrap();
                assert_eq!(answer.refused, 0, "{}: {:?}", fact.name, answer.refusals);
            }
        }
    });
    join_all(kinds).await;
}

/// Each answer has the bytes that it had the first time.
fn same(delivery: Delivery) {
    let (first, now) = (&*FIRST, answers(delivery));
    assert!(first.keys().eq(now.keys()));
    let differ: Vec<String> = first
        .iter()
        .zip(now.values())
        .filter(|((_, before), after)| before.bytes != after.bytes)
        .map(|((name, before), after)| format!("{name}: {}", before.difference(after)))
        .collect();
    assert!(differ.is_empty(), "{delivery:?}\n{}", differ.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_the_same_whatever_the_order_of_arrival(seed in 1u64.., twice: bool) {
        same(Delivery { seed, twice });
    }
}

/// The answers that are compared say something: none is refused or empty.
#[test]
fn every_question_has_an_answer() {
    let those = |of: fn(&Told) -> bool| -> Vec<&String> {
        let named = FIRST.iter().filter(|(_, told)| of(told));
        named.map(|(name, _)| name).collect()
    };
    let (refused, empty) = (those(|told| told.refused), those(|told| told.bytes.is_empty()));
    assert!(
        refused.is_empty() && empty.is_empty(),
        "refused {refused:?}, empty {empty:?}"
    );
}
