//! What must hold for every diagnosis.

#![cfg(test)]

use dualwheel_diagnosis::scenes::Map;

use crate::{Values, engine, naive, parameters};

/// A market of `n` brands with every metric, different for each, some absent.
fn market(n: usize) -> Vec<(String, Values)> {
    let mut random = naive::Random(7);
    let ids: Vec<&'static str> = naive::measured().into_iter().chain(["grow.gmv_base"]).collect();
    (0..n)
        .map(|brand| {
            let present = ids
                .iter()
                .filter(|_| random.below(8) > 0)
                .copied()
                .collect::<Vec<_>>();
            let values = present
                .into_iter()
                .map(|id| (id, 1.0 + random.below(1_000) as f64))
                .collect();
            (format!("brand-{brand:02}"), values)
        })
        .collect()
}

#[test]
fn weights_sum_to_one_and_gaps_to_the_rest() {
    let map = Map::shipped().unwrap();
    for (n, modes) in [
        (3, vec![]),
        (10, vec!["brand-led"]),
        (10, vec!["product-led", "service-led"]),
    ] {
        let members = market(n);
        let found = engine(&map, &parameters(100), &members, &modes);
        let sum = |numbers: Vec<f64>| numbers.iter().sum::<f64>();
        let metrics = sum(found.metrics.iter().map(|metric| metric.weight).collect());
        let tracks = sum(found.index.tracks.iter().map(|track| track.weight).collect());
        assert!((metrics - 1.0).abs() < 1e-12 && (tracks - 1.0).abs() < 1e-12);
        let gaps = sum(found.metrics.iter().map(|metric| metric.gap).collect());
        assert!((gaps - (100.0 - found.index.points.unwrap())).abs() < 1e-9);
        let base = naive::weights(&modes);
        let missing = sum(found.missing.iter().map(|part| part.weight).collect());
        let present: f64 = naive::TRACKS
            .iter()
            .flat_map(|track| track.1)
            .map(|id| {
                let parts = naive::parts(id);
                let there = parts
                    .iter()
                    .filter(|part| naive::part_score(&members, 0, part).is_some())
                    .count();
                base[id] * there as f64 / parts.len() as f64
            })
            .sum();
        assert!((missing + present - 1.0).abs() < 1e-12, "{missing} + {present}");
    }
}

#[test]
fn numbers_are_the_same_whoever_asks() {
    let map = Map::shipped().unwrap();
    let members = market(9);
    let first = engine(&map, &parameters(100), &members, &[]).members;
    for who in 1..members.len() {
        let mut turned = members.clone();
        turned.rotate_left(who);
        let found = engine(&map, &parameters(100), &turned, &[]);
        assert_eq!(found.members, first);
        assert_eq!(found.index.points, first[who].points);
    }
}

#[test]
fn the_order_of_peers_does_not_matter_and_repeating_changes_nothing() {
    let map = Map::shipped().unwrap();
    let parameters = parameters(1_000);
    let members = market(10);
    let mut turned = members.clone();
    turned[1..].reverse();
    let told =
        |members: &[(String, Values)]| format!("{:?}", engine(&map, &parameters, members, &["brand-led"]));
    let first = told(&members);
    assert_eq!(first, told(&members));
    assert_eq!(first, told(&turned));
    let found = engine(&map, &parameters, &members, &["brand-led"]);
    let interval = found.interval.unwrap();
    assert!(interval.low < interval.high && interval.low > 0.0 && interval.high < 100.0);
}

#[test]
fn better_values_never_lower_a_score() {
    let map = Map::shipped().unwrap();
    let mut members = market(10);
    let before = engine(&map, &parameters(100), &members, &[]);
    for id in [
        "super.conversion",
        "fast.fertility",
        "neo.solidity.repurchase",
        "start.reach",
    ] {
        members[0].1.insert(id, 5_000.0);
    }
    let after = engine(&map, &parameters(100), &members, &[]);
    for (a, b) in before.metrics.iter().zip(&after.metrics) {
        if let (Ok(a), Ok(b)) = (&a.score, &b.score) {
            assert!(b >= a);
        }
    }
}

#[test]
fn two_hundred_peers_take_no_more_than_seconds() {
    let map = Map::shipped().unwrap();
    let began = std::time::Instant::now();
    engine(&map, &parameters(1_000), &market(201), &[]);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
