//! The steps of `plugins/README.md` in Python and JavaScript, from a folder outside the checkout.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use super::{arg, component};
use crate::harness::{Ran, command, components, finish, run};

/// A crate in a folder of its own, with the tools that `plugins/build` installed.
struct Guest {
    folder: tempfile::TempDir,
}

impl Guest {
    fn new(language: &str, world: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let guest = Self { folder };
        let told = run([
            "plugin",
            "new",
            "fame",
            "--language",
            language,
            "--world",
            world,
            "--dir",
            &guest.at(""),
        ]);
        assert!(told.ok().contains(if language == "python" {
            "pip install"
        } else {
            "npm install"
        }));
        guest
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        arg(&self.path(name))
    }

    /// What `npm install` does.
    fn installed(self) -> Self {
        let tools = components().with_file_name("style-js/node_modules");
        symlink(tools, self.path("node_modules")).unwrap();
        self
    }

    fn does(&self, what: &str) -> Ran {
        let mut done = command(["plugin", what, &self.at("")]);
        finish(done.env(
            "COMPONENTIZE_PY",
            components().with_file_name("componentize-py/bin/componentize-py"),
        ))
    }

    /// Tests, builds and checks it, and runs it on its rows.
    fn answers(&self) -> Value {
        let built = self.built();
        let checked = run(["plugin", "check", &built, "--json"]).json();
        assert_eq!(
            (&checked["name"], &checked["needs_wasi"]),
            (&json!("fame"), &json!(false))
        );
        self.runs(&built)
    }

    /// Tests and builds it.
    fn built(&self) -> String {
        self.does("test").ok();
        assert!(self.does("build").ok().contains("sha256 "));
        self.at("target/fame.component.wasm")
    }

    /// Runs it on its rows.
    fn runs(&self, built: &str) -> Value {
        run(["plugin", "run", built, "--input", &self.at("rows.json"), "--json"]).json()["columns"].clone()
    }
}

#[test]
fn from_zero_to_a_component_in_python() {
    let answers = Guest::new("python", "koc-model").answers();
    assert_eq!(answers["content"], json!([10.0, 0.0, 30.0]));
    assert_eq!(answers["influence"], json!([20.0, 20.0, 0.0]));
    assert_eq!(answers["purchasing"], json!([5.0, 50.0, 95.0]));
    Guest::new("python", "style-trend-model").does("test").ok();
    hits(&Guest::new("python", "hit-model"));
}

#[test]
fn from_zero_to_a_component_in_javascript() {
    let answers = Guest::new("javascript", "style-trend-model")
        .installed()
        .answers();
    assert!(
        (answers["growth"][0].as_f64().unwrap() - 0.2).abs() < 1e-9,
        "{answers}"
    );
    assert_eq!(answers["score"][1], 50.0);
    Guest::new("javascript", "koc-model").does("test").ok();
    hits(&Guest::new("javascript", "hit-model").installed());
}

/// A model of potential hits gives texts beside numbers.
fn hits(guest: &Guest) {
    let answers = guest.runs(&guest.built());
    assert_eq!(answers["score"], json!([60.0, 70.0, 60.0, 0.0]));
    assert_eq!(
        answers["reason"],
        json!(["GROWTH", "CONVERSION", "GROWTH", "TOO_LITTLE_KNOWN"])
    );
}

#[test]
fn what_is_missing_is_told_with_the_command_that_gets_it() {
    let python = Guest::new("python", "koc-model");
    let told = |command: &mut std::process::Command| finish(command);
    told(command(["plugin", "build", &python.at("")]).env("COMPONENTIZE_PY", "/nowhere"))
        .fails(1, &["/nowhere cannot be run", "pip install -r requirements.txt"]);
    told(command(["plugin", "test", &python.at("")]).env("PYTHON", "/nowhere")).fails(1, &["install Python"]);
    let javascript = Guest::new("javascript", "koc-model");
    told(&mut command(["plugin", "build", &javascript.at("")])).fails(1, &["npm install --ignore-scripts"]);
    told(command(["plugin", "test", &javascript.at("")]).env("NODE", "/nowhere"))
        .fails(1, &["install Node.js"]);
    // A test that fails.
    std::fs::write(python.path("test_model.py"), "raise SystemExit(3)\n").unwrap();
    python.does("test").fails(1, &["python3 could not test fame"]);
    std::fs::write(python.path("plugin.json"), "{}").unwrap();
    python
        .does("build")
        .fails(1, &["plugin.json", "it needs a text `name`"]);
    run([
        "plugin",
        "new",
        "heat",
        "--language",
        "python",
        "--sdk",
        "sdk",
        "--dir",
        &python.at("heat"),
    ])
    .fails(1, &["--sdk is for models in Rust"]);
}

/// A process that ends with the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_crate_that_is_watched_is_built_again_when_it_changes() {
    let guest = Guest::new("python", "koc-model");
    let tool = script(
        &guest.path("target/tool"),
        &format!(
            "for last; do :; done; grep -q broken model.py && exit 1; cp {} $last",
            component()
        ),
    );
    let mut watch = command(["plugin", "build", "--watch", &guest.at("")]);
    watch
        .env("COMPONENTIZE_PY", tool)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut watching = Watching(watch.spawn().unwrap());
    let mut out = BufReader::new(watching.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut err = BufReader::new(watching.0.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let built = |line: &String| line.starts_with("sha256 ");
    assert!(out.any(|line| built(&line)));
    std::fs::write(guest.path("model.py"), "broken").unwrap();
    assert!(err.any(|line| line.contains("could not build fame")));
    std::fs::write(guest.path("model.py"), "mended again").unwrap();
    assert!(out.any(|line| built(&line)));
}

fn script(path: &Path, text: &str) -> String {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    arg(path)
}
