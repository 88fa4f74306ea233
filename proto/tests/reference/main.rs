//! The API reference in `proto/reference` is what the contracts' prose says.
//!
//! `UPDATE_REFERENCE=1 cargo test -p dualwheel-proto --test reference` writes it anew.

#![cfg(test)]

mod contracts;
mod links;
mod page;
mod said;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::contracts::{Body, Contracts, Field, Kind};

/// Makes the test write the reference instead of checking it.
const UPDATE: &str = "UPDATE_REFERENCE";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference")
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(dualwheel_proto::DESCRIPTORS).unwrap()
}

/// The pages by file name.
///
/// # Errors
/// Whatever lacks prose, a line each.
fn render(descriptors: FileDescriptorSet) -> Result<BTreeMap<String, String>, String> {
    let contracts = Contracts::read(descriptors)?;
    let mut pages: BTreeMap<_, _> = contracts
        .packages
        .iter()
        .map(|package| (links::page_of(&package.name), page::package(&contracts, package)))
        .collect();
    pages.insert("README.md".to_owned(), page::index(&contracts));
    Ok(pages)
}

fn committed() -> BTreeMap<String, String> {
    fs::read_dir(folder())
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn write(pages: &BTreeMap<String, String>) {
    if folder().exists() {
        fs::remove_dir_all(folder()).unwrap();
    }
    fs::create_dir(folder()).unwrap();
    for (name, text) in pages {
        fs::write(folder().join(name), text).unwrap();
    }
}

#[test]
fn the_reference_is_what_the_contracts_say() {
    let pages = render(descriptors()).unwrap_or_else(|missing| panic!("{missing}"));
    if env::var_os(UPDATE).is_some() {
        write(&pages);
    }
    let committed = committed();
    let cure = format!("run {UPDATE}=1 cargo test -p dualwheel-proto --test reference");
    assert!(
        pages.keys().eq(committed.keys()),
        "the pages are {:?}, not {:?}: {cure}",
        pages.keys(),
        committed.keys()
    );
    for (name, text) in &pages {
        let differing = text
            .lines()
            .zip(committed[name].lines())
            .find(|(new, old)| new != old);
        assert!(
            *text == committed[name],
            "reference/{name} is stale ({differing:?}): {cure}"
        );
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = render(descriptors()).unwrap();
    let mut followed = 0;
    for (name, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((page, anchor)) = link.split_once('#').filter(|_| !link.starts_with("https:")) else {
                assert!(
                    link.starts_with("https:") || pages.contains_key(link),
                    "{name}: {link}"
                );
                continue;
            };
            let target = &pages[if page.is_empty() { name } else { page }];
            let headings = target.lines().filter(|line| line.starts_with('#'));
            let leads = headings
                .filter(|heading| links::anchor(heading.trim_start_matches(['#', ' '])) == anchor)
                .count();
            assert_eq!(leads, 1, "{name}: {link}");
            followed += 1;
        }
    }
    assert!(followed > 500, "only {followed} links");
}

#[test]
fn what_has_no_prose_is_named() {
    let mut descriptors = descriptors();
    let types = descriptors
        .file
        .iter_mut()
        .find(|file| file.name() == "dualwheel/type/v1/type.proto")
        .unwrap();
    let window = types
        .message_type
        .iter()
        .position(|message| message.name() == "Window");
    // Field 2 of a message is its list of fields, whose second is `last_day`.
    let last_day = [4, i32::try_from(window.unwrap()).unwrap(), 2, 1];
    let locations = &mut types.source_code_info.as_mut().unwrap().location;
    locations.retain(|location| location.path != last_day);
    let missing = render(descriptors).unwrap_err();
    assert_eq!(missing, "dualwheel.type.v1.Window.last_day has no prose");
}

/// Every field, with the full name of its message.
fn fields(contracts: &Contracts) -> impl Iterator<Item = (String, &Field)> {
    let files = contracts
        .packages
        .iter()
        .flat_map(|package| package.files.iter().map(move |file| (&package.name, file)));
    let types = files.flat_map(|(package, file)| file.types.iter().map(move |told| (package, told)));
    types.flat_map(|(package, told)| {
        let fields = match &told.body {
            Body::Message { fields, .. } => fields.as_slice(),
            Body::Enum(_) => &[],
        };
        fields
            .iter()
            .map(move |field| (format!("{package}.{}.{}", told.name, field.name), field))
    })
}

fn is_text(field: &Field) -> bool {
    matches!(&field.kind, Kind::Scalar(name) if name == "string")
}

/// What the name or the prose of a field say that it names.
fn seems_to_name(field: &Field) -> Option<&'static str> {
    let name = field.name.as_str();
    let (prose, ends) = (field.prose.to_lowercase(), |ends: &[&str]| {
        ends.iter()
            .any(|word| name == *word || name.ends_with(&format!("_{word}")))
    });
    let says = |words: &[&str]| words.iter().any(|word| prose.contains(word));
    let brands = [
        "brand",
        "brands",
        "peer",
        "peers",
        "brand_key",
        "brand_keys",
        "peer_key",
        "peer_keys",
    ];
    let begins = |words: &[&str]| words.iter().any(|word| prose.starts_with(word));
    if ends(&brands)
        || begins(&["brand ", "brand.", "brands ", "peer ", "peers "])
        || says(&["brand key", "key of a brand", "keys of brands", "brand's key"])
    {
        Some("NAMES_BRAND")
    } else if ends(&[
        "consumer",
        "consumers",
        "consumer_key",
        "consumer_keys",
        "person",
        "people",
    ]) || says(&[
        "consumer key",
        "key of a consumer",
        "keys of consumers",
        "consumer's key",
    ]) {
        Some("NAMES_PEOPLE")
    } else if prose.starts_with("resource name") {
        Some("NAMES_RESOURCE")
    } else {
        None
    }
}

