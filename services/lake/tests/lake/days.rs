//! Days are derived once per hour; they must be those of every single instant.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int8Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::Date32Type,
};
use chrono_tz::Tz;
use dualwheel_lake::{
    check::{Ground, check},
    fact::Fact,
};
use dualwheel_measure::Day;

const QUARTER: i64 = 900_000_000;
/// 2024-01-01.
const START: i64 = 1_704_067_200_000_000;

#[test]
fn the_day_of_every_quarter_hour_of_a_year() {
    // Whole and half hours, three quarters of one, and clocks that are set by half an hour, in no order of time.
    for zone in [
        chrono_tz::Asia::Shanghai,
        chrono_tz::Asia::Kathmandu,
        chrono_tz::Australia::Lord_Howe,
        Tz::UTC,
    ] {
        let quarters: i64 = 366 * 96;
        let instants: Vec<i64> = (0..quarters)
            .map(|n| (n * 7_919) % quarters)
            .flat_map(|n| [START + n * QUARTER - 1, START + n * QUARTER])
            .collect();
        for (instant, day) in instants.iter().zip(days(&instants, zone)) {
            assert_eq!(
                Day::of_instant(*instant, zone).map(|day| day.0),
                day,
                "{instant} in {zone}"
            );
        }
    }
}

#[test]
fn a_clock_set_back_just_after_midnight() {
    // St John's set its clocks back at 00:01 on 2010-11-07: that day began at 02:30 UTC, ended a minute later, and
    // began again at 03:30.
    let first = 1_289_097_000_000_000;
    let minute = 60_000_000;
    let instants: Vec<i64> = (-90..120).map(|n| first + n * minute).collect();
    let expected: Vec<Option<i32>> = (-90..120)
        .map(|n| Some(if n == 0 || n >= 60 { 14_920 } else { 14_919 }))
        .collect();
    assert_eq!(days(&instants, chrono_tz::America::St_Johns), expected);
}

fn days(instants: &[i64], zone: Tz) -> Vec<Option<i32>> {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; instants.len()])) };
    let at = TimestampMicrosecondArray::from(instants.to_vec()).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 5] = [
        ("event_id", texts("e")),
        ("consumer", texts("c")),
        ("brand", texts("b")),
        ("kind", Arc::new(Int8Array::from(vec![5i8; instants.len()]))),
        ("occurred_at", Arc::new(at)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let ground = Ground {
        tenant: "t",
        zone,
        now: START + 400 * 96 * QUARTER,
        source: ("p", 1),
    };
    let checked = check(Fact::named("behavior").unwrap(), &batch, &ground).unwrap();
    assert!(checked.refusals.is_empty());
    let column = checked.batch.column_by_name("occurred_day").unwrap().clone();
    column.as_primitive::<Date32Type>().iter().collect()
}
