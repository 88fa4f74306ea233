//! Deletion of consumers over gRPC: afterwards every answer is as if they had never been there, and nothing that is
//! stored holds them.

use std::{path::Path, time::Duration};

use dualwheel_kit::{
    failure::reason_of,
    question::{day_to_proto, window_to_proto},
};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    clients,
    consumer::{
        ConsumerDeletion, CreateAudienceRequest, DeleteConsumersRequest, DeletionState,
        ExportAudienceRequest, ExportConsumerRequest, GetAiplRequest, GetAudienceRequest,
        GetConsumerDeletionRequest, GetFastRequest, ListConsumerDeletionsRequest, VerifyPeopleIndexRequest,
    },
    facts::{
        AppendRequest, BehaviorKind, FactKind, FactRows, append_request,
        fact_service_client::FactServiceClient,
    },
    types::{Metric, MetricQuery},
};
use tonic::{Code, Status, transport::Channel};

use crate::{
    audience_service::{Client, by_text, import, refused},
    edges::{D, act, sale},
    service::{append, fill, house_of},
    world::BRAND,
};

const GONE: &str = "gone-person-7731";

/// What [`fill`] brings in, and the one who goes, who bought and browsed.
async fn filled(folder: &tempfile::TempDir) -> (Client, Channel) {
    let channel = house_of(folder).await;
    fill(&channel).await;
    let rows = FactRows {
        order_lines: vec![sale(GONE, D - 4, "a/x", 2, 30), sale(GONE, D - 40, "a/x", 1, 30)],
        ..FactRows::default()
    };
    append(&channel, FactKind::OrderLine, 2, rows).await;
    let rows = FactRows {
        behaviors: vec![act(GONE, BehaviorKind::Browse, D - 1)],
        ..FactRows::default()
    };
    append(&channel, FactKind::Behavior, 2, rows).await;
    (clients::Consumer::new(channel.clone()), channel)
}

async fn delete(client: &mut Client, keys: &[&str], request_id: &str) -> ConsumerDeletion {
    let deletion = try_delete(client, keys, request_id).await;
    deletion.unwrap()
}

async fn try_delete(
    client: &mut Client,
    keys: &[&str],
    request_id: &str,
) -> Result<ConsumerDeletion, Status> {
    let request = DeleteConsumersRequest {
        consumers: keys.iter().map(|key| (*key).to_owned()).collect(),
        request_id: request_id.to_owned(),
    };
    let begun = client.privacy.delete_consumers(request).await?;
    Ok(begun.into_inner().deletion.unwrap())
}

async fn get(client: &mut Client, name: &str) -> ConsumerDeletion {
    let request = GetConsumerDeletionRequest {
        name: name.to_owned(),
    };
    client
        .privacy
        .get_consumer_deletion(request)
        .await
        .unwrap()
        .into_inner()
        .deletion
        .unwrap()
}

async fn until(client: &mut Client, name: &str, state: DeletionState) -> ConsumerDeletion {
    for _ in 0..300 {
        let deletion = get(client, name).await;
        assert!(
            deletion.parts.iter().all(|part| part.problem.is_empty()),
            "{deletion:?}"
        );
        if deletion.state() >= state {
            return deletion;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {state:?} in time: {:?}", get(client, name).await);
}

/// Stages and FAST, but for the versions of what they were read from.
async fn numbers(client: &mut Client) -> Vec<Metric> {
    let window = Window {
        first: Day(D - 9),
        last: Day(D),
    };
    let query = Some(MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(window_to_proto(window)),
        ..MetricQuery::default()
    });
    let aipl = client
        .consumers
        .get_aipl(GetAiplRequest { query: query.clone() })
        .await
        .unwrap()
        .into_inner();
    let fast = client
        .consumers
        .get_fast(GetFastRequest { query, trend_step: 0 })
        .await
        .unwrap()
        .into_inner();
    let mut metrics = aipl.metrics;
    metrics.extend(fast.metrics);
    for metric in &mut metrics {
        metric.data_version = None;
    }
    metrics
}

async fn exported(client: &mut Client, key: &str) -> Vec<(String, String)> {
    let request = ExportConsumerRequest {
        consumer: key.to_owned(),
    };
    let mut answers = client
        .privacy
        .export_consumer(request)
        .await
        .unwrap()
        .into_inner();
    let mut rows = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        rows.extend(answer.rows.into_iter().map(|row| (answer.table.clone(), row)));
    }
    rows
}

