//! Crates to begin with, and what can go wrong while building them. The guide's own way is in `guide`.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::arg;
use crate::harness::{Ran, command, finish, run, tests_folder};

fn sdk() -> String {
    arg(&tests_folder().join("../plugins/sdk"))
}

/// A script in a folder.
fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    arg(&path)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The folder that a crate's manifest names as the SDK's, as seen from the crate.
fn sdk_of(folder: &Path) -> PathBuf {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let (_, path) = manifest.split_once("path = \"").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    assert!(Path::new(path).is_relative(), "{path}");
    folder.join(path).canonicalize().unwrap()
}

#[test]
fn a_crate_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| {
        let mut command = command(["plugin", "new"]);
        finish(command.args(args).current_dir(folder.path()))
    };
    new(&["fame", "--sdk", &sdk()]).ok();
    let fame = folder.path().join("fame");
    assert_eq!(
        files(&fame),
        [".gitignore", "Cargo.toml", "README.md", "rows.json", "src"]
    );
    let manifest = std::fs::read_to_string(fame.join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("name = \"fame\"") && manifest.contains("lto = true"),
        "{manifest}"
    );
    assert_eq!(sdk_of(&fame), Path::new(&sdk()).canonicalize().unwrap());

    // What is there stays as it is.
    new(&["fame", "--sdk", &sdk()]).fails(1, &["fame is there and not empty", "--dir"]);
    assert_eq!(
        std::fs::read_to_string(fame.join("Cargo.toml")).unwrap(),
        manifest
    );
    // An empty folder will do, and so will one of another name.
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    new(&[
        "heat",
        "--world",
        "style-trend-model",
        "--dir",
        "empty",
        "--sdk",
        &sdk(),
    ])
    .ok();
    let source = std::fs::read_to_string(folder.path().join("empty/src/lib.rs")).unwrap();
    assert!(
        source.contains("export_style_trend_model!") && source.contains("\"heat\""),
        "{source}"
    );

    new(&["Fame", "--sdk", &sdk()]).fails(1, &["`Fame` names no model", "a-z, 0-9 and hyphen"]);
    new(&["../up", "--sdk", &sdk()]).fails(1, &["`../up` names no model"]);
    new(&["match", "--sdk", &sdk()]).fails(1, &["`match` names something else in Rust"]);
    new(&["other", "--sdk", &arg(&fame)]).fails(1, &["is not the folder of dualwheel-plugin-sdk"]);
    new(&["other", "--world", "shopping"]).fails(2, &["koc-model", "style-trend-model", "hit-model"]);
    std::fs::write(folder.path().join("file"), "").unwrap();
    new(&["other", "--dir", "file", "--sdk", &sdk()]).fails(1, &["file is no folder"]);
    assert_eq!(files(folder.path()), ["empty", "fame", "file"]);
}

#[test]
fn the_sdk_of_a_checkout_is_found_from_within() {
    let folder = tempfile::tempdir().unwrap();
    let crate_folder = folder.path().join("fame");
    let mut new = command(["plugin", "new", "fame", "--dir", &arg(&crate_folder)]);
    finish(new.current_dir(tests_folder().join("e2e"))).ok();
    assert_eq!(sdk_of(&crate_folder), Path::new(&sdk()).canonicalize().unwrap());
}

#[test]
fn without_a_checkout_the_sdk_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| {
        let mut command = command(["plugin", "new", "fame"]);
        finish(command.args(args).current_dir(folder.path()))
    };
    new(&["--vendor", "--sdk", &sdk()]).fails(2, &["--vendor", "--sdk"]);
    new(&["--vendor"]).ok();
    let fame = folder.path().join("fame");
    assert_eq!(
        files(&fame),
        [
            ".gitignore",
            "Cargo.toml",
            "README.md",
            "rows.json",
            "sdk",
            "src",
            "wit"
        ]
    );
    assert_eq!(sdk_of(&fame), fame.join("sdk").canonicalize().unwrap());
    let readme = std::fs::read_to_string(fame.join("README.md")).unwrap();
    assert!(readme.contains("`sdk/` holds"), "{readme}");
}

#[test]
fn what_cannot_be_built_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let crate_folder = folder.path().join("fame");
    let build = |variables: &[(&str, &str)]| -> Ran {
        let mut build = command(["plugin", "build", &arg(&crate_folder)]);
        build.env_remove("CARGO").env_remove("RUSTC");
        finish(build.envs(variables.iter().copied()))
    };
    build(&[]).fails(1, &["is no crate", "dualwheel plugin new"]);
    run([
        "plugin",
        "new",
        "fame",
        "--dir",
        &arg(&crate_folder),
        "--sdk",
        &sdk(),
    ])
    .ok();

    build(&[("CARGO", "/nowhere/cargo")]).fails(1, &["/nowhere/cargo cannot be run"]);
    let failing = script(folder.path(), "failing", "echo told by cargo >&2; exit 101");
    build(&[("CARGO", &failing)]).fails(1, &["told by cargo", "cargo could not compile"]);
    let nothing = script(
        folder.path(),
        "nothing",
        "echo '{\"reason\":\"build-finished\",\"success\":true}'",
    );
    build(&[("CARGO", &nothing)]).fails(1, &["no core module", "crate-type = [\"cdylib\"]"]);

    // A compiler that has no standard library for guests.
    let empty = script(
        folder.path(),
        "rustc",
        "case \"$*\" in *target-libdir*) echo /nowhere/lib;; *) echo no such target >&2; exit 1;; esac",
    );
    build(&[("RUSTC", &empty)]).fails(
        1,
        &[
            "rustup target add wasm32-unknown-unknown",
            "plugins/build cargo",
            "CARGO",
        ],
    );
    assert!(!crate_folder.join("Cargo.lock").exists(), "cargo was not asked");
    // One that has, and fails for another reason.
    let libraries = folder.path().join("lib");
    std::fs::create_dir(&libraries).unwrap();
    std::fs::write(libraries.join("libstd-0123.rlib"), "").unwrap();
    let full = script(
        folder.path(),
        "rustc-full",
        &format!(
            "case \"$*\" in *target-libdir*) echo {};; *) exit 1;; esac",
            libraries.display()
        ),
    );
    let told = build(&[("RUSTC", &full)]).fails(1, &["cargo could not compile"]);
    assert!(!told.contains("rustup"), "{told}");
}
