//! Definition files: what every metric means, and every parameter, as data.
//!
//! A service ships a `definitions.yaml` and a type for its parameters. A tenant, and a brand of it, may override
//! parameters in a file of their own; the version then says so. Parameters that are unknown, ill-typed or out of their
//! range are refused when the file is loaded, and so is a file that nothing uses.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
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
    #[error("{file} (setting `definitions`): {message}; correct it there")]
    Invalid {
        /// File, or `shipped definitions`.
        file: String,
        /// What is wrong, naming the field.
        message: String,
    },
    /// Nothing reads a file of the folder.
    #[error(
        "{file}: nothing uses this file; expected are TENANT/NAME.yaml and TENANT/BRAND/NAME.yaml, NAME one of {}",
        FILES.join(", ")
    )]
    Unused {
        /// File.
        file: String,
    },
    /// A file cannot be read.
    #[error(
        "{file} (setting `definitions`) cannot be read: {source}; name a folder that this process may read"
    )]
    Unreadable {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
}

/// Names of the files that override something, without `.yaml`: one a service, and the scenes and modes of the diagnosis.
pub const FILES: [&str; 6] = [
    "consumer",
    "product",
    "content",
    "membership",
    "diagnosis",
    "diagnosis.scenes",
];

/// Parameters of a service, with what its numbers may be.
pub trait Ranged {
    /// The range of every number by its path, parts joined by dots; `*` stands for any key and any place of a list.
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)];
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
    /// The parameters as they were loaded, by name, as JSON.
    written: BTreeMap<String, String>,
}

impl<P: DeserializeOwned + Serialize + Ranged> Definitions<P> {
    /// Reads the shipped file.
    ///
    /// # Errors
    /// When the text does not fit the schema.
    pub fn shipped(text: &str) -> Result<Self, Error> {
        Self::build(text, &[])
    }

    fn build(text: &str, overrides: &[Layer]) -> Result<Self, Error> {
        let invalid = |file: &str, error: serde_yaml_ng::Error| Error::Invalid {
            file: file.to_owned(),
            message: error.to_string(),
        };
        let in_range = |file: &str, parameters: &Value| {
            check_ranges(P::RANGES, parameters, file == SHIPPED).map_err(|message| Error::Invalid {
                file: file.to_owned(),
                message,
            })
        };
        let mut file: File = serde_yaml_ng::from_str(text).map_err(|error| invalid(SHIPPED, error))?;
        in_range(SHIPPED, &file.parameters)?;
        let mut version = file.version.to_string();
        for layer in overrides {
            let name = layer.path.display().to_string();
            let over: Override =
                serde_yaml_ng::from_str(&layer.text).map_err(|error| invalid(&name, error))?;
            merge(&mut file.parameters, over.parameters);
            in_range(&name, &file.parameters)?;
            serde_yaml_ng::from_value::<P>(file.parameters.clone()).map_err(|error| invalid(&name, error))?;
            version.push_str(&layer.mark());
        }
        let parameters: P =
            serde_yaml_ng::from_value(file.parameters).map_err(|error| invalid(SHIPPED, error))?;
        Ok(Self {
            version,
            written: written(&parameters),
            parameters,
            metrics: file.metrics,
        })
    }
}

