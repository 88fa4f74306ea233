//! Raw facts: made up at random, and read back as plainly as can be.

use std::collections::BTreeMap;

use chrono::{Datelike, TimeZone, Utc};
use chrono_tz::Tz;
use dualwheel_proto::{
    Date,
    facts::{Behavior, BehaviorKind, FactRows, MarketStat, OrderLine, Product, StockDay},
};
use proptest::{collection::vec, option, prelude::*};
use prost_types::Timestamp;

/// 2026-03-01 00:00 UTC, in seconds. New York puts its clocks forward on 2026-03-08.
pub const START: i64 = 1_772_323_200;
pub const ZONES: [Tz; 2] = [chrono_tz::Asia::Shanghai, chrono_tz::America::New_York];
pub const CATEGORIES: [&str; 5] = ["a/x", "a/x/1", "a/y", "a", "ab/x"];

/// Days counted from 1970-01-01, as the oracle counts them.
pub fn day_of(seconds: i64, zone: Tz) -> i32 {
    let local = zone.from_utc_datetime(&Utc.timestamp_opt(seconds, 0).unwrap().naive_utc());
    local.date_naive().num_days_from_ce() - 719_163
}

pub fn stamp(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// `hours` after the start.
pub fn at(hours: i64) -> Option<Timestamp> {
    stamp(START + hours * 3_600)
}

pub fn date(day: i32) -> Option<Date> {
    let date = chrono::NaiveDate::from_num_days_from_ce_opt(day + 719_163).unwrap();
    Some(Date {
        year: date.year(),
        month: date.month() as i32,
        day: date.day() as i32,
    })
}

pub fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn scaled(text: &str) -> i128 {
    if text.is_empty() {
        return 0;
    }
    let (units, cents) = text.split_once('.').unwrap();
    (units.parse::<i128>().unwrap() * 100 + cents.parse::<i128>().unwrap()) * 100
}

/// An hour from the start: mostly in 40 days, at times long before.
fn hour() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 0..960i64, 2 => -4_000..0i64, 1 => -10_000..-4_000i64]
}

fn category() -> impl Strategy<Value = Option<String>> {
    option::weighted(
        0.8,
        (0..CATEGORIES.len()).prop_map(|at| CATEGORIES[at].to_owned()),
    )
}

fn brand() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("b1"), 1 => Just("b2"), 1 => Just("b3")].prop_map(str::to_owned)
}

fn line() -> impl Strategy<Value = OrderLine> {
    let what = (
        brand(),
        0..8u8,
        0..5u8,
        option::weighted(0.5, 0..2u8),
        option::weighted(0.3, category()),
    );
    let units = (
        0..4i64,
        0..3i64,
        0..5_000i64,
        prop_oneof![2 => Just(0i64), 1 => 0..6_000i64],
    );
    let travel = || option::weighted(0.6, 0..120i64);
    let times = (
        hour(),
        travel(),
        travel(),
        travel(),
        option::weighted(0.2, 0..120i64),
    );
    (what, units, times).prop_map(|((brand, consumer, product, sku, category), units, times)| {
        let (quantity, returned_quantity, paid, refund) = units;
        let (paid_at, promised, dispatched, delivered, cancelled) = times;
        let later = |hours: Option<i64>| hours.and_then(|hours| at(paid_at + hours));
        OrderLine {
            consumer: format!("c{consumer}"),
            product: format!("p{product}"),
            sku: sku.map(|sku| format!("{brand}s{sku}")),
            category: category.flatten(),
            quantity,
            paid_amount: money(paid),
            paid_at: at(paid_at),
            promised_at: later(promised),
            dispatched_at: later(dispatched),
            delivered_at: later(delivered),
            cancelled_at: later(cancelled),
            returned_quantity,
            refund_amount: money(refund),
            brand,
            ..Default::default()
        }
    })
}

