//! The contract is frozen: what was published stays as it is.

use sha2::{Digest, Sha256};

use crate::guest::CONTRACT;

/// SHA-256 of `plugins/wit/plugin.wit` as published. It never changes: what comes later is another file beside it.
const PUBLISHED: &str = "c927150748534b1ed28213ff571252c1274c764e4d311ca459ac581e3fe80b82";

#[test]
fn the_contract_is_the_one_that_was_published() {
    let hash: String = Sha256::digest(CONTRACT)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hash, PUBLISHED);
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
        .filter(|word| !["1.2.0", "_rank", "log"].contains(word));
    for word in quoted {
        let known = dualwheel_plugin_host::World::ALL.iter().any(|world| {
            world.kind(word).is_some() || world.answers().iter().any(|answer| answer.name == word)
        });
        assert!(known, "the contract tells of `{word}`");
    }
}
