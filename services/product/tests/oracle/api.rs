//! The service over gRPC on a real lake: questions, answers, refusals.

use std::sync::Arc;

use dualwheel_kit::{Call, Config, Server, failure::reason_of, failure::violations_of};
use dualwheel_lake::{Lake, service::Facts};
use dualwheel_measure::{Day, Label};
use dualwheel_plugin_host::{Compiler, World};
use dualwheel_product::{
    StyleFrames,
    style_trend::{Asked, Attribute, Rows},
};
use dualwheel_proto::{
    Date,
    facts::{
        AppendRequest, AttributeKind, Behavior, BehaviorKind, FactKind, FactRows, MarketStat, OrderLine,
        Product, append_request::Batch, fact_service_client::FactServiceClient,
        fact_service_server::FactServiceServer,
    },
    product::{
        GetPriceStrengthRequest, GetSuperRequest, ListLifecycleRequest,
        product_service_client::ProductServiceClient,
    },
    types::{ExplainMetricRequest, ListDefinitionsRequest, MetricQuery, Window},
};
use tonic::{Code, transport::Channel};

use crate::raw::{START, stamp};

/// `hours` after 2024-03-01 00:00 UTC, two years before the other tests' start: the service holds questions against
/// the real clock.
fn at(hours: i64) -> Option<prost_types::Timestamp> {
    stamp(START - 730 * 86_400 + hours * 3_600)
}

/// Two brands: b1 sells one unit of `p` at 10.00 to c1 and is browsed by c2; b2 sells one of `q` at 30.00.
fn rows() -> Vec<(FactKind, FactRows)> {
    let product = |brand: &str, key: &str| Product {
        product: key.to_owned(),
        brand: brand.to_owned(),
        updated_at: at(0),
        category: Some("a/x/1".to_owned()),
        launched_at: at(0),
        ..Default::default()
    };
    let line = |brand: &str, product: &str, paid: &str| OrderLine {
        order: format!("o{brand}"),
        line: "1".to_owned(),
        consumer: "c1".to_owned(),
        brand: brand.to_owned(),
        product: product.to_owned(),
        quantity: 1,
        paid_amount: paid.to_owned(),
        paid_at: at(24),
        ..Default::default()
    };
    let browse = Behavior {
        event_id: "e".to_owned(),
        consumer: "c2".to_owned(),
        brand: "b1".to_owned(),
        kind: BehaviorKind::Browse.into(),
        occurred_at: at(24),
        product: Some("p".to_owned()),
        ..Default::default()
    };
    let products = vec![product("b1", "p"), product("b1", "p2"), product("b2", "q")];
    let order_lines = vec![line("b1", "p", "10.00"), line("b2", "q", "30.00")];
    vec![
        (
            FactKind::Product,
            FactRows {
                products,
                ..Default::default()
            },
        ),
        (
            FactKind::OrderLine,
            FactRows {
                order_lines,
                ..Default::default()
            },
        ),
        (
            FactKind::Behavior,
            FactRows {
                behaviors: vec![browse],
                ..Default::default()
            },
        ),
    ]
}

/// The service with the rows of [`rows`].
async fn serve(folder: &std::path::Path) -> Channel {
    let channel = open(folder).await;
    append(&channel, 1, rows()).await;
    channel
}

pub fn lake(folder: &std::path::Path) -> Lake {
    let location = folder.display().to_string();
    let options = dualwheel_lake::Options {
        location,
        frame_cache_bytes: 1 << 24,
        retention: std::time::Duration::from_secs(604_800),
    };
    Lake::open(&options).unwrap()
}

async fn plugins(folder: &std::path::Path, lake: &Lake) -> dualwheel_plugins::Plugins {
    let config = Config {
        data: folder.display().to_string(),
        ..Config::default()
    };
    let database = dualwheel_kit::db::connect(&config.database_url()).await.unwrap();
    let worlds = [World::StyleTrendModel].into();
    let options = dualwheel_plugins::Options::of(&config, lake.clone(), database, worlds, Compiler::Here);
    options.build().await.unwrap()
}

/// The service on a lake, without a server around it.
pub async fn service(
    folder: &std::path::Path,
    lake: &Lake,
    definitions: Option<&std::path::Path>,
) -> Arc<dualwheel_product::Service> {
    let options = dualwheel_product::Options {
        lake: lake.clone(),
        definitions: definitions.map(Into::into),
        plugins: plugins(folder, lake).await,
    };
    Arc::new(options.service().unwrap())
}

/// A server on what the folder holds.
pub async fn open(folder: &std::path::Path) -> Channel {
    let lake = lake(folder);
    let facts = Facts::new(lake.clone(), &["consumer", "product", "content", "membership"]);
    let server = Server::builder(&Config::default())
        .unwrap()
        .add(FactServiceServer::new(facts));
    let server = plugins(folder, &lake).await.mount(server);
    let server = service(folder, &lake, None).await.mount(server);
    server.build().unwrap().in_process()
}

