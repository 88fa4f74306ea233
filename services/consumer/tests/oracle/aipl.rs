//! AIPL from the methodology, word by word.

use std::collections::BTreeSet;

use dualwheel_consumer::aipl::Aipl;
use dualwheel_measure::MetricGroup;
use dualwheel_proto::facts::BehaviorKind;
use proptest::prelude::*;

use crate::{
    compare::{Expected, assert_same, cut_by, people},
    facts::{Raw, cut, inside, is_active, is_loyal, is_passive},
    world::{definitions, facts, world},
};

/// Which categories count: all of the brand's facts, or those that a rule picks, by the rule for one category.
pub enum Of<'a> {
    Brand,
    Category(&'a dyn Fn(&Option<String>) -> bool),
}

impl Of<'_> {
    fn act(&self, kind: BehaviorKind, has_product: bool, category: &Option<String>) -> bool {
        match self {
            Of::Brand => true,
            Of::Category(picks) => has_product && !is_passive(kind) && picks(category),
        }
    }

    fn line(&self, category: &Option<String>, has_product: bool) -> bool {
        match self {
            Of::Brand => true,
            Of::Category(picks) => has_product && picks(category),
        }
    }
}

/// Days of a consumer's acts of `kinds` in the `days` days that end on `day`.
fn act_days(
    raw: &Raw,
    who: &str,
    day: i32,
    days: i32,
    of: &Of<'_>,
    kinds: fn(BehaviorKind) -> bool,
) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for act in raw
        .acts
        .iter()
        .filter(|act| act.consumer == who && kinds(act.kind))
    {
        if day - days < act.day && act.day <= day && of.act(act.kind, act.product.is_some(), &act.category) {
            found.insert(act.day);
        }
    }
    found
}

pub fn purchase_days(raw: &Raw, who: &str, first: i32, last: i32, of: &Of<'_>) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for (consumer, day, category, has_product) in raw.purchases() {
        if consumer == who && first <= day && day <= last && of.line(&category, has_product) {
            found.insert(day);
        }
    }
    found
}

pub fn browse_days(raw: &Raw, who: &str, day: i32, days: i32, of: &Of<'_>) -> usize {
    act_days(raw, who, day, days, of, |kind| kind == BehaviorKind::Browse).len()
}

/// Whether a consumer was active in the `days` days that end on `day`.
pub fn was_active(raw: &Raw, who: &str, day: i32, days: i32, of: &Of<'_>) -> bool {
    !act_days(raw, who, day, days, of, is_active).is_empty() || browse_days(raw, who, day, days, of) >= 2
}

/// 0 OUT, 1 A, 2 I, 3 P, 4 L.
pub fn stage(raw: &Raw, who: &str, day: i32, of: &Of<'_>) -> usize {
    let year = purchase_days(raw, who, day - 364, day, of);
    let praised = !act_days(raw, who, day, 365, of, is_loyal).is_empty();
    if year.len() >= 2 || (!year.is_empty() && praised) {
        return 4;
    }
    if !purchase_days(raw, who, day - 912, day, of).is_empty() {
        return 3;
    }
    let related = matches!(of, Of::Brand) && raw.role(who, day) > 0;
    if was_active(raw, who, day, 15, of) || related {
        return 2;
    }
    let seen = !act_days(raw, who, day, 15, of, is_passive).is_empty();
    if seen || browse_days(raw, who, day, 15, of) == 1 {
        1
    } else {
        0
    }
}

fn sizes(raw: &Raw, day: i32, of: &Of<'_>) -> Vec<Expected> {
    let mut counts = [0usize; 5];
    for who in raw.consumers() {
        counts[stage(raw, &who, day, of)] += 1;
    }
    let ids = ["aipl.awareness", "aipl.interest", "aipl.purchase", "aipl.loyalty"];
    let mut expected: Vec<Expected> = ids
        .iter()
        .zip(&counts[1..])
        .map(|(id, count)| people(id, *count))
        .collect();
    expected.push(people("aipl.total", counts[1..].iter().sum()));
    expected
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn aipl_equals_the_methodology(world in world(), by_category: bool) {
        let (frames, raw, definitions) = (world.frames(), world.raw(), definitions());
        let asked = world.category.as_deref();
        let picks = |category: &Option<String>| inside(category, asked);
        let of = if asked.is_some() { Of::Category(&picks) } else { Of::Brand };
        let mut expected = sizes(&raw, world.as_of.0, &of);
        if by_category {
            let lines = raw.lines.iter().map(|line| &line.category);
            let all: BTreeSet<Option<String>> = lines.chain(raw.acts.iter().map(|act| &act.category)).cloned().collect();
            let level = world.level as usize;
            let name = |category: &Option<String>| category.as_ref().map_or(String::new(), |path| cut(path, level));
            let cuts: BTreeSet<String> = all.iter().filter(|category| picks(category)).map(&name).collect();
            for segment in cuts {
                let picks = |category: &Option<String>| inside(category, asked) && name(category) == segment;
                let sizes = sizes(&raw, world.as_of.0, &Of::Category(&picks));
                if sizes.iter().any(|one| one.value != Ok(0.0)) {
                    expected.extend(cut_by(&[("category", &segment)], sizes));
                }
            }
        }
        let ask = world.ask(&definitions, by_category.then_some("category"));
        assert_same(&Aipl.measure(&facts(&frames), &(), &ask), &expected);
    }

    #[test]
    fn parts_make_the_whole(world in world(), by_category: bool, cut in (1..5u64, any::<u64>())) {
        world.check(&Aipl, |frames| (facts(frames), ()), by_category.then_some("category"), cut)?;
    }
}
