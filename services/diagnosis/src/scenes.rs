//! The dual-wheel scenario map: operating scenes, the metrics that they serve, and the DTC modes.
//!
//! A tenant, and a brand of it, may lay a file of their own on the shipped map: scenes and modes by id, whose fields
//! replace the shipped ones; `null` takes one away.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use dualwheel_measure::{
    Catalogue,
    definitions::{self, Layer, Overridden, merge, places},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_yaml_ng::Value;

use crate::parameters::Parameters;

/// What the shipped map is called in messages.
const SHIPPED: &str = "scenes.yaml";

/// What is wrong with a map.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file does not fit its schema, itself or the definitions.
    #[error("{file}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] definitions::Error),
}

impl Error {
    fn of(file: &str, message: impl ToString) -> Self {
        Self::Wrong {
            file: file.to_owned(),
            message: message.to_string(),
        }
    }
}

/// The map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Version of the file.
    pub version: u32,
    /// What shows in the version of an answer that others were laid on it; empty for the shipped map.
    #[serde(skip)]
    pub mark: String,
    /// Scored metrics, by track.
    pub metrics: BTreeMap<String, Vec<String>>,
    /// The scenes, goods wheel first.
    pub scenes: Vec<Scene>,
    /// DTC modes, by id.
    pub modes: BTreeMap<String, Mode>,
}

/// An operating scene.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Id; its first part is the wheel.
    pub id: String,
    /// Link of the chain that it belongs to.
    pub chain: String,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// What it does.
    pub does: String,
    /// The metrics that it serves.
    pub metrics: Vec<String>,
    /// Where the scene is described.
    #[serde(default)]
    pub from: Origin,
    /// One of the key actions.
    #[serde(default)]
    pub focus: bool,
    /// World of the plugins that it can use.
    #[serde(default)]
    pub plugin: Option<String>,
}

impl Scene {
    /// The wheel: `plvm` or `clvm`.
    #[must_use]
    pub fn wheel(&self) -> &str {
        self.id.split('.').next().unwrap_or_default()
    }
}

/// Where a scene is described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Listed with a definition in an appendix.
    Appendix,
    /// Treated in the body.
    Body,
    /// Named in a figure.
    Figure,
    /// By the tenant itself.
    #[default]
    Own,
}

/// A DTC mode.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// Name in Chinese.
    pub zh: String,
    /// The metrics that it leans on.
    pub emphasis: Vec<String>,
}

/// What is laid on a map.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    #[serde(default)]
    scenes: BTreeMap<String, Value>,
    #[serde(default)]
    modes: BTreeMap<String, Value>,
}

impl Map {
    /// The shipped map.
    ///
    /// # Errors
    /// When it does not fit its schema or names a metric that it does not list.
    pub fn shipped() -> Result<Self, Error> {
        Self::read(include_str!("../scenes.yaml"))
    }

