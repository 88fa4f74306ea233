//! The service over gRPC: every RPC, and every question that it must refuse.

use std::sync::Arc;

use std::time::Duration;

use dualwheel_consumer::Options;
use dualwheel_kit::{
    config::Config,
    db,
    failure::{reason_of, violations_of},
    question::window_to_proto,
    server::Server,
};
use dualwheel_lake::{Lake, service::Facts};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    consumer::{
        GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest, GetGrowRequest,
        GetRfmRequest, GetValueRequest, ListValuesRequest, TrendStep,
        consumer_service_client::ConsumerServiceClient,
    },
    facts::{
        AppendRequest, BehaviorKind, FactKind, FactRows, append_request,
        fact_service_client::FactServiceClient, fact_service_server::FactServiceServer,
    },
    types::{ExplainMetricRequest, ListDefinitionsRequest, Metric, MetricQuery},
};
use tonic::{Code, Status, transport::Channel};

use crate::{
    edges::{D, act, sale},
    world::BRAND,
};

/// For how long files of former versions stay after a deletion.
const GRACE: Duration = Duration::from_secs(1);

/// A service on an empty lake, together with that which takes facts.
pub async fn house_of(folder: &tempfile::TempDir) -> Channel {
    house_on(folder).await.1
}

/// The same with its lake.
pub async fn house_on(folder: &tempfile::TempDir) -> (Lake, Channel) {
    house_with(folder, &Config::default()).await
}

/// The same by a configuration.
pub async fn house_with(folder: &tempfile::TempDir, config: &Config) -> (Lake, Channel) {
    let location = folder.path().join("lake").display().to_string();
    let lake = Lake::open(&dualwheel_lake::Options {
        location,
        frame_cache_bytes: 64 << 20,
        retention: std::time::Duration::from_secs(604_800),
    })
    .unwrap();
    let owners = ["consumer", "product", "content", "membership"];
    lake.keep_erasing(&owners, GRACE);
    let facts = FactServiceServer::new(Facts::new(lake.clone(), &owners));
    let service = Options {
        lake: lake.clone(),
        database: db::connect("sqlite::memory:").await.unwrap(),
        definitions: None,
        index_cache_bytes: 64 << 20,
        shared: None,
        erasure_grace: GRACE,
    }
    .service()
    .await
    .unwrap();
    let server = Arc::new(service).mount(Server::builder(config).unwrap().add(facts));
    (lake, server.build().unwrap().in_process())
}

/// Brings facts in, all of which must be accepted.
pub async fn append(channel: &Channel, kind: FactKind, sequence: i64, rows: FactRows) {
    let request = AppendRequest {
        producer: "test".to_owned(),
        sequence,
        kind: kind as i32,
        batch: Some(append_request::Batch::Rows(rows)),
    };
    let mut client = FactServiceClient::new(channel.clone());
    let answers = client.append(tokio_stream::iter([request])).await;
    let mut answers = answers.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(answer.accepted > 0 && answer.refused == 0);
    }
}

/// c bought twice, d once, e browsed.
pub async fn fill(channel: &Channel) {
    let lines = vec![
        sale("c", D - 15, "a/x", 1, 10),
        sale("c", D - 5, "a/x", 1, 15),
        sale("d", D - 5, "a/y", 1, 20),
    ];
    let lines = FactRows {
        order_lines: lines,
        ..Default::default()
    };
    append(channel, FactKind::OrderLine, 1, lines).await;
    let behaviors = FactRows {
        behaviors: vec![act("e", BehaviorKind::Browse, D - 2)],
        ..Default::default()
    };
    append(channel, FactKind::Behavior, 1, behaviors).await;
}

async fn house(folder: &tempfile::TempDir) -> ConsumerServiceClient<Channel> {
    let channel = house_of(folder).await;
    fill(&channel).await;
    ConsumerServiceClient::new(channel)
}

fn query() -> MetricQuery {
    let window = Window {
        first: Day(D - 9),
        last: Day(D),
    };
    MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(window_to_proto(window)),
        ..Default::default()
    }
}

