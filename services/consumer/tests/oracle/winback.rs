//! Win-back against a slow, obvious reading of the methodology, and against drivers that were planted.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::{
    boosted::{auc, calibration},
    facts::Facts,
    winback::{
        Question, Refusal, Winback,
        features::{FEATURES, Portrayer},
        lapsed::{FEWEST_PAUSES, Rhythm},
        measure,
    },
};
use dualwheel_lake::frames::Categories;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::Day;
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, OrderLine};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    edges::{self, D, act, sale},
    world::{BRAND, START, World, definitions, facts, world},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// One who came back against one who did not, every pair.
    #[test]
    fn auc_counts_pairs(examples in proptest::collection::vec((0..6u8, any::<bool>()), 2..40)) {
        let (scores, came): (Vec<f64>, Vec<bool>) = examples.iter().map(|(score, came)| (f64::from(*score), *came)).unzip();
        let (mut right, mut pairs) = (0.0, 0.0);
        for (one, _) in examples.iter().filter(|(_, came)| *came) {
            for (other, _) in examples.iter().filter(|(_, came)| !came) {
                pairs += 1.0;
                right += if one > other { 1.0 } else if one == other { 0.5 } else { 0.0 };
            }
        }
        let got = auc(&scores, &came);
        let same = if pairs == 0.0 { got.is_nan() } else { (got - right / pairs).abs() < 1e-12 };
        prop_assert!(same, "{} of {}", got, pairs);
    }

    #[test]
    fn calibration_holds_everyone_once(examples in proptest::collection::vec((0.0..1.0f64, any::<bool>()), 1..60)) {
        let (chances, came): (Vec<f64>, Vec<bool>) = examples.into_iter().unzip();
        let parts = calibration(&chances, &came);
        prop_assert_eq!(parts.iter().map(|part| part.0).sum::<usize>(), chances.len());
        let sum = |of: fn(&(usize, f64, f64)) -> f64| parts.iter().map(|part| part.0 as f64 * of(part)).sum::<f64>();
        prop_assert!((sum(|part| part.1) - chances.iter().sum::<f64>()).abs() < 1e-9);
        prop_assert!((sum(|part| part.2) - came.iter().filter(|came| **came).count() as f64).abs() < 1e-9);
        prop_assert!(parts.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    /// Without a category of many pauses, all are judged by the pauses of the brand.
    #[test]
    fn the_lapsed_are_those_of_the_methodology(world in world()) {
        let (frames, day) = (world.frames(), world.as_of.0);
        let cuts = Categories::new(&frames.names, None, 2);
        let orders = &facts(&frames).orders;
        let rhythm = Rhythm::new(orders, &cuts, world.as_of, 0.8);
        let mut days: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        // Order lines alone: purchases that are supplied as behaviours tell nothing to win back by.
        for line in world.raw().lines.iter().filter(|line| line.quantity > 0 && line.day <= day) {
            days.entry(line.consumer.clone()).or_default().insert(line.day);
        }
        let mut pauses: Vec<i32> = Vec::new();
        for mine in days.values() {
            let mine: Vec<i32> = mine.iter().copied().collect();
            pauses.extend(mine.windows(2).map(|pair| pair[1] - pair[0]));
        }
        prop_assume!(pauses.len() < FEWEST_PAUSES);
        pauses.sort_unstable();
        let usual = pauses.iter().copied().find(|pause| {
            pauses.iter().filter(|other| *other <= pause).count() as f64 >= 0.8 * pauses.len() as f64
        });
        let expected: BTreeSet<String> = days
            .into_iter()
            .filter(|(_, days)| usual.is_some_and(|usual| day - days.last().unwrap() > usual))
            .map(|(who, _)| who)
            .collect();
        let keys = frames.names.consumers.view();
        let got: BTreeSet<String> = orders
            .groups
            .consumers()
            .filter(|one| rhythm.has_lapsed(orders.of(*one), &cuts, world.as_of))
            .map(|one| keys.key(one).to_owned())
            .collect();
        prop_assert_eq!(got, expected);
    }
}

/// 25 pauses of 10 days in `a/x`, 24 of 40 and one of 90 in `b/z`: four in five let pass 10 and 40.
#[test]
fn every_category_has_its_rhythm() {
    let mut lines = Vec::new();
    for number in 0..25 {
        let (tea, car) = (format!("tea{number}"), format!("car{number}"));
        lines.extend([sale(&tea, D - 60, "a/x", 1, 10), sale(&tea, D - 50, "a/x", 1, 10)]);
        let pause = if number == 0 { 90 } else { 40 };
        lines.extend([
            sale(&car, D - 60 - pause, "b/z", 1, 10),
            sale(&car, D - 60, "b/z", 1, 10),
        ]);
    }
    // Both categories on the last day: the longer pause is usual.
    lines.extend([
        sale("both", D - 30, "a/x", 1, 10),
        sale("both", D - 30, "b/z", 1, 20),
    ]);
    lines.push(sale("tea", D - 30, "a/x/green", 1, 10));
    // Nobody bought in `c` twice: judged by the brand, where four in five of 50 pauses are at most 40.
    lines.push(sale("new", D - 41, "c", 1, 10));
    let world = edges::world(edges::lines(lines));
    let frames = world.frames();
    let cuts = Categories::new(&frames.names, None, 2);
    let orders = &facts(&frames).orders;
    let rhythm = Rhythm::new(orders, &cuts, Day(D), 0.8);
    let usual = |who: &str| {
        let consumer = frames.names.consumers.find(who).unwrap();
        rhythm
            .last(orders.of(consumer), &cuts, Day(D))
            .map(|(last, usual)| (last.0, usual))
    };
    assert_eq!(usual("tea"), Some((D - 30, 10)));
    assert_eq!(usual("both"), Some((D - 30, 40)));
    assert_eq!(usual("car1"), Some((D - 60, 40)));
    assert_eq!(usual("new"), Some((D - 41, 40)));
    let lapsed = |who: &str, day: i32| {
        let consumer = frames.names.consumers.find(who).unwrap();
        rhythm.has_lapsed(orders.of(consumer), &cuts, Day(day))
    };
    assert!(lapsed("new", D) && !lapsed("new", D - 1));
    assert!(lapsed("tea", D) && !lapsed("both", D));
}

#[test]
fn features_are_those_of_the_facts_up_to_the_day() {
    // Two purchase days, 20 days apart; 3 units for 60 of a list price of 30 each, one unit came back for 20.
    let first = OrderLine {
        list_price: Some("30".to_owned()),
        returned_quantity: 1,
        refund_amount: "20".to_owned(),
        channel: Some("shop".to_owned()),
        ..sale("c", D - 50, "a/x", 2, 40)
    };
    let second = OrderLine {
        list_price: Some("30".to_owned()),
        channel: Some("douyin".to_owned()),
        ..sale("c", D - 30, "b/z", 1, 20)
    };
    let later = sale("c", D + 1, "a/y", 9, 900);
    let mut rows = edges::lines(vec![first, second, later]);
    let at = |kind, day| act("c", kind, day);
    rows.behaviors = vec![
        at(BehaviorKind::LiveWatch, D - 12),
        at(BehaviorKind::BenefitClaim, D - 7),
        at(BehaviorKind::Browse, D - 29),
        at(BehaviorKind::Cart, D),
        at(BehaviorKind::Browse, D - 30),
        at(BehaviorKind::PointsRedeem, D + 2),
    ];
    let world = edges::world(rows);
    let frames = world.frames();
    let facts = facts(&frames);
    let cuts = Categories::new(&frames.names, None, 2);
    let rhythm = Rhythm::new(&facts.orders, &cuts, Day(D), 0.8);
    let portrayer = Portrayer {
        profiles: &frames.profiles,
    };
    let consumer = frames.names.consumers.find("c").unwrap();
    let row = portrayer.portray(&facts, consumer, &rhythm, &cuts, Day(D));
    let named: BTreeMap<&str, Option<f64>> = FEATURES.iter().map(|feature| feature.name).zip(row).collect();
    // D is 2024-03-31: the days to come are in the second quarter, both purchases in the first.
    let expected = [
        ("recency", Some(30.0)),
        ("lapse", Some(1.5)),
        ("frequency", Some(2.0)),
        ("tenure", Some(50.0)),
        ("mean_pause", Some(20.0)),
        ("net_gmv", Some(40.0)),
        ("order_value", Some(20.0)),
        ("unit_price", Some(20.0)),
        ("categories", Some(2.0)),
        ("discount_share", Some(1.0 / 3.0)),
        ("return_share", Some(1.0 / 3.0)),
        ("channel_share", Some(0.5)),
        ("content_recency", Some(12.0)),
        ("benefit_recency", Some(7.0)),
        ("visits_30d", Some(2.0)),
        ("season_share", Some(0.0)),
        ("city_tier", None),
        ("role", Some(0.0)),
    ];
    assert_eq!(named, BTreeMap::from(expected));
}

/// Six thousand buyers; whoever lapses comes back within 90 days with chances that a recent benefit trebles, and that
/// halve for long pauses. Nothing else matters.
pub fn planted(seed: u64) -> FactRows {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = FactRows::default();
    for number in 0..6_000 {
        let who = format!("c{number:04}");
        // Long enough ago that every day looks like any other.
        let mut day = START - 1_600 + dice.random_range(0..700);
        rows.order_lines
            .push(sale(&who, day, "a/x", 1, dice.random_range(5..50)));
        while day < START {
            let claims = dice.random_bool(0.3);
            let chance = if claims { 0.75 } else { 0.2 };
            if claims {
                let claimed = Behavior {
                    event_id: format!("{who} {day}"),
                    ..act(&who, BehaviorKind::BenefitClaim, day + 45)
                };
                rows.behaviors.push(claimed);
            }
            let pause = if dice.random_bool(chance) {
                dice.random_range(50..90)
            } else {
                200
            };
            day += pause;
            if pause < 200 && day <= START {
                rows.order_lines
                    .push(sale(&who, day, "a/x", 1, dice.random_range(5..50)));
            }
        }
    }
    rows
}

fn asked(frames: &Frames, facts: &Facts) -> Winback {
    let cuts = Categories::new(&frames.names, None, 2);
    let ask = Question {
        as_of: Day(START),
        horizon: 60,
        channel: None,
        cuts: &cuts,
    };
    let mut parameters = definitions().parameters;
    // Half of the pauses are usual, so that many have lapsed while the benefit is fresh.
    parameters.winback_quantile = 0.2;
    let portrayer = Portrayer {
        profiles: &frames.profiles,
    };
    measure(facts, &portrayer, ask, &parameters)
}

fn frames(rows: &FactRows) -> Frames {
    Frames::from_rows(chrono_tz::UTC, rows, BRAND).unwrap()
}

#[test]
fn planted_drivers_are_found_and_the_order_of_facts_changes_nothing() {
    let mut rows = planted(7);
    let frames_one = frames(&rows);
    let found = asked(&frames_one, &facts(&frames_one));
    let trained = found.model.as_ref().unwrap();
    assert!(trained.tested.auc > trained.recency_auc + 0.05, "{trained:?}");
    let importance: BTreeMap<&str, f64> = FEATURES
        .iter()
        .map(|feature| feature.name)
        .zip(trained.importance.iter().copied())
        .collect();
    let driver = importance["benefit_recency"];
    assert!((importance.values().sum::<f64>() - 1.0).abs() < 1e-5);
    let timing = ["recency", "lapse", "benefit_recency"];
    for (name, share) in importance.iter().filter(|(name, _)| !timing.contains(name)) {
        assert!(*share < driver, "{name} {share} against {driver}");
    }
    // Calibrated: in every tenth about as many come back as was said.
    for (size, predicted, observed) in &trained.tested.calibration {
        let error = (predicted * (1.0 - predicted) / *size as f64).sqrt();
        assert!(
            (predicted - observed).abs() < 4.0 * error + 0.02,
            "{predicted} {observed} of {size}"
        );
    }
    // Everyone is in one pack, the likeliest first; there are about fifty at most.
    let sizes: usize = found.packs.iter().map(|pack| pack.consumers.len()).sum();
    assert_eq!(sizes, found.candidates);
    assert!(found.packs.len() <= 50);
    let mean = |pack: &dualwheel_consumer::winback::Pack| pack.expected / pack.consumers.len() as f64;
    let (first, last) = (&found.packs[0], &found.packs[found.packs.len() - 1]);
    assert!(first.decile == 1 && last.decile == 10 && mean(first) > mean(last));

    let mut dice = ChaCha8Rng::seed_from_u64(1);
    rows.order_lines.shuffle(&mut dice);
    rows.behaviors.shuffle(&mut dice);
    let shuffled = frames(&rows);
    let again = asked(&shuffled, &facts(&shuffled));
    assert_eq!(again.model, found.model);
    let keys = |frames: &Frames, found: &Winback| -> Vec<(usize, usize, u64, Vec<String>)> {
        let view = frames.names.consumers.view();
        let told = found.packs.iter().map(|pack| {
            let people = pack
                .consumers
                .iter()
                .map(|one| view.key(*one).to_owned())
                .collect();
            (pack.decile, pack.reason, pack.expected.to_bits(), people)
        });
        told.collect()
    };
    assert_eq!(keys(&shuffled, &again), keys(&frames_one, &found));
}

#[test]
fn a_model_of_few_returns_is_refused() {
    let lines = vec![sale("a", D - 300, "a/x", 1, 10), sale("a", D - 290, "a/x", 1, 10)];
    let world: World = edges::world(edges::lines(lines));
    let frames = world.frames();
    let found = asked(&frames, &facts(&frames));
    assert_eq!(found.candidates, 1);
    assert!(found.packs.is_empty());
    let refusal = found.model.unwrap_err();
    assert!(
        matches!(
            refusal,
            Refusal::TooFewReturns {
                found: 0,
                needed: 200,
                ..
            }
        ),
        "{refusal}"
    );
}