/// Lines with unique keys, some of them revised.
fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
    vec((line(), option::weighted(0.2, line())), 0..30).prop_map(|pairs| {
        let mut lines = Vec::new();
        for (number, (mut line, revised)) in pairs.into_iter().enumerate() {
            (line.order, line.line) = (format!("o{}", number / 2), format!("l{}", number % 2));
            line.order = format!("{}{}", line.brand, line.order);
            if let Some(mut revised) = revised {
                (revised.order, revised.line) = (line.order.clone(), line.line.clone());
                revised.revision = 2;
                revised.sku = None;
                lines.push(revised);
            }
            lines.push(line);
        }
        lines
    })
}

fn product() -> impl Strategy<Value = Product> {
    let what = (
        brand(),
        0..6u8,
        category(),
        option::weighted(0.5, 1..5_000i64),
        hour(),
    );
    let rare = || option::weighted(0.2, hour());
    let flag = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let dates = (option::weighted(0.6, hour()), rare(), rare(), rare(), flag);
    (what, dates).prop_map(|((brand, product, category, price, updated), dates)| {
        let (launched, announced, delisted, season, star) = dates;
        Product {
            product: format!("p{product}"),
            brand,
            updated_at: at(updated),
            category,
            list_price: price.map(money),
            launched_at: launched.and_then(at),
            delisting_announced_at: announced.and_then(at),
            delisted_at: delisted.and_then(at),
            season_ends_at: season.and_then(at),
            star,
            ..Default::default()
        }
    })
}

fn behavior() -> impl Strategy<Value = Behavior> {
    let kinds = [
        BehaviorKind::Browse,
        BehaviorKind::Browse,
        BehaviorKind::Cart,
        BehaviorKind::Favorite,
        BehaviorKind::Consult,
        BehaviorKind::SampleClaim,
        BehaviorKind::Search,
        BehaviorKind::Purchase,
        BehaviorKind::PositiveReview,
        BehaviorKind::PositiveReview,
        BehaviorKind::NegativeReview,
    ];
    let what = (brand(), 0..10u8, 0..kinds.len(), option::weighted(0.9, 0..7u8));
    (what, hour(), category(), any::<u16>()).prop_map(
        move |((brand, consumer, kind, product), hour, category, id)| Behavior {
            event_id: format!("e{}", id % 150),
            consumer: format!("c{consumer}"),
            brand,
            kind: kinds[kind].into(),
            occurred_at: at(hour),
            product: product.map(|product| format!("p{product}")),
            category,
            ..Default::default()
        },
    )
}

fn stock() -> impl Strategy<Value = StockDay> {
    let what = (brand(), 0..6u8, option::weighted(0.5, 0..2u8), 0..2u8);
    (what, 0..45i32, 0..20i64, 0..10i64, 0..3i64).prop_map(
        |((brand, product, sku, location), day, opening, received, hand)| StockDay {
            product: format!("p{product}"),
            sku: sku.map(|sku| format!("{brand}s{sku}")),
            brand,
            location: format!("w{location}"),
            day: date(day_of(START, chrono_tz::UTC) + day),
            opening,
            received,
            on_hand: hand,
            ..Default::default()
        },
    )
}

fn market_stat() -> impl Strategy<Value = MarketStat> {
    let cut = (
        prop::sample::select(vec![
            "a/x", "a/x/1", "a/x/2", "a/x/1/p", "a/y/1", "a/y", "a", "ab/x",
        ]),
        option::weighted(0.1, Just("0-50")),
        option::weighted(0.1, Just("retro")),
    );
    (
        cut,
        prop_oneof![-5..30i32, (-1..3i32).prop_map(|decade| decade * 10)],
        prop_oneof![0..20i32, Just(9)],
        1..9_000i64,
        option::weighted(0.8, 0..50i64),
    )
        .prop_map(|((category, band, style), first, days, gmv, units)| {
            let first = day_of(START, chrono_tz::UTC) + first;
            MarketStat {
                category: category.to_owned(),
                price_band: band.unwrap_or_default().to_owned(),
                attribute_kind: i32::from(style.is_some()),
                attribute_value: style.unwrap_or_default().to_owned(),
                first_day: date(first),
                last_day: date(first + days),
                gmv: money(gmv),
                units,
                ..Default::default()
            }
        })
}

