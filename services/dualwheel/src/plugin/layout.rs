//! OCI image layouts with one WebAssembly component, as the CNCF's "Wasm OCI Artifact layout" has them.
//!
//! A layout is a folder: `oci-layout` says that it is one, `index.json` names the manifest, and everything that is named
//! by its digest lies in `blobs/sha256`. The same component gives the same bytes.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail, ensure};
use dualwheel_plugin_host::sha256;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{COMPONENT_BYTES, read, write};

/// Version of the image layout.
const LAYOUT_VERSION: &str = "1.0.0";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";
/// When every layout says that it was made: readers want a time, and a real one would make each build another one.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// Tag of a manifest in its index.
const TAG: &str = "org.opencontainers.image.ref.name";
/// Most bytes of a manifest or a configuration.
const DOCUMENT_BYTES: u64 = 4 << 20;

type Annotations = BTreeMap<String, String>;

/// A component, and what its layout says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    /// What it is and imports.
    pub about: About,
    /// Name of its file, for tools that fetch files.
    pub file: String,
    /// What the manifest says besides.
    pub annotations: Annotations,
    /// Tag in the index.
    pub tag: String,
}

/// Interfaces and functions of a component.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// What it exports.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// The world that it implements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    image_layout_version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: Annotations,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: Annotations,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    architecture: String,
    os: String,
    layer_digests: Vec<String>,
    #[serde(default)]
    component: Option<About>,
}

/// Writes a layout into a folder; answers the digest of its manifest.
pub(super) fn write_layout(folder: &Path, artifact: &Artifact) -> anyhow::Result<String> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).with_context(|| format!("{} cannot be made", blobs.display()))?;
    let mut layer = put(&blobs, LAYER_TYPE, &artifact.component)?;
    let title = "org.opencontainers.image.title".to_owned();
    layer.annotations.insert(title, artifact.file.clone());
    let config = Config {
        created: CREATED.to_owned(),
        architecture: "wasm".to_owned(),
        // Of every component, whether it imports WASI or not.
        os: "wasip2".to_owned(),
        layer_digests: vec![layer.digest.clone()],
        component: Some(About {
            exports: artifact.about.exports.clone(),
            imports: artifact.about.imports.clone(),
            target: artifact.about.target.clone(),
        }),
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        config: put(&blobs, CONFIG_TYPE, &serde_json::to_vec(&config)?)?,
        layers: vec![layer],
        annotations: artifact.annotations.clone(),
    };
    let mut named = put(&blobs, MANIFEST_TYPE, &serde_json::to_vec(&manifest)?)?;
    let digest = named.digest.clone();
    named.annotations.insert(TAG.to_owned(), artifact.tag.clone());
    let index = Index {
        schema_version: 2,
        media_type: INDEX_TYPE.to_owned(),
        manifests: vec![named],
    };
    write(&folder.join("index.json"), &serde_json::to_vec(&index)?)?;
    let mark = Mark {
        image_layout_version: LAYOUT_VERSION.to_owned(),
    };
    // Last, so that what was left half-written is no layout.
    write(&folder.join("oci-layout"), &serde_json::to_vec(&mark)?)?;
    Ok(digest)
}

/// Writes a blob under its digest.
fn put(blobs: &Path, media_type: &str, bytes: &[u8]) -> anyhow::Result<Descriptor> {
    let sha256 = sha256(bytes);
    write(&blobs.join(&sha256), bytes)?;
    Ok(Descriptor {
        media_type: media_type.to_owned(),
        digest: format!("sha256:{sha256}"),
        size: u64::try_from(bytes.len())?,
        annotations: Annotations::new(),
    })
}

/// Reads a layout; whatever differs from its digest or its size is refused.
pub(super) fn read_layout(folder: &Path) -> anyhow::Result<Artifact> {
    let mark: Mark = document(&folder.join("oci-layout"))
        .with_context(|| format!("{} is no OCI image layout", folder.display()))?;
    ensure!(
        mark.image_layout_version == LAYOUT_VERSION,
        "{} is a layout of version {}; {LAYOUT_VERSION} is known",
        folder.display(),
        mark.image_layout_version
    );
    let index: Index = document(&folder.join("index.json"))?;
    let named = only(&index.manifests, "manifest")?;
    let manifest: Manifest = parsed(
        &get(folder, named, MANIFEST_TYPE, DOCUMENT_BYTES)?,
        "the manifest",
    )?;
    let config: Config = parsed(
        &get(folder, &manifest.config, CONFIG_TYPE, DOCUMENT_BYTES)?,
        "the configuration",
    )?;
    let layer = only(&manifest.layers, "layer")?;
    ensure!(
        config.layer_digests == [layer.digest.as_str()],
        "the configuration names another layer than the manifest; fetch it again"
    );
    let annotation = |of: &Descriptor, name: &str| of.annotations.get(name).cloned().unwrap_or_default();
    Ok(Artifact {
        component: get(folder, layer, LAYER_TYPE, COMPONENT_BYTES)?,
        about: config.component.unwrap_or_default(),
        file: annotation(layer, "org.opencontainers.image.title"),
        tag: annotation(named, TAG),
        annotations: manifest.annotations,
    })
}

