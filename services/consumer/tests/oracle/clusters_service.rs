//! Custom strategic audiences over gRPC: found, described, saved, refused.

use dualwheel_kit::question::day_to_proto;
use dualwheel_measure::Day;
use dualwheel_proto::{
    clients,
    consumer::{
        FindClustersRequest, FindClustersResponse, GetAudienceRequest, ListAudiencesRequest,
        SaveClustersRequest,
    },
    facts::{FactKind, FactRows},
};
use tonic::Status;

use crate::{
    audience_service::{Client, by_text, estimate, refused},
    clusters::{PLANTED, planted},
    edges::D,
    service::{append, house_of},
    world::BRAND,
};

/// The planted kinds of people.
async fn house(folder: &tempfile::TempDir) -> Client {
    let channel = house_of(folder).await;
    let FactRows {
        behaviors,
        order_lines,
        consumer_profiles,
        ..
    } = planted();
    let lines = FactRows {
        order_lines,
        ..Default::default()
    };
    append(&channel, FactKind::OrderLine, 1, lines).await;
    let behaviors = FactRows {
        behaviors,
        ..Default::default()
    };
    append(&channel, FactKind::Behavior, 1, behaviors).await;
    let profiles = FactRows {
        consumer_profiles,
        ..Default::default()
    };
    append(&channel, FactKind::ConsumerProfile, 1, profiles).await;
    clients::Consumer::new(channel)
}

fn asking() -> FindClustersRequest {
    FindClustersRequest {
        brand: BRAND.to_owned(),
        as_of: Some(day_to_proto(Day(D))),
        ..Default::default()
    }
}

fn saving(prefix: &str) -> SaveClustersRequest {
    SaveClustersRequest {
        brand: BRAND.to_owned(),
        as_of: Some(day_to_proto(Day(D))),
        audience_prefix: prefix.to_owned(),
        ..Default::default()
    }
}

async fn find(client: &mut Client, request: FindClustersRequest) -> Result<FindClustersResponse, Status> {
    Ok(client.targeting.find_clusters(request).await?.into_inner())
}

async fn save(client: &mut Client, request: SaveClustersRequest) -> Result<Vec<String>, Status> {
    Ok(client
        .targeting
        .save_clusters(request)
        .await?
        .into_inner()
        .audiences)
}

async fn saved(client: &mut Client) -> usize {
    let listed = client
        .audiences
        .list_audiences(ListAudiencesRequest::default())
        .await;
    listed.unwrap().into_inner().audiences.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_described_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let found = find(&mut client, asking()).await.unwrap();
    let sizes: Vec<i64> = found.clusters.iter().map(|one| one.size).collect();
    assert_eq!(sizes, PLANTED.map(|(_, people)| people as i64));
    assert_eq!((found.size, found.refusal.as_str()), (195, ""));
    assert!((found.clusters.iter().map(|one| one.share).sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!(found.trials[0].clusters, 4);
    assert!(!found.definition_version.is_empty() && found.as_of == asking().as_of);
    // Women: 60 of 60 against 60 of 195. Men: all against 135 of 195.
    for (cluster, (number, gender, tgi)) in found.clusters.iter().zip([
        (1, "female", 100.0 * 195.0 / 60.0),
        (2, "male", 100.0 * 195.0 / 135.0),
        (3, "male", 100.0 * 195.0 / 135.0),
        (4, "male", 100.0 * 195.0 / 135.0),
    ]) {
        assert_eq!(cluster.number, number);
        let [only] = &cluster.traits[..] else {
            panic!("{:?}", cluster.traits);
        };
        assert_eq!((only.r#trait.as_str(), only.value.as_str()), ("gender", gender));
        assert!((only.tgi.unwrap() - tgi).abs() < 1e-9, "{only:?}");
        assert_eq!((only.people, only.base_known), (cluster.size, 195));
    }
    // Pinned, the answer is the same.
    let pinned = FindClustersRequest {
        data_version: found.data_version.clone(),
        ..asking()
    };
    assert_eq!(find(&mut client, pinned).await.unwrap(), found);

    let names = save(&mut client, saving("kind")).await.unwrap();
    let expected: Vec<String> = (1..=4).map(|number| format!("audiences/kind-{number}")).collect();
    assert_eq!(names, expected);
    for (cluster, name) in found.clusters.iter().zip(&names) {
        let request = GetAudienceRequest { name: name.clone() };
        let audience = client
            .audiences
            .get_audience(request)
            .await
            .unwrap()
            .into_inner()
            .audience;
        let audience = audience.unwrap();
        assert_eq!((audience.size, audience.as_of), (cluster.size, asking().as_of));
        let text = format!("audience({})", name.trim_start_matches("audiences/"));
        assert_eq!(estimate(&mut client, &text).await.unwrap().size, cluster.size);
    }
    // Women are those who bought.
    let both = estimate(
        &mut client,
        "audience(kind-1) and purchase(orders, last 365 days) >= 1",
    )
    .await;
    assert_eq!(both.unwrap().size, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_says_whom_to_group() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let request = FindClustersRequest {
        definition: by_text("behavior(LIVE_WATCH | SEARCH | BROWSE, last 365 days) >= 1"),
        clusters: 4,
        ..asking()
    };
    let found = find(&mut client, request).await.unwrap();
    assert_eq!(
        (found.size, found.clusters.len(), found.trials.len()),
        (135, 4, 1)
    );
    // Nobody of a group that is too small.
    let few = FindClustersRequest {
        definition: by_text("behavior(SEARCH, last 365 days) >= 1"),
        ..asking()
    };
    let found = find(&mut client, few).await.unwrap();
    assert_eq!((found.clusters.len(), found.trials.len(), found.size), (0, 0, 0));
    assert!(
        found.refusal.contains("45 people are too few"),
        "{}",
        found.refusal
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    for prefix in ["", "Kind", "1kind", "-kind", "kind_", &"k".repeat(41)] {
        let (reason, fields) = refused(save(&mut client, saving(prefix)).await);
        assert_eq!(
            (reason.as_str(), fields[0].0.as_str()),
            ("INVALID_RESOURCE", "audience_prefix")
        );
    }
    for clusters in [-1, 1, 3, 13] {
        let request = FindClustersRequest { clusters, ..asking() };
        let (reason, fields) = refused(find(&mut client, request).await);
        assert_eq!(
            (reason.as_str(), fields[0].0.as_str()),
            ("INVALID_QUESTION", "clusters")
        );
    }
    let broken = FindClustersRequest {
        definition: by_text("stage("),
        ..asking()
    };
    assert_eq!(refused(find(&mut client, broken).await).0, "INVALID_QUESTION");
    let few = SaveClustersRequest {
        definition: by_text("behavior(SEARCH, last 365 days) >= 1"),
        ..saving("few")
    };
    assert_eq!(refused(save(&mut client, few).await).0, "MODEL_REFUSED");
    assert_eq!(saved(&mut client).await, 0);
    // One of the ids is taken.
    assert_eq!(save(&mut client, saving("kind")).await.unwrap().len(), 4);
    let request = dualwheel_proto::consumer::DeleteAudienceRequest {
        name: "audiences/kind-1".to_owned(),
        etag: String::new(),
    };
    client.audiences.delete_audience(request).await.unwrap();
    assert_eq!(
        refused(save(&mut client, saving("kind")).await).0,
        "AUDIENCE_EXISTS"
    );
    assert_eq!(saved(&mut client).await, 3);
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default"))
        .unwrap()
        .count();
    assert_eq!(lists, 3);
}