async fn people(client: &mut Client, audience: &str) -> Vec<String> {
    let request = ExportAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(&format!("audience({audience})")),
        as_of: Some(day_to_proto(Day(D))),
        data_version: None,
    };
    let mut answers = client
        .audiences
        .export_audience(request)
        .await
        .unwrap()
        .into_inner();
    let mut keys = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        keys.extend(answer.consumers);
    }
    keys
}

async fn freeze(client: &mut Client, id: &str, text: &str) {
    let request = CreateAudienceRequest {
        audience_id: id.to_owned(),
        audience: Some(dualwheel_proto::consumer::Audience {
            brand: BRAND.to_owned(),
            definition: by_text(text),
            ..Default::default()
        }),
        freeze: true,
        as_of: Some(day_to_proto(Day(D))),
        ..Default::default()
    };
    client.audiences.create_audience(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_deletion_all_is_as_if_the_consumer_had_never_been_there() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut client, channel) = filled(&folder).await;
    let never = house_of(&other).await;
    fill(&never).await;
    let mut never = clients::Consumer::new(never);
    assert_ne!(numbers(&mut client).await, numbers(&mut never).await);
    freeze(&mut client, "buyers", "purchase(orders, last 60 days) >= 1").await;
    client
        .audiences
        .import_audience(tokio_stream::iter(import("listed", &["c", GONE, "x"])))
        .await
        .unwrap();
    assert_eq!(people(&mut client, "buyers").await, ["c", "d", GONE]);
    let kept = exported(&mut client, GONE).await;
    let tables: Vec<&str> = kept.iter().map(|(table, _)| table.as_str()).collect();
    assert_eq!(
        tables,
        [
            "behaviors",
            "order_lines",
            "order_lines",
            "audiences",
            "audiences"
        ]
    );
    assert!(kept[0].1.contains("\"kind\":\"BROWSE\""), "{}", kept[0].1);
    assert_eq!(
        (kept[3].1.as_str(), kept[4].1.as_str()),
        ("audiences/buyers", "audiences/listed")
    );

    let request_id = "6f2f3c52-7f0c-4f7c-9d3a-0d5c5a0d4f11";
    let begun = delete(&mut client, &[GONE, "nobody"], request_id).await;
    assert_eq!(begun.consumers, 2);
    until(&mut client, &begun.name, DeletionState::Removed).await;
    assert_eq!(numbers(&mut client).await, numbers(&mut never).await);
    assert_eq!(people(&mut client, "buyers").await, ["c", "d"]);
    assert_eq!(people(&mut client, "listed").await, ["c", "x"]);
    let audience = GetAudienceRequest {
        name: "audiences/listed".to_owned(),
    };
    let audience = client
        .audiences
        .get_audience(audience)
        .await
        .unwrap()
        .into_inner()
        .audience
        .unwrap();
    assert_eq!((audience.size, audience.kind), (2, 3));
    assert_eq!(exported(&mut client, GONE).await, []);

    let done = until(&mut client, &begun.name, DeletionState::Erased).await;
    let rows = |part: &str| done.parts.iter().find(|one| one.part == part).unwrap().rows;
    assert_eq!(
        (
            rows("order_lines"),
            rows("behaviors"),
            rows("audiences"),
            rows("people_index")
        ),
        (2, 1, 2, 1)
    );
    // The deletion is ended, and its keys with it, a moment after.
    for _ in 0..100 {
        if holding(&folder.path().join("lake"), GONE).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(holding(&folder.path().join("lake"), GONE), Vec::<String>::new());
    assert_eq!(get(&mut client, &begun.name).await, done);
    let verified = client
        .index
        .verify_people_index(VerifyPeopleIndexRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(verified.different == 0 && verified.bitmaps > 0);
    // c, d and e; x only stands on a list.
    assert_eq!(verified.index.unwrap().consumers, 3);
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default")).unwrap();
    assert_eq!(lists.count(), 2);
    assert_eq!(numbers(&mut client).await, numbers(&mut never).await);

    // The first answer once more; of others the same request is no repetition.
    let again = delete(&mut client, &[GONE, "nobody"], request_id).await;
    assert_eq!(again, begun);
    let other = try_delete(&mut client, &["c"], request_id).await.unwrap_err();
    assert_eq!(reason_of(&other).as_deref(), Some("REQUEST_ID_REUSED"));
    // Also when no process remembers the request any more.
    let mut later = clients::Consumer::new(house_of(&folder).await);
    let other = try_delete(&mut later, &["c"], request_id).await.unwrap_err();
    assert_eq!(reason_of(&other).as_deref(), Some("REQUEST_ID_REUSED"), "{other}");
    let again = delete(&mut later, &["nobody", GONE], request_id).await;
    assert_eq!(again.name, begun.name);
    let listed = client
        .privacy
        .list_consumer_deletions(ListConsumerDeletionsRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().deletions, [done]);
    come_back(&mut client, &channel).await;
}

/// New facts and lists of the deleted consumer are not taken.
async fn come_back(client: &mut Client, channel: &Channel) {
    let request = AppendRequest {
        producer: "test".to_owned(),
        sequence: 3,
        kind: FactKind::Behavior as i32,
        batch: Some(append_request::Batch::Rows(FactRows {
            behaviors: vec![act(GONE, BehaviorKind::Cart, D), act("e", BehaviorKind::Cart, D)],
            ..FactRows::default()
        })),
    };
    let mut facts = FactServiceClient::new(channel.clone());
    let mut answers = facts
        .append(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!((answer.accepted, answer.refused), (1, 1));
    assert_eq!(answer.refusals[0].field, "consumer");
    let imported = client
        .audiences
        .import_audience(tokio_stream::iter(import("late", &["c", GONE])))
        .await;
    let imported = imported.unwrap().into_inner();
    assert_eq!((imported.audience.unwrap().size, imported.unknown), (1, 1));
}

/// Files below `folder` whose bytes hold `text`; columns are not packed where there are few rows.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_deletions_are_refused_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = clients::Consumer::new(house_of(&folder).await);
    let mut ask = async |consumers: Vec<String>, request_id: &str| {
        let request = DeleteConsumersRequest {
            consumers,
            request_id: request_id.to_owned(),
        };
        let (reason, fields) = refused(client.privacy.delete_consumers(request).await);
        assert_eq!(reason, "INVALID_RESOURCE");
        fields
            .into_iter()
            .map(|(field, _)| field)
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(ask(Vec::new(), "").await, "consumers");
    assert_eq!(ask(vec!["k".to_owned(); 100_001], "").await, "consumers");
    assert_eq!(
        ask(vec!["k".into(), String::new(), "k".repeat(129)], "").await,
        "consumers[1],consumers[2]"
    );
    assert_eq!(ask(vec!["k".into()], "no uuid").await, "request_id");
    for name in ["consumerDeletions/none", "none"] {
        let request = GetConsumerDeletionRequest {
            name: name.to_owned(),
        };
        let status = client.privacy.get_consumer_deletion(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(refused::<()>(Err(status)).0, "DELETION_UNKNOWN");
    }
    let (reason, fields) = refused(
        client
            .privacy
            .export_consumer(ExportConsumerRequest::default())
            .await,
    );
    assert_eq!(
        (reason.as_str(), fields[0].0.as_str()),
        ("INVALID_QUESTION", "consumer")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_of_one_tenant_that_cannot_be_read_keep_no_others_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = filled(&folder).await;
    for tenant in ["a", "b", "c", "w", "x", "y", "z"] {
        let theirs = folder.path().join("lake/erasures").join(tenant);
        std::fs::create_dir_all(&theirs).unwrap();
        std::fs::write(theirs.join("e.asked.json"), "{").unwrap();
    }
    let deletion = delete(&mut client, &[GONE], "7c9e6679-7425-40de-944b-e07fc1f90ae7").await;
    until(&mut client, &deletion.name, DeletionState::Erased).await;
}
