//! What crates begin with. Manifests here would be taken for crates of this workspace, hence `.in`.

use dualwheel_plugin_host::World;

use crate::cli::plugin::Language;

/// A file's name, and its template.
pub(super) type Template = (&'static str, &'static str);

/// Files of a crate of a language and a world.
pub(super) fn of(language: Language, world: World) -> Vec<Template> {
    let (common, own): (&[Template], &[Template]) = match (language, world) {
        (Language::Rust, World::KocModel) => (&RUST, &RUST_KOC),
        (Language::Rust, World::StyleTrendModel) => (&RUST, &RUST_STYLE_TREND),
        (Language::Rust, World::HitModel) => (&RUST, &RUST_HIT),
        (Language::Python, World::KocModel) => (&PYTHON, &PYTHON_KOC),
        (Language::Python, World::StyleTrendModel) => (&PYTHON, &PYTHON_STYLE_TREND),
        (Language::Python, World::HitModel) => (&PYTHON, &PYTHON_HIT),
        (Language::Javascript, World::KocModel) => (&JAVASCRIPT, &JAVASCRIPT_KOC),
        (Language::Javascript, World::StyleTrendModel) => (&JAVASCRIPT, &JAVASCRIPT_STYLE_TREND),
        (Language::Javascript, World::HitModel) => (&JAVASCRIPT, &JAVASCRIPT_HIT),
    };
    let rows = match world {
        World::KocModel => include_str!("templates/koc-model.json.in"),
        World::StyleTrendModel => include_str!("templates/style-trend-model.json.in"),
        World::HitModel => include_str!("templates/hit-model.json.in"),
    };
    let mut files = [common, own, &[("rows.json", rows)]].concat();
    if language != Language::Rust {
        files.extend(OTHER);
    }
    files
}

const RUST: [Template; 3] = [
    ("Cargo.toml", include_str!("templates/Cargo.toml.in")),
    ("README.md", include_str!("templates/README.md.in")),
    (".gitignore", include_str!("templates/gitignore.in")),
];
const RUST_KOC: [Template; 1] = [("src/lib.rs", include_str!("templates/koc-model.rs.in"))];
const RUST_STYLE_TREND: [Template; 1] = [("src/lib.rs", include_str!("templates/style-trend-model.rs.in"))];
const RUST_HIT: [Template; 1] = [("src/lib.rs", include_str!("templates/hit-model.rs.in"))];

const OTHER: [Template; 3] = [
    ("plugin.json", include_str!("templates/plugin.json.in")),
    ("README.md", include_str!("templates/README-other.md.in")),
    (".gitignore", include_str!("templates/gitignore-other.in")),
];

const PYTHON: [Template; 2] = [
    (
        "requirements.txt",
        include_str!("templates/python/requirements.txt.in"),
    ),
    ("component.py", include_str!("templates/python/component.py.in")),
];
const PYTHON_KOC: [Template; 2] = [
    ("model.py", include_str!("templates/python/koc-model.py.in")),
    (
        "test_model.py",
        include_str!("templates/python/test-koc-model.py.in"),
    ),
];
const PYTHON_STYLE_TREND: [Template; 2] = [
    (
        "model.py",
        include_str!("templates/python/style-trend-model.py.in"),
    ),
    (
        "test_model.py",
        include_str!("templates/python/test-style-trend-model.py.in"),
    ),
];

const PYTHON_HIT: [Template; 2] = [
    ("model.py", include_str!("templates/python/hit-model.py.in")),
    (
        "test_model.py",
        include_str!("templates/python/test-hit-model.py.in"),
    ),
];

const JAVASCRIPT: [Template; 3] = [
    (
        "package.json",
        include_str!("templates/javascript/package.json.in"),
    ),
    (
        "component.js",
        include_str!("templates/javascript/component.js.in"),
    ),
    ("build.mjs", include_str!("templates/javascript/build.mjs.in")),
];
const JAVASCRIPT_KOC: [Template; 2] = [
    ("model.js", include_str!("templates/javascript/koc-model.js.in")),
    (
        "model.test.js",
        include_str!("templates/javascript/koc-model.test.js.in"),
    ),
];
const JAVASCRIPT_STYLE_TREND: [Template; 2] = [
    (
        "model.js",
        include_str!("templates/javascript/style-trend-model.js.in"),
    ),
    (
        "model.test.js",
        include_str!("templates/javascript/style-trend-model.test.js.in"),
    ),
];
const JAVASCRIPT_HIT: [Template; 2] = [
    ("model.js", include_str!("templates/javascript/hit-model.js.in")),
    (
        "model.test.js",
        include_str!("templates/javascript/hit-model.test.js.in"),
    ),
];
