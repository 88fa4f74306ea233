//! Stages, FAST and signals worked by hand, and what holds of all metrics.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use dualwheel_consumer::{
    aipl::Aipl,
    fast::Fast,
    flow::Flow,
    grow::By,
    signals::BrandSignals,
    stages::{Model, Timeline},
    value::group::{Part, Rfm, Value},
};
use dualwheel_measure::{Absence, Day, IntervalAbsence, Label, Metric, MetricGroup, Window};
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, Member, OrderLine, Role};
use prost_types::Timestamp;

use crate::{
    grow::measured,
    signals::part,
    world::{BRAND, START, World, definitions, facts, instant, text},
};

/// The as-of day of the cases.
pub const D: i32 = START + 30;

pub fn world(rows: FactRows) -> World {
    World {
        rows,
        zone: Tz::UTC,
        window: Window {
            first: Day(D - 9),
            last: Day(D),
        },
        as_of: Day(D),
        category: None,
        level: 2,
    }
}

pub fn act(who: &str, kind: BehaviorKind, day: i32) -> Behavior {
    Behavior {
        event_id: format!("{who}{kind:?}{day}"),
        consumer: who.to_owned(),
        brand: BRAND.to_owned(),
        kind: kind as i32,
        occurred_at: instant(day, 43_200),
        ..Default::default()
    }
}

/// One line; its order is named after who, when and what.
pub fn sale(who: &str, day: i32, category: &str, quantity: i64, paid: i64) -> OrderLine {
    OrderLine {
        order: format!("{who} {day} {category} {paid}"),
        line: "1".to_owned(),
        consumer: who.to_owned(),
        brand: BRAND.to_owned(),
        product: format!("p {category}"),
        category: Some(category.to_owned()),
        quantity,
        paid_amount: text(paid * 10_000),
        paid_at: instant(day, 43_200),
        ..Default::default()
    }
}

pub fn lines(order_lines: Vec<OrderLine>) -> FactRows {
    FactRows {
        order_lines,
        ..Default::default()
    }
}

fn stages(world: &World) -> [i64; 5] {
    let (frames, definitions) = (world.frames(), definitions());
    let got = Aipl.measure(&facts(&frames), &(), &world.ask(&definitions, None));
    std::array::from_fn(|at| *got[at].value.as_ref().unwrap() as i64)
}

pub fn metric<'a>(metrics: &'a [Metric], id: &str) -> &'a Metric {
    metrics
        .iter()
        .find(|metric| metric.id == id && metric.segments.is_empty())
        .unwrap()
}

#[test]
fn windows_of_stages_include_both_ends() {
    use BehaviorKind::{AdClick, Recommend, Search};
    let rows = FactRows {
        behaviors: vec![
            act("a in", AdClick, D - 14),
            act("a out", AdClick, D - 15),
            act("a later", AdClick, D + 1),
            act("i in", Search, D - 14),
            act("i out", Search, D - 15),
            act("l in", Recommend, D - 364),
            act("l out", Recommend, D - 365),
        ],
        order_lines: vec![
            sale("p in", D - 912, "a", 1, 5),
            sale("p out", D - 913, "a", 1, 5),
            sale("two days", D - 364, "a", 1, 5),
            sale("two days", D, "a", 1, 5),
            sale("two days too far", D - 365, "a", 1, 5),
            sale("two days too far", D, "a", 1, 5),
            // Both within a year of D: loyal by word of mouth; the other's word is a day too old.
            sale("l in", D - 364, "a", 1, 5),
            sale("l out", D - 364, "a", 1, 5),
        ],
        ..Default::default()
    };
    // A: a in. I: i in. P: p in, two days too far, l out. L: two days, l in.
    assert_eq!(stages(&world(rows)), [1, 1, 3, 2, 7]);
}

#[test]
fn several_purchases_of_one_day_are_one_day() {
    let rows = lines(vec![sale("c", D - 3, "a", 1, 5), sale("c", D - 3, "b", 2, 7)]);
    assert_eq!(stages(&world(rows)), [0, 0, 1, 0, 1]);
}

