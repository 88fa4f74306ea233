//! A crate to begin with.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use dualwheel_plugin_host::World;
use dualwheel_plugin_sdk::Description;
use minijinja::{Environment, context};

use super::{
    is_free,
    project::{COMPONENTIZE_JS, COMPONENTIZE_PY, INSTALL_JAVASCRIPT, INSTALL_PYTHON, PREVIEW2_SHIM},
    templates, vendor, write,
};
use crate::{
    cli::plugin::{Language, New},
    output,
};

/// What Rust takes for something else than the name of a crate.
const TAKEN: [&str; 58] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "wit-bindgen",
    SDK,
];
/// Name of the crate that guests depend on.
const SDK: &str = "dualwheel-plugin-sdk";

/// Where the SDK is.
enum Sdk {
    /// In a folder, by its path from the crate's.
    Folder(String),
    /// Packed into the crate.
    Packed,
}

/// Writes a crate, all of it or nothing.
pub(super) fn new(args: &New) -> anyhow::Result<()> {
    check_name(&args.name, args.language)?;
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    ensure!(
        is_free(&folder)?,
        "{} is there and not empty; choose another folder with --dir",
        folder.display()
    );
    let files = match args.language {
        Language::Rust if args.vendor => rust(&args.name, args.world.into(), &Sdk::Packed)?,
        Language::Rust => {
            let sdk = relative(&folder, &sdk(args.sdk.as_deref())?)?;
            rust(&args.name, args.world.into(), &Sdk::Folder(sdk))?
        }
        _ => {
            ensure!(
                args.sdk.is_none(),
                "--sdk is for models in Rust; others need no SDK"
            );
            other(&args.name, args.language, args.world.into())?
        }
    };
    for (name, text) in &files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        write(&path, text.as_bytes())?;
    }
    output::text(&format!(
        "{}: a {} with a test; in this folder {}dualwheel plugin test, then dualwheel plugin build",
        folder.display(),
        World::from(args.world),
        install(args.language).map_or_else(String::new, |command| format!("{command}, "))
    ))
}

/// Names are those of the contract, and crates' names at once.
fn check_name(name: &str, language: Language) -> anyhow::Result<()> {
    Description::new(name, "1.0.0", "A model.").check(|_| true)?;
    ensure!(
        language != Language::Rust || !TAKEN.contains(&name),
        "`{name}` names something else in Rust; choose another name"
    );
    Ok(())
}

/// The folder of the SDK.
fn sdk(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    match given {
        Some(folder) if is_sdk(folder) => Ok(folder.to_owned()),
        Some(folder) => bail!("{} is not the folder of {SDK}", folder.display()),
        None => {
            let places = [std::env::current_dir(), std::env::current_exe()];
            let places: Vec<PathBuf> = places.into_iter().flatten().collect();
            found(&places).with_context(|| {
                format!(
                    "neither the current folder nor this program lies in a checkout of Dualwheel: pack {SDK} into the \
                     crate with --vendor, or tell where it is with --sdk"
                )
            })
        }
    }
}

/// The way from a folder, which need not be there yet, to another, so that both can be moved together.
fn relative(from: &Path, to: &Path) -> anyhow::Result<String> {
    let to = to
        .canonicalize()
        .with_context(|| format!("{} cannot be read", to.display()))?;
    let from = std::path::absolute(from).with_context(|| format!("{} is no path", from.display()))?;
    // Links are followed as far as there is anything; what is made below is none.
    let there = from
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    let from = match there {
        Some((above, real)) => real.join(from.strip_prefix(above).unwrap_or(Path::new(""))),
        None => from,
    };
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(one, other)| one == other);
    let common = common.count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    let text = way
        .to_str()
        .with_context(|| format!("{} is not UTF-8", to.display()))?;
    Ok(text.to_owned())
}

/// The SDK of the first checkout that one of these places lies in.
fn found(places: &[PathBuf]) -> Option<PathBuf> {
    let folders = places.iter().flat_map(|place| place.ancestors());
    folders
        .map(|folder| folder.join("plugins/sdk"))
        .find(|folder| is_sdk(folder))
}

fn is_sdk(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| {
        manifest
            .lines()
            .any(|line| line.trim() == format!("name = \"{SDK}\""))
    })
}

/// What a language needs first.
fn install(language: Language) -> Option<&'static str> {
    match language {
        Language::Rust => None,
        Language::Python => Some(INSTALL_PYTHON),
        Language::Javascript => Some(INSTALL_JAVASCRIPT),
    }
}

