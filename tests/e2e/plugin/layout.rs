//! Components as OCI image layouts.

use std::path::Path;

use serde_json::{Value, json};

use super::{arg, component, keys::sha256sum};
use crate::harness::{Ran, run};

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The blob that a descriptor names, whose size and hash must be as it says.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let name = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let path = layout.join("blobs/sha256").join(name);
    assert_eq!(sha256sum(&path), name);
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

fn oci(out: &Path, more: &[&str]) -> Ran {
    let args = ["plugin", "oci", &component(), "--out", &arg(out)].map(str::to_owned);
    run(args.into_iter().chain(more.iter().map(|arg| (*arg).to_owned())))
}

fn unpack(layout: &Path, out: &Path) -> Ran {
    run(["plugin", "unpack", &arg(layout), "--out", &arg(out)])
}

/// A folder with a signature of the component.
fn signed() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (key, signature) = (folder.path().join("key"), folder.path().join("signature"));
    run(["plugin", "keygen", "--out", &arg(&key)]).ok();
    run([
        "plugin",
        "sign",
        &component(),
        "--key",
        &arg(&key),
        "--out",
        &arg(&signature),
    ])
    .ok();
    (folder, arg(&signature))
}

#[test]
fn a_layout_is_as_the_cncf_has_it() {
    let (folder, signature) = signed();
    let layout = folder.path().join("layout");
    let told = oci(&layout, &["--signature", &signature, "--json"]).json();
    assert_eq!(
        document(&layout.join("oci-layout")),
        json!({ "imageLayoutVersion": "1.0.0" })
    );
    let index = document(&layout.join("index.json"));
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let [named] = index["manifests"].as_array().unwrap().as_slice() else {
        panic!("{index}");
    };
    assert_eq!(named["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(named["annotations"]["org.opencontainers.image.ref.name"], "1.2.0");
    assert_eq!(named["digest"], told["digest"]);

    let manifest: Value = serde_json::from_slice(&blob(&layout, named)).unwrap();
    assert_eq!(manifest["mediaType"], named["mediaType"]);
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let words = std::fs::read_to_string(&signature).unwrap();
    assert_eq!(
        manifest["annotations"]["dev.dualwheel.plugin.signature"],
        words.trim()
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.title"],
        "fixture"
    );
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else {
        panic!("{manifest}");
    };
    assert_eq!(layer["mediaType"], "application/wasm");
    assert_eq!(blob(&layout, layer), std::fs::read(component()).unwrap());

    let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])).unwrap();
    assert_eq!(
        config,
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": {
                "exports": ["describe", "score"],
                "imports": ["dualwheel:plugin/host@1.0.0", "dualwheel:plugin/types@1.0.0"],
                "target": "dualwheel:plugin/koc-model@1.0.0",
            },
        })
    );
    let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 3);
}

#[test]
fn what_is_packed_is_unpacked() {
    let (folder, signature) = signed();
    let path = |name: &str| folder.path().join(name);
    let first = oci(&path("layout"), &["--signature", &signature, "--json"]).json();
    let again = oci(&path("again"), &["--signature", &signature, "--json"]).json();
    assert_eq!(first["digest"], again["digest"]);
    let told = unpack(&path("layout"), &path("out.wasm")).ok();
    let original = component();
    assert!(told.contains(&sha256sum(Path::new(&original))), "{told}");
    assert_eq!(
        std::fs::read(path("out.wasm")).unwrap(),
        std::fs::read(original).unwrap()
    );
    // The signature came along, and holds.
    let (out, key) = (arg(&path("out.wasm")), arg(&path("key.pub")));
    run(["plugin", "verify", &out, "--key", &key]).ok();

    oci(&path("bare"), &[]).ok();
    unpack(&path("bare"), &path("bare.wasm")).ok();
    assert!(!path("bare.wasm.sig").exists());

    oci(&path("layout"), &[]).fails(1, &["not empty"]);
    oci(&path("bad"), &["--signature", &arg(&path("key.pub"))]).fails(1, &["this is no signature"]);
    oci(&path("bad"), &["--signature", "/nowhere"]).fails(1, &["/nowhere cannot be read"]);
    let args = ["plugin", "oci", &key, "--out", &arg(&path("bad"))];
    run(args).fails(1, &["not a sound WebAssembly file"]);
    assert!(!path("bad").exists());
    unpack(&path("bad"), &path("no.wasm")).fails(1, &["is no OCI image layout"]);
}

#[test]
fn what_was_tampered_with_is_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    oci(&layout, &[]).ok();
    let blob = layout
        .join("blobs/sha256")
        .join(sha256sum(Path::new(&component())));
    let whole = std::fs::read(&blob).unwrap();
    let out = folder.path().join("out.wasm");
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, &other).unwrap();
    unpack(&layout, &out).fails(1, &["is damaged"]);
    std::fs::write(&blob, &whole[..whole.len() - 1]).unwrap();
    unpack(&layout, &out).fails(1, &["bytes, and should have"]);
    std::fs::remove_file(&blob).unwrap();
    unpack(&layout, &out).fails(1, &["cannot be read"]);
    std::fs::write(&blob, &whole).unwrap();
    // A layer of another kind, under its right digest.
    let index = std::fs::read_to_string(layout.join("index.json")).unwrap();
    std::fs::write(
        layout.join("index.json"),
        index.replace("1+json\",\"digest", "9+json\",\"digest"),
    )
    .unwrap();
    unpack(&layout, &out).fails(1, &["is of type"]);
    std::fs::write(layout.join("index.json"), index).unwrap();
    assert!(!out.exists());
    unpack(&layout, &out).ok();
}
