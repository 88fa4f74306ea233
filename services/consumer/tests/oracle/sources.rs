//! Sources of new buyers against a slow and obvious reading, by hand, and through the service.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono_tz::Tz;
use dualwheel_consumer::sources::{Search, Source, Sources};
use dualwheel_kit::{failure::violations_of, question::window_to_proto};
use dualwheel_lake::{frames::Names, memory::Frames};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    consumer::{GetSourcesRequest, consumer_service_client::ConsumerServiceClient},
    facts::{FactKind, FactRows, OrderLine, Product},
    types::MetricQuery,
};
use proptest::{prelude::*, sample::select};

use crate::{
    edges::{D, lines, sale},
    facts::day_of,
    service::{append, fill, house_of},
    world::{BRAND, START, definitions, instant},
};

const OTHERS: [&str; 3] = ["a0", "b1", "c"];

#[derive(Clone, Debug)]
struct Case {
    rows: FactRows,
    zone: Tz,
    window: Window,
}

/// Few instants, so that many purchases fall on one; days about the window and about 913 days before it.
fn line() -> impl Strategy<Value = OrderLine> {
    let brand = prop_oneof![2 => Just(BRAND), 3 => select(&OTHERS[..])];
    let day = prop_oneof![
        4 => START..START + 14,
        2 => START - 8..START,
        2 => START - 916..START - 900,
    ];
    let goods = (
        0..3u8,
        proptest::option::of(select(vec!["a/x/1", "a/x", "b"])),
        0..4i64,
    );
    let second = select(vec![0i64, 14_000, 43_200, 61_000, 86_399]);
    (brand, 0..6u8, day, second, goods).prop_map(
        |(brand, who, day, second, (product, category, quantity))| OrderLine {
            line: "1".to_owned(),
            consumer: format!("c{who}"),
            brand: brand.to_owned(),
            product: format!("p{product}"),
            category: category.map(str::to_owned),
            quantity,
            paid_amount: "1".to_owned(),
            paid_at: instant(day, second),
            ..Default::default()
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let zone = select(vec![Tz::Asia__Shanghai, Tz::America__New_York, Tz::UTC]);
    let window = (START..START + 8, 0..10i32);
    let lines = proptest::collection::vec(line(), 0..60);
    (lines, zone, window).prop_map(|(mut order_lines, zone, (first, length))| {
        for (at, line) in order_lines.iter_mut().enumerate() {
            line.order = format!("o{at}");
        }
        // Where a line names no category, its product's counts.
        let product = Product {
            product: "p1".to_owned(),
            brand: "b1".to_owned(),
            updated_at: instant(START, 0),
            category: Some("of the product".to_owned()),
            ..Default::default()
        };
        Case {
            rows: FactRows {
                order_lines,
                products: vec![product],
                ..Default::default()
            },
            zone,
            window: Window {
                first: Day(first),
                last: Day(first + length),
            },
        }
    })
}

fn searched(case: &Case, others: &[&str]) -> Sources {
    let names = Arc::new(Names::default());
    let frames = |brand: &str| Frames::with_names(&names, case.zone, &case.rows, brand).unwrap();
    let mut search = Search::new(&frames(BRAND).orders, case.window, &definitions().parameters);
    for brand in others {
        search.add(brand, &frames(brand).orders);
    }
    search.found()
}

/// Everyone by itself, over all lines.
fn naive(case: &Case) -> Sources {
    let (first, last) = (case.window.first.0, case.window.last.0);
    let at = |line: &OrderLine| line.paid_at.as_ref().unwrap().seconds;
    let day = |line: &OrderLine| day_of(&line.paid_at, case.zone);
    let category = |line: &OrderLine| {
        let of_product = (line.brand == "b1" && line.product == "p1").then(|| "of the product".to_owned());
        line.category.clone().or(of_product).unwrap_or_default()
    };
    let lines: Vec<&OrderLine> = case
        .rows
        .order_lines
        .iter()
        .filter(|line| line.quantity > 0)
        .collect();
    let people: BTreeSet<&String> = lines.iter().map(|line| &line.consumer).collect();
    let (mut new_buyers, mut without_source) = (0, 0);
    let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
    for who in people {
        let own: Vec<&OrderLine> = lines
            .iter()
            .copied()
            .filter(|line| line.consumer == *who)
            .collect();
        let mine: Vec<&OrderLine> = own.iter().copied().filter(|line| line.brand == BRAND).collect();
        if mine
            .iter()
            .any(|line| first - 913 <= day(line) && day(line) < first)
        {
            continue;
        }
        let inside = mine.iter().filter(|line| first <= day(line) && day(line) <= last);
        let Some(start) = inside.min_by_key(|line| at(line)) else {
            continue;
        };
        new_buyers += 1;
        let source = own
            .iter()
            .filter(|line| line.brand != BRAND)
            .filter(|line| {
                let before = day(start) - 913 <= day(line) && day(line) < day(start);
                before || (day(line) == day(start) && at(line) < at(start))
            })
            .min_by_key(|line| {
                (
                    Reverse(at(line)),
                    line.brand.clone(),
                    category(line),
                    line.product.clone(),
                )
            });
        match source {
            Some(line) => *counts.entry((line.brand.clone(), category(line))).or_default() += 1,
            None => without_source += 1,
        }
    }
    let mut sources: Vec<Source> = counts
        .into_iter()
        .map(|((brand, category), people)| Source {
            brand,
            category,
            people,
            share: people as f64 / (new_buyers - without_source) as f64,
        })
        .collect();
    sources.sort_by_key(|source| (-source.people, source.brand.clone(), source.category.clone()));
    Sources {
        new_buyers,
        without_source,
        sources,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn sources_equal_the_methodology_and_add_up(case in case()) {
        let got = searched(&case, &OTHERS);
        prop_assert_eq!(&got, &naive(&case));
        let found: i64 = got.sources.iter().map(|source| source.people).sum();
        prop_assert_eq!(found + got.without_source, got.new_buyers);
        let shares: f64 = got.sources.iter().map(|source| source.share).sum();
        prop_assert!(found == 0 || (shares - 1.0).abs() < 1e-12, "{}", shares);
    }

    #[test]
    fn neither_the_order_of_brands_nor_of_facts_decides(case in case()) {
        let got = searched(&case, &OTHERS);
        let mut turned = case;
        turned.rows.order_lines.reverse();
        let others: Vec<&str> = OTHERS.into_iter().rev().collect();
        prop_assert_eq!(searched(&turned, &others), got);
    }
}

// ---- by hand --------------------------------------------------------------------------------------

fn at(brand: &str, second: i64, line: OrderLine) -> OrderLine {
    let mut paid_at = line.paid_at;
    if let Some(stamp) = &mut paid_at {
        stamp.seconds += second;
    }
    OrderLine {
        brand: brand.to_owned(),
        paid_at,
        ..line
    }
}

#[test]
fn sources_by_hand() {
    let own = |who: &str, day: i32| sale(who, day, "own", 1, 9);
    // The window is D−9 to D.
    let rows = lines(vec![
        // The later of two: c, b.
        own("ann", D - 5),
        at("b1", 0, sale("ann", D - 8, "a/x", 1, 9)),
        at("c", 0, sale("ann", D - 6, "b", 1, 9)),
        // An hour earlier on the day itself, in no category: c.
        own("ben", D - 5),
        OrderLine {
            category: None,
            ..at("c", -3_600, sale("ben", D - 5, "none", 1, 9))
        },
        // At the same instant is not before, and 914 days are too long ago: no source.
        own("cat", D - 5),
        at("b1", 0, sale("cat", D - 5, "a/x", 1, 9)),
        at("b1", 0, sale("cat", D - 5 - 914, "a/x", 1, 9)),
        // 913 days ago to the day: b1, a/x. The second purchase in the window changes nothing, nor what came between.
        own("dan", D - 3),
        own("dan", D - 1),
        at("b1", 0, sale("dan", D - 3 - 913, "a/x", 1, 9)),
        at("c", 0, sale("dan", D - 2, "b", 1, 9)),
        // Bought 913 days before the window: not new.
        own("eve", D - 5),
        own("eve", D - 9 - 913),
        at("c", 0, sale("eve", D - 6, "b", 1, 9)),
        // Bought a day before that: new, and without a source.
        own("fay", D - 5),
        own("fay", D - 9 - 914),
        // Three at one instant: the first brand, then the first category: b1, a/w.
        own("gus", D - 2),
        at("c", 0, sale("gus", D - 4, "a", 1, 9)),
        at("b1", 0, sale("gus", D - 4, "a/x", 1, 9)),
        at("b1", 0, sale("gus", D - 4, "a/w", 1, 9)),
        // Bought nothing from the brand, and nothing from another one.
        sale("hal", D - 1, "own", 0, 9),
        at("c", 0, sale("hal", D - 4, "b", 1, 9)),
        own("ida", D - 1),
        at("b1", 0, sale("ida", D - 2, "a/x", 0, 9)),
        // As dan: b1, a/x.
        own("joe", D - 1),
        at("b1", 0, sale("joe", D - 4, "a/x", 1, 9)),
    ]);
    let case = Case {
        rows,
        zone: Tz::UTC,
        window: Window {
            first: Day(D - 9),
            last: Day(D),
        },
    };
    let source = |brand: &str, category: &str, people: i64, share: f64| Source {
        brand: brand.to_owned(),
        category: category.to_owned(),
        people,
        share,
    };
    // New are all but eve and hal; cat, fay and ida have no source.
    let expected = Sources {
        new_buyers: 8,
        without_source: 3,
        sources: vec![
            source("b1", "a/x", 2, 0.4),
            source("b1", "a/w", 1, 0.2),
            source("c", "", 1, 0.2),
            source("c", "b", 1, 0.2),
        ],
    };
    assert_eq!(searched(&case, &["b1", "c"]), expected);
}

// ---- through the service --------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn sources_through_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let channel = house_of(&folder).await;
    // c bought before the window and in it, d in it alone.
    fill(&channel).await;
    let others = lines(vec![
        at("b1", 0, sale("c", D - 7, "b/z", 1, 9)),
        at("b1", 0, sale("d", D - 7, "b/z", 1, 9)),
        at("c1", 0, sale("d", D - 8, "a/x", 1, 9)),
    ]);
    append(&channel, FactKind::OrderLine, 2, others).await;
    let query = |brand: &str| MetricQuery {
        brand: brand.to_owned(),
        window: Some(window_to_proto(Window {
            first: Day(D - 9),
            last: Day(D),
        })),
        ..Default::default()
    };
    let mut client = ConsumerServiceClient::new(channel);
    let asked = |query| GetSourcesRequest { query: Some(query) };
    let told = client
        .get_sources(asked(query(BRAND)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (told.new_buyers, told.without_source, told.sources.len()),
        (1, 0, 1)
    );
    let source = &told.sources[0];
    assert_eq!(
        (
            source.brand.as_str(),
            source.category.as_str(),
            source.people,
            source.share
        ),
        ("b1", "b/z", 1, 1.0)
    );
    assert!(told.data_version.unwrap().tables.contains_key("order_lines"));
    assert!(!told.definition_version.is_empty() && told.as_of.is_some());

    // d came to b1 from c1; c had bought from the first brand.
    let told = client.get_sources(asked(query("b1"))).await.unwrap().into_inner();
    assert_eq!((told.new_buyers, told.without_source), (2, 0));
    let sources: Vec<(&str, &str)> = told
        .sources
        .iter()
        .map(|source| (source.brand.as_str(), source.category.as_str()))
        .collect();
    assert_eq!(sources, [(BRAND, "a/x"), ("c1", "a/x")]);

    let wrong = MetricQuery {
        by: "category".to_owned(),
        ..query(BRAND)
    };
    let refused = client.get_sources(asked(wrong)).await.unwrap_err();
    let fields: Vec<String> = violations_of(&refused)
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["query.by"]);
}
