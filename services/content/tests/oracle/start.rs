//! START, naively.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use dualwheel_content::{
    DEFINITIONS, Parameters,
    start::{Cut, METRICS, Part, Start, Whole},
};
use dualwheel_lake::{groups::unknown, memory::Frames};
use dualwheel_measure::{
    Absence, Day, Definitions, Label, Metric, MetricGroup, Quantity, Scope, Window,
    group::{Extent, law, to_bytes},
};
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows};
use proptest::prelude::*;

use crate::{
    facts::{BRAND, micros, money, rows},
    naive::{Ask, Naive, is, is_drawn, is_interaction, is_interest, is_view},
};

/// Value, numerator and denominator, or why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub value: Result<f64, Absence>,
    pub numerator: Option<f64>,
    pub denominator: Option<f64>,
    pub labels: BTreeSet<&'static str>,
}

/// Metric id and value of the cut to what is answered.
pub type Answers = BTreeMap<(String, Option<String>), Expected>;

fn facts(frames: &Frames) -> (Part, Whole) {
    let part = Part {
        behaviors: frames.behaviors.clone(),
        orders: frames.orders.clone(),
    };
    let whole = Whole {
        products: frames.products.clone(),
        contents: frames.contents.clone(),
    };
    (part, whole)
}

fn shipped() -> Definitions<Parameters> {
    Definitions::shipped(DEFINITIONS).unwrap()
}

fn question<'a>(
    ask: &'a Ask,
    definitions: &'a Definitions<Parameters>,
) -> dualwheel_measure::Ask<'a, Parameters> {
    dualwheel_measure::Ask {
        brand: BRAND,
        by: ask.by,
        category: ask.category,
        category_level: None,
        parameters: &definitions.parameters,
        scope: Scope {
            window: Window::new(Day::from_date(ask.first), Day::from_date(ask.last)).unwrap(),
            as_of: Day::from_date(ask.as_of),
            entries: &definitions.metrics,
            version: &definitions.version,
            segments: Vec::new(),
        },
    }
}

/// The engine's answers to the same question.
pub fn engine(rows: &FactRows, ask: &Ask) -> (Vec<Metric>, Answers) {
    let (part, whole) = facts(&Frames::from_rows(ask.zone, rows, BRAND).unwrap());
    let definitions = shipped();
    let metrics = Start.measure(&part, &whole, &question(ask, &definitions));
    let mut answers = Answers::new();
    for metric in &metrics {
        let key = (
            metric.id.clone(),
            metric.segments.first().map(|(_, value)| value.clone()),
        );
        let expected = Expected {
            value: metric.value.clone().map_err(|(absence, _)| absence),
            numerator: metric.numerator.map(Quantity::as_f64),
            denominator: metric.denominator.map(Quantity::as_f64),
            labels: metric.labels.iter().map(|label| label.name()).collect(),
        };
        assert!(
            answers.insert(key, expected).is_none(),
            "{} came twice",
            metric.id
        );
    }
    (metrics, answers)
}

/// People and sums of one segment.
#[derive(Default)]
struct Sums {
    reached: BTreeSet<String>,
    carrying: BTreeSet<String>,
    interacted: BTreeSet<String>,
    seeded: BTreeSet<String>,
    drawn: BTreeSet<String>,
    direct: BTreeSet<String>,
    assisted: BTreeSet<String>,
    gmv: i128,
    gmv_with_spend: i128,
    spend: Option<i128>,
    reaches: i64,
    matured: i64,
    plays: i64,
    dwells: Vec<i64>,
}

