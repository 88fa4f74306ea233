//! Times as people write them, and local times as instants.

use chrono::{
    DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, offset::LocalResult,
};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use super::number::narrow;

const MICROS: i64 = 1_000_000;
/// Milliseconds of a day.
const DAY_MILLIS: f64 = 86_400_000.0;
/// The last day of Excel's calendar, 9999-12-31.
const LAST_SERIAL: f64 = 2_958_465.0;

pub(super) const NO_TIME: &str = "is no time; write it as 2026-01-31 08:00:00, or say how it is written with `formats:` in the mapping's entry";
const TWICE: &str =
    "is a local time that the zone has twice, which `dst: refuse` does not admit; give it with its offset";
const NEVER: &str =
    "is a local time that the zone skips, which `dst: refuse` does not admit; give it with its offset";
const NOT_AS_DECLARED: &str = "is not written as the entry's `formats:` say";

/// What becomes of local times that a zone has twice, or skips, when its clocks are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dst {
    /// Of two the earlier one; what is skipped is moved forward by the gap.
    #[default]
    Earliest,
    /// Of two the later one; what is skipped is moved forward by the gap.
    Latest,
    /// The row is refused.
    Refuse,
}

/// How the times of a column are written, where a mapping says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Seconds since 1970 UTC.
    Seconds,
    /// Milliseconds since 1970 UTC.
    Millis,
    /// Days since 1899-12-30, local, as Excel counts them.
    Excel,
    /// A pattern of `strftime`.
    Pattern(String),
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_pattern = |text: &str| {
            text.contains('%')
                && !chrono::format::StrftimeItems::new(text).any(|item| item == chrono::format::Item::Error)
        };
        Ok(match text.as_str() {
            "seconds" => Self::Seconds,
            "millis" => Self::Millis,
            "excel" => Self::Excel,
            pattern if is_pattern(pattern) => Self::Pattern(text),
            other => {
                let told = format!(
                    "the format `{other}` is none; write seconds, millis, excel or a pattern such as %d/%m/%Y %H:%M"
                );
                return Err(serde::de::Error::custom(told));
            }
        })
    }
}

/// In which order day and month stand where the year comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    MonthFirst,
    DayFirst,
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// In the mapping's zone.
    Local(NaiveDateTime),
    /// With its offset: microseconds since 1970 UTC.
    Instant(i64),
    /// Two numbers that are day and month in an order that other values must tell, and the year.
    Open {
        first: u32,
        second: u32,
        year: i32,
        time: NaiveTime,
        offset: Option<i32>,
    },
}

impl Written {
    /// With day and month in an order.
    pub fn settled(self, order: Order) -> Option<Self> {
        let Self::Open {
            first,
            second,
            year,
            time,
            offset,
        } = self
        else {
            return Some(self);
        };
        let (month, day) = match order {
            Order::MonthFirst => (first, second),
            Order::DayFirst => (second, first),
        };
        Some(with_offset(
            NaiveDate::from_ymd_opt(year, month, day)?.and_time(time),
            offset,
        ))
    }
}

fn with_offset(local: NaiveDateTime, offset: Option<i32>) -> Written {
    match offset {
        None => Written::Local(local),
        Some(seconds) => Written::Instant(local.and_utc().timestamp_micros() - i64::from(seconds) * MICROS),
    }
}

/// Reads a time whose format nobody has declared.
pub(super) fn read(text: &str) -> Option<Written> {
    if let Some(local) = plain(text.as_bytes()) {
        return Some(Written::Local(local));
    }
    let narrow: String = text.chars().map(narrow).collect();
    Scan(narrow.trim()).time()
}

