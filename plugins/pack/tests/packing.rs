//! Modules that fit the contract, and what compilers add to them.
#![cfg(test)]

use std::{borrow::Cow, sync::LazyLock};

use dualwheel_plugin_pack::{Error, imports, pack, strip};
use proptest::prelude::*;
use wasm_encoder::{CustomSection, Module, NameMap, NameSection, RawSection, Section};
use wasmparser::{Parser, Payload};
use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A module that exports all that `world` asks for, with the world's description or without.
fn guest(world: &str, described: bool) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path("../wit").unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = dummy_module(
        &resolve,
        world,
        ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync),
    );
    if described {
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    }
    module
}

/// `module` with another section behind its section `at`.
fn with_section(module: &[u8], at: usize, section: &impl Section) -> Vec<u8> {
    let mut copy = Module::new();
    let mut sections = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Some((id, range)) = payload.unwrap().as_section() {
            copy.section(&RawSection {
                id,
                data: &module[range],
            });
            if sections == at {
                copy.section(section);
            }
            sections += 1;
        }
    }
    copy.finish()
}

fn names_of(function: &str) -> NameSection {
    let mut functions = NameMap::new();
    functions.append(0, function);
    let mut names = NameSection::new();
    names.module("/home/somebody/guest");
    names.functions(&functions);
    names
}

#[test]
fn a_component_imports_the_contract_and_nothing_else() {
    for world in ["koc-model", "style-trend-model", "hit-model"] {
        let component = pack(&guest(world, true)).unwrap();
        assert_eq!(
            imports(&component).unwrap(),
            ["dualwheel:plugin/host@1.1.0", "dualwheel:plugin/types@1.1.0"],
            "{world}"
        );
    }
}

#[test]
fn says_what_is_wrong() {
    let module = guest("koc-model", true);
    let component = pack(&module).unwrap();
    assert!(matches!(pack(&component), Err(Error::IsComponent)));
    assert!(matches!(strip(&component), Err(Error::IsComponent)));
    assert!(matches!(imports(&module), Err(Error::IsModule)));
    assert!(matches!(pack(&guest("koc-model", false)), Err(Error::NoWorld)));
    assert!(matches!(pack(b""), Err(Error::Malformed { .. })));
    assert!(matches!(pack(b"#!/bin/sh\n"), Err(Error::Malformed { .. })));
    assert!(matches!(
        pack(&module[..module.len() / 2]),
        Err(Error::Malformed { .. })
    ));

    // The exports of one world under the description of the other.
    let other = guest("style-trend-model", true);
    let described = Parser::new(0)
        .parse_all(&other)
        .find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == "component-type" => Some(section.data()),
            _ => None,
        });
    let section = CustomSection {
        name: "component-type".into(),
        data: described.unwrap().into(),
    };
    let mixed = with_section(&guest("koc-model", false), 0, &section);
    match pack(&mixed) {
        Err(Error::Unfit { reason }) => assert!(reason.contains("rank"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_of_functions_are_those_of_the_source() {
    let module = guest("koc-model", true);
    let hashed = with_section(&module, 3, &names_of("_ZN5guest5score17h0123456789abcdefE"));
    let elsewhere = with_section(&module, 3, &names_of("_ZN5guest5score17hfedcba9876543210E"));
    assert_ne!(hashed, elsewhere);
    let packed = pack(&hashed).unwrap();
    assert_eq!(packed, pack(&elsewhere).unwrap());
    let holds = |text: &[u8]| packed.windows(text.len()).any(|window| window == text);
    assert!(holds(b"guest::score") && !holds(b"0123456789abcdef") && !holds(b"somebody"));
}

static STYLE_GUEST: LazyLock<Vec<u8>> = LazyLock::new(|| guest("style-trend-model", true));

proptest! {
    #[test]
    fn what_compilers_note_changes_nothing(
        notes in prop::collection::vec(("[a-z_.]{1,12}", prop::collection::vec(any::<u8>(), 0..64), 0..8_usize), 0..5),
    ) {
        let mut noted = STYLE_GUEST.clone();
        for (name, data, at) in &notes {
            prop_assume!(name != "name");
            let section = CustomSection { name: name.into(), data: Cow::Borrowed(data) };
            noted = with_section(&noted, *at, &section);
        }
        prop_assert_eq!(strip(&noted).unwrap(), strip(&STYLE_GUEST).unwrap());
        prop_assert_eq!(pack(&noted).unwrap(), pack(&STYLE_GUEST).unwrap());
    }
}