/// Facts of three brands that share consumers and product keys.
pub fn facts() -> impl Strategy<Value = FactRows> {
    let behaviors = prop_oneof![1 => vec(behavior(), 0..1), 4 => vec(behavior(), 0..40)];
    let lines = prop_oneof![1 => vec(line(), 0..1), 6 => lines()];
    let goods = (
        vec(product(), 0..12),
        vec(stock(), 0..25),
        vec(market_stat(), 0..12),
    );
    (behaviors, lines, goods).prop_map(
        |(behaviors, mut order_lines, (mut products, mut stock_days, mut market_stats))| {
            for line in order_lines.iter_mut().filter(|line| line.order.is_empty()) {
                (line.order, line.line) = ("o".to_owned(), "l".to_owned());
            }
            // One row a key, so that which of two equal ones counts is no question here.
            products.sort_by_key(|row| {
                (
                    row.brand.clone(),
                    row.product.clone(),
                    row.updated_at.map(|at| at.seconds),
                )
            });
            products.dedup_by_key(|row| {
                (
                    row.brand.clone(),
                    row.product.clone(),
                    row.updated_at.map(|at| at.seconds),
                )
            });
            let place = |row: &StockDay| {
                let day = row.day.map(|day| (day.month, day.day));
                (
                    row.brand.clone(),
                    row.product.clone(),
                    row.sku.clone(),
                    row.location.clone(),
                    day,
                )
            };
            stock_days.sort_by_key(place);
            stock_days.dedup_by_key(|row| place(row));
            let cut = |row: &MarketStat| {
                let day = |date: &Option<Date>| date.as_ref().map(|day| (day.month, day.day));
                let cut = (
                    row.category.clone(),
                    row.price_band.clone(),
                    row.attribute_value.clone(),
                );
                (cut, day(&row.first_day), day(&row.last_day))
            };
            market_stats.sort_by_key(cut);
            market_stats.dedup_by_key(|row| cut(row));
            FactRows {
                behaviors,
                order_lines,
                products,
                stock_days,
                market_stats,
                ..Default::default()
            }
        },
    )
}

#[derive(Clone, Debug)]
pub struct Line {
    pub consumer: String,
    pub product: String,
    pub sku: String,
    pub category: String,
    pub quantity: i64,
    pub returned: i64,
    pub paid: i128,
    pub refund: i128,
    pub day: i32,
    pub paid_at: i64,
    pub promised: Option<(i64, i32)>,
    pub dispatched: Option<i64>,
    pub delivered: Option<i64>,
    pub cancelled: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Act {
    pub consumer: String,
    pub product: Option<String>,
    pub category: String,
    pub kind: BehaviorKind,
    pub day: i32,
    pub at: i64,
}

/// One brand's facts as plain rows: the latest revisions, days counted, categories filled in.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    pub zone: Option<Tz>,
    pub products: Vec<Product>,
    pub lines: Vec<Line>,
    pub acts: Vec<Act>,
    pub stock: Vec<(StockDay, i32)>,
}

