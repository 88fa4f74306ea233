//! Questions: what is refused, what is answered without a stored run, NEO, definitions, explanations.

#![cfg(test)]

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use dualwheel_proto::{
    Date,
    diagnosis::{
        DiagnosisRun, DiagnosisSpec, GetIndexRequest, GetNeoRequest, GetRunRequest, Peer,
        StartDiagnosisRequest, SuppliedMetric, WatchRunRequest,
    },
    types::{Absence, ExplainMetricRequest, ListDefinitionsRequest, MetricQuery, Window},
};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::{
    Client, House, PEERS,
    fakes::{World, value},
    fields, reason, spec, window,
};

async fn index(
    client: &mut Client,
    spec: DiagnosisSpec,
) -> Result<dualwheel_proto::diagnosis::Diagnosis, Status> {
    Ok(client
        .diagnoses
        .get_index(GetIndexRequest { spec: Some(spec) })
        .await?
        .into_inner()
        .diagnosis
        .unwrap())
}

fn supplied(metrics: &[(&str, f64)]) -> Peer {
    let metric = |value| SuppliedMetric {
        value,
        ..SuppliedMetric::default()
    };
    Peer {
        brand: "rival".to_owned(),
        supplied: metrics
            .iter()
            .map(|(id, value)| ((*id).to_owned(), metric(*value)))
            .collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_brands_and_peers_are_named() {
    let house = House::new().await;
    let mut client = house.client.clone();
    for spec in [spec("nobody", &PEERS), spec("ash", &["birch", "nobody"])] {
        let about_brand = spec.brand == "nobody";
        let start = StartDiagnosisRequest {
            spec: Some(spec.clone()),
            request_id: String::new(),
        };
        let started = client.diagnoses.start_diagnosis(start).await.unwrap_err();
        for status in [started, index(&mut client, spec).await.unwrap_err()] {
            if about_brand {
                assert_eq!(
                    (status.code(), reason(&status).as_str()),
                    (Code::NotFound, "BRAND_UNKNOWN")
                );
            } else {
                assert_eq!(status.code(), Code::InvalidArgument);
                assert_eq!(fields(&status), ["spec.peers[1].brand"]);
            }
        }
    }
    let start = StartDiagnosisRequest {
        spec: Some(spec("ash", &["nobody", "birch", "noone"])),
        request_id: String::new(),
    };
    let both = client.diagnoses.start_diagnosis(start).await.unwrap_err();
    assert_eq!(fields(&both), ["spec.peers[0].brand", "spec.peers[2].brand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let day = |year| {
        Some(Date {
            year,
            month: 1,
            day: 1,
        })
    };
    let mut wrong = DiagnosisSpec {
        brand: String::new(),
        window: Some(Window {
            first_day: day(2025),
            last_day: day(2024),
        }),
        peers: vec![
            Peer::default(),
            Peer {
                brand: "birch".to_owned(),
                ..Peer::default()
            },
            supplied(&[("nose", 1.0)]),
        ],
        peer_set: "peerSets/UPPER".to_owned(),
        modes: vec![
            "brand-led".to_owned(),
            "nose-led".to_owned(),
            "brand-led".to_owned(),
        ],
        category_level: 11,
    };
    assert_eq!(
        fields(&index(&mut client, wrong.clone()).await.unwrap_err()),
        ["spec.brand", "spec.peers[0].brand", "spec.category_level"]
    );
    wrong.brand = "ash".to_owned();
    wrong.peers[0].brand = "elm".to_owned();
    wrong.category_level = 0;
    assert_eq!(
        fields(&index(&mut client, wrong).await.unwrap_err()),
        [
            "spec.window",
            "spec.peers",
            "spec.peers[2].supplied[\"nose\"]",
            "spec.peer_set",
            "spec.modes[1]",
            "spec.modes[2]",
        ]
    );
    let fields_of = |spec: DiagnosisSpec| {
        let mut client = house.client.clone();
        async move { fields(&index(&mut client, spec).await.unwrap_err()) }
    };
    assert_eq!(
        fields_of(spec("ash", &["birch", "ash", "birch"])).await,
        ["spec.peers[2].brand", "spec.peers[1].brand"]
    );
    assert_eq!(fields_of(spec("ash", &[])).await, ["spec.peers"]);
    let many: Vec<String> = (0..201).map(|i| format!("b{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(fields_of(spec("ash", &many)).await, ["spec.peers"]);
    let future = Window {
        first_day: day(2025),
        last_day: day(2300),
    };
    assert_eq!(
        fields_of(DiagnosisSpec {
            window: Some(future),
            ..spec("ash", &PEERS)
        })
        .await,
        ["spec.window.last_day"]
    );
    for (metrics, field) in [
        (
            vec![("super.star", f64::NAN)],
            "spec.peers[0].supplied[\"super.star\"]",
        ),
        (
            vec![("neo.novelty", 60.0)],
            "spec.peers[0].supplied[\"neo.novelty\"]",
        ),
        (vec![("grow.gain", 60.0)], "spec.peers[0].supplied[\"grow.gain\"]"),
    ] {
        let spec = DiagnosisSpec {
            peers: vec![supplied(&metrics)],
            ..spec("ash", &[])
        };
        assert_eq!(fields_of(spec).await, [field]);
    }
    // What another service refuses is told in the terms of this one's request.
    assert_eq!(
        fields_of(DiagnosisSpec {
            category_level: 6,
            ..spec("ash", &PEERS)
        })
        .await,
        ["spec.category_level"]
    );
    let name = "runs/00000000-0000-0000-0000-000000000000".to_owned();
    assert_eq!(
        reason(
            &client
                .diagnoses
                .get_run(GetRunRequest { name })
                .await
                .unwrap_err()
        ),
        "RUN_UNKNOWN"
    );
    assert_eq!(
        reason(
            &client
                .diagnoses
                .get_run(GetRunRequest::default())
                .await
                .unwrap_err()
        ),
        "INVALID_QUESTION"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_the_same_whoever_asks_and_modes_change_them() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let ash = index(&mut client, spec("ash", &PEERS)).await.unwrap();
    let elm = index(&mut client, spec("elm", &["fir", "ash", "cedar", "birch"]))
        .await
        .unwrap();
    assert_eq!(ash.members, elm.members);
    let of = |name: &str| {
        ash.members
            .iter()
            .find(|member| member.brand == name)
            .unwrap()
            .index
    };
    assert_eq!(
        (ash.index.unwrap().value, elm.index.unwrap().value),
        (of("ash"), of("elm"))
    );
    let ranks = BTreeSet::from([ash.index_rank, elm.index_rank]);
    assert!(ranks.len() == 2 && ranks.iter().all(|rank| (1..=5).contains(rank)));
    let led = DiagnosisSpec {
        modes: vec!["service-led".to_owned()],
        ..spec("ash", &PEERS)
    };
    let led = index(&mut client, led).await.unwrap();
    assert_eq!(led.modes, ["service-led"]);
    let weight = |diagnosis: &dualwheel_proto::diagnosis::Diagnosis| {
        let find = |id: &str| {
            diagnosis
                .metrics
                .iter()
                .find(|score| score.metric.as_ref().unwrap().id == id)
                .unwrap()
                .weight
        };
        find("plus.clv") / find("plus.capital")
    };
    assert!(
        (weight(&led) - 2.0).abs() < 1e-12 && (weight(&ash_again(&mut client).await) - 1.0).abs() < 1e-12
    );
}

async fn ash_again(client: &mut Client) -> dualwheel_proto::diagnosis::Diagnosis {
    index(client, spec("ash", &PEERS)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn supplied_peers_are_members_like_others() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let rival = supplied(&[
        ("super.star", 5_000.0),
        ("grow.gain", 10.0),
        ("grow.gmv_base", 20.0),
    ]);
    let mut spec = spec("ash", &["birch", "cedar"]);
    spec.peers.push(rival);
    let found = index(&mut client, spec).await.unwrap();
    assert_eq!(found.reference_size, 4);
    let of = |id: &str| {
        found
            .metrics
            .iter()
            .find(|score| score.metric.as_ref().unwrap().id == id)
            .unwrap()
    };
    assert_eq!((of("super.star").members, of("super.conversion").members), (4, 3));
    let rival = found
        .members
        .iter()
        .find(|member| member.brand == "rival")
        .unwrap();
    assert_eq!(
        (rival.values["super.star"], rival.values["grow.gain"]),
        (5_000.0, 0.5)
    );
    let gain = of("grow.gain");
    assert_eq!(
        gain.metric.as_ref().unwrap().value,
        Some(value("ash", "grow.gain"))
    );
    assert_eq!(
        gain.scored_value,
        Some(value("ash", "grow.gain") / value("ash", "grow.gmv_base"))
    );
    assert_eq!(of("super.star").scored_value, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_signals_cost_their_weight_and_name_the_fact() {
    let world = World {
        absent: ["neo.novelty.selling_point", "plus.connection"].into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(20)).await;
    let mut client = house.client.clone();
    let found = index(&mut client, spec("ash", &PEERS)).await.unwrap();
    let told: Vec<_> = found
        .missing
        .iter()
        .map(|part| (part.metric.as_str(), part.track.as_str(), part.absence()))
        .collect();
    let reason = Absence::SignalNotSupplied;
    assert_eq!(
        told,
        [
            ("neo.novelty.selling_point", "brand", reason),
            ("plus.connection", "members", reason)
        ]
    );
    assert!(
        (found.missing[0].weight - 1.0 / 45.0).abs() < 1e-12
            && (found.missing[1].weight - 0.05).abs() < 1e-12
    );
    assert!(found.missing[0].supply.contains("keyword_class") && found.missing[1].detail == "nobody has it");
    let sum: f64 = found.metrics.iter().map(|score| score.weight).sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_at_one_version_while_facts_are_appended() {
    let house = House::with(
        World {
            appending: true,
            ..World::default()
        },
        Duration::from_secs(20),
    )
    .await;
    let found = index(&mut house.client.clone(), spec("ash", &PEERS))
        .await
        .unwrap();
    let version = found.data_version.clone().unwrap().tables["behaviors"];
    let answered = found
        .metrics
        .iter()
        .chain(&found.sub_indicators)
        .filter_map(|score| score.metric.as_ref());
    let pictures = found.pictures.as_ref().unwrap();
    for metric in answered.chain(&pictures.aipl).chain(&pictures.fast_trend) {
        assert_eq!(
            metric.data_version.as_ref().unwrap().tables["behaviors"],
            version,
            "{}",
            metric.id
        );
    }
    let queries = house.world.queries.lock().unwrap();
    let pins = queries.iter().filter(|query| query.brand != "ash");
    assert!(
        pins.clone().count() == 32
            && pins
                .into_iter()
                .all(|query| query.data_version.as_ref().unwrap().tables["behaviors"] == version)
    );
    // Ten of the brand's calls read facts, each at a version of its own.
    assert_eq!(house.world.version.load(Ordering::SeqCst), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn neo_with_and_without_peers() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let query = MetricQuery {
        brand: "ash".to_owned(),
        window: window(),
        ..MetricQuery::default()
    };
    let ask = |query: &MetricQuery, peers: &[&str]| {
        let request = GetNeoRequest {
            query: Some(query.clone()),
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
        };
        let mut client = house.client.clone();
        async move {
            client
                .diagnoses
                .get_neo(request)
                .await
                .map(|answer| answer.into_inner().metrics)
        }
    };
    let alone = ask(&query, &[]).await.unwrap();
    assert!(alone.len() == 10 && alone.iter().all(|metric| metric.id.matches('.').count() == 2));
    let compared = ask(&query, &PEERS).await.unwrap();
    assert_eq!(compared[..10], alone);
    let full = index(&mut client, spec("ash", &PEERS)).await.unwrap();
    for metric in &compared[10..] {
        let same = full
            .metrics
            .iter()
            .find(|score| score.metric.as_ref().unwrap().id == metric.id)
            .unwrap();
        assert_eq!(
            (metric.value, metric.interval),
            (same.score, same.metric.as_ref().unwrap().interval)
        );
        assert!(metric.interval.is_some() && metric.unit == "points");
    }
    let few = ask(&query, &PEERS[..1]).await.unwrap();
    assert!(
        few[10..]
            .iter()
            .all(|metric| metric.value.is_none() && metric.absence() == Absence::TooFewPeers)
    );
    let by = MetricQuery {
        by: "category".to_owned(),
        ..query.clone()
    };
    assert_eq!(fields(&ask(&by, &[]).await.unwrap_err()), ["query.by"]);
    assert_eq!(
        fields(&ask(&query, &["ash", "elm", "elm"]).await.unwrap_err()),
        ["peers[0]", "peers[2]"]
    );
    assert_eq!(
        fields(&ask(&query, &["elm", "nobody"]).await.unwrap_err()),
        ["peers[1]"]
    );
    let nobody = MetricQuery {
        brand: "nobody".to_owned(),
        ..query
    };
    assert_eq!(reason(&ask(&nobody, &[]).await.unwrap_err()), "BRAND_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_metrics_explain_themselves_from_the_newest_run() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let explain = |metric: &str| {
        let query = MetricQuery {
            brand: "ash".to_owned(),
            window: window(),
            ..MetricQuery::default()
        };
        let request = ExplainMetricRequest {
            metric: metric.to_owned(),
            query: Some(query),
        };
        let mut client = house.client.clone();
        async move {
            client
                .diagnoses
                .explain_metric(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let before = explain("index").await.unwrap();
    assert_eq!(
        (before.metrics[0].value, before.metrics[0].absence()),
        (None, Absence::NoData)
    );
    assert_eq!(
        reason(&explain("fast.fertility").await.unwrap_err()),
        "METRIC_UNKNOWN"
    );
    let start = StartDiagnosisRequest {
        spec: Some(spec("ash", &PEERS)),
        request_id: String::new(),
    };
    let run: DiagnosisRun = client
        .diagnoses
        .start_diagnosis(start)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let stream = client
        .diagnoses
        .watch_run(WatchRunRequest {
            name: run.name.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    let last = stream
        .map(Result::unwrap)
        .collect::<Vec<_>>()
        .await
        .pop()
        .unwrap();
    let result = last.run.unwrap().result.unwrap();
    let listed = client
        .diagnoses
        .list_definitions(ListDefinitionsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .definitions;
    assert_eq!(listed.len(), 9);
    for definition in listed {
        let told = explain(&definition.id).await.unwrap();
        assert_eq!(told.definition.unwrap(), definition);
        assert!(told.metrics[0].value.is_some() && told.metrics[0].id == definition.id);
        assert!(
            told.steps[0].contains(&run.name) && told.steps.len() > 3,
            "{:?}",
            told.steps
        );
    }
    assert_eq!(explain("index").await.unwrap().metrics[0], result.index.unwrap());
}

/// fir's goods are measured by definitions of its own, and so are ash's people: of goods ash stands against three peers
/// and itself, of people against nobody; the rest is compared as ever.
#[tokio::test(flavor = "multi_thread")]
async fn peers_under_other_definitions_are_left_out() {
    let own_definitions = [("product", "fir"), ("consumer", "ash")].into();
    let world = World {
        own_definitions,
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(20)).await;
    let found = index(&mut house.client.clone(), spec("ash", &PEERS))
        .await
        .unwrap();
    let members = |id: &str| {
        let score = found
            .metrics
            .iter()
            .find(|score| score.metric.as_ref().unwrap().id == id);
        (score.unwrap().members, score.unwrap().absence())
    };
    assert_eq!(members("super.conversion"), (4, Absence::Unspecified));
    assert_eq!(members("plus.capital"), (5, Absence::Unspecified));
    assert_eq!(members("fast.fertility"), (1, Absence::TooFewPeers));
    let of = |peer: &str, service: &str| {
        let parts = found.missing.iter();
        parts
            .filter(|part| part.peer == peer && part.service == service)
            .cloned()
            .collect::<Vec<_>>()
    };
    let goods = of("fir", "product");
    assert_eq!(goods.len(), 2, "SUPER and price strength");
    assert_eq!(
        goods[0].detail,
        "it is measured by other product definitions (1+brand.fir) than the brand (1)"
    );
    assert_eq!((goods[0].absence(), goods[0].weight), (Absence::NoData, 0.0));
    assert!(
        goods[0].supply.contains("have to be the same"),
        "{}",
        goods[0].supply
    );
    assert!(of("birch", "product").is_empty());
    assert_eq!(of("birch", "consumer").len(), 3, "FAST, GROW and brand signals");
}

/// A tenant's own scenes and modes count, and the versions of its answers say so.
#[tokio::test(flavor = "multi_thread")]
async fn scenes_and_modes_are_a_tenants_own() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = folder.path().join("default");
    std::fs::create_dir(&tenant).unwrap();
    let own = "modes: {fast-led: {zh: 快, emphasis: [fast.fertility]}, brand-led: null}";
    std::fs::write(tenant.join("diagnosis.scenes.yaml"), own).unwrap();
    let world = World {
        definitions: Some(folder.path().to_owned()),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(20)).await;
    let mut client = house.client.clone();
    let with = |mode: &str| DiagnosisSpec {
        modes: vec![mode.to_owned()],
        ..spec("ash", &PEERS)
    };
    let found = index(&mut client, with("fast-led")).await.unwrap();
    let weight = |id: &str| {
        let score = found
            .metrics
            .iter()
            .find(|score| score.metric.as_ref().unwrap().id == id);
        score.unwrap().weight
    };
    assert!((weight("fast.fertility") / weight("fast.thriving") - 2.0).abs() < 1e-12);
    assert!(
        found.definitions_version.starts_with("1+scenes+tenant."),
        "{}",
        found.definitions_version
    );
    let refused = index(&mut client, with("brand-led")).await.unwrap_err();
    assert_eq!(fields(&refused), ["spec.modes[0]"]);
}