fn sums(naive: &Naive<'_>, segment: Option<&str>) -> Sums {
    let mut sums = Sums::default();
    let fits = |view: &Behavior| segment.is_none_or(|value| naive.cuts(view).iter().any(|cut| cut == value));
    let product_fits =
        |product: &str| naive.ask.by != Some("product") || segment.is_none_or(|value| value == product);
    let views = naive.views();
    let mut spent_on = BTreeSet::new();
    for view in views.iter().filter(|view| fits(view)) {
        if naive.is_video(view.content()) {
            sums.plays += 1;
            sums.dwells.extend(view.dwell_ms);
        }
        let spend = naive
            .contents
            .get(view.content())
            .and_then(|content| content.spend.as_deref());
        if let Some(spend) = spend.filter(|_| spent_on.insert(view.content())) {
            let of = |fits: &dyn Fn(&Behavior) -> bool| {
                let on = naive
                    .acts
                    .iter()
                    .filter(|act| is_view(act) && act.content() == view.content());
                on.filter(|act| fits(act)).count() as i128
            };
            let within = of(&|act| naive.in_window(act));
            let all = of(&|act| naive.day(act) <= naive.ask.as_of);
            let part = (money(spend) * within * 2 + all) / (all * 2);
            sums.spend = Some(sums.spend.unwrap_or(0) + part);
        }
    }
    let purchases = naive.purchases();
    let reaches: Vec<&Behavior> = views.into_iter().filter(|view| naive.is_reach(view)).collect();
    let later = naive.acts.iter().copied().filter(|act| {
        is_view(act)
            && naive.day(act) > naive.ask.last
            && naive.day(act) <= naive.ask.as_of
            && naive.is_reach(act)
    });
    let winners: Vec<&Behavior> = reaches.iter().copied().chain(later).collect();
    for reach in reaches.iter().filter(|reach| fits(reach)) {
        let (person, day, at) = (&reach.consumer, naive.day(reach), micros(&reach.occurred_at));
        let carried = naive.carried(reach.content());
        sums.reaches += 1;
        sums.matured += i64::from(day + Days::new(14) <= naive.ask.as_of);
        sums.reached.insert(person.clone());
        if !carried.is_empty() {
            sums.carrying.insert(person.clone());
        }
        if naive.watched(reach, 3) {
            sums.interacted.insert(person.clone());
        }
        for act in naive.acts.iter().filter(|act| act.consumer == *person) {
            let same_day = naive.ask.by != Some("day") || segment.is_none() || naive.day(act) == day;
            if is_interaction(act) && act.content() == reach.content() && naive.in_window(act) && same_day {
                sums.interacted.insert(person.clone());
            }
            let acted = micros(&act.occurred_at);
            if acted < at {
                continue;
            }
            if is_drawn(act) && naive.within(day, naive.day(act), 3) {
                sums.drawn.insert(person.clone());
            }
            let product = act.product.as_deref().unwrap_or_default();
            if is_interest(act)
                && carried.iter().any(|carried| carried == product)
                && product_fits(product)
                && naive.within(day, naive.day(act), 15)
                && !purchases
                    .iter()
                    .any(|(who, what, when, ..)| who == person && what == product && *when < acted)
            {
                sums.seeded.insert(person.clone());
            }
        }
    }
    for (person, product, at, day, net) in &purchases {
        let hours = |reach: &Behavior| (at - micros(&reach.occurred_at)) as f64 / 3.6e9;
        let could = |reach: &&&Behavior| {
            reach.consumer == *person
                && naive.carried(reach.content()).contains(product)
                && micros(&reach.occurred_at) <= *at
                && *day <= naive.ask.as_of
                && (naive.within(naive.day(reach), *day, 15) || hours(reach) <= 24.0)
        };
        let winner = winners
            .iter()
            .filter(could)
            .max_by_key(|reach| (micros(&reach.occurred_at), Reverse(reach.content())))
            .filter(|winner| naive.in_window(winner));
        let Some(winner) = winner.filter(|winner| fits(winner) && product_fits(product)) else {
            continue;
        };
        sums.assisted.insert(person.clone());
        if hours(winner) <= 24.0 {
            sums.direct.insert(person.clone());
            sums.gmv += net;
            if naive
                .contents
                .get(winner.content())
                .is_some_and(|content| content.spend.is_some())
            {
                sums.gmv_with_spend += net;
            }
        }
    }
    sums
}

fn count(count: usize) -> Expected {
    let count = count as f64;
    Expected {
        value: Ok(count),
        numerator: Some(count),
        denominator: None,
        labels: BTreeSet::new(),
    }
}

fn ratio(numerator: f64, denominator: f64) -> Expected {
    let value = if denominator == 0.0 {
        Err(Absence::NoDenominator)
    } else {
        Ok(numerator / denominator)
    };
    Expected {
        value,
        numerator: Some(numerator),
        denominator: Some(denominator),
        labels: BTreeSet::new(),
    }
}

fn absent() -> Expected {
    let value = Err(Absence::SignalNotSupplied);
    Expected {
        value,
        numerator: None,
        denominator: None,
        labels: BTreeSet::new(),
    }
}

