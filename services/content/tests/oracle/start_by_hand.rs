//! START on a few facts, with the numbers worked out in the comments.

use chrono_tz::Tz;
use dualwheel_content::start::METRICS;
use dualwheel_measure::{Absence, IntervalMethod};
use dualwheel_proto::facts::{BehaviorKind, Content, ContentFormat, FactRows, OrderLine};

use crate::{
    facts::{act, content, line, stamp, utc, view},
    naive::Ask,
    start::{Answers, compare},
};

fn ask(zone: Tz, first: &str, last: &str, as_of: &str) -> Ask {
    let day = |text: &str| text.parse().unwrap();
    Ask {
        zone,
        first: day(first),
        last: day(last),
        as_of: day(as_of),
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
const NEW_YORK: Tz = Tz::America__New_York;

/// Two contents, three people:
/// - ann sees the 10-second video k0 for 2.5 s (25 %: reached) and likes it; buys its product p0 20 hours later.
/// - bob sees k0 for 7.5 s (75 %: reached and interacted) and the article k1 for 3 s; browses p1 the next day.
/// - cid sees k0 for 2.4 s (24 %, under 3 s: not reached) and likes it: not of R.
fn small() -> FactRows {
    let video = Content {
        duration_s: Some(10),
        ..content("k0", ContentFormat::ShortVideo, &["p0"])
    };
    let article = Content {
        spend: Some("8".to_owned()),
        ..content("k1", ContentFormat::Article, &["p1"])
    };
    let of = |id, consumer, kind, at, on: &str| {
        let mut row = act(id, consumer, kind, at);
        if on.starts_with('k') {
            row.content = Some(on.to_owned())
        } else {
            row.product = Some(on.to_owned())
        }
        row
    };
    FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-03-01T02:00:00Z", 2_500),
            of("2", "ann", BehaviorKind::Like, "2017-03-01T02:01:00Z", "k0"),
            view("3", "bob", "k0", "2017-03-01T02:00:00Z", 7_500),
            view("4", "bob", "k1", "2017-03-01T03:00:00Z", 3_000),
            of("5", "bob", BehaviorKind::Browse, "2017-03-02T03:00:00Z", "p1"),
            view("6", "cid", "k0", "2017-03-01T02:00:00Z", 2_400),
            of("7", "cid", BehaviorKind::Like, "2017-03-01T02:01:00Z", "k0"),
            act("8", "bob", BehaviorKind::Join, "2017-03-03T15:59:00Z"),
        ],
        order_lines: vec![OrderLine {
            refund_amount: "30".to_owned(),
            ..line("o1", "ann", "p0", "2017-03-01T22:00:00Z", "12.5")
        }],
        contents: vec![video, article],
        ..Default::default()
    }
}

#[test]
fn a_small_case_in_full() {
    let (metrics, answers) = compare(&small(), &ask(SHANGHAI, "2017-03-01", "2017-03-04", "2017-03-10"));
    let of = |id: &str| value(&answers, id);
    assert_eq!(of("start.reach"), Ok(2.0));
    assert_eq!(of("start.interaction"), Ok(2.0));
    assert_eq!(of("start.seeding"), Ok(1.0));
    // 15:59 UTC of the 3rd is 23:59 in Shanghai: the third day counted from the 1st.
    assert_eq!(of("start.traffic"), Ok(1.0));
    assert_eq!(
        (of("start.transaction"), of("start.transaction.assisted")),
        (Ok(1.0), Ok(1.0))
    );
    assert_eq!(
        (of("start.quality"), of("start.effect.seeding")),
        (Ok(1.0), Ok(0.5))
    );
    // More came back than was paid: 12.5 − 30.
    assert_eq!(of("start.gmv"), Ok(-17.5));
    // ann's purchase was won by k0, whose spend nobody supplied: 0 ÷ 8.
    assert_eq!(of("start.gmv_per_spend"), Ok(0.0));
    // The follow-up of the 1st ends on the 15th.
    assert_eq!(of("start.matured"), Ok(0.0));
    // Three plays of 2.5, 7.5 and 2.4 seconds: mean 12.4 ÷ 3, standard deviation 2.9160, ± 1.96 · 2.9160 ÷ √3.
    assert_eq!(
        (of("start.plays"), of("start.watch_time")),
        (Ok(3.0), Ok(12.4 / 3.0))
    );
    let interval = metrics.last().unwrap().interval.unwrap();
    assert_eq!(interval.method, IntervalMethod::Normal);
    assert!(
        (interval.high - (12.4 / 3.0 + 1.959_964 * 2.916_05 / 3f64.sqrt())).abs() < 1e-4,
        "{interval:?}"
    );
}

