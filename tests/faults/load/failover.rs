//! Producers that stream batches to one process and, when the stream breaks, send what is not answered yet, and some of what
//! is, to the other one, every other time to both at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dualwheel_proto::facts::{
    AppendRequest, AppendResponse, Behavior, BehaviorKind, FactKind, FactRows, append_request,
    fact_service_client::FactServiceClient,
};
use tokio::time::{sleep, timeout};
use tonic::{Status, transport::Channel};

use super::{APPENDED, PATIENCE, Told, is_unbegun, may_be_tried_again};

/// Batches of a stream.
const AHEAD: usize = 24;
/// Batches that are sent again although they were answered.
const AGAIN: usize = 4;
/// Rows of a batch that are kept; one more is refused.
const KEPT: usize = 4;

/// Appends until it is to stop, to the process `home` first.
pub(super) async fn produce(
    name: String,
    channels: [Channel; 2],
    mut home: usize,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    // The first answer to each sequence.
    let mut first: BTreeMap<i64, AppendResponse> = BTreeMap::new();
    let (mut sent, mut breaks, mut broken) = (0, 0, false);
    let mut last = Instant::now();
    loop {
        let answered = first.len();
        let stopped = stop.load(Ordering::Relaxed);
        if stopped && answered == sent {
            break;
        }
        let from = if broken {
            answered.saturating_sub(AGAIN)
        } else {
            answered
        };
        let to = if stopped { sent } else { answered + AHEAD };
        let batches: Vec<_> = (from + 1..=to).map(|sequence| batch(&name, sequence)).collect();
        told.resent += sent - from;
        sent = sent.max(to);
        let here = stream(channels[home].clone(), batches.clone());
        let ended = if broken && breaks % 2 == 0 {
            let there = stream(channels[1 - home].clone(), batches);
            <[_; 2]>::from(tokio::join!(here, there)).into()
        } else {
            vec![here.await]
        };
        broken = false;
        for (answers, end) in ended {
            for answer in answers {
                assert_eq!((answer.accepted, answer.refused), (KEPT as i64, 1), "{answer:?}");
                let answer = AppendResponse {
                    repeated_batch: false,
                    ..answer
                };
                let known = first.entry(answer.sequence).or_insert_with(|| answer.clone());
                told.wrong += usize::from(*known != answer);
            }
            if let Err(status) = end {
                assert!(may_be_tried_again(&status), "produce: {status:?}");
                told.failed += usize::from(!is_unbegun(&status));
                told.failures.push(format!("produce: {status:?}"));
                broken = true;
            }
        }
        if first.len() > answered {
            let pause = told.pauses.entry("produce").or_default();
            *pause = (*pause).max(last.elapsed());
            last = Instant::now();
        }
        if broken {
            (home, breaks) = (1 - home, breaks + 1);
            assert!(last.elapsed() < PATIENCE, "produce does not work again: {told:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
    // None is left out, so that the last sequence is their number.
    assert_eq!(first.keys().last().copied().unwrap_or(0), sent as i64);
    told.batches = sent;
    let events = (1..=sent).flat_map(|sequence| (0..KEPT).map(move |row| (sequence, row)));
    told.events = events
        .map(|(sequence, row)| event(&name, sequence, row))
        .collect();
    told
}

fn event(producer: &str, sequence: usize, row: usize) -> String {
    format!("{producer}-{sequence}-{row}")
}

fn batch(producer: &str, sequence: usize) -> AppendRequest {
    let row = |row: usize| Behavior {
        event_id: event(producer, sequence, row),
        consumer: format!("loaded-{}", row % 7),
        brand: APPENDED.to_owned(),
        kind: BehaviorKind::Browse.into(),
        // The last one says no time.
        occurred_at: (row < KEPT).then(|| "2026-05-01T04:00:00Z".parse().unwrap()),
        ..Behavior::default()
    };
    AppendRequest {
        producer: producer.to_owned(),
        sequence: sequence as i64,
        kind: FactKind::Behavior.into(),
        batch: Some(append_request::Batch::Rows(FactRows {
            behaviors: (0..=KEPT).map(row).collect(),
            ..FactRows::default()
        })),
    }
}

/// The answers of a process to a stream of batches, and how the stream ended.
async fn stream(channel: Channel, batches: Vec<AppendRequest>) -> (Vec<AppendResponse>, Result<(), Status>) {
    let (mut answers, wanted) = (Vec::new(), batches.len());
    let streamed = async {
        let batches = tokio_stream::iter(batches);
        let mut stream = FactServiceClient::new(channel)
            .append(batches)
            .await?
            .into_inner();
        while let Some(answer) = stream.message().await? {
            answers.push(answer);
        }
        Ok(())
    };
    let ended = timeout(PATIENCE, streamed).await;
    let ended = ended.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer at all")));
    let whole = answers.len() == wanted;
    let ended = ended.and_then(|()| match whole {
        true => Ok(()),
        false => Err(Status::unavailable("the stream ended early")),
    });
    (answers, ended)
}
