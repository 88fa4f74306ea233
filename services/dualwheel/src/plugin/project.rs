//! Crates of other languages than Rust: `plugin.json` says which.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use dualwheel_plugin_host::World;
use dualwheel_plugin_sdk::Description;
use serde_json::Value;

use super::{read, read_component};
use crate::cli::plugin::Language;

/// The versions of tools that were tried, as crates begin with them.
pub(super) const COMPONENTIZE_PY: &str = "0.25.1";
pub(super) const COMPONENTIZE_JS: &str = "0.23.0";
pub(super) const PREVIEW2_SHIM: &str = "0.25.0";

/// How tools are got that a language needs.
pub(super) const INSTALL_PYTHON: &str = "pip install -r requirements.txt";
pub(super) const INSTALL_JAVASCRIPT: &str = "npm install --ignore-scripts";

/// A crate, by its manifest.
#[derive(Debug, PartialEq)]
pub(super) struct Project {
    name: String,
    world: World,
    language: Language,
}

impl Project {
    /// The crate in a folder; `None` where there is no `plugin.json`, as in crates of Rust.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join("plugin.json");
        if !path.exists() {
            return Ok(None);
        }
        let at = || path.display().to_string();
        let manifest: Value = serde_json::from_slice(&read(&path)?).with_context(at)?;
        Self::read(&manifest).map(Some).with_context(at)
    }

    fn read(manifest: &Value) -> anyhow::Result<Self> {
        let field = |name: &str| {
            let value = manifest.get(name).and_then(Value::as_str);
            value.with_context(|| format!("it needs a text `{name}`"))
        };
        let (name, world, language) = (field("name")?, field("world")?, field("language")?);
        Description::new(name, "1.0.0", "A model.").check(|_| true)?;
        let worlds = World::ALL.map(World::name).join(", ");
        let found = World::ALL.into_iter().find(|known| known.name() == world);
        let world = found.with_context(|| format!("`world` is `{world}`; it must be one of {worlds}"))?;
        let known = Language::from_str(language, false)
            .ok()
            .filter(|known| *known != Language::Rust);
        let language =
            known.with_context(|| format!("`language` is `{language}`; it must be python or javascript"))?;
        Ok(Self {
            name: name.to_owned(),
            world,
            language,
        })
    }

    /// Makes the component, and says where it is.
    pub(super) fn build(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let target = folder.join("target");
        let path = target.join(format!("{}.component.wasm", self.name));
        let mut command = match self.language {
            Language::Python => {
                let mut command = tool("COMPONENTIZE_PY", "componentize-py");
                command.args(["--quiet", "--wit-path", "wit", "--world", self.world.name()]);
                // The interpreter starts while building, and needs no WASI afterwards.
                command.args(["componentize", "--stub-wasi", "component", "--output"]);
                command
            }
            _ => {
                let library = "node_modules/@bytecodealliance/componentize-js";
                ensure!(
                    folder.join(library).is_dir(),
                    "componentize-js is not there: run `{INSTALL_JAVASCRIPT}` in {}",
                    folder.display()
                );
                let mut command = tool("NODE", "node");
                command.arg("build.mjs");
                command
            }
        };
        std::fs::create_dir_all(&target).with_context(|| format!("{} cannot be made", target.display()))?;
        // What is told must be what was built now.
        let _ = std::fs::remove_file(&path);
        let place = std::path::absolute(&path).with_context(|| format!("{} is no path", path.display()))?;
        self.run(command.arg(place).current_dir(folder), "build")?;
        read_component(&path)?;
        Ok(path)
    }

    /// Runs the tests, on this machine.
    pub(super) fn test(&self, folder: &Path) -> anyhow::Result<()> {
        let mut command = match self.language {
            Language::Python => {
                let mut command = tool("PYTHON", "python3");
                command
                    .args(["-m", "unittest"])
                    .env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            _ => {
                let mut command = tool("NODE", "node");
                command.arg("--test");
                command
            }
        };
        self.run(command.current_dir(folder), "test")
    }

    fn run(&self, command: &mut Command, what: &str) -> anyhow::Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cure = match (self.language, what) {
            (Language::Python, "build") => format!("run `{INSTALL_PYTHON}` in the folder of the crate"),
            (Language::Python, _) => "install Python 3.10 or later".to_owned(),
            _ => "install Node.js 20.19, 22.12 or later".to_owned(),
        };
        let status = command
            .status()
            .with_context(|| format!("{program} cannot be run: {cure}"))?;
        if !status.success() {
            bail!("{program} could not {what} {}: see above", self.name);
        }
        Ok(())
    }
}

/// A program, or the one that a variable names instead.
fn tool(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| OsString::from(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn manifests_name_what_is_wrong_with_them() {
        let read = |name: &str, world: &str, language: &str| {
            let manifest = json!({ "name": name, "world": world, "language": language });
            Project::read(&manifest).map_err(|error| error.to_string())
        };
        let project = read("fame", "koc-model", "python").unwrap();
        assert_eq!(
            (project.world, project.language),
            (World::KocModel, Language::Python)
        );
        for (name, world, language, told) in [
            ("../fame", "koc-model", "python", "`../fame` names no model"),
            (
                "fame",
                "shopping",
                "python",
                "one of koc-model, style-trend-model, hit-model",
            ),
            ("fame", "koc-model", "rust", "python or javascript"),
            ("fame", "koc-model", "perl", "`language` is `perl`"),
        ] {
            let error = read(name, world, language).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let error = Project::read(&json!({ "name": 7 })).unwrap_err();
        assert_eq!(error.to_string(), "it needs a text `name`");
    }

    #[test]
    fn tools_are_those_that_the_examples_are_built_with() {
        let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins"));
        let text = |name: &str| std::fs::read_to_string(plugins.join(name)).unwrap();
        assert!(text("build").contains(&format!("COMPONENTIZE_PY={COMPONENTIZE_PY} ")));
        let package = text("examples/style-js/package.json");
        for (library, version) in [
            ("componentize-js", COMPONENTIZE_JS),
            ("preview2-shim", PREVIEW2_SHIM),
        ] {
            assert!(
                package.contains(&format!("{library}\": \"{version}\"")),
                "{library}"
            );
        }
    }
}
