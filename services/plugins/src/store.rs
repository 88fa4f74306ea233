//! The registry's state. Every repository is made for a call; there is none without one.

use std::collections::BTreeMap;

pub use dualwheel_kit::store::{Error, Page};
use dualwheel_plugin_sdk::Parameters;
use serde::{Deserialize, Serialize};

mod activation;
mod activations;
mod migration;
mod name;
mod plugin;
mod plugins;
mod publication;
pub(crate) mod publications;
mod publisher;
mod publishers;
mod run;
pub(crate) mod runs;

pub use activations::{Activation, Activations, Change, Fallback, Next};
pub use migration::Migrator;
pub use plugins::{Plugins, Version, described, findings};
pub use publication::Entity as PublicationTable;
pub use publications::{KeptFinding, Publication, Publications, Refused, State, Uploaded};
pub use publishers::{Publisher, Publishers};
pub use runs::{Given, Run, Runs};

/// A plugin with parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Name of the model.
    pub id: String,
    /// Version of the model.
    pub version: String,
    /// Parameters by name.
    pub parameters: Parameters,
}

impl Setting {
    /// Resource name of the plugin.
    #[must_use]
    pub fn plugin(&self) -> String {
        plugin_name(&self.id, &self.version)
    }
}

/// Resource name of a version.
#[must_use]
pub fn plugin_name(id: &str, version: &str) -> String {
    format!("plugins/{id}/versions/{version}")
}

/// A setting as it is stored. Numbers are texts, which are read back to the last bit.
#[derive(Deserialize, Serialize)]
struct Kept {
    id: String,
    version: String,
    parameters: BTreeMap<String, String>,
}

fn setting_to_json(setting: &Setting) -> Result<String, Error> {
    let parameters = setting.parameters.iter();
    to_json(&Kept {
        id: setting.id.clone(),
        version: setting.version.clone(),
        parameters: parameters
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
    })
}

/// How the settings of a version begin, as they are stored.
fn setting_of_version(id: &str, version: &str) -> Result<String, Error> {
    let json = setting_to_json(&Setting {
        id: id.to_owned(),
        version: version.to_owned(),
        parameters: Parameters::new(),
    })?;
    Ok(json.trim_end_matches("{}}").to_owned())
}

fn setting_of(json: &str) -> Result<Setting, Error> {
    let kept: Kept = of_json(json)?;
    let parameters = kept.parameters.into_iter().map(|(name, value)| {
        let value = value.parse::<f64>().map_err(|error| damaged(&error))?;
        Ok((name, value))
    });
    Ok(Setting {
        id: kept.id,
        version: kept.version,
        parameters: parameters.collect::<Result<_, Error>>()?,
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| damaged(&error))
}

fn of_json<T: for<'a> Deserialize<'a>>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged {
        resource: "a row of the plugin registry".to_owned(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_to_the_last_bit() {
        let numbers = [0.1 + 0.2, -0.0, 5e-324, f64::MAX, 1.0 / 3.0];
        let parameters: Parameters = numbers
            .iter()
            .enumerate()
            .map(|(at, number)| (format!("p{at}"), *number))
            .collect();
        let setting = Setting {
            id: "m".to_owned(),
            version: "1.0.0".to_owned(),
            parameters,
        };
        let back = setting_of(&setting_to_json(&setting).unwrap()).unwrap();
        let bits = |setting: &Setting| {
            setting
                .parameters
                .values()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&setting));
        assert_eq!(back.plugin(), "plugins/m/versions/1.0.0");
        let stored = setting_to_json(&setting).unwrap();
        let begins = |id, version| stored.starts_with(&setting_of_version(id, version).unwrap());
        assert!(begins("m", "1.0.0") && !begins("m", "1.0") && !begins("n", "1.0.0"));
    }
}
