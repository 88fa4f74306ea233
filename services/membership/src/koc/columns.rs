//! Candidates as the columns of the world `koc-model`.

use dualwheel_measure::rank::percentile_ranks;
use dualwheel_plugin_host::{Error, Features};
use dualwheel_plugin_sdk::Values;

use super::{Candidate, Inputs};

type Input = fn(&Inputs) -> Option<f64>;

/// The inputs by their names in the contract. `reach` (followers × match) stands beside them: its rank cannot be had
/// from the ranks of its factors, and a model that sees some rows only cannot work it out.
const INPUTS: [(&str, Input); 9] = [
    ("interactions_30d", |inputs| inputs.interactions),
    ("spread_30d", |inputs| inputs.spread),
    ("shares_30d", |inputs| inputs.shares),
    ("attributed_gmv_30d", |inputs| inputs.attributed_gmv),
    ("own_gmv_365d", |inputs| inputs.own_gmv),
    ("followers", |inputs| inputs.followers),
    ("match", |inputs| inputs.follower_match),
    ("follower_spending_power", |inputs| inputs.follower_spending_power),
    ("reach", Inputs::reach),
];

/// The candidates' inputs, not a number where nothing is known, and each input's percentile rank among the candidates
/// of whom it is known, under its name with `_rank` behind it. Rows are in the candidates' order.
///
/// # Errors
/// None that facts could cause.
pub fn features(candidates: &[Candidate]) -> Result<Features, Error> {
    let mut table = Features::new(candidates.len());
    for (name, input) in INPUTS {
        let values: Vec<Option<f64>> = candidates
            .iter()
            .map(|candidate| input(&candidate.inputs))
            .collect();
        let known = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        table.add(name, Values::Numbers(known))?;
        table.add(&format!("{name}_rank"), Values::Numbers(ranks(&values)))?;
    }
    Ok(table)
}

/// Percentile ranks among the known values.
pub(super) fn ranks(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let mut ranks = percentile_ranks(&known).into_iter();
    let rank = |value: &Option<f64>| value.and_then(|_| ranks.next()).unwrap_or(f64::NAN);
    values.iter().map(rank).collect()
}
