//! Keys of a tenant as dense ordinals, shared by all its frames.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ahash::AHashMap;

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

#[derive(Debug, Default)]
struct Table {
    ordinals: AHashMap<Arc<str>, u32>,
    keys: Vec<Arc<str>>,
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
        self.0.keys.get(ordinal as usize).map_or("", |key| key)
    }

    /// The ordinal of a key that is known.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<u32> {
        self.0.ordinals.get(key).copied()
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.keys.is_empty()
    }
}

/// Write access to keys.
pub(crate) struct Interner<'a>(RwLockWriteGuard<'a, Table>);

impl Interner<'_> {
    /// The ordinal of a key, a new one when it is not known yet.
    pub(crate) fn intern(&mut self, key: &str) -> u32 {
        if let Some(ordinal) = self.0.ordinals.get(key) {
            return *ordinal;
        }
        let ordinal = u32::try_from(self.0.keys.len()).unwrap_or(NONE);
        let shared: Arc<str> = Arc::from(key);
        self.0.keys.push(shared.clone());
        self.0.ordinals.insert(shared, ordinal);
        ordinal
    }
}