/// The reference's answers.
pub fn reference(rows: &FactRows, ask: &Ask) -> Answers {
    let naive = Naive::new(rows, ask);
    if !naive.acts.iter().any(|act| is_view(act)) {
        return METRICS
            .iter()
            .map(|id| (((*id).to_owned(), None), absent()))
            .collect();
    }
    let mut segments: BTreeSet<Option<String>> = BTreeSet::from([None]);
    for view in naive.views() {
        segments.extend(naive.cuts(view).into_iter().map(Some));
    }
    let mut answers = Answers::new();
    for segment in segments {
        for (id, expected) in segment_answers(&naive, segment.as_deref()) {
            answers.insert((id.to_owned(), segment.clone()), expected);
        }
    }
    answers
}

fn segment_answers(naive: &Naive<'_>, segment: Option<&str>) -> Vec<(&'static str, Expected)> {
    let sums = sums(naive, segment);
    let acts = &naive.acts;
    let has_carried = naive
        .contents
        .values()
        .any(|content| !content.products.is_empty());
    let has_interaction = acts
        .iter()
        .any(|act| is_interaction(act) || (is_view(act) && act.dwell_ms.is_some()));
    let has_interest = has_carried && acts.iter().any(|act| is_interest(act));
    let has_drawn = acts.iter().any(|act| is_drawn(act));
    let by_acts = naive.lines.is_empty() && acts.iter().any(|act| is(act, &[BehaviorKind::Purchase]));
    let has_purchases = has_carried && (by_acts || !naive.lines.is_empty());
    let has_money = has_carried && !naive.lines.is_empty();
    let when = |has: bool, expected: Expected| if has { expected } else { absent() };
    let share =
        |part: &BTreeSet<String>, whole: &BTreeSet<String>| ratio(part.len() as f64, whole.len() as f64);
    let in_units = |money: i128| money as f64 / 10_000.0;

    let splits_spend = naive.ask.category.is_some()
        || (segment.is_some() && (naive.ask.by == Some("product") || naive.ask.by == Some("day")));
    let per_spend = match sums.spend {
        Some(spend) if has_money && !splits_spend => ratio(in_units(sums.gmv_with_spend), in_units(spend)),
        _ => absent(),
    };
    let gmv = in_units(sums.gmv);
    let gmv = Expected {
        value: Ok(gmv),
        numerator: Some(gmv),
        denominator: None,
        labels: BTreeSet::new(),
    };
    let seconds = sums.dwells.iter().sum::<i64>() as f64 / 1_000.0;
    let timed = sums.dwells.len();
    let watch_time = if sums.plays > 0 && timed == 0 {
        absent()
    } else {
        ratio(seconds, timed as f64)
    };
    let mut answers = vec![
        ("start.reach", count(sums.reached.len())),
        (
            "start.interaction",
            when(has_interaction, count(sums.interacted.len())),
        ),
        ("start.seeding", when(has_interest, count(sums.seeded.len()))),
        ("start.traffic", when(has_drawn, count(sums.drawn.len()))),
        ("start.transaction", when(has_purchases, count(sums.direct.len()))),
        (
            "start.transaction.assisted",
            when(has_purchases, count(sums.assisted.len())),
        ),
        (
            "start.quality",
            when(has_interaction, share(&sums.interacted, &sums.reached)),
        ),
        (
            "start.effect.seeding",
            when(has_interest, share(&sums.seeded, &sums.carrying)),
        ),
        (
            "start.effect.traffic",
            when(has_drawn, share(&sums.drawn, &sums.reached)),
        ),
        (
            "start.effect.transaction",
            when(has_purchases, share(&sums.direct, &sums.carrying)),
        ),
        (
            "start.effect.assisted",
            when(has_purchases, share(&sums.assisted, &sums.carrying)),
        ),
        ("start.gmv", when(has_money, gmv)),
        ("start.gmv_per_spend", per_spend),
        ("start.matured", ratio(sums.matured as f64, sums.reaches as f64)),
        ("start.plays", count(sums.plays as usize)),
        ("start.watch_time", watch_time),
    ];
    for (id, expected) in &mut answers {
        if naive.dwell_assumed && !["start.plays", "start.watch_time"].contains(id) {
            expected.labels.insert(Label::DwellAssumed.name());
        }
        let of_purchases = id.contains("transaction") || id.contains("assisted") || id.contains("seeding");
        if by_acts && of_purchases {
            expected.labels.insert(Label::PurchasesFromBehaviors.name());
        }
    }
    answers
}

