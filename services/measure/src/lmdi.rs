//! The logarithmic mean Divisia index (LMDI-I), which splits the change of a product of factors exactly.
//!
//! Source: B. W. Ang, 2005, *The LMDI approach to decomposition analysis: a practical guide*.

/// The logarithmic mean of two positive numbers; their common value when equal.
#[must_use]
pub fn logarithmic_mean(a: f64, b: f64) -> f64 {
    if a == b {
        return a;
    }
    // ln_1p keeps the quotient accurate where the two are close.
    let ratio = (b - a) / a;
    (b - a) / ratio.ln_1p()
}

/// Rounds `parts` to whole numbers that sum to `total`: the rounding residual goes to the part of largest size
/// (the first of equals). Returns the rounded parts and the residual that was moved.
#[must_use]
pub fn round_to_total(parts: &[f64], total: i128) -> (Vec<i128>, i128) {
    let mut rounded: Vec<i128> = parts.iter().map(|part| part.round() as i128).collect();
    let residual = total - rounded.iter().sum::<i128>();
    let mut largest: Option<usize> = None;
    for (index, value) in rounded.iter().enumerate() {
        if largest
            .and_then(|at| rounded.get(at))
            .is_none_or(|best| value.abs() > best.abs())
        {
            largest = Some(index);
        }
    }
    if let Some(value) = largest.and_then(|at| rounded.get_mut(at)) {
        *value += residual;
    }
    (rounded, residual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_lie_between() {
        assert_eq!(logarithmic_mean(5.0, 5.0), 5.0);
        // L(1, e) = (e − 1)/1.
        assert!((logarithmic_mean(1.0, std::f64::consts::E) - (std::f64::consts::E - 1.0)).abs() < 1e-12);
        let near = logarithmic_mean(1e9, 1e9 + 1e-3);
        assert!((1e9..=1e9 + 1e-3).contains(&near));
    }

    #[test]
    fn residual_goes_to_the_largest() {
        assert_eq!(round_to_total(&[10.4, -20.4, 3.4], -6), (vec![10, -19, 3], 1));
        assert_eq!(round_to_total(&[], 0), (vec![], 0));
    }
}
