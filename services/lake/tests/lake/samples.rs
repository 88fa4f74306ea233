//! One row of every fact with all of its fields, and what questions are told of it.

use std::collections::BTreeMap;

use dualwheel_kit::Call;
use dualwheel_lake::{Lake, frames};
use dualwheel_measure::Day;
use dualwheel_proto::{
    Date,
    facts::{
        AttributeKind, Behavior, BehaviorKind, Campaign, ConsumerProfile, Content, ContentFormat, FactKind,
        FactRows, Gender, KeywordClass, MarketStat, Member, OrderLine, Product, Reachability, Role,
        SocialProfile, StockDay, Venue,
    },
};

use crate::at;

fn day(year: i32, month: i32, day: i32) -> Option<Date> {
    Some(Date { year, month, day })
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The rows of each fact; another `number` gives other keys.
pub fn rows(number: u32) -> Vec<(FactKind, FactRows)> {
    let key = |name: &str| format!("{name}{number}");
    vec![
        (
            FactKind::Behavior,
            FactRows {
                behaviors: vec![behavior(key("event"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::ConsumerProfile,
            FactRows {
                consumer_profiles: vec![profile(key("consumer"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::OrderLine,
            FactRows {
                order_lines: vec![order_line(key("order"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::Product,
            FactRows {
                products: vec![product(key("product"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::StockDay,
            FactRows {
                stock_days: vec![stock_day(key("product"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::MarketStat,
            FactRows {
                market_stats: vec![market_stat(key("category"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::Content,
            FactRows {
                contents: vec![content(key("content"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::Member,
            FactRows {
                members: vec![member(key("consumer"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::SocialProfile,
            FactRows {
                social_profiles: vec![social_profile(key("consumer"))],
                ..FactRows::default()
            },
        ),
        (
            FactKind::Campaign,
            FactRows {
                campaigns: vec![campaign(key("campaign"))],
                ..FactRows::default()
            },
        ),
    ]
}

fn behavior(event_id: String) -> Behavior {
    Behavior {
        event_id,
        consumer: "consumer1".into(),
        brand: "b".into(),
        kind: BehaviorKind::Search as i32,
        occurred_at: at("2026-05-01T16:30:00Z"),
        product: text("product1"),
        content: text("content1"),
        category: text("shoes"),
        channel: text("live"),
        venue: Venue::LiveRoom as i32,
        keyword: text("red shoes"),
        keyword_class: KeywordClass::Category as i32,
        dwell_ms: Some(1_500),
        source: text("app"),
    }
}

fn profile(consumer: String) -> ConsumerProfile {
    ConsumerProfile {
        consumer,
        updated_at: at("2026-04-01T00:00:00Z"),
        age: Some(34),
        gender: Gender::Female as i32,
        city_tier: Some(2),
        has_child: Some(true),
        child_birth_month: day(2020, 3, 1),
        spending_power: Some(0.75),
        occupation: text("nurse"),
        labels: vec!["runner".into(), "early".into()],
    }
}

fn order_line(order: String) -> OrderLine {
    OrderLine {
        order,
        line: "1".into(),
        revision: 3,
        consumer: "consumer1".into(),
        brand: "b".into(),
        product: "product1".into(),
        sku: text("sku1"),
        category: text("shoes"),
        quantity: 2,
        paid_amount: "199.90".into(),
        list_price: text("120"),
        paid_at: at("2026-05-01T16:30:00Z"),
        promised_at: at("2026-05-03T00:00:00Z"),
        dispatched_at: at("2026-05-02T00:00:00Z"),
        delivered_at: at("2026-05-03T06:00:00Z"),
        returned_quantity: 1,
        refund_amount: "99.95".into(),
        return_reason: text("too small"),
        channel: text("live"),
        ..OrderLine::default()
    }
}

fn product(product: String) -> Product {
    Product {
        product,
        brand: "b".into(),
        updated_at: at("2026-03-01T00:00:00Z"),
        category: text("shoes"),
        list_price: text("120"),
        launched_at: at("2026-03-02T00:00:00Z"),
        delisting_announced_at: at("2026-08-01T00:00:00Z"),
        delisted_at: at("2026-09-01T00:00:00Z"),
        season: text("2026 summer"),
        season_ends_at: at("2026-08-31T00:00:00Z"),
        star: Some(true),
        styles: vec!["sport".into()],
        shape: text("low"),
        colour: text("red"),
        material: text("mesh"),
        function: text("running"),
        craft: text("knit"),
        ip: text("none"),
    }
}

fn stock_day(product: String) -> StockDay {
    StockDay {
        brand: "b".into(),
        sku: text(&format!("sku of {product}")),
        product,
        location: "shanghai".into(),
        day: day(2026, 5, 1),
        opening: 40,
        received: 10,
        on_hand: 48,
        in_transit: 5,
        ..StockDay::default()
    }
}

fn market_stat(category: String) -> MarketStat {
    MarketStat {
        category,
        price_band: "100-200".into(),
        attribute_kind: AttributeKind::Style as i32,
        attribute_value: "sport".into(),
        first_day: day(2026, 4, 1),
        last_day: day(2026, 4, 30),
        gmv: "1000000.50".into(),
        units: Some(9_000),
        buyers: Some(8_000),
        visitors: Some(90_000),
        searches: Some(20_000),
        listings: Some(300),
        sellers: Some(30),
        top_brand_share: Some(0.5),
        new_brand_share: Some(0.25),
        ..MarketStat::default()
    }
}

fn content(content: String) -> Content {
    Content {
        content,
        brand: "b".into(),
        updated_at: at("2026-04-01T00:00:00Z"),
        format: ContentFormat::Live as i32,
        channel: text("live"),
        author: text("author1"),
        published_at: at("2026-04-02T00:00:00Z"),
        products: vec!["product1".into()],
        spend: text("5000"),
        model: text("tall"),
        scene: text("park"),
        selling_point: text("light"),
        cover: text("shoe"),
        copy: text("run"),
        host: text("host1"),
        video_type: text("demo"),
        duration_s: Some(3_600),
    }
}

fn member(consumer: String) -> Member {
    Member {
        consumer,
        brand: "b".into(),
        role: Role::Member as i32,
        tier: text("gold"),
        joined_at: at("2026-02-01T00:00:00Z"),
        left_at: at("2026-12-01T00:00:00Z"),
        recruit_channel: text("live"),
        reachable_by: Some(Reachability {
            channels: vec!["sms".into()],
        }),
        revision: 2,
    }
}

fn social_profile(consumer: String) -> SocialProfile {
    SocialProfile {
        consumer,
        brand: "b".into(),
        updated_at: at("2026-04-01T00:00:00Z"),
        followers: Some(10_000),
        follower_match: Some(0.5),
        posts_30d: Some(12),
        interactions_30d: Some(900),
        spread_30d: Some(40),
        shares_30d: Some(33),
        attributed_gmv_30d: text("1234.5"),
        own_gmv_365d: text("800"),
        follower_spending_power: Some(0.25),
    }
}

fn campaign(campaign: String) -> Campaign {
    Campaign {
        campaign,
        brand: "b".into(),
        updated_at: at("2026-04-01T00:00:00Z"),
        channel: text("live"),
        starts_at: at("2026-04-10T00:00:00Z"),
        ends_at: at("2026-04-20T00:00:00Z"),
        spend: text("7000"),
        products: vec!["product1".into()],
        audience: text("runners"),
    }
}

/// What a lake's frames tell of brand `b`, by table: the number of rows and, of each, values that may be left out of a row.
pub async fn told(lake: &Lake) -> BTreeMap<&'static str, Vec<String>> {
    let tenant = lake.of(&Call::background("default"));
    let reader = tenant.reader(&BTreeMap::new()).await.unwrap();
    let day = |day: Option<Day>| day.map_or_else(String::new, |day| day.to_string());
    let mut told = BTreeMap::new();
    let behaviors = reader.behaviors("b").await.unwrap();
    let dwell = behaviors.dwell_ms.iter().zip(&behaviors.keyword_class);
    let class = |class: Option<frames::KeywordClass>| class.map_or(0, |class| class as u8);
    let dwell = dwell.map(|(dwell, of)| format!("{dwell} {}", class(*of)));
    told.insert("behaviors", dwell.collect::<Vec<_>>());
    let orders = reader.orders("b").await.unwrap();
    let orders = orders
        .lines
        .iter()
        .map(|line| format!("{} {:?} {}", line.net(), line.list_price, day(line.promised_day)));
    told.insert("order_lines", orders.collect());
    let products = reader.products("b").await.unwrap();
    let products = products
        .rows
        .iter()
        .map(|row| format!("{:?} {} {:?}", row.list_price, day(row.launched), row.styles));
    told.insert("products", products.collect());
    let stock = reader.stock("b").await.unwrap();
    let stock = stock.rows.iter().map(|row| {
        format!(
            "{} {} {} {}",
            row.opening, row.received, row.on_hand, row.in_transit
        )
    });
    told.insert("stock_days", stock.collect());
    let market = reader.market_stats().await.unwrap();
    let market = market.rows.iter().map(|row| {
        format!(
            "{} {:?} {:?} {:?}",
            row.gmv, row.units, row.searches, row.price_band
        )
    });
    told.insert("market_stats", market.collect());
    let contents = reader.contents("b").await.unwrap();
    let contents = contents
        .rows
        .iter()
        .map(|row| format!("{:?} {} {:?}", row.spend, day(row.published), row.duration_s));
    told.insert("contents", contents.collect());
    let members = reader.members("b").await.unwrap();
    let members = members
        .rows
        .iter()
        .map(|row| format!("{} {} {}", row.role.word(), row.joined, day(row.left)));
    told.insert("members", members.collect());
    let profiles = reader.profiles().await.unwrap();
    let profiles = profiles.rows.iter().map(|row| {
        format!(
            "{:?} {:?} {:?} {:?}",
            row.age, row.gender, row.has_child, row.labels
        )
    });
    told.insert("consumer_profiles", profiles.collect());
    let social = reader.social_profiles("b").await.unwrap();
    let social = social.rows.iter().map(|row| {
        format!(
            "{:?} {:?} {:?}",
            row.followers, row.follower_match, row.own_gmv_365d
        )
    });
    told.insert("social_profiles", social.collect());
    let campaigns = reader.campaigns("b").await.unwrap();
    let campaigns = campaigns
        .rows
        .iter()
        .map(|row| format!("{:?} {} {}", row.spend, row.starts, day(row.ends)));
    told.insert("campaigns", campaigns.collect());
    for rows in told.values_mut() {
        rows.sort_unstable();
    }
    told
}
