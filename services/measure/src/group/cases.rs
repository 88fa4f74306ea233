//! Counts under assumptions that only the whole can decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a part counts in every case that is still possible, by case.
///
/// What is known of a part only ever rules cases out. So those of two parts together are the cases that both have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cases<C: Ord, T>(BTreeMap<C, T>);

impl<C: Ord + Copy, T> Cases<C, T> {
    /// Counts in each of the cases that are `possible`.
    pub fn count(possible: impl IntoIterator<Item = C>, mut count: impl FnMut(C) -> T) -> Self {
        Self(possible.into_iter().map(|case| (case, count(case))).collect())
    }

    /// The counts of a case that is decided.
    pub fn decided_for(case: C, counts: T) -> Self {
        Self([(case, counts)].into())
    }

    /// The cases possible for both, with their counts added by `add`.
    #[must_use]
    pub fn merge(mut self, other: Self, mut add: impl FnMut(&mut T, T)) -> Self {
        self.0.retain(|case, _| other.0.contains_key(case));
        for (case, more) in other.0 {
            if let Some(sum) = self.0.get_mut(&case) {
                add(sum, more);
            }
        }
        self
    }

    /// What was counted in a case; `None` where it was not possible.
    #[must_use]
    pub fn get(&self, case: C) -> Option<&T> {
        self.0.get(&case)
    }

    /// What was counted in the case that the whole has decided for; `None` where it was not possible.
    #[must_use]
    pub fn decided(mut self, case: C) -> Option<T> {
        self.0.remove(&case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_that_a_part_rules_out_are_gone() {
        let sure = Cases::count([1], |case| case * 10);
        let open = Cases::count([1, 2], |case| case * 100);
        let both = sure.merge(open, |sum, more| *sum += more);
        assert_eq!(both, Cases::count([1], |_| 110));
        assert_eq!((both.clone().decided(1), both.decided(2)), (Some(110), None));
    }
}
