//! What a component may ask for.

/// What a component may import besides the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Nothing.
    Pure,
    /// A WASI 0.2 with clocks that stand still, random numbers from a seed, an empty environment and file system, and
    /// streams into the log: for languages whose runtime cannot live without one.
    SealedWasi,
}
