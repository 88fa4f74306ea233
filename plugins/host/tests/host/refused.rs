//! Files that are not loaded: what they are not, what they ask for, what they were built for.

use std::time::{Duration, Instant};

use dualwheel_plugin_host::{Age, Engine, Error, Limits, Policy, World};
use dualwheel_plugin_sdk::Parameters;
use proptest::prelude::*;

use crate::{ENGINE, apart, candidates, guest::Guest, limits, others_are_well};

fn refused(bytes: &[u8]) -> Error {
    let error = ENGINE.load(bytes, World::KocModel, Policy::Pure).unwrap_err();
    others_are_well();
    error
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn what_is_no_component() {
    let module = component(&Guest::koc("plain").module());
    assert_eq!(
        refused(&module),
        Error::NotAComponent {
            found: "a core module"
        }
    );
    for bytes in [b"".as_slice(), b"\0asm", b"#!/bin/sh\nexit 0\n", &[0xff; 100]] {
        assert_eq!(
            refused(bytes),
            Error::NotAComponent {
                found: "no WebAssembly"
            }
        );
    }
}

#[test]
fn imports_are_named() {
    for (import, reason) in [
        ("wasi:clocks/wall-clock@0.2.0", "PLUGIN_WASI_REFUSED"),
        ("wasi:filesystem/types@0.2.3", "PLUGIN_WASI_REFUSED"),
        ("wasi:sockets/tcp@0.2.0", "PLUGIN_IMPORT_REFUSED"),
        ("wasi:http/outgoing-handler@0.2.0", "PLUGIN_IMPORT_REFUSED"),
        ("acme:secrets/vault@3.1.0", "PLUGIN_IMPORT_REFUSED"),
        ("dualwheel:plugin/vault@1.0.0", "PLUGIN_IMPORT_REFUSED"),
    ] {
        let error = refused(&component(&format!(
            "(component (import \"{import}\" (instance)))"
        )));
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(&format!("`{import}`")), "{error}");
    }
}

#[test]
fn more_of_the_host_than_there_is() {
    let guest = Guest::koc("clock")
        .contract(
            "log: func(line: string);",
            "log: func(line: string); now: func() -> u64;",
        )
        .importing("(import \"dualwheel:plugin/host@1.1.0\" \"now\" (func $now (result i64)))");
    let error = refused(&guest.build());
    assert_eq!(error.reason(), "PLUGIN_IMPORT_REFUSED");
    assert!(error.to_string().contains("`now`"), "{error}");
}

