//! The mathematics of metrics, free of storage and transport: days and windows, metric values with their
//! intervals, metric groups, definition files, the GROW decomposition, robust scores, trends and percentile ranks.

pub mod bootstrap;
pub mod definitions;
pub mod draw;
pub mod group;
pub mod lmdi;
pub mod metric;
pub mod rank;
pub mod score;
mod sum;
pub mod time;
pub mod trend;
pub mod wilson;

pub use definitions::{Catalogue, Definitions, Entry};
pub use group::{Ask, Extent, MetricGroup, Need};
pub use metric::{Absence, Interval, IntervalAbsence, IntervalMethod, Label, Metric, Quantity, Scope, Unit};
pub use sum::sum;
pub use time::{Day, Window};

/// Money in ten-thousandths of the tenant's currency unit, exact.
pub type Money = i128;

/// Ten-thousandths in one currency unit.
pub const MONEY_SCALE: i128 = 10_000;

/// `money` in currency units, for ratios and pictures.
#[must_use]
pub fn money_to_f64(money: Money) -> f64 {
    money as f64 / MONEY_SCALE as f64
}
