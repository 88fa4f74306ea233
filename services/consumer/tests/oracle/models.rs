//! The shipped stage models O-5A and 4A against the methodology's words, and models with other numbers.

use dualwheel_consumer::{aipl::sizes, stages::Model, strategic::Strategic};
use dualwheel_proto::facts::BehaviorKind;
use proptest::prelude::*;

use crate::{
    aipl::{Of, browse_days, purchase_days},
    facts::{Raw, is_loyal, is_passive},
    grow::audience,
    world::{World, definitions, facts, world},
};

fn acted(raw: &Raw, who: &str, day: i32, days: i32, kinds: fn(BehaviorKind) -> bool) -> bool {
    raw.acts
        .iter()
        .any(|act| act.consumer == who && kinds(act.kind) && day - days < act.day && act.day <= day)
}

fn appealed(raw: &Raw, who: &str, day: i32) -> bool {
    use BehaviorKind::*;
    acted(raw, who, day, 15, |kind| {
        matches!(kind, Like | Comment | Share | Follow)
    })
}

fn asked(raw: &Raw, who: &str, day: i32) -> bool {
    use BehaviorKind::*;
    let plain = acted(raw, who, day, 15, |kind| {
        matches!(kind, Search | Cart | Favorite | Consult)
    });
    plain || browse_days(raw, who, day, 15, &Of::Brand) >= 2
}

fn aware(raw: &Raw, who: &str, day: i32) -> bool {
    acted(raw, who, day, 15, is_passive) || browse_days(raw, who, day, 15, &Of::Brand) == 1
}

fn advocates(raw: &Raw, who: &str, day: i32) -> bool {
    let days = purchase_days(raw, who, day - 364, day, &Of::Brand).len();
    days >= 2 || (days == 1 && acted(raw, who, day, 365, is_loyal))
}

/// 0 OUT, 1 O, 2 A1 … 6 A5.
pub fn o5a(raw: &Raw, who: &str, day: i32, target: Option<&str>) -> usize {
    let profile = raw.profiles.iter().find(|profile| profile.consumer == who);
    if advocates(raw, who, day) {
        6
    } else if !purchase_days(raw, who, day - 364, day, &Of::Brand).is_empty() {
        5
    } else if asked(raw, who, day) {
        4
    } else if appealed(raw, who, day) {
        3
    } else if aware(raw, who, day) {
        2
    } else {
        usize::from(target.is_some_and(|target| audience(profile) == target))
    }
}

/// 0 OUT, 1 aware, 2 appeal or ask, 3 act, 4 advocate.
pub fn four_a(raw: &Raw, who: &str, day: i32) -> usize {
    [0, 0, 1, 2, 2, 3, 4][o5a(raw, who, day, None)]
}

fn counts(raw: &Raw, states: usize, stage: impl Fn(&str) -> usize) -> Vec<i64> {
    let mut people = raw.consumers();
    people.extend(raw.profiles.iter().map(|profile| profile.consumer.clone()));
    let mut counts = vec![0; states];
    for depth in people.iter().filter_map(|who| stage(who).checked_sub(1)) {
        counts[depth] += 1;
    }
    counts
}

fn engine(world: &World, name: &str, target: Option<&str>) -> Vec<i64> {
    let (frames, parameters) = (world.frames(), definitions().parameters);
    let model = Model::new(&parameters.stage_models[name], &parameters, false);
    let target = target.and_then(|id| Strategic::assign(&frames.profiles, &parameters).members(id));
    sizes(&facts(&frames), &model, world.as_of, None, target.as_deref())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn o5a_equals_the_methodology(world in world(), named: bool) {
        let (raw, day) = (world.raw(), world.as_of.0);
        let target = named.then_some("small_town_elders");
        let expected = counts(&raw, 6, |who| o5a(&raw, who, day, target));
        prop_assert_eq!(engine(&world, "o5a", target), expected);
    }

    #[test]
    fn four_a_merges_appeal_and_ask(world in world()) {
        let (raw, day) = (world.raw(), world.as_of.0);
        let expected = counts(&raw, 4, |who| four_a(&raw, who, day));
        prop_assert_eq!(engine(&world, "4a", None), expected);
    }

    /// A model of no shipped shape: three or more signals of mixed kinds on two or more days.
    #[test]
    fn counts_and_days_of_mixed_signals(world in world()) {
        let mut parameters = definitions().parameters;
        let rule = "[{state: X, en: X, zh: X, any: [[{of: [active, PURCHASE], within: 20, count: 3, days: 2}]]}]";
        let rules: Vec<_> = serde_yaml_ng::from_str(rule).unwrap();
        parameters.stage_models.insert("x".to_owned(), rules);
        let model = Model::new(&parameters.stage_models["x"], &parameters, false);
        let (raw, day) = (world.raw(), world.as_of.0);
        let expected = counts(&raw, 1, |who| {
            let browses = browse_days(&raw, who, day, 20, &Of::Brand) >= 2;
            let within = |at: i32| day - 20 < at && at <= day;
            let mut days: Vec<i32> = raw.acts.iter()
                .filter(|act| act.consumer == who && within(act.day))
                .filter(|act| crate::facts::is_active(act.kind) || browses && act.kind == BehaviorKind::Browse)
                .map(|act| act.day)
                .collect();
            days.extend(raw.purchases().iter().filter(|(buyer, at, ..)| buyer == who && within(*at)).map(|one| one.1));
            let count = days.len();
            days.sort_unstable();
            days.dedup();
            usize::from(count >= 3 && days.len() >= 2)
        });
        prop_assert_eq!(sizes(&facts(&world.frames()), &model, world.as_of, None, None), expected);
    }
}