#[test]
fn no_views_no_values() {
    let rows = FactRows {
        behaviors: Vec::new(),
        ..small()
    };
    let (metrics, answers) = compare(&rows, &ask(SHANGHAI, "2017-03-01", "2017-03-04", "2017-03-04"));
    assert_eq!(metrics.len(), METRICS.len());
    assert!(
        answers
            .values()
            .all(|answer| answer.value == Err(Absence::SignalNotSupplied))
    );
    // Views outside the window: nobody is reached, and the shares of nobody have no denominator.
    let (_, answers) = compare(&small(), &ask(SHANGHAI, "2017-01-01", "2017-01-02", "2017-01-02"));
    assert_eq!(value(&answers, "start.reach"), Ok(0.0));
    assert_eq!(value(&answers, "start.quality"), Err(Absence::NoDenominator));
    assert_eq!(value(&answers, "start.watch_time"), Err(Absence::NoDenominator));
}

#[test]
fn without_dwell_times_views_count() {
    let mut rows = small();
    rows.behaviors.iter_mut().for_each(|act| act.dwell_ms = None);
    let (metrics, answers) = compare(&rows, &ask(SHANGHAI, "2017-03-01", "2017-03-04", "2017-03-04"));
    // cid now counts; bob's interaction was the watching, which nobody told.
    assert_eq!(value(&answers, "start.reach"), Ok(3.0));
    assert_eq!(value(&answers, "start.interaction"), Ok(2.0));
    assert_eq!(
        value(&answers, "start.watch_time"),
        Err(Absence::SignalNotSupplied)
    );
    assert_eq!(metrics[0].labels, [dualwheel_measure::Label::DwellAssumed]);
}

/// ann sees k0 and the next day k1, which both carry p0, and buys p0 an hour later. The window ends between the two: the
/// purchase is k1's, and k1 has none in the window. As of the first day nobody has bought.
#[test]
fn a_reach_after_the_window_wins_its_purchase() {
    let mut rows = FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-03-01T02:00:00Z", 5_000),
            view("2", "ann", "k1", "2017-03-02T02:00:00Z", 5_000),
        ],
        order_lines: vec![line("o1", "ann", "p0", "2017-03-02T03:00:00Z", "10")],
        contents: vec![
            content("k0", ContentFormat::Article, &["p0"]),
            content("k1", ContentFormat::Article, &["p0"]),
        ],
        ..Default::default()
    };
    let first = ask(SHANGHAI, "2017-03-01", "2017-03-01", "2017-03-20");
    let both = ask(SHANGHAI, "2017-03-01", "2017-03-02", "2017-03-20");
    let assisted = |rows: &FactRows, ask: &Ask| value(&compare(rows, ask).1, "start.transaction.assisted");
    assert_eq!(
        (assisted(&rows, &first), assisted(&rows, &both)),
        (Ok(0.0), Ok(1.0))
    );
    // k1 carries another product: the purchase is k0's, 25 hours before.
    rows.contents[1].products = vec!["p1".to_owned()];
    assert_eq!(assisted(&rows, &first), Ok(1.0));
    assert_eq!(value(&compare(&rows, &first).1, "start.transaction"), Ok(0.0));
}

