//! FAST+, naively.

use std::collections::BTreeSet;

use chrono::Days;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Label, Metric, MetricGroup};
use dualwheel_membership::plus::{Facts, METRICS, Plus};
use dualwheel_proto::facts::FactRows;
use proptest::prelude::*;

use crate::{
    facts::{BRAND, money, rows},
    naive::{Answers, Ask, Expected, Naive, absent, answers, asks, count, ratio},
    parts::{check, question, shipped},
};

const VENUES: [&str; 10] = [
    "",
    "store",
    "member_centre",
    "group_chat",
    "live_room",
    "mini_program",
    "sms",
    "content",
    "offline",
    "other",
];
const ROLES: [&str; 5] = ["", "fan", "group_member", "member", "paid_member"];

fn facts(frames: &Frames) -> Facts {
    Facts {
        behaviors: frames.behaviors.clone(),
        orders: frames.orders.clone(),
        members: frames.members.clone(),
    }
}

/// The engine's metrics.
pub fn engine(rows: &FactRows, ask: &Ask) -> Vec<Metric> {
    let frames = Frames::from_rows(ask.zone, rows, BRAND).unwrap();
    let definitions = shipped();
    Plus.measure(&facts(&frames), &(), &question(ask, &definitions))
}

/// Everybody whose role fits a cut; all without one.
fn of_role(role: i32, cut: Option<i32>) -> bool {
    role > 0 && cut.is_none_or(|cut| cut == role)
}

/// The metrics of the whole, or of one role.
fn part(naive: &Naive<'_>, cut: Option<i32>) -> Vec<(&'static str, Expected)> {
    let (first, last) = (naive.ask.first, naive.ask.last);
    let people: BTreeSet<&str> = naive
        .members
        .iter()
        .map(|member| member.consumer.as_str())
        .collect();
    let (mut capital, mut active, mut venues, mut net) = (0, 0, 0, 0);
    let (mut before, mut deeper, mut recruits, mut leavers) = (0, 0, 0, 0);
    let mut assumed = false;
    for person in people {
        let (was, is) = (naive.role(person, first - Days::new(1)), naive.role(person, last));
        if of_role(was, cut) {
            before += 1;
            deeper += usize::from(is > was);
            leavers += usize::from(is == 0);
        }
        recruits += usize::from(was == 0 && of_role(is, cut));
        if !of_role(is, cut) || !is_reachable(naive, person) {
            continue;
        }
        capital += 1;
        assumed |= !is_surely_reachable(naive, person);
        active += usize::from(naive.is_active(person, first, last));
        let acts = naive.active_acts(person, first, last);
        venues += acts
            .iter()
            .map(|act| act.venue)
            .filter(|venue| *venue != 0)
            .collect::<BTreeSet<_>>()
            .len();
        for line in naive.lines_of(person, first, last) {
            net += money(&line.paid_amount) - money(&line.refund_amount);
        }
    }
    let has_acts = !naive.acts.is_empty() || !naive.lines.is_empty();
    let connection = if has_acts {
        ratio(active as f64, capital as f64)
    } else {
        absent()
    };
    let mean = if has_venues(naive) {
        ratio(venues as f64, active as f64)
    } else {
        absent()
    };
    let clv = if naive.lines.is_empty() {
        absent()
    } else {
        ratio(net as f64 / 10_000.0, capital as f64)
    };
    let label = |expected: Expected, of_acts: bool| labelled(naive, expected, assumed, of_acts);
    vec![
        ("plus.capital", label(count(capital), false)),
        ("plus.conversion", ratio(deeper as f64, before as f64)),
        ("plus.recruits", count(recruits)),
        ("plus.leavers", count(leavers)),
        (
            "plus.connection",
            if has_acts {
                label(connection, true)
            } else {
                connection
            },
        ),
        (
            "plus.connection.venues",
            if has_venues(naive) {
                label(mean, true)
            } else {
                mean
            },
        ),
        (
            "plus.clv",
            if naive.lines.is_empty() {
                clv
            } else {
                label(clv, false)
            },
        ),
    ]
}

fn labelled(naive: &Naive<'_>, mut expected: Expected, assumed: bool, of_acts: bool) -> Expected {
    if assumed {
        expected.labels.insert(Label::ReachabilityAssumed.name());
    }
    if of_acts && naive.bought_by_acts() {
        expected.labels.insert(Label::PurchasesFromBehaviors.name());
    }
    expected
}

fn is_reachable(naive: &Naive<'_>, person: &str) -> bool {
    let open = naive.open(person, naive.ask.last);
    open.iter()
        .any(|row| row.reachable_by.as_ref().is_none_or(|by| !by.channels.is_empty()))
}

