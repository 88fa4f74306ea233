//! Maximum likelihood over positive parameters.

use argmin::{
    core::{CostFunction, Error, Executor, Gradient, State},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};
use rayon::prelude::*;

use super::Refusal;

/// Iterations before a fit is given up.
const MOST_ITERATIONS: u64 = 500;
/// Slope of the mean log-likelihood at which the search ends.
const FLAT: f64 = 1e-8;
/// Slope above which its end is no top.
const STEEP: f64 = 1e-6;
/// Rows that one core adds up at a time; fixed, so that sums do not depend on the number of cores.
const CHUNK: usize = 4_096;
/// Logarithm beyond which a parameter has run away.
const FURTHEST: f64 = 25.0;

/// A log-likelihood: its value and its slope by each parameter, at positive parameters.
pub(super) trait Likelihood: Sync {
    /// Value and slopes summed over all customers.
    fn at(&self, parameters: &[f64]) -> (f64, Vec<f64>);
    /// Customers.
    fn customers(&self) -> f64;
}

/// Minus the mean log-likelihood, in the logarithms of the parameters.
struct Problem<'a, L>(&'a L);

impl<L: Likelihood> Problem<'_, L> {
    fn natural(logs: &[f64]) -> Vec<f64> {
        logs.iter()
            .map(|log| log.clamp(-FURTHEST, FURTHEST).exp())
            .collect()
    }
}

impl<L: Likelihood> CostFunction for Problem<'_, L> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Vec<f64>) -> Result<f64, Error> {
        Ok(-self.0.at(&Self::natural(logs)).0 / self.0.customers())
    }
}

impl<L: Likelihood> Gradient for Problem<'_, L> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, logs: &Vec<f64>) -> Result<Vec<f64>, Error> {
        let natural = Self::natural(logs);
        let (_, slopes) = self.0.at(&natural);
        let by_log = slopes.iter().zip(&natural).map(|(slope, value)| slope * value);
        Ok(by_log.map(|slope| -slope / self.0.customers()).collect())
    }
}

/// The parameters at the top of the likelihood, sought from `start`, and its value there.
///
/// # Errors
/// [`Refusal::NoMaximum`] when the search ends nowhere.
pub(super) fn maximise<L: Likelihood>(likelihood: &L, start: &[f64]) -> Result<(Vec<f64>, f64), Refusal> {
    let search = LBFGS::new(MoreThuenteLineSearch::new(), 7)
        .with_tolerance_grad(FLAT)
        .and_then(|solver| solver.with_tolerance_cost(0.0))
        .map_err(|_| Refusal::NoMaximum)?;
    let logs: Vec<f64> = start.iter().map(|value| value.ln()).collect();
    let done = Executor::new(Problem(likelihood), search)
        .configure(|state| state.param(logs).max_iters(MOST_ITERATIONS))
        .run()
        .map_err(|_| Refusal::NoMaximum)?;
    let best = done.state().get_best_param().ok_or(Refusal::NoMaximum)?;
    let slopes = Problem(likelihood)
        .gradient(best)
        .map_err(|_| Refusal::NoMaximum)?;
    let flat = slopes.iter().all(|slope| slope.abs() <= STEEP);
    if !flat || best.iter().any(|log| log.is_nan() || log.abs() >= FURTHEST) {
        return Err(Refusal::NoMaximum);
    }
    let natural = Problem::<L>::natural(best);
    let (value, _) = likelihood.at(&natural);
    Ok((natural, value))
}

/// Value and slopes summed over `rows` on all cores, in an order that does not depend on them.
pub(super) fn sum<T: Sync, const N: usize>(
    rows: &[T],
    term: impl Fn(&T) -> (f64, [f64; N]) + Sync,
) -> (f64, [f64; N]) {
    let parts: Vec<(f64, [f64; N])> = rows
        .par_chunks(CHUNK)
        .map(|part| part.iter().map(&term).fold((0.0, [0.0; N]), add))
        .collect();
    parts.into_iter().fold((0.0, [0.0; N]), add)
}

fn add<const N: usize>((value, slopes): (f64, [f64; N]), more: (f64, [f64; N])) -> (f64, [f64; N]) {
    let mut sums = slopes;
    for (sum, slope) in sums.iter_mut().zip(more.1) {
        *sum += slope;
    }
    (value + more.0, sums)
}
