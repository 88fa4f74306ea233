//! Keys of a tenant as dense ordinals, shared by all its frames.

use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

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

/// Keys of one kind; only grows.
#[derive(Debug, Default)]
pub struct Keys(RwLock<Table>);

/// All keys in one text, so that millions of them take little more than their bytes.
#[derive(Debug, Default)]
struct Table {
    text: String,
    ends: Vec<usize>,
    ordinals: HashTable<u32>,
    hasher: RandomState,
}

impl Table {
    fn key(&self, ordinal: u32) -> &str {
        key(&self.text, &self.ends, ordinal)
    }
}

fn key<'a>(text: &'a str, ends: &[usize], ordinal: u32) -> &'a str {
    let at = ordinal as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before).copied());
    let end = ends.get(at).copied();
    end.and_then(|end| text.get(start.unwrap_or(0)..end))
        .unwrap_or("")
}

impl Keys {
    /// The keys for reading; hold it while resolving many.
    #[must_use]
    pub fn view(&self) -> KeysView<'_> {
        KeysView(self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The ordinal of a key that is known.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<u32> {
        self.view().find(key)
    }

    /// The ordinal of a key, a new one when it is not known yet.
    #[must_use]
    pub fn intern(&self, key: &str) -> u32 {
        self.interner().intern(key)
    }

    /// The keys for adding many.
    pub(crate) fn interner(&self) -> Interner<'_> {
        Interner(self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Read access to keys.
#[derive(Debug)]
pub struct KeysView<'a>(RwLockReadGuard<'a, Table>);

impl KeysView<'_> {
    /// The key of an ordinal; empty for [`NONE`](super::NONE) and unknown ones.
    #[must_use]
    pub fn key(&self, ordinal: u32) -> &str {
        self.0.key(ordinal)
    }

    /// The ordinal of a key that is known.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<u32> {
        let table = &*self.0;
        let same = |ordinal: &u32| table.key(*ordinal) == key;
        table.ordinals.find(table.hasher.hash_one(key), same).copied()
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }
}

/// Write access to keys.
pub(crate) struct Interner<'a>(RwLockWriteGuard<'a, Table>);

impl Interner<'_> {
    /// Makes room for so many more keys of so many bytes together.
    pub(crate) fn reserve(&mut self, keys: usize, bytes: usize) {
        let Table {
            text,
            ends,
            ordinals,
            hasher,
        } = &mut *self.0;
        text.reserve(bytes);
        ends.reserve(keys);
        ordinals.reserve(keys, |ordinal| hasher.hash_one(key(text, ends, *ordinal)));
    }

    /// The ordinal of a key, a new one when it is not known yet.
    pub(crate) fn intern(&mut self, new: &str) -> u32 {
        let Table {
            text,
            ends,
            ordinals,
            hasher,
        } = &mut *self.0;
        let hash = hasher.hash_one(new);
        let same = |ordinal: &u32| key(text, ends, *ordinal) == new;
        let rehash = |ordinal: &u32| hasher.hash_one(key(text, ends, *ordinal));
        match ordinals.entry(hash, same, rehash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let ordinal = u32::try_from(ends.len()).unwrap_or(NONE);
                place.insert(ordinal);
                text.push_str(new);
                ends.push(text.len());
                ordinal
            }
        }
    }
}
