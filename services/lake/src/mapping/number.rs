//! Numbers as people write them: `1,234.50`, `￥99`, `１２`, `6.0`, `(15.00)`, `1.2万`, `12.5%`.

/// A decimal number: `digits` over ten to the `scale`, without zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    scale: u32,
}

/// Digits that a number may have.
const MOST_DIGITS: usize = 30;

pub(super) const NO_NUMBER: &str = "is no number; write it as 1234.50";
const SCIENTIFIC: &str = "is written in scientific notation, which may have lost digits; format the column as a number or text and export again";
const COMMA: &str = "has a comma that separates no thousands; write the decimal point as `.`";

impl Decimal {
    /// Reads a number.
    ///
    /// # Errors
    /// Why the text is none, and the cure.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let plain: String = text
            .chars()
            .map(narrow)
            .filter(|one| !one.is_whitespace())
            .collect();
        if is_scientific(&plain) {
            return Err(SCIENTIFIC);
        }
        let (rest, is_negative) = signed(&plain);
        let (rest, shift) = unit(rest);
        let (rest, is_negative) = match signed(currency(rest)) {
            (rest, false) => (rest, is_negative),
            (rest, true) if !is_negative => (rest, true),
            _ => return Err(NO_NUMBER),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let whole = without_separators(whole)?;
        let fraction = fraction.trim_end_matches('0');
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_empty = whole.is_empty() && !rest.contains('.') || rest == ".";
        if is_empty
            || !all_digits(&whole)
            || !all_digits(fraction)
            || whole.len() + fraction.len() > MOST_DIGITS
        {
            return Err(NO_NUMBER);
        }
        let digits = whole.bytes().chain(fraction.bytes());
        let digits = digits.fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let mut scale = fraction.len() as i32 - shift;
        let mut digits = if is_negative { -digits } else { digits };
        while scale < 0 {
            digits *= 10;
            scale += 1;
        }
        Ok(Self {
            digits,
            scale: scale.unsigned_abs(),
        })
    }

    /// The number in units of ten to the minus `scale`; `None` where it has more decimals, or is too large.
    pub fn at(self, scale: u32) -> Option<i128> {
        let mut digits = self.digits;
        if self.scale > scale {
            let beyond = 10i128.checked_pow(self.scale - scale)?;
            return (digits % beyond == 0).then(|| digits / beyond);
        }
        digits = digits.checked_mul(10i128.checked_pow(scale - self.scale)?)?;
        Some(digits)
    }

    /// The nearest number of double precision.
    pub fn to_f64(self) -> f64 {
        // The text's own reading, so that 0.1 is the 0.1 of everybody.
        format!("{}e-{}", self.digits, self.scale)
            .parse()
            .unwrap_or(f64::NAN)
    }
}

/// Whether a text is a number in scientific notation, as Excel writes long ids.
pub(super) fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number(mantissa) && is_number(exponent) && (mantissa.contains('.') || text.contains('+'))
}

/// A character of full width as its ASCII one.
pub(super) fn narrow(one: char) -> char {
    match one {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(one) - 0xfee0).unwrap_or(one),
        '\u{3000}' => ' ',
        '\u{2212}' => '-',
        _ => one,
    }
}

/// A number without its sign: before it, behind it, or as brackets around it.
fn signed(text: &str) -> (&str, bool) {
    if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return (inner, true);
    }
    if let Some(rest) = text.strip_prefix('-').or_else(|| text.strip_suffix('-')) {
        return (rest, true);
    }
    (text.strip_prefix('+').unwrap_or(text), false)
}

/// A number without the unit behind it, and by how many places the unit shifts it.
fn unit(text: &str) -> (&str, i32) {
    let text = text.strip_suffix('元').unwrap_or(text);
    for (unit, shift) in [('万', 4), ('亿', 8), ('%', -2)] {
        if let Some(rest) = text.strip_suffix(unit) {
            return (rest, shift);
        }
    }
    (text, 0)
}

/// A number without signs or codes of currency around it.
fn currency(text: &str) -> &str {
    let is_sign = |one: char| {
        matches!(
            one,
            '$' | '¢'
                | '£'
                | '¤'
                | '¥'
                | '￥'
                | '元'
                | '฿'
                | '₫'
                | '₱'
                | '₽'
                | '₹'
                | '₩'
                | '€'
                | '₺'
                | '₴'
                | '₪'
        )
    };
    let code = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let text = match text.get(..3).filter(|begin| code(begin)) {
        Some(_) => text.get(3..).unwrap_or_default(),
        None => text,
    };
    let end = text.len().saturating_sub(3);
    let text = match text.get(end..).filter(|end| code(end)) {
        Some(_) => text.get(..end).unwrap_or_default(),
        None => text,
    };
    // R$, HK$, US$, NT$ …
    let dollars = text.find('$').filter(|at| *at <= 2);
    let text = match dollars.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((land, rest)) if land.bytes().all(|byte| byte.is_ascii_uppercase()) => rest,
        _ => text,
    };
    text.trim_matches(is_sign)
}

