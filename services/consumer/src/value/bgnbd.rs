//! BG/NBD: how often a customer buys while alive, and when they die.
//!
//! Source: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way; methodology 2.7. While alive a
//! customer buys at a rate λ that is gamma distributed over customers (shape r, rate α); after each purchase they die
//! with a probability that is beta distributed (a, b).

use dualwheel_kit::work;
use statrs::function::gamma::{digamma, ln_gamma};

use super::{
    Refusal,
    fit::{self, Likelihood},
};

/// Terms of a series before it is cut off.
const MOST_TERMS: u32 = 1_000_000;
/// Share of a series' sum below which a term ends it.
const SMALL: f64 = 1e-16;

/// One customer's purchases in time, in weeks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Repeat purchases: x.
    pub repeats: u32,
    /// First to last purchase: t_x; 0 without a repeat.
    pub recency: f64,
    /// First purchase to the end of observation: T.
    pub age: f64,
}

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Shape of the purchase rates.
    pub r: f64,
    /// Rate parameter of the purchase rates, in weeks.
    pub alpha: f64,
    /// First parameter of the chance to die at a purchase.
    pub a: f64,
    /// Second parameter of it.
    pub b: f64,
    /// Log-likelihood at these.
    pub log_likelihood: f64,
}

impl Model {
    /// The model that makes the histories likeliest.
    ///
    /// # Errors
    /// When fewer than `fewest` customers bought again, or no maximum is found.
    pub fn fit(timings: &[Timing], fewest: usize) -> Result<Self, Refusal> {
        let repeaters = timings.iter().filter(|timing| timing.repeats > 0).count();
        if repeaters < fewest.max(1) {
            return Err(Refusal::TooFewRepeaters {
                found: repeaters,
                needed: fewest.max(1),
            });
        }
        let ([r, alpha, a, b], log_likelihood) = fit::maximise(&Histories::new(timings), [1.0; 4])?;
        Ok(Self {
            r,
            alpha,
            a,
            b,
            log_likelihood,
        })
    }

    /// Probability that the customer is alive at the end of observation.
    #[must_use]
    pub fn p_alive(&self, customer: Timing) -> f64 {
        if customer.repeats == 0 {
            return 1.0;
        }
        let x = f64::from(customer.repeats);
        let aging = (self.r + x) * ((self.alpha + customer.age) / (self.alpha + customer.recency)).ln();
        let odds = (self.a / (self.b + x - 1.0)).ln() + aging;
        1.0 / (1.0 + odds.exp())
    }

    /// Purchases that the customer is expected to make in the `weeks` after the end of observation.
    ///
    /// The published form has ₂F₁(r+x, b+x; a+b+x−1; z), which overflows for long histories; Euler's transformation
    /// turns it into (1−z)^(a−1−r−x) · ₂F₁(a+b−1−r, a−1; a+b+x−1; z), whose terms stay small, and which goes through
    /// a = 1 without a special case.
    #[must_use]
    pub fn expected(&self, customer: Timing, weeks: f64) -> f64 {
        if weeks <= 0.0 {
            return 0.0;
        }
        let x = f64::from(customer.repeats);
        let reach = self.alpha + customer.age + weeks;
        let z = weeks / reach;
        let (excess, log) = (self.a - 1.0, ((self.alpha + customer.age) / reach).ln());
        let (first, third) = (self.a + self.b - 1.0 - self.r, self.a + self.b + x - 1.0);
        // (F − 1) ÷ excess, where F = ₂F₁(first, excess; third; z): its n-th term holds (excess)_n = excess · (a)_(n−1).
        let mut term = first / third * z;
        let mut series = term;
        for n in 1..MOST_TERMS {
            let n = f64::from(n);
            term *= (first + n) * (excess + n) / ((third + n) * (n + 1.0)) * z;
            series += term;
            if term.abs() <= SMALL * series.abs() {
                break;
            }
        }
        let shrunk = (excess * log).exp();
        let powered = if excess == 0.0 {
            log
        } else {
            (excess * log).exp_m1() / excess
        };
        -third * (powered + shrunk * series) * self.p_alive(customer)
    }

