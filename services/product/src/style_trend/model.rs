//! The built-in model of the world `style-trend-model`.

use dualwheel_measure::trend::{pairs, theil_sen};
use dualwheel_plugin_sdk::{
    Batch, Description, ParameterSpec, Parameters, Refusal, StyleScores, StyleTrendModel, Values, Wanted,
};

/// Mean days of a year.
const YEAR_DAYS: f64 = 365.25;

/// Robust growth, and a score of what grows (methodology §3.3).
///
/// *Growth* a period is exp(slope) − 1 with the Theil–Sen slope of the logarithm of GMV over the periods where it is above
/// zero; with two years of them or more, only periods a whole number of years apart are compared, so that seasons do not
/// count. *Score* is the weighted mean of three parts, each 100·f ÷ (1 + f), where f is the factor by which GMV, searches,
/// and searches ÷ listings grow in a year: 50 where nothing moves, 75 where it trebles. A part that is not known is left
/// out. The definition of the score is this project's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultStyleTrend;

/// Weights by parameter name: of growth, attention, and demand against supply.
const WEIGHTS: [(&str, &str, f64, f64); 3] = [
    (
        "growth_weight",
        "Weight of the growth of GMV in the score, without unit.",
        2.0,
        0.01,
    ),
    (
        "attention_weight",
        "Weight of the growth of searches in the score, without unit.",
        1.0,
        0.0,
    ),
    (
        "supply_weight",
        "Weight of the growth of searches per listing in the score, without unit.",
        1.0,
        0.0,
    ),
];

impl StyleTrendModel for DefaultStyleTrend {
    fn describe(&self) -> Description {
        let wanted = |(name, required): (&str, bool)| Wanted {
            name: name.to_owned(),
            required,
        };
        let spec = |(name, meaning, default, least): (&str, &str, f64, f64)| ParameterSpec {
            name: name.to_owned(),
            meaning: meaning.to_owned(),
            default,
            least,
            greatest: 10.0,
        };
        let columns = [
            ("gmv", true),
            ("period_days", true),
            ("searches", false),
            ("listings", false),
        ];
        Description {
            name: "style-trend-default".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Growth is the Theil-Sen slope of log GMV, adjusted for seasons from two years on. The score weighs \
                      the growth of GMV, of searches, and of searches per listing."
                .to_owned(),
            columns: columns.map(wanted).into(),
            parameters: WEIGHTS.map(spec).into(),
        }
    }

    fn rank(&self, batch: &Batch, parameters: &Parameters) -> Result<StyleScores, Refusal> {
        let need = |name: &str| Refusal(format!("Column `{name}` is missing or of another kind."));
        let gmv = series(batch, "gmv").ok_or_else(|| need("gmv"))?;
        let days = numbers(batch, "period_days").ok_or_else(|| need("period_days"))?;
        let (searches, listings) = (series(batch, "searches"), series(batch, "listings"));
        let mut weights = [0.0; 3];
        for (weight, (name, ..)) in weights.iter_mut().zip(WEIGHTS) {
            *weight = *parameters
                .get(name)
                .ok_or_else(|| Refusal(format!("Parameter `{name}` is missing.")))?;
        }
        let mut scores = StyleScores::default();
        for (row, (gmv, days)) in gmv.iter().zip(days).enumerate() {
            if !(days.is_finite() && *days > 0.0) {
                return Err(Refusal(format!(
                    "Periods of {days} days; give a number above zero."
                )));
            }
            let of = |all: Option<&[Vec<f64>]>| all.and_then(|all| all.get(row)).cloned().unwrap_or_default();
            let (searches, listings) = (of(searches), of(listings));
            let per_listing: Vec<f64> = searches.iter().zip(&listings).map(|(s, l)| s / l).collect();
            let slope = slope(gmv, *days);
            let parts = [
                slope,
                self::slope(&searches, *days),
                self::slope(&per_listing, *days),
            ];
            scores
                .growth
                .push(slope.map_or(0.0, |slope| slope.exp_m1().min(f64::MAX)));
            scores.score.push(score(parts, weights, YEAR_DAYS / days));
        }
        Ok(scores)
    }
}

fn series<'a>(batch: &'a Batch, name: &str) -> Option<&'a [Vec<f64>]> {
    let column = batch.columns.iter().find(|column| column.name == name)?;
    match &column.values {
        Values::Series(series) => Some(series),
        _ => None,
    }
}

fn numbers<'a>(batch: &'a Batch, name: &str) -> Option<&'a [f64]> {
    let column = batch.columns.iter().find(|column| column.name == name)?;
    match &column.values {
        Values::Numbers(numbers) => Some(numbers),
        _ => None,
    }
}

/// Slope a period of the logarithm of what is above zero; `None` with fewer than two such periods.
fn slope(values: &[f64], period_days: f64) -> Option<f64> {
    let points: Vec<(i32, f64)> = (0..)
        .zip(values)
        .filter(|(_, value)| value.is_finite() && **value > 0.0)
        .map(|(step, value)| (step, value.ln()))
        .collect();
    let year = (YEAR_DAYS / period_days).round().clamp(1.0, YEAR_DAYS) as i32;
    let span = points.last()?.0 - points.first()?.0 + 1;
    // Gaps may leave too few pairs of years to go by.
    let seasonal = span >= 2 * year && pairs(&points, year) > year.div_euclid(2) as usize;
    theil_sen(&points, if seasonal { year } else { 1 })
}

/// The weighted mean of the parts that are known; 50 where none is. `periods` make a year.
fn score(slopes: [Option<f64>; 3], weights: [f64; 3], periods: f64) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (slope, own) in slopes.into_iter().zip(weights) {
        if let Some(slope) = slope {
            // f ÷ (1 + f) for f = exp(slope × periods), without overflow.
            sum += own * 100.0 / (1.0 + (-slope * periods).exp());
            weight += own;
        }
    }
    if weight > 0.0 {
        (sum / weight).clamp(0.0, 100.0)
    } else {
        50.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plugin_is_called_like_it() {
        let name = DefaultStyleTrend.describe().name;
        assert!(dualwheel_plugin_host::is_reserved(&name), "{name}");
    }
}