#[test]
fn other_versions_of_the_contract() {
    for (version, age) in [
        ("0.9.0", Age::Older),
        ("1.0.1", Age::Unknown),
        ("1.1.1", Age::Newer),
        ("1.2.0", Age::Newer),
        ("2.0.0", Age::Newer),
    ] {
        let error = refused(&Guest::koc("plain").version(version).build());
        assert_eq!(error.reason(), "PLUGIN_CONTRACT_VERSION");
        let Error::ContractVersion { found, age: told } = error else {
            panic!("{error}")
        };
        assert_eq!(told, age, "{version}");
        assert!(found.ends_with(&format!("@{version}")), "{found}");
    }
    let error = refused(&component("(component)"));
    assert!(
        matches!(
            error,
            Error::ContractVersion {
                age: Age::Unknown,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_world_that_its_generation_does_not_have() {
    let component = Guest::hit("hit").version("1.0.0").build();
    let error = ENGINE.load_any(&component, Policy::Pure).unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_CONTRACT_VERSION");
    assert!(
        error.to_string().contains("@1.0.0, which has no hit-model"),
        "{error}"
    );
    // The others are of both.
    for guest in [Guest::koc("plain"), Guest::style("trend")] {
        ENGINE
            .load_any(&guest.version("1.0.0").build(), Policy::Pure)
            .unwrap();
    }
}

#[test]
fn other_worlds() {
    let error = refused(&Guest::style("trend").build());
    let found = "a style-trend-model".to_owned();
    assert_eq!(
        error,
        Error::WrongWorld {
            wanted: World::KocModel,
            found
        }
    );
    let none = "(component (import \"dualwheel:plugin/types@1.0.0\" (instance)))";
    let error = refused(&component(none));
    assert_eq!(
        error.to_string(),
        "a koc-model was expected, but the component is without `describe`"
    );
    let guest = Guest::koc("plain").contract(
        "export score: func(batch: feature-batch, parameters: list<parameter>)",
        "export score: func(batch: feature-batch, parameters: list<string>)",
    );
    let error = refused(&guest.build());
    assert_eq!(error.reason(), "PLUGIN_WRONG_WORLD");
    assert!(error.to_string().contains("`score` of another type"), "{error}");
    let any = ENGINE.load_any(&guest.build(), Policy::Pure).unwrap_err();
    assert_eq!(
        any, error,
        "what is wrong, not that it is no model of the other world"
    );
}

#[test]
fn a_describe_of_another_type() {
    let changed = (
        "export describe: func() -> description",
        "export describe: func() -> string",
    );
    for guest in [Guest::koc("plain"), Guest::style("trend")] {
        let bytes = guest.contract(changed.0, changed.1).build();
        let error = ENGINE.load_any(&bytes, Policy::Pure).unwrap_err();
        assert_eq!(error.reason(), "PLUGIN_BAD_DESCRIPTION");
        let told = error.to_string();
        for word in [
            "`describe` has another type",
            "`func() -> description`",
            "plugin.wit",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}

#[test]
fn descriptions_that_no_host_can_go_by() {
    for (guest, told) in [
        (
            Guest::koc("plain").asking(&[("gmv", true)]),
            "a koc-model has no column `gmv`",
        ),
        (
            Guest::koc("plain").asking(&[("match", true), ("match", false)]),
            "the column `match` is asked for twice",
        ),
        (
            Guest::koc("plain").parameters(&[("weight", 2.0, 0.0, 1.0)]),
            "least ≤ default ≤ greatest",
        ),
        (
            Guest::koc("plain").parameters(&[("weight", 0.0, f64::NAN, 1.0)]),
            "must be finite",
        ),
        (
            Guest::koc("plain").parameters(&[("Weight", 0.0, 0.0, 1.0)]),
            "must be of a-z",
        ),
    ] {
        let plugin = ENGINE
            .load(&guest.build(), World::KocModel, Policy::Pure)
            .unwrap();
        let error = plugin.describe().unwrap_err();
        assert_eq!(error.reason(), "PLUGIN_BAD_DESCRIPTION");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(
            plugin.score(&candidates(3), &Parameters::new()).unwrap_err(),
            error
        );
    }
}

#[test]
fn what_is_larger_than_admitted() {
    let plain = Guest::koc("plain").build();
    for (limits, told) in [
        (
            Limits {
                component_bytes: 100,
                ..limits()
            },
            "at most 100 are admitted",
        ),
        (
            Limits {
                compiled_bytes: 1_000,
                ..limits()
            },
            "at most 1000 are admitted",
        ),
        (
            Limits {
                instances: 1,
                ..limits()
            },
            "core module instances",
        ),
    ] {
        let engine = Engine::new(limits, apart(), None).unwrap();
        let error = engine.load(&plain, World::KocModel, Policy::Pure).unwrap_err();
        assert_eq!(error.reason(), "PLUGIN_TOO_LARGE");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn limits_that_bound_nothing() {
    for (wrong, limit) in [
        (
            Limits {
                fuel_base: 0,
                ..limits()
            },
            "fuel_base",
        ),
        (
            Limits {
                deadline: Duration::ZERO,
                ..limits()
            },
            "deadline",
        ),
        (
            Limits {
                memory_bytes: 0,
                ..limits()
            },
            "memory_bytes",
        ),
        (
            Limits {
                rows: 65_537,
                ..limits()
            },
            "rows",
        ),
        (Limits { runs: 0, ..limits() }, "runs"),
        (
            Limits {
                stack_bytes: 64 << 20,
                ..limits()
            },
            "stack_bytes",
        ),
    ] {
        let error = Engine::new(wrong, apart(), None).unwrap_err();
        assert!(
            matches!(error, Error::Limit { limit: told, .. } if told == limit),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(100) })]

    /// A damaged file is refused, or is a model of its own that is bounded like any other.
    #[test]
    fn damaged_files_neither_crash_nor_hang(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..4),
        kept in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = Guest::koc("plain").build();
        if let Some(kept) = kept {
            bytes.truncate(kept.index(bytes.len()));
        }
        for (at, bit) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
        let started = Instant::now();
        let loaded = ENGINE.load(&bytes, World::KocModel, Policy::Pure);
        let outcome = loaded.and_then(|plugin| plugin.score(&candidates(5), &Parameters::new()));
        if let Err(error) = outcome {
            prop_assert!(error.reason().starts_with("PLUGIN_"));
            prop_assert!(!["PLUGIN_ENGINE", "PLUGIN_BUSY", "PLUGIN_INPUT"].contains(&error.reason()), "{}", error);
        }
        prop_assert!(started.elapsed() < Duration::from_secs(60));
    }
}
