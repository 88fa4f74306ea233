//! Gradient-boosted trees that separate some people from others by what is known of them, and how well they do.

use dualwheel_kit::work;
use forust_ml::{
    data::Matrix,
    gradientbooster::{ContributionsMethod, GradientBooster, ImportanceMethod},
};

/// Trees.
const TREES: usize = 120;
/// What each tree corrects of the error that is left.
const LEARNING_RATE: f32 = 0.08;
/// Depth of a tree.
const DEPTH: usize = 4;
/// Least weight of a leaf: about four times as many examples where the odds are even, more where they are not.
const LEAF_WEIGHT: f32 = 10.0;
/// Number of parts by which calibration is shown.
const PARTS: usize = 10;

/// The library could not fit the trees.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the trees could not be fitted: {0}")]
pub struct Unfit(String);

/// Features of many people, column by column; what is missing is not a number.
#[derive(Clone, Debug)]
pub struct Columns {
    rows: usize,
    columns: Vec<Vec<f64>>,
}

impl Columns {
    /// Number of people.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// One feature of everyone; nobody's where there is no such feature.
    #[must_use]
    pub fn column(&self, feature: usize) -> &[f64] {
        self.columns.get(feature).map(Vec::as_slice).unwrap_or_default()
    }
}

impl<const FEATURES: usize> FromIterator<[Option<f64>; FEATURES]> for Columns {
    fn from_iter<Rows: IntoIterator<Item = [Option<f64>; FEATURES]>>(rows: Rows) -> Self {
        let rows = rows.into_iter();
        let mut all = Self {
            rows: 0,
            columns: vec![Vec::with_capacity(rows.size_hint().0); FEATURES],
        };
        for row in rows {
            work::look();
            for (column, value) in all.columns.iter_mut().zip(row) {
                column.push(value.unwrap_or(f64::NAN));
            }
            all.rows += 1;
        }
        all
    }
}

/// People with their features, and which of them the model is to recognise: the positives.
#[derive(Clone, Debug)]
pub struct Examples<'a> {
    parts: Vec<&'a Columns>,
    positive: Vec<bool>,
}

impl<'a> Examples<'a> {
    /// The people of `columns`, of whom each is positive or not.
    #[must_use]
    pub fn new(columns: &'a Columns, positive: Vec<bool>) -> Self {
        Self {
            parts: vec![columns],
            positive,
        }
    }

    /// Number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positive.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty()
    }

    /// Number of positives.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.positive.iter().filter(|positive| **positive).count()
    }

    /// Whether all are positive, or none is: nothing follows from them.
    #[must_use]
    pub fn are_of_one_kind(&self) -> bool {
        self.positives() == 0 || self.positives() == self.len()
    }

    /// Which are positive.
    #[must_use]
    pub fn positive(&self) -> &[bool] {
        &self.positive
    }

    /// These and others together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.positive.extend(other.positive);
        self
    }

    /// One feature of everyone.
    #[must_use]
    pub fn column(&self, feature: usize) -> Vec<f64> {
        let parts: Vec<&[f64]> = self.parts.iter().map(|columns| columns.column(feature)).collect();
        parts.concat()
    }

    fn features(&self) -> usize {
        self.parts.first().map_or(0, |columns| columns.columns.len())
    }

    /// All columns in one.
    fn flat(&self) -> Vec<f64> {
        let mut flat = Vec::with_capacity(self.features() * self.len());
        for feature in 0..self.features() {
            for columns in &self.parts {
                flat.extend_from_slice(columns.column(feature));
            }
        }
        flat
    }
}

/// What a model showed on examples that it was not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Examples.
    pub examples: usize,
    /// Positives among them.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// By tenths of the probability, lowest first: examples, mean probability, share of positives.
    pub calibration: Vec<(usize, f64, f64)>,
}

/// A fitted model.
pub struct Model {
    booster: GradientBooster,
    features: usize,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Model").finish_non_exhaustive()
    }
}

impl Model {
    /// Fits trees to examples; the same examples in the same order give the same trees.
    ///
    /// The library fits all of the trees at once and cannot be stopped meanwhile: who calls bounds the examples, about
    /// 400 000.
    ///
    /// # Errors
    /// When the library cannot fit them.
    pub fn fit(examples: &Examples<'_>) -> Result<Self, Unfit> {
        work::look();
        work::step("fitting trees", 0);
        let mut booster = GradientBooster::default()
            .set_iterations(TREES)
            .set_learning_rate(LEARNING_RATE)
            .set_max_depth(DEPTH)
            .set_min_leaf_weight(LEAF_WEIGHT)
            .set_initialize_base_score(true)
            // Sums of one thread have one order.
            .set_parallel(false);
        let (flat, labels) = (examples.flat(), labels(&examples.positive));
        let matrix = Matrix::new(&flat, examples.len(), examples.features());
        booster
            .fit_unweighted(&matrix, &labels, None)
            .map_err(|error| Unfit(error.to_string()))?;
        Ok(Self {
            booster,
            features: examples.features(),
        })
    }

