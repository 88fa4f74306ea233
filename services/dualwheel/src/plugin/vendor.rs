//! The SDK as this program carries it, for crates that no checkout is at hand for.

/// Folder of the SDK in a crate; the contract's lies beside it, where the SDK's own tests look for it.
pub(super) const FOLDER: &str = "sdk";

/// The SDK's manifest: that of the checkout is part of its workspace.
pub(super) const MANIFEST: (&str, &str) = ("sdk/Cargo.toml", include_str!("templates/sdk-Cargo.toml.in"));

/// The contract.
pub(super) const CONTRACT: (&str, &str) = (
    "wit/plugin.wit",
    include_str!("../../../../plugins/wit/plugin.wit"),
);

/// The SDK's sources.
pub(super) const FILES: [(&str, &str); 12] = [
    (
        "sdk/src/answers.rs",
        include_str!("../../../../plugins/sdk/src/answers.rs"),
    ),
    (
        "sdk/src/batch.rs",
        include_str!("../../../../plugins/sdk/src/batch.rs"),
    ),
    (
        "sdk/src/description.rs",
        include_str!("../../../../plugins/sdk/src/description.rs"),
    ),
    (
        "sdk/src/guest.rs",
        include_str!("../../../../plugins/sdk/src/guest.rs"),
    ),
    (
        "sdk/src/guest/hit.rs",
        include_str!("../../../../plugins/sdk/src/guest/hit.rs"),
    ),
    (
        "sdk/src/guest/koc.rs",
        include_str!("../../../../plugins/sdk/src/guest/koc.rs"),
    ),
    (
        "sdk/src/guest/style_trend.rs",
        include_str!("../../../../plugins/sdk/src/guest/style_trend.rs"),
    ),
    (
        "sdk/src/hit.rs",
        include_str!("../../../../plugins/sdk/src/hit.rs"),
    ),
    (
        "sdk/src/koc.rs",
        include_str!("../../../../plugins/sdk/src/koc.rs"),
    ),
    (
        "sdk/src/lib.rs",
        include_str!("../../../../plugins/sdk/src/lib.rs"),
    ),
    (
        "sdk/src/parameters.rs",
        include_str!("../../../../plugins/sdk/src/parameters.rs"),
    ),
    (
        "sdk/src/style.rs",
        include_str!("../../../../plugins/sdk/src/style.rs"),
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk"))
    }

    fn sources(below: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, names),
                false => {
                    let name = path.strip_prefix(folder()).unwrap().display().to_string();
                    names.insert(format!("{FOLDER}/{name}"));
                }
            }
        }
    }

    #[test]
    fn every_source_of_the_sdk_is_carried() {
        let mut names = BTreeSet::new();
        sources(&folder().join("src"), &mut names);
        assert_eq!(
            FILES.map(|(name, _)| name.to_owned()),
            Vec::from_iter(names).as_slice()
        );
    }

    /// What a manifest requires of the run time of bindings.
    fn requirement(manifest: &str) -> String {
        let line = manifest.lines().find(|line| line.starts_with("wit-bindgen = "));
        line.unwrap().replace(", optional = true", "")
    }

    #[test]
    fn it_depends_on_what_it_does_in_the_checkout() {
        let workspace = std::fs::read_to_string(folder().join("../../Cargo.toml")).unwrap();
        assert_eq!(requirement(MANIFEST.1), requirement(&workspace));
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        let below = |text: &str| {
            let (_, below) = text.split_once("[dependencies]\n").unwrap();
            below
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(below(MANIFEST.1), below(&manifest));
        let features = |text: &str| {
            text.split("[features]")
                .nth(1)
                .and_then(|rest| rest.split("\n\n").next())
                .map(str::to_owned)
        };
        assert_eq!(features(MANIFEST.1), features(&manifest));
    }
}
