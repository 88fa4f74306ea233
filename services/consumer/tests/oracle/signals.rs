//! The people side of NEO by plain sets.

use std::collections::BTreeSet;

use dualwheel_consumer::signals::{BrandSignals, Part};
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Absence, MetricGroup};
use dualwheel_proto::facts::{BehaviorKind, KeywordClass};
use proptest::prelude::*;

use crate::{
    compare::{Expected, absent, assert_same, share},
    facts::{Act, inside},
    world::{World, definitions, facts, world},
};

pub fn part(frames: &Frames) -> Part {
    Part {
        people: facts(frames),
        profiles: frames.profiles.clone(),
    }
}

fn naive(world: &World) -> Vec<Expected> {
    use BehaviorKind::*;
    let raw = world.raw();
    let asked = world.category.as_deref();
    let (first, last) = (world.window.first.0, world.window.last.0);
    let acts: Vec<&Act> = raw
        .acts
        .iter()
        .filter(|act| first <= act.day && act.day <= last && inside(&act.category, asked))
        .collect();
    let who = |which: &dyn Fn(&Act) -> bool| -> BTreeSet<String> {
        acts.iter()
            .filter(|act| which(act))
            .map(|act| act.consumer.clone())
            .collect()
    };
    let mut purchases = raw.purchases();
    purchases.retain(|(_, _, category, _)| inside(category, asked));
    let buyers: BTreeSet<String> = purchases
        .iter()
        .filter(|(_, day, ..)| first <= *day && *day <= last)
        .map(|(who, ..)| who.clone())
        .collect();
    let browsers = who(&|act| matches!(act.kind, Browse | Favorite | Cart | Consult | SampleClaim));
    let visitors: BTreeSet<String> = browsers.union(&buyers).cloned().collect();
    let pioneers: BTreeSet<String> = raw
        .profiles
        .iter()
        .filter(|profile| match asked {
            Some(category) => profile.labels.contains(&format!("pioneer@{category}")),
            None => profile.labels.iter().any(|label| label.starts_with("pioneer@")),
        })
        .map(|profile| profile.consumer.clone())
        .collect();
    let searchers = who(&|act| act.kind == Search);
    let led = |class: KeywordClass| who(&|act| act.kind == Search && act.class == class).len();
    let words = acts
        .iter()
        .any(|act| act.kind == Search && act.class != KeywordClass::Unspecified);
    let recommenders = who(&|act| matches!(act.kind, Recommend | PositiveReview | Share));
    let mut year: BTreeSet<(&str, i32)> = BTreeSet::new();
    for (who, day, ..) in purchases
        .iter()
        .filter(|(_, day, ..)| last - 364 <= *day && *day <= last)
    {
        year.insert((who, *day));
    }
    let year_buyers: BTreeSet<&str> = year.iter().map(|(who, _)| *who).collect();
    let again = year_buyers
        .iter()
        .filter(|who| year.iter().filter(|(buyer, _)| buyer == *who).count() >= 2)
        .count();
    let bought = !raw.lines.is_empty() || raw.acts.iter().any(|act| act.kind == Purchase);
    let pioneer_buyers = buyers.intersection(&pioneers).count();
    let given = |supplied: bool, metric: Expected| {
        if supplied {
            metric
        } else {
            absent(&metric.id, Absence::SignalNotSupplied)
        }
    };
    vec![
        given(
            bought && !pioneers.is_empty(),
            share("neo.novelty.pioneer_density", pioneer_buyers, buyers.len()),
        ),
        given(
            bought && !pioneers.is_empty(),
            share("neo.novelty.pioneer_penetration", pioneer_buyers, pioneers.len()),
        ),
        given(
            words,
            share(
                "neo.novelty.selling_point",
                led(KeywordClass::SellingPoint),
                searchers.len(),
            ),
        ),
        given(
            words,
            share(
                "neo.engagement.search_heat",
                led(KeywordClass::Brand),
                searchers.len(),
            ),
        ),
        given(
            !browsers.is_empty(),
            share(
                "neo.engagement.recommendation",
                recommenders.intersection(&visitors).count(),
                visitors.len(),
            ),
        ),
        given(
            !browsers.is_empty() && bought,
            share("neo.solidity.conversion", buyers.len(), visitors.len()),
        ),
        given(bought, share("neo.solidity.repurchase", again, year_buyers.len())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn signals_equal_the_methodology(world in world()) {
        let (frames, definitions) = (world.frames(), definitions());
        let got = BrandSignals.measure(&part(&frames), &(), &world.ask(&definitions, None));
        assert_same(&got, &naive(&world));
    }

    #[test]
    fn parts_make_the_whole(world in world(), cut in (1..5u64, any::<u64>())) {
        world.check(&BrandSignals, |frames| (part(frames), ()), None, cut)?;
    }
}
