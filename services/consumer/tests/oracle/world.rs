//! Small random facts, and the engine's side of every comparison.

use std::sync::Arc;

use chrono_tz::Tz;
use dualwheel_consumer::{
    Parameters,
    facts::Facts,
    index::{
        Cells,
        cells::{BOUGHT, OTHER_LINE},
    },
};
use dualwheel_lake::{groups::unknown, memory::Frames};
use dualwheel_measure::{
    Ask, Day, Definitions, Extent, MetricGroup, Scope, Window,
    group::{law, to_bytes},
};
use dualwheel_proto::{
    Date,
    facts::{Behavior, ConsumerProfile, FactRows, MarketStat, Member, OrderLine, Product, StockDay},
};
use proptest::{prelude::*, sample::select};
use prost_types::Timestamp;
use roaring::RoaringBitmap;

use crate::facts::Raw;

pub const BRAND: &str = "b0";
/// 2024-03-01.
pub const START: i32 = 19_783;
pub const CATEGORIES: [&str; 6] = ["a/x/1", "a/x/2", "a/y", "b", "b/z/q", "ab/c"];

/// A question and the facts that it is asked of.
#[derive(Clone, Debug)]
pub struct World {
    pub rows: FactRows,
    pub zone: Tz,
    pub window: Window,
    pub as_of: Day,
    pub category: Option<String>,
    pub level: u32,
}

pub fn definitions() -> Definitions<Parameters> {
    Definitions::shipped(dualwheel_consumer::DEFINITIONS).unwrap()
}

impl World {
    /// The frames of the rows, before which others came that do not stand beside them.
    pub fn frames(&self) -> Frames {
        Frames::from_rows(self.zone, &self.with_losers(), BRAND).unwrap()
    }

    /// The rows behind others that compete with every fourth of them, and lose by their instant or content.
    fn with_losers(&self) -> FactRows {
        let mut rows = FactRows::default();
        let acts = &self.rows.behaviors;
        for (at, act) in acts.iter().enumerate().step_by(4) {
            let mut loser = Behavior {
                event_id: act.event_id.clone(),
                brand: act.brand.clone(),
                occurred_at: act.occurred_at,
                consumer: format!("{}z", act.consumer),
                ..acts[(at * 7 + 3) % acts.len()].clone()
            };
            if at % 8 == 0 {
                let later = loser.occurred_at.as_mut().unwrap();
                later.seconds += 86_400;
                loser.consumer = "a".to_owned();
            }
            rows.behaviors.push(loser);
        }
        let lines = &self.rows.order_lines;
        for (at, line) in lines.iter().enumerate().step_by(4) {
            rows.order_lines.push(OrderLine {
                order: line.order.clone(),
                line: line.line.clone(),
                revision: line.revision,
                consumer: format!("{}z", line.consumer),
                ..lines[(at * 7 + 3) % lines.len()].clone()
            });
        }
        let members = &self.rows.members;
        for (at, member) in members.iter().enumerate().step_by(4) {
            rows.members.push(Member {
                consumer: member.consumer.clone(),
                brand: member.brand.clone(),
                role: member.role,
                joined_at: member.joined_at,
                revision: member.revision,
                tier: Some(format!("{}~", member.tier())),
                ..members[(at * 7 + 3) % members.len()].clone()
            });
        }
        rows.behaviors.extend(acts.iter().cloned());
        rows.order_lines.extend(lines.iter().cloned());
        rows.members.extend(members.iter().cloned());
        FactRows {
            behaviors: rows.behaviors,
            order_lines: rows.order_lines,
            members: rows.members,
            ..self.rows.clone()
        }
    }

    pub fn raw(&self) -> Raw {
        Raw::new(&self.rows, BRAND, self.zone)
    }

