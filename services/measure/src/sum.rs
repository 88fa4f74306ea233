//! Sums of numbers that are not whole.

/// The sum of `values`, with the same bits in whatever order they come: the least are added first.
#[must_use]
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::sum;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter(values in proptest::collection::vec(-1e6..1e6f64, 0..60), turn in 0..60usize) {
            let mut turned = values.clone();
            turned.rotate_left(turn.min(values.len()));
            turned.reverse();
            prop_assert_eq!(sum(values.iter().copied()).to_bits(), sum(turned).to_bits());
            let plain: f64 = values.iter().sum();
            prop_assert!((sum(values) - plain).abs() <= 1e-6);
        }
    }
}