/// k0 cost 8.00 and was viewed once before the window, twice in it, once after it and once after the as-of day: half of
/// its spend, 4.00, falls on the window, in which ann bought for 10.
#[test]
fn spend_falls_on_the_window_as_views_do() {
    let cost = Content {
        spend: Some("8".to_owned()),
        ..content("k0", ContentFormat::Article, &["p0"])
    };
    let rows = FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-02-01T02:00:00Z", 5_000),
            view("2", "ann", "k0", "2017-03-01T02:00:00Z", 5_000),
            view("3", "bob", "k0", "2017-03-01T02:00:00Z", 100),
            view("4", "bob", "k0", "2017-03-10T02:00:00Z", 5_000),
            view("5", "bob", "k0", "2017-03-30T02:00:00Z", 5_000),
        ],
        order_lines: vec![line("o1", "ann", "p0", "2017-03-01T03:00:00Z", "10")],
        contents: vec![cost],
        ..Default::default()
    };
    let per_spend = |first: &str, last: &str| {
        let (_, answers) = compare(&rows, &ask(SHANGHAI, first, last, "2017-03-20"));
        let answer = &answers[&("start.gmv_per_spend".to_owned(), None)];
        (answer.numerator.unwrap(), answer.denominator.unwrap())
    };
    assert_eq!(per_spend("2017-03-01", "2017-03-01"), (10.0, 4.0));
    // Windows beside each other have all of it together.
    let parts = [
        ("2017-02-01", "2017-02-28"),
        ("2017-03-01", "2017-03-05"),
        ("2017-03-06", "2017-03-20"),
    ];
    assert_eq!(
        parts
            .map(|(first, last)| per_spend(first, last).1)
            .iter()
            .sum::<f64>(),
        8.0
    );
}

#[test]
fn the_last_content_wins_and_keys_decide_ties() {
    let mut rows = FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-03-01T02:00:00Z", 5_000),
            view("2", "ann", "k1", "2017-03-01T03:00:00Z", 5_000),
            // Carries another product: takes nothing away.
            view("3", "ann", "k2", "2017-03-01T04:00:00Z", 5_000),
        ],
        order_lines: vec![line("o1", "ann", "p0", "2017-03-01T05:00:00Z", "10")],
        contents: vec![
            content("k0", ContentFormat::Article, &["p0"]),
            content("k1", ContentFormat::Live, &["p0", "p1"]),
            content("k2", ContentFormat::Live, &["p1"]),
        ],
        ..Default::default()
    };
    let by_content = Ask {
        by: Some("content"),
        ..ask(SHANGHAI, "2017-03-01", "2017-03-01", "2017-03-01")
    };
    let (_, answers) = compare(&rows, &by_content);
    let won =
        |answers: &Answers| ["k0", "k1", "k2"].map(|key| cut(answers, "start.transaction", key).unwrap());
    assert_eq!(won(&answers), [0.0, 1.0, 0.0]);
    // At one instant the smaller key wins, in whichever order they arrive.
    rows.behaviors[0].occurred_at = rows.behaviors[1].occurred_at;
    assert_eq!(won(&compare(&rows, &by_content).1), [1.0, 0.0, 0.0]);
    rows.behaviors.swap(0, 1);
    assert_eq!(won(&compare(&rows, &by_content).1), [1.0, 0.0, 0.0]);
    rows.behaviors.swap(0, 1);
    // A reach at the instant of the purchase is before it; one after it is not.
    rows.behaviors[0].occurred_at = rows.order_lines[0].paid_at;
    assert_eq!(won(&compare(&rows, &by_content).1), [1.0, 0.0, 0.0]);
    // A reach too short reaches nobody.
    rows.behaviors[0].dwell_ms = Some(2_999);
    assert_eq!(won(&compare(&rows, &by_content).1), [0.0, 1.0, 0.0]);
    // By product the purchase belongs to the product bought, and k1 reaches for both.
    let by_product = Ask {
        by: Some("product"),
        ..by_content
    };
    let (_, answers) = compare(&rows, &by_product);
    assert_eq!(cut(&answers, "start.transaction", "p0"), Ok(1.0));
    assert_eq!(
        (
            cut(&answers, "start.transaction", "p1"),
            cut(&answers, "start.reach", "p1")
        ),
        (Ok(0.0), Ok(1.0))
    );
    assert_eq!(
        cut(&answers, "start.gmv_per_spend", "p0"),
        Err(Absence::SignalNotSupplied)
    );
}