#[test]
fn cancelled_undelivered_and_returned_lines_are_purchases_and_return_only_rows_are_none() {
    let cancelled = OrderLine {
        cancelled_at: instant(D - 2, 0),
        ..sale("cancelled", D - 3, "a", 1, 5)
    };
    let undelivered = OrderLine {
        promised_at: instant(D - 2, 0),
        ..sale("undelivered", D - 3, "a", 1, 5)
    };
    let returned = OrderLine {
        returned_quantity: 1,
        refund_amount: text(50_000),
        ..sale("returned", D - 3, "a", 1, 5)
    };
    let return_only = OrderLine {
        returned_quantity: 1,
        refund_amount: text(50_000),
        ..sale("return only", D - 3, "a", 0, 0)
    };
    let nothing = sale("no quantity", D - 3, "a", 0, 9);
    let rows = lines(vec![cancelled, undelivered, returned, return_only, nothing]);
    assert_eq!(stages(&world(rows)), [0, 0, 3, 0, 3]);
}

#[test]
fn a_revision_replaces_the_line() {
    let first = sale("c", D - 3, "a", 1, 5);
    let second = OrderLine {
        revision: 1,
        quantity: 0,
        ..first.clone()
    };
    assert_eq!(stages(&world(lines(vec![second, first]))), [0; 5]);
}

#[test]
fn a_consumer_of_two_brands_is_counted_by_what_each_saw() {
    let elsewhere = OrderLine {
        brand: "b1".to_owned(),
        ..sale("both", D - 1, "a", 1, 5)
    };
    let rows = FactRows {
        behaviors: vec![act("both", BehaviorKind::Browse, D - 1)],
        order_lines: vec![elsewhere],
        ..Default::default()
    };
    assert_eq!(stages(&world(rows)), [1, 0, 0, 0, 1]);
}

#[test]
fn days_are_those_of_the_zone_on_daylight_saving_days() {
    // New York, 2024-03-10, 23 hours long: 05:00 UTC begins it (EST), 04:00 UTC of the 11th ends it (EDT).
    let at = |text: &str| {
        let seconds = text.parse::<DateTime<Utc>>().unwrap().timestamp();
        Some(Timestamp { seconds, nanos: 0 })
    };
    let bought = |who: &str, first: &str, second: &str| {
        let one = OrderLine {
            paid_at: at(first),
            ..sale(who, D, "a", 1, 5)
        };
        let two = OrderLine {
            paid_at: at(second),
            ..sale(who, D, "a", 1, 6)
        };
        [one, two]
    };
    let mut all = Vec::new();
    all.extend(bought(
        "eve and day",
        "2024-03-10T04:59:59Z",
        "2024-03-10T05:00:00Z",
    ));
    all.extend(bought("same day", "2024-03-10T05:00:00Z", "2024-03-11T03:59:59Z"));
    all.extend(bought(
        "day and morrow",
        "2024-03-11T03:59:59Z",
        "2024-03-11T04:00:00Z",
    ));
    let world = World {
        zone: Tz::America__New_York,
        ..world(lines(all))
    };
    assert_eq!(stages(&world), [0, 0, 1, 2, 3]);
}

#[test]
fn clocks_that_go_back_over_midnight_add_no_day() {
    // St John's in 2006: at 00:01 of the 29th it was 23:01 of the 28th again, so that a later act may bear the day
    // before an earlier one's.
    let definitions = definitions();
    let model = Model::new(&definitions.parameters.aipl, &definitions.parameters, false);
    let browse = model.tracks_by_kind()[BehaviorKind::Browse as usize];
    let depth = |days: &[i32], day: i32| {
        let mut timeline = Timeline::new(&model);
        for day in days {
            timeline.note(browse, Day(*day));
        }
        timeline.settle();
        model.depth(&timeline, Day(day))
    };
    // Two days are interest; the 28th alone, once or twice, is awareness.
    assert_eq!(
        (
            depth(&[29, 28], 29),
            depth(&[29, 28], 28),
            depth(&[28, 29, 28], 28)
        ),
        (2, 1, 1)
    );
    assert_eq!(
        (
            depth(&[28, 28], 29),
            depth(&[28, 29, 28], 43),
            depth(&[28, 29, 28], 44)
        ),
        (1, 1, 0)
    );
}

