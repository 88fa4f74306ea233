//! Random reference sets: the engine against the naive rules.

#![cfg(test)]

use dualwheel_diagnosis::scenes::Map;
use dualwheel_measure::Absence;
use proptest::prelude::*;

use crate::{Values, engine, naive, parameters};

/// Values that are absent, tie, are zero, negative or large.
fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        3 => (0..4i32).prop_map(|value| Some(f64::from(value))),
        3 => (-20.0..20.0f64).prop_map(Some),
        1 => (0.0..1e7f64).prop_map(Some),
    ]
}

fn values() -> impl Strategy<Value = Values> {
    let ids: Vec<&'static str> = naive::measured().into_iter().chain(["grow.gmv_base"]).collect();
    prop::collection::vec(value(), ids.len()).prop_map(move |values| {
        ids.iter()
            .copied()
            .zip(values)
            .filter_map(|(id, value)| Some((id, value?)))
            .collect()
    })
}

fn members(most: usize) -> impl Strategy<Value = Vec<(String, Values)>> {
    prop::collection::vec(values(), 1..=most).prop_map(|all| {
        // The brand's name lies among the peers', not before them.
        let name = |i: usize| {
            if i == 0 {
                "brand-l".to_owned()
            } else {
                format!("brand-{}", (b'a' + i as u8 * 3 % 26) as char)
            }
        };
        all.into_iter()
            .enumerate()
            .map(|(i, values)| (name(i), values))
            .collect()
    })
}

fn modes() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(
        vec!["brand-led", "service-led", "product-led", "supply-chain-led"],
        0..=4,
    )
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs())),
        (a, b) => a == b,
    }
}

