//! What the lake tells of the facts at hand, against a slow count of what was sent.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_measure::Day;
use dualwheel_proto::{
    Date,
    facts::{
        Behavior, ConsumerProfile, Dimension, FactKind, FactRows, ListBrandsRequest, ListCoverageRequest,
        ListDimensionValuesRequest, MarketStat, OrderLine, WatchDataVersionsRequest,
    },
};
use tonic::Code;

use crate::{House, at, behavior, line, request};

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Some(Date { year, month, day })
}

/// Behaviours of several brands, days, categories and channels; some are sent twice.
fn acts(count: u64) -> Vec<Behavior> {
    let mut seed = 7u64;
    let mut draw = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    (0..count)
        .map(|_| Behavior {
            event_id: format!("e{}", draw(count)),
            brand: format!("brand-{}", draw(7)),
            occurred_at: at(&format!(
                "2026-0{}-{:02}T{:02}:30:00Z",
                1 + draw(6),
                1 + draw(28),
                draw(24)
            )),
            category: (draw(3) > 0).then(|| format!("a/{}", draw(4))),
            channel: (draw(2) > 0).then(|| format!("channel-{}", draw(5))),
            ..behavior("")
        })
        .collect()
}

/// The day in Shanghai.
fn day(act: &Behavior) -> Day {
    let at = act.occurred_at.unwrap();
    Day(i32::try_from((at.seconds + 8 * 3_600).div_euclid(86_400)).unwrap())
}

fn to_day(date: Option<&Date>) -> Day {
    let date = date.unwrap();
    Day::parse(&format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)).unwrap()
}

async fn filled() -> (House, Vec<Behavior>) {
    let mut house = House::new();
    let acts = acts(400);
    let (first, second) = acts.split_at(250);
    let behaviors = |acts: &[Behavior]| FactRows {
        behaviors: acts.to_vec(),
        ..FactRows::default()
    };
    let revised = OrderLine {
        revision: 1,
        channel: Some("tmall".into()),
        ..line(1, "brand-1")
    };
    let profile = |consumer: &str, labels: &[&str]| ConsumerProfile {
        consumer: consumer.into(),
        updated_at: at("2026-05-01T00:00:00Z"),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..ConsumerProfile::default()
    };
    let lines = FactRows {
        order_lines: vec![line(1, "brand-1"), line(2, "brand-9"), revised],
        ..FactRows::default()
    };
    let profiles = FactRows {
        consumer_profiles: vec![
            profile("c1", &["vip", "close_fan@brand-1"]),
            profile("c2", &["vip"]),
        ],
        ..FactRows::default()
    };
    let stats = FactRows {
        market_stats: vec![MarketStat {
            category: "a".into(),
            gmv: "1".into(),
            first_day: date(2026, 1, 1),
            last_day: date(2026, 3, 31),
            ..MarketStat::default()
        }],
        ..FactRows::default()
    };
    let answers = house
        .append(vec![
            request("p", 1, FactKind::Behavior, behaviors(first)),
            request("p", 2, FactKind::Behavior, behaviors(second)),
            request("p", 1, FactKind::OrderLine, lines),
            request("p", 1, FactKind::ConsumerProfile, profiles),
            request("p", 1, FactKind::MarketStat, stats),
        ])
        .await
        .unwrap();
    assert!(answers.iter().all(|answer| answer.refused == 0), "{answers:?}");
    (house, acts)
}

