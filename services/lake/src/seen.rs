//! What has been seen of things that come again and again: a hash of each, and what was said of it. 16 bytes a
//! saying, to tell in time which things need to be looked at whole.

use std::collections::BTreeSet;

/// A hash of a thing, and what was said of it.
pub type Saying = (u64, u64);

/// New sayings that are held beside the sorted ones, whatever the number of these.
const FEW: usize = 4_096;

/// All that was said.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    sorted: Vec<Saying>,
    /// Sayings that are not among the sorted ones yet.
    recent: BTreeSet<Saying>,
}

impl FromIterator<Saying> for Seen {
    fn from_iter<I: IntoIterator<Item = Saying>>(sayings: I) -> Self {
        let mut sorted: Vec<Saying> = sayings.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self {
            sorted,
            recent: BTreeSet::new(),
        }
    }
}

impl Seen {
    /// Number of sayings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len() + self.recent.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All sayings of a thing.
    pub fn of(&self, thing: u64) -> impl Iterator<Item = u64> {
        let from = self.sorted.partition_point(|saying| saying.0 < thing);
        let sorted = self.sorted.iter().skip(from);
        sorted
            .take_while(move |saying| saying.0 == thing)
            .chain(self.recent.range((thing, 0)..=(thing, u64::MAX)))
            .map(|saying| saying.1)
    }

    /// Adds sayings and leaves in `new` those that are, sorted. Answers the things among them of which different was
    /// said, now or before, sorted.
    pub fn add(&mut self, new: &mut Vec<Saying>) -> Vec<u64> {
        new.sort_unstable();
        new.dedup();
        let mut disputed = Vec::new();
        for (at, (thing, said)) in new.iter().enumerate() {
            let next = new.get(at + 1);
            if next.is_some_and(|next| next.0 == *thing) || self.of(*thing).any(|before| before != *said) {
                disputed.push(*thing);
            }
        }
        disputed.dedup();
        new.retain(|(thing, said)| self.of(*thing).all(|before| before != *said));
        let few = FEW.max(self.sorted.len() / 8);
        if self.recent.len() + new.len() > few {
            self.sorted.extend(new.iter().chain(&self.recent));
            self.sorted.sort_unstable();
            self.recent.clear();
        } else {
            self.recent.extend(new.iter());
        }
        disputed
    }

    /// All sayings, sorted.
    pub fn iter(&self) -> impl Iterator<Item = Saying> {
        let mut all: Vec<Saying> = self.sorted.iter().chain(&self.recent).copied().collect();
        all.sort_unstable();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sayings_are_kept_and_disputes_told(
            batches in prop::collection::vec(prop::collection::vec((0..40u64, 0..3u64), 0..30), 1..6),
            settled: bool,
        ) {
            let (mut seen, mut all) = (Seen::default(), BTreeSet::new());
            for batch in batches {
                let mut new = batch.clone();
                let disputed = seen.add(&mut new);
                let before = all.clone();
                all.extend(batch.iter().copied());
                let said = |thing: u64| all.range((thing, 0)..=(thing, u64::MAX)).count();
                let expected: BTreeSet<u64> = batch.iter().map(|one| one.0).filter(|thing| said(*thing) > 1).collect();
                prop_assert_eq!(disputed, expected.into_iter().collect::<Vec<_>>());
                prop_assert_eq!(&new, &all.difference(&before).copied().collect::<Vec<_>>());
                prop_assert_eq!(seen.iter().collect::<Vec<_>>(), all.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(seen.len(), all.len());
                if settled {
                    seen = seen.iter().collect();
                }
            }
        }
    }
}
