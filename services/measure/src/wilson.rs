//! The Wilson score interval of a share.

/// The 97.5 % quantile of the standard normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// The 95 % Wilson interval of `successes` out of `trials`; `None` without trials.
///
/// Source: E. B. Wilson, 1927, *Probable inference, the law of succession, and statistical inference*.
#[must_use]
pub fn interval(successes: i64, trials: i64) -> Option<(f64, f64)> {
    if trials <= 0 || successes < 0 || successes > trials {
        return None;
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let z2 = Z_95 * Z_95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let low = if successes == 0 {
        0.0
    } else {
        (centre - half).max(0.0)
    };
    let high = if successes == trials {
        1.0
    } else {
        (centre + half).min(1.0)
    };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn equals_published_values() {
        // Newcombe 1998, table I: 81/263 gives .2553 to .3662; 15/148 gives .0624 to .1605.
        for (successes, trials, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)] {
            let bounds = interval(successes, trials).unwrap();
            assert!(
                (bounds.0 - low).abs() < 5e-5 && (bounds.1 - high).abs() < 5e-5,
                "{bounds:?}"
            );
        }
        assert_eq!(interval(0, 0), None);
        assert_eq!(interval(0, 20).unwrap().0, 0.0);
        assert_eq!(interval(29, 29).unwrap().1, 1.0);
    }
}
