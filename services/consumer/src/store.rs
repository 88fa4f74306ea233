//! Saved audiences and deletions. Every repository is made for a tenant; there is none without one.

mod audience;
mod audiences;
mod deletion;
mod deletions;
mod migration;
mod saved_together;
mod together;

pub use audiences::{Audiences, Change, Kind, NewAudience, People, StoredAudience};
pub use deletions::{StoredDeletion, StoredDeletions};
pub use dualwheel_kit::store::{Error, Page};
pub use migration::Migrator;
pub use together::Answer;
