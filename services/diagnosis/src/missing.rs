//! What a diagnosis says when data are missing: what, what it costs, and which fact to supply.
//!
//! Source: methodology §6.4.

use dualwheel_measure::Absence;

use crate::{
    model::Model,
    parameters::Service,
    score::{Reading, ReferenceSet, Score},
};

/// A part of the index that is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// Id of the measured metric.
    pub metric: String,
    /// Track.
    pub track: String,
    /// Why.
    pub absence: Absence,
    /// In words.
    pub detail: String,
    /// Share of the index whose weight was spread over the rest.
    pub weight: f64,
    /// The fact that would fill the gap.
    pub supply: String,
    /// The service that did not answer, where that is the reason.
    pub service: Option<Service>,
}

/// Every measured metric on which the brand has no score. `scores` are those of the set. A sub-indicator costs its
/// equal part of its mean's weight, so the weights here and those of what is present sum to 1.
#[must_use]
pub fn missing(model: &Model, set: &ReferenceSet, scores: &[Vec<Option<Score>>]) -> Vec<Missing> {
    let mut found = Vec::new();
    for (track, metric) in model.scored() {
        for (position, part) in model.parts_of(metric) {
            let own = |column: &Vec<Option<Score>>| column.get(set.brand).copied().flatten();
            if scores.get(position).and_then(own).is_some() {
                continue;
            }
            let column = set.columns.get(position);
            let (absence, detail) = reason(column.and_then(|column| column.compared.get(set.brand)));
            found.push(Missing {
                metric: part.id.clone(),
                track: track.id.clone(),
                absence,
                detail,
                weight: metric.weight / metric.parts.len() as f64,
                supply: supply(absence, &part.supply, part.group.service()),
                service: (absence == Absence::ServiceUnavailable).then(|| part.group.service()),
            });
        }
    }
    found
}

fn reason(reading: Option<&Reading>) -> (Absence, String) {
    match reading {
        Some(Err(absence)) => absence.clone(),
        Some(Ok(_)) => (
            Absence::TooFewPeers,
            "fewer than three members of the reference set have a value, so there is no score".to_owned(),
        ),
        None => (Absence::NoData, "it was not measured".to_owned()),
    }
}

fn supply(absence: Absence, fact: &str, service: Service) -> String {
    match absence {
        Absence::ServiceUnavailable => format!("no fact; the {service} service has to answer"),
        Absence::TooFewPeers => format!("{fact}, of more peers"),
        Absence::Undetermined => format!("{fact}, of more people"),
        Absence::NoDenominator | Absence::NoData | Absence::SignalNotSupplied => fact.to_owned(),
    }
}
