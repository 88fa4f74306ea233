//! Rows that compete: which of them stands, whatever the order of their arrival.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::RecordBatch;
use dualwheel_kit::Call;
use dualwheel_lake::{
    BrandFrame, Reader,
    check::{Ground, check},
    fact::Fact,
    frames::{Names, Stock},
    memory::Frames,
    rows,
};
use dualwheel_measure::Day;
use dualwheel_proto::{
    Date,
    facts::{Behavior, FactKind, FactRows, MarketStat, OrderLine, StockDay},
};
use proptest::prelude::*;
use prost_types::Timestamp;

use crate::{House, count_lines, line, orders, request};

fn date(day: i32) -> Option<Date> {
    Some(Date {
        year: 2026,
        month: 5,
        day,
    })
}

fn stock(product: u8, day: i32, on_hand: i64, updated: Option<i64>) -> StockDay {
    StockDay {
        brand: "b".into(),
        product: format!("p{product}"),
        sku: Some("red".into()),
        location: "w".into(),
        day: date(day),
        on_hand,
        updated_at: updated.map(|seconds| Timestamp { seconds, nanos: 0 }),
        ..StockDay::default()
    }
}

/// A batch of stock as it is stored.
fn stored(producer: u8, sequence: i64, stock_days: &[StockDay]) -> RecordBatch {
    let rows = FactRows {
        stock_days: stock_days.to_vec(),
        ..FactRows::default()
    };
    let batch = rows::to_batch(FactKind::StockDay, &rows).unwrap().unwrap();
    let ground = Ground {
        tenant: "t",
        zone: chrono_tz::UTC,
        now: i64::MAX / 2,
        source: (&format!("producer {producer}"), sequence),
    };
    let checked = check(Fact::of(FactKind::StockDay).unwrap(), &batch, &ground).unwrap();
    assert!(checked.refusals.is_empty());
    checked.batch
}

