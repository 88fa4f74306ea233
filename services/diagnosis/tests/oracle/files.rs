//! The shipped files, and what is refused of others.

#![cfg(test)]

use std::collections::BTreeSet;

use dualwheel_diagnosis::{DEFINITIONS, parameters::Parameters, scenes::Map};
use dualwheel_measure::{Catalogue, Definitions};

use crate::naive;

#[test]
fn the_shipped_files_fit_each_other_and_the_methodology() {
    let definitions: Definitions<Parameters> = Definitions::shipped(DEFINITIONS).unwrap();
    let map = Map::shipped().unwrap();
    let tracks = definitions.parameters.tracks.iter();
    map.fits(tracks.map(|track| (track.id.as_str(), track.metrics.as_slice())))
        .unwrap();
    let scored: Vec<&str> = definitions.parameters.scored().collect();
    let expected: Vec<&str> = naive::TRACKS
        .iter()
        .flat_map(|track| track.1.iter().copied())
        .collect();
    assert_eq!(scored, expected);
    assert_eq!((map.scenes.len(), map.modes.len()), (89, 4));
    let served: BTreeSet<&str> = map
        .scenes
        .iter()
        .flat_map(|scene| scene.metrics.iter().map(String::as_str))
        .collect();
    assert_eq!(served, expected.iter().copied().collect());
    assert_eq!(definitions.parameters.bootstrap.draws, 1_000);
    let ids: Vec<&str> = definitions
        .metrics
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "index",
            "track.people",
            "track.goods",
            "track.brand",
            "track.members",
            "track.content",
            "neo.novelty",
            "neo.engagement",
            "neo.solidity"
        ]
    );
    for entry in &definitions.metrics {
        assert_ne!(
            definitions.parameters_json(entry),
            "{}",
            "{} names no parameter that exists",
            entry.id
        );
    }
}

#[test]
fn wrong_overrides_are_refused_when_loaded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("acme")).unwrap();
    let wrong = |text: &str| {
        std::fs::write(
            folder.path().join("acme/diagnosis.yaml"),
            format!("parameters: {{{text}}}"),
        )
        .unwrap();
        Catalogue::<Parameters>::load("diagnosis", DEFINITIONS, Some(folder.path()))
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(wrong("weights: {plus.clv: 3}, mode_factor: 1.5"), None);
    for (text, names) in [
        ("weights: {nose: 3}", "nose"),
        ("weights: {plus.clv: 0}", "plus.clv"),
        ("weights: {plus.clv: .nan}", "plus.clv"),
        ("mode_factor: -1", "mode_factor"),
        ("partial_below: 2", "partial_below"),
        ("bootstrap: {draws: 1}", "draws"),
        ("tracks: []", "tracks"),
        ("means: {neo.novelty: [nose]}", "nose"),
        ("metrics: {plus.clv: {share_of: nose}}", "nose"),
        ("metrics: {plus.clv: {better: none}}", "plus.clv"),
        ("surprise: 1", "surprise"),
    ] {
        let error = wrong(text).unwrap_or_else(|| panic!("{text} was accepted"));
        assert!(
            error.contains(names) && error.contains("diagnosis.yaml"),
            "{text}: {error}"
        );
    }
}

#[test]
fn wrong_maps_are_refused() {
    let map = |scenes: &str| {
        Map::read(&format!(
            "version: 1\nmetrics: {{goods: [super.star]}}\nmodes: {{}}\nscenes:\n{scenes}"
        ))
    };
    let scene = |id: &str, metric: &str| {
        format!("- {{id: {id}, chain: c, zh: 甲, en: A, does: x, metrics: [{metric}], from: body}}\n")
    };
    assert!(map(&scene("plvm.a", "super.star")).is_ok());
    let wrong = [
        (scene("plvm.a", "nose"), "nose"),
        (scene("nose.a", "super.star"), "wheel"),
        (scene("plvm.a", "super.star").repeat(2), "twice"),
        (scene("plvm.a", ""), "no metric"),
        ("- {id: x}".to_owned(), "chain"),
    ];
    for (text, names) in wrong {
        let error = map(&text).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    }
    let fitting = map(&scene("plvm.a", "super.star")).unwrap();
    assert!(
        fitting
            .fits([("goods", ["super.star".to_owned()].as_slice())].into_iter())
            .is_ok()
    );
    assert!(
        fitting
            .fits([("goods", ["super.nose".to_owned()].as_slice())].into_iter())
            .is_err()
    );
    assert!(fitting.fits(std::iter::empty()).is_err());
}

/// A tenant's file changes, adds and takes away by id, and a brand's is laid upon it; what is wrong is told with the file.
#[test]
fn scenes_and_modes_are_overridden_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let brand = folder.path().join("acme/b1");
    std::fs::create_dir_all(&brand).unwrap();
    let catalogue: Catalogue<Parameters> = Catalogue::load("diagnosis", DEFINITIONS, None).unwrap();
    let load = |tenant: &str, of_brand: &str| {
        std::fs::write(folder.path().join("acme/diagnosis.scenes.yaml"), tenant).unwrap();
        std::fs::write(brand.join("diagnosis.scenes.yaml"), of_brand).unwrap();
        Map::load(Some(folder.path()), &catalogue).map_err(|error| error.to_string())
    };
    let shipped = Map::shipped().unwrap();
    let style = "plvm.insight.style";
    let maps = load(
        "scenes: {plvm.insight.style: {metrics: [super.star]}, plvm.insight.demand: null}\n\
         modes: {own: {zh: 自, emphasis: [plus.clv]}}",
        "scenes: {clvm.own: {chain: c, zh: 自, en: Own, does: x, metrics: [plus.clv]}}",
    )
    .unwrap();
    let (tenant, brand, other) = (
        maps.of("acme", "b2"),
        maps.of("acme", "b1"),
        maps.of("other", "b1"),
    );
    let find = |map: &Map, id: &str| map.scenes.iter().find(|scene| scene.id == id).cloned();
    assert_eq!(find(&tenant, style).unwrap().metrics, ["super.star"]);
    assert_eq!(
        find(&tenant, style).unwrap().zh,
        find(&shipped, style).unwrap().zh
    );
    assert_eq!(
        (tenant.scenes.len(), brand.scenes.len(), other.scenes.len()),
        (88, 89, 89)
    );
    assert!(find(&brand, "clvm.own").is_some() && find(&brand, "plvm.insight.demand").is_none());
    assert_eq!(
        (tenant.modes.len(), other.modes.len(), other.mark.as_str()),
        (5, 4, "")
    );
    assert!(tenant.mark.starts_with("+scenes+tenant.") && brand.mark.contains("+brand."));

    for (wrong, names) in [
        ("scenes: {plvm.insight.style: {metrics: [nose]}}", "nose"),
        ("scenes: {plvm.new: {chain: c}}", "plvm.new"),
        ("scenes: {plvm.nose: null}", "plvm.nose"),
        (
            "scenes: {nose.x: {chain: c, zh: 自, en: X, does: x, metrics: [plus.clv]}}",
            "wheel",
        ),
        ("modes: {own: {zh: 自, emphasis: [nose]}}", "nose"),
        ("modes: {nose: null}", "nose"),
        ("acts: {}", "acts"),
    ] {
        let error = load(wrong, "").unwrap_err();
        assert!(
            error.contains(names) && error.contains("acme/diagnosis.scenes.yaml"),
            "{wrong}: {error}"
        );
    }
}