    /// Reads a map.
    ///
    /// # Errors
    /// As [`Self::shipped`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let map: Self = serde_yaml_ng::from_str(text).map_err(|error| Error::of(SHIPPED, error))?;
        map.check(&BTreeSet::new())
            .map_err(|message| Error::of(SHIPPED, message))?;
        Ok(map)
    }

    /// The shipped map and those of every tenant and brand that has a `diagnosis.scenes.yaml` below `folder`. Their scenes
    /// and modes may name what the tracks of `catalogue` have there.
    ///
    /// # Errors
    /// When a file does not fit, which is then named.
    pub fn load(folder: Option<&Path>, catalogue: &Catalogue<Parameters>) -> Result<Overridden<Self>, Error> {
        let shipped = Self::shipped()?;
        let mut overridden = BTreeMap::new();
        for place in places("diagnosis.scenes", folder)? {
            let brand = place.brand.as_deref().unwrap_or_default();
            let definitions = catalogue.of(&place.tenant, brand);
            let metrics = definitions.parameters.scored().map(str::to_owned).collect();
            let map = shipped.laid_on(&place.files, &metrics)?;
            overridden.insert((place.tenant, place.brand), Arc::new(map));
        }
        Ok(Overridden {
            shipped: Arc::new(shipped),
            places: overridden,
        })
    }

    /// The map with `layers` laid on it, which may name `metrics` besides its own.
    fn laid_on(&self, layers: &[Layer], metrics: &BTreeSet<String>) -> Result<Self, Error> {
        let mut map = self.clone();
        for layer in layers {
            let file = layer.path.display().to_string();
            let wrong = |message: String| Error::of(&file, message);
            let over: Override =
                serde_yaml_ng::from_str(&layer.text).map_err(|error| wrong(error.to_string()))?;
            for (id, over) in over.scenes {
                let at = map.scenes.iter().position(|scene| scene.id == id);
                let before = at.and_then(|at| map.scenes.get(at));
                let after: Option<Scene> = laid(before, &id, Some(&id), over).map_err(&wrong)?;
                match (at, after) {
                    (Some(at), None) => drop(map.scenes.remove(at)),
                    (at, Some(after)) => match at.and_then(|at| map.scenes.get_mut(at)) {
                        Some(scene) => *scene = after,
                        None => map.scenes.push(after),
                    },
                    (None, None) => return Err(wrong(format!("scene {id} is not there to be taken away"))),
                }
            }
            for (id, over) in over.modes {
                match laid(map.modes.get(&id), &id, None, over).map_err(&wrong)? {
                    Some(mode) => drop(map.modes.insert(id, mode)),
                    None => match map.modes.remove(&id) {
                        Some(_) => {}
                        None => return Err(wrong(format!("mode {id} is not there to be taken away"))),
                    },
                }
            }
            map.check(metrics).map_err(wrong)?;
            map.mark
                .push_str(if map.mark.is_empty() { "+scenes" } else { "" });
            map.mark.push_str(&layer.mark());
        }
        Ok(map)
    }

    /// Checks that the map lists exactly the metrics of `tracks` (id and metric ids).
    ///
    /// # Errors
    /// Naming the first track that differs.
    pub fn fits<'a>(&self, tracks: impl Iterator<Item = (&'a str, &'a [String])>) -> Result<(), Error> {
        let mut seen = 0;
        for (track, metrics) in tracks {
            seen += 1;
            if self.metrics.get(track).map(Vec::as_slice) != Some(metrics) {
                let message = format!("the metrics of track {track} are not those of definitions.yaml");
                return Err(Error::of(SHIPPED, message));
            }
        }
        if seen != self.metrics.len() {
            let message = "it lists a track that definitions.yaml does not have";
            return Err(Error::of(SHIPPED, message));
        }
        Ok(())
    }

    /// The metrics that any of `modes` emphasises. Unknown modes emphasise nothing.
    #[must_use]
    pub fn emphasised(&self, modes: &[String]) -> BTreeSet<String> {
        modes
            .iter()
            .filter_map(|mode| self.modes.get(mode))
            .flat_map(|mode| mode.emphasis.clone())
            .collect()
    }

    /// What is wrong with the map; its scenes and modes may name `metrics` besides those that it lists.
    fn check(&self, metrics: &BTreeSet<String>) -> Result<(), String> {
        let known: BTreeSet<&String> = self.metrics.values().flatten().chain(metrics).collect();
        let mut ids = BTreeSet::new();
        for scene in &self.scenes {
            if !ids.insert(&scene.id) {
                return Err(format!("scene {} is there twice", scene.id));
            }
            if !["plvm", "clvm"].contains(&scene.wheel()) {
                return Err(format!("scene {} belongs to no wheel", scene.id));
            }
            if scene.metrics.is_empty() {
                return Err(format!("scene {} serves no metric", scene.id));
            }
        }
        let by_scene = self.scenes.iter().map(|scene| (&scene.id, &scene.metrics));
        let by_mode = self.modes.iter().map(|(id, mode)| (id, &mode.emphasis));
        for (id, metrics) in by_scene.chain(by_mode) {
            if let Some(metric) = metrics.iter().find(|metric| !known.contains(metric)) {
                return Err(format!("{id} names metric {metric}, which is not listed"));
            }
        }
        Ok(())
    }
}

/// `before`, if there is one, with the fields of `over` in place of its own; nothing where that is `null`. `id` is
/// written into what keeps its id among its fields.
fn laid<T: Serialize + DeserializeOwned>(
    before: Option<&T>,
    name: &str,
    id: Option<&str>,
    over: Value,
) -> Result<Option<T>, String> {
    let wrong = |error: serde_yaml_ng::Error| format!("{name}: {error}");
    if over.is_null() {
        return Ok(None);
    }
    let mut value = match before {
        Some(before) => serde_yaml_ng::to_value(before).map_err(wrong)?,
        None => Value::Mapping(serde_yaml_ng::Mapping::new()),
    };
    merge(&mut value, over);
    if let (Some(fields), Some(id)) = (value.as_mapping_mut(), id) {
        fields.insert("id".into(), id.into());
    }
    serde_yaml_ng::from_value(value).map(Some).map_err(wrong)
}
