//! Maximum likelihood over positive parameters: Newton's method in their logarithms, with a bound on all it does.
//!
//! The facts come as sorted rows and are summed in their order, so that the same facts give the same bits in every
//! process. The search ends where Newton's next step is too short to matter, not where the slope is small: along a ridge
//! that rises for ever the slope fades too, but the steps do not get shorter. Such a likelihood has no answer.

use dualwheel_kit::work;
use ndarray::{Array1, Array2, Zip};
use rayon::prelude::*;

use super::Refusal;

/// Steps before a fit is given up. One that has a top takes about ten.
const MOST_STEPS: usize = 60;
/// Times that a step is halved before the fit is given up.
const MOST_HALVINGS: usize = 30;
/// Longest step in one direction, in logarithms.
const LONGEST: f64 = 2.0;
/// Step at which the top is reached, in logarithms: the parameters have seven digits.
const CLOSE: f64 = 1e-7;
/// Least curvature that differs from rounding: what bends less is a ridge.
const BENT: f64 = 1e-7;
/// Logarithm beyond which a parameter has run away.
const FURTHEST: f64 = 12.0;
/// Distance over which the slope is compared to tell the curvature.
const APART: f64 = 1e-5;
/// Share of the gain that the slope promises which a step has to bring.
const PROMISED: f64 = 1e-4;
/// Share of the likelihood that rounding may take.
const ROUNDING: f64 = 1e-12;
/// Sweeps of Jacobi's rotations; five are enough for so few parameters.
const SWEEPS: usize = 12;
/// Rows that one core adds up at a time; fixed, so that sums do not depend on the number of cores.
const CHUNK: usize = 4_096;

/// A log-likelihood of `N` positive parameters.
pub(super) trait Likelihood<const N: usize>: Sync {
    /// Its value and its slope by each parameter, summed over all customers.
    fn at(&self, parameters: &[f64; N]) -> (f64, [f64; N]);
    /// Customers.
    fn customers(&self) -> f64;
}

/// The mean log-likelihood and its slope, at the logarithms of the parameters.
struct Place<const N: usize> {
    logs: [f64; N],
    value: f64,
    slope: Array1<f64>,
}

impl<const N: usize> Place<N> {
    fn at(likelihood: &impl Likelihood<N>, logs: [f64; N]) -> Self {
        let natural = logs.map(f64::exp);
        let (value, slopes) = likelihood.at(&natural);
        let n = likelihood.customers();
        let by_log = slopes.iter().zip(&natural);
        Self {
            logs,
            value: value / n,
            slope: by_log.map(|(slope, value)| slope * value / n).collect(),
        }
    }

    /// The place a step away.
    fn after(&self, likelihood: &impl Likelihood<N>, step: &Array1<f64>) -> Self {
        let mut logs = self.logs;
        for (log, step) in logs.iter_mut().zip(step) {
            *log += step;
        }
        Self::at(likelihood, logs)
    }

    /// How the slope falls in every direction; positive definite below a top.
    fn curvature(&self, likelihood: &impl Likelihood<N>) -> Array2<f64> {
        let mut falls = Array2::zeros((N, N));
        for (direction, mut fall) in falls.rows_mut().into_iter().enumerate() {
            let step = Array1::from_shape_fn(N, |at| if at == direction { APART } else { 0.0 });
            let beside = self.after(likelihood, &step);
            fall.assign(&((&self.slope - &beside.slope) / APART));
        }
        (&falls + &falls.t()) / 2.0
    }
}

/// The parameters at the top of the likelihood, searched from `start`, and its value there.
///
/// # Errors
/// [`Refusal::NoMaximum`] where it has no top, or none that the bounds of the search reach.
pub(super) fn maximise<const N: usize>(
    likelihood: &impl Likelihood<N>,
    start: [f64; N],
) -> Result<([f64; N], f64), Refusal> {
    let mut place = Place::at(likelihood, start.map(f64::ln));
    work::step("fitting a model of value", 0);
    for _ in 0..MOST_STEPS {
        work::advance(1);
        let (curvatures, directions) = directions(place.curvature(likelihood));
        let slopes = directions.t().dot(&place.slope);
        let newton = &slopes / &curvatures;
        let is_top = curvatures.iter().all(|curvature| *curvature > BENT);
        if is_top && newton.iter().all(|way| way.abs() <= CLOSE) {
            let top = place.logs.map(f64::exp);
            return Ok((top, place.value * likelihood.customers()));
        }
        // Where it does not bend down, it is climbed.
        let ways = Zip::from(&slopes)
            .and(&curvatures)
            .map_collect(|slope, curvature| {
                let way = slope / curvature.abs().max(f64::MIN_POSITIVE);
                way.clamp(-LONGEST, LONGEST)
            });
        place = higher(likelihood, &place, directions.dot(&ways)).ok_or(Refusal::NoMaximum)?;
        if !place.logs.iter().all(|log| log.abs() < FURTHEST) {
            break;
        }
    }
    Err(Refusal::NoMaximum)
}

/// The place after `step`, or after the largest half of a half of it that rises.
fn higher<const N: usize>(
    likelihood: &impl Likelihood<N>,
    place: &Place<N>,
    mut step: Array1<f64>,
) -> Option<Place<N>> {
    for _ in 0..MOST_HALVINGS {
        let next = place.after(likelihood, &step);
        let promised = PROMISED * place.slope.dot(&step);
        let lost = ROUNDING * place.value.abs();
        // What is no number is not higher.
        if next.value >= place.value + promised - lost {
            return Some(next);
        }
        step /= 2.0;
    }
    None
}