/// A file's name, and its text.
type File = (&'static str, String);

/// Every file of a crate of Rust.
fn rust(name: &str, world: World, sdk: &Sdk) -> anyhow::Result<Vec<File>> {
    let (path, packed) = match sdk {
        Sdk::Folder(path) => (path.as_str(), false),
        Sdk::Packed => (vendor::FOLDER, true),
    };
    let values = context! {
        name,
        world => world.name(),
        // A string of JSON is one of TOML as well.
        sdk => serde_json::to_string(path)?,
        packed,
        version => env!("CARGO_PKG_VERSION"),
    };
    let mut templates = templates::of(Language::Rust, world);
    templates.extend(packed.then_some(vendor::MANIFEST));
    let mut files = rendered(&templates, &values)?;
    if packed {
        files.extend(vendor::FILES.map(|(name, text)| (name, text.to_owned())));
        files.push((vendor::CONTRACT.0, vendor::CONTRACT.1.to_owned()));
    }
    Ok(files)
}

/// Every file of a crate of another language.
fn other(name: &str, language: Language, world: World) -> anyhow::Result<Vec<File>> {
    let (title, [model, test, binding]) = match language {
        Language::Python => ("Python", ["model.py", "test_model.py", "component.py"]),
        _ => ("JavaScript", ["model.js", "model.test.js", "component.js"]),
    };
    let values = context! {
        name, title, model, test, binding,
        world => world.name(),
        function => world.function(),
        language => title.to_lowercase(),
        install => install(language),
        componentize_py => COMPONENTIZE_PY,
        componentize_js => COMPONENTIZE_JS,
        preview2_shim => PREVIEW2_SHIM,
    };
    let mut files = rendered(&templates::of(language, world), &values)?;
    files.push((vendor::CONTRACT.0, vendor::CONTRACT.1.to_owned()));
    Ok(files)
}

fn rendered(files: &[templates::Template], values: &minijinja::Value) -> anyhow::Result<Vec<File>> {
    let mut templates = Environment::new();
    templates.set_keep_trailing_newline(true);
    let files = files.iter().map(|&(name, source)| {
        let text = templates.render_str(source, values);
        Ok((name, text.with_context(|| format!("template of {name}"))?))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_models_and_of_crates() {
        for name in ["fame", "koc-2", "a"] {
            assert!(check_name(name, Language::Rust).is_ok(), "{name}");
        }
        for name in [
            "",
            "Fame",
            "2fame",
            "fa_me",
            "../fame",
            "fn",
            "std",
            SDK,
            &"a".repeat(64),
        ] {
            assert!(check_name(name, Language::Rust).is_err(), "{name}");
        }
    }

    #[test]
    fn the_sdk_is_looked_for_in_the_folders_above() {
        let root = tempfile::tempdir().unwrap();
        let sdk = root.path().join("checkout/plugins/sdk");
        let within = root.path().join("checkout/a/b");
        std::fs::create_dir_all(&sdk).unwrap();
        std::fs::create_dir_all(&within).unwrap();
        std::fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"another\"\n").unwrap();
        assert_eq!(found(std::slice::from_ref(&within)), None);
        std::fs::write(sdk.join("Cargo.toml"), format!("[package]\nname = \"{SDK}\"\n")).unwrap();
        assert_eq!(found(&[root.path().to_owned(), within]), Some(sdk));
    }

    #[test]
    fn the_way_to_the_sdk_is_told_from_the_crate() {
        let root = tempfile::tempdir().unwrap();
        let sdk = root.path().join("checkout/plugins/sdk");
        std::fs::create_dir_all(&sdk).unwrap();
        let way = |from: &str| relative(&root.path().join(from), &sdk).unwrap();
        assert_eq!(way("fame"), "../checkout/plugins/sdk");
        assert_eq!(way("checkout/plugins/examples/fame"), "../../sdk");
        std::os::unix::fs::symlink(root.path().join("checkout"), root.path().join("link")).unwrap();
        assert_eq!(way("link/fame"), "../plugins/sdk");
    }

    #[test]
    fn nothing_of_a_template_is_left_over() {
        let folder = Sdk::Folder("../a \"quoted\" folder".to_owned());
        for (world, sdk) in World::ALL
            .into_iter()
            .flat_map(|world| [(world, &folder), (world, &Sdk::Packed)])
        {
            for (name, text) in rust("fame", world, sdk).unwrap() {
                if name.starts_with("sdk/src/") {
                    continue;
                }
                assert!(!text.contains("{{") && !text.contains("{%"), "{name}: {text}");
                assert!(text.ends_with('\n'), "{name}");
                if name == "Cargo.toml" {
                    let path = match sdk {
                        Sdk::Folder(_) => r#"path = "../a \"quoted\" folder""#,
                        Sdk::Packed => r#"path = "sdk""#,
                    };
                    assert!(text.contains(path), "{text}");
                }
            }
        }
    }

    #[test]
    fn crates_of_other_languages_are_whole() {
        for (world, language) in World::ALL
            .into_iter()
            .flat_map(|world| [(world, Language::Python), (world, Language::Javascript)])
        {
            for (name, text) in other("fn", language, world).unwrap() {
                assert!(!text.contains("{{") && !text.contains("{%"), "{name}: {text}");
                assert!(text.ends_with('\n'), "{name}");
            }
        }
        assert!(check_name("fn", Language::Python).is_ok());
        assert!(check_name("Fn", Language::Python).is_err());
    }
}
