//! Raw facts of one brand, read by plain loops.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeZone, Utc};
use chrono_tz::Tz;
use dualwheel_proto::facts::{BehaviorKind, ConsumerProfile, FactRows, KeywordClass, MarketStat, Role};
use prost_types::Timestamp;

#[derive(Clone, Debug)]
pub struct Act {
    pub consumer: String,
    pub kind: BehaviorKind,
    pub day: i32,
    pub product: Option<String>,
    pub category: Option<String>,
    pub content: Option<String>,
    pub channel: Option<String>,
    pub class: KeywordClass,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub consumer: String,
    pub order: String,
    pub product: String,
    pub channel: Option<String>,
    pub category: Option<String>,
    pub quantity: i64,
    pub returned: i64,
    /// Paid less refunded, in ten-thousandths.
    pub net: i128,
    /// List price per unit, in ten-thousandths.
    pub list: Option<i128>,
    pub day: i32,
}

#[derive(Clone, Debug)]
pub struct Relation {
    pub consumer: String,
    pub role: Role,
    pub tier: Option<String>,
    pub joined: i32,
    pub left: Option<i32>,
}

/// The facts of one brand with days in the tenant's zone.
#[derive(Clone, Debug)]
pub struct Raw {
    pub acts: Vec<Act>,
    pub lines: Vec<Line>,
    pub relations: Vec<Relation>,
    /// Product to category and launch.
    pub products: BTreeMap<String, (Option<String>, Option<i32>)>,
    pub stock: Vec<(String, i32)>,
    pub profiles: Vec<ConsumerProfile>,
    pub market: Vec<MarketStat>,
}

pub fn day_of(stamp: &Option<Timestamp>, zone: Tz) -> i32 {
    let stamp = stamp.as_ref().unwrap();
    let utc: DateTime<Utc> = DateTime::from_timestamp(stamp.seconds, stamp.nanos as u32).unwrap();
    zone.from_utc_datetime(&utc.naive_utc())
        .date_naive()
        .num_days_from_ce()
        - 719_163
}

pub fn date_of(date: &Option<dualwheel_proto::Date>) -> i32 {
    let date = date.as_ref().unwrap();
    let date = chrono::NaiveDate::from_ymd_opt(date.year, date.month as u32, date.day as u32).unwrap();
    date.num_days_from_ce() - 719_163
}

