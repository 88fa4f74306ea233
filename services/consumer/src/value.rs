//! What a customer is worth, and for how long: RFM, BG/NBD and Gamma-Gamma.
//!
//! Source: methodology 2.7. Time is in weeks of seven days; the purchases of one day are one.

pub mod bgnbd;
mod fit;
pub mod gamma_gamma;
pub mod group;
pub mod measure;
pub mod rfm;

use dualwheel_lake::frames::{Line, Orders};
use dualwheel_measure::{Absence, Day, MONEY_SCALE, Money};
use serde::{Deserialize, Serialize};

/// Days of a week.
const WEEK: f64 = 7.0;

/// Why a model is not fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Too few customers came back.
    #[error("{found} customers bought on more than one day; the model needs {needed}")]
    TooFewRepeaters {
        /// Customers with a repeat purchase.
        found: usize,
        /// Fewest that are fitted.
        needed: usize,
    },
    /// Frequency and value go together, which Gamma-Gamma rules out.
    #[error(
        "value per purchase goes with the number of purchases (correlation {correlation:.3}, at most {most} either \
         way), which the model rules out"
    )]
    Correlated {
        /// Pearson's correlation over repeat customers.
        correlation: f64,
        /// Largest that is admitted.
        most: f64,
    },
    /// The facts do not determine the parameters: the likelihood rises for ever, or is flat.
    #[error("the likelihood has no maximum within reach; the histories may be all alike")]
    NoMaximum,
}

impl Refusal {
    /// Why what the model would tell has no value.
    #[must_use]
    pub fn absence(&self) -> Absence {
        match self {
            Self::NoMaximum => Absence::Undetermined,
            Self::TooFewRepeaters { .. } | Self::Correlated { .. } => Absence::NoData,
        }
    }
}

/// The purchases of one customer up to the last day of observation.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct History {
    /// Consumer. It is a number of this process, and so no part of what is written.
    #[serde(skip)]
    pub consumer: u32,
    /// First purchase day.
    pub first: Day,
    /// Last purchase day.
    pub last: Day,
    /// Distinct purchase days after the first: x.
    pub repeats: u32,
    /// Net GMV on all purchase days, in ten-thousandths.
    pub net: Money,
    /// Net GMV on the purchase days after the first, in ten-thousandths.
    pub repeat_net: Money,
}

impl History {
    /// What BG/NBD reads, in weeks, as of `end`.
    #[must_use]
    pub fn timing(&self, end: Day) -> bgnbd::Timing {
        bgnbd::Timing {
            repeats: self.repeats,
            recency: f64::from(self.last.0 - self.first.0) / WEEK,
            age: f64::from(end.0 - self.first.0) / WEEK,
        }
    }

    /// What Gamma-Gamma reads; nothing without a repeat purchase, or where returns ate up what was paid.
    #[must_use]
    pub fn spending(&self) -> Option<gamma_gamma::Spending> {
        (self.repeats > 0 && self.repeat_net > 0).then(|| gamma_gamma::Spending {
            repeats: self.repeats,
            mean: self.repeat_net as f64 / MONEY_SCALE as f64 / f64::from(self.repeats),
        })
    }
}

/// The histories of everyone who bought by `end`, by consumer.
#[must_use]
pub fn histories(orders: &Orders, end: Day) -> Vec<History> {
    let each = orders.groups.consumers();
    each.filter_map(|consumer| history(consumer, orders.of(consumer), end))
        .collect()
}

fn history(consumer: u32, lines: &[Line], end: Day) -> Option<History> {
    let mut days: Vec<Day> = lines
        .iter()
        .filter(|line| line.is_purchase() && line.day <= end)
        .map(|line| line.day)
        .collect();
    days.sort_unstable();
    days.dedup();
    let (first, last) = (*days.first()?, *days.last()?);
    let mut history = History {
        consumer,
        first,
        last,
        repeats: u32::try_from(days.len() - 1).unwrap_or(u32::MAX),
        net: 0,
        repeat_net: 0,
    };
    for line in lines.iter().filter(|line| days.binary_search(&line.day).is_ok()) {
        history.net += line.net();
        if line.day > first {
            history.repeat_net += line.net();
        }
    }
    Some(history)
}
