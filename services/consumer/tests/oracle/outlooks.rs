//! Outlooks of win-back against single questions, against what came true, and over gRPC.

use std::collections::BTreeSet;

use dualwheel_consumer::winback::{
    MOST_CHANNELS, Outlook, Question, Refusal, channels, features::Portrayer, lapsed::Rhythm, measure,
    outlooks,
};
use dualwheel_kit::{failure::violations_of, question::window_to_proto};
use dualwheel_lake::frames::Categories;
use dualwheel_lake::{frames::Orders, memory::Frames};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    consumer::ListWinbackOutlooksRequest,
    facts::{FactKind, OrderLine},
    types::MetricQuery,
};
use proptest::prelude::*;

use crate::{
    audience_service::house,
    edges::{self, D, sale},
    service::append,
    winback::planted,
    world::{BRAND, START, definitions, facts, world},
};

fn keys(orders: &Orders, channels: &[u32]) -> Vec<String> {
    let words = orders.names.words.view();
    channels
        .iter()
        .map(|channel| words.key(*channel).to_owned())
        .collect()
}

fn sold_in(channel: &str, who: &str, day: i32) -> OrderLine {
    OrderLine {
        channel: Some(channel.to_owned()),
        ..sale(who, day, "a/x", 1, 10)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn channels_are_those_of_purchases_up_to_the_day(world in world()) {
        let frames = world.frames();
        let raw = world.raw();
        let bought = raw.lines.iter().filter(|line| line.quantity > 0 && line.day <= world.as_of.0);
        let expected: BTreeSet<String> = bought.filter_map(|line| line.channel.clone()).collect();
        let expected: Vec<String> = expected.into_iter().collect();
        prop_assert_eq!(keys(&frames.orders, &channels(&frames.orders, world.as_of)), expected);
    }
}

/// 22 channels, the first three with one purchase line and the others with two: of the three the first by key is in.
#[test]
fn the_channels_with_most_lines_are_taken() {
    let mut lines = Vec::new();
    for number in 0..22 {
        let channel = format!("ch{number:02}");
        lines.push(sold_in(&channel, "c", D - number));
        if number >= 3 {
            lines.push(sold_in(&channel, "d", D - number));
        }
    }
    // Neither a later line nor one without units makes a purchase line more.
    lines.push(sold_in("ch02", "e", D + 1));
    lines.push(OrderLine {
        quantity: 0,
        ..sold_in("ch02", "f", D)
    });
    let frames = edges::world(edges::lines(lines)).frames();
    let mut expected = vec!["ch00".to_owned()];
    expected.extend((3..22).map(|number| format!("ch{number:02}")));
    assert_eq!(expected.len(), MOST_CHANNELS);
    assert_eq!(keys(&frames.orders, &channels(&frames.orders, Day(D))), expected);
}

/// How many of those who had lapsed on `as_of` bought in the days that an outlook is of.
fn came_true(frames: &Frames, cuts: &Categories, as_of: i32, quantile: f64, outlook: &Outlook) -> usize {
    let orders = &frames.orders;
    let rhythm = Rhythm::new(orders, cuts, Day(as_of), quantile);
    let lapsed = orders.groups.consumers();
    lapsed
        .filter(|one| rhythm.has_lapsed(orders.of(*one), cuts, Day(as_of)))
        .filter(|one| {
            orders.of(*one).iter().any(|line| {
                line.day.0 > as_of
                    && line.day.0 <= as_of + outlook.horizon
                    && outlook.channel.is_none_or(|channel| line.channel == channel)
            })
        })
        .count()
}

/// The planted buyers keep to one channel each, a third of them to the shop.
#[test]
fn outlooks_are_those_of_single_questions_and_come_true() {
    let mut rows = planted(11);
    for line in &mut rows.order_lines {
        let number: i32 = line.consumer.trim_start_matches('c').parse().unwrap();
        let channel = if number % 3 == 0 { "shop" } else { "douyin" };
        line.channel = Some(channel.to_owned());
    }
    let frames = Frames::from_rows(chrono_tz::UTC, &rows, BRAND).unwrap();
    let (facts, cuts) = (facts(&frames), Categories::new(&frames.names, None, 2));
    let portrayer = Portrayer {
        profiles: &frames.profiles,
    };
    let mut parameters = definitions().parameters;
    parameters.winback_quantile = 0.2;
    // What comes after is known to the facts, and must not be to the outlooks.
    let as_of = START - 180;
    let found = outlooks(&facts, &portrayer, Day(as_of), &cuts, &parameters);
    let asked: Vec<(i32, Vec<String>)> = found
        .outlooks
        .iter()
        .map(|one| (one.horizon, keys(&facts.orders, one.channel.as_slice())))
        .collect();
    let expected: Vec<(i32, Vec<String>)> = [90, 180]
        .into_iter()
        .flat_map(|horizon| {
            [vec![], vec!["douyin".to_owned()], vec!["shop".to_owned()]].map(|channel| (horizon, channel))
        })
        .collect();
    assert_eq!(asked, expected);
    for outlook in &found.outlooks {
        let ask = Question {
            as_of: Day(as_of),
            horizon: outlook.horizon,
            channel: outlook.channel,
            cuts: &cuts,
        };
        let single = measure(&facts, &portrayer, ask, &parameters);
        assert_eq!(
            (single.candidates, &single.model),
            (found.candidates, &outlook.model)
        );
        let expected = outlook.expected.unwrap();
        let of_packs: f64 = single.packs.iter().map(|pack| pack.expected).sum();
        assert!(
            (of_packs - expected).abs() < 1e-6 * expected,
            "{of_packs} {expected}"
        );
        // Both the examples and the candidates are drawn by chance: five standard errors of the difference.
        let people = found.candidates as f64;
        let came = came_true(&frames, &cuts, as_of, parameters.winback_quantile, outlook) as f64;
        let error = (2.0 * came * (1.0 - came / people)).sqrt();
        assert!(
            came > 100.0 && (expected - came).abs() < 5.0 * error,
            "{} days: {expected} of {people} expected, {came} came",
            outlook.horizon
        );
    }
}

#[test]
fn outlooks_without_a_model_say_why() {
    let lines = vec![
        sold_in("shop", "a", D - 300),
        sold_in("shop", "a", D - 290),
        sold_in("web", "b", D - 3),
    ];
    let frames = edges::world(edges::lines(lines)).frames();
    let portrayer = Portrayer {
        profiles: &frames.profiles,
    };
    let cuts = Categories::new(&frames.names, None, 2);
    let found = outlooks(
        &facts(&frames),
        &portrayer,
        Day(D),
        &cuts,
        &definitions().parameters,
    );
    // Only a has lapsed: the one pause is of 10 days, and b bought 3 days ago.
    assert_eq!((found.candidates, found.outlooks.len()), (1, 6));
    for outlook in found.outlooks {
        assert_eq!(outlook.expected, None);
        // 180 days before, a had lapsed and did not come back; 360 days before nobody had bought.
        let (back, examples) = if outlook.horizon == 90 { (180, 1) } else { (360, 0) };
        let refusal = Refusal::TooFewReturns {
            day: Day(D - back),
            examples,
            found: 0,
            needed: 200,
        };
        assert_eq!(outlook.model, Err(refusal));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outlooks_are_told_over_grpc() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, channel) = house(&folder).await;
    let rows = edges::lines(vec![sold_in("shop", "d", D - 4)]);
    append(&channel, FactKind::OrderLine, 2, rows).await;
    let window = Window {
        first: Day(D),
        last: Day(D),
    };
    let query = MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(window_to_proto(window)),
        ..Default::default()
    };
    let request = |query: MetricQuery| ListWinbackOutlooksRequest { query: Some(query) };
    let told = client
        .targeting
        .list_winback_outlooks(request(query.clone()))
        .await;
    let told = told.unwrap().into_inner();
    let asked: Vec<(i32, &str)> = told
        .outlooks
        .iter()
        .map(|one| (one.horizon_days, one.channel.as_str()))
        .collect();
    assert_eq!(asked, [(90, ""), (90, "shop"), (180, ""), (180, "shop")]);
    for outlook in &told.outlooks {
        assert_eq!((outlook.expected_returners, &outlook.model), (None, &None));
        assert!(
            outlook.refusal.contains("the model needs 200"),
            "{}",
            outlook.refusal
        );
    }
    assert!(told.as_of.is_some() && !told.definition_version.is_empty());
    assert!(!told.data_version.unwrap().tables.is_empty());
    let cut = MetricQuery {
        category: "a".to_owned(),
        ..query
    };
    let refused = client
        .targeting
        .list_winback_outlooks(request(cut))
        .await
        .unwrap_err();
    assert_eq!(violations_of(&refused)[0].0, "query.category");
}
