//! Raw facts for the references: hand-made ones in few words, random ones for proptest.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use dualwheel_proto::facts::{
    Behavior, BehaviorKind, ConsumerProfile, FactRows, Member, OrderLine, Product, Reachability, Role, Venue,
};
use proptest::prelude::*;
use prost_types::Timestamp;

/// Brand under test.
pub const BRAND: &str = "b0";

const ORIGIN: &str = "2017-02-20T00:00:00Z";

pub fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn stamp(at: DateTime<Utc>) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: at.timestamp(),
        nanos: at.timestamp_subsec_nanos() as i32,
    })
}

pub fn micros(stamp: &Option<Timestamp>) -> i64 {
    let stamp = stamp.unwrap();
    stamp.seconds * 1_000_000 + i64::from(stamp.nanos) / 1_000
}

pub fn date(stamp: &Option<Timestamp>, zone: Tz) -> NaiveDate {
    let instant = DateTime::<Utc>::from_timestamp_micros(micros(stamp)).unwrap();
    zone.from_utc_datetime(&instant.naive_utc()).date_naive()
}

/// Decimal text as ten-thousandths.
pub fn money(text: &str) -> i128 {
    if text.is_empty() {
        return 0;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<4}");
    whole.parse::<i128>().unwrap() * 10_000 + part.parse::<i128>().unwrap()
}

/// A behaviour of the brand under test.
pub fn act(consumer: &str, kind: BehaviorKind, venue: Venue, at: &str) -> Behavior {
    Behavior {
        event_id: format!("{consumer}{at}"),
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        kind: kind.into(),
        venue: venue.into(),
        occurred_at: stamp(utc(at)),
        ..Default::default()
    }
}

/// One unit bought.
pub fn line(order: &str, consumer: &str, at: &str, paid: &str) -> OrderLine {
    OrderLine {
        order: order.to_owned(),
        line: "1".to_owned(),
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        product: "p0".to_owned(),
        quantity: 1,
        paid_amount: paid.to_owned(),
        paid_at: stamp(utc(at)),
        ..Default::default()
    }
}

/// A role held from one instant to another.
pub fn member(consumer: &str, role: Role, joined_at: &str, left_at: Option<&str>) -> Member {
    Member {
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        role: role.into(),
        joined_at: stamp(utc(joined_at)),
        left_at: left_at.and_then(|at| stamp(utc(at))),
        reachable_by: Some(Reachability {
            channels: vec!["sms".to_owned()],
        }),
        ..Default::default()
    }
}

/// A profile with labels.
pub fn profile(consumer: &str, labels: &[&str]) -> ConsumerProfile {
    ConsumerProfile {
        consumer: consumer.to_owned(),
        updated_at: stamp(utc(ORIGIN)),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..Default::default()
    }
}

fn moment(minutes: i64, far: u8) -> Option<Timestamp> {
    // Far ones lie about 180 and 400 days before.
    let past = match far {
        0 => 400,
        1 => 165,
        _ => 0,
    };
    stamp(utc(ORIGIN) + Duration::minutes(minutes - past * 24 * 60))
}

fn brand(number: u8) -> String {
    if number == 0 {
        "b1".to_owned()
    } else {
        BRAND.to_owned()
    }
}

fn category(number: u8) -> Option<String> {
    [None, Some("a/b/c"), Some("a/bc"), Some("z")][usize::from(number % 4)].map(str::to_owned)
}

const MINUTES: std::ops::Range<i64> = 0..40 * 24 * 60;

fn behaviors(venues: bool) -> impl Strategy<Value = Vec<Behavior>> {
    let kind = prop_oneof![3 => Just(BehaviorKind::Browse as i32), 1 => Just(BehaviorKind::Purchase as i32), 5 => 1..24i32];
    let row = (0..8u8, 0..8u8, kind, MINUTES, 0..14u8, 0..6u8, 0..8u8, 0..14i32);
    prop::collection::vec(row, 0..60).prop_map(move |rows| {
        type Row = (u8, u8, i32, i64, u8, u8, u8, i32);
        let build =
            |(number, (consumer, of, kind, minutes, far, product, own, venue)): (usize, Row)| Behavior {
                event_id: format!("e{number}"),
                consumer: format!("c{consumer}"),
                brand: brand(of),
                kind,
                occurred_at: moment(minutes, far),
                product: (product < 4).then(|| format!("p{product}")),
                category: category(own),
                venue: if venues { (venue - 4).max(0) } else { 0 },
                ..Default::default()
            };
        rows.into_iter().enumerate().map(build).collect()
    })
}

fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
    let row = (
        (0..10u8, 0..2u8, 0..3i64),
        (0..8u8, 0..4u8, 0..8u8),
        (0..3i64, MINUTES, 0..10u8),
        (0..2_000u32, 0..3_000u32, any::<bool>()),
    );
    prop::collection::vec(row, 0..25).prop_map(|rows| {
        let mut seen = std::collections::BTreeSet::new();
        let mut lines = Vec::new();
        for (
            (order, line, revision),
            (consumer, product, own),
            (quantity, minutes, far),
            (paid, refund, back),
        ) in rows
        {
            // Of one revision there is one row, so that nothing but the revision decides.
            if !seen.insert((order, line, revision)) {
                continue;
            }
            lines.push(OrderLine {
                order: format!("o{order}"),
                line: format!("{line}"),
                revision,
                consumer: format!("c{consumer}"),
                brand: brand(if order == 9 { 0 } else { 1 }),
                product: format!("p{product}"),
                category: category(own),
                quantity,
                paid_amount: format!("{}.{:02}", paid / 100, paid % 100),
                paid_at: moment(minutes, far),
                returned_quantity: i64::from(back),
                refund_amount: if back {
                    format!("{}.{:02}", refund / 100, refund % 100)
                } else {
                    String::new()
                },
                cancelled_at: if back && quantity == 2 {
                    moment(minutes + 60, far)
                } else {
                    None
                },
                ..Default::default()
            });
        }
        lines
    })
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let row = (
        0..8u8,
        0..8u8,
        1..5i32,
        0..40i64,
        prop::option::of(0..30i64),
        0..5u8,
        0..3i64,
    );
    prop::collection::vec(row, 0..24).prop_map(|rows| {
        let mut seen = std::collections::BTreeSet::new();
        let mut members = Vec::new();
        for (consumer, of, role, joined, stayed, reach, revision) in rows {
            let joined = joined - 5;
            if !seen.insert((consumer, of == 0, role, joined, revision)) {
                continue;
            }
            let at =
                |days: i64| stamp(utc(ORIGIN) + Duration::days(days) + Duration::hours(4 * i64::from(reach)));
            members.push(Member {
                consumer: format!("c{consumer}"),
                brand: brand(of),
                role,
                joined_at: stamp(utc(ORIGIN) + Duration::days(joined) + Duration::hours(3)),
                left_at: stayed.and_then(|stayed| at(joined + 1 + stayed)),
                reachable_by: match reach {
                    0 => None,
                    1 | 2 => Some(Reachability { channels: Vec::new() }),
                    _ => Some(Reachability {
                        channels: vec!["sms".to_owned(), "app".to_owned()],
                    }),
                },
                revision,
                ..Default::default()
            });
        }
        members
    })
}

fn profiles() -> impl Strategy<Value = Vec<ConsumerProfile>> {
    let label = prop::sample::select(vec![
        "close_fan@b0",
        "close_fan@b1",
        "close_fan@b00",
        "pioneer@a",
        "other",
    ]);
    prop::collection::vec((0..9u8, prop::collection::vec(label, 0..3)), 0..8).prop_map(|rows| {
        let build = |(number, (consumer, labels)): (usize, (u8, Vec<&str>))| ConsumerProfile {
            updated_at: stamp(utc(ORIGIN) + Duration::minutes(number as i64)),
            ..profile(&format!("c{consumer}"), &labels)
        };
        rows.into_iter().enumerate().map(build).collect()
    })
}

fn products() -> Vec<Product> {
    let build = |number: u8| Product {
        product: format!("p{number}"),
        brand: BRAND.to_owned(),
        updated_at: stamp(utc(ORIGIN)),
        category: category(number),
        ..Default::default()
    };
    (0..4).map(build).collect()
}

/// Random facts of two brands. Some sets lack order lines, some lack venues.
pub fn rows() -> impl Strategy<Value = FactRows> {
    let behaviors = prop_oneof![3 => behaviors(true), 1 => behaviors(false)];
    (behaviors, lines(), members(), profiles(), 0..5u8).prop_map(
        |(behaviors, lines, members, consumer_profiles, sold)| FactRows {
            behaviors,
            order_lines: if sold == 0 { Vec::new() } else { lines },
            members,
            consumer_profiles,
            products: products(),
            ..Default::default()
        },
    )
}
