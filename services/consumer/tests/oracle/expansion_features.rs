//! The features of expansion against plain loops and a case worked by hand.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::expansion::features::{FEATURES, Portrayer};
use dualwheel_lake::frames::Categories;
use dualwheel_measure::Day;
use dualwheel_proto::facts::{BehaviorKind, ConsumerProfile, Member, OrderLine, Role};
use proptest::prelude::*;

use crate::{
    edges::{self, D, act, sale},
    facts::{Raw, cut},
    world::{BRAND, facts, instant, world},
};

/// The features of one consumer by plain loops; without those that need what [`Raw`] leaves out.
fn counted_features(raw: &Raw, who: &str, day: i32) -> BTreeMap<&'static str, Option<f64>> {
    let supplied = raw.lines.is_empty();
    let lately = |at: i32, days: i32| at <= day && at > day - days;
    let acts: Vec<_> = raw
        .acts
        .iter()
        .filter(|act| act.consumer == who && act.day <= day)
        .collect();
    let bought: BTreeSet<i32> = raw
        .purchases()
        .into_iter()
        .filter(|(consumer, at, ..)| consumer == who && *at <= day)
        .map(|(_, at, ..)| at)
        .collect();
    let mut active = bought.clone();
    active.extend(acts.iter().map(|act| act.day));
    let did = |days: i32, kinds: &[BehaviorKind]| {
        let mine = acts
            .iter()
            .filter(|act| kinds.contains(&act.kind) && lately(act.day, days));
        Some(mine.count() as f64)
    };
    let within = |of: &BTreeSet<i32>, days| Some(of.iter().filter(|at| lately(**at, days)).count() as f64);
    let lines = raw
        .lines
        .iter()
        .filter(|line| line.consumer == who && line.quantity > 0 && lately(line.day, 365));
    let net: i128 = lines.clone().map(|line| line.net).sum();
    let categories: BTreeSet<String> = lines
        .map(|line| {
            line.category
                .as_deref()
                .map(|path| cut(path, 2))
                .unwrap_or_default()
        })
        .collect();
    let profile = raw.profiles.iter().find(|profile| profile.consumer == who);
    let profile = profile.cloned().unwrap_or_default();
    let since = |at: Option<&i32>| at.map(|at| f64::from(day - at));
    use BehaviorKind::*;
    BTreeMap::from([
        ("recency", since(active.last())),
        ("tenure", since(active.first())),
        ("active_days_90d", within(&active, 90)),
        ("active_days_365d", within(&active, 365)),
        ("exposures_30d", did(30, &[Exposure, AdClick])),
        (
            "visits_30d",
            did(30, &[Browse, Favorite, Cart, Consult, SampleClaim]),
        ),
        ("searches_90d", did(90, &[Search])),
        ("carts_90d", did(90, &[Cart, Favorite])),
        ("content_90d", did(90, &[ContentView, Like, Comment, Share])),
        ("live_90d", did(90, &[LiveWatch])),
        (
            "benefits_365d",
            did(365, &[BenefitClaim, SampleClaim, PointsRedeem]),
        ),
        ("purchase_recency", since(bought.last())),
        ("purchase_days_365d", within(&bought, 365)),
        ("net_gmv_365d", (!supplied).then_some(net as f64 / 10_000.0)),
        ("categories_365d", (!supplied).then_some(categories.len() as f64)),
        ("age", profile.age.map(f64::from)),
        (
            "female",
            (profile.gender != 0).then_some(if profile.gender == 1 { 1.0 } else { 0.0 }),
        ),
        ("city_tier", profile.city_tier.map(f64::from)),
        (
            "has_child",
            profile.has_child.map(|has| if has { 1.0 } else { 0.0 }),
        ),
        ("spending_power", profile.spending_power),
        ("role", Some(f64::from(raw.role(who, day)))),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn features_are_those_of_plain_loops(world in world()) {
        let (frames, raw) = (world.frames(), world.raw());
        let facts = facts(&frames);
        let portrayer = Portrayer {
            facts: &facts,
            profiles: &frames.profiles,
            cuts: &Categories::new(&frames.names, None, 2),
        };
        let profiled = raw.profiles.iter().map(|profile| profile.consumer.clone());
        for who in raw.consumers().into_iter().chain(profiled) {
            let consumer = frames.names.consumers.find(&who).unwrap();
            let row = portrayer.portray(consumer, world.as_of);
            let named: BTreeMap<&str, Option<f64>> = FEATURES.into_iter().zip(row).collect();
            for (name, expected) in counted_features(&raw, &who, world.as_of.0) {
                let got = named[name];
                let same = match (got, expected) {
                    (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
                    (got, expected) => got == expected,
                };
                prop_assert!(same, "{} of {}: {:?}, not {:?}", name, who, got, expected);
            }
            let known = raw.acts.iter().any(|act| act.consumer == who && act.day <= world.as_of.0)
                || raw.lines.iter().any(|line| line.consumer == who && line.day <= world.as_of.0)
                || raw.relations.iter().any(|one| one.consumer == who && one.joined <= world.as_of.0);
            prop_assert_eq!(facts.has_by(consumer, world.as_of), known);
            let bought = raw.purchases().into_iter();
            let bought = bought.filter(|(consumer, at, ..)| *consumer == who && world.window.contains(Day(*at)));
            prop_assert_eq!(facts.has_bought(consumer, world.window), bought.count() > 0);
        }
    }
}

#[test]
fn features_are_those_of_the_facts_up_to_the_day() {
    let listed = |line: OrderLine| OrderLine {
        list_price: Some("30".to_owned()),
        ..line
    };
    let returned = OrderLine {
        returned_quantity: 1,
        refund_amount: "20".to_owned(),
        ..listed(sale("c", D - 300, "a/x", 2, 40))
    };
    let mut rows = edges::lines(vec![
        sale("c", D - 400, "c", 1, 30),
        returned,
        listed(sale("c", D - 10, "b/z", 1, 20)),
        sale("c", D + 1, "a/y", 9, 900),
    ]);
    let days = [
        (BehaviorKind::Exposure, D - 29),
        (BehaviorKind::AdClick, D - 30),
        (BehaviorKind::Browse, D - 29),
        (BehaviorKind::Cart, D),
        (BehaviorKind::Favorite, D - 90),
        (BehaviorKind::Search, D - 89),
        (BehaviorKind::ContentView, D - 5),
        (BehaviorKind::LiveWatch, D - 12),
        (BehaviorKind::BenefitClaim, D - 364),
        (BehaviorKind::PointsRedeem, D - 365),
        (BehaviorKind::Browse, D + 1),
    ];
    rows.behaviors = days.map(|(kind, day)| act("c", kind, day)).to_vec();
    rows.members = vec![Member {
        consumer: "c".to_owned(),
        brand: BRAND.to_owned(),
        role: Role::Member as i32,
        joined_at: instant(D - 20, 0),
        ..Default::default()
    }];
    rows.consumer_profiles = vec![ConsumerProfile {
        consumer: "c".to_owned(),
        updated_at: instant(D, 0),
        age: Some(34),
        gender: 1,
        has_child: Some(false),
        spending_power: Some(0.6),
        ..Default::default()
    }];
    let frames = edges::world(rows).frames();
    let facts = facts(&frames);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
    };
    let row = portrayer.portray(frames.names.consumers.find("c").unwrap(), Day(D));
    let named: BTreeMap<&str, Option<f64>> = FEATURES.into_iter().zip(row).collect();
    let expected = [
        ("recency", Some(0.0)),
        ("tenure", Some(400.0)),
        // D, 5, 10, 12, 29, 30 and 89 days before; then 90, 300 and 364.
        ("active_days_90d", Some(7.0)),
        ("active_days_365d", Some(10.0)),
        ("exposures_30d", Some(1.0)),
        ("visits_30d", Some(2.0)),
        ("searches_90d", Some(1.0)),
        ("carts_90d", Some(1.0)),
        ("content_90d", Some(1.0)),
        ("live_90d", Some(1.0)),
        ("benefits_365d", Some(1.0)),
        ("purchase_recency", Some(10.0)),
        ("purchase_days_365d", Some(2.0)),
        // 40 − 20 + 20; 60 for three units of 30 each.
        ("net_gmv_365d", Some(40.0)),
        ("unit_price_365d", Some(20.0)),
        ("categories_365d", Some(2.0)),
        ("discount_share_365d", Some(1.0 / 3.0)),
        ("age", Some(34.0)),
        ("female", Some(1.0)),
        ("city_tier", None),
        ("has_child", Some(0.0)),
        ("spending_power", Some(0.6)),
        ("role", Some(3.0)),
    ];
    assert_eq!(named, BTreeMap::from(expected));
}
