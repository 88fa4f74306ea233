//! The rules of methodology §6.2 to §6.4 as plain loops, sharing nothing with the engine.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use crate::Values;

pub const TRACKS: [(&str, &[&str]); 5] = [
    (
        "people",
        &[
            "fast.fertility",
            "fast.advancing",
            "fast.superiority",
            "fast.thriving",
            "grow.gain",
            "grow.retain",
            "grow.boost",
            "grow.widen",
            "grow.new_product",
        ],
    ),
    (
        "goods",
        &[
            "super.star",
            "super.conversion",
            "super.novelty",
            "super.sell_through",
            "super.fulfilment",
        ],
    ),
    ("brand", &["neo.novelty", "neo.engagement", "neo.solidity"]),
    (
        "members",
        &["plus.capital", "plus.conversion", "plus.connection", "plus.clv"],
    ),
    (
        "content",
        &[
            "start.reach",
            "start.interaction",
            "start.seeding",
            "start.traffic",
            "start.transaction",
        ],
    ),
];

pub fn parts(metric: &'static str) -> Vec<&'static str> {
    match metric {
        "neo.novelty" => {
            vec![
                "neo.novelty.pioneer_density",
                "neo.novelty.pioneer_penetration",
                "neo.novelty.selling_point",
            ]
        }
        "neo.engagement" => {
            vec![
                "neo.engagement.search_heat",
                "neo.engagement.close_people",
                "neo.engagement.recommendation",
            ]
        }
        "neo.solidity" => vec![
            "neo.solidity.premium",
            "neo.solidity.full_price",
            "neo.solidity.conversion",
            "neo.solidity.repurchase",
        ],
        other => vec![other],
    }
}

pub fn measured() -> Vec<&'static str> {
    TRACKS
        .iter()
        .flat_map(|(_, metrics)| metrics.iter().flat_map(|metric| parts(metric)))
        .collect()
}

fn emphasised(mode: &str) -> &'static [&'static str] {
    match mode {
        "brand-led" => &["neo.novelty", "neo.engagement", "neo.solidity", "grow.boost"],
        "service-led" => &["super.fulfilment", "plus.connection", "plus.clv", "fast.thriving"],
        "product-led" => &[
            "super.novelty",
            "super.star",
            "super.conversion",
            "grow.widen",
            "start.seeding",
        ],
        "supply-chain-led" => &["super.sell_through", "super.fulfilment", "super.novelty"],
        _ => panic!("no such mode"),
    }
}

/// Weights before anything is absent; they sum to 1.
pub fn weights(modes: &[&str]) -> BTreeMap<&'static str, f64> {
    let double: BTreeSet<&str> = modes
        .iter()
        .flat_map(|mode| emphasised(mode).iter().copied())
        .collect();
    let mut weights = BTreeMap::new();
    for (_, metrics) in TRACKS {
        for metric in metrics {
            let base = 1.0 / (5.0 * metrics.len() as f64);
            weights.insert(*metric, if double.contains(metric) { 2.0 * base } else { base });
        }
    }
    let sum: f64 = weights.values().sum();
    weights.values_mut().for_each(|weight| *weight /= sum);
    weights
}

/// GROW factors are shares of the base period's GMV.
pub fn compared(values: &Values, metric: &str) -> Option<f64> {
    let value = *values.get(metric)?;
    if ["grow.gain", "grow.retain", "grow.boost", "grow.widen"].contains(&metric) {
        let base = *values.get("grow.gmv_base")?;
        return if base > 0.0 { Some(value / base) } else { None };
    }
    Some(value)
}

