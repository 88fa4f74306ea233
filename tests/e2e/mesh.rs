//! The mesh as its callers see it: reflection, health, every RPC, five processes instead of one, and one of them
//! gone.

use std::collections::BTreeSet;

use dualwheel_proto::{
    consumer::{
        GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest, GetGrowRequest, TrendStep,
        consumer_service_client::ConsumerServiceClient,
    },
    content::{GetStartRequest, content_service_client::ContentServiceClient},
    diagnosis::{
        CancelRunRequest, CreatePeerSetRequest, DeletePeerSetRequest, Diagnosis, DiagnosisRun, DiagnosisSpec,
        GetIndexRequest, GetNeoRequest, GetPeerSetRequest, GetRunRequest, ListPeerSetsRequest,
        ListRunsRequest, Peer, PeerSet, RunState, StartDiagnosisRequest, UpdatePeerSetRequest,
        WatchRunRequest, diagnosis_service_client::DiagnosisServiceClient,
    },
    facts::{GetTenantRequest, fact_service_client::FactServiceClient},
    membership::{GetClosenessRequest, GetPlusRequest, membership_service_client::MembershipServiceClient},
    product::{
        GetPriceStrengthRequest, GetSuperRequest, ListLifecycleRequest,
        product_service_client::ProductServiceClient,
    },
    types::{Absence, ExplainMetricRequest, ListDefinitionsRequest, Metric, MetricQuery},
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::harness::{Server, date, journey, market, market_window, question, window};

const BRAND: &str = "brand-01";
const SERVICES: [&str; 6] = [
    "dualwheel.consumer.v1.ConsumerService",
    "dualwheel.content.v1.ContentService",
    "dualwheel.diagnosis.v1.DiagnosisService",
    "dualwheel.facts.v1.FactService",
    "dualwheel.membership.v1.MembershipService",
    "dualwheel.product.v1.ProductService",
];

fn market_peers() -> Vec<Peer> {
    (2..=10)
        .map(|number| Peer {
            brand: format!("brand-{number:02}"),
            ..Peer::default()
        })
        .collect()
}

fn spec() -> DiagnosisSpec {
    DiagnosisSpec {
        brand: BRAND.to_owned(),
        window: Some(market_window()),
        peers: market_peers(),
        ..DiagnosisSpec::default()
    }
}

fn query() -> Option<MetricQuery> {
    question(BRAND, market_window())
}

fn diagnosis(channel: Channel) -> DiagnosisServiceClient<Channel> {
    DiagnosisServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}

/// Starts a run and follows it to its end.
async fn diagnose(channel: Channel, spec: DiagnosisSpec) -> DiagnosisRun {
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

// ---- reflection and health

async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap()
}

async fn listed(channel: Channel) -> BTreeSet<String> {
    match reflect(channel, MessageRequest::ListServices(String::new())).await {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel)
        .check(request)
        .await
        .map_err(|status| status.code())?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn all_services_are_reflected_and_healthy() {
    let data = market().copy();
    let server = Server::all(data.path());
    let names = listed(server.channel()).await;
    for service in SERVICES
        .iter()
        .chain(&["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])
    {
        assert!(names.contains(*service), "{service} is not among {names:?}");
        let question = MessageRequest::FileContainingSymbol((*service).to_owned());
        let MessageResponse::FileDescriptorResponse(files) = reflect(server.channel(), question).await else {
            panic!("{service} has no descriptor")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
    for service in SERVICES.iter().chain(&[""]) {
        assert_eq!(
            health(server.channel(), service).await,
            Ok(ServingStatus::Serving),
            "{service}"
        );
    }
    assert_eq!(
        health(server.channel(), "dualwheel.nobody.v1.Nobody").await,
        Err(Code::NotFound)
    );
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_process_offers_what_it_was_told_to() {
    let data = market().copy();
    let server = Server::start(data.path(), &["content", "membership"], &[]);
    let names = listed(server.channel()).await;
    assert!(
        names.contains(SERVICES[1]) && names.contains(SERVICES[4]),
        "{names:?}"
    );
    assert!(
        !names.contains(SERVICES[0]) && !names.contains(SERVICES[2]),
        "{names:?}"
    );
    assert_eq!(health(server.channel(), SERVICES[0]).await, Err(Code::NotFound));
    let refused = ConsumerServiceClient::new(server.channel())
        .get_aipl(GetAiplRequest { query: query() })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    let tenant = FactServiceClient::new(server.channel())
        .get_tenant(GetTenantRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(tenant.owned, [7, 8, 9], "content, member and social profile");
}

// ---- every RPC

/// Each metric stands on its own: a value or a reason, what it was made of, and what it was read from.
fn check_metrics(rpc: &str, metrics: &[Metric]) {
    assert!(!metrics.is_empty(), "{rpc} answers nothing");
    for metric in metrics {
        let told = format!("{rpc}: {metric:?}");
        match metric.value {
            Some(value) => assert!(
                value.is_finite() && metric.absence() == Absence::Unspecified,
                "{told}"
            ),
            None => assert!(
                metric.absence() != Absence::Unspecified && !metric.absence_detail.is_empty(),
                "{told}"
            ),
        }
        assert!(
            metric.interval.is_some() != (metric.interval_absence != 0),
            "{told}"
        );
        assert!(
            metric.window.is_some() && metric.as_of.is_some() && !metric.unit.is_empty(),
            "{told}"
        );
        let definition = metric.definition.as_ref().unwrap();
        assert!(
            !definition.id.is_empty() && !definition.version.is_empty(),
            "{told}"
        );
        assert!(!metric.data_version.as_ref().unwrap().tables.is_empty(), "{told}");
    }
}

/// Asks for the definitions and for an explanation of each metric answered.
macro_rules! check_service {
    ($client:expr, $metrics:expr) => {{
        let mut client = $client;
        let listed = client
            .list_definitions(ListDefinitionsRequest::default())
            .await
            .unwrap()
            .into_inner();
        let known: BTreeSet<&str> = listed
            .definitions
            .iter()
            .map(|definition| definition.id.as_str())
            .collect();
        for metric in $metrics {
            assert!(
                known.contains(metric.id.as_str()),
                "{} has no definition among {known:?}",
                metric.id
            );
        }
        for definition in &listed.definitions {
            assert!(
                !definition.name_en.is_empty() && !definition.name_zh.is_empty(),
                "{definition:?}"
            );
        }
        let explain = ExplainMetricRequest {
            metric: $metrics[0].id.clone(),
            query: query(),
        };
        let explained = client.explain_metric(explain).await.unwrap().into_inner();
        assert!(
            !explained.steps.is_empty() && explained.metrics[0].value == $metrics[0].value,
            "{explained:?}"
        );
        let unknown = ExplainMetricRequest {
            metric: "no.such".to_owned(),
            query: query(),
        };
        assert_eq!(
            client.explain_metric(unknown).await.unwrap_err().code(),
            Code::NotFound
        );
    }};
}

#[tokio::test]
async fn every_metric_rpc_answers() {
    let data = market().copy();
    let server = Server::all(data.path());
    consumer_answers(server.channel()).await;
    product_answers(server.channel()).await;
    content_and_membership_answer(server.channel()).await;
}

async fn consumer_answers(channel: Channel) {
    let mut client = ConsumerServiceClient::new(channel);
    let mut metrics = client
        .get_aipl(GetAiplRequest { query: query() })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetAipl", &metrics);
    let flow = client
        .get_flow(GetFlowRequest { query: query() })
        .await
        .unwrap()
        .into_inner();
    check_metrics("GetFlow", &flow.metrics);
    assert!(!flow.cells.is_empty());
    let request = GetFastRequest {
        query: query(),
        trend_step: TrendStep::Month.into(),
    };
    let fast = client.get_fast(request).await.unwrap().into_inner();
    check_metrics("GetFast", &fast.metrics);
    check_metrics("GetFast, trend", &fast.trend);
    let points = fast
        .trend
        .iter()
        .filter(|point| point.id == "fast.fertility")
        .count();
    assert_eq!(points, 3, "a point a month");
    let grow = client
        .get_grow(GetGrowRequest {
            query: query(),
            base: None,
        })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetGrow", &grow);
    let signals = client
        .get_brand_signals(GetBrandSignalsRequest { query: query() })
        .await
        .unwrap()
        .into_inner();
    check_metrics("GetBrandSignals", &signals.metrics);
    metrics.extend(
        flow.metrics
            .into_iter()
            .chain(fast.metrics)
            .chain(grow)
            .chain(signals.metrics),
    );
    check_service!(client, &metrics);
}

async fn product_answers(channel: Channel) {
    let mut client = ProductServiceClient::new(channel);
    let mut metrics = client
        .get_super(GetSuperRequest { query: query() })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetSuper", &metrics);
    let request = GetPriceStrengthRequest { query: query() };
    let prices = client
        .get_price_strength(request)
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetPriceStrength", &prices);
    metrics.extend(prices);
    // Two pages hold what one does.
    let page = |size: i32, token: String| ListLifecycleRequest {
        brand: BRAND.to_owned(),
        day: Some(date("2026-06-30")),
        page_size: size,
        page_token: token,
        ..ListLifecycleRequest::default()
    };
    let all = client
        .list_lifecycle(page(1_000, String::new()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        all.counts.iter().map(|count| count.products).sum::<i64>(),
        all.products.len() as i64
    );
    let size = i32::try_from(all.products.len() - 1).unwrap();
    let first = client
        .list_lifecycle(page(size, String::new()))
        .await
        .unwrap()
        .into_inner();
    let second = client
        .list_lifecycle(page(size, first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    assert!(second.next_page_token.is_empty());
    assert_eq!([first.products, second.products].concat(), all.products);
    check_service!(client, &metrics);
}

async fn content_and_membership_answer(channel: Channel) {
    let mut client = ContentServiceClient::new(channel.clone());
    let start = client
        .get_start(GetStartRequest { query: query() })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetStart", &start);
    check_service!(client, &start);
    let mut client = MembershipServiceClient::new(channel);
    let mut metrics = client
        .get_plus(GetPlusRequest { query: query() })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetPlus", &metrics);
    let request = GetClosenessRequest { query: query() };
    let closeness = client.get_closeness(request).await.unwrap().into_inner().metrics;
    check_metrics("GetCloseness", &closeness);
    metrics.extend(closeness);
    check_service!(client, &metrics);
}

#[tokio::test]
async fn every_diagnosis_rpc_answers() {
    let data = market().copy();
    let server = Server::all(data.path());
    let mut client = diagnosis(server.channel());

    let peers = market_peers().into_iter().map(|peer| peer.brand).collect();
    let neo = client
        .get_neo(GetNeoRequest {
            query: query(),
            peers,
        })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    check_metrics("GetNeo", &neo);
    assert!(
        neo.iter()
            .any(|metric| metric.id == "neo.solidity" && metric.value.is_some()),
        "{neo:?}"
    );

    // A stored peer set and the peers themselves are the same question.
    let set = PeerSet {
        display_name: "all".to_owned(),
        peers: market_peers(),
        ..PeerSet::default()
    };
    let request = CreatePeerSetRequest {
        peer_set: Some(set),
        peer_set_id: "all".to_owned(),
        ..Default::default()
    };
    let made = client
        .create_peer_set(request)
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!(made.name, "peerSets/all");
    let index = client
        .get_index(GetIndexRequest { spec: Some(spec()) })
        .await
        .unwrap()
        .into_inner()
        .diagnosis
        .unwrap();
    check_diagnosis(&index);
    let by_set = DiagnosisSpec {
        peers: Vec::new(),
        peer_set: made.name.clone(),
        ..spec()
    };
    let run = diagnose(server.channel(), by_set).await;
    assert_eq!(
        (run.state(), run.done_steps),
        (RunState::Succeeded, run.total_steps),
        "{}",
        run.error
    );
    assert_eq!(run.result.as_ref(), Some(&index));

    let got = client
        .get_run(GetRunRequest {
            name: run.name.clone(),
        })
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_eq!(got, run);
    let listed = client
        .list_runs(ListRunsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .runs;
    assert_eq!(
        listed.iter().map(|run| &run.name).collect::<Vec<_>>(),
        [&run.name]
    );
    let cancelled = client
        .cancel_run(CancelRunRequest {
            name: run.name.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        cancelled.run.unwrap().state(),
        RunState::Succeeded,
        "a run that had ended stays as it was"
    );

    let got = client
        .get_peer_set(GetPeerSetRequest {
            name: made.name.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(got.peer_set.as_ref(), Some(&made));
    let changed = PeerSet {
        display_name: "everyone".to_owned(),
        ..made.clone()
    };
    let request = UpdatePeerSetRequest {
        peer_set: Some(changed.clone()),
        update_mask: None,
    };
    client.update_peer_set(request.clone()).await.unwrap();
    assert_eq!(
        client.update_peer_set(request).await.unwrap_err().code(),
        Code::Aborted,
        "an old etag"
    );
    let sets = client
        .list_peer_sets(ListPeerSetsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .peer_sets;
    assert_eq!(sets[0].display_name, "everyone");
    client
        .delete_peer_set(DeletePeerSetRequest {
            name: made.name.clone(),
            etag: String::new(),
        })
        .await
        .unwrap();
    assert_eq!(
        client
            .get_peer_set(GetPeerSetRequest { name: made.name })
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );

    let explain = ExplainMetricRequest {
        metric: "index".to_owned(),
        query: query(),
    };
    let explained = client.explain_metric(explain).await.unwrap().into_inner();
    assert_eq!(explained.metrics[0].value, index.index.unwrap().value);
    let definitions = client
        .list_definitions(ListDefinitionsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(
        definitions
            .definitions
            .iter()
            .any(|definition| definition.id == "index")
    );
}

/// What every whole diagnosis has.
fn check_diagnosis(diagnosis: &Diagnosis) {
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
    assert!(one.stop().success());

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
    assert_eq!(run.state(), RunState::Succeeded, "{}", run.error);
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
