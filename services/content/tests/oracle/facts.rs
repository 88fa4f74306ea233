//! Raw facts for the references: hand-made ones in few words, random ones for proptest.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use dualwheel_proto::facts::{Behavior, BehaviorKind, Content, ContentFormat, FactRows, OrderLine, Product};
use proptest::prelude::*;
use prost_types::Timestamp;

/// Brand under test.
pub const BRAND: &str = "b0";

/// Minutes of the instant from which random facts count: 2017-02-20T00:00Z.
pub const ORIGIN: &str = "2017-02-20T00:00:00Z";

pub fn stamp(at: DateTime<Utc>) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: at.timestamp(),
        nanos: at.timestamp_subsec_nanos() as i32,
    })
}

pub fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
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

fn some(key: impl Into<String>) -> Option<String> {
    Some(key.into())
}

/// A behaviour of the brand under test.
pub fn act(id: &str, consumer: &str, kind: BehaviorKind, at: &str) -> Behavior {
    Behavior {
        event_id: id.to_owned(),
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        kind: kind.into(),
        occurred_at: stamp(utc(at)),
        ..Default::default()
    }
}

/// A view of a content with a dwell time.
pub fn view(id: &str, consumer: &str, content: &str, at: &str, dwell_ms: i64) -> Behavior {
    let base = act(id, consumer, BehaviorKind::ContentView, at);
    Behavior {
        content: some(content),
        dwell_ms: Some(dwell_ms),
        ..base
    }
}

/// A content that carries products.
pub fn content(key: &str, format: ContentFormat, products: &[&str]) -> Content {
    Content {
        content: key.to_owned(),
        brand: BRAND.to_owned(),
        updated_at: stamp(utc(ORIGIN)),
        format: format.into(),
        products: products.iter().map(|product| (*product).to_owned()).collect(),
        ..Default::default()
    }
}

/// One unit bought.
pub fn line(order: &str, consumer: &str, product: &str, at: &str, paid: &str) -> OrderLine {
    OrderLine {
        order: order.to_owned(),
        line: "1".to_owned(),
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        product: product.to_owned(),
        quantity: 1,
        paid_amount: paid.to_owned(),
        paid_at: stamp(utc(at)),
        ..Default::default()
    }
}

/// An instant `minutes` after the origin; every eighth one in a past a year before.
fn moment(minutes: i64, far: u8) -> Option<Timestamp> {
    let past = if far == 0 { 400 * 24 * 60 } else { 0 };
    stamp(utc(ORIGIN) + chrono::Duration::minutes(minutes - past))
}

fn brand(number: u8) -> String {
    if number == 0 {
        "b1".to_owned()
    } else {
        BRAND.to_owned()
    }
}

/// Kinds that START reads more often than others.
const KINDS: [BehaviorKind; 20] = [
    BehaviorKind::ContentView,
    BehaviorKind::ContentView,
    BehaviorKind::ContentView,
    BehaviorKind::ContentView,
    BehaviorKind::LiveWatch,
    BehaviorKind::LiveWatch,
    BehaviorKind::Like,
    BehaviorKind::Comment,
    BehaviorKind::Share,
    BehaviorKind::Favorite,
    BehaviorKind::Favorite,
    BehaviorKind::Follow,
    BehaviorKind::Join,
    BehaviorKind::GroupJoin,
    BehaviorKind::Browse,
    BehaviorKind::Browse,
    BehaviorKind::Cart,
    BehaviorKind::Search,
    BehaviorKind::Purchase,
    BehaviorKind::Exposure,
];

/// Minutes of 40 days: any, full hours of two days, where instants often coincide, and noons and midnights, where
/// they often lie whole days apart.
fn minutes() -> impl Strategy<Value = i64> {
    prop_oneof![
        0..40 * 24 * 60i64,
        (0..48i64).prop_map(|hour| 20 * 24 * 60 + hour * 60),
        (0..80i64).prop_map(|half| half * 12 * 60)
    ]
}

/// One of six consumers, often the first.
fn consumer() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), 0..6u8]
}

