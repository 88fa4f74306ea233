//! Batches that are sent again: to another process after a failover, or on a new stream after one was cut.

use std::time::{Duration, SystemTime};

use dualwheel_kit::Call;
use dualwheel_kit::failure::{reason_of, value_of};
use dualwheel_lake::{Lake, changes::LINE_COLUMNS};
use dualwheel_proto::facts::{
    AppendRequest, AppendResponse, FactKind, FactRows, GetProducerRequest,
    fact_service_client::FactServiceClient,
};
use futures::future::join_all;
use tonic::{Code, transport::Channel};

use crate::{House, behavior, line, lines, orders, request, send};

type Client = FactServiceClient<Channel>;

/// Rows of the table as they are stored, before any of them is taken for another's revision.
async fn stored_lines(lake: &Lake) -> usize {
    let tenant = lake.of(&Call::background("default"));
    let mut added = tenant
        .added("order_lines", &LINE_COLUMNS, None, None)
        .await
        .unwrap();
    let mut rows = 0;
    while let Some(batch) = added.next().await.unwrap() {
        rows += batch.len();
    }
    rows
}

/// Sends until every batch is answered, as often as others are faster.
async fn insist(mut client: Client, requests: Vec<AppendRequest>) -> Vec<AppendResponse> {
    loop {
        match send(&mut client, requests.clone()).await {
            Ok(answers) => return answers,
            Err(status) if status.code() == Code::Unavailable => {}
            Err(status) => panic!("{status:?}"),
        }
    }
}

/// Several others write all the time, so that commits go past one another and groups of batches form.
fn noise(clients: &[Client], rounds: u32) -> tokio::task::JoinSet<()> {
    let mut noise = tokio::task::JoinSet::new();
    for (number, client) in (0..).zip(clients.iter().cloned()) {
        noise.spawn(async move {
            for sequence in 1..=rounds {
                let rows = lines(sequence..sequence + 1, "noise");
                insist(
                    client.clone(),
                    vec![orders(&format!("noise{number}"), i64::from(sequence), rows)],
                )
                .await;
            }
        });
    }
    noise
}

const BATCHES: u32 = 6;
const ROWS: u32 = 3;

fn batches(round: u32) -> Vec<AppendRequest> {
    let first = round * BATCHES + 1;
    (first..first + BATCHES)
        .map(|sequence| {
            let rows = lines(sequence * ROWS..(sequence + 1) * ROWS, "b");
            orders("p", i64::from(sequence), rows)
        })
        .collect()
}

/// The producer's process was believed dead and goes on while another one has taken over.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_two_processes_get_in_groups_are_written_once() {
    const ROUNDS: u32 = 30;
    let house = House::new();
    let (_, other) = house.again();
    let noise = noise(&[house.client.clone(), other.clone()], ROUNDS);
    for round in 0..ROUNDS {
        // Two streams into one process, one into another.
        let clients = [house.client.clone(), house.client.clone(), other.clone()];
        let told = join_all(clients.map(|client| insist(client, batches(round)))).await;
        for at in 0..BATCHES as usize {
            let answers: Vec<&AppendResponse> = told.iter().map(|answers| &answers[at]).collect();
            assert!(answers.iter().all(|answer| answer.accepted == i64::from(ROWS)));
            assert!(answers.iter().filter(|answer| !answer.repeated_batch).count() <= 1);
            let versions: Vec<i64> = answers.iter().map(|answer| answer.table_version).collect();
            assert!(
                versions.iter().all(|version| *version == versions[0]),
                "{versions:?}"
            );
        }
    }
    noise.join_all().await;
    assert_eq!(
        stored_lines(&house.lake).await,
        (ROUNDS * (BATCHES * ROWS + 2)) as usize
    );
}

