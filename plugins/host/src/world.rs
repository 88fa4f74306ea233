//! The worlds that a plugin may implement, as `plugins/wit/plugin.wit` tells them.

use std::{fmt, ops::RangeInclusive};

/// What a plugin implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum World {
    /// Scores key opinion consumers.
    KocModel,
    /// Ranks style trends.
    StyleTrendModel,
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

/// A column that a model answers: finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Name.
    pub name: &'static str,
    /// What its numbers may be.
    pub range: RangeInclusive<f64>,
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

/// What a `koc-model` answers, in the order of the sdk's `KocScores`.
pub(crate) const KOC_ANSWERS: [Answer; 3] = [
    Answer {
        name: "content",
        range: 0.0..=100.0,
    },
    Answer {
        name: "influence",
        range: 0.0..=100.0,
    },
    Answer {
        name: "purchasing",
        range: 0.0..=100.0,
    },
];

/// What a `style-trend-model` answers, in the order of the sdk's `StyleScores`.
pub(crate) const STYLE_ANSWERS: [Answer; 2] = [
    Answer {
        name: "growth",
        range: f64::MIN..=f64::MAX,
    },
    Answer {
        name: "score",
        range: 0.0..=100.0,
    },
];

impl World {
    /// All worlds.
    pub const ALL: [Self; 2] = [Self::KocModel, Self::StyleTrendModel];

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KocModel => "koc-model",
            Self::StyleTrendModel => "style-trend-model",
        }
    }

    /// The function that answers rows.
    pub(crate) const fn function(self) -> &'static str {
        match self {
            Self::KocModel => "score",
            Self::StyleTrendModel => "rank",
        }
    }

    /// Columns that a model may ask for.
    #[must_use]
    pub const fn columns(self) -> &'static [Known] {
        match self {
            Self::KocModel => &KOC_COLUMNS,
            Self::StyleTrendModel => &STYLE_COLUMNS,
        }
    }

    /// Columns that a model answers.
    #[must_use]
    pub const fn answers(self) -> &'static [Answer] {
        match self {
            Self::KocModel => &KOC_ANSWERS,
            Self::StyleTrendModel => &STYLE_ANSWERS,
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
