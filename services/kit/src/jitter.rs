//! Chance for waits, so that not all wait equally long.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number from 0 to 1. The standard library seeds every hasher at random; jitter needs no better.
pub(crate) fn random_share() -> f64 {
    f64::from((RandomState::new().build_hasher().finish() >> 32) as u32) / f64::from(u32::MAX)
}