#[test]
fn follow_ups_run_past_the_window_up_to_the_as_of_day() {
    // Reached on the last day of the window; bought 15 days later, counted from that day: the 15th is in, the 16th out.
    let rows = |paid_at: &str| FactRows {
        behaviors: vec![view("1", "ann", "k0", "2017-03-01T12:00:00Z", 5_000)],
        order_lines: vec![line("o1", "ann", "p0", paid_at, "10")],
        contents: vec![content("k0", ContentFormat::Article, &["p0"])],
        ..Default::default()
    };
    let asked = |as_of: &str| ask(SHANGHAI, "2017-02-20", "2017-03-01", as_of);
    let assisted = |paid_at: &str, as_of: &str| {
        let (_, answers) = compare(&rows(paid_at), &asked(as_of));
        (
            value(&answers, "start.transaction.assisted").unwrap(),
            value(&answers, "start.matured").unwrap(),
        )
    };
    assert_eq!(assisted("2017-03-15T15:59:59Z", "2017-03-15"), (1.0, 1.0));
    assert_eq!(assisted("2017-03-15T16:00:00Z", "2017-03-20"), (0.0, 1.0));
    assert_eq!(assisted("2017-03-15T15:59:59Z", "2017-03-14"), (0.0, 0.0));
    // 24 hours to the microsecond, wherever midnight falls.
    let direct = |paid_at: &str| {
        let (_, answers) = compare(&rows(paid_at), &asked("2017-03-15"));
        value(&answers, "start.transaction").unwrap()
    };
    assert_eq!(
        (
            direct("2017-03-02T12:00:00Z"),
            direct("2017-03-02T12:00:00.000001Z")
        ),
        (1.0, 0.0)
    );
}

#[test]
fn days_are_the_zones_and_hours_are_hours() {
    // New York, 2017: the clock jumps on 12 March. Reached on the 11th at 23:30 (04:30 UTC of the 12th).
    let rows = |joined_at: &str, paid_at: &str| FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-03-12T04:30:00Z", 5_000),
            act("2", "ann", BehaviorKind::Join, joined_at),
        ],
        order_lines: vec![line("o1", "ann", "p0", paid_at, "10")],
        contents: vec![content("k0", ContentFormat::Article, &["p0"])],
        ..Default::default()
    };
    let asked = ask(NEW_YORK, "2017-03-11", "2017-03-11", "2017-03-20");
    // Three days: the 11th, 12th (23 hours long) and 13th, which ends at 04:00 UTC of the 14th.
    let (_, answers) = compare(&rows("2017-03-14T03:59:59Z", "2017-03-13T04:30:00Z"), &asked);
    assert_eq!(
        (
            value(&answers, "start.traffic"),
            value(&answers, "start.transaction")
        ),
        (Ok(1.0), Ok(1.0))
    );
    let (_, answers) = compare(&rows("2017-03-14T04:00:00Z", "2017-03-13T04:30:01Z"), &asked);
    assert_eq!(
        (
            value(&answers, "start.traffic"),
            value(&answers, "start.transaction")
        ),
        (Ok(0.0), Ok(0.0))
    );
}

#[test]
fn seeding_needs_a_product_not_bought_until_then() {
    let rows = |bought_at: &str, quantity: i64| {
        let mut rows = FactRows {
            behaviors: vec![
                view("1", "ann", "k0", "2017-03-02T02:00:00Z", 5_000),
                act("2", "ann", BehaviorKind::Cart, "2017-03-02T03:00:00Z"),
            ],
            order_lines: vec![line("o1", "ann", "p0", bought_at, "10")],
            contents: vec![content("k0", ContentFormat::Article, &["p0"])],
            ..Default::default()
        };
        rows.behaviors[1].product = Some("p0".to_owned());
        rows.order_lines[0].quantity = quantity;
        rows.order_lines[0].returned_quantity = 1;
        rows
    };
    let asked = ask(SHANGHAI, "2017-03-02", "2017-03-02", "2017-03-02");
    let seeded = |rows| value(&compare(&rows, &asked).1, "start.seeding").unwrap();
    assert_eq!(seeded(rows("2016-01-01T00:00:00Z", 1)), 0.0);
    assert_eq!(seeded(rows("2017-03-02T02:30:00Z", 1)), 0.0);
    assert_eq!(seeded(rows("2017-03-02T03:30:00Z", 1)), 1.0);
    // A return-only row is no purchase.
    assert_eq!(seeded(rows("2016-01-01T00:00:00Z", 0)), 1.0);
}

