//! A metric group that nobody else knows: its rule, its definitions and its source are here, and nothing else is touched.

use std::{ops::RangeInclusive, sync::Arc};

use dualwheel_kit::{
    config::Config,
    failure::{reason_of, violations_of},
    metrics::{Group, Registry, spelled_out},
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
    metric::{
        ListMetricsRequest, QueryMetricsRequest, Step, StreamMetricsRequest, StreamMetricsResponse,
        metric_service_client::MetricServiceClient, step::Length,
    },
    types,
};
use proptest::{collection::vec, option, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use prost::Message;
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

fn window(first: i32, last: i32) -> types::Window {
    let day = |day| {
        Some(Date {
            year: 2026,
            month: 5,
            day,
        })
    };
    types::Window {
        first_day: day(first),
        last_day: day(last),
    }
}

async fn stream(
    client: &mut MetricServiceClient<Channel>,
    request: StreamMetricsRequest,
) -> Result<Vec<StreamMetricsResponse>, Status> {
    let mut answers = client.stream_metrics(request).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

/// Each answer of a stream is what a call of its own answers, to the byte; what fails there fails here, with the same words.
#[tokio::test]
async fn a_stream_answers_what_single_calls_do() {
    let mut house = House::new();
    for (brand, sequence) in [("b", 1), ("c", 2)] {
        let rows = lines(0..20, brand);
        house
            .append(vec![request("p", sequence, FactKind::OrderLine, rows)])
            .await
            .unwrap();
    }
    let mut client = serve(&house);
    let mut runner = TestRunner::deterministic();
    let length = prop_oneof![Just(Length::Days(3)), Just(Length::Months(1))];
    let windows = vec((1..=31_i32, 1..=31_i32), 1..=2);
    let asked = (
        0..3_usize,
        1..=3_usize,
        windows,
        option::of(length),
        any::<bool>(),
    );
    for _ in 0..40 {
        let (turn, number, days, length, is_whole) = asked.new_tree(&mut runner).unwrap().current();
        let mut brands = ["b", "c", "nobody"].map(str::to_owned).to_vec();
        brands.rotate_left(turn);
        brands.truncate(number);
        let windows = days
            .iter()
            .map(|(one, other)| window(*one.min(other), *one.max(other)));
        let windows: Vec<_> = windows.collect();
        let (metrics, groups): (&[&str], &[&str]) = match is_whole {
            true => (&[], &["toy"]),
            false => (&["toy.lines"], &[]),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let request = StreamMetricsRequest {
            brands: brands.clone(),
            windows: windows.clone(),
            step: length.map(|length| Step { length: Some(length) }),
            metrics: names(metrics),
            groups: names(groups),
            ..StreamMetricsRequest::default()
        };
        let answers = stream(&mut client, request).await.unwrap();
        let each = |window: &types::Window| match length {
            Some(Length::Days(days)) => {
                let (first, last) = (window.first_day.unwrap().day, window.last_day.unwrap().day);
                (last - first + days) / days
            }
            _ => 1,
        };
        let steps: i32 = windows.iter().map(each).sum();
        assert_eq!(answers.len(), brands.len() * usize::try_from(steps).unwrap());
        for answer in answers {
            let single = client
                .query_metrics(QueryMetricsRequest {
                    query: Some(types::MetricQuery {
                        brand: answer.brand.clone(),
                        window: answer.window,
                        ..types::MetricQuery::default()
                    }),
                    metrics: names(metrics),
                    groups: names(groups),
                })
                .await;
            match single {
                Ok(single) => {
                    assert_eq!(answer.error, None);
                    let shared = &answer.groups[0].metrics[0];
                    assert!(
                        shared.window.is_none()
                            && shared.data_version.is_none()
                            && shared.definition.is_none()
                    );
                    let bytes = |metrics: &[types::Metric]| -> Vec<Vec<u8>> {
                        metrics.iter().map(Message::encode_to_vec).collect()
                    };
                    assert_eq!(bytes(&spelled_out(answer)), bytes(&single.into_inner().metrics));
                }
                Err(refused) => {
                    let error = answer.error.unwrap();
                    assert!(answer.groups.is_empty());
                    assert_eq!(
                        (error.code, error.message.as_str()),
                        (refused.code() as i32, refused.message())
                    );
                    assert_eq!(error.encode_to_vec(), refused.details());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stream_fails_as_a_whole_only_where_it_is_wrong_itself() {
    let mut house = House::new();
    house
        .append(vec![request("p", 1, FactKind::OrderLine, lines(0..5, "b"))])
        .await
        .unwrap();
    let mut client = serve(&house);
    let good = StreamMetricsRequest {
        brands: vec!["nobody".to_owned(), "b".to_owned()],
        windows: vec![window(1, 2)],
        groups: vec!["toy".to_owned()],
        ..StreamMetricsRequest::default()
    };
    let answers = stream(&mut client, good.clone()).await.unwrap();
    assert_eq!(answers[0].brand, "nobody");
    assert!(answers[0].error.is_some() && answers[1].error.is_none());
    let unknown = StreamMetricsRequest {
        groups: vec!["nothing".to_owned()],
        ..good.clone()
    };
    let refused = stream(&mut client, unknown).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("METRIC_UNKNOWN"));
    let nobody = StreamMetricsRequest {
        brands: Vec::new(),
        ..good
    };
    let refused = stream(&mut client, nobody).await.unwrap_err();
    assert_eq!(violations_of(&refused)[0].0, "brands");
}
