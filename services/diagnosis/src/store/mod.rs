//! Stored peer sets and runs. Every repository is made for a tenant; there is none without one.
//!
//! One process owns the database: runs that it finds unfinished at start were ended by a crash.

use dualwheel_kit::store::{Cursor, is_taken, now};
pub use dualwheel_kit::store::{Error, Page};
use sea_orm::DatabaseConnection;
use sea_orm_migration::MigratorTrait;

mod migration;
mod peer_set;
mod peer_sets;
mod run;
mod runs;

pub use peer_sets::{Change, NewPeerSet, PeerSets, StoredPeerSet};
pub use runs::{NewRun, Runs, State, StoredRun, fail_unfinished};

/// Brings the tables up to date.
///
/// # Errors
/// When the database refuses.
pub async fn migrate(database: &DatabaseConnection) -> Result<(), Error> {
    Ok(migration::Migrator::up(database, None).await?)
}
