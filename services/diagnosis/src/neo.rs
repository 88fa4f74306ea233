//! NEO, brand power: novelty, engagement and solidity as means of their sub-indicators' scores.
//!
//! Source: methodology §6.1; the sub-indicators are public, the scoring is this project's own. They are measured by
//! the consumer, product and membership services; absent ones leave the mean to the rest, and are reported.

use dualwheel_measure::{Absence, IntervalAbsence, Metric, Scope};

use crate::{
    index::{Intervals, intervals},
    model::Model,
    score::{Member, Reading, ReferenceSet, composed},
};

/// Why a metric has no score, given its parts' readings: too few peers where the brand itself has a value, else the
/// first part's reason.
#[must_use]
pub fn absence<'a>(readings: impl Iterator<Item = &'a Reading>) -> (Absence, String) {
    let mut first = None;
    for reading in readings {
        match reading {
            Ok(_) => {
                return (
                    Absence::TooFewPeers,
                    "fewer than three members of the reference set have a value".to_owned(),
                );
            }
            Err(absence) => {
                first.get_or_insert_with(|| absence.clone());
            }
        }
    }
    first.unwrap_or_else(|| (Absence::NoData, "it has no sub-indicators".to_owned()))
}

/// The means of NEO for `brand` against `peers`, in points, with the interval over draws of the peers.
#[must_use]
pub fn means(model: &Model, scope: &Scope<'_>, brand: Member, peers: Vec<Member>) -> Vec<Metric> {
    let set = ReferenceSet::new(model, brand, peers);
    let parts: Vec<Option<f64>> = set
        .scores()
        .iter()
        .map(|column| Some(column.get(set.brand).copied().flatten()?.points))
        .collect();
    let Intervals { metrics, .. } = intervals(model, &set);
    (model.scored().zip(metrics))
        .filter(|((_, metric), _)| metric.is_mean)
        .map(|((_, metric), interval)| match composed(metric, &parts) {
            Some(points) => scope.real(&metric.id, points, interval.ok_or(IntervalAbsence::NoUnitData)),
            None => {
                let readings = metric
                    .parts
                    .iter()
                    .filter_map(|position| set.columns.get(*position)?.compared.get(set.brand));
                let (absence, detail) = absence(readings);
                scope.absent(&metric.id, absence, &detail)
            }
        })
        .collect()
}
