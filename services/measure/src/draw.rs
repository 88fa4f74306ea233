//! Lots drawn by a hash of keys: which people are in a sample, and in which part of all, shows neither by how they behave nor
//! by the order in which they became known, and is the same on every machine.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// At most `most` of the items, in the order of their keys.
#[must_use]
pub fn sample<'k, T: Copy>(
    items: impl IntoIterator<Item = T>,
    most: usize,
    key: impl Fn(T) -> &'k str,
) -> Vec<T> {
    let hash = |one: T| (xxh3_64(key(one).as_bytes()), one);
    let mut drawn: Vec<(u64, T)> = items.into_iter().map(hash).collect();
    if most < drawn.len() {
        drawn.select_nth_unstable_by(most, |(one, its), (other, theirs)| {
            one.cmp(other).then_with(|| key(*its).cmp(key(*theirs)))
        });
        drawn.truncate(most);
    }
    let mut drawn: Vec<T> = drawn.into_iter().map(|(_, one)| one).collect();
    drawn.sort_unstable_by(|one, other| key(*one).cmp(key(*other)));
    drawn
}

/// The part, of so many, in which a key lies; of another seed in another one.
#[must_use]
pub fn part_of(key: &str, parts: u64, seed: u64) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), seed) % parts.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_are_those_of_the_smallest_hashes_in_any_order(
            keys in proptest::collection::btree_set("[a-z]{0,4}", 0..60),
            most in 0..70usize,
            turn in any::<prop::sample::Index>(),
        ) {
            let mut wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
            wanted.sort_by_key(|key| (xxh3_64(key.as_bytes()), *key));
            wanted.truncate(most);
            wanted.sort_unstable();
            let mut items: Vec<&str> = keys.iter().map(String::as_str).collect();
            prop_assert_eq!(&sample(items.iter().copied(), most, |one| one), &wanted);
            items.reverse();
            let middle = turn.index(items.len() + 1);
            items.rotate_left(middle);
            prop_assert_eq!(&sample(items, most, |one| one), &wanted);
        }

        #[test]
        fn every_key_lies_in_one_part(key in ".{0,8}", parts in 0..9u64, seed in any::<u64>()) {
            prop_assert!(part_of(&key, parts, seed) < parts.max(1));
            prop_assert_eq!(part_of(&key, parts, 0), xxh3_64(key.as_bytes()) % parts.max(1));
        }
    }

    /// A fair draw of a fifth of 10 000 has 2 000 ± 40: 5 deviations are 200.
    #[test]
    fn parts_are_alike_in_size_and_another_seed_draws_anew() {
        let keys: Vec<String> = (0..10_000).map(|number| format!("c{number}")).collect();
        let first =
            |seed| -> BTreeSet<&String> { keys.iter().filter(|key| part_of(key, 5, seed) == 0).collect() };
        let (one, other) = (first(1), first(2));
        for drawn in [&one, &other] {
            assert!(drawn.len().abs_diff(2_000) < 200, "{}", drawn.len());
        }
        assert!(one.intersection(&other).count().abs_diff(400) < 100);
    }
}