    pub fn scope<'a>(&self, definitions: &'a Definitions<Parameters>) -> Scope<'a> {
        Scope {
            window: self.window,
            as_of: self.as_of,
            entries: &definitions.metrics,
            version: &definitions.version,
            segments: Vec::new(),
        }
    }

    /// The question as a group is asked it.
    pub fn ask<'a>(
        &'a self,
        definitions: &'a Definitions<Parameters>,
        by: Option<&'a str>,
    ) -> Ask<'a, Parameters> {
        Ask {
            brand: BRAND,
            by,
            category: self.category.as_deref(),
            category_level: Some(self.level),
            parameters: &definitions.parameters,
            scope: self.scope(definitions),
        }
    }

    /// Cuts the people into parts by number and seed: merged, they are the whole. Facts that came in another order give
    /// the same bytes too.
    pub fn check<G: MetricGroup<Parameters = Parameters>>(
        &self,
        group: &G,
        facts: impl Fn(&Frames) -> (G::Part, G::Whole),
        by: Option<&str>,
        (number, seed): (u64, u64),
    ) -> Result<(), TestCaseError> {
        let definitions = definitions();
        let ask = self.ask(&definitions, by);
        prop_assert_eq!(unknown(&group.needs(&ask)), None);
        let frames = self.frames();
        let (all, whole) = facts(&frames);
        let parts: Vec<G::Part> = frames
            .parts(number, seed)
            .iter()
            .map(|frames| facts(frames).0)
            .collect();
        law::parts_make_the_whole(group, (&all, &parts), &whole, &ask)
            .map_err(|broken| TestCaseError::fail(broken.to_string()))?;
        let mut turned = self.rows.clone();
        turned.behaviors.reverse();
        turned.order_lines.reverse();
        turned.members.reverse();
        turned.consumer_profiles.reverse();
        let turned = World {
            rows: turned,
            ..self.clone()
        };
        let (other, whole_of_other) = facts(&turned.frames());
        let bytes = |part, whole| to_bytes(&group.partial(part, whole, Extent::Part, &ask)).unwrap();
        prop_assert_eq!(bytes(&all, &whole), bytes(&other, &whole_of_other));
        Ok(())
    }
}

pub fn facts(frames: &Frames) -> Facts {
    Facts::new(
        Arc::clone(&frames.behaviors),
        Arc::clone(&frames.orders),
        Arc::clone(&frames.members),
    )
}

/// The bitmaps that the people index has of these facts.
pub fn cells(facts: &Facts) -> Cells {
    let one = |signal: usize, day: Day, consumer: u32| (signal, day, RoaringBitmap::from([consumer]));
    let frame = &facts.behaviors;
    let behaviors =
        (0..frame.len()).map(|row| one(frame.kind[row] as usize, frame.day[row], frame.consumer[row]));
    let lines = facts.orders.lines.iter().map(|line| {
        let signal = if line.is_purchase() { BOUGHT } else { OTHER_LINE };
        one(signal, line.day, line.consumer)
    });
    Cells::default().with(behaviors.chain(lines))
}

pub fn instant(day: i32, second: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: i64::from(day) * 86_400 + second,
        nanos: 0,
    })
}

pub fn date(day: i32) -> Option<Date> {
    use chrono::Datelike;
    let date = Day(day).date().unwrap();
    Some(Date {
        year: date.year(),
        month: date.month() as i32,
        day: date.day() as i32,
    })
}

pub fn text(ten_thousandths: i64) -> String {
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// Mostly forty days, some long before.
fn days() -> impl Strategy<Value = i32> {
    prop_oneof![
        12 => START..START + 45,
        2 => START - 25..START,
        1 => START - 200..START - 150,
        1 => START - 400..START - 330,
        1 => START - 960..START - 870,
    ]
}

fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    (days(), prop_oneof![0i64..86_400, 14_000i64..19_000]).prop_map(|(day, second)| instant(day, second))
}

fn consumer() -> impl Strategy<Value = String> {
    (0..12u8).prop_map(|number| format!("c{number}"))
}

fn brand() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(BRAND.to_owned()), 1 => Just("b1".to_owned())]
}

fn category() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 3 => select(&CATEGORIES[..]).prop_map(|path| Some(path.to_owned()))]
}

/// Products 0 to 5 may have a product row, 6 never.
fn product() -> impl Strategy<Value = String> {
    (0..7u8).prop_map(|number| format!("p{number}"))
}

fn channel() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(select(vec!["douyin", "tmall store"]).prop_map(str::to_owned))
}

