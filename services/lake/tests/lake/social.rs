//! Social profiles, and what market statistics say besides sales, from the table to the frame.

use std::collections::BTreeMap;

use dualwheel_kit::Call;
use dualwheel_measure::Day;
use dualwheel_proto::{
    Date,
    facts::{AttributeKind, FactKind, FactRows, MarketStat, SocialProfile},
};

use crate::{House, at, request};

fn profile(brand: &str, updated_at: &str, followers: i64) -> SocialProfile {
    SocialProfile {
        consumer: "ann".into(),
        brand: brand.into(),
        updated_at: at(updated_at),
        followers: Some(followers),
        attributed_gmv_30d: Some("12.5".into()),
        ..SocialProfile::default()
    }
}

#[tokio::test]
async fn the_profile_of_a_day_comes_back_with_its_version() {
    let mut house = House::new();
    let rows = |social_profiles| FactRows {
        social_profiles,
        ..FactRows::default()
    };
    // 18:00 UTC on the first of May is the second in Shanghai.
    let first = ["b", "c"].map(|brand| profile(brand, "2026-05-01T18:00:00Z", 10));
    let second = vec![profile("b", "2026-05-09T00:00:00Z", 20)];
    house
        .append(vec![
            request("p", 1, FactKind::SocialProfile, rows(first.into())),
            request("p", 2, FactKind::SocialProfile, rows(second)),
        ])
        .await
        .unwrap();
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let frame = reader.social_profiles("b").await.unwrap();
    let ann = reader.names().consumers.find("ann").unwrap();
    let on = |day: &str| {
        let row = frame.on(ann, Day::parse(day).unwrap());
        row.map(|row| (row.followers, row.attributed_gmv_30d))
    };
    assert_eq!(on("2026-05-01"), None);
    assert_eq!(on("2026-05-02"), Some((Some(10), Some(125_000))));
    assert_eq!(on("2026-05-09"), Some((Some(20), Some(125_000))));
    assert!(reader.versions().tables.contains_key("social_profiles"));
    assert!(reader.social_profiles("nobody").await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn statistics_keep_searches_and_listings() {
    let mut house = House::new();
    let day = |day| {
        Some(Date {
            year: 2026,
            month: 5,
            day,
        })
    };
    let stat = |units, searches| MarketStat {
        category: "a/b".into(),
        attribute_kind: AttributeKind::Style.into(),
        attribute_value: "retro".into(),
        first_day: day(1),
        last_day: day(7),
        gmv: "5".into(),
        units,
        searches,
        listings: Some(3),
        ..MarketStat::default()
    };
    // Of one cut and period the last batch of the producer counts, and in it the row that says less.
    let batches = [
        [stat(Some(9), Some(1)), stat(None, Some(7))],
        [stat(None, None), stat(Some(4), None)],
    ];
    for (sequence, stats) in (1..).zip(batches) {
        let rows = FactRows {
            market_stats: stats.into(),
            ..FactRows::default()
        };
        let request = request("p", sequence, FactKind::MarketStat, rows);
        house.append(vec![request]).await.unwrap();
    }
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let stats = reader.market_stats().await.unwrap();
    let [row] = &stats.rows[..] else {
        panic!("{stats:?}")
    };
    assert_eq!((row.units, row.searches, row.listings), (None, None, Some(3)));
}
