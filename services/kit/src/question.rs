//! The question that every metric group understands, read from its contract and checked as a whole.

use std::collections::BTreeMap;

use dualwheel_measure::{Ask, Day, Definitions, Scope, Window};
use dualwheel_proto::{Date, types};
use tonic::Status;

use crate::{Reason, Violations};

/// Longest brand key, in bytes.
pub const BRAND_BYTES: usize = 128;
/// Longest category path, in bytes.
pub const CATEGORY_BYTES: usize = 512;
/// Longest window, in days.
pub const WINDOW_DAYS: i32 = 3_660;
/// Deepest level at which category paths are cut.
pub const CATEGORY_LEVELS: i32 = 10;

/// A checked question.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Brand key, as the facts spell it.
    pub brand: String,
    /// Days to measure.
    pub window: Window,
    /// Day on which standing facts are judged; not before the window's last day.
    pub as_of: Day,
    /// Dimension to cut by besides the whole.
    pub by: Option<String>,
    /// Category path that the question is restricted to.
    pub category: Option<String>,
    /// Depth at which category paths are cut; `None` for the definition's default.
    pub category_level: Option<u32>,
    /// Table to the Delta version that it is to be read at; empty for the latest.
    pub pin: BTreeMap<String, i64>,
}

impl Question {
    /// Reads a question that may be cut by the dimensions `allowed_by`. `today` is the current day in the
    /// tenant's zone; neither the window nor the as-of day may lie after it.
    ///
    /// # Errors
    /// `INVALID_QUESTION`, naming every wrong field.
    pub fn read(query: Option<types::MetricQuery>, allowed_by: &[&str], today: Day) -> Result<Self, Status> {
        let mut violations = Violations::new();
        let query = query.unwrap_or_default();
        check_brand("query.brand", &query.brand, &mut violations);
        let window = read_window("query.window", query.window.as_ref(), today, &mut violations);
        let as_of = read_as_of(query.as_of.as_ref(), window, today, &mut violations);
        if !query.by.is_empty() && !allowed_by.contains(&query.by.as_str()) {
            violations.add("query.by", expected_by(allowed_by));
        }
        let category = read_category("query.category", query.category, &mut violations);
        if !(0..=CATEGORY_LEVELS).contains(&query.category_level) {
            violations.add("query.category_level", format!("from 0 to {CATEGORY_LEVELS}"));
        }
        let pin = read_pin("query.data_version", query.data_version, &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        let (Some(window), Some(as_of)) = (window, as_of) else {
            return Err(Status::internal("a question without window passed its checks"));
        };
        Ok(Self {
            brand: query.brand,
            window,
            as_of,
            by: Some(query.by).filter(|by| !by.is_empty()),
            category,
            category_level: u32::try_from(query.category_level)
                .ok()
                .filter(|level| *level > 0),
            pin,
        })
    }

    /// What a metric group is asked, by the definitions in force.
    #[must_use]
    pub fn ask<'a, P>(&'a self, definitions: &'a Definitions<P>) -> Ask<'a, P> {
        Ask {
            brand: &self.brand,
            by: self.by.as_deref(),
            category: self.category.as_deref(),
            category_level: self.category_level,
            parameters: &definitions.parameters,
            scope: Scope {
                window: self.window,
                as_of: self.as_of,
                entries: &definitions.metrics,
                version: &definitions.version,
                segments: Vec::new(),
            },
        }
    }
}

/// Notes what is wrong with a brand key at `field`.
pub fn check_brand(field: &str, brand: &str, violations: &mut Violations) {
    if brand.is_empty() {
        violations.add(field, "required");
    } else if brand.len() > BRAND_BYTES {
        violations.add(field, format!("at most {BRAND_BYTES} bytes"));
    } else if brand.contains('\0') {
        violations.add(field, "without zero bytes");
    }
}

/// Reads a window at `field`; `None` where something is wrong with it, which is then noted.
pub fn read_window(
    field: &str,
    window: Option<&types::Window>,
    today: Day,
    violations: &mut Violations,
) -> Option<Window> {
    let Some(window) = window else {
        violations.add(field, "required");
        return None;
    };
    let first = read_day(
        &format!("{field}.first_day"),
        window.first_day.as_ref(),
        violations,
    );
    let last = read_day(&format!("{field}.last_day"), window.last_day.as_ref(), violations);
    let (first, last) = (first?, last?);
    let Some(window) = Window::new(first, last) else {
        violations.add(
            field,
            format!("the last day ({last}) lies before the first ({first})"),
        );
        return None;
    };
    if last > today {
        violations.add(
            format!("{field}.last_day"),
            format!("lies in the future; today is {today}"),
        );
        return None;
    }
    if window.days() > WINDOW_DAYS {
        violations.add(
            field,
            format!("at most {WINDOW_DAYS} days, not {}", window.days()),
        );
        return None;
    }
    Some(window)
}

/// Reads a required day at `field`; `None` where something is wrong with it, which is then noted.
pub fn read_day(field: &str, date: Option<&Date>, violations: &mut Violations) -> Option<Day> {
    let Some(date) = date else {
        violations.add(field, "required");
        return None;
    };
    let day = day_from_proto(date);
    if day.is_none() {
        violations.add(field, "not a day of the calendar between the years 1 and 9999");
    }
    day
}

/// Reads a category path at `field`; `None` when it is empty.
pub fn read_category(field: &str, category: String, violations: &mut Violations) -> Option<String> {
    if category.len() > CATEGORY_BYTES {
        violations.add(field, format!("at most {CATEGORY_BYTES} bytes"));
    }
    Some(category).filter(|category| !category.is_empty())
}

/// Reads the tables' versions at `field`, by table.
pub fn read_pin(
    field: &str,
    version: Option<types::DataVersion>,
    violations: &mut Violations,
) -> BTreeMap<String, i64> {
    let pin = version.unwrap_or_default().tables;
    for (table, _) in pin.iter().filter(|(_, version)| **version < 0) {
        violations.add(format!("{field}.tables[{table:?}]"), "not negative");
    }
    pin
}

/// Reads the day as of which something is judged, at `field`: required, and not after `today`.
pub fn read_past_day(
    field: &str,
    date: Option<&Date>,
    today: Day,
    violations: &mut Violations,
) -> Option<Day> {
    let day = read_day(field, date, violations)?;
    if day > today {
        violations.add(field, format!("lies in the future; today is {today}"));
    }
    Some(day)
}

fn read_as_of(
    date: Option<&Date>,
    window: Option<Window>,
    today: Day,
    violations: &mut Violations,
) -> Option<Day> {
    if date.is_none() {
        return window.map(|window| window.last);
    }
    let day = read_day("query.as_of", date, violations)?;
    if day > today {
        violations.add("query.as_of", format!("lies in the future; today is {today}"));
    }
    if let Some(window) = window.filter(|window| day < window.last) {
        violations.add(
            "query.as_of",
            format!("not before the window's last day ({})", window.last),
        );
    }
    Some(day)
}

fn expected_by(allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "this metric group is not cut by any dimension; leave it empty".to_owned();
    }
    format!("empty or one of {}", allowed.join(", "))
}

