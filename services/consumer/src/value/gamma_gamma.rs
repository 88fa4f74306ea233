//! Gamma-Gamma: what a customer's purchases are worth on average.
//!
//! Source: Fader, Hardie and Lee (2005), RFM and CLV; methodology 2.7. Purchase values of a customer are gamma
//! distributed (shape p) around their own mean, whose rate is gamma distributed over customers (shape q, rate γ);
//! value and number of purchases are independent.

use statrs::function::gamma::{digamma, ln_gamma};

use super::{
    Refusal,
    fit::{self, Likelihood},
};

/// One repeat customer's spending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spending {
    /// Repeat purchases: x, at least 1.
    pub repeats: u32,
    /// Mean value of a repeat purchase: z̄, in currency units, above 0.
    pub mean: f64,
}

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Shape of a customer's purchase values.
    pub p: f64,
    /// Shape of the rates over customers.
    pub q: f64,
    /// Rate parameter of these, in currency units.
    pub gamma: f64,
    /// Log-likelihood at these.
    pub log_likelihood: f64,
}

/// When the model is not fitted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fewest repeat customers.
    pub repeaters: usize,
    /// Largest correlation of value and frequency, either way.
    pub correlation: f64,
}

impl Model {
    /// The model that makes the spending likeliest.
    ///
    /// # Errors
    /// When there are too few repeat customers, value goes with frequency, or no maximum is found.
    pub fn fit(spendings: &[Spending], limits: Limits) -> Result<Self, Refusal> {
        if spendings.len() < limits.repeaters.max(2) {
            return Err(Refusal::TooFewRepeaters {
                found: spendings.len(),
                needed: limits.repeaters.max(2),
            });
        }
        let correlation = correlation(spendings);
        if correlation.abs() > limits.correlation {
            return Err(Refusal::Correlated {
                correlation,
                most: limits.correlation,
            });
        }
        let scaled = Scaled::new(spendings);
        let unit = scaled.unit;
        let ([p, q, gamma], value) = fit::maximise(&scaled, [1.0; 3])?;
        Ok(Self {
            p,
            q,
            gamma: gamma * unit,
            log_likelihood: value - unit.ln() * scaled.customers,
        })
    }

    /// Expected value of a customer's purchase; of one without repeats when there is no spending. Nothing where that
    /// mean does not exist: p·x + q ≤ 1, which is q ≤ 1 without repeats.
    #[must_use]
    pub fn expected(&self, spending: Option<Spending>) -> Option<f64> {
        let (x, mean) = spending.map_or((0.0, 0.0), |spending| {
            (f64::from(spending.repeats), spending.mean)
        });
        let beyond = self.p * x + self.q - 1.0;
        (beyond > 0.0).then(|| self.p * (self.gamma + x * mean) / beyond)
    }
}

/// Spendings in an order that nothing but themselves decides, so that sums over them have the same bits everywhere.
fn sorted(spendings: &[Spending]) -> Vec<Spending> {
    let mut sorted = spendings.to_vec();
    sorted.sort_unstable_by(|one, other| {
        let by_repeats = one.repeats.cmp(&other.repeats);
        by_repeats.then(one.mean.total_cmp(&other.mean))
    });
    sorted
}

/// Pearson's correlation of repeats and mean value; 0 where either is the same for all.
#[must_use]
pub fn correlation(spendings: &[Spending]) -> f64 {
    let spendings = sorted(spendings);
    let n = spendings.len() as f64;
    let means = spendings.iter().fold((0.0, 0.0), |(x, z), spending| {
        (x + f64::from(spending.repeats) / n, z + spending.mean / n)
    });
    let (mut both, mut of_x, mut of_z) = (0.0, 0.0, 0.0);
    for spending in &spendings {
        let (x, z) = (f64::from(spending.repeats) - means.0, spending.mean - means.1);
        both += x * z;
        of_x += x * x;
        of_z += z * z;
    }
    if of_x > 0.0 && of_z > 0.0 {
        both / (of_x * of_z).sqrt()
    } else {
        0.0
    }
}

/// Spending in units of its geometric mean, so that the start fits every currency and the longest tail; equal ones
/// together.
struct Scaled {
    /// Geometric mean of the means, in currency units.
    unit: f64,
    /// Numbers of repeats that occur, ascending.
    repeats: Vec<u32>,
    rows: Vec<Row>,
    customers: f64,
}

struct Row {
    /// Place among `repeats`.
    place: usize,
    x: f64,
    mean: f64,
    log_mean: f64,
    customers: f64,
}

impl Scaled {
    fn new(spendings: &[Spending]) -> Self {
        let sorted = sorted(spendings);
        let customers = sorted.len() as f64;
        let logs: f64 = sorted.iter().map(|spending| spending.mean.ln()).sum();
        let unit = (logs / customers).exp();
        let (mut repeats, mut rows) = (Vec::new(), Vec::new());
        for alike in sorted.chunk_by(|one, other| one == other) {
            let Some(spending) = alike.first() else { continue };
            if repeats.last() != Some(&spending.repeats) {
                repeats.push(spending.repeats);
            }
            rows.push(Row {
                place: repeats.len() - 1,
                x: f64::from(spending.repeats),
                mean: spending.mean / unit,
                log_mean: (spending.mean / unit).ln(),
                customers: alike.len() as f64,
            });
        }
        Self {
            unit,
            repeats,
            rows,
            customers,
        }
    }
}

impl Likelihood<3> for Scaled {
    fn at(&self, &[p, q, gamma]: &[f64; 3]) -> (f64, [f64; 3]) {
        let fixed = q * gamma.ln() - ln_gamma(q);
        let by_q = gamma.ln() - digamma(q);
        // The value, and its slopes by p and q.
        let by_repeats = |x: &u32| {
            let x = f64::from(*x);
            let both = digamma(p * x + q);
            (
                fixed + ln_gamma(p * x + q) - ln_gamma(p * x) + p * x * x.ln(),
                x * (both - digamma(p * x) + x.ln()),
                by_q + both,
            )
        };
        let table: Vec<(f64, f64, f64)> = self.repeats.iter().map(by_repeats).collect();
        fit::sum(&self.rows, |row| {
            let Some(&(base, base_p, base_q)) = table.get(row.place) else {
                return (0.0, [0.0; 3]);
            };
            let (shape, spread) = (p * row.x + q, gamma + row.x * row.mean);
            let log = spread.ln();
            let slopes = [
                base_p + row.x * (row.log_mean - log),
                base_q - log,
                q / gamma - shape / spread,
            ];
            (
                row.customers * (base + (p * row.x - 1.0) * row.log_mean - shape * log),
                slopes.map(|slope| row.customers * slope),
            )
        })
    }

    fn customers(&self) -> f64 {
        self.customers
    }
}
