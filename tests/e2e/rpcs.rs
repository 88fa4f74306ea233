//! Every RPC of the five services over a generated market, and what each answer must carry.

mod models;

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_proto::{
    consumer::{
        GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest, GetGrowRequest, TrendStep,
        consumer_service_client::ConsumerServiceClient,
    },
    content::{GetStartRequest, content_service_client::ContentServiceClient},
    diagnosis::{
        CancelRunRequest, CreatePeerSetRequest, DeletePeerSetRequest, DiagnosisSpec, GetIndexRequest,
        GetNeoRequest, GetPeerSetRequest, GetRunRequest, ListPeerSetsRequest, ListRunsRequest, PeerSet,
        ResumeRunRequest, RunState, UpdatePeerSetRequest, peer_set_service_client::PeerSetServiceClient,
    },
    membership::{
        GetClosenessRequest, GetKocBoardRequest, GetPlusRequest,
        membership_service_client::MembershipServiceClient,
    },
    metric::{ListMetricsRequest, QueryMetricsRequest, metric_service_client::MetricServiceClient},
    product::{
        GetPriceStrengthRequest, GetSuperRequest, ListLifecycleRequest,
        product_service_client::ProductServiceClient,
    },
    types::{Absence, ExplainMetricRequest, ListDefinitionsRequest, Metric},
};
use tonic::{Code, transport::Channel};

use crate::{
    diagnosis::{check_diagnosis, diagnose, diagnosis, market_peers, query, spec},
    harness::{BRAND, Server, date, market},
};

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
    all_metrics_answer_together(server.channel()).await;
}

/// One call answers all metrics of the process, as the service of each does, at one state of the facts.
async fn all_metrics_answer_together(channel: Channel) {
    let mut client = MetricServiceClient::new(channel.clone());
    let listed = client
        .list_metrics(ListMetricsRequest {})
        .await
        .unwrap()
        .into_inner();
    let names: Vec<String> = listed.groups.iter().map(|group| group.name.clone()).collect();
    for name in [
        "aipl",
        "fast",
        "grow",
        "super",
        "price_strength",
        "start",
        "plus",
        "koc",
    ] {
        assert!(
            names.iter().any(|listed| listed == name),
            "{name} is not in {names:?}"
        );
    }
    let ids: BTreeSet<&str> = listed
        .groups
        .iter()
        .flat_map(|group| group.metrics.iter().map(String::as_str))
        .collect();
    let asked = QueryMetricsRequest {
        query: query(),
        groups: names,
        ..QueryMetricsRequest::default()
    };
    let metrics = client.query_metrics(asked).await.unwrap().into_inner().metrics;
    check_metrics("QueryMetrics", &metrics);
    let answered: BTreeSet<&str> = metrics.iter().map(|metric| metric.id.as_str()).collect();
    assert_eq!(answered, ids);
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    for (table, version) in metrics
        .iter()
        .flat_map(|metric| &metric.data_version.as_ref().unwrap().tables)
    {
        assert_eq!(
            versions.entry(table.clone()).or_insert(*version),
            version,
            "{table}"
        );
    }
    let mut content = ContentServiceClient::new(channel);
    let start = content.get_start(GetStartRequest { query: query() });
    let start = start.await.unwrap().into_inner().metrics;
    let together = metrics.iter().filter(|metric| metric.id.starts_with("start."));
    let value = |metric: &Metric| (metric.id.clone(), metric.value.map(f64::to_bits));
    assert!(start.iter().map(value).eq(together.map(value)));
    check_service!(client, &metrics);
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
    check_service!(client.clone(), &metrics);
    models::style_trends(client).await;
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
    let board = client.get_koc_board(GetKocBoardRequest {
        brand: BRAND.to_owned(),
        as_of: Some(date("2026-06-30")),
        ..GetKocBoardRequest::default()
    });
    let board = board.await.unwrap().into_inner();
    check_metrics("GetKocBoard", &board.metrics);
    metrics.extend(board.metrics.clone());
    check_service!(client.clone(), &metrics);
    let explain = ExplainMetricRequest {
        metric: "koc.sharer".to_owned(),
        query: query(),
    };
    let explained = client.explain_metric(explain).await.unwrap().into_inner();
    assert_eq!(explained.metrics[0].value, board.metrics[2].value);
    models::koc_candidates(client, &board).await;
}

#[tokio::test]
async fn every_diagnosis_rpc_answers() {
    let data = market().copy();
    let server = Server::all(data.path());
    let mut client = diagnosis(server.channel());
    let mut peer_sets = PeerSetServiceClient::new(server.channel());

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
    let made = peer_sets
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
    let resumed = client
        .resume_run(ResumeRunRequest {
            name: run.name.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(resumed.run.as_ref(), Some(&run), "one that has succeeded, too");

    let got = peer_sets
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
    peer_sets.update_peer_set(request.clone()).await.unwrap();
    assert_eq!(
        peer_sets.update_peer_set(request).await.unwrap_err().code(),
        Code::Aborted,
        "an old etag"
    );
    let sets = peer_sets
        .list_peer_sets(ListPeerSetsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .peer_sets;
    assert_eq!(sets[0].display_name, "everyone");
    peer_sets
        .delete_peer_set(DeletePeerSetRequest {
            name: made.name.clone(),
            etag: String::new(),
        })
        .await
        .unwrap();
    assert_eq!(
        peer_sets
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
