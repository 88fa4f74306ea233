//! The four services as fakes: they know five brands and answer every metric with a number made of its name.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use dualwheel_kit::{Failure, Reason};
use dualwheel_proto::{
    consumer as people,
    consumer::{
        FlowCell, GetAiplRequest, GetAiplResponse, GetBrandSignalsRequest, GetBrandSignalsResponse,
        GetFastRequest, GetFastResponse, GetFlowRequest, GetFlowResponse, GetGrowRequest, GetGrowResponse,
        GetRfmRequest, GetRfmResponse, GetValueRequest, GetValueResponse, ListValuesRequest,
        ListValuesResponse, TrendStep, consumer_service_server::ConsumerService,
    },
    content::{GetStartRequest, GetStartResponse, content_service_server::ContentService},
    membership as members,
    membership::{
        GetClosenessRequest, GetClosenessResponse, GetPlusRequest, GetPlusResponse,
        membership_service_server::MembershipService,
    },
    metric::{
        ListMetricsRequest, ListMetricsResponse, QueryMetricsRequest, QueryMetricsResponse,
        StreamMetricsRequest, StreamMetricsResponse, metric_service_server::MetricService,
    },
    product as goods,
    product::{
        GetPriceStrengthRequest, GetPriceStrengthResponse, GetSuperRequest, GetSuperResponse,
        ListLifecycleRequest, ListLifecycleResponse, product_service_server::ProductService,
    },
    types::{
        Absence, DataVersion, Definition, DefinitionRef, ExplainMetricRequest, ExplainMetricResponse,
        ListDefinitionsRequest, ListDefinitionsResponse, Metric, MetricQuery, Segment,
    },
};
use futures::future::BoxFuture;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

const BRANDS: [&str; 5] = ["ash", "birch", "cedar", "elm", "fir"];

/// How the fakes behave.
#[derive(Default)]
pub struct World {
    /// Services that fail, and how.
    pub failing: BTreeMap<&'static str, Code>,
    /// Services that never answer.
    pub hanging: BTreeSet<&'static str>,
    /// How many calls are still refused for want of room.
    pub refusals: AtomicI64,
    /// Metrics that nobody has.
    pub absent: BTreeSet<&'static str>,
    /// Services and brands of which they measure by definitions of the brand's own.
    pub own_definitions: BTreeSet<(&'static str, &'static str)>,
    /// Folder of the diagnosis's definitions.
    pub definitions: Option<std::path::PathBuf>,
    /// Every answer without a pin is read at a newer version than the one before.
    pub appending: bool,
    /// The newest version of the facts.
    pub version: AtomicI64,
    /// Queries in the order of their arrival.
    pub queries: Mutex<Vec<MetricQuery>>,
}

/// One of the services.
pub struct Fake {
    pub service: &'static str,
    pub world: Arc<World>,
}