#[test]
fn supplied_purchases_count_only_without_order_lines_and_are_labelled() {
    let behaviors = vec![
        act("c", BehaviorKind::Purchase, D - 1),
        act("c", BehaviorKind::Purchase, D - 2),
    ];
    let rows = FactRows {
        behaviors,
        ..Default::default()
    };
    let alone = world(rows.clone());
    assert_eq!(stages(&alone), [0, 0, 0, 1, 1]);
    let (frames, definitions) = (alone.frames(), definitions());
    let got = Aipl.measure(&facts(&frames), &(), &alone.ask(&definitions, None));
    assert!(
        got.iter()
            .all(|metric| metric.labels == [Label::PurchasesFromBehaviors])
    );
    // A line of long ago, and the behaviours count no more.
    let rows = FactRows {
        order_lines: vec![sale("d", D - 2_000, "a", 1, 5)],
        ..rows
    };
    assert_eq!(stages(&world(rows)), [0; 5]);
    // GMV cannot come from behaviours.
    let got = measured(&alone, alone.window.before(), By::Whole);
    assert_eq!(
        metric(&got, "grow.gmv").value.as_ref().unwrap_err().0,
        Absence::SignalNotSupplied
    );
}

#[test]
fn one_category_knows_no_exposure_and_no_relation() {
    let with = |product: Option<&str>, category: &str, act: Behavior| Behavior {
        product: product.map(str::to_owned),
        category: Some(category.to_owned()),
        ..act
    };
    let rows = FactRows {
        behaviors: vec![
            with(Some("p"), "a/x", act("browses", BehaviorKind::Browse, D)),
            with(None, "a/x", act("without product", BehaviorKind::Browse, D)),
            with(Some("p"), "a/x", act("sees", BehaviorKind::Exposure, D)),
            with(Some("p"), "ab", act("beside", BehaviorKind::Cart, D)),
            with(Some("p"), "a/x/1", act("carts", BehaviorKind::Cart, D)),
        ],
        members: vec![Member {
            consumer: "fan".to_owned(),
            brand: BRAND.to_owned(),
            role: Role::Fan as i32,
            joined_at: instant(D - 5, 0),
            ..Default::default()
        }],
        order_lines: vec![sale("buys", D, "a", 1, 5), sale("buys beside", D, "b", 1, 5)],
        ..Default::default()
    };
    // The whole brand: A browses, without product, sees; I beside, carts, fan; P buys, buys beside.
    assert_eq!(stages(&world(rows.clone())), [3, 3, 2, 0, 8]);
    let asked = World {
        category: Some("a".to_owned()),
        ..world(rows)
    };
    let (frames, definitions) = (asked.frames(), definitions());
    let got = Aipl.measure(&facts(&frames), &(), &asked.ask(&definitions, None));
    let values: Vec<f64> = got.iter().map(|metric| *metric.value.as_ref().unwrap()).collect();
    // In category a: A browses; I carts; P buys.
    assert_eq!(values, [1.0, 1.0, 1.0, 0.0, 3.0]);
}