/// Reads a time in a declared format.
///
/// # Errors
/// When it is not written so.
pub(super) fn read_as(text: &str, format: &Format) -> Result<Written, &'static str> {
    let read = || -> Option<Written> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        Some(match format {
            Format::Seconds => match text.parse::<i64>() {
                Ok(seconds) => Written::Instant(seconds.checked_mul(MICROS)?),
                Err(_) => {
                    Written::Instant((number().filter(|number| number.abs() < 1e12)? * 1e6).round() as i64)
                }
            },
            Format::Millis => {
                let millis = text.strip_suffix(".0").unwrap_or(text).parse::<i64>().ok()?;
                Written::Instant(millis.checked_mul(1_000)?)
            }
            Format::Excel => Written::Local(excel(number()?)?),
            Format::Pattern(pattern) => match DateTime::parse_from_str(text, pattern) {
                Ok(instant) => Written::Instant(instant.timestamp_micros()),
                Err(_) => {
                    let time = NaiveDateTime::parse_from_str(text, pattern);
                    let day =
                        || NaiveDate::parse_from_str(text, pattern).map(|day| day.and_time(NaiveTime::MIN));
                    Written::Local(time.or_else(|_| day()).ok()?)
                }
            },
        })
    };
    read().ok_or(NOT_AS_DECLARED)
}

/// The local time of a serial number of Excel, to the millisecond.
fn excel(serial: f64) -> Option<NaiveDateTime> {
    let since = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_time(NaiveTime::MIN);
    // Below 61 stands the day 1900-02-29, which no calendar has.
    if !(61.0..=LAST_SERIAL + 1.0).contains(&serial) {
        return None;
    }
    let millis = TimeDelta::milliseconds((serial * DAY_MILLIS).round() as i64);
    since.checked_add_signed(millis)
}

/// `YYYY-MM-DD HH:MM:SS` and `YYYY-MM-DD`, which are most times.
fn plain(text: &[u8]) -> Option<NaiveDateTime> {
    let digits = |from: usize, to: usize| {
        let mut number = 0;
        for digit in text.get(from..to)? {
            number = number * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        Some(number)
    };
    let day = |year: u32| match (text.get(4)?, text.get(7)?) {
        (b'-', b'-') | (b'/', b'/') => {
            NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, digits(5, 7)?, digits(8, 10)?)
        }
        _ => None,
    };
    match text.len() {
        10 => Some(day(digits(0, 4)?)?.and_time(NaiveTime::MIN)),
        19 => match (text.get(10)?, text.get(13)?, text.get(16)?) {
            (b' ' | b'T', b':', b':') => {
                day(digits(0, 4)?)?.and_hms_opt(digits(11, 13)?, digits(14, 16)?, digits(17, 19)?)
            }
            _ => None,
        },
        _ => None,
    }
}

/// What of a text is not read yet.
struct Scan<'a>(&'a str);

/// A day as it is written.
enum Day {
    Known(NaiveDate),
    Open(u32, u32, i32),
}

impl<'a> Scan<'a> {
    fn time(&mut self) -> Option<Written> {
        let day = self.day()?;
        self.blanks();
        self.any(&["T", ","]);
        self.blanks();
        let (time, offset) = if self.0.is_empty() {
            (NaiveTime::MIN, None)
        } else {
            let time = self.clock()?;
            (time, self.offset()?)
        };
        if !self.0.is_empty() {
            return None;
        }
        Some(match day {
            Day::Known(day) => with_offset(day.and_time(time), offset),
            Day::Open(first, second, year) => Written::Open {
                first,
                second,
                year,
                time,
                offset,
            },
        })
    }

