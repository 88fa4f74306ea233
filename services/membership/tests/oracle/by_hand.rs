//! FAST+ and close people on a few facts, with the numbers worked out in the comments.

use chrono_tz::Tz;
use dualwheel_measure::{Absence, Definitions, IntervalMethod, Label};
use dualwheel_membership::{DEFINITIONS, Parameters, closeness, koc, plus};
use dualwheel_proto::facts::{BehaviorKind, FactRows, Member, OrderLine, Reachability, Role, Venue};

use crate::{
    closeness as close,
    facts::{act, line, member, profile, stamp, utc},
    naive::{Answers, Ask},
    plus as four,
};

fn ask(zone: Tz, first: &str, last: &str) -> Ask {
    Ask {
        zone,
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        by: None,
        category: None,
    }
}

fn value(answers: &Answers, id: &str) -> Result<f64, Absence> {
    answers[&(id.to_owned(), None)].value
}

fn cut(answers: &Answers, id: &str, segment: &str) -> Result<f64, Absence> {
    answers[&(id.to_owned(), Some(segment.to_owned()))].value
}

const SHANGHAI: Tz = Tz::Asia__Shanghai;
const JANUARY: &str = "2017-01-10T04:00:00Z";
const MARCH: &str = "2017-03-03T04:00:00Z";

/// Five people over March 1st to 10th:
/// - ann: fan since January, paid member since 3 March: deeper.
/// - bob: member since January: stays; unreachable.
/// - cid: group member since January, left on 5 March.
/// - dot: member since 3 March: recruited; nobody said how to reach dot.
/// - eve: a fan in March only, of the other brand: nobody here.
fn small() -> FactRows {
    let nowhere = Some(Reachability { channels: Vec::new() });
    FactRows {
        members: vec![
            member("ann", Role::Fan, JANUARY, None),
            member("ann", Role::PaidMember, MARCH, None),
            Member {
                reachable_by: nowhere,
                ..member("bob", Role::Member, JANUARY, None)
            },
            member("cid", Role::GroupMember, JANUARY, Some("2017-03-05T04:00:00Z")),
            Member {
                reachable_by: None,
                ..member("dot", Role::Member, MARCH, None)
            },
            Member {
                brand: "b1".to_owned(),
                ..member("eve", Role::Fan, MARCH, None)
            },
        ],
        behaviors: vec![
            act(
                "ann",
                BehaviorKind::CheckIn,
                Venue::MemberCentre,
                "2017-03-04T04:00:00Z",
            ),
            act(
                "ann",
                BehaviorKind::Browse,
                Venue::MiniProgram,
                "2017-03-04T05:00:00Z",
            ),
            act(
                "dot",
                BehaviorKind::ContentView,
                Venue::Content,
                "2017-03-04T05:00:00Z",
            ),
        ],
        order_lines: vec![
            line("o1", "ann", "2017-03-05T04:00:00Z", "30"),
            line("o2", "bob", "2017-03-05T04:00:00Z", "100"),
            OrderLine {
                quantity: 0,
                returned_quantity: 1,
                refund_amount: "50".to_owned(),
                ..line("o3", "dot", "2017-03-05T04:00:00Z", "0")
            },
        ],
        ..Default::default()
    }
}

#[test]
fn a_small_case_in_full() {
    let (metrics, answers) = four::compare(&small(), &ask(SHANGHAI, "2017-03-01", "2017-03-10"));
    let of = |id: &str| value(&answers, id);
    // Capital: ann and dot; bob cannot be reached, cid has left.
    assert_eq!(of("plus.capital"), Ok(2.0));
    assert_eq!(metrics[0].labels, [Label::ReachabilityAssumed]);
    // Of ann, bob and cid one went deeper; dot came, cid left. Reachability does not matter here.
    assert_eq!(
        (of("plus.conversion"), of("plus.recruits"), of("plus.leavers")),
        (Ok(1.0 / 3.0), Ok(1.0), Ok(1.0))
    );
    // Active: ann. dot's view is passive and the return-only row is no purchase.
    assert_eq!(of("plus.connection"), Ok(0.5));
    // Browsing on one day is passive: only the member centre counts.
    assert_eq!(of("plus.connection.venues"), Ok(1.0));
    // (30 − 50) ÷ 2: returns larger than sales.
    assert_eq!(of("plus.clv"), Ok(-10.0));
    // The mean of 30 and −50 is −10, its standard error 40: −10 ± 78.4.
    let interval = metrics[6].interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Normal);
    assert!(
        (interval.high - (1.959_964 * 40.0 - 10.0)).abs() < 1e-3,
        "{interval:?}"
    );
}

