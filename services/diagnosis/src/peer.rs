//! Peers: brands of the tenant, or aggregates that were measured elsewhere.

use std::collections::BTreeMap;

use dualwheel_measure::Absence;
use serde::{Deserialize, Serialize};

use crate::{model::Model, parameters::Parameters, score::Member};

/// A peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Brand key, or a name for supplied aggregates.
    pub brand: String,
    /// Supplied values by metric id; empty for a brand of the tenant.
    pub supplied: BTreeMap<String, Supplied>,
}

/// A supplied value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supplied {
    /// The value, in the metric's unit.
    pub value: f64,
    /// What was counted above the line, if known.
    pub numerator: Option<f64>,
    /// What was counted below the line, if known.
    pub denominator: Option<f64>,
}

impl Peer {
    /// Whether its values were supplied, so that nobody is to be asked for them.
    #[must_use]
    pub fn is_supplied(&self) -> bool {
        !self.supplied.is_empty()
    }

    /// The member of a reference set that the supplied values make.
    #[must_use]
    pub fn member(&self, model: &Model) -> Member {
        let absent = || {
            Err((
                Absence::NoData,
                "it is not among the supplied aggregates".to_owned(),
            ))
        };
        let mut readings: BTreeMap<_, _> = model
            .parts
            .iter()
            .map(|part| (part.id.clone(), absent()))
            .collect();
        readings.extend(
            self.supplied
                .iter()
                .map(|(id, supplied)| (id.clone(), Ok(supplied.value))),
        );
        Member {
            name: self.brand.clone(),
            readings,
        }
    }

    /// What is wrong with the supplied values: the metric id, and what is expected.
    #[must_use]
    pub fn problems(&self, parameters: &Parameters) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (id, supplied) in &self.supplied {
            match parameters.metrics.get(id) {
                None if parameters.means.contains_key(id) => {
                    problems.push((
                        id.clone(),
                        "a mean of scores; supply its sub-indicators".to_owned(),
                    ));
                }
                None => problems.push((id.clone(), "no metric of the index".to_owned())),
                Some(scoring) => {
                    if let Some(base) = scoring
                        .share_of
                        .as_ref()
                        .filter(|base| !self.supplied.contains_key(*base))
                    {
                        problems.push((
                            id.clone(),
                            format!("needs {base} beside it, of which it is a share"),
                        ));
                    }
                }
            }
            let numbers = [Some(supplied.value), supplied.numerator, supplied.denominator];
            if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
                problems.push((id.clone(), "finite numbers".to_owned()));
            }
        }
        problems
    }
}