impl Fake {
    async fn health(&self) -> Result<(), Status> {
        if self.world.hanging.contains(self.service) {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        if self.world.refusals.fetch_sub(1, Ordering::SeqCst) > 0 {
            let full = Failure::new(Reason::Overloaded, "too many calls are in hand");
            return Err(full.retry_after(Duration::from_millis(20)).status());
        }
        match self.world.failing.get(self.service) {
            Some(code) => Err(Status::new(*code, "out of order")),
            None => Ok(()),
        }
    }

    fn known(brand: &str) -> Result<(), Status> {
        if BRANDS.contains(&brand) {
            return Ok(());
        }
        Err(Failure::new(Reason::BrandUnknown, "no facts").status())
    }

    async fn answer(&self, query: Option<MetricQuery>, ids: &[&str]) -> Result<Vec<Metric>, Status> {
        self.health().await?;
        let query = query.unwrap();
        Self::known(&query.brand)?;
        self.world.queries.lock().unwrap().push(query.clone());
        if query.category_level > 5 {
            return Err(Failure::new(Reason::InvalidQuestion, "x")
                .violation("query.category_level", "at most 5")
                .status());
        }
        let version = self.version(&query);
        let tables = [("behaviors".to_owned(), version)];
        let is_own = |(service, brand): &&(&str, &str)| *service == self.service && *brand == query.brand;
        let definition = match self.world.own_definitions.iter().find(is_own) {
            Some((_, brand)) => format!("1+brand.{brand}"),
            None => "1".to_owned(),
        };
        let of = |id: &&str| {
            let absent = self.world.absent.contains(id);
            Metric {
                id: (*id).to_owned(),
                value: (!absent).then(|| value(&query.brand, id)),
                unit: "ratio".to_owned(),
                absence: if absent {
                    Absence::SignalNotSupplied.into()
                } else {
                    0
                },
                absence_detail: if absent {
                    "nobody has it".to_owned()
                } else {
                    String::new()
                },
                window: query.window,
                definition: Some(DefinitionRef {
                    id: (*id).to_owned(),
                    version: definition.clone(),
                }),
                data_version: Some(DataVersion {
                    tables: tables.clone().into(),
                }),
                ..Metric::default()
            }
        };
        let mut metrics: Vec<Metric> = ids.iter().map(of).collect();
        // A segment, which is no number of the whole brand.
        metrics.extend(metrics.first().cloned().map(|metric| Metric {
            value: Some(9e9),
            segments: vec![Segment {
                dimension: "x".to_owned(),
                value: "y".to_owned(),
            }],
            ..metric
        }));
        Ok(metrics)
    }

    fn version(&self, query: &MetricQuery) -> i64 {
        let pinned = query
            .data_version
            .as_ref()
            .and_then(|version| version.tables.get("behaviors"));
        match pinned {
            Some(version) => *version,
            None if self.world.appending => self.world.version.fetch_add(1, Ordering::SeqCst),
            None => self.world.version.load(Ordering::SeqCst),
        }
    }

    async fn definitions(&self) -> Result<Response<ListDefinitionsResponse>, Status> {
        self.health().await?;
        let definition = Definition {
            id: format!("{}.x", self.service),
            ..Definition::default()
        };
        Ok(Response::new(ListDefinitionsResponse {
            definitions: vec![definition],
        }))
    }
}

/// A number between 1 and 1 000 that brand and metric decide.
pub fn value(brand: &str, id: &str) -> f64 {
    let hash = brand
        .bytes()
        .chain(id.bytes())
        .fold(17u64, |hash, byte| (hash * 31 + u64::from(byte)) % 1_000_003);
    1.0 + (hash % 999) as f64
}

const FAST: [&str; 4] = [
    "fast.fertility",
    "fast.advancing",
    "fast.superiority",
    "fast.thriving",
];
const GROW: [&str; 6] = [
    "grow.gmv_base",
    "grow.gain",
    "grow.retain",
    "grow.boost",
    "grow.widen",
    "grow.new_product",
];
const SIGNALS: [&str; 7] = [
    "neo.novelty.pioneer_density",
    "neo.novelty.pioneer_penetration",
    "neo.novelty.selling_point",
    "neo.engagement.search_heat",
    "neo.engagement.recommendation",
    "neo.solidity.conversion",
    "neo.solidity.repurchase",
];
const SUPER: [&str; 5] = [
    "super.star",
    "super.conversion",
    "super.novelty",
    "super.sell_through",
    "super.fulfilment",
];
const PRICES: [&str; 2] = ["neo.solidity.premium", "neo.solidity.full_price"];
const START: [&str; 5] = [
    "start.reach",
    "start.interaction",
    "start.seeding",
    "start.traffic",
    "start.transaction",
];
const PLUS: [&str; 4] = ["plus.capital", "plus.conversion", "plus.connection", "plus.clv"];

/// A method as `async_trait` would write it, which does not look into macros.
macro_rules! method {
    ($method:ident, $question:ty, $answer:ty, |$fake:ident, $request:ident| $body:expr) => {
        fn $method<'a, 'b>(
            &'a self,
            $request: Request<$question>,
        ) -> BoxFuture<'b, Result<Response<$answer>, Status>>
        where
            'a: 'b,
            Self: 'b,
        {
            let $fake = self;
            Box::pin(async move { $body })
        }
    };
}

macro_rules! metrics {
    ($method:ident, $question:ty, $answer:ident, $ids:expr) => {
        method!($method, $question, $answer, |fake, request| {
            let metrics = fake.answer(request.into_inner().query, &$ids).await?;
            Ok(Response::new($answer { metrics }))
        });
    };
}

macro_rules! unasked {
    ($method:ident, $question:ty, $answer:ty) => {
        method!($method, $question, $answer, |_fake, _request| {
            Err(Status::unimplemented("not asked by diagnosis"))
        });
    };
}

macro_rules! common {
    () => {
        method!(
            list_definitions,
            ListDefinitionsRequest,
            ListDefinitionsResponse,
            |fake, _request| { fake.definitions().await }
        );
        unasked!(explain_metric, ExplainMetricRequest, ExplainMetricResponse);
    };
}

#[tonic::async_trait]
impl ConsumerService for Fake {
    metrics!(get_aipl, GetAiplRequest, GetAiplResponse, ["aipl.total"]);
    unasked!(get_grow, GetGrowRequest, GetGrowResponse);
    unasked!(get_brand_signals, GetBrandSignalsRequest, GetBrandSignalsResponse);
    unasked!(get_rfm, GetRfmRequest, GetRfmResponse);
    unasked!(get_value, GetValueRequest, GetValueResponse);
    type ListValuesStream = BoxStream<ListValuesResponse>;
    unasked!(list_values, ListValuesRequest, Self::ListValuesStream);
    unasked!(
        get_journeys,
        people::GetJourneysRequest,
        people::GetJourneysResponse
    );
    unasked!(
        get_move_costs,
        people::GetMoveCostsRequest,
        people::GetMoveCostsResponse
    );
    unasked!(get_sources, people::GetSourcesRequest, people::GetSourcesResponse);
    common!();

