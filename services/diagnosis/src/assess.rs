//! The whole diagnosis as arithmetic: members and their readings in, index, tracks, metrics, gaps and scenes out.

use std::collections::BTreeMap;

use dualwheel_measure::{Absence, Interval};

use crate::{
    gaps::{self, Action, Gap},
    index::{self, Index},
    missing::{self, Missing},
    model::{Model, Part, Scored},
    neo,
    parameters::Parameters,
    scenes::Map,
    score::{Member, Reading, ReferenceSet, Score, Standing, standing},
};

/// A diagnosis.
#[derive(Clone, Debug)]
pub struct Assessment<'a> {
    /// The brand's index and what it is made of.
    pub index: Index,
    /// Why there is no index, where there is none.
    pub index_absence: Option<(Absence, String)>,
    /// 95 % interval of the index.
    pub interval: Option<Interval>,
    /// The brand's place by index, 1 is best; `None` without an index.
    pub rank: Option<usize>,
    /// The tracks.
    pub tracks: Vec<Track>,
    /// The scored metrics, track by track.
    pub metrics: Vec<Metric>,
    /// The sub-indicators of means, with their part of the weight.
    pub sub_indicators: Vec<Metric>,
    /// The weakest metrics, worst first.
    pub gaps: Vec<Gap>,
    /// The scenes that serve them, best first.
    pub scenes: Vec<Action<'a>>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// All members, by name.
    pub members: Vec<MemberIndex>,
}

/// A track's place among the members.
#[derive(Clone, Debug)]
pub struct Track {
    /// Id.
    pub id: String,
    /// Mean score of the peers.
    pub peer_mean: Option<f64>,
    /// Place among all members, 1 is best; `None` without a score.
    pub rank: Option<usize>,
    /// 95 % interval.
    pub interval: Option<Interval>,
}

/// A metric of the brand against its peers.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Id.
    pub id: String,
    /// Track.
    pub track: String,
    /// Whether it is a mean of sub-indicators' scores: then its value is its score.
    pub is_mean: bool,
    /// Whether its value was divided by another metric before it was compared.
    pub is_share: bool,
    /// The value as compared with the peers'.
    pub compared: Reading,
    /// 0 to 100, or why there is none.
    pub score: Result<f64, (Absence, String)>,
    /// Robust z; none for means.
    pub z: Option<f64>,
    /// Place among the peers, in the terms of `compared`.
    pub standing: Standing,
    /// Share of the index that it carries.
    pub weight: f64,
    /// Weighted gap, in index points.
    pub gap: f64,
    /// 95 % interval of the score; for scored metrics only.
    pub interval: Option<Interval>,
}

/// A member with its index.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberIndex {
    /// Name.
    pub name: String,
    /// Its index.
    pub points: Option<f64>,
    /// Track scores, by track id.
    pub tracks: BTreeMap<String, f64>,
    /// Values as compared, by metric id; for means their scores.
    pub values: BTreeMap<String, f64>,
}

/// Diagnoses `brand` against `peers`. Costs the draws of the intervals: up to a second with 200 peers.
#[must_use]
pub fn assess<'a>(
    parameters: &Parameters,
    model: &Model,
    map: &'a Map,
    brand: Member,
    peers: Vec<Member>,
) -> Assessment<'a> {
    let set = ReferenceSet::new(model, brand, peers);
    let bench = Bench::new(model, &set);
    let intervals = index::intervals(model, &set);
    let own = bench
        .indices
        .get(set.brand)
        .cloned()
        .unwrap_or_else(|| index::index(model, &[]));
    let metrics = bench.metrics(&own, &intervals.metrics);
    let all_gaps = metrics
        .iter()
        .map(|metric| Gap {
            metric: metric.id.clone(),
            points: metric.gap,
        })
        .collect();
    let gaps = gaps::weakest(all_gaps, parameters.weakest_metrics);
    let scenes = gaps::scenes(map, &gaps, parameters.scenes_listed);
    let points: Vec<Option<f64>> = bench.indices.iter().map(|index| index.points).collect();
    Assessment {
        index_absence: bench.index_absence(&own),
        interval: intervals.index,
        rank: standing(&set.names, set.brand, &points, false).rank,
        tracks: bench.tracks(intervals.tracks),
        sub_indicators: bench.sub_indicators(&own),
        metrics,
        gaps,
        scenes,
        missing: missing::missing(model, &set, &bench.scores),
        members: bench.members(),
        index: own,
    }
}

/// Everything scored for every member.
struct Bench<'a> {
    model: &'a Model,
    set: &'a ReferenceSet,
    /// For each part, the members' scores.
    scores: Vec<Vec<Option<Score>>>,
    /// The members' indices.
    indices: Vec<Index>,
}

impl<'a> Bench<'a> {
    fn new(model: &'a Model, set: &'a ReferenceSet) -> Self {
        let scores = set.scores();
        let points = |member: usize| -> Vec<Option<f64>> {
            scores
                .iter()
                .map(|column| Some(column.get(member).copied().flatten()?.points))
                .collect()
        };
        let indices = (0..set.names.len())
            .map(|member| index::index(model, &points(member)))
            .collect();
        Self {
            model,
            set,
            scores,
            indices,
        }
    }