pub async fn append(channel: &Channel, sequence: i64, rows: Vec<(FactKind, FactRows)>) {
    let request = |(kind, rows): (FactKind, FactRows)| AppendRequest {
        producer: format!("{kind:?}"),
        sequence,
        kind: kind.into(),
        batch: Some(Batch::Rows(rows)),
    };
    let batches: Vec<AppendRequest> = rows.into_iter().map(request).collect();
    let sent = batches.len();
    let mut client = FactServiceClient::new(channel.clone());
    let mut answers = client
        .append(tokio_stream::iter(batches))
        .await
        .unwrap()
        .into_inner();
    for _ in 0..sent {
        assert_eq!(answers.message().await.unwrap().unwrap().refused, 0);
    }
}

fn query(brand: &str) -> MetricQuery {
    let date = |month, day| {
        Some(Date {
            year: 2024,
            month,
            day,
        })
    };
    let window = Some(Window {
        first_day: date(3, 1),
        last_day: date(3, 31),
    });
    MetricQuery {
        brand: brand.to_owned(),
        window,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_over_grpc() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = ProductServiceClient::new(serve(folder.path()).await);

    let by_category = MetricQuery {
        by: "category".to_owned(),
        ..query("b1")
    };
    let answer = client
        .get_super(GetSuperRequest {
            query: Some(by_category),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.metrics.len(), 20); // the whole and a/x
    let conversion = answer
        .metrics
        .iter()
        .find(|metric| metric.id == "super.conversion")
        .unwrap();
    assert_eq!((conversion.value, conversion.unit.as_str()), (Some(0.5), "ratio"));
    assert!(
        conversion
            .data_version
            .as_ref()
            .unwrap()
            .tables
            .contains_key("order_lines")
    );
    assert_eq!(answer.metrics.last().unwrap().segments[0].value, "a/x");

    // 10.00 against one unit at (10.00 + 30.00) ÷ 2.
    let prices = client
        .get_price_strength(GetPriceStrengthRequest {
            query: Some(query("b1")),
        })
        .await
        .unwrap();
    let premium = &prices.get_ref().metrics[0];
    assert_eq!(
        (premium.id.as_str(), premium.value),
        ("neo.solidity.premium", Some(0.5))
    );
    assert_eq!(premium.labels, ["MARKET_FROM_TENANT_BRANDS"]);

    let day = Some(Date {
        year: 2024,
        month: 3,
        day: 31,
    });
    let mut request = ListLifecycleRequest {
        brand: "b1".to_owned(),
        day,
        page_size: 1,
        ..Default::default()
    };
    let first = client.list_lifecycle(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token.clone();
    request.data_version = first.data_version.clone();
    let second = client.list_lifecycle(request).await.unwrap().into_inner();
    assert_eq!(
        (
            first.products[0].product.as_str(),
            second.products[0].product.as_str()
        ),
        ("p", "p2")
    );
    assert_eq!(
        (first.counts[1].products, second.next_page_token.as_str()),
        (2, "")
    );

    let explained = ExplainMetricRequest {
        metric: "super.conversion".to_owned(),
        query: Some(query("b1")),
    };
    let explained = client.explain_metric(explained).await.unwrap().into_inner();
    assert_eq!(explained.metrics.len(), 1);
    assert!(
        explained
            .steps
            .iter()
            .any(|step| step.contains("1 ÷ 2 = 0.500000")),
        "{:?}",
        explained.steps
    );
    let listed = client
        .list_definitions(ListDefinitionsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.definitions.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = ProductServiceClient::new(serve(folder.path()).await);

    let status = client
        .get_super(GetSuperRequest {
            query: Some(query("nobody")),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason_of(&status).as_deref()),
        (Code::NotFound, Some("BRAND_UNKNOWN"))
    );

    let cut = MetricQuery {
        by: "category".to_owned(),
        ..query("b1")
    };
    let status = client
        .get_price_strength(GetPriceStrengthRequest { query: Some(cut) })
        .await
        .unwrap_err();
    assert_eq!(violations_of(&status)[0].0, "query.by");

    let pinned = dualwheel_proto::types::DataVersion {
        tables: [("order_lines".to_owned(), 999)].into(),
    };
    let pinned = MetricQuery {
        data_version: Some(pinned),
        ..query("b1")
    };
    let status = client
        .get_super(GetSuperRequest { query: Some(pinned) })
        .await
        .unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("DATA_VERSION_UNKNOWN"));

    let unknown = ExplainMetricRequest {
        metric: "super.nothing".to_owned(),
        query: Some(query("b1")),
    };
    let status = client.explain_metric(unknown).await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("METRIC_UNKNOWN"));
}

/// Markets are kept between questions: the same question has the same bytes, and a fact that comes in is seen at once, as
/// a service that has kept nothing sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_market_is_told_from_one_that_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let channel = serve(folder.path()).await;
    let ask = |channel: &Channel| {
        let mut client = ProductServiceClient::new(channel.clone());
        async move {
            let by_band = MetricQuery {
                by: "price_band".to_owned(),
                ..query("b1")
            };
            let goods = GetSuperRequest { query: Some(by_band) };
            let goods = client.get_super(goods).await.unwrap();
            let prices = GetPriceStrengthRequest {
                query: Some(query("b1")),
            };
            let prices = client.get_price_strength(prices).await.unwrap();
            (goods.into_inner(), prices.into_inner())
        }
    };
    let before = ask(&channel).await;
    assert_eq!(ask(&channel).await, before);
    assert_eq!(ask(&open(folder.path()).await).await, before);
    let more = OrderLine {
        order: "o3".to_owned(),
        line: "1".to_owned(),
        consumer: "c3".to_owned(),
        brand: "b2".to_owned(),
        product: "q".to_owned(),
        quantity: 5,
        paid_amount: "400.00".to_owned(),
        paid_at: at(48),
        ..Default::default()
    };
    let rows = FactRows {
        order_lines: vec![more],
        ..Default::default()
    };
    append(&channel, 2, vec![(FactKind::OrderLine, rows)]).await;
    let after = ask(&channel).await;
    assert_ne!(after.1.metrics, before.1.metrics);
    assert_eq!(ask(&open(folder.path()).await).await, after);
}

/// The rows of a question on styles as of 29 March 2024, of trends with a single period; and whether `market_stats` and
/// `order_lines` were read.
async fn styles(folder: &std::path::Path, by_price_band: bool) -> (Rows, [bool; 2]) {
    let reader = lake(folder)
        .of(&Call::background("default"))
        .reader(&Default::default())
        .await
        .unwrap();
    let asked = Asked {
        attribute: Attribute::Style,
        by_price_band,
        category: Some("a".to_owned()),
    };
    let mut definitions = crate::check::definitions();
    definitions.parameters.style_fewest_periods = 1.try_into().unwrap();
    let definitions = std::sync::Arc::new(definitions);
    let as_of = Day::from_ymd(2024, 3, 29).unwrap();
    let frames = StyleFrames::read(&reader, "b1", &asked, as_of, &definitions)
        .await
        .unwrap();
    let tables = reader.versions().tables;
    let read = ["market_stats", "order_lines"].map(|table| tables.contains_key(table));
    (frames.rows(&asked, &definitions.parameters), read)
}

/// Style trends read the statistics where they cover the question, else all brands of the tenant, in bands by the
/// prices of their goods.
#[tokio::test]
async fn styles_are_read_from_statistics_or_from_all_brands() {
    let folder = tempfile::tempdir().unwrap();
    let channel = serve(folder.path()).await;
    let styled = |brand: &str, product: &str| Product {
        product: product.to_owned(),
        brand: brand.to_owned(),
        updated_at: at(1),
        category: Some("a/x/1".to_owned()),
        styles: vec!["retro".to_owned()],
        ..Default::default()
    };
    let products = FactRows {
        products: vec![styled("b1", "p"), styled("b2", "q")],
        ..Default::default()
    };
    append(&channel, 2, vec![(FactKind::Product, products)]).await;

    // The last 28 days begin on 2 March, the day of both lines: 10.00 of b1 and 30.00 of b2, all by c1; c2 visited.
    let (rows, _) = styles(folder.path(), false).await;
    assert_eq!(rows.labels, [Label::MarketFromTenantBrands]);
    let told = |rows: &Rows| -> Vec<(String, String, Vec<f64>, Option<f64>)> {
        let of = |row: &dualwheel_product::style_trend::Row| {
            let style = row.style.clone();
            (style.category, style.price_band, style.gmv, row.brand_share)
        };
        rows.rows.iter().map(of).collect()
    };
    let row = |category: &str, band: &str, gmv: f64, share| {
        (category.to_owned(), band.to_owned(), vec![gmv], share)
    };
    assert_eq!(told(&rows), [row("a/x", "", 40.0, Some(0.25))]);
    assert_eq!(
        (rows.rows[0].brand_tgi, rows.rows[0].brand_conversion),
        (Some(100.0), Some(0.5))
    );
    // The edges lie at 10, where the first fifth of 40 is reached, and at 30: p is in band 1, q in 2.
    let (rows, _) = styles(folder.path(), true).await;
    assert_eq!(
        told(&rows),
        [row("a/x", "1", 10.0, Some(1.0)), row("a/x", "2", 30.0, Some(0.0))]
    );

    let day = |day| {
        Some(Date {
            year: 2024,
            month: 3,
            day,
        })
    };
    let stat = MarketStat {
        category: "a/x".to_owned(),
        attribute_kind: AttributeKind::Style.into(),
        attribute_value: "retro".to_owned(),
        first_day: day(1),
        last_day: day(7),
        gmv: "100".to_owned(),
        ..Default::default()
    };
    let stats = FactRows {
        market_stats: vec![stat],
        ..Default::default()
    };
    append(&channel, 1, vec![(FactKind::MarketStat, stats)]).await;
    let (rows, read) = styles(folder.path(), false).await;
    assert_eq!((rows.labels.len(), read), (0, [true, true]));
    assert_eq!(told(&rows), [row("a/x", "", 100.0, Some(0.1))]);
}
