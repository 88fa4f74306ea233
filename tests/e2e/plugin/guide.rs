//! The steps of `plugins/README.md`, one after another.

use std::path::{Path, PathBuf};

use super::arg;
use crate::harness::{command, components, finish, generate, run, tests_folder};

/// A crate in a folder of its own.
struct Guest {
    name: &'static str,
    folder: tempfile::TempDir,
}

impl Guest {
    /// A new crate, with the SDK of this checkout. Its dependencies are at the versions that the examples were built with,
    /// so that all of them are here.
    fn new(name: &'static str, world: &str) -> Self {
        let plugins = tests_folder().join("../plugins");
        let guest = Self::with(name, &["--world", world, "--sdk", &arg(&plugins.join("sdk"))]);
        std::fs::copy(plugins.join("examples/Cargo.lock"), guest.path("Cargo.lock")).unwrap();
        guest
    }

    /// A new crate that knows of no checkout.
    fn packed(name: &'static str) -> Self {
        Self::with(name, &["--vendor"])
    }

    fn with(name: &'static str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let guest = Self { name, folder };
        let dir = arg(&guest.path(""));
        finish(command(["plugin", "new", name, "--dir", &dir]).args(args)).ok();
        guest
    }

    /// Names of the packages that its lock file has.
    fn packages(&self) -> Vec<String> {
        let lock = std::fs::read_to_string(self.path("Cargo.lock")).unwrap();
        let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
        names.map(|name| name.trim_matches('"').to_owned()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its own tests, on this machine.
    fn test(&self) {
        // The target folder of `plugins/build test`, where most of it is compiled already.
        let tests = std::env::current_exe().unwrap();
        let target = tests.ancestors().nth(3).unwrap().join("examples");
        let mut test = command(["plugin", "test", &arg(self.folder.path())]);
        let out = finish(
            test.env("CARGO_NET_OFFLINE", "true")
                .env("CARGO_TARGET_DIR", target),
        )
        .ok();
        assert!(out.contains("test result: ok. 2 passed"), "{out}");
    }

    /// Its component, built by the cargo that `plugins/build` found for the examples.
    fn build(&self) -> String {
        let components = components();
        let cargo = components.join("cargo");
        assert!(
            cargo.is_file(),
            "{} is missing: run plugins/build cargo",
            cargo.display()
        );
        let mut build = command(["plugin", "build", &arg(self.folder.path()), "--json"]);
        let told = finish(
            build
                .env("CARGO", cargo)
                .env("CARGO_NET_OFFLINE", "true")
                // Where the standard library is compiled already, if it has to be.
                .env("CARGO_TARGET_DIR", components.with_file_name("target-web")),
        )
        .json();
        let path = told["path"].as_str().unwrap();
        let size = std::fs::metadata(path).unwrap().len();
        assert!(
            path.ends_with(&format!("/{}.component.wasm", self.name)),
            "{told}"
        );
        assert_eq!(told["size"], size);
        assert_eq!(told["sha256"], super::keys::sha256sum(Path::new(path)));
        // The guide promises about this much.
        assert!(size < 150_000, "{told}");
        path.to_owned()
    }

    fn check(component: &str) {
        let checked = run(["plugin", "check", component]).ok();
        assert!(!checked.contains("NO"), "{checked}");
    }

    fn answers(&self, component: &str) -> serde_json::Value {
        let rows = arg(&self.path("rows.json"));
        run(["plugin", "run", component, "--input", &rows, "--json"]).json()["columns"].clone()
    }
}

#[test]
fn from_zero_to_a_published_component() {
    let guest = Guest::packed("reach");
    guest.test();
    // So little is compiled that the first test takes seconds.
    assert_eq!(guest.packages(), ["dualwheel-plugin-sdk", "reach", "wit-bindgen"]);
    let built = guest.build();
    // What packing by hand gives is the same.
    let packed = arg(&guest.path("packed.wasm"));
    let release = Path::new(&built).with_file_name("wasm32-unknown-unknown/release/reach.wasm");
    run(["plugin", "pack", &arg(&release), "--out", &packed]).ok();
    assert_eq!(std::fs::read(&packed).unwrap(), std::fs::read(&built).unwrap());
    Guest::check(&built);
    let answers = guest.answers(&built);
    assert_eq!(answers["content"], serde_json::json!([10.0, 0.0, 30.0]));
    assert_eq!(answers["influence"], serde_json::json!([20.0, 20.0, 0.0]));
    assert_eq!(answers["purchasing"], serde_json::json!([5.0, 50.0, 95.0]));

    let (key, public) = (arg(&guest.path("fame.key")), arg(&guest.path("fame.key.pub")));
    let signature = format!("{packed}.sig");
    run(["plugin", "keygen", "--out", &key]).ok();
    run(["plugin", "sign", &packed, "--key", &key]).ok();
    run(["plugin", "verify", &packed, "--key", &public]).ok();
    let (layout, out) = (arg(&guest.path("fame-oci")), arg(&guest.path("unpacked.wasm")));
    run([
        "plugin",
        "oci",
        &packed,
        "--signature",
        &signature,
        "--out",
        &layout,
    ])
    .ok();
    run(["plugin", "unpack", &layout, "--out", &out]).ok();
    run(["plugin", "verify", &out, "--key", &public]).ok();
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&built).unwrap());
}