#[test]
fn cuts_by_role_and_venue() {
    let mut rows = small();
    // A second day of browsing makes both of ann's active, where they took place.
    rows.behaviors.push(act(
        "ann",
        BehaviorKind::Browse,
        Venue::Store,
        "2017-03-06T05:00:00Z",
    ));
    let asked = ask(SHANGHAI, "2017-03-01", "2017-03-10");
    let (_, answers) = four::compare(
        &rows,
        &Ask {
            by: Some("venue"),
            ..asked.clone()
        },
    );
    assert_eq!(value(&answers, "plus.connection.venues"), Ok(3.0));
    for (venue, share) in [
        ("member_centre", 0.5),
        ("mini_program", 0.5),
        ("store", 0.5),
        ("content", 0.0),
    ] {
        assert_eq!(cut(&answers, "plus.connection", venue), Ok(share), "{venue}");
    }
    let (_, answers) = four::compare(
        &rows,
        &Ask {
            by: Some("role"),
            ..asked
        },
    );
    // Nobody is a fan on the 10th; ann was one on the day before the window.
    assert_eq!(
        (
            cut(&answers, "plus.capital", "fan"),
            cut(&answers, "plus.conversion", "fan")
        ),
        (Ok(0.0), Ok(1.0))
    );
    assert_eq!(cut(&answers, "plus.clv", "fan"), Err(Absence::NoDenominator));
    assert_eq!(cut(&answers, "plus.clv", "member"), Ok(-50.0));
    assert_eq!(cut(&answers, "plus.leavers", "group_member"), Ok(1.0));
}

#[test]
fn what_was_never_supplied_has_no_value() {
    let asked = ask(SHANGHAI, "2017-03-01", "2017-03-10");
    let (_, answers) = four::compare(
        &FactRows {
            members: Vec::new(),
            ..small()
        },
        &asked,
    );
    assert!(
        answers
            .values()
            .all(|answer| answer.value == Err(Absence::SignalNotSupplied))
    );
    let (_, answers) = four::compare(
        &FactRows {
            order_lines: Vec::new(),
            ..small()
        },
        &asked,
    );
    assert_eq!(value(&answers, "plus.clv"), Err(Absence::SignalNotSupplied));
    let no_venues = FactRows {
        behaviors: Vec::new(),
        ..small()
    };
    let (_, answers) = four::compare(
        &no_venues,
        &Ask {
            by: Some("venue"),
            ..asked
        },
    );
    // ann's purchase alone: connection as a whole is known, where it happened is not.
    assert_eq!(value(&answers, "plus.connection"), Ok(0.5));
    assert_eq!(
        value(&answers, "plus.connection.venues"),
        Err(Absence::SignalNotSupplied)
    );
    assert_eq!(
        cut(&answers, "plus.connection", "store"),
        Err(Absence::SignalNotSupplied)
    );
}

#[test]
fn windows_begin_and_end_with_their_days() {
    // New York, 2017: 12 March has 23 hours. A role that begins at 03:59 UTC of the 13th begins on the 12th.
    let rows = |joined_at: &str| FactRows {
        members: vec![member("ann", Role::Fan, joined_at, None)],
        ..Default::default()
    };
    let asked = ask(Tz::America__New_York, "2017-03-10", "2017-03-12");
    let capital =
        |joined_at: &str| value(&four::compare(&rows(joined_at), &asked).1, "plus.capital").unwrap();
    assert_eq!(
        (capital("2017-03-13T03:59:59Z"), capital("2017-03-13T04:00:00Z")),
        (1.0, 0.0)
    );
    // A role that ends on the last day is no longer open on it; one that ends the day after is.
    let ended = |left_at: &str| FactRows {
        members: vec![member("ann", Role::Fan, JANUARY, Some(left_at))],
        ..Default::default()
    };
    let leavers = |left_at: &str| value(&four::compare(&ended(left_at), &asked).1, "plus.leavers").unwrap();
    assert_eq!(
        (leavers("2017-03-12T12:00:00Z"), leavers("2017-03-13T04:00:00Z")),
        (1.0, 0.0)
    );
    // Joined on the day before the window: no recruit. On its first day: one.
    let recruits =
        |joined_at: &str| value(&four::compare(&rows(joined_at), &asked).1, "plus.recruits").unwrap();
    assert_eq!(
        (recruits("2017-03-10T04:59:59Z"), recruits("2017-03-10T05:00:00Z")),
        (0.0, 1.0)
    );
}