proptest! {
    /// The latest update stands, else the later sequence of its producer, else the row that says less.
    #[test]
    fn the_row_that_was_said_last_stands(
        said in prop::collection::vec((0..2u8, 1..4i64, prop::collection::vec((0..2u8, 1..3i32, 0..4i64, prop::option::weighted(0.4, 1..3i64)), 1..4)), 1..8)
            .prop_shuffle(),
    ) {
        let batches: Vec<RecordBatch> = said
            .iter()
            .map(|(producer, sequence, rows)| {
                let rows: Vec<StockDay> = rows.iter().map(|(product, day, hand, at)| stock(*product, *day, *hand, *at)).collect();
                stored(*producer, *sequence, &rows)
            })
            .collect();
        let frame = Stock::build(&Arc::new(Names::default()), &batches).unwrap();
        let (products, mut found) = (frame.names.products.view(), BTreeMap::new());
        for row in &frame.rows {
            let key = (products.key(row.product).to_owned(), row.day);
            prop_assert!(found.insert(key, row.on_hand).is_none());
        }
        let mut expected = BTreeMap::new();
        for product in 0..2u8 {
            for day in 1..3 {
                let mut rows = Vec::new();
                for (producer, sequence, of_batch) in &said {
                    for (of, on, hand, updated) in of_batch {
                        if (*of, *on) == (product, day) {
                            rows.push((*producer, *sequence, *hand, *updated));
                        }
                    }
                }
                let latest = rows.iter().map(|row| row.3).max().unwrap_or_default();
                rows.retain(|row| row.3 == latest);
                let last = |producer: u8| rows.iter().filter(|row| row.0 == producer).map(|row| row.1).max();
                let stands = rows.iter().filter(|row| Some(row.1) == last(row.0)).map(|row| row.2).min();
                if let Some(hand) = stands {
                    let day = Day::from_ymd(2026, 5, day as u32).unwrap();
                    expected.insert((format!("p{product}"), day), hand);
                }
            }
        }
        prop_assert_eq!(found, expected);
    }

    /// A repeated event id is one act, on contents or not: the earliest row, of those the one that says the least.
    #[test]
    fn a_repeated_event_id_is_one_act(
        acts in prop::collection::vec((0..8u8, 0..3u8, 1..4i32, 0..2i64, prop::option::of(0..2u8), prop::option::of(0..2u8)), 0..24),
        seed: u64,
    ) {
        let behaviors: Vec<Behavior> = acts
            .iter()
            .map(|(event, consumer, kind, hour, product, content)| Behavior {
                event_id: format!("e{event}"),
                consumer: format!("c{consumer}"),
                brand: "b".into(),
                kind: *kind,
                occurred_at: Some(Timestamp { seconds: 1_770_000_000 + hour * 3_600, nanos: 0 }),
                product: product.map(|key| format!("p{key}")),
                content: content.map(|key| format!("k{key}")),
                ..Behavior::default()
            })
            .collect();
        let mut first: BTreeMap<u8, usize> = BTreeMap::new();
        for (at, act) in acts.iter().enumerate() {
            let says = |at: usize| (acts[at].3, acts[at].1, acts[at].2, acts[at].4, acts[at].5);
            let kept = first.entry(act.0).or_insert(at);
            if says(at) < says(*kept) {
                *kept = at;
            }
        }
        let mut expected: Vec<_> = first
            .values()
            .map(|at| (acts[*at].1, acts[*at].3, acts[*at].2, acts[*at].4, acts[*at].5))
            .collect();
        expected.sort_unstable();
        // Delivered twice, in another order, the rows are found in the same order.
        let mut twice = [behaviors.clone(), behaviors].concat();
        let len = twice.len().max(1);
        twice.rotate_left((seed % len as u64) as usize);
        let rows = FactRows { behaviors: twice, ..FactRows::default() };
        let frame = Frames::from_rows(chrono_tz::UTC, &rows, "b").unwrap().behaviors;
        let text = |keys: dualwheel_lake::frames::KeysView, ordinal: u32| keys.key(ordinal).get(1..).map(|rest| rest.parse::<u8>().unwrap());
        let mut found: Vec<_> = (0..frame.len())
            .map(|row| {
                (
                    text(frame.names.consumers.view(), frame.consumer[row]).unwrap(),
                    (frame.at[row] / 1_000_000 - 1_770_000_000) / 3_600,
                    frame.kind[row] as i32,
                    text(frame.names.products.view(), frame.product[row]),
                    text(frame.names.contents.view(), frame.content[row]),
                )
            })
            .collect();
        for of_one in found.chunk_by(|one, next| one.0 == next.0) {
            prop_assert!(of_one.is_sorted());
        }
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

/// Units on hand, in the order of the products' keys.
async fn hands(reader: &Reader) -> Vec<i64> {
    let stock = reader.stock("b").await.unwrap();
    let keys = stock.names.products.view();
    let by_key: BTreeMap<&str, i64> = stock
        .rows
        .iter()
        .map(|row| (keys.key(row.product), row.on_hand))
        .collect();
    by_key.into_values().collect()
}

#[tokio::test]
async fn stock_and_statistics_are_corrected_downwards() {
    let mut house = House::new();
    let days = |stock_days| FactRows {
        stock_days,
        ..FactRows::default()
    };
    let stat = |gmv: &str, updated| FactRows {
        market_stats: vec![MarketStat {
            category: "a".into(),
            first_day: date(1),
            last_day: date(7),
            gmv: gmv.into(),
            updated_at: updated,
            ..MarketStat::default()
        }],
        ..FactRows::default()
    };
    for (sequence, hand, gmv) in [(1, 9, "9"), (2, 4, "4")] {
        let both = vec![
            request(
                "p",
                sequence,
                FactKind::StockDay,
                days(vec![stock(1, 1, hand, None)]),
            ),
            request("p", sequence, FactKind::MarketStat, stat(gmv, None)),
        ];
        house.append(both).await.unwrap();
    }
    // The same SKU of another product is another one.
    let other = days(vec![stock(2, 1, 7, None)]);
    house
        .append(vec![request("p", 3, FactKind::StockDay, other)])
        .await
        .unwrap();
    for lake in [house.lake.clone(), house.again().0] {
        let reader = lake
            .of(&Call::background("default"))
            .reader(&BTreeMap::new())
            .await
            .unwrap();
        assert_eq!(hands(&reader).await, [4, 7]);
        assert_eq!(reader.market_stats().await.unwrap().rows[0].gmv, 40_000);
    }
    // What was known at a later time stands, however it arrives.
    let early = Some(Timestamp {
        seconds: 10,
        nanos: 0,
    });
    for (sequence, hand, updated) in [(4, 2, Some(20)), (5, 3, Some(10)), (6, 8, None)] {
        let rows = days(vec![stock(1, 1, hand, updated)]);
        house
            .append(vec![request("p", sequence, FactKind::StockDay, rows)])
            .await
            .unwrap();
    }
    let later = vec![
        request("p", 3, FactKind::MarketStat, stat("3", early)),
        request("p", 4, FactKind::MarketStat, stat("8", None)),
    ];
    house.append(later).await.unwrap();
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    assert_eq!(hands(&reader).await, [2, 7]);
    assert_eq!(reader.market_stats().await.unwrap().rows[0].gmv, 30_000);
}

#[tokio::test]
async fn a_line_that_changes_its_brand_leaves_the_old_one() {
    let mut house = House::new();
    let moved = |order: u32, brand: &str, revision: i64| OrderLine {
        revision,
        ..line(order, brand)
    };
    let rows = |order_lines| FactRows {
        order_lines,
        ..FactRows::default()
    };
    let first: Vec<OrderLine> = (0..30)
        .map(|order| line(order, &format!("b{}", order % 20)))
        .collect();
    let before = house.append(vec![orders("p", 1, rows(first))]).await.unwrap()[0].table_version;
    assert_eq!(house.lines("b3").await, 2);
    // Order 3 goes to b4, and from there to b5; order 23 stays; an older row of 3 comes late.
    house
        .append(vec![orders("p", 2, rows(vec![moved(3, "b4", 1)]))])
        .await
        .unwrap();
    assert_eq!([house.lines("b3").await, house.lines("b4").await], [1, 3]);
    house
        .append(vec![orders(
            "p",
            3,
            rows(vec![moved(3, "b5", 3), moved(3, "b3", 2)]),
        )])
        .await
        .unwrap();
    // Of equal revisions the smaller content counts: the consumer is the same, so the brand decides.
    house
        .append(vec![orders("p", 4, rows(vec![line(6, "b7"), line(8, "b7")]))])
        .await
        .unwrap();
    let expected = [("b3", 1), ("b4", 2), ("b5", 3), ("b6", 2), ("b7", 3), ("b8", 1)];
    for lake in [house.lake.clone(), house.again().0] {
        for (brand, lines) in expected {
            assert_eq!(count_lines(&lake, brand).await, lines, "{brand}");
        }
        // Loaded many at once, brands have the same lines.
        let fresh = house.again().0;
        let reader = fresh
            .of(&Call::background("default"))
            .reader(&BTreeMap::new())
            .await
            .unwrap();
        reader.prepare(&[BrandFrame::Orders]).await.unwrap();
        let mut all = 0;
        for brand in reader.brands().await.unwrap().iter() {
            let lines = reader.orders(brand).await.unwrap().lines.len();
            all += lines;
            if let Some((_, expected)) = expected.iter().find(|(name, _)| name == brand) {
                assert_eq!(lines, *expected, "{brand}");
            }
        }
        assert_eq!(all, 30, "every line is of one brand");
        // As it was before.
        let pin = BTreeMap::from([("order_lines".to_owned(), before)]);
        let reader = lake.of(&Call::background("default")).reader(&pin).await.unwrap();
        assert_eq!(reader.orders("b3").await.unwrap().lines.len(), 2);
        assert_eq!(reader.orders("b5").await.unwrap().lines.len(), 2);
    }
}
