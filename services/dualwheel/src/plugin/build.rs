//! From a crate to a component.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use dualwheel_plugin_host::sha256;
use serde_json::{Value, json};

use super::{bytes, read, say, write};
use crate::{
    cli::{
        Common,
        plugin::{Build, Pack},
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

/// Compiles a crate, and makes a component of each core module that it makes.
pub(super) fn build(common: &Common, args: &Build) -> anyhow::Result<()> {
    let manifest = args.dir.join("Cargo.toml");
    ensure!(
        manifest.is_file(),
        "{} is no crate: there is no Cargo.toml; `dualwheel plugin new` makes one",
        args.dir.display()
    );
    let modules = compile(&args.dir)?;
    ensure!(
        !modules.is_empty(),
        "cargo made no core module: {} needs crate-type = [\"cdylib\"] below [lib]",
        manifest.display()
    );
    for module in modules {
        let component = packed(&module)?;
        let path = place(&module).with_context(|| format!("{} has no place", module.display()))?;
        write(&path, &component)?;
        let (size, sha256) = (component.len(), sha256(&component));
        say(
            common,
            &json!({ "path": path, "size": size, "sha256": sha256 }),
            &format!("{}\n{}\nsha256 {sha256}", path.display(), bytes(size)),
        )?;
    }
    Ok(())
}

/// Runs cargo in a folder. What it tells its user goes through; what it tells programs names the core modules.
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

/// Core modules of a message of cargo, if it tells of a guest.
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
