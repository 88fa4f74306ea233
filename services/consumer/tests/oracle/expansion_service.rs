//! Expansion over gRPC: told, saved, exported, refused.

use dualwheel_kit::{
    failure::{reason_of, violations_of},
    question::day_to_proto,
};
use dualwheel_measure::Day;
use dualwheel_proto::{
    clients,
    consumer::{
        AudienceKind, ExpandAudienceRequest, ExpandAudienceResponse, ExportAudienceRequest,
        GetAudienceRequest,
    },
    facts::{BehaviorKind, FactKind, FactRows},
};
use tonic::{Code, Status, transport::Channel};

use crate::{
    audience_service::{Client, by_text},
    edges::{D, act},
    service::{append, house_of},
    world::BRAND,
};

const SEED: &str = "behavior(LIVE_WATCH, last 90 days) >= 2";

/// 250 watch live rooms, 450 search; all have been known for long.
async fn house(folder: &tempfile::TempDir) -> (Client, Channel) {
    let channel = house_of(folder).await;
    let mut rows = FactRows::default();
    for number in 0..700 {
        let who = format!("p{number:03}");
        let kind = if number < 250 {
            BehaviorKind::LiveWatch
        } else {
            BehaviorKind::Search
        };
        let acts = [
            act(&who, BehaviorKind::Browse, D - 60),
            act(&who, kind, D - 40),
            act(&who, kind, D - 3 - number % 5),
        ];
        rows.behaviors.extend(acts);
    }
    append(&channel, FactKind::Behavior, 1, rows).await;
    (clients::Consumer::new(channel.clone()), channel)
}

fn request() -> ExpandAudienceRequest {
    ExpandAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(SEED),
        size: 60,
        as_of: Some(day_to_proto(Day(D))),
        ..Default::default()
    }
}

async fn expand(
    client: &mut Client,
    request: ExpandAudienceRequest,
) -> Result<ExpandAudienceResponse, Status> {
    Ok(client.targeting.expand_audience(request).await?.into_inner())
}

async fn export(client: &mut Client, text: &str) -> Vec<String> {
    let request = ExportAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(text),
        as_of: Some(day_to_proto(Day(D))),
        data_version: None,
    };
    let mut stream = client
        .audiences
        .export_audience(request)
        .await
        .unwrap()
        .into_inner();
    let mut keys = Vec::new();
    while let Some(some) = stream.message().await.unwrap() {
        keys.extend(some.consumers);
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn the_added_people_are_saved_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, channel) = house(&folder).await;
    let told = expand(&mut client, request()).await.unwrap();
    assert_eq!((told.seed_size, told.candidates, told.size), (250, 450, 60));
    assert!(told.audience.is_empty());
    // Nothing tells the others from each other, and nobody has bought.
    assert!(told.auc > 0.99, "{}", told.auc);
    assert_eq!((told.expected_conversion, told.base_conversion), (0.0, 0.0));
    let shares: Vec<f64> = told.features.iter().map(|feature| feature.importance).collect();
    assert!(shares.len() >= 12 && shares.is_sorted_by(|one, next| one >= next));
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    assert_eq!(told.as_of, Some(day_to_proto(Day(D))));
    assert!(!told.definition_version.is_empty());
    assert!(!told.data_version.as_ref().unwrap().tables.is_empty());

    let saving = ExpandAudienceRequest {
        audience_id: "alike".to_owned(),
        display_name: "Like those who watch".to_owned(),
        request_id: "7d444840-9dc0-11d1-b245-5ffdce74fad2".to_owned(),
        ..request()
    };
    let saved = expand(&mut client, saving.clone()).await.unwrap();
    let expected = ExpandAudienceResponse {
        audience: "audiences/alike".to_owned(),
        ..told
    };
    assert_eq!(saved, expected);
    let get = GetAudienceRequest {
        name: saved.audience.clone(),
    };
    let audience = client.audiences.get_audience(get).await.unwrap().into_inner();
    let audience = audience.audience.unwrap();
    assert_eq!(
        (audience.kind(), audience.size, audience.as_of),
        (AudienceKind::Imported, 60, Some(day_to_proto(Day(D))))
    );
    assert_eq!(audience.display_name, "Like those who watch");
    let keys = export(&mut client, "audience(alike)").await;
    assert_eq!(keys.len(), 60);
    let seed = export(&mut client, SEED).await;
    assert!(seed.len() == 250 && keys.iter().all(|key| !seed.contains(key)));

    // The same request again saves nothing more.
    assert_eq!(expand(&mut client, saving.clone()).await.unwrap(), saved);
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default")).unwrap();
    assert_eq!(lists.count(), 1);
    let taken = ExpandAudienceRequest {
        request_id: String::new(),
        ..saving.clone()
    };
    let status = expand(&mut client, taken).await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("AUDIENCE_EXISTS"));

    // Nor does it answer anything else when there are other facts.
    let rows = FactRows {
        behaviors: (0..20)
            .flat_map(|number| {
                let who = format!("q{number}");
                [60, 40, 3].map(|days| act(&who, BehaviorKind::LiveWatch, D - days))
            })
            .collect(),
        ..FactRows::default()
    };
    append(&channel, FactKind::Behavior, 2, rows).await;
    assert_eq!(expand(&mut client, request()).await.unwrap().seed_size, 270);
    assert_eq!(expand(&mut client, saving).await.unwrap(), saved);
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_an_expression() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    let among = "behavior(SEARCH, last 6 days) >= 1";
    let asked = ExpandAudienceRequest {
        candidates: by_text(among),
        size: 10_000,
        audience_id: "some".to_owned(),
        ..request()
    };
    let told = expand(&mut client, asked).await.unwrap();
    let candidates = export(&mut client, among).await;
    assert!(candidates.len() >= 200);
    assert_eq!(
        (told.candidates, told.size),
        (candidates.len() as i64, candidates.len() as i64)
    );
    assert_eq!(export(&mut client, "audience(some)").await, candidates);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_and_small_audiences_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    let small = ExpandAudienceRequest {
        definition: by_text("behavior(CART, last 90 days) >= 1"),
        audience_id: "none".to_owned(),
        ..request()
    };
    let status = expand(&mut client, small).await.unwrap_err();
    assert_eq!(
        (status.code(), reason_of(&status).as_deref()),
        (Code::FailedPrecondition, Some("MODEL_REFUSED"))
    );
    assert!(
        status.message().contains("the model needs 200"),
        "{}",
        status.message()
    );
    let wrong = [
        (
            ExpandAudienceRequest {
                size: 0,
                definition: None,
                ..request()
            },
            vec!["definition", "size"],
        ),
        (
            ExpandAudienceRequest {
                size: 10_000_001,
                ..request()
            },
            vec!["size"],
        ),
        (
            ExpandAudienceRequest {
                candidates: by_text("stage("),
                ..request()
            },
            vec!["candidates.text"],
        ),
        (
            ExpandAudienceRequest {
                audience_id: "9".to_owned(),
                ..request()
            },
            vec!["audience_id"],
        ),
        (
            ExpandAudienceRequest {
                display_name: "Nothing to name".to_owned(),
                ..request()
            },
            vec!["audience_id"],
        ),
    ];
    for (request, expected) in wrong {
        let status = expand(&mut client, request).await.unwrap_err();
        let fields: Vec<String> = violations_of(&status)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, expected);
    }
}
