//! Examples whose numbers were worked by hand.

#![cfg(test)]

use dualwheel_diagnosis::{model::Model, scenes::Map};
use dualwheel_measure::Absence;

use crate::{Values, engine, parameters};

fn set(metric: &'static str, values: &[f64]) -> Vec<(String, Values)> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    values
        .iter()
        .zip(names)
        .map(|(value, name)| (name.to_owned(), Values::from([(metric, *value)])))
        .collect()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-4, "{a} is not {b}");
}

/// Conversion 4 % against 1, 2, 3 and 10 %; everybody has 100 people; nothing else is known.
///
/// Conversion: median 3, deviations 2 1 0 1 7, MAD 1, spread 1.4826, z = 1/1.4826 = .67449, Φ = .75, n = 5:
/// 50 + 25·5/9 = 63.8889. People: MAD 0, mean deviation 0, all equal: z = 0, 50.
/// Tracks: goods 63.8889, people 50; three tracks absent, so both carry ½: index 56.9444.
#[test]
fn two_metrics_of_two_tracks() {
    let mut members = set("super.conversion", &[0.04, 0.01, 0.02, 0.03, 0.10]);
    members.iter_mut().for_each(|(_, values)| {
        values.insert("fast.fertility", 100.0);
    });
    let map = Map::shipped().unwrap();
    let found = engine(&map, &parameters(1_000), &members, &[]);
    close(found.index.points.unwrap(), 56.9444);
    assert_eq!(found.rank, Some(2));
    let conversion = found
        .metrics
        .iter()
        .find(|metric| metric.id == "super.conversion")
        .unwrap();
    close(*conversion.score.as_ref().unwrap(), 63.8889);
    close(conversion.z.unwrap(), 0.67449);
    close(conversion.weight, 0.5);
    // ½ × (100 − 63.8889)
    close(conversion.gap, 18.0556);
    let place = &conversion.standing;
    assert_eq!((place.rank, place.members), (Some(2), 5));
    // Peers 1 2 3 10: mean 4, median 2.5, best ⌈4/4⌉ = 1: 10.
    close(place.peer_mean.unwrap(), 0.04);
    close(place.peer_median.unwrap(), 0.025);
    close(place.top_quartile_mean.unwrap(), 0.10);
    assert_eq!(place.nearest_above, Some(("e".to_owned(), 0.10)));
    // People: ½ × 50 = 25 points, the larger gap.
    let gaps: Vec<&str> = found.gaps.iter().map(|gap| gap.metric.as_str()).collect();
    assert_eq!(gaps, ["fast.fertility", "super.conversion"]);
    // Present: a ninth of people's fifth and a fifth of goods'.
    close(found.index.tracks[0].weight_present, 1.0 / 9.0);
    close(found.index.tracks[1].weight_present, 0.2);
    assert!(found.index.tracks.iter().all(|track| track.partial));
    let missing: f64 = found.missing.iter().map(|part| part.weight).sum();
    close(missing, 1.0 - 0.2 / 9.0 - 0.2 / 5.0);
    // A scene that serves both gaps comes first among those of equal sum by being a key action.
    close(found.scenes[0].priority, 25.0);
}

/// Product-led doubles super.novelty, super.star, super.conversion (1/25 each), grow.widen (1/45), start.seeding
/// (1/25): the sum becomes 1 + 3/25 + 1/45 + 1/25 = 1.182222.
#[test]
fn a_mode_doubles_and_all_is_divided_by_the_sum() {
    let map = Map::shipped().unwrap();
    let model = Model::new(&parameters(100), &map.emphasised(&["product-led".to_owned()]));
    let weight = |id: &str| {
        model
            .scored()
            .find(|(_, metric)| metric.id == id)
            .unwrap()
            .1
            .weight
    };
    close(weight("super.conversion"), 0.08 / 1.182_222);
    close(weight("grow.widen"), 2.0 / 45.0 / 1.182_222);
    close(weight("plus.clv"), 0.05 / 1.182_222);
    // super.novelty is emphasised by two modes, and still doubled once.
    let both = Model::new(
        &parameters(100),
        &map.emphasised(&["product-led".to_owned(), "supply-chain-led".to_owned()]),
    );
    let weight = |id: &str| {
        both.scored()
            .find(|(_, metric)| metric.id == id)
            .unwrap()
            .1
            .weight
    };
    close(weight("super.novelty"), weight("super.star"));
}

