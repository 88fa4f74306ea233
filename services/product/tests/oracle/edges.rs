//! Edge cases worked by hand.

use chrono_tz::{America::New_York, Asia::Shanghai, Tz};
use dualwheel_measure::{Absence, Metric};
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, OrderLine, Product, StockDay};

use crate::{
    check::{Asked, Engine},
    raw::{START, at, date, day_of, stamp},
};

fn line(number: i64, consumer: &str, quantity: i64, paid: &str, hours: i64) -> OrderLine {
    OrderLine {
        order: format!("o{number}"),
        line: "1".to_owned(),
        consumer: consumer.to_owned(),
        brand: "b1".to_owned(),
        product: "p".to_owned(),
        category: Some("a/x".to_owned()),
        quantity,
        paid_amount: paid.to_owned(),
        paid_at: at(hours),
        ..Default::default()
    }
}

fn browse(consumer: &str, product: Option<&str>, hours: i64) -> Behavior {
    Behavior {
        event_id: format!("{consumer}{hours}"),
        consumer: consumer.to_owned(),
        brand: "b1".to_owned(),
        kind: BehaviorKind::Browse.into(),
        occurred_at: at(hours),
        product: product.map(str::to_owned),
        ..Default::default()
    }
}

/// Days of March 2026, first to last.
fn march(zone: Tz, first: i32, last: i32) -> (i32, i32) {
    let start = day_of(START + 43_200, zone);
    (start + first - 1, start + last - 1)
}

fn ask(rows: &FactRows, zone: Tz, window: (i32, i32)) -> Vec<Metric> {
    Engine::new(rows, zone).super_(window, window.1, Asked::default())
}

fn value(metrics: &[Metric], id: &str) -> Result<f64, Absence> {
    metrics
        .iter()
        .find(|metric| metric.id == id)
        .unwrap()
        .value
        .clone()
        .map_err(|(absence, _)| absence)
}

#[test]
fn no_facts_give_reasons_and_no_zeros() {
    let metrics = ask(&FactRows::default(), Shanghai, march(Shanghai, 1, 31));
    assert_eq!(metrics.len(), 10);
    assert_eq!(value(&metrics, "super.star"), Err(Absence::NoDenominator));
    for metric in &metrics[1..] {
        assert_eq!(
            metric.value.clone().unwrap_err().0,
            Absence::SignalNotSupplied,
            "{}",
            metric.id
        );
    }
    let prices = Engine::new(&FactRows::default(), Shanghai).price_strength(march(Shanghai, 1, 31), None);
    assert!(
        prices
            .iter()
            .all(|metric| metric.value.clone().unwrap_err().0 == Absence::SignalNotSupplied)
    );
}