#[test]
fn a_field_that_names_a_brand_people_or_a_resource_says_so() {
    let contracts = Contracts::read(descriptors()).unwrap();
    let mut found = 0;
    for (place, field) in fields(&contracts).filter(|(_, field)| is_text(field)) {
        let says = field
            .said
            .iter()
            .find(|word| word.of == "dualwheel.type.v1.Names");
        if let Some(names) = seems_to_name(field) {
            let says = says.map(|word| word.value.as_str());
            assert_eq!(says, Some(names), "{place}: set (dualwheel.type.v1.names)");
            found += 1;
        }
    }
    assert!(found > 60, "only {found}");
}

#[test]
fn every_field_of_a_request_or_a_resource_says_how_it_behaves() {
    const BEHAVIOR: &str = "google.api.FieldBehavior";
    let contracts = Contracts::read(descriptors()).unwrap();
    let says = |field: &Field, what: &str| {
        let mut said = field.said.iter();
        said.any(|word| word.of == BEHAVIOR && (what.is_empty() || word.value == what))
    };
    let message = |place: &str| place.rsplit_once('.').unwrap().0.to_owned();
    let mut messages = said::asked();
    messages.extend(
        fields(&contracts)
            .filter(|(_, field)| says(field, "IDENTIFIER"))
            .map(|(place, _)| message(&place)),
    );
    let (mut found, mut required) = (0, 0);
    for (place, field) in fields(&contracts).filter(|(place, _)| place.starts_with("dualwheel.")) {
        if !messages.contains(&message(&place)) {
            continue;
        }
        assert!(says(field, ""), "{place}: set (google.api.field_behavior)");
        let prose = &field.prose;
        if prose.starts_with("Required.") || prose.contains(". Required.") || prose.contains(" Required;") {
            assert!(says(field, "REQUIRED"), "{place} is required, by its prose");
            required += 1;
        }
        found += 1;
    }
    assert!(found > 400 && required > 100, "only {found} and {required}");
}
