//! What stored resources of every service have in common: how a write fails, and how they are listed page by page.

use sea_orm::{ActiveModelTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use tonic::Status;

use crate::{Call, Failure, Reason, db};

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
            Error::PageToken => failure
                .violation("page_token", "as answered by the page before")
                .status(),
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

/// Where a page begins: behind the resource made at `made_at` with `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the resource was made, microseconds since 1970 UTC.
    pub made_at: i64,
    /// Its id.
    pub id: String,
}

/// The start of the page tokens of a list.
fn mark(list: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(list.as_bytes()))
}

impl Cursor {
    /// Writes a page token of `list`, which says what is listed and by which filters.
    #[must_use]
    pub fn token(&self, list: &str) -> String {
        format!("{}.{:x}.{}", mark(list), self.made_at, self.id)
    }

    /// Reads a page token; an empty one is the first page.
    ///
    /// # Errors
    /// [`Error::PageToken`] when no cursor of `list` was written so.
    pub fn read(list: &str, token: &str) -> Result<Option<Self>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let place = token.strip_prefix(&mark(list));
        let place = place.and_then(|place| place.strip_prefix('.'));
        let (made_at, id) = place
            .and_then(|place| place.split_once('.'))
            .ok_or(Error::PageToken)?;
        let made_at = u64::from_str_radix(made_at, 16).ok();
        let made_at = made_at.and_then(|made_at| i64::try_from(made_at).ok());
        let made_at = made_at.filter(|_| !id.contains('\0')).ok_or(Error::PageToken)?;
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
    /// Cuts one item more than asked for off `items`, and makes the token of what comes next in `list`.
    #[must_use]
    pub fn cut(list: &str, mut items: Vec<T>, size: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| cursor(last).token(list))
            .unwrap_or_default();
        Self { items, next }
    }
}

/// Inserts a row; again where the database gave the write up for another one's sake.
///
/// # Errors
/// The database's; see [`is_taken`].
pub async fn insert<A>(database: &DatabaseConnection, row: A) -> Result<(), DbErr>
where
    A: ActiveModelTrait + Clone,
{
    let insert = || A::Entity::insert(row.clone()).exec_without_returning(database);
    db::retried(insert).await.map(drop)
}

/// Writes the values that are set in `values` into every row of `which`; answers how many there were. Tries again as
/// [`insert`] does.
///
/// # Errors
/// The database's.
pub async fn update<A>(database: &DatabaseConnection, values: A, which: Condition) -> Result<u64, DbErr>
where
    A: ActiveModelTrait + Clone,
{
    let update = || {
        let update = A::Entity::update_many().set(values.clone());
        update.filter(which.clone()).exec(database)
    };
    Ok(db::retried(update).await?.rows_affected)
}

/// Deletes every row of `which`; answers how many there were. Tries again as [`insert`] does.
///
/// # Errors
/// The database's.
pub async fn delete<E>(database: &DatabaseConnection, which: Condition) -> Result<u64, DbErr>
where
    E: EntityTrait,
{
    let delete = || E::delete_many().filter(which.clone()).exec(database);
    Ok(db::retried(delete).await?.rows_affected)
}

/// Whether a write failed because the row is there already.
#[must_use]
pub fn is_taken(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

impl Call {
    /// Of the rows that requests of one id have made, for different brands, the one that is answered to this call: to who may
    /// not see a row it is as if it did not exist.
    ///
    /// # Errors
    /// `RequestReused` when all rows that may be seen were made by another request.
    pub fn made<R>(
        &self,
        rows: Vec<R>,
        is_visible: impl Fn(&R) -> bool,
        hash: impl Fn(&R) -> Option<i64>,
        name: impl Fn(&R) -> String,
    ) -> Result<Option<R>, Error> {
        let mut refused = None;
        for row in rows.into_iter().filter(is_visible) {
            match self.require_same_request(hash(&row), || name(&row)) {
                Ok(()) => return Ok(Some(row)),
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// Succeeds where what a request has `made` is answered to this call: it asks the same, as far as that is known.
    ///
    /// # Errors
    /// `RequestReused` when it asks something else.
    pub fn require_same_request(
        &self,
        made: Option<i64>,
        name: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        match (made, self.request_hash()) {
            (Some(made), Some(now)) if made != now => Err(Error::RequestReused(name())),
            _ => Ok(()),
        }
    }

    /// Succeeds where this call may see what belongs to `brand`; to others it is as if it did not exist.
    ///
    /// # Errors
    /// `Unknown` when not.
    pub fn require_visible(&self, brand: &str, name: impl FnOnce() -> String) -> Result<(), Error> {
        if self.may_see(brand) {
            return Ok(());
        }
        Err(Error::Unknown(name()))
    }
}

/// Microseconds since 1970 UTC.
#[must_use]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_are_of_one_list() {
        let cursor = Cursor {
            made_at: 7,
            id: "a.b".to_owned(),
        };
        let token = cursor.token("audiences of A");
        assert_eq!(Cursor::read("audiences of A", &token).unwrap(), Some(cursor));
        assert_eq!(Cursor::read("audiences of A", "").unwrap(), None);
        for (list, token) in [
            ("audiences of B", token.as_str()),
            ("runs of A", &token),
            // As former versions wrote them.
            ("audiences of A", "7.a.b"),
            ("audiences of A", &token[..16]),
            ("audiences of A", "é"),
        ] {
            assert!(
                matches!(Cursor::read(list, token), Err(Error::PageToken)),
                "{token}"
            );
        }
    }
}