#[test]
fn from_zero_to_a_component_of_the_other_worlds() {
    let guest = Guest::new("heat", "style-trend-model");
    guest.test();
    let built = guest.build();
    Guest::check(&built);
    let answers = guest.answers(&built);
    assert!(
        (answers["growth"][0].as_f64().unwrap() - 0.2).abs() < 1e-9,
        "{answers}"
    );
    assert_eq!(answers["score"][1], 50.0);

    let guest = Guest::new("rising", "hit-model");
    guest.test();
    let built = guest.build();
    Guest::check(&built);
    let answers = guest.answers(&built);
    assert_eq!(answers["score"], serde_json::json!([60.0, 70.0, 60.0, 0.0]));
    assert_eq!(
        answers["reason"],
        serde_json::json!(["GROWTH", "CONVERSION", "GROWTH", "TOO_LITTLE_KNOWN"])
    );
}

/// What is typed, in the order of the guide: the lines for `dualwheel` and the shell of its blocks, without their comments.
fn typed(guide: &str) -> Vec<Vec<&str>> {
    let blocks = guide.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    lines
        .filter(|line| line.starts_with("dualwheel ") || line.starts_with("cd "))
        .map(|line| {
            line.split(" #")
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect()
        })
        .collect()
}

#[test]
fn the_guide_is_what_one_types() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let facts = root.path().join("facts");
    generate(&facts, 7);
    let on_data = ["--data".to_owned(), arg(&data)];
    finish(command(["import", "--facts", &arg(&facts)]).args(&on_data)).ok();

    let guide = std::fs::read_to_string(tests_folder().join("../plugins/README.md")).unwrap();
    let (partner, rest) = guide.split_once("\n## Into a brand's hands\n").unwrap();
    let (brand, _) = rest.split_once("\n## ").unwrap();
    let mut folder = root.path().to_owned();
    for words in typed(partner) {
        if words[0] == "cd" {
            folder.push(words[1]);
            // The standard library for guests is compiled there already, if it has to be.
            let compiled = components().with_file_name("target-web");
            std::os::unix::fs::symlink(compiled, folder.join("target")).unwrap();
            continue;
        }
        let mut command = command(&words[1..]);
        if words[1..] == ["plugin", "build"] {
            command.env("CARGO", components().join("cargo"));
        }
        finish(command.current_dir(&folder).env("CARGO_NET_OFFLINE", "true")).ok();
    }

    std::fs::copy(folder.join("fame.key.pub"), folder.join("acme.pub")).unwrap();
    let typed = typed(brand);
    let told: Vec<String> = typed
        .iter()
        .map(|words| finish(command(&words[1..]).args(&on_data).current_dir(&folder)).ok())
        .collect();
    let of = |words: &[&str]| {
        typed
            .iter()
            .rposition(|typed| typed[1..].starts_with(words))
            .map(|at| told[at].as_str())
    };
    assert!(
        of(&["plugin", "runs"]).unwrap().contains("rank correlation"),
        "{told:#?}"
    );
    assert!(
        of(&["koc"]).unwrap().lines().next().unwrap().contains("fame"),
        "{told:#?}"
    );
    assert!(
        of(&["plugin", "rollback"]).unwrap().contains("built"),
        "{told:#?}"
    );
}
