//! Stored peer sets and runs. Every repository is made for a call; there is none without one.

pub use dualwheel_kit::store::{Error, Page};

mod migration;
mod peer_set;
mod peer_sets;
mod run;
mod runs;

pub use migration::Migrator;
pub use peer_sets::{Change, NewPeerSet, PeerSets, StoredPeerSet};
pub use run::Entity as RunTable;
pub use runs::{Filter, KEPT, NewRun, Runs, State, StoredRun};