#[test]
fn lines_outside_the_window_leave_no_denominator() {
    let rows = FactRows {
        order_lines: vec![line(1, "c", 1, "10.00", -2_000)],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    assert_eq!(value(&metrics, "super.novelty"), Err(Absence::NoDenominator));
    assert_eq!(value(&metrics, "super.fulfilment"), Err(Absence::NoDenominator));
    assert_eq!(
        value(&metrics, "super.dispatch_hours.median"),
        Err(Absence::NoData)
    );
    let prices = Engine::new(&rows, Shanghai).price_strength(march(Shanghai, 1, 31), None);
    assert!(
        prices
            .iter()
            .all(|metric| metric.value.clone().unwrap_err().0 == Absence::NoDenominator)
    );
}

#[test]
fn same_day_purchases_are_one_buyer_and_store_visits_none() {
    // c1 buys twice on one day and never browses; c2 browses the product; c3 only the store: 1 buyer of 2 visitors.
    let rows = FactRows {
        order_lines: vec![line(1, "c1", 1, "10.00", 10), line(2, "c1", 2, "20.00", 11)],
        behaviors: vec![browse("c2", Some("p"), 12), browse("c3", None, 12)],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    assert_eq!(value(&metrics, "super.conversion"), Ok(0.5));
}

#[test]
fn a_return_only_row_is_money_on_its_day_and_no_purchase() {
    // 30.00 paid on the 2nd, 10.00 paid back by a row of its own on the 5th: GMV 20.00, all of it new.
    let mut back = line(2, "c2", 0, "0.00", 4 * 24);
    (back.returned_quantity, back.refund_amount) = (1, "10.00".to_owned());
    let rows = FactRows {
        order_lines: vec![line(1, "c1", 3, "30.00", 24), back],
        behaviors: vec![browse("c1", Some("p"), 24)],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    let novelty = metrics
        .iter()
        .find(|metric| metric.id == "super.novelty")
        .unwrap();
    assert_eq!(novelty.denominator.unwrap().as_f64(), 20.0);
    assert_eq!(value(&metrics, "super.conversion"), Ok(1.0)); // c2 bought nothing
    // Only the return lies in [4th, 31st]: units −1 at the market's 10.00 a unit? No market units either: no price.
    let prices = Engine::new(&rows, Shanghai).price_strength(march(Shanghai, 4, 31), None);
    assert_eq!(
        value(&prices, "neo.solidity.premium"),
        Err(Absence::NoDenominator)
    );
    // Full price: −10.00 ÷ (−1 unit × 10.00).
    assert_eq!(value(&prices, "neo.solidity.full_price"), Ok(1.0));
}

#[test]
fn returns_larger_than_sales_show_below_zero() {
    // Stock 10; one unit sold, three come back by a row of their own: −2 ÷ 10.
    let mut back = line(2, "c1", 0, "0.00", 60);
    (back.returned_quantity, back.refund_amount) = (3, "30.00".to_owned());
    let stock = StockDay {
        brand: "b1".to_owned(),
        product: "p".to_owned(),
        location: "w".to_owned(),
        day: date(march(Shanghai, 1, 1).0),
        opening: 10,
        on_hand: 9,
        ..Default::default()
    };
    let rows = FactRows {
        order_lines: vec![line(1, "c1", 1, "10.00", 50), back],
        stock_days: vec![stock],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    assert_eq!(value(&metrics, "super.sell_through"), Ok(-0.2));
    assert_eq!(value(&metrics, "super.sold_out"), Ok(0.0));
}

#[test]
fn promises_by_hand() {
    let with = |number,
                promised: Option<i64>,
                dispatched: Option<i64>,
                delivered: Option<i64>,
                cancelled: Option<i64>| {
        let time = |hours: Option<i64>| hours.and_then(|hours| at(24 + hours));
        OrderLine {
            promised_at: time(promised),
            dispatched_at: time(dispatched),
            delivered_at: time(delivered),
            cancelled_at: time(cancelled),
            ..line(number, "c", 1, "1.00", 24)
        }
    };
    let rows = FactRows {
        order_lines: vec![
            with(1, Some(48), Some(10), Some(48), None),     // on the dot: kept
            with(2, Some(48), Some(20), Some(49), None),     // an hour late
            with(3, Some(48), None, None, None),             // never delivered: broken
            with(4, Some(48), None, None, Some(5)),          // cancelled before dispatch: out
            with(5, Some(48), Some(30), Some(40), Some(35)), // cancelled on its way: kept
            with(6, Some(2_000), Some(40), None, None),      // not due yet
            with(7, None, Some(50), Some(100), None),        // never promised
        ],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    assert_eq!(value(&metrics, "super.fulfilment"), Ok(0.5)); // 1 and 5 of 1, 2, 3, 5
    // Dispatch 10, 20, 30, 40, 50: median 30, P90 at position 3.6: 46. Delivery 40, 48, 49, 100: 48.5; 2.7: 84.7.
    assert_eq!(value(&metrics, "super.dispatch_hours.median"), Ok(30.0));
    assert!((value(&metrics, "super.dispatch_hours.p90").unwrap() - 46.0).abs() < 1e-9);
    assert_eq!(value(&metrics, "super.delivery_hours.median"), Ok(48.5));
    assert!((value(&metrics, "super.delivery_hours.p90").unwrap() - 84.7).abs() < 1e-9);
}

#[test]
fn days_change_at_the_zones_midnight_through_daylight_saving() {
    // New York, 8 March 2026: midnight is 05:00 UTC, on the 9th 04:00 UTC. Lines at 04:59 and 05:00 UTC on the 8th and
    // at 03:59 and 04:00 UTC on the 9th: the second and third are of the 8th, 20.00 together.
    let march_8 = START + 7 * 86_400;
    let at_utc = |number, seconds| OrderLine {
        paid_at: stamp(march_8 + seconds),
        ..line(number, "c", 1, "10.00", 0)
    };
    let hour = 3_600;
    let times = [5 * hour - 60, 5 * hour, 28 * hour - 60, 28 * hour];
    let order_lines = (1..)
        .zip(times)
        .map(|(number, seconds)| at_utc(number, seconds))
        .collect();
    let rows = FactRows {
        order_lines,
        ..Default::default()
    };
    let window = march(New_York, 8, 8);
    let metrics = ask(&rows, New_York, window);
    let novelty = metrics
        .iter()
        .find(|metric| metric.id == "super.novelty")
        .unwrap();
    assert_eq!(novelty.denominator.unwrap().as_f64(), 20.0);
}

#[test]
fn a_consumer_and_a_product_key_of_two_brands_stay_apart() {
    let mut other = line(9, "c1", 5, "500.00", 30);
    other.brand = "b2".to_owned();
    let rows = FactRows {
        order_lines: vec![line(1, "c1", 1, "10.00", 30), other],
        behaviors: vec![browse("c2", Some("p"), 30)],
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 1, 31));
    let novelty = metrics
        .iter()
        .find(|metric| metric.id == "super.novelty")
        .unwrap();
    assert_eq!(novelty.denominator.unwrap().as_f64(), 10.0);
    assert_eq!(value(&metrics, "super.conversion"), Ok(0.5));
    // Market price of a/x: 510.00 ÷ 6 units = 85.00; premium 10 ÷ 85.
    let prices = Engine::new(&rows, Shanghai).price_strength(march(Shanghai, 1, 31), None);
    assert!((value(&prices, "neo.solidity.premium").unwrap() - 10.0 / 85.0).abs() < 1e-12);
}

#[test]
fn novelty_ends_after_ninety_days_and_begins_before_the_launch() {
    // Launched on 1 March; sold in February, on day 90 (30 May) and on day 91: 10 + 20 of 10 + 20 + 40 are new.
    let launched = Product {
        product: "p".to_owned(),
        brand: "b1".to_owned(),
        updated_at: at(0),
        launched_at: at(0),
        ..Default::default()
    };
    let order_lines = vec![
        line(1, "c", 1, "10.00", -24 * 10),
        line(2, "c", 1, "20.00", 24 * 90),
        line(3, "c", 1, "40.00", 24 * 91),
    ];
    let rows = FactRows {
        order_lines,
        products: vec![launched],
        ..Default::default()
    };
    let (first, last) = march(Shanghai, -30, 120);
    let metrics = ask(&rows, Shanghai, (first, last));
    assert!((value(&metrics, "super.novelty").unwrap() - 30.0 / 70.0).abs() < 1e-12);
}

#[test]
fn window_edges_are_inside() {
    let days = [1, 2, 30, 31, 32];
    let order_lines: Vec<OrderLine> = (1..)
        .zip(days)
        .map(|(number, day)| line(number, "c", 1, "1.00", (day - 1) * 24 + 1))
        .collect();
    let rows = FactRows {
        order_lines,
        ..Default::default()
    };
    let metrics = ask(&rows, Shanghai, march(Shanghai, 2, 31));
    let novelty = metrics
        .iter()
        .find(|metric| metric.id == "super.novelty")
        .unwrap();
    assert_eq!(novelty.denominator.unwrap().as_f64(), 3.0);
}

#[test]
fn bands_of_equal_gmv_by_hand() {
    // Five goods at 1.00, 2.00, 3.00, 4.00, 5.00, each with 20.00 of GMV: a fifth each, one a band. A sixth, unsold,
    // lists at 3.50 and lies in band 4; a seventh has no price at all.
    let sold = |number: i64, units: i64| OrderLine {
        product: format!("p{number}"),
        category: None,
        ..line(number, "c", units, "20.00", 24)
    };
    let product = |name: &str, list: Option<&str>| Product {
        product: name.to_owned(),
        brand: "b1".to_owned(),
        updated_at: at(0),
        launched_at: at(0),
        list_price: list.map(str::to_owned),
        star: Some(true),
        ..Default::default()
    };
    let mut products: Vec<Product> = (1..=5)
        .map(|number| product(&format!("p{number}"), None))
        .collect();
    products.extend([product("p6", Some("3.50")), product("p7", None)]);
    let order_lines = vec![sold(1, 20), sold(2, 10), sold(3, 7), sold(4, 5), sold(5, 4)];
    let rows = FactRows {
        order_lines,
        products,
        ..Default::default()
    };
    let window = march(Shanghai, 1, 31);
    let asked = Asked {
        category: None,
        by: Some(("price_band", 2)),
    };
    let metrics = Engine::new(&rows, Shanghai).super_(window, window.1, asked);
    let on_sale: Vec<(String, f64)> = metrics
        .iter()
        .filter(|metric| metric.id == "super.star" && !metric.segments.is_empty())
        .map(|metric| (metric.segments[0].1.clone(), metric.denominator.unwrap().as_f64()))
        .collect();
    let wanted = [
        ("", 1.0),
        ("1", 1.0),
        ("2", 1.0),
        ("3", 1.0),
        ("4", 2.0),
        ("5", 1.0),
    ];
    assert_eq!(on_sale, wanted.map(|(band, goods)| (band.to_owned(), goods)));
}