#[test]
fn relations_are_open_up_to_the_day_before_leaving() {
    let row = |who: &str, joined: i32, left: i32| Member {
        consumer: who.to_owned(),
        brand: BRAND.to_owned(),
        role: Role::Member as i32,
        joined_at: instant(joined, 3_600),
        left_at: instant(left, 3_600),
        ..Default::default()
    };
    let members = vec![
        row("joins", D, D + 1),
        row("left", D - 5, D),
        row("left before", D - 50, D - 9),
    ];
    let world = world(FactRows {
        members,
        ..Default::default()
    });
    assert_eq!(stages(&world), [0, 1, 0, 0, 1]);
    let (frames, definitions) = (world.frames(), definitions());
    let got = Fast.measure(&facts(&frames), &(), &world.ask(&definitions, None));
    // Fertile: who joins, and who left on the last day. Super: who joins, who was never active.
    let values: Vec<_> = got
        .iter()
        .map(|metric| metric.value.clone().map_err(|(absence, _)| absence))
        .collect();
    let none = Err(Absence::NoDenominator);
    // On S−1 = D−10 only `left before` stands in I, and is OUT on D: 0 of 1.
    assert_eq!(values, [Ok(2.0), Ok(0.0), none, Ok(0.0), none, Ok(1.0), Ok(0.0)]);
}

#[test]
fn a_deeper_role_hides_a_fan() {
    let row = |role: Role| Member {
        consumer: "c".to_owned(),
        brand: BRAND.to_owned(),
        role: role as i32,
        joined_at: instant(D - 5, 0),
        ..Default::default()
    };
    // A person's role is the deepest open one; group members are no super users.
    let rows = FactRows {
        members: vec![row(Role::Fan), row(Role::GroupMember)],
        ..Default::default()
    };
    let world = world(rows);
    let (frames, definitions) = (world.frames(), definitions());
    let got = Fast.measure(&facts(&frames), &(), &world.ask(&definitions, None));
    assert_eq!(metric(&got, "fast.superiority").value, Ok(0.0));
}

#[test]
fn nobody_has_reasons_and_no_values() {
    let world = world(FactRows {
        behaviors: vec![act("c", BehaviorKind::Exposure, D - 500)],
        ..Default::default()
    });
    let (frames, definitions) = (world.frames(), definitions());
    let ask = world.ask(&definitions, None);
    let got = Fast.measure(&facts(&frames), &(), &ask);
    assert_eq!(metric(&got, "fast.fertility").value, Ok(0.0));
    assert_eq!(
        metric(&got, "fast.advancing").value.as_ref().unwrap_err().0,
        Absence::NoDenominator
    );
    assert_eq!(
        metric(&got, "fast.advancing").interval,
        Err(IntervalAbsence::NoValue)
    );
    assert_eq!(
        metric(&got, "fast.superiority").value.as_ref().unwrap_err().0,
        Absence::SignalNotSupplied
    );
    let got = BrandSignals.measure(&part(&frames), &(), &ask);
    assert!(
        got.iter()
            .all(|metric| metric.value.as_ref().unwrap_err().0 == Absence::SignalNotSupplied)
    );
}

#[test]
fn every_metric_is_defined_and_has_its_unit() {
    let world = world(lines(vec![sale("c", D - 5, "a", 1, 5)]));
    let (frames, definitions) = (world.frames(), definitions());
    let (facts, parameters) = (facts(&frames), &definitions.parameters);
    let ask = world.ask(&definitions, None);
    let mut got = Aipl.measure(&facts, &(), &ask);
    got.extend(Flow.measure(&facts, &(), &ask));
    got.extend(Fast.measure(&facts, &(), &ask));
    got.extend(measured(&world, world.window.before(), By::Whole));
    got.extend(BrandSignals.measure(&part(&frames), &(), &ask));
    // The whole; the groups repeat its metrics.
    got.extend(Rfm.measure(&frames.orders, &(), &ask).into_iter().take(3));
    let part = Part {
        orders: frames.orders.clone(),
        members: None,
    };
    got.extend(Value::default().measure(&part, &(), &ask));
    let emitted: Vec<&str> = got.iter().map(|metric| metric.id.as_str()).collect();
    let defined: Vec<&str> = definitions
        .metrics
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    assert_eq!(emitted, defined);
    for (metric, entry) in got.iter().zip(&definitions.metrics) {
        assert_eq!(metric.unit, entry.unit, "{}", metric.id);
        assert!(definitions.parameters_json(entry).matches("\":").count() >= entry.parameters.len());
    }
    let ids: Vec<&str> = parameters
        .strategic_audiences
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 8);
}
