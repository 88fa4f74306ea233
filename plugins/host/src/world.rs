//! The worlds that a plugin may implement, as `plugins/wit/plugin.wit` has them.

use std::{fmt, ops::RangeInclusive};

use dualwheel_plugin_sdk::{Values, hit};

/// What a plugin implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum World {
    /// Scores key opinion consumers.
    KocModel,
    /// Ranks style trends.
    StyleTrendModel,
    /// Scores products that may become hits.
    HitModel,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number for each row.
    Numbers,
    /// A text for each row.
    Texts,
    /// A row of numbers for each row.
    Series,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Numbers => "numbers",
            Self::Texts => "texts",
            Self::Series => "series",
        })
    }
}

/// A column that a model may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// A column that a model answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Name.
    pub name: &'static str,
    /// What its values may be.
    pub admitted: Admitted,
}

/// What the values of an answer may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// Finite numbers of a range.
    Numbers(RangeInclusive<f64>),
    /// Codes: texts of A-Z, 0-9 and underscore that start with a letter and have at most 63 characters.
    Codes,
}

impl Answer {
    const fn numbers(name: &'static str, range: RangeInclusive<f64>) -> Self {
        let admitted = Admitted::Numbers(range);
        Self { name, admitted }
    }

    /// Room for the values of so many rows.
    pub(crate) fn with_capacity(&self, rows: usize) -> Values {
        match self.admitted {
            Admitted::Numbers(_) => Values::Numbers(Vec::with_capacity(rows)),
            Admitted::Codes => Values::Texts(Vec::with_capacity(rows)),
        }
    }

    const fn codes(name: &'static str) -> Self {
        let admitted = Admitted::Codes;
        Self { name, admitted }
    }
}

const fn numbers(name: &'static str) -> Known {
    Known {
        name,
        kind: Kind::Numbers,
    }
}

const fn texts(name: &'static str) -> Known {
    Known {
        name,
        kind: Kind::Texts,
    }
}

const fn series(name: &'static str) -> Known {
    Known {
        name,
        kind: Kind::Series,
    }
}

const KOC_COLUMNS: [Known; 18] = [
    numbers("interactions_30d"),
    numbers("spread_30d"),
    numbers("shares_30d"),
    numbers("attributed_gmv_30d"),
    numbers("own_gmv_365d"),
    numbers("followers"),
    numbers("match"),
    numbers("reach"),
    numbers("follower_spending_power"),
    numbers("interactions_30d_rank"),
    numbers("spread_30d_rank"),
    numbers("shares_30d_rank"),
    numbers("attributed_gmv_30d_rank"),
    numbers("own_gmv_365d_rank"),
    numbers("followers_rank"),
    numbers("match_rank"),
    numbers("reach_rank"),
    numbers("follower_spending_power_rank"),
];

const STYLE_COLUMNS: [Known; 12] = [
    texts("category"),
    texts("price_band"),
    texts("style"),
    series("gmv"),
    series("units"),
    series("searches"),
    series("listings"),
    numbers("period_days"),
    numbers("penetration"),
    numbers("brand_share"),
    numbers("brand_tgi"),
    numbers("brand_conversion"),
];

const HIT_COLUMNS: [Known; 20] = [
    texts(hit::CATEGORY),
    texts(hit::PRICE_BAND),
    texts(hit::STAGE),
    series(hit::WEEKLY_UNITS),
    series(hit::WEEKLY_GMV),
    series(hit::WEEKLY_VISITORS),
    series(hit::WEEKLY_SPEND),
    numbers(hit::AGE_DAYS),
    numbers(hit::VOLUME),
    numbers(hit::GROWTH),
    numbers(hit::CONVERSION),
    numbers(hit::PRECISION),
    numbers(hit::COST_RATIO),
    numbers(hit::FEEDBACK),
    numbers("volume_rank"),
    numbers("growth_rank"),
    numbers("conversion_rank"),
    numbers("precision_rank"),
    numbers("cost_ratio_rank"),
    numbers("feedback_rank"),
];

/// What a `koc-model` answers, in the order of the sdk's `KocScores`.
pub(crate) const KOC_ANSWERS: [Answer; 3] = [
    Answer::numbers("content", 0.0..=100.0),
    Answer::numbers("influence", 0.0..=100.0),
    Answer::numbers("purchasing", 0.0..=100.0),
];

/// What a `style-trend-model` answers, in the order of the sdk's `StyleScores`.
pub(crate) const STYLE_ANSWERS: [Answer; 2] = [
    Answer::numbers("growth", f64::MIN..=f64::MAX),
    Answer::numbers("score", 0.0..=100.0),
];

/// What a `hit-model` answers, in the order of the sdk's `HitScores`.
pub(crate) const HIT_ANSWERS: [Answer; 2] = [
    Answer::numbers(hit::SCORE, 0.0..=100.0),
    Answer::codes(hit::REASON),
];

impl World {
    /// All worlds.
    pub const ALL: [Self; 3] = [Self::KocModel, Self::StyleTrendModel, Self::HitModel];

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KocModel => "koc-model",
            Self::StyleTrendModel => "style-trend-model",
            Self::HitModel => "hit-model",
        }
    }

    /// The function that answers rows.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::KocModel => "score",
            Self::StyleTrendModel => "rank",
            Self::HitModel => "assess",
        }
    }

    /// Whether a generation of the contract, as `1.0.0`, has it.
    pub(crate) fn is_of(self, generation: &str) -> bool {
        self != Self::HitModel || generation != "1.0.0"
    }

    /// Columns that a model may ask for.
    #[must_use]
    pub const fn columns(self) -> &'static [Known] {
        match self {
            Self::KocModel => &KOC_COLUMNS,
            Self::StyleTrendModel => &STYLE_COLUMNS,
            Self::HitModel => &HIT_COLUMNS,
        }
    }

    /// Columns that a model answers.
    #[must_use]
    pub const fn answers(self) -> &'static [Answer] {
        match self {
            Self::KocModel => &KOC_ANSWERS,
            Self::StyleTrendModel => &STYLE_ANSWERS,
            Self::HitModel => &HIT_ANSWERS,
        }
    }

    /// What the values of a column are; `None` when the world has no such column.
    #[must_use]
    pub fn kind(self, column: &str) -> Option<Kind> {
        self.columns()
            .iter()
            .find(|known| known.name == column)
            .map(|known| known.kind)
    }
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
