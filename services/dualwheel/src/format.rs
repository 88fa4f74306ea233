//! How numbers and days are written for people: thousands separators, percentages, money, intervals.
//!
//! The terminal tables and the report share these, so that one number reads the same in both.

use chrono::{Datelike, NaiveDate};
use dualwheel_proto::{
    Date, Money,
    types::{Interval, Metric, Quantity, Window, quantity::Amount},
};

/// Written where there is no number.
pub const NONE: &str = "–";

const MINUS: char = '−';

/// A whole number with thousands separators: `-1234567` is `−1,234,567`.
#[must_use]
pub fn whole(number: i64) -> String {
    signed(number < 0, &grouped(&number.unsigned_abs().to_string()))
}

/// A number of people, unless it is withheld.
#[must_use]
pub fn people(number: i64, is_withheld: bool) -> String {
    if is_withheld {
        "withheld".to_owned()
    } else {
        whole(number)
    }
}

/// A number with thousands separators and exactly `places` decimals; one that rounds to zero has no sign.
///
/// What is not finite is written as [`NONE`].
#[must_use]
pub fn decimal(number: f64, places: usize) -> String {
    if !number.is_finite() {
        return NONE.to_owned();
    }
    let digits = format!("{:.places$}", number.abs());
    let (integer, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut text = grouped(integer);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    let zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    signed(number < 0.0 && !zero, &text)
}

/// A ratio as a percentage: two decimals below 10 %, one from there on.
#[must_use]
pub fn percent(ratio: f64) -> String {
    let places = if ratio.abs() < 0.1 { 2 } else { 1 };
    let text = decimal(ratio * 100.0, places);
    if text == NONE { text } else { text + "%" }
}

/// A weight as a percentage with one decimal.
#[must_use]
pub fn weight(share: f64) -> String {
    let text = decimal(share * 100.0, 1);
    if text == NONE { text } else { text + "%" }
}

/// Money after its currency code: no decimals from 1 000 on, two below.
#[must_use]
pub fn money(amount: f64, currency: &str) -> String {
    let places = if amount.abs() < 999.995 { 2 } else { 0 };
    with_currency(currency, decimal(amount, places))
}

/// Money to the cent, or to four decimals where it has that many.
#[must_use]
pub fn exact_money(money: &Money) -> String {
    let negative = money.units < 0 || money.nanos < 0;
    // A cent is 10 000 000 nanos; the facts carry four decimals, 100 000 nanos each.
    let ten_thousandths = money.nanos.unsigned_abs() / 100_000;
    let fraction = if ten_thousandths.is_multiple_of(100) {
        format!("{:02}", ten_thousandths / 100)
    } else {
        format!("{ten_thousandths:04}")
    };
    let text = format!("{}.{fraction}", grouped(&money.units.unsigned_abs().to_string()));
    with_currency(&money.currency_code, signed(negative, &text))
}

/// A value in the unit of its metric: `people`, `ratio`, `money`, `hours`, `points`, …
#[must_use]
pub fn value(number: f64, unit: &str, currency: &str) -> String {
    match unit {
        "ratio" => percent(number),
        "money" => money(number, currency),
        "points" => decimal(number, 1),
        "hours" => decimal(number, 1) + " h",
        "days" => decimal(number, 1) + " d",
        "seconds" => decimal(number, 1) + " s",
        // Counts are whole; a mean of counts is not.
        _ if number.fract().abs() < 1e-9 || number.abs() >= 1000.0 => decimal(number, 0),
        _ => decimal(number, 1),
    }
}

/// A value, or [`NONE`].
#[must_use]
pub fn optional(number: Option<f64>, unit: &str, currency: &str) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| value(number, unit, currency))
}

/// A score with one decimal, or [`NONE`].
#[must_use]
pub fn score(score: Option<f64>) -> String {
    score.map_or_else(|| NONE.to_owned(), |score| decimal(score, 1))
}

/// One side of a ratio; empty when nothing was counted.
#[must_use]
pub fn quantity(quantity: Option<&Quantity>) -> String {
    match quantity.and_then(|quantity| quantity.amount.as_ref()) {
        Some(Amount::Count(count)) => whole(*count),
        Some(Amount::Money(money)) => exact_money(money),
        Some(Amount::Real(real)) => decimal(*real, 2),
        None => String::new(),
    }
}

/// Numerator and denominator: `1,204 ÷ 9,870`; the numerator alone where there is no denominator.
#[must_use]
pub fn fraction(metric: &Metric) -> String {
    let (above, below) = (
        quantity(metric.numerator.as_ref()),
        quantity(metric.denominator.as_ref()),
    );
    if below.is_empty() {
        above
    } else {
        format!("{above} ÷ {below}")
    }
}

