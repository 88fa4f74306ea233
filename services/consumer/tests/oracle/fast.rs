//! FAST day by day, fertility in both ways, and trends step by step.

use dualwheel_consumer::{
    fast::Fast,
    trend::FastTrend,
    trend::{Step, Steps},
};
use dualwheel_measure::{Absence, MetricGroup, Window};
use dualwheel_proto::facts::BehaviorKind;
use proptest::prelude::*;

use crate::{
    aipl::{Of, purchase_days, stage, was_active},
    compare::{Expected, absent, assert_same, people, share},
    facts::{Raw, inside, is_active, is_passive},
    world::{definitions, facts, world},
};

/// Fertility as the stages say: in any of them on any day.
fn fertile_by_stage(raw: &Raw, first: i32, last: i32, of: &Of<'_>) -> usize {
    let staged = |who: &String| (first..=last).any(|day| stage(raw, who, day, of) > 0);
    raw.consumers().iter().filter(|who| staged(who)).count()
}

/// Fertility by its other definition: behaviour in [S−14, E], purchase in [S−912, E], relation on a day of the window.
fn fertile_by_signal(raw: &Raw, first: i32, last: i32, of: &Of<'_>) -> usize {
    let fertile = |who: &String| {
        let behaved = raw.acts.iter().any(|act| {
            let counts = match of {
                Of::Brand => true,
                Of::Category(picks) => act.product.is_some() && !is_passive(act.kind) && picks(&act.category),
            };
            let kind = is_passive(act.kind) || is_active(act.kind) || act.kind == BehaviorKind::Browse;
            act.consumer == *who && kind && counts && first - 14 <= act.day && act.day <= last
        });
        let related = matches!(of, Of::Brand) && (first..=last).any(|day| raw.role(who, day) > 0);
        behaved || related || !purchase_days(raw, who, first - 912, last, of).is_empty()
    };
    raw.consumers().iter().filter(|who| fertile(who)).count()
}

fn close_people(raw: &Raw, last: i32, of: &Of<'_>) -> [Expected; 2] {
    if raw.relations.is_empty() {
        return ["fast.superiority", "fast.thriving"].map(|id| absent(id, Absence::SignalNotSupplied));
    }
    let consumers = raw.consumers();
    let supers: Vec<&String> = consumers
        .iter()
        .filter(|who| [1, 3, 4].contains(&raw.role(who, last)))
        .collect();
    let thrives = |who: &&&String| {
        was_active(raw, who, last, 180, of) || !purchase_days(raw, who, last - 179, last, of).is_empty()
    };
    [
        people("fast.superiority", supers.len()),
        share(
            "fast.thriving",
            supers.iter().filter(thrives).count(),
            supers.len(),
        ),
    ]
}

fn advancing(raw: &Raw, window: Window, of: &Of<'_>, id: &str, from: &[usize], among: &[usize]) -> Expected {
    let (mut part, mut whole) = (0, 0);
    for who in raw.consumers() {
        let before = stage(raw, &who, window.first.0 - 1, of);
        let after = stage(raw, &who, window.last.0, of);
        whole += usize::from(among.contains(&before));
        part += usize::from(from.contains(&before) && after > before);
    }
    share(id, part, whole)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn fast_equals_the_methodology(world in world()) {
        let (frames, raw, definitions) = (world.frames(), world.raw(), definitions());
        let asked = world.category.as_deref();
        let picks = |category: &Option<String>| inside(category, asked);
        let of = if asked.is_some() { Of::Category(&picks) } else { Of::Brand };
        let (first, last) = (world.window.first.0, world.window.last.0);
        let fertile = fertile_by_stage(&raw, first, last, &of);
        prop_assert_eq!(fertile, fertile_by_signal(&raw, first, last, &of), "the two ways of fertility");
        let mut expected = vec![
            people("fast.fertility", fertile),
            advancing(&raw, world.window, &of, "fast.advancing", &[1, 2, 3], &[1, 2, 3, 4]),
            advancing(&raw, world.window, &of, "fast.advancing.awareness", &[1], &[1]),
            advancing(&raw, world.window, &of, "fast.advancing.interest", &[2], &[2]),
            advancing(&raw, world.window, &of, "fast.advancing.purchase", &[3], &[3]),
        ];
        expected.extend(close_people(&raw, last, &of));
        assert_same(&Fast.measure(&facts(&frames), &(), &world.ask(&definitions, None)), &expected);
    }

    #[test]
    fn trends_equal_a_question_per_step(world in world(), step in 0..3) {
        let (frames, raw, definitions) = (world.frames(), world.raw(), definitions());
        let asked = world.category.as_deref();
        let picks = |category: &Option<String>| inside(category, asked);
        let of = if asked.is_some() { Of::Category(&picks) } else { Of::Brand };
        let steps = Steps::new(world.window, [Step::Day, Step::Week, Step::Month][step as usize]).unwrap();
        let mut expected = Vec::new();
        for window in steps.windows() {
            expected.push(people("fast.fertility", fertile_by_stage(&raw, window.first.0, window.last.0, &of)));
            expected.push(advancing(&raw, window, &of, "fast.advancing", &[1, 2, 3], &[1, 2, 3, 4]));
            expected.extend(close_people(&raw, window.last.0, &of));
        }
        let trend = FastTrend { steps: steps.clone() };
        let got = trend.measure(&facts(&frames), &(), &world.ask(&definitions, None));
        assert_same(&got, &expected);
        for (metric, window) in got.iter().step_by(4).zip(steps.windows()) {
            prop_assert_eq!((metric.window, metric.as_of), (window, window.last));
        }
    }

    #[test]
    fn parts_make_the_whole(world in world(), step in 0..3, cut in (1..5u64, any::<u64>())) {
        world.check(&Fast, |frames| (facts(frames), ()), None, cut)?;
        let steps = Steps::new(world.window, [Step::Day, Step::Week, Step::Month][step as usize]).unwrap();
        world.check(&FastTrend { steps }, |frames| (facts(frames), ()), None, cut)?;
    }
}
