//! Amounts written as text.

/// An amount in ten-thousandths from decimal text; negative ones are parsed, for the caller to refuse.
#[must_use]
pub fn parse_money(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = if fraction.len() > 4 {
        fraction.trim_end_matches('0')
    } else {
        fraction
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 20 || fraction.len() > 4 {
        return None;
    }
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let number = |part: &str| {
        part.bytes()
            .fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'))
    };
    let scale = 10i128.pow(4 - fraction.len() as u32);
    Some(sign * (number(whole) * 10_000 + number(fraction) * scale))
}
