//! Keys of a tenant as dense ordinals, shared by all its frames.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ahash::RandomState;
use hashbrown::{HashTable, hash_table::Entry};

use super::NONE;

/// Ordinals of every kind of key.
#[derive(Debug, Default)]
pub struct Names {
    /// Consumers.
    pub consumers: Keys,
    /// Products.
    pub products: Keys,
    /// SKUs.
    pub skus: Keys,
    /// Category paths.
    pub categories: Keys,
    /// Contents.
    pub contents: Keys,
    /// Channels, authors, locations, tiers, styles and all other short texts.
    pub words: Keys,
}

impl Names {
    /// Bytes that all keys take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self {
            consumers,
            products,
            skus,
            categories,
            contents,
            words,
        } = self;
        let kinds = [consumers, products, skus, categories, contents, words];
        kinds.into_iter().map(Keys::bytes).sum()
    }
}

/// Keys of one kind; only grows.
///
/// Its lock is held within single methods that call nothing of their caller's, so that nobody can hold the locks of
/// two kinds: whatever is read or added in whatever order, nobody waits for somebody who waits.
#[derive(Debug, Default)]
pub struct Keys {
    table: RwLock<Table>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Table {
    keys: KeysView,
    ordinals: HashTable<u32>,
}

impl Keys {
    /// The keys known now, for resolving many.
    #[must_use]
    pub fn view(&self) -> KeysView {
        self.read().keys.clone()
    }

    /// The ordinal of a key that is known.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<u32> {
        self.read().find(&self.hasher, key)
    }

    /// The ordinal of a key, a new one when it is not known yet. For many keys, [`intern_all`](Self::intern_all).
    #[must_use]
    pub fn intern(&self, key: &str) -> u32 {
        let known = self.find(key);
        known.unwrap_or_else(|| self.intern_all(&[Some(key)]).first().copied().unwrap_or(NONE))
    }

    /// The ordinals of the keys of a column, [`NONE`] where there is none. New keys get theirs in the order given,
    /// one behind the other.
    #[must_use]
    pub fn intern_all(&self, keys: &[Option<&str>]) -> Vec<u32> {
        let table = self.read();
        let ordinal = |key: &Option<&str>| key.and_then(|key| table.find(&self.hasher, key));
        let mut found: Vec<u32> = keys.iter().map(|key| ordinal(key).unwrap_or(NONE)).collect();
        drop(table);
        if keys
            .iter()
            .zip(&found)
            .any(|(key, ordinal)| key.is_some() && *ordinal == NONE)
        {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.add(&self.hasher, keys, &mut found);
        }
        found
    }

    /// Bytes that the keys take, about.
    fn bytes(&self) -> usize {
        let table = self.read();
        let parts = table
            .keys
            .0
            .iter()
            .map(|part| part.text.capacity() + part.ends.capacity() * size_of::<usize>());
        parts.sum::<usize>() + table.ordinals.allocation_size()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&self, hasher: &RandomState, key: &str) -> Option<u32> {
        let same = |ordinal: &u32| self.keys.key(*ordinal) == key;
        self.ordinals.find(hasher.hash_one(key), same).copied()
    }

    /// Adds those of the keys that have not been found.
    fn add(&mut self, hasher: &RandomState, keys: &[Option<&str>], found: &mut [u32]) {
        let Self {
            keys: known,
            ordinals,
        } = self;
        let mut new = Part {
            first: known.len(),
            ..Part::default()
        };
        for (key, ordinal) in keys.iter().zip(found) {
            let (Some(key), NONE) = (key, *ordinal) else {
                continue;
            };
            let of = |ordinal: u32| new.key(ordinal).unwrap_or_else(|| known.key(ordinal));
            let same = |ordinal: &u32| of(*ordinal) == *key;
            let rehash = |ordinal: &u32| hasher.hash_one(of(*ordinal));
            *ordinal = match ordinals.entry(hasher.hash_one(key), same, rehash) {
                // Somebody added it meanwhile, or it is in the column twice.
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(place) => *place.insert(new.push(key)).get(),
            };
        }
        known.add(new);
    }
}