fn is_surely_reachable(naive: &Naive<'_>, person: &str) -> bool {
    let open = naive.open(person, naive.ask.last);
    open.iter().any(|row| {
        row.reachable_by
            .as_ref()
            .is_some_and(|by| !by.channels.is_empty())
    })
}

fn has_venues(naive: &Naive<'_>) -> bool {
    let inside = |day| naive.ask.first <= day && day <= naive.ask.last;
    naive
        .acts
        .iter()
        .any(|act| act.venue != 0 && inside(naive.day(act)))
}

fn at_venue(naive: &Naive<'_>, venue: u8) -> Expected {
    if !has_venues(naive) {
        return absent();
    }
    let people: BTreeSet<&str> = naive
        .members
        .iter()
        .map(|member| member.consumer.as_str())
        .collect();
    let capital: Vec<&str> = people
        .into_iter()
        .filter(|person| naive.role(person, naive.ask.last) > 0 && is_reachable(naive, person))
        .collect();
    let there = capital.iter().filter(|person| {
        let acts = naive.active_acts(person, naive.ask.first, naive.ask.last);
        acts.iter().any(|act| act.venue == i32::from(venue))
    });
    let assumed = capital.iter().any(|person| !is_surely_reachable(naive, person));
    labelled(
        naive,
        ratio(there.count() as f64, capital.len() as f64),
        assumed,
        true,
    )
}

fn reference(rows: &FactRows, ask: &Ask) -> Answers {
    let naive = Naive::new(rows, ask);
    let mut answers = Answers::new();
    if naive.members.is_empty() {
        answers.extend(METRICS.iter().map(|id| (((*id).to_owned(), None), absent())));
        return answers;
    }
    answers.extend(
        part(&naive, None)
            .into_iter()
            .map(|(id, expected)| ((id.to_owned(), None), expected)),
    );
    if ask.by == Some("role") {
        for (role, name) in (1..).zip(&ROLES[1..]) {
            let part = part(&naive, Some(role)).into_iter();
            answers.extend(part.map(|(id, expected)| ((id.to_owned(), Some((*name).to_owned())), expected)));
        }
    }
    if ask.by == Some("venue") {
        for (venue, name) in (1..).zip(&VENUES[1..]) {
            answers.insert(
                ("plus.connection".to_owned(), Some((*name).to_owned())),
                at_venue(&naive, venue),
            );
        }
    }
    answers
}

/// Fails where the two differ.
pub fn compare(rows: &FactRows, ask: &Ask) -> (Vec<Metric>, Answers) {
    let expected = reference(rows, ask);
    let metrics = engine(rows, ask);
    let answered = answers(&metrics);
    for (key, expected) in &expected {
        assert_eq!(answered.get(key), Some(expected), "{key:?} of {ask:?}");
    }
    assert_eq!(answered.len(), expected.len(), "{:?}", answered.keys());
    (metrics, answered)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_reference(rows in rows(), ask in asks()) {
        let (metrics, answered) = compare(&rows, &ask);
        let values: Vec<_> = metrics.iter().filter_map(|metric| metric.segments.first()).collect();
        prop_assert!(values.is_sorted());
        prop_assert!(metrics.iter().all(|metric| metric.as_of == ask.window().last));
        conserve(&ask, &answered);
    }

    #[test]
    fn parts_make_the_whole(rows in rows(), ask in asks(), cut in (1..5u64, any::<u64>())) {
        check(&Plus, facts, &rows, &ask, cut)?;
    }
}

/// What must hold whatever the facts are.
fn conserve(ask: &Ask, answered: &Answers) {
    let number = |answer: &Expected| answer.numerator.unwrap_or(0.0);
    let whole = |id: &str| answered.get(&(id.to_owned(), None)).map_or(0.0, number);
    if ask.by == Some("role") {
        // Everybody has one role: the roles add up to the whole.
        for id in METRICS {
            let roles: f64 = answered
                .iter()
                .filter(|((of, cut), _)| of == id && cut.is_some())
                .map(|(_, answer)| number(answer))
                .sum();
            assert!((roles - whole(id)).abs() < 1e-6, "{id}");
        }
    }
    if ask.by == Some("venue") {
        // Who is active at a venue is active, and the venues add up to the distinct venues of all.
        let venues: Vec<f64> = answered
            .iter()
            .filter(|((_, cut), _)| cut.is_some())
            .map(|(_, answer)| number(answer))
            .collect();
        assert!(venues.iter().all(|active| *active <= whole("plus.connection")));
        assert_eq!(venues.iter().sum::<f64>(), whole("plus.connection.venues"));
    }
}
