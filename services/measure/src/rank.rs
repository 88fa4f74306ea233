//! Percentile ranks and quantiles, defined once for the whole mesh.

/// Percentile rank of each value: 100·(below + ½·(ties − 1)) ÷ (n − 1), ties counting itself; 50 when alone.
///
/// Source: methodology, ground rule 7.
#[must_use]
pub fn percentile_ranks(values: &[f64]) -> Vec<f64> {
    if values.len() < 2 {
        return vec![50.0; values.len()];
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    values
        .iter()
        .map(|value| {
            let below = sorted.partition_point(|other| other < value);
            let ties = sorted.partition_point(|other| other <= value) - below;
            100.0 * (below as f64 + 0.5 * (ties as f64 - 1.0)) / (values.len() - 1) as f64
        })
        .collect()
}

/// The `share` quantile of `sorted` by linear interpolation between order statistics (Hyndman–Fan type 7).
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let low = *sorted.get(position.floor() as usize)?;
    let high = *sorted.get(position.ceil() as usize)?;
    Some(low + (high - low) * position.fract())
}

/// The median of `values`.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        // 10 lies above nothing: 0; the two 20s: (1 + ½)/3; 30: 3/3.
        assert_eq!(
            percentile_ranks(&[10.0, 20.0, 20.0, 30.0]),
            vec![0.0, 50.0, 50.0, 100.0]
        );
        assert_eq!(percentile_ranks(&[4.0]), vec![50.0]);
        assert_eq!(percentile_ranks(&[1.0, 1.0]), vec![50.0, 50.0]);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(median(&[]), None);
    }
}