fn on_scale(metric: &str, value: f64) -> f64 {
    let log = ["fast.fertility", "fast.superiority", "plus.capital", "plus.clv"].contains(&metric)
        || metric.starts_with("start.");
    if !log {
        value
    } else if value < 0.0 {
        -(1.0 - value).ln()
    } else {
        (1.0 + value).ln()
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

/// Φ by Simpson's rule over 400 strips from 0.
fn phi(z: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let width = z / 400.0;
    let mut sum = density(0.0) + density(z);
    for i in 1..400 {
        sum += density(f64::from(i) * width) * if i % 2 == 1 { 4.0 } else { 2.0 };
    }
    0.5 + sum * width / 3.0
}

/// z and score of `own` among `values`, which hold it.
fn score(values: &[f64], own: f64) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.len() < 3 {
        return None;
    }
    let centre = median(values.to_vec());
    let deviations: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    let mut spread = 1.4826 * median(deviations.clone());
    if spread == 0.0 {
        spread = 1.2533 * deviations.iter().sum::<f64>() / n;
    }
    let z = if spread > 0.0 {
        ((own - centre) / spread).clamp(-3.0, 3.0)
    } else if own == centre {
        0.0
    } else if own > centre {
        3.0
    } else {
        -3.0
    };
    Some((z, 50.0 + (100.0 * phi(z) - 50.0) * n / (n + 4.0)))
}

/// z and score of member `who` on a measured metric.
pub fn part_score(members: &[(String, Values)], who: usize, metric: &'static str) -> Option<(f64, f64)> {
    let values: Vec<f64> = members
        .iter()
        .filter_map(|(_, values)| compared(values, metric))
        .map(|value| on_scale(metric, value))
        .collect();
    score(&values, on_scale(metric, compared(&members[who].1, metric)?))
}

/// Score of member `who` on a scored metric: of NEO's means, the mean of the sub-indicators' scores that exist.
pub fn metric_score(members: &[(String, Values)], who: usize, metric: &'static str) -> Option<f64> {
    let scores: Vec<f64> = parts(metric)
        .into_iter()
        .filter_map(|part| Some(part_score(members, who, part)?.1))
        .collect();
    if scores.is_empty() {
        None
    } else {
        Some(scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

#[derive(Debug)]
pub struct Index {
    pub points: Option<f64>,
    /// Score, effective weight, share present.
    pub tracks: Vec<(Option<f64>, f64, f64)>,
    /// Effective weight by metric.
    pub weights: BTreeMap<&'static str, f64>,
    /// Base weight of what is missing, by measured metric.
    pub missing: BTreeMap<&'static str, f64>,
}

pub fn index(members: &[(String, Values)], who: usize, modes: &[&str]) -> Index {
    let base = weights(modes);
    let mut result = Index {
        points: None,
        tracks: Vec::new(),
        weights: BTreeMap::new(),
        missing: BTreeMap::new(),
    };
    let mut present_tracks = 0.0;
    let mut sum = 0.0;
    for (_, metrics) in TRACKS {
        let full: f64 = metrics.iter().map(|metric| base[metric]).sum();
        let (mut present, mut weighted, mut counted) = (0.0, 0.0, 0.0);
        for metric in metrics {
            if let Some(score) = metric_score(members, who, metric) {
                present += base[metric];
                weighted += base[metric] * score;
            }
            for part in parts(metric) {
                let share = base[metric] / parts(metric).len() as f64;
                if part_score(members, who, part).is_some() {
                    counted += share;
                } else {
                    result.missing.insert(part, share);
                }
            }
        }
        let score = if present > 0.0 {
            Some(weighted / present)
        } else {
            None
        };
        if let Some(score) = score {
            present_tracks += full;
            sum += full * score;
        }
        result.tracks.push((score, full, counted / full));
    }
    for ((score, weight, _), (_, metrics)) in result.tracks.iter_mut().zip(TRACKS) {
        let full = *weight;
        *weight = if score.is_some() {
            full / present_tracks
        } else {
            0.0
        };
        let has = |metric: &&'static str| metric_score(members, who, metric).is_some();
        let present: f64 = metrics
            .iter()
            .filter(|metric| has(metric))
            .map(|metric| base[metric])
            .sum();
        for metric in metrics {
            let share = if has(metric) {
                *weight * base[metric] / present
            } else {
                0.0
            };
            result.weights.insert(metric, share);
        }
    }
    result.points = if present_tracks > 0.0 {
        Some(sum / present_tracks)
    } else {
        None
    };
    result
}

/// SplitMix64, as its author publishes it.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * bound as u128) >> 64) as usize
    }
}

/// The 95 % bounds of member `who`'s index over draws of the others, in the order of their names.
pub fn interval(
    members: &[(String, Values)],
    who: usize,
    modes: &[&str],
    draws: usize,
    seed: u64,
) -> Option<(f64, f64)> {
    let mut peers: Vec<&(String, Values)> = members
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != who)
        .map(|(_, member)| member)
        .collect();
    peers.sort_by_key(|peer| peer.0.clone());
    if peers.len() < 2 {
        return None;
    }
    let mut random = Random(seed);
    let mut points = Vec::new();
    for _ in 0..draws {
        let mut drawn = vec![members[who].clone()];
        for _ in 0..peers.len() {
            drawn.push(peers[random.below(peers.len())].clone());
        }
        points.extend(index(&drawn, 0, modes).points);
    }
    if points.len() * 10 < draws * 9 {
        return None;
    }
    points.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let at = |share: f64| points[(share * (points.len() - 1) as f64).round() as usize];
    Some((at(0.025), at(0.975)))
}
