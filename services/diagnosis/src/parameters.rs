//! The parameters of scoring: tracks, weights and how each metric is scored. Source of their meaning:
//! methodology §6.2; values: `definitions.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::{Deref, RangeInclusive},
};

use dualwheel_measure::definitions::{Better, Ranged};
use serde::{Deserialize, Serialize};

/// Checked parameters.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Plain")]
pub struct Parameters(Plain);

/// Parameters as the file holds them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// The tracks, in the order of answers.
    pub tracks: Vec<Track>,
    /// Measured metrics, by id.
    pub metrics: BTreeMap<String, Scoring>,
    /// Metrics that are means of others' scores, by id.
    pub means: BTreeMap<String, Vec<String>>,
    /// Weights within a track that differ from 1, by metric id.
    pub weights: BTreeMap<String, f64>,
    /// What a mode multiplies the weights of its emphasised metrics by.
    pub mode_factor: f64,
    /// How many of the weakest metrics are named.
    pub weakest_metrics: usize,
    /// How many scenes are listed.
    pub scenes_listed: usize,
    /// A track with less than this share of its weight present is partial.
    pub partial_below: f64,
    /// Draws behind the intervals.
    pub bootstrap: Bootstrap,
}

/// A weight, or a factor of weights: above zero.
const WEIGHT: RangeInclusive<f64> = 0.000_001..=1_000_000.0;

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[
        ("tracks.*.weight", WEIGHT),
        ("weights.*", WEIGHT),
        ("mode_factor", WEIGHT),
        ("weakest_metrics", 0.0..=1_000.0),
        ("scenes_listed", 0.0..=1_000.0),
        ("partial_below", 0.0..=1.0),
        ("bootstrap.draws", 100.0..=100_000.0),
        ("bootstrap.seed", 0.0..=1e19),
    ];
}

/// One track of the index.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Id: `people`, `goods`, …
    pub id: String,
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// Weight relative to the other tracks.
    pub weight: f64,
    /// Ids of its metrics.
    pub metrics: Vec<String>,
}

/// How a measured metric is scored.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    /// The answer that holds it.
    pub group: Group,
    /// Scale on which it is scored.
    pub scale: Scale,
    /// Which way is better.
    pub better: Better,
    /// Metric by which it is divided before it is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_of: Option<String>,
    /// The fact that would fill a gap.
    pub supply: String,
}

/// Scale of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// As measured.
    Identity,
    /// sign(x)·ln(1 + |x|): log1p where nothing is negative, and defined where returns outweigh sales.
    Log1p,
}

/// A metric group of another service, by its name in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// `fast` of consumer.
    Fast,
    /// `grow` of consumer.
    Grow,
    /// `brand_signals` of consumer.
    BrandSignals,
    /// `super` of product.
    Super,
    /// `price_strength` of product.
    PriceStrength,
    /// `start` of content.
    Start,
    /// `plus` of membership.
    Plus,
    /// `closeness` of membership.
    Closeness,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 8] = [
        Self::Fast,
        Self::Grow,
        Self::BrandSignals,
        Self::Super,
        Self::PriceStrength,
        Self::Start,
        Self::Plus,
        Self::Closeness,
    ];

    /// The groups that NEO is composed of.
    pub const NEO: [Self; 3] = [Self::BrandSignals, Self::PriceStrength, Self::Closeness];

    /// The service that owns it.
    #[must_use]
    pub fn service(self) -> Service {
        match self {
            Self::Fast | Self::Grow | Self::BrandSignals => Service::Consumer,
            Self::Super | Self::PriceStrength => Service::Product,
            Self::Start => Service::Content,
            Self::Plus | Self::Closeness => Service::Membership,
        }
    }

    /// Its name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Grow => "grow",
            Self::BrandSignals => "brand_signals",
            Self::Super => "super",
            Self::PriceStrength => "price_strength",
            Self::Start => "start",
            Self::Plus => "plus",
            Self::Closeness => "closeness",
        }
    }
}

/// One of the four services that are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// People.
    Consumer,
    /// Goods.
    Product,
    /// Content.
    Content,
    /// Members.
    Membership,
}

impl Service {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Consumer, Self::Product, Self::Content, Self::Membership];

    /// The name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Product => "product",
            Self::Content => "content",
            Self::Membership => "membership",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Draws of the peers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// How many.
    pub draws: usize,
    /// Seed.
    pub seed: u64,
}

impl Deref for Parameters {
    type Target = Plain;

    fn deref(&self) -> &Plain {
        &self.0
    }
}

impl TryFrom<Plain> for Parameters {
    type Error = String;

    fn try_from(plain: Plain) -> Result<Self, String> {
        plain.check_tracks()?;
        plain.check_metrics()?;
        Ok(Self(plain))
    }
}

impl Plain {
    /// Ids of all metrics that carry weight, track by track.
    pub fn scored(&self) -> impl Iterator<Item = &str> {
        self.tracks
            .iter()
            .flat_map(|track| track.metrics.iter().map(String::as_str))
    }

    /// The measured metrics behind a scored one: itself, or the sub-indicators of a mean.
    #[must_use]
    pub fn parts<'a>(&'a self, metric: &'a String) -> &'a [String] {
        self.means
            .get(metric)
            .map_or_else(|| std::slice::from_ref(metric), Vec::as_slice)
    }

    fn check_tracks(&self) -> Result<(), String> {
        if self.tracks.is_empty() {
            return Err("tracks: at least one".to_owned());
        }
        let mut ids = BTreeSet::new();
        let mut metrics = BTreeSet::new();
        for track in &self.tracks {
            if !ids.insert(&track.id) {
                return Err(format!("tracks: {} is there twice", track.id));
            }
            if track.metrics.is_empty() {
                return Err(format!("tracks: {} has no metrics", track.id));
            }
            for metric in &track.metrics {
                if !metrics.insert(metric) {
                    return Err(format!("tracks: {metric} is there twice"));
                }
                if !self.metrics.contains_key(metric) && !self.means.contains_key(metric) {
                    return Err(format!(
                        "tracks: {metric} is neither among metrics nor among means"
                    ));
                }
            }
        }
        match self.weights.keys().find(|id| !metrics.contains(id)) {
            Some(id) => Err(format!("weights: {id} is in no track")),
            None => Ok(()),
        }
    }

    fn check_metrics(&self) -> Result<(), String> {
        for (id, parts) in &self.means {
            if parts.is_empty() || self.metrics.contains_key(id) {
                return Err(format!(
                    "means: {id} needs sub-indicators, and cannot be measured as well"
                ));
            }
            if let Some(part) = parts.iter().find(|part| !self.metrics.contains_key(*part)) {
                return Err(format!("means: {part} of {id} is not among metrics"));
            }
        }
        for (id, scoring) in &self.metrics {
            if scoring.better == Better::None {
                return Err(format!("metrics: {id} is scored, so one way must be better"));
            }
            if let Some(base) = scoring
                .share_of
                .as_ref()
                .filter(|base| !self.metrics.contains_key(*base))
            {
                return Err(format!(
                    "metrics: {id} is a share of {base}, which is not among metrics"
                ));
            }
        }
        Ok(())
    }
}
