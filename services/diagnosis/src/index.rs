//! The DTC Operating Index Plus: weights, what is absent, the index and its interval.
//!
//! Source: methodology §6.2 (this project's own definition).

use dualwheel_measure::{
    Interval, IntervalMethod,
    bootstrap::{SplitMix, percentile_bounds},
    score::Yardstick,
};

use crate::{
    model::{Model, Track},
    score::{ReferenceSet, composed, presence},
};

/// A member's index and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// 0 to 100; `None` when nothing has a score.
    pub points: Option<f64>,
    /// The tracks, in the order of the model.
    pub tracks: Vec<TrackIndex>,
    /// The scored metrics, in the order of the model.
    pub metrics: Vec<MetricIndex>,
}

/// A track of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackIndex {
    /// 0 to 100; `None` when none of its metrics has a score.
    pub points: Option<f64>,
    /// Share of the index that it carries, after absent tracks' weights were spread; 0 when absent itself.
    pub weight: f64,
    /// Share of its weight that is present.
    pub weight_present: f64,
    /// Too little of its weight is present.
    pub partial: bool,
}

/// A metric of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricIndex {
    /// 0 to 100.
    pub points: Option<f64>,
    /// Share of the index that it carries, after absent weights were spread; 0 when absent itself.
    pub weight: f64,
}

impl MetricIndex {
    /// Weight × (100 − score), in index points; 0 without a score.
    #[must_use]
    pub fn gap(self) -> f64 {
        self.points.map_or(0.0, |points| self.weight * (100.0 - points))
    }
}

/// The index of a member whose scores on the model's parts are `parts`.
///
/// An absent metric's weight is spread over the rest of its track in proportion to their weights, an absent track's
/// over the other tracks likewise; so the weights of what is present sum to 1.
#[must_use]
pub fn index(model: &Model, parts: &[Option<f64>]) -> Index {
    let scored: Vec<TrackScores> = model
        .tracks
        .iter()
        .map(|track| TrackScores::new(track, parts))
        .collect();
    let present: f64 = scored
        .iter()
        .filter(|track| track.points().is_some())
        .map(|track| track.full)
        .sum();
    let mut result = Index {
        points: None,
        tracks: Vec::new(),
        metrics: Vec::new(),
    };
    let mut sum = 0.0;
    for track in &scored {
        let points = track.points();
        let weight = if points.is_some() {
            track.full / present
        } else {
            0.0
        };
        sum += weight * points.unwrap_or(0.0);
        result.tracks.push(TrackIndex {
            points,
            weight,
            weight_present: track.present_share,
            partial: track.present_share < model.partial_below,
        });
        result
            .metrics
            .extend(track.metrics.iter().map(|(own, points)| MetricIndex {
                points: *points,
                weight: if points.is_some() {
                    weight * own / track.present
                } else {
                    0.0
                },
            }));
    }
    result.points = (present > 0.0).then_some(sum);
    result
}

/// The scores of one track's metrics, with their weights.
struct TrackScores {
    /// Base weight and score of each metric.
    metrics: Vec<(f64, Option<f64>)>,
    /// Base weight of all.
    full: f64,
    /// Base weight of those with a score.
    present: f64,
    /// Share of the base weight that is present, sub-indicators counted.
    present_share: f64,
}

impl TrackScores {
    fn new(track: &Track, parts: &[Option<f64>]) -> Self {
        let metrics: Vec<_> = track
            .metrics
            .iter()
            .map(|metric| (metric.weight, composed(metric, parts)))
            .collect();
        let full = track.weight();
        let present = metrics
            .iter()
            .filter(|(_, points)| points.is_some())
            .map(|(weight, _)| weight)
            .sum();
        let counted: f64 = track
            .metrics
            .iter()
            .map(|metric| metric.weight * presence(metric, parts))
            .sum();
        Self {
            metrics,
            full,
            present,
            present_share: counted / full,
        }
    }

    fn points(&self) -> Option<f64> {
        let sum: f64 = self
            .metrics
            .iter()
            .filter_map(|(weight, points)| Some(weight * (*points)?))
            .sum();
        (self.present > 0.0).then(|| sum / self.present)
    }
}

/// 95 % intervals over draws of the peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    /// Of the index.
    pub index: Option<Interval>,
    /// Of the tracks, in the order of the model.
    pub tracks: Vec<Option<Interval>>,
    /// Of the scored metrics, in the order of the model.
    pub metrics: Vec<Option<Interval>>,
}

/// The brand's intervals: the peers are drawn with replacement, as many as there are, the brand is always kept, and
/// everything is scored again. No interval with fewer than two peers, or where more than a tenth of the draws give no
/// score.
#[must_use]
pub fn intervals(model: &Model, set: &ReferenceSet) -> Intervals {
    let draws = model.bootstrap.draws;
    let peers: Vec<usize> = (0..set.names.len())
        .filter(|position| *position != set.brand)
        .collect();
    let mut collected = Collected::new(model);
    if peers.len() > 1 {
        let mut random = SplitMix::new(model.bootstrap.seed);
        for _ in 0..draws {
            let drawn: Vec<usize> = peers
                .iter()
                .filter_map(|_| peers.get(random.below(peers.len())).copied())
                .collect();
            collected.add(&index(model, &redrawn(set, &drawn)));
        }
    }
    collected.intervals(draws)
}

/// The brand's scores on all parts against the peers in `drawn`.
fn redrawn(set: &ReferenceSet, drawn: &[usize]) -> Vec<Option<f64>> {
    let mut values = Vec::with_capacity(drawn.len() + 1);
    (set.columns.iter())
        .map(|column| {
            let own = column.scaled.get(set.brand).copied().flatten()?;
            values.clear();
            values.push(own);
            values.extend(
                drawn
                    .iter()
                    .filter_map(|position| column.scaled.get(*position).copied().flatten()),
            );
            Some(Yardstick::of(&values)?.score(own))
        })
        .collect()
}

/// Points of all draws.
struct Collected {
    index: Vec<f64>,
    tracks: Vec<Vec<f64>>,
    metrics: Vec<Vec<f64>>,
}

impl Collected {
    fn new(model: &Model) -> Self {
        Self {
            index: Vec::new(),
            tracks: vec![Vec::new(); model.tracks.len()],
            metrics: vec![Vec::new(); model.scored().count()],
        }
    }

    fn add(&mut self, index: &Index) {
        self.index.extend(index.points);
        for (points, track) in self.tracks.iter_mut().zip(&index.tracks) {
            points.extend(track.points);
        }
        for (points, metric) in self.metrics.iter_mut().zip(&index.metrics) {
            points.extend(metric.points);
        }
    }

    fn intervals(mut self, draws: usize) -> Intervals {
        let bounds = |points: &mut Vec<f64>| {
            if points.len() < draws - draws / 10 {
                return None;
            }
            let (low, high) = percentile_bounds(points)?;
            Some(Interval {
                low,
                high,
                method: IntervalMethod::Bootstrap,
            })
        };
        Intervals {
            index: bounds(&mut self.index),
            tracks: self.tracks.iter_mut().map(bounds).collect(),
            metrics: self.metrics.iter_mut().map(bounds).collect(),
        }
    }
}
