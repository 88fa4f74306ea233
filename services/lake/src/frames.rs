//! Facts of a brand as plain columns in memory, grouped by consumer where a fact has one.
//!
//! Frames are built from record batches of the lake (or of rows, in tests), keep only what metrics read, resolve
//! revisions, and name consumers, products and all other keys by dense ordinals of the tenant's [`Names`].
//! Ordinals depend on the order of loading; no metric may. Of rows that compete, where neither a revision nor an
//! instant decides, the one with the smaller content counts: column by column in the order of the contract, keys by
//! their text, and what was not said before what was.

use std::{cmp::Ordering, collections::hash_map::Entry, hash::Hash};

use ahash::AHashMap;

mod behaviors;
mod campaigns;
pub mod categories;
mod contents;
mod kinds;
pub mod launches;
pub mod members;
mod names;
mod orders;
mod part;
mod products;
mod profiles;
pub mod purchases;
mod social;
mod standing;
mod stock;

use dualwheel_kit::work;

pub use behaviors::Behaviors;
pub use campaigns::{CampaignRow, Campaigns};
pub use categories::{Categories, Within};
pub use contents::{ContentRow, Contents};
pub use kinds::{Format, Gender, KeywordClass, Kind, Role, Venue};
pub use launches::Launches;
pub use members::{MemberRow, Members, Reach};
pub use names::{Keys, KeysView, Names};
pub use orders::{Line, Orders};
pub use products::{ProductRow, Products};
pub use profiles::{Profile, Profiles, is_shown};
pub use purchases::{Purchase, Purchases};
pub use social::{SocialProfiles, SocialRow};
pub use stock::{MarketStatRow, MarketStats, Stock, StockRow};

pub use crate::view::NONE;

/// Rows grouped by consumer: `rows(consumer)` is the range of a consumer's rows.
///
/// A brand that knows many of the tenant's consumers looks a range up by ordinal; one that knows few keeps only
/// those, so that thousands of small brands fit in memory.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Consumers with rows, by ordinal; empty when `offsets` has a place for every ordinal.
    sparse: Vec<u32>,
    offsets: Vec<usize>,
}

/// A brand keeps places for all ordinals when it knows at least one in this many of them.
const DENSE_FROM: usize = 4;

impl Groups {
    /// Groups of rows whose consumers are given in row order, and the order that sorts the rows by consumer and,
    /// within one, as `within` says.
    pub(crate) fn sorted(consumers: &[u32], within: impl Fn(usize, usize) -> Ordering) -> (Self, Vec<usize>) {
        let highest = consumers.iter().max().map_or(0, |highest| *highest as usize + 1);
        let (groups, mut order) = if consumers.len() * DENSE_FROM >= highest {
            Self::dense(consumers, highest)
        } else {
            Self::sparse(consumers)
        };
        for pair in groups.offsets.windows(2) {
            if let [start, end] = pair
                && let Some(group) = order.get_mut(*start..*end)
            {
                group.sort_by(|one, other| within(*one, *other));
            }
        }
        (groups, order)
    }

    fn dense(consumers: &[u32], highest: usize) -> (Self, Vec<usize>) {
        let mut offsets = vec![0usize; highest + 1];
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
        (
            Self {
                sparse: Vec::new(),
                offsets,
            },
            order,
        )
    }

