//! The dual-wheel scenario map: operating scenes, the metrics that they serve, and the DTC modes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What is wrong with the map.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no scenario map.
    #[error("scenes.yaml: {0}")]
    Unreadable(#[from] serde_yaml_ng::Error),
    /// The map does not fit itself or the definitions.
    #[error("scenes.yaml: {0}")]
    Wrong(String),
}

/// The map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Version of the file.
    pub version: u32,
    /// Scored metrics, by track.
    pub metrics: BTreeMap<String, Vec<String>>,
    /// The scenes, goods wheel first.
    pub scenes: Vec<Scene>,
    /// DTC modes, by id.
    pub modes: BTreeMap<String, Mode>,
}

/// An operating scene.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Listed with a definition in an appendix.
    Appendix,
    /// Treated in the body.
    Body,
    /// Named in a figure.
    Figure,
}

/// A DTC mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// Name in Chinese.
    pub zh: String,
    /// The metrics that it leans on.
    pub emphasis: Vec<String>,
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
        let map: Self = serde_yaml_ng::from_str(text)?;
        map.check()?;
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
                return Err(Error::Wrong(format!(
                    "the metrics of track {track} are not those of definitions.yaml"
                )));
            }
        }
        if seen != self.metrics.len() {
            return Err(Error::Wrong(
                "it lists a track that definitions.yaml does not have".to_owned(),
            ));
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

    fn check(&self) -> Result<(), Error> {
        let known: BTreeSet<&String> = self.metrics.values().flatten().collect();
        let mut ids = BTreeSet::new();
        for scene in &self.scenes {
            if !ids.insert(&scene.id) {
                return Err(Error::Wrong(format!("scene {} is there twice", scene.id)));
            }
            if !["plvm", "clvm"].contains(&scene.wheel()) {
                return Err(Error::Wrong(format!("scene {} belongs to no wheel", scene.id)));
            }
            if scene.metrics.is_empty() {
                return Err(Error::Wrong(format!("scene {} serves no metric", scene.id)));
            }
        }
        let by_scene = self.scenes.iter().map(|scene| (&scene.id, &scene.metrics));
        let by_mode = self.modes.iter().map(|(id, mode)| (id, &mode.emphasis));
        for (id, metrics) in by_scene.chain(by_mode) {
            if let Some(metric) = metrics.iter().find(|metric| !known.contains(metric)) {
                return Err(Error::Wrong(format!(
                    "{id} names metric {metric}, which is not listed"
                )));
            }
        }
        Ok(())
    }
}
