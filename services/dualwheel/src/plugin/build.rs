//! From a crate to a component.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use dualwheel_plugin_host::sha256;
use serde_json::{Value, json};

use super::{bytes, project::Project, read, say, watch::watch, write};
use crate::{
    cli::{
        Common,
        plugin::{Build, Pack, Test},
    },
    output,
};

/// What guests are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";
/// What to do where the compiler has no standard library for guests.
const CURE: &str = "the compiler has no standard library for wasm32-unknown-unknown: run `rustup target add \
                    wasm32-unknown-unknown` in this folder; where rustup can download nothing, run `plugins/build cargo` \
                    in a checkout of Dualwheel on a Debian, and set CARGO to the file that it names";

/// Makes a component of a core module.
pub(super) fn pack(args: &Pack) -> anyhow::Result<()> {
    let component = packed(&args.module)?;
    write(&args.out, &component)?;
    output::text(&format!("{}: {}", args.out.display(), bytes(component.len())))
}

fn packed(module: &Path) -> anyhow::Result<Vec<u8>> {
    dualwheel_plugin_pack::pack(&read(module)?).with_context(|| module.display().to_string())
}

/// Runs the tests of a crate.
pub(super) fn test(args: &Test) -> anyhow::Result<()> {
    if let Some(project) = Project::of(&args.dir)? {
        return project.test(&args.dir);
    }
    require_crate(&args.dir)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(&cargo)
        .arg("test")
        .current_dir(&args.dir)
        .status()
        .with_context(|| format!("{} cannot be run", cargo.to_string_lossy()))?;
    ensure!(
        status.success(),
        "the tests of {} do not pass",
        args.dir.display()
    );
    Ok(())
}

/// Makes the components of a crate, once or whenever it changes.
pub(super) fn build(common: &Common, args: &Build) -> anyhow::Result<()> {
    if args.watch {
        watch(&args.dir, || build_once(common, &args.dir))
    }
    build_once(common, &args.dir)
}

fn build_once(common: &Common, folder: &Path) -> anyhow::Result<()> {
    let paths = match Project::of(folder)? {
        Some(project) => vec![project.build(folder)?],
        None => rust(folder)?,
    };
    for path in paths {
        let component = read(&path)?;
        let (size, sha256) = (component.len(), sha256(&component));
        say(
            common,
            &json!({ "path": path, "size": size, "sha256": sha256 }),
            &format!("{}\n{}\nsha256 {sha256}", path.display(), bytes(size)),
        )?;
    }
    Ok(())
}

fn require_crate(folder: &Path) -> anyhow::Result<()> {
    ensure!(
        folder.join("Cargo.toml").is_file(),
        "{} is no crate: there is no Cargo.toml, and no plugin.json; `dualwheel plugin new` makes one",
        folder.display()
    );
    Ok(())
}

/// Compiles a crate of Rust, and makes a component of each core module that it makes.
fn rust(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    require_crate(folder)?;
    let modules = compile(folder)?;
    ensure!(
        !modules.is_empty(),
        "cargo made no core module: {} needs crate-type = [\"cdylib\"] below [lib]",
        folder.join("Cargo.toml").display()
    );
    let component = |module: PathBuf| {
        let path = place(&module).with_context(|| format!("{} has no place", module.display()))?;
        write(&path, &packed(&module)?)?;
        Ok(path)
    };
    modules.into_iter().map(component).collect()
}

/// Runs cargo in a folder. What it writes for people goes through; what it writes for programs names the core modules.
fn compile(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let chosen = std::env::var_os("CARGO");
    // Another cargo may well have another compiler, of which nothing is known.
    if chosen.is_none() && lacks_target(folder) {
        bail!(CURE);
    }
    let cargo = chosen.unwrap_or_else(|| OsString::from("cargo"));
    let done = Command::new(&cargo)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} cannot be run", cargo.to_string_lossy()))?;
    ensure!(
        done.status.success(),
        "cargo could not compile {}",
        folder.display()
    );
    Ok(String::from_utf8_lossy(&done.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .flat_map(|message| core_modules(&message))
        .collect())
}

/// Core modules of a message of cargo, if it is about a guest.
fn core_modules(message: &Value) -> Vec<PathBuf> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let field = |name: &str| message.get(name).unwrap_or(&Value::Null);
    let kinds = field("target").get("crate_types").map(list).unwrap_or_default();
    if field("reason") != "compiler-artifact" || !kinds.contains(&Value::from("cdylib")) {
        return Vec::new();
    }
    let files = list(field("filenames"));
    let paths = files.iter().filter_map(Value::as_str).map(PathBuf::from);
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect()
}

/// Whether the compiler of this folder has no standard library for guests.
fn lacks_target(folder: &Path) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output();
    // A compiler that does not even answer lacks something else.
    asked.is_ok_and(|told| {
        let libraries = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        told.status.success() && !has_standard_library(Path::new(&libraries))
    })
}

fn has_standard_library(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries
            .any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
    })
}

/// Where the component of a core module goes: from `target/wasm32-unknown-unknown/release/a_name.wasm` to
/// `target/a-name.component.wasm`.
fn place(module: &Path) -> Option<PathBuf> {
    let name = module.file_stem()?.to_str()?.replace('_', "-");
    let target = module.ancestors().nth(3)?;
    Some(target.join(format!("{name}.component.wasm")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_guests_are_packed() {
        let message = |reason: &str, kind: &str, file: &str| {
            let message = json!({
                "reason": reason,
                "target": { "name": "fame", "crate_types": [kind, "rlib"] },
                "filenames": [file, "/t/wasm32-unknown-unknown/release/libfame.rlib"],
            });
            core_modules(&message)
        };
        let module = "/t/wasm32-unknown-unknown/release/fame_2.wasm";
        assert_eq!(
            message("compiler-artifact", "cdylib", module),
            [PathBuf::from(module)]
        );
        assert!(message("build-finished", "cdylib", module).is_empty());
        assert!(message("compiler-artifact", "bin", module).is_empty());
        assert!(message("compiler-artifact", "cdylib", "/t/release/libfame.so").is_empty());
        assert_eq!(
            place(Path::new(module)),
            Some(PathBuf::from("/t/fame-2.component.wasm"))
        );
    }
}
