//! Figures on standard output, and the medians that they are.

use std::io::Write;

/// Writes figures as they are known.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Lines written.
    written: usize,
}

impl Figures {
    /// Writes `name value unit key=ratio …`; a ratio that is not a number is left out.
    pub(crate) fn tell(
        &mut self,
        name: &str,
        value: f64,
        unit: &str,
        ratios: &[(&str, f64)],
    ) -> anyhow::Result<()> {
        let mut line = format!("{name} {} {unit}", rounded(value));
        for (key, ratio) in ratios.iter().filter(|(_, ratio)| ratio.is_finite()) {
            line.push_str(&format!(" {key}={}", rounded(*ratio)));
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        self.written += 1;
        Ok(())
    }
}

/// Four digits at most, whole numbers from a thousand on.
fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// The middle value; between two middle ones their mean, without any not a number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    match sorted.len() % 2 {
        0 => middle
            .checked_sub(1)
            .and_then(|at| sorted.get(at))
            .map_or(f64::NAN, |lower| (lower + upper) / 2.0),
        _ => upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn digits_that_mean_something() {
        assert_eq!(rounded(512_345.6), "512346");
        assert_eq!(rounded(12.345), "12.35");
        assert_eq!(rounded(0.01234), "0.0123");
    }
}