    fn sparse(consumers: &[u32]) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..consumers.len()).collect();
        order.sort_by_key(|row| consumers.get(*row).copied());
        let (mut sparse, mut offsets) = (Vec::new(), Vec::new());
        for (at, consumer) in order.iter().filter_map(|row| consumers.get(*row)).enumerate() {
            if sparse.last() != Some(consumer) {
                sparse.push(*consumer);
                offsets.push(at);
            }
        }
        offsets.push(consumers.len());
        (Self { sparse, offsets }, order)
    }

    /// The range of a consumer's rows; empty for a consumer without any.
    #[must_use]
    pub fn rows(&self, consumer: u32) -> std::ops::Range<usize> {
        let at = if self.sparse.is_empty() {
            consumer as usize
        } else {
            let Ok(at) = self.sparse.binary_search(&consumer) else {
                return 0..0;
            };
            at
        };
        match (self.offsets.get(at), self.offsets.get(at + 1)) {
            (Some(start), Some(end)) => *start..*end,
            _ => 0..0,
        }
    }

    /// One more than the highest consumer ordinal with rows.
    #[must_use]
    pub fn len(&self) -> u32 {
        match self.sparse.last() {
            Some(highest) => highest + 1,
            None => self.offsets.len().saturating_sub(1) as u32,
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Consumers with at least one row, by ordinal. A question that nobody waits for ends here.
    pub fn consumers(&self) -> impl Iterator<Item = u32> + '_ {
        let dense = if self.sparse.is_empty() { self.len() } else { 0 };
        self.sparse
            .iter()
            .copied()
            .chain((0..dense).filter(|consumer| !self.rows(*consumer).is_empty()))
            .inspect(|_| work::look())
    }

    /// Bytes that the groups take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.sparse.len() * 4 + self.offsets.len() * 8
    }
}

/// The order of two keys by their text: ordinals depend on what came first. One that was not said is the smallest.
pub(crate) fn by_text(keys: &Keys, one: u32, other: u32) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    let keys = keys.view();
    (one != NONE, keys.key(one)).cmp(&(other != NONE, keys.key(other)))
}

/// Keeps the row of `key` that was known last; of rows known at the same time the one with the smaller content.
pub(crate) fn keep_latest<K: Eq + Hash, T: Ord, R>(
    latest: &mut AHashMap<K, (T, R)>,
    key: K,
    known: T,
    row: R,
    by_content: impl Fn(&R, &R) -> Ordering,
) {
    match latest.entry(key) {
        Entry::Vacant(place) => {
            place.insert((known, row));
        }
        Entry::Occupied(mut place) => {
            let (at, kept) = place.get();
            if at.cmp(&known).then_with(|| by_content(&row, kept)).is_lt() {
                place.insert((known, row));
            }
        }
    }
}

/// `values` in the given order of rows, with no more room than they take: frames are kept.
pub(crate) fn reorder<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    let mut ordered = Vec::with_capacity(order.len());
    ordered.extend(order.iter().filter_map(|row| values.get(*row).copied()));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_no_room_to_spare() {
        let values: Vec<u64> = (0..1_000).collect();
        let order: Vec<usize> = (0..1_000).rev().collect();
        let ordered = reorder(&values, &order);
        assert_eq!((ordered.len(), ordered.capacity()), (1_000, 1_000));
        assert_eq!(ordered[0], 999);
    }

    #[test]
    fn sparse_and_dense_groups_hold_the_same_rows() {
        let near = [3u32, 1, 3, 0, 1, 1];
        let far: Vec<u32> = near.iter().map(|consumer| consumer * 1_000).collect();
        let (dense, dense_order) = Groups::sorted(&near, |one, other| one.cmp(&other));
        let (sparse, sparse_order) = Groups::sorted(&far, |one, other| one.cmp(&other));
        assert!(dense.sparse.is_empty() && !sparse.sparse.is_empty());
        assert_eq!(dense_order, sparse_order);
        for consumer in 0..5 {
            let rows: Vec<usize> = dense.rows(consumer).collect();
            assert!(sparse.rows(consumer * 1_000).eq(rows), "{consumer}");
        }
        assert_eq!(dense.consumers().collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(sparse.consumers().collect::<Vec<_>>(), [0, 1_000, 3_000]);
        assert_eq!((dense.len(), sparse.len(), sparse.rows(1)), (4, 3_001, 0..0));
        let (empty, _) = Groups::sorted(&[], |one, other| one.cmp(&other));
        assert!(empty.is_empty() && empty.rows(0).is_empty());
    }
}
