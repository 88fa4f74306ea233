//! Appending: durable, once, visible, apart by tenant, pinned by version.

use std::collections::BTreeMap;

use dualwheel_kit::{Call, failure::reason_of};
use dualwheel_lake::Lake;
use dualwheel_proto::facts::{ConfigureTenantRequest, FactKind, FactRows};
use tonic::Code;

use crate::{House, behavior, count_lines, line, lines, orders, request, send};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_are_there_and_a_repeated_batch_is_written_once() {
    let mut house = House::new();
    let batches = || {
        vec![
            orders("p", 1, lines(0..500, "b")),
            orders("p", 2, lines(500..600, "b")),
        ]
    };
    let first = house.append(batches()).await.unwrap();
    assert_eq!(
        first
            .iter()
            .map(|answer| (answer.sequence, answer.accepted))
            .collect::<Vec<_>>(),
        [(1, 500), (2, 100)]
    );
    assert_eq!(house.lines("b").await, 600);
    let again = house.append(batches()).await.unwrap();
    assert!(again.iter().all(|answer| answer.repeated_batch));
    assert_eq!(
        again.iter().map(|answer| answer.accepted).collect::<Vec<_>>(),
        [500, 100]
    );
    assert_eq!(house.lines("b").await, 600);
    // Another process on the same folder knows the producer too.
    let (other, mut client) = house.again();
    assert!(
        send(&mut client, batches())
            .await
            .unwrap()
            .iter()
            .all(|answer| answer.repeated_batch)
    );
    assert_eq!(count_lines(&other, "b").await, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_follow_each_other() {
    let mut house = House::new();
    house
        .append(vec![orders("p", 1, lines(0..10, "b"))])
        .await
        .unwrap();
    let skipped = house
        .append(vec![orders("p", 3, lines(0..10, "b"))])
        .await
        .unwrap_err();
    assert_eq!(reason_of(&skipped).as_deref(), Some("SEQUENCE_SKIPPED"));
    let reused = house
        .append(vec![orders("p", 1, lines(0..11, "b"))])
        .await
        .unwrap_err();
    assert_eq!(reason_of(&reused).as_deref(), Some("SEQUENCE_REUSED"));
    assert_eq!(house.lines("b").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_producers_in_two_processes_all_land() {
    let house = House::new();
    let (_, other) = house.again();
    let mut writers = tokio::task::JoinSet::new();
    for producer in 0..8u32 {
        let mut client = if producer % 2 == 0 {
            house.client.clone()
        } else {
            other.clone()
        };
        writers.spawn(async move {
            for sequence in 1..=6u32 {
                let first = (producer * 6 + sequence) * 100;
                let rows = lines(first..first + 100, "b");
                send(
                    &mut client,
                    vec![orders(&format!("p{producer}"), i64::from(sequence), rows)],
                )
                .await
                .unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(house.lines("b").await, 8 * 6 * 100);
}

/// A producer that hears nothing in time sends the same batch to another process, while the first one still works on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_two_processes_get_at_once_is_written_once() {
    let house = House::new();
    let (_, other) = house.again();
    let clients = [house.client.clone(), other];
    // Others write too, so that commits go past one another.
    let mut noise = tokio::task::JoinSet::new();
    for (number, client) in (0..).zip(clients.clone()) {
        noise.spawn(async move {
            let mut client = client;
            for sequence in 1..=40 {
                let rows = lines(sequence..sequence + 1, "noise");
                let batch = orders(&format!("noise{number}"), i64::from(sequence), rows);
                send(&mut client, vec![batch]).await.unwrap();
            }
        });
    }
    for sequence in 1..=25 {
        let sent = clients.clone().map(|mut client| async move {
            let batch = || {
                orders(
                    "p",
                    i64::from(sequence),
                    lines(sequence * 10..sequence * 10 + 10, "b"),
                )
            };
            loop {
                match send(&mut client, vec![batch()]).await {
                    Ok(answers) => return answers[0].repeated_batch,
                    // The other one is faster: the same again is answered.
                    Err(status) if status.code() == Code::Unavailable => {}
                    Err(status) => panic!("{sequence}: {status:?}"),
                }
            }
        });
        let repeated = futures::future::join_all(sent).await;
        assert_ne!(
            repeated[0], repeated[1],
            "sequence {sequence} was written twice, or never"
        );
    }
    while let Some(done) = noise.join_next().await {
        done.unwrap();
    }
    assert_eq!(house.lines("b").await, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn later_revisions_replace_earlier_ones() {
    let mut house = House::new();
    let mut revised = line(1, "b");
    revised.revision = 2;
    revised.refund_amount = "12.5".into();
    let rows = FactRows {
        order_lines: vec![revised, line(1, "b"), line(2, "b")],
        ..FactRows::default()
    };
    house.append(vec![orders("p", 1, rows)]).await.unwrap();
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let frame = reader.orders("b").await.unwrap();
    let mut nets: Vec<i128> = frame.lines.iter().map(|line| line.net()).collect();
    nets.sort_unstable();
    assert_eq!(nets, [0, 125_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn former_versions_are_not_read_out_of_the_log_again() {
    let mut house = House::new();
    for number in 0..6 {
        let lines = lines(number * 10..number * 10 + 10, "b");
        house
            .append(vec![orders("p", i64::from(number) + 1, lines)])
            .await
            .unwrap();
    }
    let fresh = house.again().0;
    let ask = async |lake: &Lake, version: i64| {
        let pin = BTreeMap::from([("order_lines".to_owned(), version)]);
        let reader = lake.of(&Call::background("default")).reader(&pin).await.unwrap();
        reader.orders("b").await.map(|frame| frame.lines.len())
    };
    let asked = ask(&fresh, 3).await.unwrap();
    let log = house.folder.path().join("lake/order_lines/_delta_log");
    std::fs::remove_file(log.join(format!("{:020}.json", 0))).unwrap();
    // It was read on its way, or when it was asked for before; nobody has read this one.
    assert_eq!(ask(&house.lake, 3).await.unwrap(), asked);
    assert_eq!(ask(&fresh, 3).await.unwrap(), asked);
    ask(&fresh, 2).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_stays_at_its_versions_and_can_be_pinned() {
    let mut house = House::new();
    house
        .append(vec![orders("p", 1, lines(0..10, "b"))])
        .await
        .unwrap();
    let tenant = house.lake.of(&Call::background("default"));
    let before = tenant.reader(&BTreeMap::new()).await.unwrap();
    assert_eq!(before.orders("b").await.unwrap().lines.len(), 10);
    house
        .append(vec![orders("p", 2, lines(10..15, "b"))])
        .await
        .unwrap();
    assert_eq!(before.orders("b").await.unwrap().lines.len(), 10);
    let pin: BTreeMap<String, i64> = before.versions().tables.into_iter().collect();
    assert_eq!(
        tenant
            .reader(&pin)
            .await
            .unwrap()
            .orders("b")
            .await
            .unwrap()
            .lines
            .len(),
        10
    );
    assert_eq!(house.lines("b").await, 15);
    let beyond = BTreeMap::from([("order_lines".to_owned(), 999)]);
    assert!(tenant.reader(&beyond).await.unwrap().orders("b").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_only_its_own() {
    let mut house = House::new();
    house
        .append(vec![orders("p", 1, lines(0..10, "b"))])
        .await
        .unwrap();
    let stranger = house
        .lake
        .of(&Call::background("stranger"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    assert!(stranger.orders("b").await.unwrap().lines.is_empty());
    assert!(stranger.brands().await.unwrap().is_empty());
    assert!(stranger.require_brand("b").await.is_err());
    let own = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    assert_eq!(*own.brands().await.unwrap(), ["b"]);
    own.require_brand("b").await.unwrap();
    assert!(own.require_brand("c").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_tenants_zone_which_is_fixed_once() {
    let mut house = House::new();
    let zone = |name: &str| ConfigureTenantRequest {
        time_zone: name.into(),
        currency: "USD".into(),
    };
    house
        .client
        .configure_tenant(zone("America/New_York"))
        .await
        .unwrap();
    house
        .client
        .configure_tenant(zone("America/New_York"))
        .await
        .unwrap();
    let other = house
        .client
        .configure_tenant(zone("Asia/Shanghai"))
        .await
        .unwrap_err();
    assert_eq!(reason_of(&other).as_deref(), Some("TENANT_TIME_ZONE_FIXED"));
    let mut early = behavior("e1");
    // 03:59:59 UTC is still the day before in New York in May.
    early.occurred_at = Some("2026-05-02T03:59:59Z".parse().unwrap());
    let mut late = behavior("e2");
    late.occurred_at = Some("2026-05-02T04:00:00Z".parse().unwrap());
    let rows = FactRows {
        behaviors: vec![early, late],
        ..FactRows::default()
    };
    house
        .append(vec![request("p", 1, FactKind::Behavior, rows)])
        .await
        .unwrap();
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let days: Vec<String> = reader
        .behaviors("b")
        .await
        .unwrap()
        .day
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(days, ["2026-05-01", "2026-05-02"]);
    assert_eq!(reader.currency(), "USD");
}