#[test]
fn a_revision_replaces_a_row() {
    let mut rows = FactRows {
        members: vec![member("ann", Role::Fan, JANUARY, None)],
        ..Default::default()
    };
    let asked = ask(SHANGHAI, "2017-03-01", "2017-03-10");
    assert_eq!(value(&four::compare(&rows, &asked).1, "plus.capital"), Ok(1.0));
    let left_at = stamp(utc("2017-02-01T00:00:00Z"));
    rows.members.push(Member {
        revision: 1,
        left_at,
        ..member("ann", Role::Fan, JANUARY, None)
    });
    assert_eq!(value(&four::compare(&rows, &asked).1, "plus.capital"), Ok(0.0));
}

#[test]
fn close_people_among_the_buyers() {
    // Buyers of March 1st to 10th: ann (paid member), bob (member), dot bought nothing. fay is a close fan of another
    // brand, gus of this one; both bought. Two lines of one day are one buyer; a cancelled line is a purchase.
    let mut rows = small();
    rows.order_lines
        .push(line("o4", "fay", "2017-03-05T04:00:00Z", "1"));
    rows.order_lines
        .push(line("o5", "gus", "2017-03-05T04:00:00Z", "1"));
    rows.order_lines
        .push(line("o6", "gus", "2017-03-05T05:00:00Z", "1"));
    rows.order_lines[4].cancelled_at = stamp(utc("2017-03-05T06:00:00Z"));
    rows.consumer_profiles = vec![
        profile("fay", &["close_fan@b00"]),
        profile("gus", &["x", "close_fan@b0"]),
        profile("cid", &["close_fan@b0"]),
    ];
    let asked = ask(SHANGHAI, "2017-03-01", "2017-03-10");
    let answer = close::compare(&rows, &asked);
    // ann, bob and gus of ann, bob, fay and gus; cid is a close fan who bought nothing.
    assert_eq!((answer.value, answer.numerator), (Ok(0.75), Some(3.0)));
    rows.consumer_profiles.truncate(1);
    assert_eq!(
        close::compare(&rows, &asked).value,
        Err(Absence::SignalNotSupplied)
    );
    rows.consumer_profiles = vec![profile("gus", &["close_fan@b0"])];
    assert_eq!(
        close::compare(&rows, &ask(SHANGHAI, "2017-04-01", "2017-04-10")).value,
        Err(Absence::NoDenominator)
    );
    // A member who bought at the beginning of a long window and did nothing in the last 180 days is not active.
    rows.order_lines.truncate(2);
    rows.behaviors.clear();
    let answer = close::compare(&rows, &ask(SHANGHAI, "2017-03-01", "2017-08-31"));
    assert_eq!((answer.value, answer.denominator), (Ok(1.0), Some(2.0)));
    let answer = close::compare(&rows, &ask(SHANGHAI, "2017-03-01", "2017-09-01"));
    assert_eq!(answer.value, Ok(0.0));
}

#[test]
fn every_metric_has_a_definition() {
    let definitions: Definitions<Parameters> = Definitions::shipped(DEFINITIONS).unwrap();
    let ids: Vec<&str> = definitions
        .metrics
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    let emitted: Vec<&str> = plus::METRICS
        .into_iter()
        .chain(closeness::METRICS)
        .chain(koc::METRICS)
        .collect();
    assert_eq!(ids, emitted);
    for entry in &definitions.metrics {
        let json = definitions.parameters_json(entry);
        for parameter in &entry.parameters {
            assert!(
                json.contains(&format!("\"{parameter}\":")),
                "{} reads an unknown {parameter}",
                entry.id
            );
        }
    }
    for metric in four::engine(&small(), &ask(SHANGHAI, "2017-03-01", "2017-03-10")) {
        assert_eq!(metric.unit, definitions.entry(&metric.id).unwrap().unit);
    }
}