#[test]
fn seeding_ends_with_its_fifteenth_day() {
    let rows = |browsed_at: &str| {
        let mut rows = FactRows {
            behaviors: vec![
                view("1", "ann", "k0", "2017-03-01T12:00:00Z", 5_000),
                act("2", "ann", BehaviorKind::Browse, browsed_at),
            ],
            order_lines: vec![line("o1", "bob", "p0", "2017-03-01T12:00:00Z", "10")],
            contents: vec![content("k0", ContentFormat::Article, &["p0"])],
            ..Default::default()
        };
        rows.behaviors[1].product = Some("p0".to_owned());
        rows
    };
    let seeded = |browsed_at: &str, as_of: &str| {
        let asked = ask(SHANGHAI, "2017-03-01", "2017-03-01", as_of);
        value(&compare(&rows(browsed_at), &asked).1, "start.seeding").unwrap()
    };
    // Shanghai is eight hours ahead: the 15th ends at 16:00 UTC.
    assert_eq!(seeded("2017-03-15T15:59:59Z", "2017-03-20"), 1.0);
    assert_eq!(seeded("2017-03-15T16:00:00Z", "2017-03-20"), 0.0);
    assert_eq!(seeded("2017-03-15T15:59:59Z", "2017-03-14"), 0.0);
    // At the instant of the reach it counts, before it it does not.
    assert_eq!(seeded("2017-03-01T12:00:00Z", "2017-03-20"), 1.0);
    assert_eq!(seeded("2017-03-01T11:59:59Z", "2017-03-20"), 0.0);
}

#[test]
fn other_brands_do_not_count_and_cancelled_lines_do() {
    let mut rows = FactRows {
        behaviors: vec![
            view("1", "ann", "k0", "2017-03-01T02:00:00Z", 5_000),
            view("2", "ann", "k0", "2017-03-01T02:10:00Z", 5_000),
            view("2", "ann", "k0", "2017-03-01T02:10:00Z", 5_000),
            view("3", "bob", "k0", "2017-03-01T02:00:00Z", 5_000),
        ],
        order_lines: vec![
            line("o1", "ann", "p0", "2017-03-01T03:00:00Z", "10"),
            line("o2", "ann", "p0", "2017-03-01T04:00:00Z", "5"),
            line("o3", "bob", "p0", "2017-03-01T04:00:00Z", "7"),
        ],
        contents: vec![Content {
            spend: Some("0".to_owned()),
            ..content("k0", ContentFormat::Live, &["p0"])
        }],
        ..Default::default()
    };
    rows.behaviors[3].brand = "b1".to_owned();
    rows.order_lines[1].cancelled_at = stamp(utc("2017-03-01T05:00:00Z"));
    let (_, answers) = compare(&rows, &ask(SHANGHAI, "2017-03-01", "2017-03-01", "2017-03-01"));
    // bob was reached by the other brand only; ann's two purchases of one day are one person and 15 of GMV.
    assert_eq!(
        (
            value(&answers, "start.reach"),
            value(&answers, "start.transaction")
        ),
        (Ok(1.0), Ok(1.0))
    );
    assert_eq!(value(&answers, "start.gmv"), Ok(15.0));
    // An event told twice is one play.
    assert_eq!(value(&answers, "start.plays"), Ok(2.0));
    assert_eq!(
        value(&answers, "start.gmv_per_spend"),
        Err(Absence::NoDenominator)
    );
}

#[test]
fn every_metric_has_a_definition() {
    let definitions: dualwheel_measure::Definitions<dualwheel_content::Parameters> =
        dualwheel_measure::Definitions::shipped(dualwheel_content::DEFINITIONS).unwrap();
    let ids: Vec<&str> = definitions
        .metrics
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    assert_eq!(ids, METRICS);
    for entry in &definitions.metrics {
        let json: String = definitions.parameters_json(entry);
        for parameter in &entry.parameters {
            assert!(
                json.contains(&format!("\"{parameter}\":")),
                "{} reads an unknown {parameter}",
                entry.id
            );
        }
    }
    let (metrics, _) = compare(&small(), &ask(SHANGHAI, "2017-03-01", "2017-03-04", "2017-03-10"));
    for metric in metrics {
        let entry = definitions.entry(&metric.id).unwrap();
        assert_eq!(metric.unit, entry.unit);
    }
}