fn money(text: &str) -> i128 {
    if text.is_empty() {
        return 0;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i128>().unwrap() * 10_000 + format!("{part:0<4}").parse::<i128>().unwrap()
}

impl Raw {
    pub fn new(rows: &FactRows, brand: &str, zone: Tz) -> Self {
        let mut products = BTreeMap::new();
        for row in rows.products.iter().filter(|row| row.brand == brand) {
            let launched = row.launched_at.as_ref().map(|_| day_of(&row.launched_at, zone));
            products.insert(row.product.clone(), (row.category.clone(), launched));
        }
        let of_product = |product: &str| products.get(product).and_then(|(category, _)| category.clone());
        let acts = rows
            .behaviors
            .iter()
            .filter(|row| row.brand == brand)
            .map(|row| Act {
                consumer: row.consumer.clone(),
                kind: row.kind(),
                day: day_of(&row.occurred_at, zone),
                product: row.product.clone(),
                category: row
                    .product
                    .as_deref()
                    .and_then(of_product)
                    .or(row.category.clone()),
                content: row.content.clone(),
                channel: row.channel.clone(),
                class: row.keyword_class(),
            })
            .collect();
        let mut latest: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        // A line is of the brand that its latest row names.
        for (at, row) in rows.order_lines.iter().enumerate() {
            let slot = latest.entry((&row.order, &row.line)).or_insert(at);
            if rows.order_lines[*slot].revision < row.revision {
                *slot = at;
            }
        }
        let lines = latest
            .values()
            .map(|at| &rows.order_lines[*at])
            .filter(|row| row.brand == brand)
            .map(|row| Line {
                consumer: row.consumer.clone(),
                order: row.order.clone(),
                product: row.product.clone(),
                channel: row.channel.clone(),
                category: row.category.clone().or_else(|| of_product(&row.product)),
                quantity: row.quantity,
                returned: row.returned_quantity,
                net: money(&row.paid_amount) - money(&row.refund_amount),
                list: row.list_price.as_deref().map(money),
                day: day_of(&row.paid_at, zone),
            })
            .collect();
        let relations = rows
            .members
            .iter()
            .filter(|row| row.brand == brand)
            .map(|row| Relation {
                consumer: row.consumer.clone(),
                role: row.role(),
                tier: row.tier.clone(),
                joined: day_of(&row.joined_at, zone),
                left: row.left_at.as_ref().map(|_| day_of(&row.left_at, zone)),
            })
            .collect();
        let stock = rows.stock_days.iter().filter(|row| row.brand == brand);
        Self {
            acts,
            lines,
            relations,
            stock: stock
                .map(|row| (row.product.clone(), date_of(&row.day)))
                .collect(),
            products,
            profiles: rows.consumer_profiles.clone(),
            market: rows.market_stats.clone(),
        }
    }

    pub fn consumers(&self) -> BTreeSet<String> {
        let acts = self.acts.iter().map(|act| &act.consumer);
        let lines = self.lines.iter().map(|line| &line.consumer);
        acts.chain(lines)
            .chain(self.relations.iter().map(|one| &one.consumer))
            .cloned()
            .collect()
    }

    /// Purchases: consumer, day, category, and whether there is a product.
    pub fn purchases(&self) -> Vec<(String, i32, Option<String>, bool)> {
        if !self.lines.is_empty() {
            let bought = self.lines.iter().filter(|line| line.quantity > 0);
            return bought
                .map(|line| (line.consumer.clone(), line.day, line.category.clone(), true))
                .collect();
        }
        let supplied = self.acts.iter().filter(|act| act.kind == BehaviorKind::Purchase);
        supplied
            .map(|act| {
                (
                    act.consumer.clone(),
                    act.day,
                    act.category.clone(),
                    act.product.is_some(),
                )
            })
            .collect()
    }

    /// Deepest role on a day: 0 none, 1 fan, 2 group member, 3 member, 4 paid member.
    pub fn role(&self, consumer: &str, day: i32) -> i32 {
        let mut deepest = 0;
        for one in self.relations.iter().filter(|one| one.consumer == consumer) {
            if one.joined <= day && one.left.is_none_or(|left| day < left) {
                deepest = deepest.max(one.role as i32);
            }
        }
        deepest
    }
}

pub fn is_passive(kind: BehaviorKind) -> bool {
    use BehaviorKind::*;
    matches!(kind, Exposure | AdClick | ContentView | LiveWatch)
}

/// Active but for browsing.
pub fn is_active(kind: BehaviorKind) -> bool {
    use BehaviorKind::*;
    let plain = matches!(
        kind,
        Search | Favorite | Cart | Follow | Join | SampleClaim | BenefitClaim | PointsRedeem
    );
    let more = matches!(kind, CheckIn | Like | Comment | Share | Consult | GroupJoin);
    plain || more || is_loyal(kind)
}

pub fn is_loyal(kind: BehaviorKind) -> bool {
    matches!(kind, BehaviorKind::PositiveReview | BehaviorKind::Recommend)
}

/// First `level` parts of a path.
pub fn cut(path: &str, level: usize) -> String {
    path.split('/').take(level).collect::<Vec<_>>().join("/")
}

/// Whether a category lies in the one asked for.
pub fn inside(category: &Option<String>, asked: Option<&str>) -> bool {
    match (category, asked) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(path), Some(asked)) => path == asked || path.starts_with(&format!("{asked}/")),
    }
}
