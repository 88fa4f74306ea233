//! Diagnoses of the whole mesh: in one process, in five, with one of them gone, and of real data.

use dualwheel_proto::{
    diagnosis::{
        Diagnosis, DiagnosisRun, DiagnosisSpec, GetIndexRequest, Peer, RunState, StartDiagnosisRequest,
        WatchRunRequest, diagnosis_service_client::DiagnosisServiceClient,
    },
    types::{Absence, MetricQuery},
};
use tonic::transport::Channel;

use crate::harness::{BRAND, Server, journey, market, market_window, question, window};

/// The nine other brands of the market.
pub fn market_peers() -> Vec<Peer> {
    (2..=10)
        .map(|number| Peer {
            brand: format!("brand-{number:02}"),
            ..Peer::default()
        })
        .collect()
}

/// The first brand of the market against the others, over its last quarter.
pub fn spec() -> DiagnosisSpec {
    DiagnosisSpec {
        brand: BRAND.to_owned(),
        window: Some(market_window()),
        peers: market_peers(),
        ..DiagnosisSpec::default()
    }
}

/// A plain question about the first brand.
pub fn query() -> Option<MetricQuery> {
    question(BRAND, market_window())
}

/// A client that takes answers of any size.
pub fn diagnosis(channel: Channel) -> DiagnosisServiceClient<Channel> {
    DiagnosisServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}

/// Starts a run and follows it to its end.
pub async fn diagnose(channel: Channel, spec: DiagnosisSpec) -> DiagnosisRun {
    let mut client = diagnosis(channel);
    let request = StartDiagnosisRequest {
        spec: Some(spec),
        request_id: String::new(),
    };
    let started = client
        .start_diagnosis(request)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let mut steps = client
        .watch_run(WatchRunRequest { name: started.name })
        .await
        .unwrap()
        .into_inner();
    let mut last = None;
    while let Some(step) = steps.message().await.unwrap() {
        last = step.run;
    }
    last.unwrap()
}

/// What every whole diagnosis has.
pub fn check_diagnosis(diagnosis: &Diagnosis) {
    let index = diagnosis.index.as_ref().unwrap();
    assert!(
        index.value.is_some_and(|value| value > 0.0 && value < 100.0),
        "{index:?}"
    );
    assert_eq!(
        (
            diagnosis.tracks.len(),
            diagnosis.reference_size,
            diagnosis.members.len()
        ),
        (5, 10, 10)
    );
    assert!((1..=10).contains(&diagnosis.index_rank));
    assert!(!diagnosis.metrics.is_empty() && !diagnosis.gaps.is_empty() && !diagnosis.scenes.is_empty());
    assert!(!diagnosis.definitions.is_empty() && !diagnosis.definitions_version.is_empty());
    assert!(!diagnosis.data_version.as_ref().unwrap().tables.is_empty());
    let present: f64 = diagnosis.metrics.iter().map(|metric| metric.weight).sum();
    assert!(
        (present - 1.0).abs() < 1e-9,
        "the weights in force sum to {present}"
    );
    let mean: f64 = diagnosis
        .metrics
        .iter()
        .filter_map(|metric| Some(metric.weight * metric.score?))
        .sum();
    assert!(
        (mean - index.value.unwrap()).abs() < 1e-9,
        "the index is not the weighted mean of its scores: {mean}"
    );
}

// ---- five processes

/// The five services in processes of their own over one folder.
struct Five {
    owners: [Server; 4],
    diagnosis: Server,
}

impl Five {
    const OWNERS: [&str; 4] = ["consumer", "product", "content", "membership"];

    fn start(data: &std::path::Path) -> Self {
        let owners = Self::OWNERS.map(|role| Server::start(data, &[role], &[]));
        let settings: Vec<String> = Self::OWNERS
            .iter()
            .zip(&owners)
            .map(|(role, server)| format!("endpoints.{role}={}", server.url()))
            .collect();
        let diagnosis = Server::start(data, &["diagnosis"], &settings);
        Self { owners, diagnosis }
    }
}

