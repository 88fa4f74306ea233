//! What checks find of components, and what of their cost.

use dualwheel_plugin_host::conformance::{Finding, examine};

use crate::{guest::Guest, koc};

fn failed(guest: &Guest, rows: usize) -> Vec<Finding> {
    let findings = examine(&koc(guest), rows);
    findings.into_iter().filter(|finding| !finding.holds).collect()
}

#[test]
fn work_that_grows_faster_than_the_rows() {
    let failed = failed(&Guest::koc("quadratic"), 400);
    let checks: Vec<&str> = failed.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["fuel"], "{failed:#?}");
    assert!(
        failed[0].found.contains("work in proportion to the rows"),
        "{failed:#?}"
    );
}

#[test]
fn what_is_not_known_is_not_answered() {
    let failed = failed(&Guest::koc("plain"), 100);
    let checks: Vec<&str> = failed.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["single values unknown", "nothing known"], "{failed:#?}");
    assert!(
        failed[0].found.contains("`followers_rank` is enough"),
        "{failed:#?}"
    );
}

#[test]
fn hit_models_are_held_against_products() {
    let component = Guest::hit("hit").build();
    let plugin = crate::ENGINE
        .load_any(&component, dualwheel_plugin_host::Policy::Pure)
        .unwrap();
    let findings = examine(&plugin, 200);
    assert_eq!(findings.len(), 16);
    let failed: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.holds)
        .map(|finding| finding.check)
        .collect();
    // The fixture hands on what is not a number.
    assert_eq!(
        failed,
        ["single values unknown", "nothing known"],
        "{findings:#?}"
    );
}

#[test]
fn what_never_ends_is_asked_once() {
    let failed = failed(&Guest::koc("spin"), 100);
    let checks: Vec<&str> = failed.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["usual rows"], "{failed:#?}");
    assert!(failed[0].found.contains("PLUGIN_FUEL_EXHAUSTED"), "{failed:#?}");
}
