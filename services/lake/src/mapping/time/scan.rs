//! Reads times from left to right.

use chrono::{NaiveDate, NaiveTime};

use super::{Written, with_offset};

/// What of a text is not read yet.
pub(super) struct Scan<'a>(pub &'a str);

/// A day as it is written.
enum Day {
    Known(NaiveDate),
    Open(u32, u32, i32),
}

impl<'a> Scan<'a> {
    pub fn time(&mut self) -> Option<Written> {
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

    /// Whether it says afternoon, or morning.
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
