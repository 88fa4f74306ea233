//! The parameters of the service's definitions.

use std::{collections::BTreeMap, num::NonZeroU16, ops::RangeInclusive};

use dualwheel_measure::{MONEY_SCALE, definitions::Ranged};
use serde::{Deserialize, Serialize};

/// Windows, thresholds and levels; `definitions.yaml` explains each.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Greatest age of a `NEW` product, in days.
    pub new_days: i32,
    /// Age in days that a product must exceed to be judged by its sales.
    pub tail_after_days: i32,
    /// Length in days of the sales windows that are compared.
    pub tail_window_days: i32,
    /// Recent units in per cent of the best window, up to which a product is in its tail.
    pub tail_percent: i64,
    /// Depth at which category paths are cut.
    pub category_level: u32,
    /// Fewest brands of which sums are disclosed to callers who may not see them.
    pub min_brands: usize,
    /// Days after the launch in which a sale counts as new.
    pub novelty_days: u16,
    /// Number of bands of equal market GMV.
    pub price_band_count: BandCount,
    /// Fixed edges of price bands by category path.
    pub price_band_edges: BTreeMap<String, Edges>,
    /// Tests that a star must pass.
    pub star_tests_to_pass: usize,
    /// Quantile of GMV that a star reaches.
    pub star_gmv_quantile: f64,
    /// Quantile of conversion that a star reaches.
    pub star_conversion_quantile: f64,
    /// Positive reviews in per cent that a star reaches.
    pub star_positive_review_percent: i64,
    /// Quantile of the refund rate that a star does not exceed.
    pub star_refund_quantile: f64,
    /// Days to the window's last in which the highest unit price is looked for.
    pub full_price_days: i32,
    /// Days up to the as-of day whose periods make a trend.
    pub style_history_days: i32,
    /// Fewest periods with GMV above zero that make a trend.
    pub style_fewest_periods: NonZeroU16,
    /// Days up to the last period's end in which the brand is compared with the market.
    pub style_recent_days: NonZeroU16,
    /// Days of a period where the tenant's brands stand for the market.
    pub style_period_days: NonZeroU16,
    /// Growth a period above which it is high; the rows' median where none is given.
    pub style_growth_cut: Option<f64>,
    /// Fit above which it is high; likewise.
    pub style_fit_cut: Option<f64>,
}

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[
        ("new_days", 0.0..=3_660.0),
        ("tail_after_days", 0.0..=3_660.0),
        ("tail_window_days", 1.0..=366.0),
        ("tail_percent", 0.0..=100.0),
        ("category_level", 1.0..=10.0),
        // Of fewer brands each could work out another.
        ("min_brands", 3.0..=1_000.0),
        ("novelty_days", 0.0..=3_660.0),
        ("price_band_count", 2.0..=9.0),
        ("price_band_edges.*.*", 0.000_1..=99_999_999_999_999.0),
        ("star_tests_to_pass", 1.0..=4.0),
        ("star_gmv_quantile", 0.0..=1.0),
        ("star_conversion_quantile", 0.0..=1.0),
        ("star_positive_review_percent", 0.0..=100.0),
        ("star_refund_quantile", 0.0..=1.0),
        ("full_price_days", 1.0..=3_660.0),
        ("style_history_days", 1.0..=7_320.0),
        ("style_fewest_periods", 1.0..=1_000.0),
        ("style_recent_days", 1.0..=3_660.0),
        ("style_period_days", 1.0..=366.0),
        ("style_growth_cut", -10.0..=10.0),
        ("style_fit_cut", 0.0..=100.0),
    ];
}

/// Number of price bands, 2 to 9, so that their names sort as numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct BandCount(u8);

impl BandCount {
    /// The number.
    #[must_use]
    pub fn get(self) -> i128 {
        i128::from(self.0)
    }
}

impl TryFrom<u8> for BandCount {
    type Error = String;

    fn try_from(count: u8) -> Result<Self, String> {
        (2..=9)
            .contains(&count)
            .then_some(Self(count))
            .ok_or_else(|| format!("{count} price bands; 2 to 9 expected"))
    }
}

impl From<BandCount> for u8 {
    fn from(count: BandCount) -> Self {
        count.0
    }
}

/// Fixed edges of price bands: one to eight, above zero, ascending, in currency units.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Edges(Vec<f64>);

impl Edges {
    /// The edges in ten-thousandths.
    #[must_use]
    pub fn scaled(&self) -> Vec<i64> {
        self.0
            .iter()
            .map(|edge| (edge * MONEY_SCALE as f64).round() as i64)
            .collect()
    }
}

impl TryFrom<Vec<f64>> for Edges {
    type Error = String;

    fn try_from(edges: Vec<f64>) -> Result<Self, String> {
        let ascending = edges
            .iter()
            .zip(edges.iter().skip(1))
            .all(|(low, high)| low < high);
        let sound = edges
            .iter()
            .all(|edge| edge.is_finite() && *edge > 0.0 && *edge < 1e14);
        if edges.is_empty() || edges.len() > 8 || !ascending || !sound {
            return Err("price band edges: one to eight ascending numbers above zero expected".to_owned());
        }
        Ok(Self(edges))
    }
}

impl From<Edges> for Vec<f64> {
    fn from(edges: Edges) -> Self {
        edges.0
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Definitions;

    use super::*;

    #[test]
    fn the_shipped_file_fits() {
        let shipped: Definitions<Parameters> = Definitions::shipped(crate::DEFINITIONS).unwrap();
        let known = serde_yaml_ng::to_value(&shipped.parameters).unwrap();
        for entry in &shipped.metrics {
            assert!(
                !entry.en.is_empty() && !entry.zh.is_empty() && !entry.text.is_empty(),
                "{}",
                entry.id
            );
            for name in &entry.parameters {
                assert!(known.get(name.as_str()).is_some(), "{} reads {name}", entry.id);
            }
        }
    }

    #[test]
    fn bands_are_checked_when_loaded() {
        for wrong in ["[]", "[1, 1]", "[2, 1]", "[0]", "[.nan]", "[1,2,3,4,5,6,7,8,9]"] {
            assert!(serde_yaml_ng::from_str::<Edges>(wrong).is_err(), "{wrong}");
        }
        let edges: Edges = serde_yaml_ng::from_str("[50, 99.5]").unwrap();
        assert_eq!(edges.scaled(), [500_000, 995_000]);
        assert!(serde_yaml_ng::from_str::<BandCount>("10").is_err());
    }
}
