//! Custom strategic audiences against groups that were planted, and features and centres worked by hand.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::{
    clusters::{
        Cluster, FEWEST_PEOPLE, Found, Refusal, everyone,
        features::{FEATURES, Portrayer},
        find,
    },
    facts::Facts,
};
use dualwheel_lake::frames::Categories;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::Day;
use dualwheel_proto::facts::{Behavior, BehaviorKind, ConsumerProfile, FactRows, Member, OrderLine, Role};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use roaring::RoaringBitmap;

use crate::{
    edges::{self, D, act, sale},
    world::{START, facts, instant},
};

/// Kinds of people, and how many there are of each.
pub const PLANTED: [(&str, usize); 4] = [("buyer", 60), ("watcher", 50), ("searcher", 45), ("sleeper", 40)];

/// Who buy every 20 days, watch live rooms daily, search daily, and have looked once long ago; within each kind some do so
/// up to twice as often. Buyers are women, all others men.
pub fn planted() -> FactRows {
    let mut rows = FactRows::default();
    for (kind, people) in PLANTED {
        for number in 0..people {
            let (who, more) = (format!("{kind}{number:02}"), number as i32 % 10);
            match kind {
                "buyer" => {
                    let days = (0..8 + more).map(|time| D - 5 - 20 * time);
                    rows.order_lines
                        .extend(days.map(|day| sale(&who, day, "a/x", 1, 100)));
                }
                "watcher" => {
                    let days = (0..15 + more).map(|time| D - 1 - time);
                    rows.behaviors
                        .extend(days.map(|day| act(&who, BehaviorKind::LiveWatch, day)));
                }
                "searcher" => {
                    let days = (0..10 + more).map(|time| D - 2 - time);
                    rows.behaviors
                        .extend(days.map(|day| act(&who, BehaviorKind::Search, day)));
                }
                _ => rows
                    .behaviors
                    .push(act(&who, BehaviorKind::Browse, D - 200 - 10 * more)),
            }
            rows.consumer_profiles.push(ConsumerProfile {
                consumer: who,
                updated_at: instant(START, 0),
                gender: if kind == "buyer" { 1 } else { 2 },
                ..Default::default()
            });
        }
    }
    rows
}

/// The keys of a planted kind.
fn kind(of: usize) -> Vec<String> {
    let (kind, people) = PLANTED[of];
    (0..people).map(|number| format!("{kind}{number:02}")).collect()
}

fn frames(rows: &FactRows) -> (Frames, Facts) {
    let frames = edges::world(rows.clone()).frames();
    let facts = facts(&frames);
    (frames, facts)
}

fn asked(rows: &FactRows, wanted: Option<usize>) -> Result<Found, Refusal> {
    let (frames, facts) = frames(rows);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
        as_of: Day(D),
    };
    find(&portrayer, &everyone(&facts, Day(D)), wanted)
}

/// The groups as keys, with their centres.
fn told(rows: &FactRows, wanted: Option<usize>) -> Vec<(Vec<String>, Cluster)> {
    let (frames, facts) = frames(rows);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
        as_of: Day(D),
    };
    let found = find(&portrayer, &everyone(&facts, Day(D)), wanted).unwrap();
    let keys = frames.names.consumers.view();
    let named = |cluster: Cluster| {
        let people = cluster.people.iter();
        (people.map(|one| keys.key(*one).to_owned()).collect(), cluster)
    };
    found.clusters.into_iter().map(named).collect()
}

