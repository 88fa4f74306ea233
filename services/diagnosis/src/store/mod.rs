//! Stored peer sets and runs. Every repository is made for a tenant; there is none without one.
//!
//! One process owns the database: runs that it finds unfinished at start were ended by a crash.

use std::fmt;

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;

mod migration;
mod peer_set;
mod peer_sets;
mod run;
mod runs;

pub use peer_sets::{Change, NewPeerSet, PeerSets, StoredPeerSet};
pub use runs::{NewRun, Runs, State, StoredRun, fail_unfinished};

/// What can go wrong with stored resources.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not do what it is asked.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    /// A stored resource cannot be read.
    #[error("{resource} is damaged: {message}")]
    Damaged {
        /// Its name.
        resource: String,
        /// What is wrong.
        message: String,
    },
    /// There is no such resource.
    #[error("there is no {0}")]
    Unknown(String),
    /// The id is taken.
    #[error("{0} exists already")]
    Exists(String),
    /// Somebody changed the resource since it was read.
    #[error("the etag of {0} is another")]
    Etag(String),
    /// The page token was not made here.
    #[error("the page token was not made by this method")]
    PageToken,
}

/// Brings the tables up to date.
///
/// # Errors
/// When the database refuses.
pub async fn migrate(database: &DatabaseConnection) -> Result<(), Error> {
    Ok(migration::Migrator::up(database, None).await?)
}

/// Where a page begins: behind the resource made at `made_at` with `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    made_at: i64,
    id: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}.{}", self.made_at, self.id)
    }
}

impl Cursor {
    /// Reads a page token; an empty one is the first page.
    fn read(token: &str) -> Result<Option<Self>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let (made_at, id) = token.split_once('.').ok_or(Error::PageToken)?;
        let made_at = i64::from_str_radix(made_at, 16).map_err(|_| Error::PageToken)?;
        Ok(Some(Self {
            made_at,
            id: id.to_owned(),
        }))
    }
}

/// One page of resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The resources.
    pub items: Vec<T>,
    /// Token of the next page; empty on the last.
    pub next: String,
}

impl<T> Page<T> {
    /// Cuts one item more than asked for off `items`, and makes the token of what comes next.
    fn cut(mut items: Vec<T>, size: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| cursor(last).to_string())
            .unwrap_or_default();
        Self { items, next }
    }
}

/// Whether a write failed because the row is there already.
fn is_taken(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

/// Microseconds since 1970 UTC.
fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
