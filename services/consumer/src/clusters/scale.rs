//! Features made comparable: each with mean 0 and deviation 1 over the people grouped.

use ndarray::Array2;

use super::features::{FEATURES, Feature};

/// Features of one person; what is not known is not a number.
pub(super) type Row = [f64; FEATURES.len()];

/// How a feature is spread over the people of whom it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    heavy_tailed: bool,
    /// Mean in the feature's unit.
    pub mean: f64,
    /// Mean of what goes into distances.
    centre: f64,
    /// Standard deviation of what goes into distances; 0 where all are the same.
    deviation: f64,
}

impl Scale {
    /// The spread of known values; `None` where there are none.
    #[must_use]
    pub fn new(values: impl Iterator<Item = f64> + Clone, heavy_tailed: bool) -> Option<Self> {
        let taken = values.clone().map(|value| taken(value, heavy_tailed));
        let (least, most) = (taken.clone().reduce(f64::min)?, taken.clone().reduce(f64::max)?);
        let count = values.clone().count() as f64;
        let centre = taken.clone().sum::<f64>() / count;
        let variance = taken.map(|value| (value - centre).powi(2)).sum::<f64>() / count;
        Some(Self {
            heavy_tailed,
            mean: values.sum::<f64>() / count,
            centre,
            // The mean of equal values may miss them by a rounding error, which is no spread.
            deviation: if least < most { variance.sqrt() } else { 0.0 },
        })
    }

    /// Whether people differ in it.
    #[must_use]
    pub fn has_spread(&self) -> bool {
        self.deviation > 0.0
    }

    /// How many deviations a value lies above the mean; 0 for one that is not known, and without spread.
    #[must_use]
    pub fn standard(&self, value: f64) -> f64 {
        if value.is_nan() || !self.has_spread() {
            return 0.0;
        }
        (taken(value, self.heavy_tailed) - self.centre) / self.deviation
    }
}

/// What goes into distances: ln(1 + x) of a heavy-tailed feature, mirrored below 0 (returns may outweigh purchases).
fn taken(value: f64, heavy_tailed: bool) -> f64 {
    if heavy_tailed {
        value.abs().ln_1p().copysign(value)
    } else {
        value
    }
}

/// The spread of every feature; `None` for one that is known of nobody.
pub(super) fn scales(rows: &[Row]) -> Vec<Option<Scale>> {
    let scale = |(at, feature): (usize, &Feature)| {
        let values = rows.iter().filter_map(move |row| row.get(at).copied());
        Scale::new(values.filter(|value| !value.is_nan()), feature.heavy_tailed)
    };
    FEATURES.iter().enumerate().map(scale).collect()
}

/// The people in the space of the features in which they differ; `None` where they differ in none.
pub(super) fn standardised(rows: &[Row], scales: &[Option<Scale>]) -> Option<Array2<f64>> {
    let spread = || {
        let known = scales.iter().enumerate();
        known.filter_map(|(at, scale)| Some((at, scale.filter(Scale::has_spread)?)))
    };
    let mut space = Array2::zeros((rows.len(), spread().count()));
    for (mut column, (at, scale)) in space.columns_mut().into_iter().zip(spread()) {
        let values = rows.iter().filter_map(|row| row.get(at));
        for (cell, value) in column.iter_mut().zip(values) {
            *cell = scale.standard(*value);
        }
    }
    (space.ncols() > 0).then_some(space)
}
