//! The arithmetic of the diagnosis against a slow, obvious version of the same rules.

#![cfg(test)]

mod by_hand;
mod files;
mod laws;
mod naive;
mod random;

use std::collections::BTreeMap;

use dualwheel_diagnosis::{
    DEFINITIONS,
    assess::{Assessment, assess},
    model::Model,
    parameters::Parameters,
    scenes::Map,
    score::Member,
};
use dualwheel_measure::Absence;

/// Values by metric id; metrics that are not there are absent.
type Values = BTreeMap<&'static str, f64>;

/// The shipped parameters with this many bootstrap draws.
fn parameters(draws: usize) -> Parameters {
    let file: serde_yaml_ng::Value = serde_yaml_ng::from_str(DEFINITIONS).unwrap();
    let mut parameters = file["parameters"].clone();
    parameters["bootstrap"]["draws"] = draws.into();
    serde_yaml_ng::from_value(parameters).unwrap()
}

fn member(name: &str, values: &Values) -> Member {
    let measured = naive::measured().into_iter().chain(["grow.gmv_base"]);
    let reading = |id: &str| {
        values
            .get(id)
            .copied()
            .ok_or_else(|| (Absence::NoData, "absent".to_owned()))
    };
    Member {
        name: name.to_owned(),
        readings: measured.map(|id| (id.to_owned(), reading(id))).collect(),
    }
}

/// The engine's diagnosis of the first of `members` against the others.
fn engine<'a>(
    map: &'a Map,
    parameters: &Parameters,
    members: &[(String, Values)],
    modes: &[&str],
) -> Assessment<'a> {
    let modes: Vec<String> = modes.iter().map(|mode| (*mode).to_owned()).collect();
    let model = Model::new(parameters, &map.emphasised(&modes));
    let mut all: Vec<Member> = members
        .iter()
        .map(|(name, values)| member(name, values))
        .collect();
    let brand = all.remove(0);
    assess(parameters, &model, map, brand, all)
}