impl Brand {
    pub fn read(rows: &FactRows, brand: &str, zone: Tz) -> Self {
        let mut own = Self {
            zone: Some(zone),
            ..Self::default()
        };
        for row in rows.products.iter().filter(|row| row.brand == brand) {
            let newer = |other: &&Product| {
                other.brand == brand
                    && other.product == row.product
                    && other.updated_at.unwrap().seconds > row.updated_at.unwrap().seconds
            };
            if rows.products.iter().find(newer).is_none() {
                own.products.push(row.clone());
            }
        }
        for row in rows.order_lines.iter().filter(|row| row.brand == brand) {
            let same = |other: &&OrderLine| other.order == row.order && other.line == row.line;
            if !rows
                .order_lines
                .iter()
                .filter(same)
                .any(|other| other.revision > row.revision)
            {
                own.lines.push(own.line(row, zone));
            }
        }
        // Of rows with one event id the earliest is the act, of those the one that says the least.
        let says = |row: &Behavior| {
            let row = row.clone();
            (
                row.occurred_at.unwrap().seconds,
                row.consumer,
                row.kind,
                row.product,
                row.category,
            )
        };
        let mut acts: BTreeMap<&str, &Behavior> = BTreeMap::new();
        for row in rows.behaviors.iter().filter(|row| row.brand == brand) {
            let kept = acts.entry(&row.event_id).or_insert(row);
            if says(row) < says(kept) {
                *kept = row;
            }
        }
        for row in acts.into_values() {
            let of_product = row.product.as_ref().and_then(|product| own.category(product));
            own.acts.push(Act {
                consumer: row.consumer.clone(),
                product: row.product.clone(),
                category: of_product.or(row.category.clone()).unwrap_or_default(),
                kind: row.kind(),
                day: day_of(row.occurred_at.unwrap().seconds, zone),
                at: row.occurred_at.unwrap().seconds,
            });
        }
        for row in rows.stock_days.iter().filter(|row| row.brand == brand) {
            let day = row.day.unwrap();
            let day = chrono::NaiveDate::from_ymd_opt(day.year, day.month as u32, day.day as u32).unwrap();
            own.stock.push((row.clone(), day.num_days_from_ce() - 719_163));
        }
        own
    }

    fn line(&self, row: &OrderLine, zone: Tz) -> Line {
        let seconds = |stamp: &Option<Timestamp>| stamp.map(|stamp| stamp.seconds);
        let paid_at = row.paid_at.unwrap().seconds;
        Line {
            consumer: row.consumer.clone(),
            product: row.product.clone(),
            sku: row.sku.clone().unwrap_or(row.product.clone()),
            category: row
                .category
                .clone()
                .or(self.category(&row.product))
                .unwrap_or_default(),
            quantity: row.quantity,
            returned: row.returned_quantity,
            paid: scaled(&row.paid_amount),
            refund: scaled(&row.refund_amount),
            day: day_of(paid_at, zone),
            paid_at,
            promised: seconds(&row.promised_at).map(|at| (at, day_of(at, zone))),
            dispatched: seconds(&row.dispatched_at),
            delivered: seconds(&row.delivered_at),
            cancelled: seconds(&row.cancelled_at),
        }
    }

    pub fn fact(&self, product: &str) -> Option<&Product> {
        self.products.iter().find(|row| row.product == product)
    }

    pub fn category(&self, product: &str) -> Option<String> {
        self.fact(product).and_then(|row| row.category.clone())
    }

    pub fn list_price(&self, product: &str) -> Option<i128> {
        self.fact(product)
            .and_then(|row| row.list_price.as_deref())
            .map(scaled)
    }

    /// Every product that a product fact, an order line or a stock day names.
    pub fn goods(&self) -> Vec<String> {
        let mut goods: Vec<String> = self.products.iter().map(|row| row.product.clone()).collect();
        goods.extend(self.lines.iter().map(|line| line.product.clone()));
        goods.extend(self.stock.iter().map(|(row, _)| row.product.clone()));
        goods.sort();
        goods.dedup();
        goods
    }
}

/// The supplied statistics, with their days and money.
pub fn market_stats(rows: &FactRows) -> Vec<(MarketStat, i32, i32, i128)> {
    let day = |date: Option<Date>| {
        let date = date.unwrap();
        let date = chrono::NaiveDate::from_ymd_opt(date.year, date.month as u32, date.day as u32).unwrap();
        date.num_days_from_ce() - 719_163
    };
    rows.market_stats
        .iter()
        .map(|row| {
            (
                row.clone(),
                day(row.first_day),
                day(row.last_day),
                scaled(&row.gmv),
            )
        })
        .collect()
}
