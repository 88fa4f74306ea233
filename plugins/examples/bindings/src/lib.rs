//! That the guest's bindings in the SDK are what the contract gives. They are kept as they are generated, so that guests
//! compile without the generator. `UPDATE_BINDINGS=1 cargo test -p bindings` in this workspace writes them anew.
#![cfg(test)]

use std::path::Path;

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::{Opts, WithOption};

/// Interfaces that all worlds have; the others take those of the first.
const SHARED: [&str; 2] = ["types", "host"];

/// Bindings of a world, for the module of that name.
fn generated(world: &str, module: &str, with: Vec<(String, WithOption)>) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(folder.join("../../wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let options = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{module}")),
        default_bindings_module: Some(format!("dualwheel_plugin_sdk::guest::{module}")),
        with,
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

fn holds(world: &str, module: &str, with: Vec<(String, WithOption)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../sdk/src/guest/{module}.rs"));
    let generated = generated(world, module, with);
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{} is not what plugins/wit gives: UPDATE_BINDINGS=1 writes it anew",
        path.display()
    );
}

#[test]
fn the_bindings_are_what_the_contract_gives() {
    holds("koc-model", "koc", Vec::new());
    let shared = SHARED.map(|name| {
        let of_koc = format!("crate::guest::koc::dualwheel::plugin::{name}");
        (format!("dualwheel:plugin/{name}@1.1.0"), WithOption::Path(of_koc))
    });
    holds("style-trend-model", "style_trend", shared.clone().into());
    holds("hit-model", "hit", shared.into());
}