/// An interval in the unit of its metric: `10.1% – 12.4%`.
#[must_use]
pub fn interval(interval: &Interval, unit: &str, currency: &str) -> String {
    // The currency once is enough.
    format!(
        "{} – {}",
        value(interval.low, unit, currency),
        value(interval.high, unit, "")
    )
}

/// The first currency code that the metrics' money carries; empty where none does.
pub fn currency<'a>(metrics: impl IntoIterator<Item = &'a Metric>) -> String {
    metrics
        .into_iter()
        .flat_map(|metric| [metric.numerator.as_ref(), metric.denominator.as_ref()])
        .find_map(|side| match side?.amount.as_ref()? {
            Amount::Money(money) if !money.currency_code.is_empty() => Some(money.currency_code.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

/// A calendar day as chrono has it; `None` for a day that is not one.
#[must_use]
pub fn calendar(date: Option<&Date>) -> Option<NaiveDate> {
    let date = date?;
    NaiveDate::from_ymd_opt(
        date.year,
        u32::try_from(date.month).ok()?,
        u32::try_from(date.day).ok()?,
    )
}

/// A day as `2026-03-31`.
#[must_use]
pub fn day(date: Option<NaiveDate>) -> String {
    date.map_or_else(
        || NONE.to_owned(),
        |date| format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
    )
}

/// A window as `2026-01-01 – 2026-03-31`.
#[must_use]
pub fn window(window: Option<&Window>) -> String {
    let (first, last) = ends(window);
    format!("{} – {}", day(first), day(last))
}

/// Days of a window, both ends included.
#[must_use]
pub fn days(window: Option<&Window>) -> Option<i64> {
    let (first, last) = ends(window);
    Some((last? - first?).num_days() + 1)
}

/// First and last day of a window.
#[must_use]
pub fn ends(window: Option<&Window>) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let first = window.and_then(|window| calendar(window.first_day.as_ref()));
    let last = window.and_then(|window| calendar(window.last_day.as_ref()));
    (first, last)
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn signed(negative: bool, text: &str) -> String {
    if negative {
        format!("{MINUS}{text}")
    } else {
        text.to_owned()
    }
}

fn with_currency(currency: &str, amount: String) -> String {
    // A no-break space keeps code and amount on one line.
    if currency.is_empty() || amount == NONE {
        amount
    } else {
        format!("{currency}\u{a0}{amount}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands() {
        assert_eq!(whole(0), "0");
        assert_eq!(whole(999), "999");
        assert_eq!(whole(1_000), "1,000");
        assert_eq!(whole(-1_234_567), "−1,234,567");
        assert_eq!(whole(i64::MIN), "−9,223,372,036,854,775,808");
    }

    #[test]
    fn rounds_without_a_negative_zero() {
        assert_eq!(decimal(-0.04, 1), "0.0");
        assert_eq!(decimal(-12_345.678, 2), "−12,345.68");
        assert_eq!(decimal(f64::NAN, 1), NONE);
        assert_eq!(percent(f64::INFINITY), NONE);
    }

    #[test]
    fn writes_values_in_their_unit() {
        assert_eq!(value(0.04211, "ratio", "CNY"), "4.21%");
        assert_eq!(value(1.052, "ratio", "CNY"), "105.2%");
        assert_eq!(value(1_234_567.8, "money", "CNY"), "CNY\u{a0}1,234,568");
        assert_eq!(value(-83.456, "money", ""), "−83.46");
        assert_eq!(value(30_112.0, "people", ""), "30,112");
        assert_eq!(value(12.5, "people", ""), "12.5");
        assert_eq!(value(61.25, "points", ""), "61.2");
        assert_eq!(value(20.04, "hours", ""), "20.0 h");
    }

    #[test]
    fn writes_money_exactly() {
        let money = |units, nanos| Money {
            currency_code: "CNY".to_owned(),
            units,
            nanos,
        };
        assert_eq!(exact_money(&money(1_204, 500_000_000)), "CNY\u{a0}1,204.50");
        assert_eq!(exact_money(&money(0, -1_200_000)), "CNY\u{a0}−0.0012");
    }

    #[test]
    fn refuses_days_that_are_none() {
        assert_eq!(
            day(calendar(Some(&Date {
                year: 2026,
                month: 2,
                day: 30
            }))),
            NONE
        );
        let window = Window {
            first_day: Some(Date {
                year: 2026,
                month: 1,
                day: 1,
            }),
            last_day: Some(Date {
                year: 2026,
                month: 3,
                day: 31,
            }),
        };
        assert_eq!(days(Some(&window)), Some(90));
        assert_eq!(super::window(None), "– – –");
    }
}
