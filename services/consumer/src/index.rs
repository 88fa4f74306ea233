//! The people index: for every brand, signal and day a bitmap of consumers, so that people questions are set algebra.
//!
//! It is derived from the lake and kept beside it: [`PeopleIndex::catch_up`] follows the fact tables commit by
//! commit, and stores bitmaps and how far it came in one commit of its own, so that nothing is lost or counted twice
//! whatever stops it. A question first catches up, so that its answer has every fact acknowledged before it was
//! asked. Behaviours and order lines add to the bitmaps until one replaces another: then its brand's behaviours
//! or lines are counted again.
//!
//! - [`cells`]: the bitmaps of a brand and windows over them
//! - [`judge`]: stages, flow and FAST on them
//! - [`follow`]: keeping up with the facts; [`verify`]: holding the bitmaps against the facts

mod acts;
pub mod cells;
mod collect;
pub mod follow;
pub mod judge;
mod state;
pub mod verify;

pub use cells::Cells;
pub use follow::{PeopleIndex, Snapshot};
pub use judge::Judge;

/// What can go wrong with the index.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] dualwheel_lake::Error),
    /// Something went wrong inside.
    #[error(transparent)]
    Panicked(#[from] dualwheel_kit::survive::Panicked),
    /// A job gave no answer.
    #[error(transparent)]
    Job(#[from] dualwheel_kit::work::Error),
    /// A bitmap cannot be read or written.
    #[error("a stored bitmap cannot be read: {0}")]
    Bitmap(#[from] std::io::Error),
    /// More consumers than bitmaps can number.
    #[error("the tenant has more than {most} consumers, the most that a people index can number")]
    Exhausted {
        /// The tenant.
        tenant: String,
        /// The most there can be.
        most: usize,
    },
    /// Rows went away, or the log does not reach back: what is stored does not count any more.
    #[error("rows of the facts are gone; everything is rebuilt")]
    RowsGone,
    /// Loading a brand's bitmaps failed for another question that waited for the same.
    #[error("the bitmaps of the brand could not be loaded: {0}")]
    Shared(String),
}

impl Error {
    /// Whether another try would fail as this one did.
    fn stays(&self) -> bool {
        match self {
            Self::Exhausted { .. } => true,
            Self::Lake(error) => error.is_full(),
            _ => false,
        }
    }
}
