//! Facts of a brand as plain columns in memory, grouped by consumer where a fact has one.
//!
//! Frames are built from record batches of the lake (or of rows, in tests), keep only what metrics read, resolve
//! revisions, and name consumers, products and all other keys by dense ordinals of the tenant's [`Names`].
//! Ordinals depend on the order of loading; no metric may.

mod behaviors;
mod contents;
mod members;
mod names;
mod orders;
mod products;
mod profiles;
mod stock;
pub(crate) mod view;

pub use behaviors::{Behaviors, Kind, Venue};
pub use contents::{ContentRow, Contents};
pub use members::{MemberRow, Members, Reach, Role};
pub use names::{Keys, KeysView, Names};
pub use orders::{Line, Orders};
pub use products::{ProductRow, Products};
pub use profiles::{Gender, Profile, Profiles};
pub use stock::{MarketStats, MarketStatRow, Stock, StockRow};

/// Ordinal that stands for "the fact did not say".
pub const NONE: u32 = u32::MAX;

/// Rows grouped by consumer: `rows(consumer)` is the range of a consumer's rows.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    offsets: Vec<usize>,
}

impl Groups {
    /// Groups of rows whose consumers are given in row order, and the order that sorts the rows by consumer and,
    /// within one, as `within` says.
    pub(crate) fn sorted<K: Ord>(consumers: &[u32], within: impl Fn(usize) -> K) -> (Self, Vec<usize>) {
        let groups = consumers.iter().max().map_or(0, |highest| *highest as usize + 1);
        let mut offsets = vec![0usize; groups + 1];
        for consumer in consumers {
            if let Some(slot) = offsets.get_mut(*consumer as usize + 1) {
                *slot += 1;
            }
        }
        let mut total = 0;
        for slot in &mut offsets {
            total += *slot;
            *slot = total;
        }
        let mut next = offsets.clone();
        let mut order = vec![0usize; consumers.len()];
        for (row, consumer) in consumers.iter().enumerate() {
            if let Some(at) = next.get_mut(*consumer as usize) {
                if let Some(slot) = order.get_mut(*at) {
                    *slot = row;
                }
                *at += 1;
            }
        }
        for pair in offsets.windows(2) {
            if let [start, end] = pair
                && let Some(group) = order.get_mut(*start..*end)
            {
                group.sort_by_key(|row| within(*row));
            }
        }
        (Self { offsets }, order)
    }

    /// The range of a consumer's rows; empty for a consumer without any.
    #[must_use]
    pub fn rows(&self, consumer: u32) -> std::ops::Range<usize> {
        let at = consumer as usize;
        match (self.offsets.get(at), self.offsets.get(at + 1)) {
            (Some(start), Some(end)) => *start..*end,
            _ => 0..0,
        }
    }

    /// One more than the highest consumer ordinal with rows.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.offsets.len().saturating_sub(1) as u32
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Consumers with at least one row, by ordinal.
    pub fn consumers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).filter(|consumer| !self.rows(*consumer).is_empty())
    }
}

/// `values` in the given order of rows.
pub(crate) fn reorder<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().filter_map(|row| values.get(*row).copied()).collect()
}