macro_rules! same {
    ($a:expr, $b:expr, $what:expr) => {
        prop_assert!(near($a, $b), "{}: engine {:?}, naive {:?}", $what, $a, $b);
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn scores_weights_and_index(members in members(8), modes in modes()) {
        let map = Map::shipped().unwrap();
        let found = engine(&map, &parameters(100), &members, &modes);
        let expected = naive::index(&members, 0, &modes);
        same!(found.index.points, expected.points, "index");
        for ((track, naive), (id, _)) in found.index.tracks.iter().zip(&expected.tracks).zip(naive::TRACKS) {
            same!(track.points, naive.0, id);
            same!(Some(track.weight), Some(naive.1), id);
            same!(Some(track.weight_present), Some(naive.2), id);
            if (naive.2 - 0.5).abs() > 1e-9 {
                prop_assert_eq!(track.partial, naive.2 < 0.5);
            }
        }
        for metric in &found.metrics {
            let id = naive::TRACKS.iter().flat_map(|track| track.1).find(|id| **id == metric.id).unwrap();
            same!(metric.score.as_ref().ok().copied(), naive::metric_score(&members, 0, id), id);
            same!(Some(metric.weight), Some(expected.weights[id]), id);
        }
        for (who, (name, _)) in members.iter().enumerate() {
            let member = found.members.iter().find(|member| member.name == *name).unwrap();
            same!(member.points, naive::index(&members, who, &modes).points, name);
        }
        let missing: Vec<(&str, f64)> =
            found.missing.iter().map(|part| (part.metric.as_str(), part.weight)).collect();
        prop_assert_eq!(missing.len(), expected.missing.len());
        for (id, weight) in missing {
            same!(Some(weight), expected.missing.get(id).copied(), id);
        }
    }

    #[test]
    fn standings(members in members(9)) {
        let map = Map::shipped().unwrap();
        let found = engine(&map, &parameters(100), &members, &[]);
        for metric in found.metrics.iter().chain(&found.sub_indicators).filter(|metric| !metric.is_mean) {
            let id = naive::measured().into_iter().find(|id| *id == metric.id).unwrap();
            let own = naive::compared(&members[0].1, id);
            let mut peers: Vec<(f64, &str)> = members[1..]
                .iter()
                .filter_map(|(name, values)| Some((naive::compared(values, id)?, name.as_str())))
                .collect();
            peers.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap());
            let place = &metric.standing;
            prop_assert_eq!(place.members, peers.len() + usize::from(own.is_some()));
            prop_assert_eq!(place.rank, own.map(|own| 1 + peers.iter().filter(|peer| peer.0 > own).count()));
            let sum = |peers: &[(f64, &str)]| peers.iter().map(|peer| peer.0).sum::<f64>();
            let some = |value: f64| (!peers.is_empty()).then_some(value);
            same!(place.peer_mean, some(sum(&peers) / peers.len() as f64), id);
            let best = peers.len().div_ceil(4);
            same!(place.top_quartile_mean, some(sum(&peers[..best]) / best as f64), id);
            if !peers.is_empty() {
                same!(place.peer_median, Some(naive::median(peers.iter().map(|peer| peer.0).collect())), id);
            }
            let least = own.and_then(|own| peers.iter().map(|peer| peer.0).filter(|value| *value > own).reduce(f64::min));
            same!(place.nearest_above.as_ref().map(|near| near.1), least, id);
            let first = least.and_then(|least| peers.iter().filter(|peer| peer.0 == least).map(|peer| peer.1).min());
            prop_assert_eq!(place.nearest_above.as_ref().map(|near| near.0.as_str()), first);
            same!(metric.z, naive::part_score(&members, 0, id).map(|score| score.0), id);
            let reason = match (own, naive::part_score(&members, 0, id)) {
                (_, Some(_)) => None,
                (Some(_), None) => Some(Absence::TooFewPeers),
                (None, None) => Some(absence(&members[0].1, id)),
            };
            prop_assert_eq!(metric.score.as_ref().err().map(|why| why.0), reason);
        }
    }

    #[test]
    fn gaps_and_scenes(members in members(6), modes in modes()) {
        let map = Map::shipped().unwrap();
        let found = engine(&map, &parameters(100), &members, &modes);
        let expected = naive::index(&members, 0, &modes);
        let mut gaps: Vec<(f64, &str)> = expected
            .weights
            .iter()
            .filter_map(|(id, weight)| Some((weight * (100.0 - naive::metric_score(&members, 0, id)?), *id)))
            .collect();
        gaps.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap());
        prop_assert_eq!(found.gaps.len(), gaps.len().min(8));
        for (gap, naive) in found.gaps.iter().zip(&gaps) {
            same!(Some(gap.points), Some(naive.0), gap.metric);
        }
        // Scenes: recomputed from the metrics that the engine named, as ties may be cut either way.
        let weak = |id: &String| found.gaps.iter().find(|gap| gap.metric == *id).map(|gap| gap.points);
        let mut all: Vec<f64> =
            map.scenes.iter().map(|scene| scene.metrics.iter().filter_map(weak).sum::<f64>()).filter(|sum| *sum > 0.0).collect();
        all.sort_by(|a, b| b.partial_cmp(a).unwrap());
        prop_assert_eq!(found.scenes.len(), all.len().min(12));
        for (action, sum) in found.scenes.iter().zip(&all) {
            same!(Some(action.priority), Some(*sum), action.scene.id);
            prop_assert!(action.metrics.iter().all(|metric| action.scene.metrics.contains(metric)));
        }
        for pair in found.scenes.windows(2) {
            if pair[0].priority == pair[1].priority {
                prop_assert!(pair[0].scene.focus >= pair[1].scene.focus);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn bootstrap(members in members(5), modes in modes()) {
        let map = Map::shipped().unwrap();
        let parameters = parameters(100);
        let found = engine(&map, &parameters, &members, &modes);
        let expected = naive::interval(&members, 0, &modes, 100, parameters.bootstrap.seed);
        same!(found.interval.map(|interval| interval.low), expected.map(|bounds| bounds.0), "low");
        same!(found.interval.map(|interval| interval.high), expected.map(|bounds| bounds.1), "high");
    }
}

/// Why a value that is to be compared is absent.
fn absence(values: &Values, id: &str) -> Absence {
    let is_share = ["grow.gain", "grow.retain", "grow.boost", "grow.widen"].contains(&id);
    if is_share && values.contains_key(id) && values.contains_key("grow.gmv_base") {
        Absence::NoDenominator
    } else {
        Absence::NoData
    }
}