/// The curvatures of a symmetric matrix and, column by column, their directions: eigenvalues and vectors by Jacobi's
/// rotations.
#[allow(
    clippy::indexing_slicing,
    reason = "all indices are below the size of two square matrices"
)]
fn directions(mut matrix: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let mut directions = Array2::eye(n);
    for _ in 0..SWEEPS {
        for (one, other) in (0..n).flat_map(|one| (one + 1..n).map(move |other| (one, other))) {
            let beside = matrix[[one, other]];
            if beside == 0.0 {
                continue;
            }
            // Of the two angles that make it zero the smaller.
            let theta = (matrix[[other, other]] - matrix[[one, one]]) / (2.0 * beside);
            let tan = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let cos = 1.0 / tan.hypot(1.0);
            let sin = tan * cos;
            for k in 0..n {
                let (a, b) = (matrix[[k, one]], matrix[[k, other]]);
                (matrix[[k, one]], matrix[[k, other]]) = (cos * a - sin * b, sin * a + cos * b);
            }
            for k in 0..n {
                let (a, b) = (matrix[[one, k]], matrix[[other, k]]);
                (matrix[[one, k]], matrix[[other, k]]) = (cos * a - sin * b, sin * a + cos * b);
                let (a, b) = (directions[[k, one]], directions[[k, other]]);
                (directions[[k, one]], directions[[k, other]]) = (cos * a - sin * b, sin * a + cos * b);
            }
        }
    }
    (matrix.diag().to_owned(), directions)
}

/// Value and slopes summed over `rows` on all cores, in an order that does not depend on them.
pub(super) fn sum<T: Sync, const N: usize>(
    rows: &[T],
    term: impl Fn(&T) -> (f64, [f64; N]) + Sync,
) -> (f64, [f64; N]) {
    let stop = work::Stop::current();
    let part = |part: &[T]| {
        stop.look();
        part.iter().map(&term).fold((0.0, [0.0; N]), add)
    };
    let parts: Vec<(f64, [f64; N])> = rows.par_chunks(CHUNK).map(part).collect();
    parts.into_iter().fold((0.0, [0.0; N]), add)
}

fn add<const N: usize>((value, slopes): (f64, [f64; N]), more: (f64, [f64; N])) -> (f64, [f64; N]) {
    let mut sums = slopes;
    for (sum, slope) in sums.iter_mut().zip(more.1) {
        *sum += slope;
    }
    (value + more.0, sums)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn directions_are_eigenvectors(values in proptest::collection::vec(-9.0..9.0f64, 16)) {
            let any = Array2::from_shape_vec((4, 4), values).unwrap();
            let matrix = &any + &any.t();
            let (curvatures, directions) = directions(matrix.clone());
            let back = directions.dot(&Array2::from_diag(&curvatures)).dot(&directions.t());
            prop_assert!((&back - &matrix).iter().all(|off| off.abs() < 1e-9), "{back} is not {matrix}");
            let unit = directions.t().dot(&directions) - Array2::<f64>::eye(4);
            prop_assert!(unit.iter().all(|off| off.abs() < 1e-12));
        }
    }

    thread_local! {
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    /// A likelihood of two parameters by their logarithms, which counts how often it is asked.
    struct Curve(fn(f64, f64) -> (f64, [f64; 2]));

    impl Likelihood<2> for Curve {
        fn at(&self, parameters: &[f64; 2]) -> (f64, [f64; 2]) {
            ASKED.set(ASKED.get() + 1);
            let [x, y] = parameters.map(f64::ln);
            let (value, [by_x, by_y]) = self.0(x, y);
            (value, [by_x / parameters[0], by_y / parameters[1]])
        }

        fn customers(&self) -> f64 {
            1.0
        }
    }

    fn found(curve: fn(f64, f64) -> (f64, [f64; 2])) -> (Result<[f64; 2], Refusal>, usize) {
        ASKED.set(0);
        let top = maximise(&Curve(curve), [1.0; 2]).map(|(top, _)| top.map(f64::ln));
        (top, ASKED.get())
    }

    #[test]
    fn tops_are_found_in_few_steps() {
        // A narrow bent valley, turned over: its top lies at (2, 4).
        let (top, asked) = found(|x, y| {
            let (bent, off) = (y - x * x, x - 2.0);
            (
                -10.0 * bent * bent - off * off,
                [40.0 * bent * x - 2.0 * off, -20.0 * bent],
            )
        });
        let top = top.unwrap();
        assert!(
            (top[0] - 2.0).abs() < 1e-6 && (top[1] - 4.0).abs() < 1e-6,
            "{top:?}"
        );
        assert!(asked < 200, "{asked}");
    }

    #[test]
    fn what_has_no_top_is_refused_in_bounded_steps() {
        // Ridges: one that rises for ever though ever less, a level one, a saddle, and no number at all.
        type Curve = fn(f64, f64) -> (f64, [f64; 2]);
        let curves: [Curve; 4] = [
            |x, y| (-(-x).exp() - y * y, [(-x).exp(), -2.0 * y]),
            |x, y| (-(x - y).powi(2), [-2.0 * (x - y), 2.0 * (x - y)]),
            |x, y| (x * x - (y - 1.0).powi(2), [2.0 * x, -2.0 * (y - 1.0)]),
            |_, _| (f64::NAN, [f64::NAN; 2]),
        ];
        for curve in curves {
            let (top, asked) = found(curve);
            assert_eq!(top, Err(Refusal::NoMaximum));
            assert!(asked <= 2 + MOST_STEPS * (2 + MOST_HALVINGS), "{asked}");
        }
    }
}