    fn day(&mut self) -> Option<Day> {
        if let Some(month) = self.month() {
            self.any(&["."]);
            self.blanks();
            let (day, _) = self.number(2)?;
            self.any(&[","]);
            self.blanks();
            return self.known(month, day);
        }
        let (first, digits) = self.number(14)?;
        match digits {
            4 => {
                let separator = self.any(&["-", "/", ".", "年"])?;
                let (month, _) = self.number(2)?;
                self.any(&[if separator == "年" { "月" } else { separator }])?;
                let (day, _) = self.number(2)?;
                self.any(&["日"]);
                let day = NaiveDate::from_ymd_opt(
                    i32::try_from(first).ok()?,
                    u32::try_from(month).ok()?,
                    u32::try_from(day).ok()?,
                )?;
                Some(Day::Known(day))
            }
            8 => {
                let part = |at: u64, of: u64| u32::try_from(first / at % of).ok();
                let year = i32::try_from(first / 10_000).ok()?;
                Some(Day::Known(NaiveDate::from_ymd_opt(
                    year,
                    part(100, 100)?,
                    part(1, 100)?,
                )?))
            }
            1 | 2 => {
                let separator = self.any(&["-", "/", ".", " "])?;
                if let Some(month) = self.month() {
                    self.any(&[separator, ", ", "."]);
                    self.blanks();
                    return self.known(month, first);
                }
                let (second, digits) = self.number(2)?;
                self.any(&[separator])?;
                let (year, of_year) = self.number(4)?;
                let is_day = |number: u64| (1..=31).contains(&number);
                let open = digits <= 2 && of_year == 4 && separator != " " && is_day(first) && is_day(second);
                open.then_some(())?;
                Some(Day::Open(
                    u32::try_from(first).ok()?,
                    u32::try_from(second).ok()?,
                    i32::try_from(year).ok()?,
                ))
            }
            _ => None,
        }
    }

    /// A day whose month has been read by its name: the year follows.
    fn known(&mut self, month: u32, day: u64) -> Option<Day> {
        let (year, digits) = self.number(4)?;
        (digits == 4).then_some(())?;
        Some(Day::Known(NaiveDate::from_ymd_opt(
            i32::try_from(year).ok()?,
            month,
            u32::try_from(day).ok()?,
        )?))
    }

    fn clock(&mut self) -> Option<NaiveTime> {
        let before = self.half();
        self.blanks();
        let (hour, _) = self.number(2)?;
        self.any(&[":", "时", "点"])?;
        let (minute, _) = self.number(2)?;
        let (mut second, mut micros) = (0, 0);
        if self.any(&[":", "分"]).is_some() && self.0.starts_with(|one: char| one.is_ascii_digit()) {
            second = self.number(2)?.0;
            if self.any(&[".", ","]).is_some() {
                let end = self
                    .0
                    .find(|one: char| !one.is_ascii_digit())
                    .unwrap_or(self.0.len());
                let (fraction, rest) = self.0.split_at_checked(end)?;
                (1..=9).contains(&fraction.len()).then_some(())?;
                micros = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
                self.0 = rest;
            }
            self.any(&["秒"]);
        }
        self.blanks();
        let half = before.or_else(|| self.half());
        self.blanks();
        let hour = match half {
            None => hour,
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        };
        let [hour, minute, second] =
            [hour, minute, second].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
    }

    /// The offset in seconds, the rest of the text; `Some(None)` where there is none.
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.any(&["Z", "z", "UTC", "GMT"]).is_some() {
            return Some(Some(0));
        }
        let sign = match self.any(&["+", "-"])? {
            "-" => -1,
            _ => 1,
        };
        let (number, digits) = self.number(4)?;
        let (hours, minutes) = match digits {
            4 => (number / 100, number % 100),
            2 if self.any(&[":"]).is_some() => (number, self.number(2).filter(|(_, digits)| *digits == 2)?.0),
            2 => (number, 0),
            _ => return None,
        };
        (hours <= 15 && minutes < 60).then_some(())?;
        Some(Some(sign * i32::try_from(hours * 3_600 + minutes * 60).ok()?))
    }

    /// Whether the afternoon is told, or the morning.
    fn half(&mut self) -> Option<bool> {
        let found = self.any(&["上午", "下午", "AM", "PM", "am", "pm", "a.m.", "p.m."])?;
        Some(matches!(found, "下午" | "PM" | "pm" | "p.m."))
    }

    /// The number of a month by its English name.
    fn month(&mut self) -> Option<u32> {
        let end = self
            .0
            .find(|one: char| !one.is_ascii_alphabetic())
            .unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at_checked(end)?;
        let names = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let name = name.to_ascii_lowercase();
        let found = names
            .iter()
            .position(|full| *full == name || full.get(..3) == Some(name.as_str()))?;
        self.0 = rest;
        u32::try_from(found + 1).ok()
    }

    /// A number of at most so many digits, and how many it has.
    fn number(&mut self, most: usize) -> Option<(u64, usize)> {
        let end = self
            .0
            .find(|one: char| !one.is_ascii_digit())
            .unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end.min(most))?;
        let number = digits.parse().ok()?;
        self.0 = rest;
        Some((number, digits.len()))
    }

    /// The first of some texts that stands here.
    fn any<'b>(&mut self, texts: &[&'b str]) -> Option<&'b str> {
        let found = texts.iter().find(|text| self.0.starts_with(**text))?;
        self.0 = self.0.get(found.len()..).unwrap_or_default();
        Some(found)
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_start();
    }
}