#[test]
fn planted_groups_are_found() {
    let rows = planted();
    let found = asked(&rows, None).unwrap();
    let numbers: Vec<usize> = found.trials.iter().map(|trial| trial.clusters).collect();
    assert!(numbers.len() > 6 && numbers.is_sorted(), "{numbers:?}");
    assert_eq!((numbers[0], numbers[numbers.len() - 1] <= 12), (4, true));
    let best = found.trials[0].silhouette;
    assert!(best > 0.7, "{:?}", found.trials);
    assert!(found.trials[1..].iter().all(|trial| trial.silhouette < best));
    // Sixty buyers are the largest group, forty sleepers the smallest.
    let groups = told(&rows, None);
    let keys: Vec<Vec<String>> = groups.iter().map(|(keys, _)| keys.clone()).collect();
    assert_eq!(keys, [kind(0), kind(1), kind(2), kind(3)]);
    // What marks each lies more than a deviation above the average of all.
    let marks = [
        "purchase_days_365d",
        "live_watches_90d",
        "searches_90d",
        "contact_recency",
    ];
    for ((_, cluster), mark) in groups.iter().zip(marks) {
        let centre = cluster.features.iter().find(|one| one.name == mark).unwrap();
        assert!(centre.deviation > 1.0, "{mark} {}", centre.deviation);
    }
    // 8 to 17 days, six buyers of each: 12.5 on average. All sell at 100, of whom it is known: no spread.
    let of_buyers = |name: &str| {
        let centre = groups[0].1.features.iter().find(|one| one.name == name);
        centre.map(|one| (one.mean, one.deviation))
    };
    assert!((of_buyers("purchase_days_365d").unwrap().0 - 12.5).abs() < 1e-9);
    assert!((of_buyers("net_gmv_365d").unwrap().0 - 1_250.0).abs() < 1e-9);
    assert_eq!(of_buyers("unit_price_365d"), Some((100.0, 0.0)));
    assert_eq!(of_buyers("age"), None, "known of nobody");
}

#[test]
fn as_many_groups_as_asked_for() {
    for wanted in [4, 6, 9] {
        let found = asked(&planted(), Some(wanted)).unwrap();
        assert_eq!(found.clusters.len(), wanted);
        assert_eq!(found.trials.len(), 1);
        let sizes: Vec<usize> = found.clusters.iter().map(|one| one.people.len()).collect();
        assert!(sizes.iter().rev().is_sorted(), "{sizes:?}");
        assert_eq!((sizes.iter().sum::<usize>(), found.people().len()), (195, 195));
    }
}

#[test]
fn the_order_of_facts_changes_nothing() {
    let mut rows = planted();
    // Apart from the planted kinds, so that groups are not obvious.
    for number in 0..60 {
        let who = format!("other{number:02}");
        let searches = (0..number % 7).map(|time| act(&who, BehaviorKind::Search, D - 3 * time - number % 5));
        rows.behaviors.extend(searches);
        let watches = (0..number % 4).map(|time| act(&who, BehaviorKind::LiveWatch, D - 20 * time));
        rows.behaviors.extend(watches);
        rows.order_lines
            .push(sale(&who, D - number, "a/y", 1, i64::from(50 + number)));
    }
    let first = told(&rows, None);
    for seed in 0..3 {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        rows.behaviors.shuffle(&mut dice);
        rows.order_lines.shuffle(&mut dice);
        rows.consumer_profiles.shuffle(&mut dice);
        let again = told(&rows, None);
        assert_eq!(again.len(), first.len());
        for ((keys, cluster), (same_keys, same)) in again.iter().zip(&first) {
            assert_eq!(keys, same_keys);
            let bits = |cluster: &Cluster| -> Vec<(u64, u64)> {
                let centres = cluster.features.iter();
                centres
                    .map(|one| (one.mean.to_bits(), one.deviation.to_bits()))
                    .collect()
            };
            assert_eq!(bits(cluster), bits(same));
        }
    }
}

