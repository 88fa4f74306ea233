//! Definition files: what every metric means, and every parameter, as data.
//!
//! A service ships a `definitions.yaml` and a type for its parameters. A tenant, and a brand of it, may override
//! parameters in a file of their own; the version then says so, and unknown or ill-typed parameters are refused
//! when the file is loaded.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_yaml_ng::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::Unit;

/// What can be wrong with a definition file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a valid definition file.
    #[error("{file}: {message}")]
    Invalid {
        /// File, or `shipped definitions`.
        file: String,
        /// What is wrong, naming the field.
        message: String,
    },
    /// A file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
}

/// One metric of a definition file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Id, for example `fast.fertility`.
    pub id: String,
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// Unit of the value.
    pub unit: Unit,
    /// What it means.
    pub text: String,
    /// How it is computed.
    pub formula: String,
    /// Where the formula comes from.
    pub grade: Grade,
    /// Which way is better.
    #[serde(default)]
    pub better: Better,
    /// Parameters that it reads.
    #[serde(default)]
    pub parameters: Vec<String>,
}

/// Where a formula comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Public material of the platform.
    Pub,
    /// Common practice.
    Com,
    /// This project's own.
    Own,
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither.
    #[default]
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    parameters: Value,
    metrics: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    parameters: Value,
}

/// The definitions in force for a brand.
#[derive(Clone, Debug)]
pub struct Definitions<P> {
    /// Version of the file, with a mark for each override: `1`, `1+tenant.9c1d`.
    pub version: String,
    /// Parameters in force.
    pub parameters: P,
    /// The metrics.
    pub metrics: Vec<Entry>,
}

impl<P: DeserializeOwned + Serialize> Definitions<P> {
    /// Reads the shipped file.
    ///
    /// # Errors
    /// When the text does not fit the schema.
    pub fn shipped(text: &str) -> Result<Self, Error> {
        Self::build(text, &[])
    }

    /// The entry of a metric.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.metrics.iter().find(|entry| entry.id == id)
    }

    /// The parameters that `entry` reads, with the values in force, as JSON.
    #[must_use]
    pub fn parameters_json(&self, entry: &Entry) -> String {
        let Ok(Value::Mapping(all)) = serde_yaml_ng::to_value(&self.parameters) else {
            return "{}".to_owned();
        };
        let read: BTreeMap<&str, &Value> = entry
            .parameters
            .iter()
            .filter_map(|name| Some((name.as_str(), all.get(name.as_str())?)))
            .collect();
        serde_json::to_string(&read).unwrap_or_else(|_| "{}".to_owned())
    }

    fn build(text: &str, overrides: &[(&str, &Path, &str)]) -> Result<Self, Error> {
        let invalid = |file: &str, error: serde_yaml_ng::Error| Error::Invalid {
            file: file.to_owned(),
            message: error.to_string(),
        };
        let mut file: File =
            serde_yaml_ng::from_str(text).map_err(|error| invalid("shipped definitions", error))?;
        let mut version = file.version.to_string();
        for (level, path, text) in overrides {
            let name = path.display().to_string();
            let over: Override = serde_yaml_ng::from_str(text).map_err(|error| invalid(&name, error))?;
            merge(&mut file.parameters, over.parameters);
            serde_yaml_ng::from_value::<P>(file.parameters.clone()).map_err(|error| invalid(&name, error))?;
            version.push_str(&format!("+{level}.{:08x}", xxh3_64(text.as_bytes()) as u32));
        }
        let parameters: P = serde_yaml_ng::from_value(file.parameters)
            .map_err(|error| invalid("shipped definitions", error))?;
        Ok(Self {
            version,
            parameters,
            metrics: file.metrics,
        })
    }
}

/// Lays `over` on `base`: mappings key by key, all else as a whole.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Mapping(base), Value::Mapping(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(slot) => merge(slot, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, over) => *base = over,
    }
}

/// The definitions of one service for every tenant and brand.
#[derive(Clone, Debug)]
pub struct Catalogue<P> {
    shipped: Arc<Definitions<P>>,
    overridden: BTreeMap<(String, Option<String>), Arc<Definitions<P>>>,
}