    /// Probability of every row to be positive.
    #[must_use]
    pub fn probabilities(&self, rows: &Columns) -> Vec<f64> {
        self.chances(&rows.columns.concat(), rows.len())
    }

    fn chances(&self, flat: &[f64], rows: usize) -> Vec<f64> {
        if rows == 0 {
            return Vec::new();
        }
        work::look();
        let odds = self
            .booster
            .predict(&Matrix::new(flat, rows, self.features), false);
        odds.into_iter().map(|odds| 1.0 / (1.0 + (-odds).exp())).collect()
    }

    /// How much each feature speaks for every row to be positive, in log odds, more than it does on average.
    #[must_use]
    pub fn reasons(&self, rows: &Columns) -> Vec<Vec<f64>> {
        if rows.is_empty() {
            return Vec::new();
        }
        let flat = rows.columns.concat();
        let matrix = Matrix::new(&flat, rows.len(), self.features);
        let speaks = self
            .booster
            .predict_contributions(&matrix, ContributionsMethod::Average, false);
        // A row ends with what is common to all.
        let mut reasons: Vec<Vec<f64>> = speaks
            .chunks(self.features + 1)
            .map(|row| row.iter().take(self.features).copied().collect())
            .collect();
        for feature in 0..self.features {
            let total: f64 = reasons.iter().filter_map(|row| row.get(feature)).sum();
            let average = total / reasons.len() as f64;
            for value in reasons.iter_mut().filter_map(|row| row.get_mut(feature)) {
                *value -= average;
            }
        }
        reasons
    }

    /// Share of every feature in the total gain of the trees.
    #[must_use]
    pub fn importance(&self) -> Vec<f64> {
        let gains = self
            .booster
            .calculate_feature_importance(ImportanceMethod::TotalGain, true);
        (0..self.features)
            .map(|feature| gains.get(&feature).copied().map_or(0.0, f64::from))
            .collect()
    }

    /// What it shows on `examples`, some of which are positive and some not.
    #[must_use]
    pub fn test(&self, examples: &Examples<'_>) -> Tested {
        let chances = self.chances(&examples.flat(), examples.len());
        let positive = &examples.positive;
        let errors = chances
            .iter()
            .zip(labels(positive))
            .map(|(chance, label)| (chance - label).powi(2));
        Tested {
            examples: examples.len(),
            positives: examples.positives(),
            auc: auc(&chances, positive),
            brier: errors.sum::<f64>() / examples.len() as f64,
            calibration: calibration(&chances, positive),
        }
    }
}

fn labels(positive: &[bool]) -> Vec<f64> {
    positive
        .iter()
        .map(|positive| f64::from(u8::from(*positive)))
        .collect()
}

/// How often a positive is ranked above another; equals count half. By ranks (Mann–Whitney).
#[must_use]
pub fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut pairs, mut positives, mut negatives) = (0.0, 0.0, 0.0, 0.0);
    for equal in order.chunk_by(|one, other| one.0 == other.0) {
        let mine = equal.iter().filter(|(_, positive)| *positive).count() as f64;
        let others = equal.len() as f64 - mine;
        pairs += mine * (below + others / 2.0);
        below += others;
        positives += mine;
        negatives += others;
    }
    pairs / (positives * negatives)
}

/// Tenths of the examples by probability, lowest first: examples, mean probability, share of positives.
#[must_use]
pub fn calibration(chances: &[f64], positive: &[bool]) -> Vec<(usize, f64, f64)> {
    let mut order: Vec<(f64, bool)> = chances.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    let parts = (0..PARTS).filter_map(|part| {
        let (from, to) = (part * order.len() / PARTS, (part + 1) * order.len() / PARTS);
        let mine = order.get(from..to).filter(|mine| !mine.is_empty())?;
        let size = mine.len() as f64;
        let predicted = mine.iter().map(|(chance, _)| chance).sum::<f64>() / size;
        let observed = mine.iter().filter(|(_, positive)| *positive).count() as f64 / size;
        Some((mine.len(), predicted, observed))
    });
    parts.collect()
}
