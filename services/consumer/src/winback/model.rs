//! Gradient-boosted trees of return, and how well they foresee it.

use forust_ml::{
    data::Matrix,
    gradientbooster::{ContributionsMethod, GradientBooster, ImportanceMethod},
};

use super::{Refusal, features::FEATURES};

/// Trees.
const TREES: usize = 120;
/// What each tree corrects of the error that is left.
const LEARNING_RATE: f32 = 0.08;
/// Depth of a tree.
const DEPTH: usize = 4;
/// Least weight of a leaf: about four times as many examples where the odds are even, more where they are not.
const LEAF_WEIGHT: f32 = 10.0;
/// Number of parts by which calibration is told.
const PARTS: usize = 10;

/// Features of many people, column by column; what is missing is not a number.
#[derive(Clone, Debug)]
pub struct Columns {
    rows: usize,
    columns: Vec<Vec<f64>>,
}

impl Columns {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows: 0,
            columns: vec![Vec::with_capacity(rows); FEATURES.len()],
        }
    }

    pub(super) fn push(&mut self, row: [Option<f64>; FEATURES.len()]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value.unwrap_or(f64::NAN));
        }
        self.rows += 1;
    }
}

/// People with their features, and whether they came back.
#[derive(Clone, Debug)]
pub struct Examples {
    columns: Columns,
    came_back: Vec<bool>,
}

impl Examples {
    pub(super) fn new(columns: Columns, came_back: Vec<bool>) -> Self {
        Self { columns, came_back }
    }

    /// Number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.came_back.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came_back.is_empty()
    }

    /// Number of those who came back.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.came_back.iter().filter(|came| **came).count()
    }

    /// These and others together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.came_back.extend(other.came_back);
        self.columns.rows += other.columns.rows;
        for (mine, theirs) in self.columns.columns.iter_mut().zip(other.columns.columns) {
            mine.extend(theirs);
        }
        self
    }

    fn flat(&self) -> Vec<f64> {
        self.columns.columns.concat()
    }

    /// Days without a purchase, of which fewer speak for a return.
    fn recency(&self) -> Vec<f64> {
        let days = self
            .columns
            .columns
            .first()
            .map(Vec::as_slice)
            .unwrap_or_default();
        days.iter().map(|days| -days).collect()
    }
}

/// What a model showed on examples that it was not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Examples.
    pub examples: usize,
    /// Those who came back.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auc: f64,
    /// The same when ranked by recency alone.
    pub recency_auc: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// By tenths of the probability, lowest first: examples, mean probability, share that came back.
    pub calibration: Vec<(usize, f64, f64)>,
}

/// A fitted model.
pub struct Model(GradientBooster);

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Model").finish_non_exhaustive()
    }
}

impl Model {
    /// Fits trees to examples; the same examples in the same order give the same trees.
    ///
    /// # Errors
    /// When the library cannot fit them.
    pub fn fit(examples: &Examples) -> Result<Self, Refusal> {
        let mut booster = GradientBooster::default()
            .set_iterations(TREES)
            .set_learning_rate(LEARNING_RATE)
            .set_max_depth(DEPTH)
            .set_min_leaf_weight(LEAF_WEIGHT)
            .set_initialize_base_score(true)
            // Sums of one thread have one order.
            .set_parallel(false);
        let (flat, labels) = (examples.flat(), labels(&examples.came_back));
        let matrix = Matrix::new(&flat, examples.len(), FEATURES.len());
        booster
            .fit_unweighted(&matrix, &labels, None)
            .map_err(|error| Refusal::Unfit(error.to_string()))?;
        Ok(Self(booster))
    }

    /// Probability of return of every row.
    #[must_use]
    pub fn probabilities(&self, rows: &Examples) -> Vec<f64> {
        if rows.is_empty() {
            return Vec::new();
        }
        let flat = rows.flat();
        let odds = self
            .0
            .predict(&Matrix::new(&flat, rows.len(), FEATURES.len()), false);
        odds.into_iter().map(|odds| 1.0 / (1.0 + (-odds).exp())).collect()
    }

    /// How much each feature speaks for the return of every row, in log odds, more than it does on average.
    #[must_use]
    pub fn reasons(&self, rows: &Examples) -> Vec<Vec<f64>> {
        if rows.is_empty() {
            return Vec::new();
        }
        let flat = rows.flat();
        let matrix = Matrix::new(&flat, rows.len(), FEATURES.len());
        let speaks = self
            .0
            .predict_contributions(&matrix, ContributionsMethod::Average, false);
        // A row ends with what is common to all.
        let mut reasons: Vec<Vec<f64>> = speaks
            .chunks(FEATURES.len() + 1)
            .map(|row| row.iter().take(FEATURES.len()).copied().collect())
            .collect();
        for feature in 0..FEATURES.len() {
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
            .0
            .calculate_feature_importance(ImportanceMethod::TotalGain, true);
        (0..FEATURES.len())
            .map(|feature| gains.get(&feature).copied().map_or(0.0, f64::from))
            .collect()
    }

    /// What it shows on `examples`, some of which came back and some not.
    #[must_use]
    pub fn test(&self, examples: &Examples) -> Tested {
        let chances = self.probabilities(examples);
        let came_back = &examples.came_back;
        let errors = chances
            .iter()
            .zip(labels(came_back))
            .map(|(chance, came)| (chance - came).powi(2));
        Tested {
            examples: examples.len(),
            positives: examples.positives(),
            auc: auc(&chances, came_back),
            recency_auc: auc(&examples.recency(), came_back),
            brier: errors.sum::<f64>() / examples.len() as f64,
            calibration: calibration(&chances, came_back),
        }
    }
}

fn labels(came_back: &[bool]) -> Vec<f64> {
    came_back.iter().map(|came| f64::from(u8::from(*came))).collect()
}

/// How often one who came back is ranked above one who did not; equals count half. By ranks (Mann–Whitney).
#[must_use]
pub fn auc(scores: &[f64], came_back: &[bool]) -> f64 {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(came_back.iter().copied()).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut pairs, mut positives, mut negatives) = (0.0, 0.0, 0.0, 0.0);
    for equal in order.chunk_by(|one, other| one.0 == other.0) {
        let came = equal.iter().filter(|(_, came)| *came).count() as f64;
        let stayed = equal.len() as f64 - came;
        pairs += came * (below + stayed / 2.0);
        below += stayed;
        positives += came;
        negatives += stayed;
    }
    pairs / (positives * negatives)
}

/// Tenths of the examples by probability, lowest first: examples, mean probability, share that came back.
#[must_use]
pub fn calibration(chances: &[f64], came_back: &[bool]) -> Vec<(usize, f64, f64)> {
    let mut order: Vec<(f64, bool)> = chances.iter().copied().zip(came_back.iter().copied()).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    let parts = (0..PARTS).filter_map(|part| {
        let (from, to) = (part * order.len() / PARTS, (part + 1) * order.len() / PARTS);
        let mine = order.get(from..to).filter(|mine| !mine.is_empty())?;
        let size = mine.len() as f64;
        let predicted = mine.iter().map(|(chance, _)| chance).sum::<f64>() / size;
        let observed = mine.iter().filter(|(_, came)| *came).count() as f64 / size;
        Some((mine.len(), predicted, observed))
    });
    parts.collect()
}