/// Ages are known of every third person only: who has none is taken for the average.
#[test]
fn centres_are_those_of_the_features() {
    let mut rows = planted();
    for (number, profile) in rows.consumer_profiles.iter_mut().enumerate() {
        profile.age = (number % 3 == 0).then(|| 20 + (number as i32 % 40));
        profile.city_tier = Some(2);
    }
    let (frames, facts) = frames(&rows);
    let cuts = Categories::new(&frames.names, None, 2);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &cuts,
        as_of: Day(D),
    };
    let people = everyone(&facts, Day(D));
    let found = find(&portrayer, &people, Some(5)).unwrap();
    for (at, feature) in FEATURES.iter().enumerate() {
        let value = |one: u32| portrayer.portray(one)[at];
        let taken = |value: f64| {
            if feature.heavy_tailed {
                (1.0 + value).ln()
            } else {
                value
            }
        };
        let known: Vec<f64> = people.iter().filter_map(value).collect();
        let centre = |cluster: &Cluster| {
            cluster
                .features
                .iter()
                .find(|one| one.name == feature.name)
                .copied()
        };
        if known.is_empty() {
            assert!(
                found.clusters.iter().all(|one| centre(one).is_none()),
                "{}",
                feature.name
            );
            continue;
        }
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mean, inner) = (
            average(&known),
            known.iter().map(|one| taken(*one)).collect::<Vec<_>>(),
        );
        let middle = average(&inner);
        let squares: Vec<f64> = inner.iter().map(|one| (one - middle) * (one - middle)).collect();
        let spread = average(&squares).sqrt();
        for cluster in &found.clusters {
            let means: Vec<f64> = cluster
                .people
                .iter()
                .map(|one| value(*one).unwrap_or(mean))
                .collect();
            let deviations: Vec<f64> = cluster
                .people
                .iter()
                .map(|one| value(*one).map_or(0.0, |value| taken(value) - middle))
                .map(|above| if spread > 1e-9 { above / spread } else { 0.0 })
                .collect();
            let got = centre(cluster).unwrap();
            assert!((got.mean - average(&means)).abs() < 1e-9, "{}", feature.name);
            assert!(
                (got.deviation - average(&deviations)).abs() < 1e-9,
                "{}",
                feature.name
            );
        }
    }
}

#[test]
fn features_are_those_of_the_facts_up_to_the_day() {
    // Two purchase days within the year, 5 units for 90 of a list price of 30 each for three of them; one came back for 20.
    let first = OrderLine {
        list_price: Some("30".to_owned()),
        returned_quantity: 1,
        refund_amount: "20".to_owned(),
        ..sale("c", D - 364, "a/x/1", 3, 50)
    };
    let rows = FactRows {
        order_lines: vec![
            first,
            sale("c", D - 7, "b/z", 2, 40),
            sale("c", D - 365, "q", 1, 900),
            sale("c", D + 1, "q", 1, 900),
        ],
        behaviors: vec![
            act("c", BehaviorKind::Search, D - 29),
            act("c", BehaviorKind::Cart, D - 29),
            act("c", BehaviorKind::Favorite, D - 30),
            act("c", BehaviorKind::Search, D - 90),
            act("c", BehaviorKind::LiveWatch, D - 89),
            act("c", BehaviorKind::ContentView, D - 50),
            act("c", BehaviorKind::Share, D - 49),
            act("c", BehaviorKind::Exposure, D - 3),
            act("c", BehaviorKind::Search, D + 1),
        ],
        consumer_profiles: vec![ConsumerProfile {
            consumer: "c".to_owned(),
            updated_at: instant(START, 0),
            age: Some(33),
            has_child: Some(true),
            spending_power: Some(0.4),
            ..Default::default()
        }],
        members: vec![Member {
            consumer: "c".to_owned(),
            brand: crate::world::BRAND.to_owned(),
            role: Role::Member as i32,
            joined_at: instant(D - 10, 0),
            ..Default::default()
        }],
        ..Default::default()
    };
    let (frames, facts) = frames(&rows);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
        as_of: Day(D),
    };
    let row = portrayer.portray(frames.names.consumers.find("c").unwrap());
    let named: BTreeMap<&str, Option<f64>> = FEATURES.iter().map(|feature| feature.name).zip(row).collect();
    let expected = [
        ("purchase_days_365d", Some(2.0)),
        ("net_gmv_365d", Some(70.0)),
        ("unit_price_365d", Some(18.0)),
        // 3 · 30 at list, 50 paid.
        ("discount_share_365d", Some(40.0 / 90.0)),
        ("return_share_365d", Some(0.2)),
        ("categories_365d", Some(2.0)),
        // D − 7 bought, D − 29 searched and put in the cart.
        ("active_days_30d", Some(2.0)),
        // Besides D − 30, D − 49 (shared), D − 90, D − 364.
        ("active_days_365d", Some(6.0)),
        ("content_contacts_90d", Some(2.0)),
        ("searches_90d", Some(1.0)),
        ("carts_and_favorites_90d", Some(2.0)),
        ("live_watches_90d", Some(1.0)),
        ("contact_recency", Some(3.0)),
        ("age", Some(33.0)),
        ("city_tier", None),
        ("has_child", Some(1.0)),
        ("spending_power", Some(0.4)),
        ("role", Some(3.0)),
    ];
    assert_eq!(named, BTreeMap::from(expected));
}

