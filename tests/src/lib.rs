//! What the test programs have in common: real servers beside the mesh, keys and certificates, and a network that can be cut.

pub mod keys;
pub mod proxy;
pub mod raw;
pub mod servers;