fn value(metrics: &[Metric], id: &str) -> Option<f64> {
    let metric = metrics
        .iter()
        .find(|metric| metric.id == id && metric.segments.is_empty())
        .unwrap();
    assert!(
        metric
            .data_version
            .as_ref()
            .is_some_and(|version| !version.tables.is_empty()),
        "{id}"
    );
    assert!(
        metric.window.is_some() && metric.as_of.is_some() && metric.definition.is_some(),
        "{id}"
    );
    metric.value
}

#[tokio::test(flavor = "multi_thread")]
async fn every_group_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let by = |by: &str| {
        Some(MetricQuery {
            by: by.to_owned(),
            ..query()
        })
    };

    let aipl = client
        .get_aipl(GetAiplRequest {
            query: by("category"),
        })
        .await
        .unwrap()
        .into_inner()
        .metrics;
    // c is loyal, d bought once, e browsed.
    let ids = [
        "aipl.awareness",
        "aipl.interest",
        "aipl.purchase",
        "aipl.loyalty",
        "aipl.total",
    ];
    assert_eq!(ids.map(|id| value(&aipl, id).unwrap()), [1.0, 0.0, 1.0, 1.0, 3.0]);
    let cut: Vec<&str> = aipl
        .iter()
        .skip(5)
        .step_by(5)
        .map(|metric| metric.segments[0].value.as_str())
        .collect();
    assert_eq!(cut, ["a/x", "a/y"]);

    let flow = client
        .get_flow(GetFlowRequest { query: Some(query()) })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            value(&flow.metrics, "flow.advanced"),
            value(&flow.metrics, "flow.gained")
        ),
        (Some(1.0), Some(2.0))
    );
    let cells: Vec<_> = flow
        .cells
        .iter()
        .map(|cell| (cell.from.as_str(), cell.to.as_str(), cell.people))
        .collect();
    assert_eq!(cells, [("OUT", "A", 1), ("OUT", "P", 1), ("P", "L", 1)]);

    let asked = GetFastRequest {
        query: Some(query()),
        trend_step: TrendStep::Day.into(),
    };
    let fast = client.get_fast(asked).await.unwrap().into_inner();
    assert_eq!(
        (value(&fast.metrics, "fast.fertility"), fast.trend.len()),
        (Some(3.0), 40)
    );

    for dimension in ["", "category", "audience", "category_audience", "month"] {
        let asked = GetGrowRequest {
            query: by(dimension),
            base: None,
        };
        let grow = client.get_grow(asked).await.unwrap().into_inner().metrics;
        assert_eq!(value(&grow, "grow.delta_gmv"), Some(25.0));
        assert_eq!(
            grow.iter().any(|metric| !metric.segments.is_empty()),
            !dimension.is_empty(),
            "{dimension}"
        );
    }

    let asked = GetBrandSignalsRequest { query: Some(query()) };
    let signals = client
        .get_brand_signals(asked)
        .await
        .unwrap()
        .into_inner()
        .metrics;
    // Visitors c, d, e; buyers c and d.
    assert_eq!(value(&signals, "neo.solidity.conversion"), Some(2.0 / 3.0));
    assert_eq!(value(&signals, "neo.novelty.pioneer_density"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_definition_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let listed = client
        .list_definitions(ListDefinitionsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .definitions;
    assert!(listed.len() > 40);
    for definition in listed {
        let asked = ExplainMetricRequest {
            metric: definition.id.clone(),
            query: Some(query()),
        };
        let told = client.explain_metric(asked).await.unwrap().into_inner();
        assert_eq!(told.definition.as_ref(), Some(&definition));
        assert!(!told.metrics.is_empty() && told.metrics.iter().all(|metric| metric.id == definition.id));
        assert_eq!(told.steps.len(), 2 + told.metrics.len(), "{}", definition.id);
    }
    let asked = ExplainMetricRequest {
        metric: "fast.nothing".to_owned(),
        query: Some(query()),
    };
    let refused = client.explain_metric(asked).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::NotFound, Some("METRIC_UNKNOWN"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_are_refused_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let fields = |status: Status| {
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_QUESTION"));
        violations_of(&status)
            .into_iter()
            .map(|(field, _)| field)
            .collect::<Vec<_>>()
    };
    let window = |first: i32, last: i32| {
        Some(window_to_proto(Window {
            first: Day(first),
            last: Day(last),
        }))
    };
    let ask = |query: MetricQuery| GetAiplRequest { query: Some(query) };

    let reversed = client
        .get_aipl(ask(MetricQuery {
            window: window(D, D - 1),
            ..query()
        }))
        .await
        .unwrap_err();
    assert_eq!(fields(reversed), ["query.window"]);
    let future = client
        .get_aipl(ask(MetricQuery {
            window: window(90_000, 90_001),
            ..query()
        }))
        .await
        .unwrap_err();
    assert_eq!(fields(future), ["query.window.last_day"]);
    let by = client
        .get_aipl(ask(MetricQuery {
            by: "audience".to_owned(),
            ..query()
        }))
        .await
        .unwrap_err();
    assert_eq!(fields(by), ["query.by"]);
    assert_eq!(
        fields(client.get_flow(GetFlowRequest::default()).await.unwrap_err()),
        ["query.brand", "query.window"]
    );

    let long = MetricQuery {
        window: window(D - 400, D),
        ..query()
    };
    let asked = GetFastRequest {
        query: Some(long),
        trend_step: TrendStep::Day.into(),
    };
    assert_eq!(fields(client.get_fast(asked).await.unwrap_err()), ["trend_step"]);
    let asked = GetGrowRequest {
        query: Some(query()),
        base: window(D - 30, D - 20),
    };
    assert_eq!(fields(client.get_grow(asked).await.unwrap_err()), ["base"]);

    let unknown = MetricQuery {
        brand: "nobody".to_owned(),
        ..query()
    };
    let refused = client.get_aipl(ask(unknown)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::NotFound, Some("BRAND_UNKNOWN"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_grouped_and_valued() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = house(&folder).await;
    let asked = GetRfmRequest { query: Some(query()) };
    let groups = client.get_rfm(asked).await.unwrap().into_inner().metrics;
    // In the window c bought once for 15 and d for 20: the whole and eight groups of three metrics.
    assert_eq!(groups.len(), 27);
    assert_eq!(value(&groups, "rfm.customers"), Some(2.0));
    assert_eq!(value(&groups, "rfm.net_gmv"), Some(35.0));
    let filled: Vec<(&str, Option<f64>)> = groups
        .iter()
        .filter(|metric| metric.id == "rfm.net_gmv" && metric.value != Some(0.0))
        .filter_map(|metric| Some((metric.segments.first()?.value.as_str(), metric.value)))
        .collect();
    // Both on the same day and once: 50 %, three points each, above no mean; d has five points of value, c one.
    assert_eq!(
        filled,
        [
            ("important_win_back", Some(20.0)),
            ("general_win_back", Some(15.0))
        ]
    );

    let asked = GetValueRequest {
        query: Some(query()),
        horizon_weeks: 0,
    };
    let valued = client.get_value(asked).await.unwrap().into_inner();
    assert_eq!(
        (valued.purchases, valued.spending, valued.horizon_weeks),
        (None, None, 52)
    );
    assert!(
        valued.purchases_refusal.contains("1 customers"),
        "{}",
        valued.purchases_refusal
    );
    assert_eq!(value(&valued.metrics, "value.customers"), Some(2.0));
    assert_eq!(value(&valued.metrics, "value.repeaters"), Some(0.5));
    assert_eq!(value(&valued.metrics, "value.lifetime_value"), None);

    let asked = |horizon_weeks| ListValuesRequest {
        query: Some(query()),
        horizon_weeks,
    };
    let mut values = client.list_values(asked(4)).await.unwrap().into_inner();
    let some = values.message().await.unwrap().unwrap().values;
    let told: Vec<(&str, i32)> = some
        .iter()
        .map(|one| (one.consumer.as_str(), one.repeats))
        .collect();
    assert_eq!(told, [("c", 1), ("d", 0)]);
    assert!(some.iter().all(|one| one.alive_probability.is_none()));
    assert!(values.message().await.unwrap().is_none());
    for horizon in [-1, 521] {
        let refused = client.list_values(asked(horizon)).await.unwrap_err();
        let fields: Vec<String> = violations_of(&refused)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["horizon_weeks"]);
    }
}
