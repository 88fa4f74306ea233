//! The close people of NEO, naively.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Label, Metric, MetricGroup};
use dualwheel_membership::{
    closeness::{Closeness, Facts, METRICS},
    plus,
};
use dualwheel_proto::facts::{ConsumerProfile, FactRows};
use proptest::prelude::*;

use crate::{
    facts::{BRAND, micros, rows},
    naive::{Ask, Expected, Naive, absent, answers, asks, ratio},
    parts::{check, question, shipped},
};

fn facts(frames: &Frames) -> Facts {
    Facts {
        brand: plus::Facts {
            behaviors: frames.behaviors.clone(),
            orders: frames.orders.clone(),
            members: frames.members.clone(),
        },
        profiles: frames.profiles.clone(),
    }
}

fn engine(rows: &FactRows, ask: &Ask) -> Vec<Metric> {
    let frames = Frames::from_rows(ask.zone, rows, BRAND).unwrap();
    let definitions = shipped();
    Closeness.measure(&facts(&frames), &(), &question(ask, &definitions))
}

fn reference(rows: &FactRows, ask: &Ask) -> Expected {
    let naive = Naive::new(rows, ask);
    let mut profiles: BTreeMap<&str, &ConsumerProfile> = BTreeMap::new();
    for profile in &rows.consumer_profiles {
        let kept = profiles.entry(&profile.consumer).or_insert(profile);
        if micros(&profile.updated_at) > micros(&kept.updated_at) {
            *kept = profile;
        }
    }
    let is_fan = |person: &str| {
        profiles
            .get(person)
            .is_some_and(|profile| profile.labels.iter().any(|label| label == "close_fan@b0"))
    };
    let can_buy = !naive.lines.is_empty() || naive.bought_by_acts();
    if !can_buy || !profiles.keys().any(|person| is_fan(person)) {
        return absent();
    }
    let of_lines = naive.lines.iter().map(|line| line.consumer.as_str());
    let everybody: BTreeSet<&str> = naive
        .acts
        .iter()
        .map(|act| act.consumer.as_str())
        .chain(of_lines)
        .collect();
    let (mut buyers, mut close) = (0, 0);
    for person in everybody
        .into_iter()
        .filter(|person| naive.bought(person, ask.first, ask.last))
    {
        buyers += 1;
        let is_member = naive.role(person, ask.last) >= 3;
        let is_active = naive.is_active(person, ask.last - Days::new(179), ask.last);
        close += i32::from(is_fan(person) || (is_member && is_active));
    }
    let mut expected = ratio(close.into(), buyers.into());
    if naive.bought_by_acts() {
        expected.labels.insert(Label::PurchasesFromBehaviors.name());
    }
    expected
}

/// Fails where the two differ.
pub fn compare(rows: &FactRows, ask: &Ask) -> Expected {
    let answered = answers(&engine(rows, ask));
    let expected = reference(rows, ask);
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[&(METRICS[0].to_owned(), None)], expected, "{ask:?}");
    expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_reference(rows in rows(), ask in asks()) {
        compare(&rows, &ask);
    }

    #[test]
    fn parts_make_the_whole(rows in rows(), ask in asks(), cut in (1..5u64, any::<u64>())) {
        check(&Closeness, facts, &rows, &ask, cut)?;
    }
}