/// Local times of a zone.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    zone: Tz,
    dst: Dst,
    /// Offset of hours in which no clock is set, by local hour since 1970.
    hours: ahash::AHashMap<i64, i64>,
}

impl Clock {
    pub fn new(zone: Tz, dst: Dst) -> Self {
        Self {
            zone,
            dst,
            hours: ahash::AHashMap::new(),
        }
    }

    /// The instant of a local time, in microseconds since 1970 UTC.
    ///
    /// # Errors
    /// When it is twice or never, and is to be refused then.
    pub fn instant(&mut self, local: NaiveDateTime) -> Result<i64, &'static str> {
        let micros = local.and_utc().timestamp_micros();
        let hour = micros.div_euclid(3_600 * MICROS);
        if let Some(offset) = self.hours.get(&hour) {
            return Ok(micros - offset);
        }
        if let Some(offset) = self.whole_hour(hour) {
            self.hours.insert(hour, offset);
            return Ok(micros - offset);
        }
        self.looked_up(local)
    }

    /// The day of an instant in the zone.
    pub fn day(&self, micros: i64) -> Option<NaiveDate> {
        Some(
            DateTime::from_timestamp_micros(micros)?
                .with_timezone(&self.zone)
                .date_naive(),
        )
    }

    /// The offset of a local hour, where all of it has one.
    fn whole_hour(&self, hour: i64) -> Option<i64> {
        let offset = |micros: i64| {
            let local = DateTime::from_timestamp_micros(micros)?.naive_utc();
            match self.zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) => Some(i64::from(offset.fix().local_minus_utc()) * MICROS),
                _ => None,
            }
        };
        let first = hour.checked_mul(3_600 * MICROS)?;
        let begin = offset(first)?;
        // Clocks are set at whole quarters, rarely at other minutes of an hour, by which its ends differ.
        (1..=4)
            .all(|quarter| offset(first + quarter * 900 * MICROS - 1) == Some(begin))
            .then_some(begin)
    }

    fn looked_up(&self, local: NaiveDateTime) -> Result<i64, &'static str> {
        let at = |offset: i32| local.and_utc().timestamp_micros() - i64::from(offset) * MICROS;
        match (self.zone.offset_from_local_datetime(&local), self.dst) {
            (LocalResult::Single(offset), _) => Ok(at(offset.fix().local_minus_utc())),
            (LocalResult::Ambiguous(_, _), Dst::Refuse) => Err(TWICE),
            (LocalResult::None, Dst::Refuse) => Err(NEVER),
            (LocalResult::Ambiguous(one, other), dst) => {
                let instants = [one, other].map(|offset| at(offset.fix().local_minus_utc()));
                Ok(match dst {
                    Dst::Latest => instants[0].max(instants[1]),
                    _ => instants[0].min(instants[1]),
                })
            }
            (LocalResult::None, _) => {
                // With the offset before the gap the time lies behind it, by as much as was skipped.
                let before = local.checked_sub_days(Days::new(1)).ok_or(NO_TIME)?;
                let offset = self
                    .zone
                    .offset_from_local_datetime(&before)
                    .earliest()
                    .ok_or(NO_TIME)?;
                Ok(at(offset.fix().local_minus_utc()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let instant =
            |zone: &str, dst, text: &str| Clock::new(zone.parse().unwrap(), dst).instant(local(text));
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
}