fn behavior() -> impl Strategy<Value = Behavior> {
    let kind = prop_oneof![3 => 1..=23i32, 2 => Just(5), 1 => Just(6), 1 => select(vec![3, 8, 21, 22, 17])];
    let what = (
        (
            proptest::option::of(product()),
            proptest::option::of(select(vec!["v0", "v1"])),
            channel(),
        ),
        category(),
        0..5i32,
    );
    (consumer(), brand(), kind, moment(), what, any::<u32>()).prop_map(
        |(
            consumer,
            brand,
            kind,
            occurred_at,
            ((product, content, channel), category, keyword_class),
            event,
        )| Behavior {
            event_id: event.to_string(),
            consumer,
            brand,
            kind,
            occurred_at,
            product,
            category: category.filter(|_| event % 2 == 0),
            keyword_class: if kind == 6 { keyword_class } else { 0 },
            content: content.map(str::to_owned),
            channel,
            ..Default::default()
        },
    )
}

fn line() -> impl Strategy<Value = OrderLine> {
    let key = (0..40u8, 0..2u8, 0..3i64, brand());
    let goods = (
        (product(), channel()),
        category(),
        prop_oneof![1 => Just(0i64), 5 => 1..4i64],
    );
    let amounts = (
        0..400_000i64,
        prop_oneof![4 => Just(0i64), 1 => 0..500_000i64],
        prop_oneof![4 => Just(0i64), 1 => 0..4i64],
    );
    let list = prop_oneof![1 => Just(None), 12 => (1..200_000i64).prop_map(Some)];
    (key, consumer(), moment(), goods, amounts, list).prop_map(
        |(
            (order, line, revision, brand),
            consumer,
            paid_at,
            ((product, channel), category, quantity),
            (paid, refund, returned),
            list,
        )| {
            OrderLine {
                // The brand is in the key: an order belongs to one brand.
                order: format!("{brand}-{order}"),
                line: line.to_string(),
                revision,
                consumer,
                brand,
                product,
                channel,
                category,
                quantity,
                paid_amount: text(paid),
                list_price: list.map(text),
                paid_at,
                returned_quantity: returned,
                refund_amount: if refund == 0 { String::new() } else { text(refund) },
                ..Default::default()
            }
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let times = (days(), 0i64..86_400, proptest::option::of(0..60i32));
    let tier = proptest::option::of(select(vec!["gold", "top 1 %"]));
    (consumer(), brand(), (1..=4i32, tier), times).prop_map(
        |(consumer, brand, (role, tier), (day, second, stay))| Member {
            consumer,
            brand,
            role,
            joined_at: instant(day, second),
            left_at: stay.and_then(|stay| instant(day + stay, second)),
            tier: tier.map(str::to_owned),
            ..Default::default()
        },
    )
}

fn profile(number: u8) -> impl Strategy<Value = ConsumerProfile> {
    let numbers = (
        proptest::option::of(15..70i32),
        proptest::option::of(1..=6i32),
        0..4i32,
    );
    let more = (
        proptest::option::of(any::<bool>()),
        proptest::option::of(1..=12i32),
        proptest::option::of(select(vec![0.1, 0.3, 0.8])),
    );
    let words = (
        proptest::option::of(select(vec!["Driver", "teacher", "餐饮"])),
        proptest::collection::vec(
            select(vec!["pioneer@a", "pioneer@a/x", "pioneer@b", "close_fan@b0"]),
            0..3,
        ),
    );
    (numbers, more, words).prop_map(
        move |((age, city_tier, gender), (has_child, month, power), (job, labels))| ConsumerProfile {
            consumer: format!("c{number}"),
            updated_at: instant(START, 0),
            age,
            gender,
            city_tier,
            has_child,
            child_birth_month: month.map(|month| Date {
                year: 2020,
                month,
                day: 1,
            }),
            spending_power: power,
            occupation: job.map(str::to_owned),
            labels: labels.into_iter().map(str::to_owned).collect(),
        },
    )
}

fn products() -> impl Strategy<Value = Vec<Product>> {
    let one = (
        category(),
        proptest::option::of(prop_oneof![days(), START - 120..START - 60]),
        any::<bool>(),
    );
    proptest::collection::vec(one, 6).prop_map(|all| {
        let numbered = all.into_iter().enumerate().filter(|(_, (_, _, known))| *known);
        numbered
            .map(|(number, (category, launched, _))| Product {
                product: format!("p{number}"),
                brand: BRAND.to_owned(),
                updated_at: instant(START, 0),
                category,
                launched_at: launched.and_then(|day| instant(day, 43_200)),
                ..Default::default()
            })
            .collect()
    })
}

fn market() -> impl Strategy<Value = MarketStat> {
    let path = prop_oneof![3 => select(vec!["a/x", "a/y", "b", "b/z", "a"]), 1 => select(&CATEGORIES[..])];
    let buyers = prop_oneof![1 => Just(None), 5 => (0..60i64).prop_map(Some)];
    (path, START - 40..START + 45, 0..20i32, buyers, 0..8i32).prop_map(
        |(path, first, length, buyers, kind)| MarketStat {
            category: path.to_owned(),
            attribute_kind: i32::from(kind == 7),
            attribute_value: if kind == 7 { "s".to_owned() } else { String::new() },
            price_band: if kind == 6 {
                "low".to_owned()
            } else {
                String::new()
            },
            first_day: date(first),
            last_day: date(first + length),
            gmv: "100".to_owned(),
            buyers,
            ..Default::default()
        },
    )
}

fn stock_day() -> impl Strategy<Value = StockDay> {
    (product(), days()).prop_map(|(product, day)| StockDay {
        brand: BRAND.to_owned(),
        product,
        location: "l".to_owned(),
        day: date(day),
        ..Default::default()
    })
}

fn rows() -> impl Strategy<Value = FactRows> {
    let lines = prop_oneof![
        6 => proptest::collection::vec(line(), 0..50),
        1 => Just(Vec::new()),
    ];
    let profiles = (0..12u8).map(profile).collect::<Vec<_>>();
    (
        proptest::collection::vec(behavior(), 0..70),
        lines,
        proptest::collection::vec(member(), 0..10),
        (profiles, any::<[bool; 12]>()),
        products(),
        proptest::collection::vec(market(), 0..12),
        proptest::collection::vec(stock_day(), 0..8),
    )
        .prop_map(
            |(behaviors, mut lines, mut members, (profiles, known), products, mut market, stock_days)| {
                // Ties between revisions are the lake's to break; here every row of a line has its own revision.
                let mut seen = std::collections::BTreeSet::new();
                lines.retain(|line| seen.insert((line.order.clone(), line.line.clone(), line.revision)));
                let mut seen = std::collections::BTreeSet::new();
                members.retain(|row| {
                    let joined = row.joined_at.as_ref().unwrap().seconds;
                    seen.insert((row.consumer.clone(), row.brand.clone(), row.role, joined))
                });
                let mut seen = std::collections::BTreeSet::new();
                market.retain(|row| {
                    let days = [&row.first_day, &row.last_day]
                        .map(|day| day.map(|day| (day.year, day.month, day.day)));
                    seen.insert((
                        row.category.clone(),
                        row.price_band.clone(),
                        row.attribute_kind,
                        days,
                    ))
                });
                let known = profiles.into_iter().zip(known).filter(|(_, known)| *known);
                FactRows {
                    behaviors,
                    order_lines: lines,
                    members,
                    consumer_profiles: known.map(|(profile, _)| profile).collect(),
                    products,
                    market_stats: market,
                    stock_days,
                    ..Default::default()
                }
            },
        )
}

pub fn world() -> impl Strategy<Value = World> {
    let zones = select(vec![
        Tz::Asia__Shanghai,
        Tz::America__New_York,
        Tz::UTC,
        Tz::Pacific__Auckland,
    ]);
    let category = prop_oneof![
        3 => Just(None),
        2 => select(vec!["a", "a/x", "a/x/1", "b", "q"]).prop_map(|path| Some(path.to_owned())),
    ];
    (
        rows(),
        zones,
        START - 8..START + 42,
        1..34i32,
        0..12i32,
        (category, 1..=3u32),
    )
        .prop_map(|(rows, zone, first, length, later, (category, level))| World {
            rows,
            zone,
            window: Window {
                first: Day(first),
                last: Day(first + length - 1),
            },
            as_of: Day(first + length - 1 + later),
            category,
            level,
        })
}