fn behaviors() -> impl Strategy<Value = Vec<Behavior>> {
    // Instants fall on 40 days; half of them on the full hours of two days, where they often coincide.
    let minute = prop_oneof![
        0..40 * 24 * 60i64,
        (0..48i64).prop_map(|hour| 20 * 24 * 60 + hour * 60)
    ];
    let dwell = prop_oneof![
        Just(None),
        (0..12_000i64).prop_map(Some),
        Just(Some(3_000)),
        Just(Some(2_500)),
        Just(Some(7_500)),
        Just(Some(30_000))
    ];
    let row = (
        0..6u8,
        0..8u8,
        0..KINDS.len(),
        minute,
        0..12u8,
        0..6u8,
        0..7u8,
        dwell,
        0..10u8,
    );
    prop::collection::vec(row, 0..70).prop_map(|rows| {
        let mut acts = Vec::new();
        for (number, (consumer, of, kind, minutes, far, product, content, dwell_ms, twice)) in
            rows.into_iter().enumerate()
        {
            let act = Behavior {
                event_id: format!("e{number}"),
                consumer: format!("c{consumer}"),
                brand: brand(of),
                kind: KINDS[kind].into(),
                occurred_at: moment(minutes, far),
                product: (product < 5).then(|| format!("p{product}")),
                content: (content < 6).then(|| format!("k{content}")),
                dwell_ms,
                ..Default::default()
            };
            if twice == 0 {
                acts.push(act.clone());
            }
            acts.push(act);
            // A repeated id, with other words.
            if twice == 1
                && let Some(other) = acts.get(number / 2).cloned()
            {
                let last = acts.len() - 1;
                acts[last].event_id = other.event_id;
            }
        }
        acts
    })
}

fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
    let row = (
        (0..8u8, 0..2u8, 0..3i64),
        (consumer(), 0..8u8, 0..5u8),
        (0..3i64, minutes(), 0..10u8),
        (0..2_000u32, 0..3_000u32, any::<bool>()),
    );
    prop::collection::vec(row, 0..25).prop_map(|rows| {
        let mut seen = std::collections::BTreeSet::new();
        let mut lines = Vec::new();
        for (
            (order, line, revision),
            (consumer, of, product),
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
                brand: brand(if order == 7 { 0 } else { of.max(1) }),
                product: format!("p{product}"),
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

/// Key, format, brand; products, channel, author; spend, duration.
type RawContent = (
    (u8, i32, u8),
    (Vec<u8>, Option<u8>, Option<u8>),
    (Option<u32>, Option<i64>),
);

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let row = (
        (0..5u8, 0..5i32, 0..8u8),
        (
            prop::collection::vec(0..5u8, 0..4),
            prop::option::of(0..3u8),
            prop::option::of(0..2u8),
        ),
        (
            prop::option::of(0..500u32),
            prop_oneof![Just(None), Just(Some(0)), Just(Some(10)), Just(Some(40))],
        ),
    );
    prop::collection::vec(row, 0..9).prop_map(|rows| {
        let build = |(number, row): (usize, _)| {
            let ((key, format, of), (products, channel, author), (spend, duration_s)): RawContent = row;
            Content {
                content: format!("k{key}"),
                brand: brand(of),
                // Later rows are known later: they win.
                updated_at: stamp(utc(ORIGIN) + chrono::Duration::minutes(number as i64)),
                format,
                channel: channel.map(|channel| format!("channel{channel}")),
                author: author.map(|author| format!("author{author}")),
                products: products.iter().map(|product| format!("p{product}")).collect(),
                spend: spend.map(|spend| format!("{spend}.5")),
                duration_s,
                ..Default::default()
            }
        };
        rows.into_iter().enumerate().map(build).collect()
    })
}

fn products() -> Vec<Product> {
    let categories = [Some("a/b/c"), Some("a/b/d"), Some("a/bc"), Some("z"), None];
    let build = |(number, category): (usize, &Option<&str>)| Product {
        product: format!("p{number}"),
        brand: BRAND.to_owned(),
        updated_at: stamp(utc(ORIGIN)),
        category: category.map(str::to_owned),
        ..Default::default()
    };
    categories.iter().enumerate().map(build).collect()
}

/// Random facts of two brands. Some sets lack order lines, some lack dwell times altogether.
pub fn rows() -> impl Strategy<Value = FactRows> {
    (behaviors(), lines(), contents(), 0..5u8, 0..5u8).prop_map(
        |(behaviors, lines, contents, sold, timed)| {
            let mut rows = FactRows {
                behaviors,
                contents,
                products: products(),
                ..Default::default()
            };
            if sold > 0 {
                rows.order_lines = lines;
            }
            if timed == 0 {
                for behavior in &mut rows.behaviors {
                    behavior.dwell_ms = None;
                }
            }
            rows
        },
    )
}