#[tokio::test]
async fn coverage_is_a_count_of_the_rows_by_kind_and_brand() {
    let before = chrono::Utc::now().timestamp() - 5;
    let (mut house, acts) = filled().await;
    let asked = ListCoverageRequest::default();
    let told = house.client.list_coverage(asked).await.unwrap().into_inner();
    let mut expected: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
    for act in &acts {
        expected.entry(&act.brand).or_default().push(day(act));
    }
    let of = |kind: FactKind| told.coverage.iter().filter(move |one| one.kind() == kind);
    let behaviors: Vec<_> = of(FactKind::Behavior).collect();
    assert_eq!(behaviors.len(), expected.len());
    for (covered, (brand, days)) in behaviors.iter().zip(&expected) {
        assert_eq!(
            (covered.brand.as_str(), covered.rows),
            (*brand, days.len() as i64)
        );
        assert_eq!(to_day(covered.first_day.as_ref()), *days.iter().min().unwrap());
        assert_eq!(to_day(covered.last_day.as_ref()), *days.iter().max().unwrap());
        assert!(covered.last_append_time.unwrap().seconds >= before);
    }
    // A revision is a row; facts of the tenant have no brand; a statistic is about a period.
    let lines: Vec<_> = of(FactKind::OrderLine)
        .map(|one| (one.brand.as_str(), one.rows))
        .collect();
    assert_eq!(lines, [("brand-1", 2), ("brand-9", 1)]);
    let profiles: Vec<_> = of(FactKind::ConsumerProfile).collect();
    assert_eq!(
        (profiles.len(), profiles[0].brand.as_str(), profiles[0].rows),
        (1, "", 2)
    );
    let stats = of(FactKind::MarketStat).next().unwrap();
    assert_eq!(
        (stats.first_day, stats.last_day),
        (date(2026, 1, 1), date(2026, 3, 31))
    );
    assert_eq!(of(FactKind::Content).count(), 0);
    let one = ListCoverageRequest {
        kind: FactKind::OrderLine.into(),
        ..ListCoverageRequest::default()
    };
    let one = house.client.list_coverage(one).await.unwrap().into_inner();
    assert_eq!(one.coverage, of(FactKind::OrderLine).cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn brands_come_page_by_page_with_their_facts() {
    let (mut house, acts) = filled().await;
    let mut expected: BTreeMap<String, Vec<FactKind>> = BTreeMap::new();
    for act in &acts {
        expected.insert(act.brand.clone(), vec![FactKind::Behavior]);
    }
    for brand in ["brand-1", "brand-9"] {
        expected
            .entry(brand.to_owned())
            .or_default()
            .push(FactKind::OrderLine);
    }
    let (mut found, mut token, mut pages) = (BTreeMap::new(), String::new(), 0);
    loop {
        let asked = ListBrandsRequest {
            page_size: 3,
            page_token: token,
        };
        let page = house.client.list_brands(asked).await.unwrap().into_inner();
        assert!(page.data_version.unwrap().tables.contains_key("behaviors"));
        assert!(page.brands.len() <= 3);
        found.extend(
            page.brands
                .iter()
                .map(|one| (one.brand.clone(), one.kinds().collect::<Vec<_>>())),
        );
        (token, pages) = (page.next_page_token, pages + 1);
        if token.is_empty() {
            break;
        }
        // What is appended meanwhile does not end the list.
        let rows = FactRows {
            behaviors: vec![Behavior {
                brand: "brand-0".into(),
                ..behavior(&format!("late-{pages}"))
            }],
            ..FactRows::default()
        };
        let sent = request("late", pages, FactKind::Behavior, rows);
        house.append(vec![sent]).await.unwrap();
    }
    assert_eq!((found, pages), (expected, 3));
    let strange = ListBrandsRequest {
        page_token: "x".into(),
        ..ListBrandsRequest::default()
    };
    let refused = house.client.list_brands(strange).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn values_of_a_dimension_are_those_of_the_brand() {
    let (mut house, acts) = filled().await;
    let mut values = async |dimension: Dimension, brand: &str| {
        let asked = ListDimensionValuesRequest {
            brand: brand.to_owned(),
            dimension: dimension.into(),
            ..ListDimensionValuesRequest::default()
        };
        let told = house.client.list_dimension_values(asked).await;
        told.map(|told| told.into_inner().values)
    };
    let of = |brand: &str, value: fn(&Behavior) -> Option<&String>| -> BTreeSet<String> {
        let mine = acts.iter().filter(|act| act.brand == brand);
        mine.filter_map(value).cloned().collect()
    };
    let categories = of("brand-2", |act| act.category.as_ref());
    assert!(
        values(Dimension::Category, "brand-2")
            .await
            .unwrap()
            .into_iter()
            .eq(categories)
    );
    let mut channels = of("brand-1", |act| act.channel.as_ref());
    channels.insert("tmall".to_owned());
    assert!(
        values(Dimension::Channel, "brand-1")
            .await
            .unwrap()
            .into_iter()
            .eq(channels)
    );
    assert_eq!(
        values(Dimension::Label, "brand-2").await.unwrap(),
        ["close_fan@brand-1", "vip"]
    );
    assert_eq!(
        values(Dimension::Label, "nobody").await.unwrap_err().code(),
        Code::NotFound
    );
    let refused = values(Dimension::Unspecified, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(dualwheel_kit::failure::violations_of(&refused).len(), 2);
}

#[tokio::test]
async fn new_versions_are_told_when_they_come() {
    let mut house = House::new();
    let asked = WatchDataVersionsRequest {};
    let mut told = house
        .client
        .watch_data_versions(asked)
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        told.message()
            .await
            .unwrap()
            .unwrap()
            .data_version
            .unwrap()
            .tables
    };
    assert!(next().await.is_empty());
    let rows = FactRows {
        behaviors: vec![behavior("e1")],
        ..FactRows::default()
    };
    let sent = house
        .append(vec![request("p", 1, FactKind::Behavior, rows)])
        .await
        .unwrap();
    let tables = next().await;
    assert_eq!(
        tables,
        BTreeMap::from([("behaviors".to_owned(), sent[0].table_version)])
    );
}