#[test]
fn supplied_purchases_stand_for_those_of_a_brand_without_lines() {
    let mut rows = FactRows {
        behaviors: vec![act("c", BehaviorKind::Purchase, D - 4)],
        ..Default::default()
    };
    let days = |rows: &FactRows| {
        let (frames, facts) = frames(rows);
        let portrayer = Portrayer {
            facts: &facts,
            profiles: &frames.profiles,
            cuts: &Categories::new(&frames.names, None, 2),
            as_of: Day(D),
        };
        portrayer.portray(frames.names.consumers.find("c").unwrap())[0]
    };
    assert_eq!(days(&rows), Some(1.0));
    rows.order_lines.push(sale("d", D, "a", 1, 5));
    assert_eq!(days(&rows), Some(0.0));
}

#[test]
fn everyone_did_something_within_a_year() {
    let rows = FactRows {
        behaviors: vec![
            act("in", BehaviorKind::Exposure, D - 364),
            act("out", BehaviorKind::Search, D - 365),
            act("later", BehaviorKind::Search, D + 1),
        ],
        order_lines: vec![
            sale("buyer", D - 364, "a", 1, 5),
            sale("former", D - 365, "a", 1, 5),
            sale("returner", D - 1, "a", 0, 0),
        ],
        ..Default::default()
    };
    let (frames, facts) = frames(&rows);
    let keys = frames.names.consumers.view();
    let people: BTreeSet<String> = everyone(&facts, Day(D))
        .iter()
        .map(|one| keys.key(one).to_owned())
        .collect();
    assert_eq!(people, BTreeSet::from(["buyer".to_owned(), "in".to_owned()]));
}

#[test]
fn few_people_and_equal_people_are_refused() {
    let browsing = |people: usize| {
        let acts = (0..people).map(|number| act(&format!("c{number}"), BehaviorKind::Browse, D - 3));
        FactRows {
            behaviors: acts.collect(),
            ..Default::default()
        }
    };
    let refused = |rows: &FactRows, wanted: Option<usize>| asked(rows, wanted).unwrap_err();
    let needed = FEWEST_PEOPLE;
    assert_eq!(
        refused(&browsing(119), None),
        Refusal::TooFew { people: 119, needed }
    );
    assert_eq!(refused(&browsing(120), Some(5)), Refusal::Alike { people: 120 });
    // Two ways to be: two groups, not four.
    let mut two = browsing(120);
    let searches: Vec<Behavior> = (0..50)
        .map(|number| act(&format!("c{number}"), BehaviorKind::Search, D - 3))
        .collect();
    two.behaviors.extend(searches);
    assert_eq!(refused(&two, None), Refusal::TooAlike { clusters: 4 });
    assert_eq!(refused(&two, Some(6)), Refusal::TooAlike { clusters: 6 });
    // Nobody at all.
    let (frames, facts) = frames(&two);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
        as_of: Day(D),
    };
    let nobody = find(&portrayer, &RoaringBitmap::new(), None);
    assert_eq!(nobody.unwrap_err(), Refusal::TooFew { people: 0, needed });
}