/// Whoever lost the connection sends everything again that was not answered.
#[tokio::test(flavor = "multi_thread")]
async fn batches_resent_after_a_cut_stream_are_answered_as_the_first_time() {
    const ROUNDS: u32 = 15;
    let house = House::new();
    let (_, other) = house.again();
    for round in 0..ROUNDS {
        let cut = house
            .client
            .clone()
            .append(tokio_stream::iter(batches(round)))
            .await
            .unwrap();
        let mut cut = cut.into_inner();
        for _ in 0..round % 3 {
            cut.message().await.unwrap();
        }
        drop(cut);
        let client = if round % 2 == 0 { &house.client } else { &other };
        let answers = insist(client.clone(), batches(round)).await;
        assert_eq!(answers.len(), BATCHES as usize);
        assert!(answers.iter().all(|answer| answer.accepted == i64::from(ROWS)));
    }
    assert_eq!(
        stored_lines(&house.lake).await,
        (ROUNDS * BATCHES * ROWS) as usize
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_told_all_that_was_told_first() {
    let mut house = House::new();
    let mut bad = line(2, "b");
    bad.quantity = -1;
    let rows = FactRows {
        order_lines: vec![line(1, "b"), bad, line(3, "b")],
        ..FactRows::default()
    };
    let batch = || vec![orders("p", 1, rows.clone())];
    let first = house.append(batch()).await.unwrap();
    assert_eq!(first[0].refusals.len(), 1);
    // Later commits change nothing of it.
    for sequence in 1..30 {
        house
            .append(vec![orders("q", sequence, lines(0..1, "b"))])
            .await
            .unwrap();
    }
    let (_, mut other) = house.again();
    for client in [&mut house.client, &mut other] {
        let mut again = send(client, batch()).await.unwrap();
        assert!(again[0].repeated_batch);
        again[0].repeated_batch = false;
        assert_eq!(again, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_under_a_used_sequence_is_refused_whichever_column_differs() {
    type Change = fn(&mut dualwheel_proto::facts::OrderLine);
    let changes: [Change; 5] = [
        |row| row.paid_amount = "12.51".into(),
        |row| row.quantity = 2,
        |row| row.return_reason = Some("too small".into()),
        |row| row.promised_at = row.paid_at,
        // Also of a row that is refused both times.
        |row| row.refund_amount = "1e3".into(),
    ];
    let mut house = House::new();
    let mut rows = vec![line(1, "b"), line(2, "b")];
    rows[1].refund_amount = "1e2".into();
    let batch = |order_lines: Vec<_>| {
        let rows = FactRows {
            order_lines,
            ..FactRows::default()
        };
        vec![orders("p", 1, rows)]
    };
    let first = house.append(batch(rows.clone())).await.unwrap();
    let letter = house.folder.path().join("lake").join(&first[0].dead_letter);
    let kept = std::fs::read(&letter).unwrap();
    for change in changes {
        let mut rows = rows.clone();
        change(&mut rows[1]);
        let refused = house.append(batch(rows)).await.unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some("SEQUENCE_REUSED"));
        assert!(refused.message().contains("GetProducer"), "{}", refused.message());
    }
    let mut swapped = rows.clone();
    swapped.reverse();
    assert!(house.append(batch(swapped)).await.is_err());
    assert!(house.append(batch(rows)).await.unwrap()[0].repeated_batch);
    assert_eq!(
        std::fs::read(&letter).unwrap(),
        kept,
        "the first refused rows were overwritten"
    );
}

/// A row from a clock that is ahead is refused; sent again when the time has come, it is the same batch.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_makes_no_other_batch_of_one() {
    let mut house = House::new();
    let mut early = behavior("early");
    let ahead = SystemTime::now() + Duration::from_secs(86_400) + Duration::from_millis(1_500);
    early.occurred_at = Some(ahead.into());
    let rows = FactRows {
        behaviors: vec![behavior("e"), early],
        ..FactRows::default()
    };
    let batch = || vec![request("p", 1, FactKind::Behavior, rows.clone())];
    let first = house.append(batch()).await.unwrap();
    assert_eq!((first[0].accepted, first[0].refused), (1, 1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let again = house.append(batch()).await.unwrap();
    assert!(again[0].repeated_batch);
    assert_eq!((again[0].accepted, again[0].refused), (1, 1));
    assert_eq!(again[0].refusals, first[0].refusals);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_lost_its_place_is_told_it() {
    let mut house = House::new();
    let (_, mut other) = house.again();
    let ask = |producer: &str| GetProducerRequest {
        producer: producer.into(),
        kind: FactKind::OrderLine as i32,
    };
    let last = async |client: &mut Client, producer: &str| {
        let answer = client.get_producer(ask(producer)).await.unwrap();
        answer.into_inner().last_sequence
    };
    assert_eq!(last(&mut other, "p").await, 0);
    let sent = (1..=3)
        .map(|sequence| orders("p", sequence, lines(0..2, "b")))
        .collect();
    house.append(sent).await.unwrap();
    assert_eq!(last(&mut house.client, "p").await, 3);
    assert_eq!(last(&mut other, "p").await, 3);
    assert_eq!(last(&mut other, "q").await, 0);
    let skipped = house
        .append(vec![orders("p", 5, lines(0..2, "b"))])
        .await
        .unwrap_err();
    assert_eq!(skipped.code(), Code::OutOfRange);
    assert_eq!(value_of(&skipped, "next_sequence").as_deref(), Some("4"));
    for (producer, reason) in [("", "INVALID_QUESTION"), (&"p".repeat(300), "BATCH_MALFORMED")] {
        let refused = other.get_producer(ask(producer)).await.unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some(reason));
    }
}