/// The only one of a list, as a layout with one component has it.
fn only<'a>(list: &'a [Descriptor], what: &str) -> anyhow::Result<&'a Descriptor> {
    match list {
        [only] => Ok(only),
        list => bail!("there are {} {what}s; a component has exactly one", list.len()),
    }
}

fn document<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    parsed(&read(path)?, &path.display().to_string())
}

fn parsed<T: DeserializeOwned>(bytes: &[u8], what: &str) -> anyhow::Result<T> {
    serde_json::from_slice(bytes).with_context(|| format!("{what} is not as OCI has it"))
}

/// Reads a blob of a kind and of at most so many bytes.
fn get(folder: &Path, descriptor: &Descriptor, kind: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let Descriptor {
        media_type,
        digest,
        size,
        ..
    } = descriptor;
    ensure!(
        media_type == kind,
        "{digest} is of type {media_type}, where a component has {kind}"
    );
    // A digest is part of a path: nothing but what a digest looks like may get there.
    let name = digest.strip_prefix("sha256:").filter(|name| {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        name.len() == 64 && name.bytes().all(lower)
    });
    let name = name.with_context(|| format!("`{digest}` is no SHA-256 digest"))?;
    let path = folder.join("blobs/sha256").join(name);
    let metadata = path
        .metadata()
        .with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(
        metadata.len() == *size,
        "{} has {} bytes, and should have {size}; fetch it again",
        path.display(),
        metadata.len()
    );
    ensure!(
        *size <= most,
        "{} has {size} bytes; at most {most} are admitted",
        path.display()
    );
    let bytes = read(&path)?;
    ensure!(
        sha256(&bytes) == name,
        "{} is damaged: its SHA-256 is {}; fetch it again",
        path.display(),
        sha256(&bytes)
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact() -> Artifact {
        Artifact {
            component: b"any bytes".to_vec(),
            about: About {
                exports: vec!["score".to_owned()],
                imports: vec!["dualwheel:plugin/host@1.0.0".to_owned()],
                target: Some("dualwheel:plugin/koc-model@1.0.0".to_owned()),
            },
            file: "fame.component.wasm".to_owned(),
            annotations: Annotations::from([("a".to_owned(), "b".to_owned())]),
            tag: "1.0.0".to_owned(),
        }
    }

    fn written() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_layout(folder.path(), &artifact()).unwrap();
        folder
    }

    /// What reading says after a file's text has been changed.
    fn after(file: &str, from: &str, to: &str) -> String {
        let folder = written();
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
        format!("{:#}", read_layout(folder.path()).unwrap_err())
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read_layout(written().path()).unwrap(), artifact());
    }

    #[test]
    fn the_same_component_gives_the_same_bytes() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digests = [&one, &other].map(|folder| write_layout(folder.path(), &artifact()).unwrap());
        assert_eq!(digests[0], digests[1]);
        let index = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("index.json")).unwrap();
        assert_eq!(index(&one), index(&other));
    }

    #[test]
    fn what_differs_is_refused() {
        let blob = format!("blobs/sha256/{}", sha256(b"any bytes"));
        assert!(after(&blob, "any", "all").contains("is damaged"));
        assert!(after(&blob, "any", "many").contains("10 bytes, and should have 9"));
        assert!(after("index.json", "sha256:", "sha256:../").contains("is no SHA-256 digest"));
        assert!(after("index.json", "manifest.v1", "manifest.v2").contains("is of type"));
        assert!(after("oci-layout", "1.0.0", "2.0.0").contains("version 2.0.0"));
        assert!(after("oci-layout", "1.0.0", "\"").contains("is no OCI image layout"));
        assert!(
            after("index.json", "\"manifests\":[", "\"manifests\":[],\"more\":[").contains("0 manifests")
        );
    }

    #[test]
    fn a_folder_without_a_layout_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", read_layout(folder.path()).unwrap_err());
        assert!(error.contains("is no OCI image layout"), "{error}");
    }
}