    /// Purchases expected within `weeks`, each discounted to today at `yearly` a year, week by week.
    #[must_use]
    pub fn discounted(&self, customer: Timing, weeks: u32, yearly: f64) -> f64 {
        let mut before = 0.0;
        let mut sum = 0.0;
        for week in 1..=weeks {
            work::look();
            let after = self.expected(customer, f64::from(week));
            sum += (after - before) / (1.0 + yearly).powf(f64::from(week) / 52.0);
            before = after;
        }
        sum
    }
}

/// Histories, equal ones together.
struct Histories {
    /// Numbers of repeats that occur, ascending.
    repeats: Vec<u32>,
    rows: Vec<Row>,
    customers: f64,
}

struct Row {
    /// Place among `repeats`.
    place: usize,
    x: f64,
    recency: f64,
    age: f64,
    customers: f64,
}

impl Histories {
    fn new(timings: &[Timing]) -> Self {
        let mut sorted = timings.to_vec();
        let order = |one: &Timing, other: &Timing| {
            (one.repeats.cmp(&other.repeats))
                .then(one.age.total_cmp(&other.age))
                .then(one.recency.total_cmp(&other.recency))
        };
        sorted.sort_unstable_by(order);
        let (mut repeats, mut rows) = (Vec::new(), Vec::new());
        for alike in sorted.chunk_by(|one, other| one == other) {
            let Some(timing) = alike.first() else { continue };
            if repeats.last() != Some(&timing.repeats) {
                repeats.push(timing.repeats);
            }
            rows.push(Row {
                place: repeats.len() - 1,
                x: f64::from(timing.repeats),
                recency: timing.recency,
                age: timing.age,
                customers: alike.len() as f64,
            });
        }
        Self {
            repeats,
            rows,
            customers: timings.len() as f64,
        }
    }
}

impl Likelihood<4> for Histories {
    fn at(&self, &[r, alpha, a, b]: &[f64; 4]) -> (f64, [f64; 4]) {
        // What depends on the number of repeats alone: the value, and its slopes by r, a and b.
        let fixed = r * alpha.ln() - ln_gamma(r) - ln_gamma(b) + ln_gamma(a + b);
        let (by_r, by_ab, by_b) = (alpha.ln() - digamma(r), digamma(a + b), digamma(b));
        let by_repeats = |x: &u32| {
            let x = f64::from(*x);
            let both = digamma(a + b + x);
            (
                fixed + ln_gamma(r + x) + ln_gamma(b + x) - ln_gamma(a + b + x),
                by_r + digamma(r + x),
                by_ab - both,
                by_ab - by_b + digamma(b + x) - both,
            )
        };
        let table: Vec<(f64, f64, f64, f64)> = self.repeats.iter().map(by_repeats).collect();
        fit::sum(&self.rows, |row| {
            let Some(&(base, base_r, base_a, base_b)) = table.get(row.place) else {
                return (0.0, [0.0; 4]);
            };
            let shape = r + row.x;
            let log_age = (alpha + row.age).ln();
            let alive = -shape * log_age;
            let (mut top, mut dead_share, mut log_recency) = (alive, 0.0, 0.0);
            if row.x > 0.0 {
                log_recency = (alpha + row.recency).ln();
                let dead = (a / (b + row.x - 1.0)).ln() - shape * log_recency;
                let highest = alive.max(dead);
                top = highest + ((alive - highest).exp() + (dead - highest).exp()).ln();
                dead_share = (dead - top).exp();
            }
            let alive_share = 1.0 - dead_share;
            let by_alpha = alive_share / (alpha + row.age) + dead_share / (alpha + row.recency);
            let slopes = [
                base_r - alive_share * log_age - dead_share * log_recency,
                r / alpha - shape * by_alpha,
                base_a + dead_share / a,
                base_b
                    - if dead_share > 0.0 {
                        dead_share / (b + row.x - 1.0)
                    } else {
                        0.0
                    },
            ];
            (
                row.customers * (base + top),
                slopes.map(|slope| row.customers * slope),
            )
        })
    }

    fn customers(&self) -> f64 {
        self.customers
    }
}
