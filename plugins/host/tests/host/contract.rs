//! The contract is frozen: what was published stays as it is.

use dualwheel_plugin_sdk::hit;
use sha2::{Digest, Sha256};

use crate::guest::CONTRACT;

/// The generation before.
const BEFORE: &str = include_str!("../../../wit/1.0.0/plugin.wit");
/// SHA-256 of the generations as published. They never change: what comes later is another one.
const PUBLISHED: [(&str, &str); 2] = [
    (
        BEFORE,
        "c927150748534b1ed28213ff571252c1274c764e4d311ca459ac581e3fe80b82",
    ),
    (
        CONTRACT,
        "d38b675ddd10108d943ea27a7fa5e8b3d8c73a05e6398cfc9af7dc8389643a42",
    ),
];

#[test]
fn the_contracts_are_those_that_were_published() {
    for (contract, published) in PUBLISHED {
        let hash: String = Sha256::digest(contract)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hash, published);
    }
}

#[test]
fn a_generation_has_all_of_the_one_before() {
    // What is declared, line by line, without what is said about it.
    let declared = |contract: &str| -> Vec<String> {
        let lines = contract.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("///"))
            .map(|line| line.replace("@1.0.0;", "@1.1.0;"))
            .collect()
    };
    let (before, now) = (declared(BEFORE), declared(CONTRACT));
    assert!(now.len() > before.len() && now.starts_with(&before));
}

#[test]
fn the_host_knows_every_column_of_the_contract() {
    for world in dualwheel_plugin_host::World::ALL {
        let text = CONTRACT
            .split("world ")
            .find(|part| part.starts_with(world.name()));
        assert!(text.is_some(), "{world}");
        for column in world.columns() {
            // The ranks are told of in one sentence.
            let name = column.name.strip_suffix("_rank").unwrap_or(column.name);
            assert!(CONTRACT.contains(&format!("`{name}`")), "{}", column.name);
        }
        for answer in world.answers() {
            assert!(
                CONTRACT.contains(&format!("`{}`", answer.name)),
                "{}",
                answer.name
            );
        }
    }
    let quoted = CONTRACT
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| !["1.2.0", "_rank", "log", "hit-model", "NEW", "MATURE", "TAIL"].contains(word))
        .filter(|word| !hit::REASONS.contains(word));
    for word in quoted {
        let known = dualwheel_plugin_host::World::ALL.iter().any(|world| {
            world.kind(word).is_some() || world.answers().iter().any(|answer| answer.name == word)
        });
        assert!(known, "the contract tells of `{word}`");
    }
}