impl<P: Serialize> Definitions<P> {
    /// The entry of a metric.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.metrics.iter().find(|entry| entry.id == id)
    }

    /// The parameters that `entry` reads, with the values in force, as JSON.
    #[must_use]
    pub fn parameters_json(&self, entry: &Entry) -> String {
        let read: BTreeMap<&String, &String> = entry
            .parameters
            .iter()
            .filter_map(|name| self.written.get_key_value(name))
            .collect();
        let members = read.iter().map(|(name, value)| format!("{name:?}:{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// What messages call the file that a service ships.
const SHIPPED: &str = "shipped definitions";

/// Checks every number against its range, which those of a whole file all have. What is no parameter at all is refused when the
/// parameters are read.
fn check_ranges(
    ranges: &[(&str, RangeInclusive<f64>)],
    parameters: &Value,
    is_whole: bool,
) -> Result<(), String> {
    for (path, number) in numbers(parameters) {
        let fits = |pattern: &str| {
            let parts = pattern.split('.');
            parts.clone().count() == path.len()
                && parts.zip(&path).all(|(part, key)| part == "*" || part == key)
        };
        let name = path.join(".");
        match ranges.iter().find(|(pattern, _)| fits(pattern)) {
            Some((_, range)) if range.contains(&number) => {}
            Some((_, range)) => {
                let (least, most) = (range.start(), range.end());
                return Err(format!(
                    "parameters.{name}: {number}, and a number from {least} to {most} is expected"
                ));
            }
            None if is_whole => return Err(format!("parameters.{name}: nobody said what it may be")),
            None => {}
        }
    }
    Ok(())
}

/// Every number of `value` with the keys and places that lead to it.
fn numbers(value: &Value) -> Vec<(Vec<String>, f64)> {
    let below = |key: String, value: &Value| {
        let mut found = numbers(value);
        found.iter_mut().for_each(|(path, _)| path.insert(0, key.clone()));
        found
    };
    match value {
        Value::Number(number) => vec![(Vec::new(), number.as_f64().unwrap_or(f64::NAN))],
        Value::Sequence(values) => (values.iter().enumerate())
            .flat_map(|(place, value)| below(place.to_string(), value))
            .collect(),
        Value::Mapping(values) => (values.iter())
            .filter_map(|(key, value)| Some(below(key.as_str()?.to_owned(), value)))
            .flatten()
            .collect(),
        _ => Vec::new(),
    }
}

/// Each parameter as JSON, once: there are many metrics, and each is listed with the parameters that it reads.
fn written<P: Serialize>(parameters: &P) -> BTreeMap<String, String> {
    let Ok(Value::Mapping(all)) = serde_yaml_ng::to_value(parameters) else {
        return BTreeMap::new();
    };
    let one = |(name, value): (&Value, &Value)| {
        let json = serde_json::to_string(value).ok()?;
        Some((name.as_str()?.to_owned(), json))
    };
    all.iter().filter_map(one).collect()
}

/// Lays `over` on `base`: mappings key by key, all else as a whole.
pub fn merge(base: &mut Value, over: Value) {
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

/// What is shipped, and what tenants and brands have in its place.
#[derive(Clone, Debug)]
pub struct Overridden<T> {
    /// What counts where nobody says otherwise.
    pub shipped: Arc<T>,
    /// What counts for a tenant, or for a brand of it.
    pub places: BTreeMap<(String, Option<String>), Arc<T>>,
}

impl<T> Overridden<T> {
    /// What is in force for a brand of a tenant; an empty brand asks for the tenant's.
    #[must_use]
    pub fn of(&self, tenant: &str, brand: &str) -> Arc<T> {
        self.places
            .get(&(tenant.to_owned(), Some(brand.to_owned())))
            .or_else(|| self.places.get(&(tenant.to_owned(), None)))
            .unwrap_or(&self.shipped)
            .clone()
    }
}

/// The definitions of one service for every tenant and brand.
#[derive(Clone, Debug)]
pub struct Catalogue<P>(Overridden<Definitions<P>>);

impl<P: DeserializeOwned + Serialize + Clone + Ranged> Catalogue<P> {
    /// Loads the shipped text and every override below `folder`: `{tenant}/{service}.yaml` for a tenant and
    /// `{tenant}/{brand}/{service}.yaml` for a brand of it, which is laid on the tenant's.
    ///
    /// # Errors
    /// When any file does not fit the schema or is used by nothing, so that a wrong one is found at start and not in an
    /// answer.
    pub fn load(service: &str, shipped: &str, folder: Option<&Path>) -> Result<Self, Error> {
        let mut overridden = BTreeMap::new();
        for Place { tenant, brand, files } in places(service, folder)? {
            overridden.insert((tenant, brand), Arc::new(Definitions::build(shipped, &files)?));
        }
        Ok(Self(Overridden {
            shipped: Arc::new(Definitions::shipped(shipped)?),
            places: overridden,
        }))
    }

    /// The definitions in force for a brand of a tenant; an empty brand asks for the tenant's.
    #[must_use]
    pub fn of(&self, tenant: &str, brand: &str) -> Arc<Definitions<P>> {
        self.0.of(tenant, brand)
    }
}

/// A file of overrides, with the level that it is of.
#[derive(Clone, Debug)]
pub struct Layer {
    /// `tenant` or `brand`.
    pub level: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Layer {
    /// What shows in a version that it counts: `+tenant.9c1d0a77`.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("+{}.{:08x}", self.level, xxh3_64(self.text.as_bytes()) as u32)
    }
}

/// A tenant, or a brand of it, with the files that are laid one upon the other for it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Tenant.
    pub tenant: String,
    /// Brand; `None` for the tenant as a whole.
    pub brand: Option<String>,
    /// The tenant's file, then the brand's.
    pub files: Vec<Layer>,
}

/// The places that have a file `{name}.yaml` below `folder`, one of [`FILES`]. Names that begin with a dot are none of
/// ours: that is how mounted folders keep their own.
///
/// # Errors
/// When a file cannot be read, or is used by nothing.
pub fn places(name: &str, folder: Option<&Path>) -> Result<Vec<Place>, Error> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    let mut places = Vec::new();
    for tenant in folders(folder, &[])? {
        let files: Vec<Layer> = layer("tenant", &tenant, name)?.into_iter().collect();
        for brand in folders(&tenant, &FILES)? {
            // What lies deeper is nobody's.
            folders(&brand, &FILES)?
                .first()
                .map_or(Ok(()), |path| Err(unused(path)))?;
            if let Some(layer) = layer("brand", &brand, name)? {
                places.push(Place {
                    tenant: file_name(&tenant),
                    brand: Some(file_name(&brand)),
                    files: files.iter().cloned().chain([layer]).collect(),
                });
            }
        }
        if !files.is_empty() {
            places.push(Place {
                tenant: file_name(&tenant),
                brand: None,
                files,
            });
        }
    }
    Ok(places)
}

fn layer(level: &'static str, folder: &Path, name: &str) -> Result<Option<Layer>, Error> {
    let path = folder.join(format!("{name}.yaml"));
    let text = read(&path)?;
    Ok(text.map(|text| Layer { level, path, text }))
}

/// The folders in `parent`, whose files must be named as one of `files`.
fn folders(parent: &Path, files: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Unreadable {
        file: parent.display().to_string(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = file_name(&path);
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            found.push(path);
        } else if !files
            .iter()
            .any(|known| name.strip_suffix(".yaml") == Some(*known))
        {
            return Err(unused(&path));
        }
    }
    found.sort();
    Ok(found)
}

fn unused(path: &Path) -> Error {
    Error::Unused {
        file: path.display().to_string(),
    }
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
        shares: Vec<BTreeMap<String, f64>>,
    }

    impl Ranged for Parameters {
        const RANGES: &'static [(&'static str, RangeInclusive<f64>)] =
            &[("days", 1.0..=60.0), ("shares.*.most", 0.0..=1.0)];
    }

    const SHIPPED: &str = "version: 3
