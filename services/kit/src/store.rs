//! What stored resources of every service have in common: how they are kept and listed, and how that fails.

use sea_orm::DbErr;
use tonic::Status;

use crate::{Failure, Reason, page};

mod collection;
mod long;

pub use collection::{Changeable, Collection, Listed, Repository, Requested};
pub use long::{Key, Pauses, Work, at_work, beat, beats, ended, interrupt, states};

/// What can go wrong with stored resources. Resources are named as in the contract, `{collection}/{id}`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not do what it is asked.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    /// The tables cannot be brought up to date.
    #[error(transparent)]
    Tables(#[from] crate::db::Error),
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
    /// The request id was used for another request.
    #[error("the request id was used to make {0} by another request")]
    RequestReused(String),
    /// The page token was not made here.
    #[error("the page token was not made by this method for the same filters")]
    PageToken,
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Unknown(name) => reasons(name).0,
            Error::Exists(name) => reasons(name).1,
            Error::Etag(_) => Reason::EtagMismatch,
            Error::RequestReused(_) => Reason::RequestIdReused,
            Error::PageToken => Reason::InvalidPage,
            Error::Damaged { .. } | Error::Tables(_) => return Failure::internal(&error).status(),
            Error::Database(error) if crate::db::is_full(error) => {
                let text = "the disk of the database of stored resources is full; nothing was changed: make room and try again";
                return Failure::hidden(Reason::StorageFull, text, error)
                    .with("table", "state")
                    .status();
            }
            Error::Database(_) => {
                let text = "the database of stored resources does not answer";
                return Failure::hidden(Reason::StateUnavailable, text, &error).status();
            }
        };
        let failure = Failure::new(reason, error.to_string());
        match error {
            Error::PageToken => failure.violation("page_token", page::TOKEN).status(),
            Error::RequestReused(_) => failure.violation("request_id", "a fresh one").status(),
            _ => failure.status(),
        }
    }
}

/// Why a resource is not there, and why it cannot be made, by its collection.
fn reasons(name: &str) -> (Reason, Reason) {
    match name.split('/').next() {
        Some("audiences") => (Reason::AudienceUnknown, Reason::AudienceExists),
        Some("consumerDeletions") => (Reason::DeletionUnknown, Reason::Internal),
        Some("jobs") => (Reason::JobUnknown, Reason::Internal),
        Some("pluginRuns") => (Reason::PluginRunUnknown, Reason::Internal),
        Some("plugins") => (Reason::PluginUnknown, Reason::PluginVersionExists),
        Some("publishers") if name.contains("/publications/") => {
            (Reason::PluginPublicationUnknown, Reason::Internal)
        }
        Some("publishers") => (Reason::PublisherUnknown, Reason::PublisherExists),
        Some("runs") => (Reason::RunUnknown, Reason::Internal),
        _ => (Reason::PeerSetUnknown, Reason::PeerSetExists),
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

/// Whether a write failed because the row is there already.
#[must_use]
pub fn is_taken(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

/// Microseconds since 1970 UTC.
#[must_use]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

#[cfg(test)]
pub(crate) mod tests;
