//! What is scored and with which weight, for given modes: the parameters made ready for arithmetic.
//!
//! Source: methodology §6.2 (this project's own definition).

use std::collections::BTreeSet;

use dualwheel_measure::definitions::Better;

use crate::parameters::{Bootstrap, Group, Parameters, Scale};

/// The model in force. Weights of all scored metrics sum to 1.
#[derive(Clone, Debug)]
pub struct Model {
    /// The tracks, in the order of answers.
    pub tracks: Vec<Track>,
    /// The measured metrics that the scores are made of, in the order of the tracks.
    pub parts: Vec<Part>,
    /// A track with less than this share of its weight present is partial.
    pub partial_below: f64,
    /// Draws behind the intervals.
    pub bootstrap: Bootstrap,
}

/// A track.
#[derive(Clone, Debug)]
pub struct Track {
    /// Id.
    pub id: String,
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// Its metrics.
    pub metrics: Vec<Scored>,
}

impl Track {
    /// Share of the index that the track carries when everything is there.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.metrics.iter().map(|metric| metric.weight).sum()
    }
}

/// A metric that carries weight.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Id.
    pub id: String,
    /// Share of the index that it carries when everything is there.
    pub weight: f64,
    /// Positions among [`Model::parts`] of the measured metrics whose scores' mean is its score.
    pub parts: Vec<usize>,
    /// Whether it is a mean of sub-indicators' scores.
    pub is_mean: bool,
}

/// A measured metric.
#[derive(Clone, Debug)]
pub struct Part {
    /// Id.
    pub id: String,
    /// The answer that holds it.
    pub group: Group,
    /// Scale on which it is scored.
    pub scale: Scale,
    /// Less is better.
    pub lower_is_better: bool,
    /// Metric by which it is divided before it is compared.
    pub share_of: Option<String>,
    /// The fact that would fill a gap.
    pub supply: String,
}

impl Part {
    /// `compared` on the scale of scores, where more is better.
    #[must_use]
    pub fn on_scale(&self, compared: f64) -> f64 {
        let scaled = match self.scale {
            Scale::Identity => compared,
            Scale::Log1p => compared.abs().ln_1p().copysign(compared),
        };
        if self.lower_is_better { -scaled } else { scaled }
    }
}

impl Model {
    /// The model of `parameters` where the metrics in `emphasised` weigh more.
    #[must_use]
    pub fn new(parameters: &Parameters, emphasised: &BTreeSet<String>) -> Self {
        let mut parts = Vec::new();
        let track_sum: f64 = parameters.tracks.iter().map(|track| track.weight).sum();
        let mut tracks = Vec::new();
        for track in &parameters.tracks {
            let own = |metric: &String| parameters.weights.get(metric).copied().unwrap_or(1.0);
            let metric_sum: f64 = track.metrics.iter().map(own).sum();
            let mut metrics = Vec::new();
            for metric in &track.metrics {
                let factor = if emphasised.contains(metric) {
                    parameters.mode_factor
                } else {
                    1.0
                };
                let first = parts.len();
                parts.extend(
                    parameters
                        .parts(metric)
                        .iter()
                        .filter_map(|id| part(parameters, id)),
                );
                metrics.push(Scored {
                    id: metric.clone(),
                    weight: factor * track.weight / track_sum * own(metric) / metric_sum,
                    parts: (first..parts.len()).collect(),
                    is_mean: parameters.means.contains_key(metric),
                });
            }
            tracks.push(Track {
                id: track.id.clone(),
                en: track.en.clone(),
                zh: track.zh.clone(),
                metrics,
            });
        }
        let total: f64 = tracks.iter().map(Track::weight).sum();
        for metric in tracks.iter_mut().flat_map(|track| &mut track.metrics) {
            metric.weight /= total;
        }
        Self {
            tracks,
            parts,
            partial_below: parameters.partial_below,
            bootstrap: parameters.bootstrap,
        }
    }

    /// All scored metrics with their track.
    pub fn scored(&self) -> impl Iterator<Item = (&Track, &Scored)> {
        self.tracks
            .iter()
            .flat_map(|track| track.metrics.iter().map(move |metric| (track, metric)))
    }

    /// The parts of a scored metric.
    pub fn parts_of<'a>(&'a self, metric: &'a Scored) -> impl Iterator<Item = (usize, &'a Part)> {
        metric
            .parts
            .iter()
            .filter_map(|position| Some((*position, self.parts.get(*position)?)))
    }
}

fn part(parameters: &Parameters, id: &str) -> Option<Part> {
    let scoring = parameters.metrics.get(id)?;
    Some(Part {
        id: id.to_owned(),
        group: scoring.group,
        scale: scoring.scale,
        lower_is_better: scoring.better == Better::Lower,
        share_of: scoring.share_of.clone(),
        supply: scoring.supply.clone(),
    })
}