    async fn get_flow(&self, request: Request<GetFlowRequest>) -> Result<Response<GetFlowResponse>, Status> {
        let metrics = self.answer(request.into_inner().query, &["flow.gained"]).await?;
        let cells = vec![FlowCell {
            from: "OUT".to_owned(),
            to: "A".to_owned(),
            people: 7,
        }];
        Ok(Response::new(GetFlowResponse { metrics, cells }))
    }

    async fn get_fast(&self, request: Request<GetFastRequest>) -> Result<Response<GetFastResponse>, Status> {
        let request = request.into_inner();
        assert_eq!(request.trend_step(), TrendStep::Week);
        let metrics = self.answer(request.query, &FAST).await?;
        let trend = metrics[..1].to_vec();
        Ok(Response::new(GetFastResponse { metrics, trend }))
    }
}

#[tonic::async_trait]
impl ProductService for Fake {
    unasked!(
        list_style_trends,
        goods::ListStyleTrendsRequest,
        goods::ListStyleTrendsResponse
    );
    unasked!(get_super, GetSuperRequest, GetSuperResponse);
    unasked!(
        get_price_strength,
        GetPriceStrengthRequest,
        GetPriceStrengthResponse
    );
    common!();

    async fn list_lifecycle(
        &self,
        request: Request<ListLifecycleRequest>,
    ) -> Result<Response<ListLifecycleResponse>, Status> {
        self.health().await?;
        Self::known(&request.get_ref().brand)?;
        Ok(Response::new(ListLifecycleResponse::default()))
    }
}

#[tonic::async_trait]
impl ContentService for Fake {
    unasked!(get_start, GetStartRequest, GetStartResponse);
    common!();
}

#[tonic::async_trait]
impl MembershipService for Fake {
    unasked!(
        get_koc_board,
        members::GetKocBoardRequest,
        members::GetKocBoardResponse
    );
    unasked!(
        list_koc_candidates,
        members::ListKocCandidatesRequest,
        members::ListKocCandidatesResponse
    );
    unasked!(get_plus, GetPlusRequest, GetPlusResponse);
    unasked!(get_closeness, GetClosenessRequest, GetClosenessResponse);
    common!();
}

/// Ids of a group's metrics that diagnosis reads.
fn ids(group: &str) -> &'static [&'static str] {
    match group {
        "fast" => &FAST,
        "grow" => &GROW,
        "brand_signals" => &SIGNALS,
        "super" => &SUPER,
        "price_strength" => &PRICES,
        "start" => &START,
        "plus" => &PLUS,
        "closeness" => &["neo.engagement.close_people"],
        other => panic!("no service has a group {other}"),
    }
}

#[tonic::async_trait]
impl MetricService for Fake {
    unasked!(list_metrics, ListMetricsRequest, ListMetricsResponse);
    common!();

    type StreamMetricsStream = BoxStream<StreamMetricsResponse>;
    unasked!(stream_metrics, StreamMetricsRequest, Self::StreamMetricsStream);

    async fn query_metrics(
        &self,
        request: Request<QueryMetricsRequest>,
    ) -> Result<Response<QueryMetricsResponse>, Status> {
        let request = request.into_inner();
        let [group] = &request.groups[..] else {
            panic!("one group is asked at a time: {request:?}");
        };
        let metrics = self.answer(request.query, ids(group)).await?;
        Ok(Response::new(QueryMetricsResponse { metrics }))
    }
}