/// The keys as they were known when it was taken; those added later are not in it. It holds no lock.
#[derive(Clone, Debug, Default)]
pub struct KeysView(Arc<[Arc<Part>]>);

/// Keys with ordinals behind each other, in one text: millions of them take little more than their bytes.
#[derive(Debug, Default)]
struct Part {
    first: usize,
    text: String,
    ends: Vec<usize>,
}

impl KeysView {
    /// The key of an ordinal; empty for [`NONE`](super::NONE) and unknown ones.
    #[must_use]
    pub fn key(&self, ordinal: u32) -> &str {
        self.0.iter().find_map(|part| part.key(ordinal)).unwrap_or("")
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |part| part.first + part.ends.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds keys. Every part is kept more than twice as large as the next one, so that there are few, the first
    /// holds most keys, and a key is copied a few times in all.
    fn add(&mut self, mut new: Part) {
        if new.ends.is_empty() {
            return;
        }
        let mut parts = self.0.to_vec();
        while let Some(last) = parts.pop_if(|last| last.ends.len() <= 2 * new.ends.len()) {
            new = last.joined(&new);
        }
        new.text.shrink_to_fit();
        new.ends.shrink_to_fit();
        parts.push(Arc::new(new));
        self.0 = parts.into();
    }
}

impl Part {
    fn key(&self, ordinal: u32) -> Option<&str> {
        let at = (ordinal as usize).checked_sub(self.first)?;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        self.text.get(start.copied().unwrap_or(0)..end)
    }

    /// Adds a key; its ordinal.
    fn push(&mut self, key: &str) -> u32 {
        let ordinal = self.first + self.ends.len();
        self.text.push_str(key);
        self.ends.push(self.text.len());
        u32::try_from(ordinal).unwrap_or(NONE)
    }

    /// Its keys and those of the next part.
    fn joined(&self, next: &Self) -> Self {
        let ends = next.ends.iter().map(|end| self.text.len() + end);
        Self {
            first: self.first,
            text: [self.text.as_str(), &next.text].concat(),
            ends: self.ends.iter().copied().chain(ends).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_get_dense_ordinals_in_the_order_of_their_coming(
            columns in prop::collection::vec(prop::collection::vec(prop::option::of(0u16..600), 0..200), 0..40),
        ) {
            let (keys, mut known) = (Keys::default(), HashMap::new());
            for column in &columns {
                let texts: Vec<Option<String>> = column.iter().map(|key| key.map(|key| format!("ключ {key}"))).collect();
                let before = keys.view();
                let (len, first) = (before.len(), before.key(0).to_owned());
                let ordinals = keys.intern_all(&texts.iter().map(Option::as_deref).collect::<Vec<_>>());
                for (text, ordinal) in texts.iter().zip(ordinals) {
                    let next = known.len() as u32;
                    let expected = text.as_ref().map_or(NONE, |text| *known.entry(text.clone()).or_insert(next));
                    prop_assert_eq!(ordinal, expected);
                }
                prop_assert_eq!((before.len(), before.key(0)), (len, first.as_str()));
            }
            let view = keys.view();
            prop_assert_eq!(view.len(), known.len());
            for (text, ordinal) in &known {
                prop_assert_eq!(view.key(*ordinal), text);
                prop_assert_eq!(keys.find(text), Some(*ordinal));
                prop_assert_eq!(keys.intern(text), *ordinal);
            }
            prop_assert_eq!((view.key(NONE), view.key(known.len() as u32), keys.find("nobody")), ("", "", None));
        }
    }

    #[test]
    fn there_are_few_parts_however_keys_come() {
        let keys = Keys::default();
        let mut next = 0..;
        // Fewer and fewer new ones in each column, as when a table's rows name the same people again and again.
        for column in (0..200).rev() {
            let texts: Vec<String> = next
                .by_ref()
                .take(column)
                .map(|key: u32| key.to_string())
                .collect();
            let _ = keys.intern_all(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
        }
        let view = keys.view();
        assert_eq!((view.len(), view.key(19_899)), (19_900, "19899"));
        assert!(view.0.len() <= 15, "{} parts", view.0.len());
    }
}