impl<P: DeserializeOwned + Serialize + Clone> Catalogue<P> {
    /// Loads the shipped text and every override below `folder`: `{tenant}/{service}.yaml` for a tenant and
    /// `{tenant}/{brand}/{service}.yaml` for a brand of it, which is laid on the tenant's.
    ///
    /// # Errors
    /// When any file does not fit the schema, so that a wrong one is found at start and not in an answer.
    pub fn load(service: &str, shipped: &str, folder: Option<&Path>) -> Result<Self, Error> {
        let mut overridden = BTreeMap::new();
        let name = format!("{service}.yaml");
        for tenant in folders(folder)? {
            let mut layers: Vec<(&str, PathBuf, String)> = Vec::new();
            if let Some(text) = read(&tenant.join(&name))? {
                layers.push(("tenant", tenant.join(&name), text));
            }
            overridden.insert((file_name(&tenant), None), Arc::new(layered(shipped, &layers)?));
            for brand in folders(Some(&tenant))? {
                if let Some(text) = read(&brand.join(&name))? {
                    layers.push(("brand", brand.join(&name), text));
                    let key = (file_name(&tenant), Some(file_name(&brand)));
                    overridden.insert(key, Arc::new(layered(shipped, &layers)?));
                    layers.pop();
                }
            }
        }
        Ok(Self {
            shipped: Arc::new(Definitions::shipped(shipped)?),
            overridden,
        })
    }

    /// The definitions in force for a brand of a tenant; an empty brand asks for the tenant's.
    #[must_use]
    pub fn of(&self, tenant: &str, brand: &str) -> Arc<Definitions<P>> {
        self.overridden
            .get(&(tenant.to_owned(), Some(brand.to_owned())))
            .or_else(|| self.overridden.get(&(tenant.to_owned(), None)))
            .unwrap_or(&self.shipped)
            .clone()
    }
}

fn layered<P: DeserializeOwned + Serialize>(
    shipped: &str,
    layers: &[(&str, PathBuf, String)],
) -> Result<Definitions<P>, Error> {
    let layers: Vec<_> = layers
        .iter()
        .map(|(level, path, text)| (*level, path.as_path(), text.as_str()))
        .collect();
    Definitions::build(shipped, &layers)
}

fn folders(parent: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    let Some(parent) = parent else {
        return Ok(Vec::new());
    };
    let unreadable = |source| Error::Unreadable {
        file: parent.display().to_string(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Unreadable {
            file: path.display().to_string(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        days: i32,
        roles: Vec<String>,
    }

    const SHIPPED: &str = "version: 3
parameters: {days: 15, roles: [fan, member]}
metrics:
- {id: x, en: X, zh: 甲, unit: people, text: t, formula: f, grade: own, parameters: [days]}
";

    #[test]
    fn overrides_are_laid_on_and_marked() {
        let folder = tempfile::tempdir().unwrap();
        let brand = folder.path().join("acme/b1");
        std::fs::create_dir_all(&brand).unwrap();
        std::fs::write(folder.path().join("acme/s.yaml"), "parameters: {days: 7}").unwrap();
        std::fs::write(brand.join("s.yaml"), "parameters: {roles: [member]}").unwrap();
        let catalogue: Catalogue<Parameters> = Catalogue::load("s", SHIPPED, Some(folder.path())).unwrap();
        let shipped = catalogue.of("other", "b1");
        assert_eq!((shipped.version.as_str(), shipped.parameters.days), ("3", 15));
        let tenant = catalogue.of("acme", "b2");
        assert_eq!((tenant.parameters.days, tenant.parameters.roles.len()), (7, 2));
        let brand = catalogue.of("acme", "b1");
        assert_eq!((brand.parameters.days, brand.parameters.roles.len()), (7, 1));
        assert!(brand.version.starts_with("3+tenant.") && brand.version.contains("+brand."));
        assert_eq!(brand.parameters_json(brand.entry("x").unwrap()), r#"{"days":7}"#);
    }

    #[test]
    fn wrong_overrides_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("acme")).unwrap();
        std::fs::write(folder.path().join("acme/s.yaml"), "parameters: {dayz: 7}").unwrap();
        let error = Catalogue::<Parameters>::load("s", SHIPPED, Some(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("s.yaml") && error.contains("dayz"), "{error}");
    }
}