parameters: {days: 15, roles: [fan, member], shares: [{most: 0.5}]}
metrics:
- {id: x, en: X, zh: 甲, unit: people, text: t, formula: f, grade: own, parameters: [days]}
";

    #[test]
    fn overrides_are_laid_on_and_marked() {
        let folder = tempfile::tempdir().unwrap();
        let brand = folder.path().join("acme/b1");
        std::fs::create_dir_all(&brand).unwrap();
        std::fs::write(folder.path().join("acme/content.yaml"), "parameters: {days: 7}").unwrap();
        std::fs::write(brand.join("content.yaml"), "parameters: {roles: [member]}").unwrap();
        let catalogue: Catalogue<Parameters> =
            Catalogue::load("content", SHIPPED, Some(folder.path())).unwrap();
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
        std::fs::write(folder.path().join("acme/content.yaml"), "parameters: {dayz: 7}").unwrap();
        let error = Catalogue::<Parameters>::load("content", SHIPPED, Some(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("content.yaml") && error.contains("dayz"),
            "{error}"
        );
    }

    fn load(files: &[(&str, &str)]) -> Result<Catalogue<Parameters>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Catalogue::load("product", SHIPPED, Some(folder.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_out_of_range_name_file_field_and_range() {
        let of = |text: &str| load(&[("acme/b1/product.yaml", text)]);
        assert!(of("parameters: {days: 60, shares: [{most: 1}, {most: 0}]}").is_ok());
        for (text, names) in [
            (
                "parameters: {days: 61}",
                "parameters.days: 61, and a number from 1 to 60 is expected",
            ),
            ("parameters: {days: -1}", "parameters.days: -1"),
            ("parameters: {days: .nan}", "parameters.days: NaN"),
            (
                "parameters: {shares: [{most: 1}, {most: 1.5}]}",
                "parameters.shares.1.most: 1.5, and a number from 0 to 1",
            ),
        ] {
            let error = of(text).unwrap_err();
            assert!(
                error.contains("acme/b1/product.yaml") && error.contains(names),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_nothing_uses_is_refused() {
        let days = "parameters: {days: 7}";
        assert!(
            load(&[
                ("acme/product.yaml", days),
                ("acme/b1/consumer.yaml", ""),
                ("acme/.git/x", "")
            ])
            .is_ok()
        );
        let scenes = [("acme/diagnosis.scenes.yaml", ""), ("..data/acme/x.yaml", "")];
        assert!(load(&scenes).is_ok());
        for wrong in [
            "product.yaml",
            "acme/products.yaml",
            "acme/product.yml",
            "acme/b1/produkt.yaml",
            "acme/b1/deeper/product.yaml",
        ] {
            let error = load(&[("acme/product.yaml", days), (wrong, days)]).unwrap_err();
            assert!(error.contains(wrong.trim_end_matches("/product.yaml")), "{error}");
            assert!(
                error.contains("nothing uses this file") && error.contains("diagnosis.scenes"),
                "{error}"
            );
        }
    }
}
