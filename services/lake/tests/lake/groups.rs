//! A metric group that nobody else knows: its rule, its definitions and its source are here, and nothing else is touched.

use std::{ops::RangeInclusive, sync::Arc};

use dualwheel_kit::{
    config::Config,
    failure::{reason_of, violations_of},
    metrics::{Group, Registry},
    server::Server,
};
use dualwheel_lake::{
    frames::Orders,
    groups::{Asked, Handler, Source},
};
use dualwheel_measure::{Ask, Catalogue, Extent, Metric, MetricGroup, Need, definitions::Ranged};
use dualwheel_proto::{
    Date,
    facts::FactKind,
    metric::{ListMetricsRequest, QueryMetricsRequest, metric_service_client::MetricServiceClient},
    types,
};
use serde::{Deserialize, Serialize};
use tonic::{Code, Status, transport::Channel};

use crate::{House, lines, request};

const DEFINITIONS: &str = "
version: 1
parameters:
  large_units: 1
metrics:
- id: toy.large_lines
  en: Large lines
  zh: 大额订单行
  unit: count
  text: Order lines of the window with at least so many units.
  formula: Lines with at least 1 unit
  grade: own
  better: higher
  parameters: [large_units]
- id: toy.lines
  en: Lines
  zh: 订单行
  unit: count
  text: Order lines of the window.
  formula: Lines
  grade: own
  better: higher
  parameters: []
";

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Parameters {
    large_units: i64,
}

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[("large_units", 1.0..=9.0)];
}

#[derive(Clone)]
struct Toy;

impl MetricGroup for Toy {
    type Parameters = Parameters;
    type Part = Arc<Orders>;
    type Whole = ();
    type Partial = (i64, i64);

    fn name(&self) -> &'static str {
        "toy"
    }

    fn ids(&self) -> &'static [&'static str] {
        &["toy.large_lines", "toy.lines"]
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        vec![Need::of("order_lines", &["quantity"]).within(ask.scope.window)]
    }

    fn partial(&self, orders: &Arc<Orders>, (): &(), _: Extent, ask: &Ask<'_, Parameters>) -> (i64, i64) {
        let lines = orders.lines.iter();
        let lines = lines.filter(|line| ask.scope.window.contains(line.day));
        lines.fold((0, 0), |(large, all), line| {
            let is_large = line.quantity >= ask.parameters.large_units;
            (large + i64::from(is_large), all + 1)
        })
    }

    fn merge(&self, one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
        (one.0 + other.0, one.1 + other.1)
    }

    fn finish(&self, (large, all): (i64, i64), (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        vec![
            ask.scope.count("toy.large_lines", large),
            ask.scope.count("toy.lines", all),
        ]
    }
}

struct Lines;

#[tonic::async_trait]
impl Source<Toy> for Lines {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(Arc<Orders>, ()), Status> {
        Ok((asked.reader.orders(&asked.question.brand).await?, ()))
    }
}

fn serve(house: &House) -> MetricServiceClient<Channel> {
    let toy = Handler {
        lake: house.lake.clone(),
        catalogue: Catalogue::load("toy", DEFINITIONS, None).unwrap(),
        group: Toy,
        source: Lines,
    };
    let groups: [Arc<dyn Group>; 1] = [Arc::new(toy)];
    let service = groups.into_iter().collect::<Registry>().service();
    let server = Server::builder(&Config::default()).unwrap().add(service);
    MetricServiceClient::new(server.build().unwrap().in_process())
}

fn query(by: &str) -> Option<types::MetricQuery> {
    let day = |day| {
        Some(Date {
            year: 2026,
            month: 5,
            day,
        })
    };
    Some(types::MetricQuery {
        brand: "b".to_owned(),
        window: Some(types::Window {
            first_day: day(1),
            last_day: day(2),
        }),
        by: by.to_owned(),
        ..types::MetricQuery::default()
    })
}

fn values(metrics: &[types::Metric]) -> Vec<(&str, f64)> {
    let value = |metric: &types::Metric| metric.value.unwrap();
    metrics
        .iter()
        .map(|metric| (metric.id.as_str(), value(metric)))
        .collect()
}

#[tokio::test]
async fn a_group_is_its_rule_and_its_definitions_and_nothing_else() {
    let mut house = House::new();
    let mut rows = lines(0..5, "b");
    rows.order_lines[0].quantity = 0;
    house
        .append(vec![request("p", 1, FactKind::OrderLine, rows)])
        .await
        .unwrap();
    let mut client = serve(&house);
    let listed = client
        .list_metrics(ListMetricsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.groups.len(), 1);
    let (name, ids) = (&listed.groups[0].name, &listed.groups[0].metrics);
    assert_eq!((name.as_str(), ids.len()), ("toy", 2));

    let ask = |metrics: &[&str], groups: &[&str], by: &str| QueryMetricsRequest {
        query: query(by),
        metrics: metrics.iter().map(|id| (*id).to_owned()).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    };
    let answer = client
        .query_metrics(ask(&["toy.lines"], &[], ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(values(&answer.metrics), [("toy.lines", 5.0)]);
    let answer = client
        .query_metrics(ask(&[], &["toy"], ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        values(&answer.metrics),
        [("toy.large_lines", 4.0), ("toy.lines", 5.0)]
    );
    assert!(
        answer.metrics[0]
            .data_version
            .as_ref()
            .unwrap()
            .tables
            .contains_key("order_lines")
    );

    let definitions = client.list_definitions(types::ListDefinitionsRequest::default());
    let definitions = definitions.await.unwrap().into_inner().definitions;
    assert_eq!(definitions[0].parameters_json, r#"{"large_units":1}"#);
    let explained = client.explain_metric(types::ExplainMetricRequest {
        metric: "toy.large_lines".to_owned(),
        query: query(""),
    });
    let explained = explained.await.unwrap().into_inner();
    assert_eq!(explained.metrics.len(), 1);
    assert!(
        explained.steps.last().unwrap().ends_with(": 4"),
        "{:?}",
        explained.steps
    );

    for (wrong, code, field) in [
        (ask(&[], &[], ""), Code::InvalidArgument, "metrics"),
        (
            ask(&["toy.lines"], &[], "nose"),
            Code::InvalidArgument,
            "query.by",
        ),
        (ask(&["toy.nothing"], &[], ""), Code::NotFound, ""),
        (ask(&[], &["nothing"], ""), Code::NotFound, ""),
        (
            ask(&["toy.lines"; 257], &[], ""),
            Code::InvalidArgument,
            "metrics",
        ),
    ] {
        let refused = client.query_metrics(wrong).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        match code {
            Code::NotFound => assert_eq!(reason_of(&refused).as_deref(), Some("METRIC_UNKNOWN")),
            _ => assert_eq!(violations_of(&refused)[0].0, field),
        }
    }
}
