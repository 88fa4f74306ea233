//! Classes and quadrants of candidates.

use dualwheel_measure::rank::{median, percentile_ranks};
use dualwheel_plugin_sdk::KocScores;

use super::{Candidate, columns::ranks};
use crate::{
    Parameters,
    kinds::{Class, Quadrant},
};

/// A candidate's powers, ranked, and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Percentile rank of content power among the candidates.
    pub content: f64,
    /// Percentile rank of influence.
    pub influence: f64,
    /// Percentile rank of purchasing power.
    pub purchasing: f64,
    /// Class.
    pub class: Class,
    /// Quadrant.
    pub quadrant: Quadrant,
}

/// Rates the candidates by a model's scores of them, which are ranked among all candidates.
#[must_use]
pub fn rate(candidates: &[Candidate], scores: &KocScores, parameters: &Parameters) -> Vec<Rating> {
    let content = percentile_ranks(&scores.content);
    let influence = percentile_ranks(&scores.influence);
    let purchasing = percentile_ranks(&scores.purchasing);
    let axis = |given: Option<crate::parameters::Points>, ranks: &[f64]| {
        given.map_or_else(|| median(ranks).unwrap_or_default(), |points| points.get())
    };
    let influence_axis = axis(parameters.koc_influence_axis, &influence);
    let purchasing_axis = axis(parameters.koc_purchasing_axis, &purchasing);
    let shares: Vec<Option<f64>> = candidates
        .iter()
        .map(|candidate| candidate.inputs.shares)
        .collect();
    let powers = content.iter().zip(&influence).zip(&purchasing);
    powers
        .zip(shares.iter().zip(ranks(&shares)))
        .map(|(((content, influence), purchasing), (shares, rank))| {
            let shares = shares.filter(|shares| *shares > 0.0).map(|_| rank);
            Rating {
                content: *content,
                influence: *influence,
                purchasing: *purchasing,
                class: class([*content, *influence, *purchasing], shares, parameters),
                quadrant: Quadrant {
                    influence: *influence > influence_axis,
                    purchasing: *purchasing > purchasing_axis,
                },
            }
        })
        .collect()
}

/// The first class that fits. `shares` is the rank of the candidate's shares, if there are any.
fn class(powers: [f64; 3], shares: Option<f64>, parameters: &Parameters) -> Class {
    let [content, influence, purchasing] = powers;
    let has_content = content >= parameters.koc_content_cut.get();
    let least_rank = 100.0 - 100.0 * parameters.koc_sharer_share.get();
    if has_content && influence >= parameters.koc_influence_cut.get() {
        Class::StandardKoc
    } else if has_content || shares.is_some_and(|rank| rank >= least_rank) {
        Class::Sharer
    } else if purchasing >= parameters.koc_purchasing_cut.get() {
        Class::QualityBuyer
    } else {
        Class::Unclassed
    }
}