/// The digits before the point, without separators of thousands.
fn without_separators(whole: &str) -> Result<String, &'static str> {
    let Some(separator) = whole.chars().find(|one| matches!(one, ',' | '\'' | '’')) else {
        return Ok(whole.to_owned());
    };
    let groups: Vec<&str> = whole.split(separator).collect();
    let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_grouped = match sizes[..] {
        // 1,234,567, or 12,34,567 as in India.
        [first, ref middle @ .., 3] => {
            (1..=3).contains(&first) && middle.iter().all(|size| *size == 3 || *size == 2)
        }
        _ => false,
    };
    if is_grouped {
        Ok(groups.concat())
    } else {
        Err(COMMA)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, ten_thousandths) in [
            ("1234.5", 12_345_000),
            ("1,234.50", 12_345_000),
            ("1,234,567", 12_345_670_000),
            ("12,34,567.00", 12_345_670_000),
            ("1'234.50", 12_345_000),
            ("￥1,234.50", 12_345_000),
            ("¥ 99", 990_000),
            ("CNY 99.00", 990_000),
            ("99.00 USD", 990_000),
            ("HK$12", 120_000),
            ("R$ 1,50", i128::MIN),
            ("R$ 1.50", 15_000),
            ("99元", 990_000),
            ("１２３．４", 1_234_000),
            ("1.2万", 120_000_000),
            ("0.5亿", 500_000_000_000),
            ("(15.00)", -150_000),
            ("-15", -150_000),
            ("15-", -150_000),
            ("-¥15", -150_000),
            ("¥-15", -150_000),
            ("+15", 150_000),
            ("6.0", 60_000),
            (".5", 5_000),
            ("5.", 50_000),
            ("12.5%", 1_250),
            ("12.34567", i128::MIN),
            ("12.34560", 123_456),
            ("1,23", i128::MIN),
            ("1,2345", i128::MIN),
            ("1.2.3", i128::MIN),
            ("--5", i128::MIN),
            ("", i128::MIN),
            (".", i128::MIN),
            ("ten", i128::MIN),
            ("9.00719925474099E+15", i128::MIN),
            ("1e3", i128::MIN),
            ("0x10", i128::MIN),
            ("٣", i128::MIN),
        ] {
            let found = Decimal::parse(text).ok().and_then(|number| number.at(4));
            assert_eq!(found.unwrap_or(i128::MIN), ten_thousandths, "{text}");
        }
        assert_eq!(Decimal::parse("9.1E+5").unwrap_err(), SCIENTIFIC);
        assert_eq!(Decimal::parse("1,50").unwrap_err(), COMMA);
        assert!(!is_scientific("12e34") && !is_scientific("E12") && is_scientific("1E+05"));
    }

    proptest! {
        /// What is written in any of these ways is read as what it is.
        #[test]
        fn a_number_is_the_same_however_it_is_written(cents in -10_000_000_000i64..10_000_000_000, way in 0usize..6) {
            let sign = if cents < 0 { "-" } else { "" };
            let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
            let mut grouped = whole.to_string();
            for at in (1..grouped.len()).rev() {
                if (grouped.len() - at) % 4 == 3 {
                    grouped.insert(at, ',');
                }
            }
            let text = match way {
                0 => format!("{sign}{whole}.{rest:02}"),
                1 => format!("{sign}{grouped}.{rest:02}"),
                2 => format!("{sign}￥{grouped}.{rest:02}"),
                3 => format!("{grouped}.{rest:02}元{sign}").replace("元-", "-"),
                4 => format!("{sign}{whole}.{rest:02}00000"),
                _ => format!("{sign}{whole}.{rest:02}").chars().map(|one| match one {
                    '!'..='~' => char::from_u32(u32::from(one) + 0xfee0).unwrap(),
                    _ => one,
                }).collect(),
            };
            let number = Decimal::parse(&text).unwrap();
            prop_assert_eq!(number.at(2), Some(i128::from(cents)), "{}", text);
            prop_assert_eq!(number.to_f64(), cents as f64 / 100.0);
        }
    }
}
