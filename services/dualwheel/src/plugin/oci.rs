//! Components on their way through registries.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use dualwheel_plugin_host::sha256;
use dualwheel_plugins::signature;
use serde_json::json;

use super::{
    beside, bytes, is_free, keys, layout,
    layout::{About, Artifact},
    load, read_component, read_text, say, told, write as write_file,
};
use crate::cli::{
    Common,
    plugin::{Oci, Unpack},
};

/// Annotation of a manifest with the publisher's signature of the component.
const SIGNATURE: &str = "dev.dualwheel.plugin.signature";

/// Start of the names of the contract's interfaces and worlds.
const CONTRACT: &str = "dualwheel:plugin/";

/// Writes a component as a layout.
pub(super) fn write(common: &Common, args: &Oci) -> anyhow::Result<()> {
    ensure!(
        is_free(&args.out)?,
        "{} is there and not empty; choose another folder with --out",
        args.out.display()
    );
    let artifact = artifact(&args.component, args.signature.as_deref())?;
    let digest = layout::write_layout(&args.out, &artifact)?;
    let (folder, tag) = (args.out.display(), &artifact.tag);
    say(
        common,
        &json!({ "path": args.out, "tag": tag, "digest": digest, "sha256": sha256(&artifact.component) }),
        &format!("{folder}:{tag}\n{digest}"),
    )
}

/// What a layout says of a component.
fn artifact(path: &Path, signature: Option<&Path>) -> anyhow::Result<Artifact> {
    let component = read_component(path)?;
    let plugin = load(path, true)?;
    let description = plugin.describe().map_err(|error| told(&error))?;
    let image = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    let mut annotations = BTreeMap::from([
        image("title", &description.name),
        image("version", &description.version),
        image("description", &description.summary),
    ]);
    if let Some(path) = signature {
        let text = read_text(path)?;
        signature::check_form(&text).with_context(|| path.display().to_string())?;
        annotations.insert(SIGNATURE.to_owned(), text.trim().to_owned());
    }
    let imports = dualwheel_plugin_pack::imports(&component)?;
    let generation = imports
        .iter()
        .find_map(|import| import.strip_prefix(CONTRACT)?.split_once('@'))
        .map(|(_, generation)| generation);
    Ok(Artifact {
        about: About {
            exports: dualwheel_plugin_pack::exports(&component)?,
            target: generation.map(|generation| format!("{CONTRACT}{}@{generation}", plugin.world())),
            imports,
        },
        file: format!("{}.component.wasm", description.name),
        annotations,
        tag: description.version.clone(),
        component,
    })
}

/// Reads a component from a layout.
pub(super) fn unpack(common: &Common, args: &Unpack) -> anyhow::Result<()> {
    let Artifact {
        component,
        annotations,
        ..
    } = layout::read_layout(&args.layout)?;
    dualwheel_plugin_pack::imports(&component).with_context(|| args.layout.display().to_string())?;
    write_file(&args.out, &component)?;
    let mut files = vec![args.out.clone()];
    if let Some(signature) = annotations.get(SIGNATURE) {
        let path = beside(&args.out, keys::SIGNATURE);
        write_file(&path, format!("{}\n", signature.trim()).as_bytes())?;
        files.push(path);
    }
    let sha256 = sha256(&component);
    let listed: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    say(
        common,
        &json!({ "paths": files, "size": component.len(), "sha256": sha256 }),
        &format!(
            "{}\n{}\nsha256 {sha256}",
            listed.join("\n"),
            bytes(component.len())
        ),
    )
}