/// The day of a full date in the years 1 to 9999; `None` where there is no such day.
#[must_use]
pub fn day_from_proto(date: &Date) -> Option<Day> {
    let (month, day) = (u32::try_from(date.month).ok()?, u32::try_from(date.day).ok()?);
    (1..=9999)
        .contains(&date.year)
        .then(|| Day::from_ymd(date.year, month, day))
        .flatten()
}

/// The date of a day; all zero beyond the calendar.
#[must_use]
pub fn day_to_proto(day: Day) -> Date {
    use chrono::Datelike;
    let Some(date) = day.date() else {
        return Date::default();
    };
    let small = |number: u32| i32::try_from(number).unwrap_or_default();
    Date {
        year: date.year(),
        month: small(date.month()),
        day: small(date.day()),
    }
}

/// A window as the contracts write it.
#[must_use]
pub fn window_to_proto(window: Window) -> types::Window {
    types::Window {
        first_day: Some(day_to_proto(window.first)),
        last_day: Some(day_to_proto(window.last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{reason_of, violations_of};

    fn date(text: &str) -> Option<Date> {
        Some(day_to_proto(Day::parse(text).unwrap()))
    }

    fn window(first: &str, last: &str) -> Option<types::Window> {
        Some(types::Window {
            first_day: date(first),
            last_day: date(last),
        })
    }

    fn fields(query: types::MetricQuery) -> Vec<String> {
        let status =
            Question::read(Some(query), &["category"], Day::parse("2026-03-01").unwrap()).unwrap_err();
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_QUESTION"));
        violations_of(&status)
            .into_iter()
            .map(|(field, _)| field)
            .collect()
    }

    fn good() -> types::MetricQuery {
        types::MetricQuery {
            brand: "b".to_owned(),
            window: window("2026-01-01", "2026-01-31"),
            ..Default::default()
        }
    }

    #[test]
    fn a_good_question_has_defaults() {
        let today = Day::parse("2026-01-31").unwrap();
        let question = Question::read(Some(good()), &[], today).unwrap();
        assert_eq!((question.as_of, question.window.days()), (today, 31));
        assert_eq!(
            (question.by, question.category, question.category_level),
            (None, None, None)
        );
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = types::MetricQuery {
            brand: "x".repeat(129),
            window: window("2026-02-02", "2026-02-01"),
            as_of: Some(Date {
                year: 2026,
                month: 2,
                day: 30,
            }),
            by: "nose".to_owned(),
            category: "y".repeat(513),
            category_level: -1,
            data_version: Some(types::DataVersion {
                tables: [("orders".to_owned(), -1)].into(),
            }),
        };
        assert_eq!(
            fields(wrong),
            [
                "query.brand",
                "query.window",
                "query.as_of",
                "query.by",
                "query.category",
                "query.category_level",
                "query.data_version.tables[\"orders\"]",
            ]
        );
        assert_eq!(
            fields(types::MetricQuery::default()),
            ["query.brand", "query.window"]
        );
    }

    #[test]
    fn windows_end_today_at_the_latest() {
        assert_eq!(
            fields(types::MetricQuery {
                window: window("2026-02-01", "2026-03-02"),
                ..good()
            }),
            ["query.window.last_day"]
        );
        assert_eq!(
            fields(types::MetricQuery {
                window: window("2010-01-01", "2026-03-01"),
                ..good()
            }),
            ["query.window"]
        );
        assert_eq!(
            fields(types::MetricQuery {
                as_of: date("2026-01-30"),
                ..good()
            }),
            ["query.as_of"]
        );
        assert_eq!(
            fields(types::MetricQuery {
                as_of: date("2026-03-02"),
                ..good()
            }),
            ["query.as_of"]
        );
        assert_eq!(
            fields(types::MetricQuery {
                by: "nose".to_owned(),
                ..good()
            }),
            ["query.by"]
        );
    }

    #[test]
    fn dates_go_there_and_back() {
        let leap = Date {
            year: 2024,
            month: 2,
            day: 29,
        };
        assert_eq!(day_to_proto(day_from_proto(&leap).unwrap()), leap);
        for (year, month, day) in [
            (2023, 2, 29),
            (0, 1, 1),
            (10_000, 1, 1),
            (2024, -1, 1),
            (2024, 1, 0),
        ] {
            assert_eq!(day_from_proto(&Date { year, month, day }), None);
        }
    }
}