/// GROW factors are compared as shares: 30 of 1 000 is less than 10 of 100.
#[test]
fn growth_is_a_share_of_the_base() {
    let mut members = set("grow.gain", &[30.0, 10.0, 0.0]);
    for ((_, values), base) in members.iter_mut().zip([1_000.0, 100.0, 50.0]) {
        values.insert("grow.gmv_base", base);
    }
    let map = Map::shipped().unwrap();
    let found = engine(&map, &parameters(100), &members, &[]);
    let gain = found
        .metrics
        .iter()
        .find(|metric| metric.id == "grow.gain")
        .unwrap();
    assert!(gain.is_share);
    close(*gain.compared.as_ref().unwrap(), 0.03);
    assert_eq!(gain.standing.rank, Some(2));
    assert_eq!(gain.standing.nearest_above, Some(("b".to_owned(), 0.1)));
    // A brand that sold nothing before has nothing to be a share of.
    members[0].1.insert("grow.gmv_base", 0.0);
    let found = engine(&map, &parameters(100), &members, &[]);
    let gain = found
        .metrics
        .iter()
        .find(|metric| metric.id == "grow.gain")
        .unwrap();
    assert_eq!(gain.score.as_ref().unwrap_err().0, Absence::NoDenominator);
}

/// Novelty: density scores 50 in a flat set, penetration is absent, selling_point has too few members: the mean is 50
/// and two thirds of its weight are missing.
#[test]
fn a_mean_leaves_absent_sub_indicators_to_the_rest() {
    let mut members = set("neo.novelty.pioneer_density", &[0.2, 0.2, 0.2]);
    members[0].1.insert("neo.novelty.selling_point", 0.5);
    let map = Map::shipped().unwrap();
    let found = engine(&map, &parameters(100), &members, &[]);
    let novelty = found
        .metrics
        .iter()
        .find(|metric| metric.id == "neo.novelty")
        .unwrap();
    close(*novelty.score.as_ref().unwrap(), 50.0);
    assert_eq!(
        (novelty.standing.rank, novelty.standing.members, novelty.z),
        (Some(1), 3, None)
    );
    close(novelty.weight, 1.0);
    let of = |id: &str| found.missing.iter().find(|part| part.metric == id).unwrap();
    assert_eq!(of("neo.novelty.pioneer_penetration").absence, Absence::NoData);
    assert_eq!(of("neo.novelty.selling_point").absence, Absence::TooFewPeers);
    close(of("neo.novelty.selling_point").weight, 1.0 / 45.0);
    let density = found
        .sub_indicators
        .iter()
        .find(|part| part.id == "neo.novelty.pioneer_density")
        .unwrap();
    close(density.weight, 1.0);
    assert!(
        found
            .members
            .iter()
            .all(|member| member.values["neo.novelty"] == 50.0)
    );
}

#[test]
fn two_members_have_no_scores() {
    let map = Map::shipped().unwrap();
    let found = engine(&map, &parameters(100), &set("super.star", &[0.5, 0.1]), &[]);
    assert_eq!(
        (found.index.points, found.rank, found.interval),
        (None, None, None)
    );
    assert_eq!(found.index_absence.unwrap().0, Absence::TooFewPeers);
    assert!(found.gaps.is_empty() && found.scenes.is_empty());
    let missing: f64 = found.missing.iter().map(|part| part.weight).sum();
    close(missing, 1.0);
}

/// Nine equal brands and one better: ranks are shared by the equal ones.
#[test]
fn ties_share_the_best_place() {
    let map = Map::shipped().unwrap();
    let found = engine(
        &map,
        &parameters(100),
        &set("super.star", &[0.5, 0.5, 0.5, 0.5, 0.9]),
        &[],
    );
    let star = found
        .metrics
        .iter()
        .find(|metric| metric.id == "super.star")
        .unwrap();
    assert_eq!(star.standing.rank, Some(2));
    assert_eq!(found.rank, Some(2));
    // MAD 0, mean deviation .4/5 = .08: spread .100264; the best lies beyond 3 of them, the brand at 0.
    close(*star.score.as_ref().unwrap(), 50.0);
}