#[tokio::test]
async fn five_processes_give_the_identical_diagnosis() {
    let data = market().copy();
    let one = Server::all(data.path());
    let together = diagnose(one.channel(), spec()).await;
    assert_eq!(together.state(), RunState::Succeeded, "{}", together.error);
    let index = diagnosis(one.channel())
        .get_index(GetIndexRequest { spec: Some(spec()) })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        index.diagnosis, together.result,
        "asked again, a diagnosis is the same"
    );
    assert!(one.stop().await.success());

    let mut five = Five::start(data.path());
    let apart = diagnose(five.diagnosis.channel(), spec()).await;
    assert_eq!(apart.state(), RunState::Succeeded, "{}", apart.error);
    let (together, apart) = (together.result.unwrap(), apart.result.unwrap());
    check_diagnosis(&together);
    assert_eq!(apart, together);

    one_service_gone(&mut five, &together).await;
}

/// Kills one service after the other: what is left is still diagnosed, and what is missing is named.
async fn one_service_gone(five: &mut Five, whole: &Diagnosis) {
    for (at, gone) in [(2, "content"), (1, "product")] {
        five.owners[at].kill();
        let run = diagnose(five.diagnosis.channel(), spec()).await;
        assert_eq!(run.state(), RunState::Partial, "{}", run.error);
        let result = run.result.unwrap();
        let missing: Vec<_> = result
            .missing
            .iter()
            .filter(|part| part.service == gone)
            .collect();
        assert!(!missing.is_empty(), "{gone} is not named: {:?}", result.missing);
        let of_index: f64 = missing
            .iter()
            .filter(|part| part.peer.is_empty())
            .map(|part| part.weight)
            .sum();
        assert!(
            of_index > 0.0,
            "what the loss of {gone} costs is not told: {missing:?}"
        );
        assert!(
            missing
                .iter()
                .all(|part| part.absence() == Absence::ServiceUnavailable),
            "{missing:?}"
        );
        assert!(result.index.as_ref().unwrap().value.is_some());
        // What the other services say has not changed.
        let people = |diagnosis: &Diagnosis| {
            diagnosis
                .tracks
                .iter()
                .find(|track| track.track == "people")
                .unwrap()
                .score
        };
        assert_eq!(people(&result), people(whole));
    }
}

// ---- real data

#[tokio::test]
async fn the_complete_journey_is_diagnosed_against_nine_peers() {
    let data = journey().copy();
    let server = Server::all(data.path());
    let peers = ["1208", "103", "764", "317", "673", "1251", "194", "1046", "794"];
    let spec = DiagnosisSpec {
        brand: "544".to_owned(),
        window: Some(window("2017-10-01", "2017-12-31")),
        peers: peers
            .map(|brand| Peer {
                brand: brand.to_owned(),
                ..Peer::default()
            })
            .into(),
        ..DiagnosisSpec::default()
    };
    let run = diagnose(server.channel(), spec).await;
    assert_eq!(run.state(), RunState::Partial, "{}", run.error);
    let result = run.result.unwrap();
    check_diagnosis(&result);
    // No contents, stock or promises were supplied: said, costed, and with the fact to supply.
    for metric in ["start.reach", "super.sell_through", "super.fulfilment"] {
        let part = result
            .missing
            .iter()
            .find(|part| part.metric == metric && part.peer.is_empty());
        let part = part.unwrap_or_else(|| panic!("{metric} is not missing: {:?}", result.missing));
        assert!(
            part.weight > 0.0 && !part.supply.is_empty() && !part.detail.is_empty(),
            "{part:?}"
        );
        assert_eq!(part.absence(), Absence::SignalNotSupplied, "{part:?}");
    }
    let content = result
        .tracks
        .iter()
        .find(|track| track.track == "content")
        .unwrap();
    assert_eq!(
        (content.score, content.weight_present, content.partial),
        (None, 0.0, true)
    );
}