    fn tracks(&self, intervals: Vec<Option<Interval>>) -> Vec<Track> {
        (self.model.tracks.iter().zip(intervals).enumerate())
            .map(|(position, (track, interval))| {
                let points: Vec<Option<f64>> = self
                    .indices
                    .iter()
                    .map(|index| index.tracks.get(position)?.points)
                    .collect();
                let standing = standing(&self.set.names, self.set.brand, &points, false);
                Track {
                    id: track.id.clone(),
                    peer_mean: standing.peer_mean,
                    rank: standing.rank,
                    interval,
                }
            })
            .collect()
    }

    fn metrics(&self, own: &Index, intervals: &[Option<Interval>]) -> Vec<Metric> {
        (self.model.scored().zip(&own.metrics).zip(intervals).enumerate())
            .map(|(position, (((track, metric), scored), interval))| {
                let base = if metric.is_mean {
                    self.mean(position, metric)
                } else {
                    self.single(metric)
                };
                Metric {
                    track: track.id.clone(),
                    weight: scored.weight,
                    gap: scored.gap(),
                    interval: *interval,
                    ..base
                }
            })
            .collect()
    }

    /// A mean: compared by the members' scores, which are its values.
    fn mean(&self, position: usize, metric: &Scored) -> Metric {
        let points: Vec<Option<f64>> = self
            .indices
            .iter()
            .map(|index| index.metrics.get(position)?.points)
            .collect();
        let readings = metric
            .parts
            .iter()
            .filter_map(|part| self.set.columns.get(*part)?.compared.get(self.set.brand));
        let score = points
            .get(self.set.brand)
            .copied()
            .flatten()
            .ok_or_else(|| neo::absence(readings));
        Metric {
            id: metric.id.clone(),
            track: String::new(),
            is_mean: true,
            is_share: false,
            compared: score.clone(),
            score,
            z: None,
            standing: standing(&self.set.names, self.set.brand, &points, false),
            weight: 0.0,
            gap: 0.0,
            interval: None,
        }
    }

    fn single(&self, metric: &Scored) -> Metric {
        let mut parts = self.model.parts_of(metric);
        parts.next().map_or_else(
            || self.mean(0, metric),
            |(position, part)| self.part(position, part),
        )
    }

    /// A measured metric.
    fn part(&self, position: usize, part: &Part) -> Metric {
        let empty = Vec::new();
        let compared = self
            .set
            .columns
            .get(position)
            .map_or(&empty, |column| &column.compared);
        let values: Vec<Option<f64>> = compared
            .iter()
            .map(|reading| reading.as_ref().ok().copied())
            .collect();
        let own = compared.get(self.set.brand).cloned();
        let score = self
            .scores
            .get(position)
            .and_then(|column| column.get(self.set.brand).copied().flatten());
        Metric {
            id: part.id.clone(),
            track: String::new(),
            is_mean: false,
            is_share: part.share_of.is_some(),
            score: score
                .map(|score| score.points)
                .ok_or_else(|| neo::absence(own.iter())),
            compared: own.unwrap_or_else(|| Err((Absence::NoData, "it was not measured".to_owned()))),
            z: score.map(|score| score.z),
            standing: standing(&self.set.names, self.set.brand, &values, part.lower_is_better),
            weight: 0.0,
            gap: 0.0,
            interval: None,
        }
    }

    fn sub_indicators(&self, own: &Index) -> Vec<Metric> {
        let mut found = Vec::new();
        for ((track, metric), scored) in self.model.scored().zip(&own.metrics) {
            if !metric.is_mean {
                continue;
            }
            let parts: Vec<Metric> = self
                .model
                .parts_of(metric)
                .map(|(position, part)| self.part(position, part))
                .collect();
            let present = parts.iter().filter(|part| part.score.is_ok()).count().max(1) as f64;
            found.extend(parts.into_iter().map(|part| {
                let weight = if part.score.is_ok() {
                    scored.weight / present
                } else {
                    0.0
                };
                let gap = part.score.as_ref().map_or(0.0, |score| weight * (100.0 - score));
                Metric {
                    track: track.id.clone(),
                    weight,
                    gap,
                    ..part
                }
            }));
        }
        found
    }

    fn members(&self) -> Vec<MemberIndex> {
        (self.set.names.iter().zip(&self.indices).enumerate())
            .map(|(member, (name, index))| {
                let tracks = self.model.tracks.iter().zip(&index.tracks);
                let means = (self.model.scored().zip(&index.metrics))
                    .filter(|((_, metric), _)| metric.is_mean)
                    .filter_map(|((_, metric), scored)| Some((metric.id.clone(), scored.points?)));
                let measured =
                    (self.model.parts.iter().zip(&self.set.columns)).filter_map(|(part, column)| {
                        Some((part.id.clone(), *column.compared.get(member)?.as_ref().ok()?))
                    });
                MemberIndex {
                    name: name.clone(),
                    points: index.points,
                    tracks: tracks
                        .filter_map(|(track, own)| Some((track.id.clone(), own.points?)))
                        .collect(),
                    values: means.chain(measured).collect(),
                }
            })
            .collect()
    }

    fn index_absence(&self, own: &Index) -> Option<(Absence, String)> {
        let readings = self
            .set
            .columns
            .iter()
            .filter_map(|column| column.compared.get(self.set.brand));
        own.points.is_none().then(|| neo::absence(readings))
    }
}