/// Fails where the two differ.
pub fn compare(rows: &FactRows, ask: &Ask) -> (Vec<Metric>, Answers) {
    let expected = reference(rows, ask);
    let (metrics, answers) = engine(rows, ask);
    for (key, expected) in &expected {
        assert_eq!(answers.get(key), Some(expected), "{key:?} of {ask:?}");
    }
    assert_eq!(answers.len(), expected.len(), "{:?}", answers.keys());
    (metrics, answers)
}

fn asks() -> impl Strategy<Value = Ask> {
    let by = prop_oneof![
        2 => Just(None),
        6 => prop::sample::select(Cut::NAMES.to_vec()).prop_map(Some),
    ];
    let category =
        prop_oneof![4 => Just(None), 1 => Just(Some("a/b")), 1 => Just(Some("a/b/c")), 1 => Just(Some("q"))];
    let zone = prop_oneof![Just(Tz::America__New_York), Just(Tz::Asia__Shanghai)];
    (
        zone,
        -3..42u64 as i64,
        0..25u64,
        prop_oneof![Just(0), 0..30u64],
        by,
        category,
    )
        .prop_map(|(zone, first, length, later, by, category)| {
            let first = NaiveDate::from_ymd_opt(2017, 2, 20).unwrap() + chrono::Duration::days(first);
            let last = first + Days::new(length);
            Ask {
                zone,
                first,
                last,
                as_of: last + Days::new(later),
                by,
                category,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_reference(rows in rows(), ask in asks()) {
        let (metrics, answers) = compare(&rows, &ask);
        // Cuts are in order, each with all metrics.
        prop_assert_eq!(metrics.len() % METRICS.len(), 0);
        let values: Vec<_> = metrics.iter().filter_map(|metric| metric.segments.first()).collect();
        prop_assert!(values.is_sorted());
        conserve(&ask, &answers);
    }

    #[test]
    fn parts_make_the_whole(rows in rows(), ask in asks(), number in 1..5u64, seed in any::<u64>()) {
        let definitions = shipped();
        let question = question(&ask, &definitions);
        prop_assert_eq!(unknown(&Start.needs(&question)), None);
        let frames = Frames::from_rows(ask.zone, &rows, BRAND).unwrap();
        let (all, whole) = facts(&frames);
        let parts: Vec<Part> = frames.parts(number, seed).iter().map(|frames| facts(frames).0).collect();
        if let Err(broken) = law::parts_make_the_whole(&Start, (&all, &parts), &whole, &question) {
            return Err(TestCaseError::fail(broken.to_string()));
        }
        // Facts that came in another order have other ordinals, which show nowhere.
        let mut turned = rows.clone();
        turned.behaviors.reverse();
        turned.contents.reverse();
        turned.order_lines.reverse();
        let (turned, met) = facts(&Frames::from_rows(ask.zone, &turned, BRAND).unwrap());
        let bytes = |part, whole| to_bytes(&Start.partial(part, whole, Extent::Part, &question)).unwrap();
        prop_assert_eq!(bytes(&all, &whole), bytes(&turned, &met));
    }
}

/// What must hold whatever the facts are.
fn conserve(ask: &Ask, answers: &Answers) {
    let whole = |id: &str| {
        answers
            .get(&(id.to_owned(), None))
            .and_then(|answer| answer.value.ok())
    };
    let cuts = |id: &str| -> f64 {
        let cut = answers
            .iter()
            .filter(|((of, segment), _)| of == id && segment.is_some());
        cut.filter_map(|(_, answer)| answer.value.ok()).sum()
    };
    for id in [
        "start.interaction",
        "start.seeding",
        "start.traffic",
        "start.transaction.assisted",
    ] {
        assert!(
            whole(id).unwrap_or(0.0) <= whole("start.reach").unwrap_or(0.0),
            "{id} is no subset"
        );
    }
    assert!(whole("start.transaction").unwrap_or(0.0) <= whole("start.transaction.assisted").unwrap_or(0.0));
    if ask.by.is_none() {
        return;
    }
    // Every purchase has one winner and so one cut: GMV adds up. Plays do too, but for contents of many products.
    assert!((cuts("start.gmv") - whole("start.gmv").unwrap_or(0.0)).abs() < 1e-6);
    if ask.by != Some("product") {
        assert_eq!(cuts("start.plays"), whole("start.plays").unwrap_or(0.0));
    }
    // People are distinct within each cut, so the cuts together hold everybody at least once.
    assert!(cuts("start.reach") >= whole("start.reach").unwrap_or(0.0));
}
