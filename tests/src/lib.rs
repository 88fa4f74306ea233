//! What the test programs have in common: real servers beside the mesh, keys and certificates, and a network that can be cut.

#[cfg(test)]
mod house;
pub mod keys;
pub mod proxy;
pub mod raw;
pub mod servers;
