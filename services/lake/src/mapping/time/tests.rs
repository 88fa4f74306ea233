//! Times against what a calendar and the zones say.

use chrono::TimeZone;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    clock::{NEVER, TWICE},
    *,
};

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

#[test]
fn times_are_read_as_people_write_them() {
    let expected = Written::Local(local("2026-01-31 08:05:00"));
    for text in [
        "2026-01-31 08:05:00",
        "2026-01-31T08:05:00",
        "2026/01/31 08:05",
        "2026/1/31 8:05",
        "2026.01.31 08:05:00",
        "2026年1月31日 8时5分",
        "2026年01月31日8点05分00秒",
        "2026年1月31日 上午8:05",
        "20260131 08:05:00",
        "Jan 31, 2026 8:05:00 AM",
        "January 31, 2026 08:05",
        "31 Jan 2026 08:05",
        "31-Jan-2026 08:05:00",
        "２０２６-０１-３１　０８：０５：００",
        " 2026-01-31  08:05 ",
        "2026-01-31 08:05:00.000000000",
        "2026-01-31, 8:05 a.m.",
    ] {
        assert_eq!(read(text), Some(expected), "{text}");
    }
    let expected = Written::Instant(local("2026-01-31 00:05:00").and_utc().timestamp_micros());
    for text in [
        "2026-01-31 00:05:00 UTC",
        "2026-01-31T00:05:00Z",
        "2026-01-31 08:05:00 +0800",
        "2026-01-31T08:05:00+08:00",
        "2026-01-31 08:05:00+08",
        "2026-01-30 19:05:00 -0500",
        "2026/1/31 0:05 GMT",
    ] {
        assert_eq!(read(text), Some(expected), "{text}");
    }
    assert_eq!(
        read("20260131"),
        Some(Written::Local(local("2026-01-31 00:00:00")))
    );
    assert_eq!(
        read("2026-01-31 12:00 AM"),
        Some(Written::Local(local("2026-01-31 00:00:00")))
    );
    assert_eq!(
        read("2026-01-31 12:30:15.25 PM"),
        Some(Written::Local(local("2026-01-31 12:30:15.25")))
    );
    let open = read("12/1/2010 8:26").unwrap();
    assert_eq!(
        open.settled(Order::MonthFirst),
        Some(Written::Local(local("2010-12-01 08:26:00")))
    );
    assert_eq!(
        open.settled(Order::DayFirst),
        Some(Written::Local(local("2010-01-12 08:26:00")))
    );
    for text in [
        "",
        "yesterday",
        "2026-02-30",
        "2026-13-01 00:00:00",
        "2026-01-31 25:00",
        "2026-01-31 08:05:00 PST",
        "12/1/10",
        "2026-01-31 08:05:61",
        "44562.5",
        "1769846700",
        "2026-01-31 13:00 PM",
        "2026-01-31 08:05:00 x",
        "0/1/2010",
        "32/1/2010",
        "2026-1/31",
        "2026-01-31 08",
        "1 2 2010",
        "é",
        "2026-01-31 08:05:00+8",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn declared_formats_are_the_only_ones() {
    let pattern = |text: &str| Format::Pattern(text.to_owned());
    let noon = local("2022-01-01 12:00:00");
    for (text, format, expected) in [
        ("44562.5", Format::Excel, Some(Written::Local(noon))),
        (
            "44562",
            Format::Excel,
            Some(Written::Local(local("2022-01-01 00:00:00"))),
        ),
        ("60", Format::Excel, None),
        ("1e300", Format::Excel, None),
        (
            "1641038400",
            Format::Seconds,
            Some(Written::Instant(1_641_038_400_000_000)),
        ),
        (
            "1641038400.25",
            Format::Seconds,
            Some(Written::Instant(1_641_038_400_250_000)),
        ),
        (
            "1641038400000",
            Format::Millis,
            Some(Written::Instant(1_641_038_400_000_000)),
        ),
        ("soon", Format::Millis, None),
        (
            "01/02/2022",
            pattern("%d/%m/%Y"),
            Some(Written::Local(local("2022-02-01 00:00:00"))),
        ),
        (
            "01.01.22 12:00",
            pattern("%d.%m.%y %H:%M"),
            Some(Written::Local(noon)),
        ),
        (
            "2022-01-01 12:00 +0800",
            pattern("%Y-%m-%d %H:%M %z"),
            Some(Written::Instant(1_641_009_600_000_000)),
        ),
        ("2022-01-01", pattern("%d/%m/%Y"), None),
    ] {
        assert_eq!(read_as(text, &format).ok(), expected, "{text} {format:?}");
    }
    let read = |text: &str| serde_yaml_ng::from_str::<Format>(text).map_err(|error| error.to_string());
    assert_eq!(read("excel"), Ok(Format::Excel));
    assert!(read("'%Q'").unwrap_err().contains("%d/%m/%Y"));
    assert!(read("dd/mm").is_err());
}

#[test]
fn hours_that_are_twice_or_never_are_decided_as_the_mapping_says() {
    let utc = |text: &str| local(text).and_utc().timestamp_micros();
    let instant = |zone: &str, dst, text: &str| Clock::new(zone.parse().unwrap(), dst).instant(local(text));
    // London, last Sunday of October and of March.
    assert_eq!(
        instant("Europe/London", Dst::Earliest, "2010-10-31 01:30:00"),
        Ok(utc("2010-10-31 00:30:00"))
    );
    assert_eq!(
        instant("Europe/London", Dst::Latest, "2010-10-31 01:30:00"),
        Ok(utc("2010-10-31 01:30:00"))
    );
    assert_eq!(
        instant("Europe/London", Dst::Refuse, "2010-10-31 01:30:00"),
        Err(TWICE)
    );
    assert_eq!(
        instant("Europe/London", Dst::Earliest, "2010-03-28 01:30:00"),
        Ok(utc("2010-03-28 01:30:00"))
    );
    assert_eq!(
        instant("Europe/London", Dst::Refuse, "2010-03-28 01:30:00"),
        Err(NEVER)
    );
    // São Paulo sets its clocks at midnight: the day stays.
    assert_eq!(
        instant("America/Sao_Paulo", Dst::Earliest, "2017-10-15 00:00:00"),
        Ok(utc("2017-10-15 03:00:00"))
    );
    assert_eq!(
        instant("America/Sao_Paulo", Dst::Earliest, "2018-02-17 23:30:00"),
        Ok(utc("2018-02-18 01:30:00"))
    );
    // Lord Howe sets them by half an hour.
    assert_eq!(
        instant("Australia/Lord_Howe", Dst::Earliest, "2021-10-03 02:10:00"),
        Ok(utc("2021-10-02 15:40:00"))
    );
}

proptest! {
    /// A local time that is there once is what the zone says, whether it was asked for before or not.
    #[test]
    fn local_times_are_those_of_the_zone(
        seconds in proptest::collection::vec(0i64..2_000_000_000, 1..40),
        zone in proptest::sample::select(vec![
            "Asia/Shanghai", "America/Sao_Paulo", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
        ]),
    ) {
        let zone: Tz = zone.parse().unwrap();
        let mut clock = Clock::new(zone, Dst::Earliest);
        for second in seconds.iter().chain(&seconds) {
            let instant = DateTime::from_timestamp(*second, 0).unwrap();
            let local = instant.with_timezone(&zone).naive_local();
            let earliest = zone.from_local_datetime(&local).earliest().unwrap();
            prop_assert_eq!(clock.instant(local), Ok(earliest.timestamp_micros()));
            prop_assert_eq!(clock.day(second * MICROS), Some(local.date()));
        }
    }

    #[test]
    fn what_is_written_is_read(second in 0i64..4_000_000_000, way in 0usize..6) {
        let time = DateTime::from_timestamp(second, 0).unwrap();
        let pattern = [
            "%Y-%m-%d %H:%M:%S", "%Y/%-m/%-d %-H:%M:%S", "%Y年%-m月%-d日 %H:%M:%S", "%b %e, %Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%SZ",
            "%d %B %Y %H:%M:%S",
        ][way];
        let expected = if way == 4 { Written::Instant(second * MICROS) } else { Written::Local(time.naive_utc()) };
        prop_assert_eq!(read(&time.format(pattern).to_string()), Some(expected));
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,30}|[0-9/:年月日T ZPAM.+-]{0,30}") {
        let _ = read(&text);
        for format in [Format::Excel, Format::Seconds, Format::Millis] {
            let _ = read_as(&text, &format);
        }
    }
}
