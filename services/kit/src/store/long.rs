//! Long work as a collection: begun once, worked on by one process that says so beat by beat, ended once.

use std::time::Duration;

use futures::{Stream, stream};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseConnection, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use tokio::time::sleep;

use super::{Error, Listed, Repository, Requested, now};

/// Tenant and id of what is worked on.
pub type Key = (String, String);

/// Shortest and longest time between two looks at what is watched.
const LOOKED_AFTER: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A collection of long work. Its ids have one part.
pub trait Work: Listed {
    /// The column that has the state.
    const STATE: Self::Column;
    /// The states in which a process works on it.
    const WORKING: &'static [i32];
    /// The state of what a process left that stopped.
    const INTERRUPTED: i32;
    /// The column that has how often the process at work has said so.
    const BEATS: Self::Column;
    /// The column that has the time of the end.
    const ENDED_AT: Self::Column;

    /// What else is written of what was interrupted.
    fn interrupted() -> Self::ActiveModel {
        <Self::ActiveModel as ActiveModelTrait>::default()
    }
}

/// Whether something is being worked on.
#[must_use]
pub fn at_work<E: Work>() -> Condition {
    Condition::all().add(E::STATE.is_in(E::WORKING.iter().copied()))
}

/// Whether something has ended.
#[must_use]
pub fn ended<E: Work>() -> Condition {
    Condition::all().add(E::STATE.is_not_in(E::WORKING.iter().copied()))
}

impl<E: Work> Repository<E> {
    /// Makes work of `row`, once for a request, and forgets ended work beyond the newest `kept`; `true` where it is new,
    /// `false` where the request has made it before.
    ///
    /// # Errors
    /// As of [`create`](Self::create).
    pub async fn begin(&self, row: E::Model, kept: u64) -> Result<(E::Resource, bool), Error>
    where
        E: Requested,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let begun = self.create(row).await?;
        if begun.1 {
            self.forget_beyond(kept).await?;
        }
        Ok(begun)
    }

    async fn forget_beyond(&self, kept: u64) -> Result<(), Error> {
        let last_kept = E::find()
            .filter(self.all().add(ended::<E>()))
            .order_by_desc(E::MADE_AT)
            .select_only()
            .column(E::MADE_AT)
            .offset(kept.saturating_sub(1))
            .limit(1)
            .into_tuple::<i64>()
            .one(self.database())
            .await?;
        if let Some(last_kept) = last_kept {
            self.remove(ended::<E>().add(E::MADE_AT.lt(last_kept))).await?;
        }
        Ok(())
    }

    /// Writes the values that are set into work that has not ended; whether it had not.
    ///
    /// # Errors
    /// The database's.
    pub async fn advance(&self, id: &str, values: E::ActiveModel) -> Result<bool, Error> {
        Ok(self.set(values, self.this(&[id]).add(at_work::<E>())).await? > 0)
    }

    /// Ends work with the values that are set, unless it has ended before; answers it as it then stands. Of two ends at the
    /// same time the first counts.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn end(&self, id: &str, values: E::ActiveModel) -> Result<E::Resource, Error> {
        // Whether the caller may see it.
        self.get(&[id]).await?;
        let mut values = values;
        values.set(E::ENDED_AT, now().into());
        self.advance(id, values).await?;
        self.get(&[id]).await
    }
}

/// The work of all tenants that is at hand, and how often the process at work has said so.
///
/// # Errors
/// The database's.
pub async fn beats<E: Work>(database: &DatabaseConnection) -> Result<Vec<(Key, i64)>, Error> {
    let id = E::ID.first().copied();
    let rows = E::find()
        .select_only()
        .columns([E::TENANT].into_iter().chain(id).chain([E::BEATS]))
        .filter(at_work::<E>())
        .into_tuple::<(String, String, i64)>()
        .all(database)
        .await?;
    let keyed = rows.into_iter().map(|(tenant, id, beats)| ((tenant, id), beats));
    Ok(keyed.collect())
}

/// Says that something is being worked on, and writes the values that are set.
///
/// # Errors
/// The database's.
pub async fn beat<E: Work>(
    database: &DatabaseConnection,
    key: &Key,
    values: E::ActiveModel,
) -> Result<(), Error> {
    E::update_many()
        .set(values)
        .col_expr(E::BEATS, Expr::col(E::BEATS).add(1))
        .filter(of_key::<E>(key))
        .exec(database)
        .await?;
    Ok(())
}

/// Marks something as interrupted, if nobody has worked on it since it had `beats`; whether it was so.
///
/// # Errors
/// The database's.
pub async fn interrupt<E: Work>(database: &DatabaseConnection, key: &Key, beats: i64) -> Result<bool, Error> {
    let mut values = E::interrupted();
    values.set(E::STATE, E::INTERRUPTED.into());
    values.set(E::ENDED_AT, now().into());
    let abandoned = of_key::<E>(key).add(E::BEATS.eq(beats));
    let interrupted = E::update_many().set(values).filter(abandoned);
    Ok(interrupted.exec(database).await?.rows_affected > 0)
}

/// What is worked on of a key.
fn of_key<E: Work>((tenant, id): &Key) -> Condition {
    let this = at_work::<E>().add(E::TENANT.eq(tenant.as_str()));
    let parts = E::ID.iter().map(|column| column.eq(id.as_str()));
    parts.fold(this, Condition::add)
}

/// Pauses between looks at something that is waited for, longer each time.
#[derive(Clone, Copy, Debug)]
pub struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(LOOKED_AFTER.0)
    }
}

impl Pauses {
    /// Waits for the next one, `most` at most.
    pub async fn wait(&mut self, most: Duration) {
        sleep(self.0.min(most)).await;
        self.0 = (self.0 * 2).min(LOOKED_AFTER.1);
    }
}

/// Each state in which something is seen by `look` that differs from the one before, the first at once, up to the first one
/// in which it is not at work any more, or to the first failure.
pub fn states<T, E, F>(
    look: impl Fn() -> F + Send,
    is_at_work: impl Fn(&T) -> bool + Send,
) -> impl Stream<Item = Result<T, E>> + Send
where
    T: Clone + PartialEq + Send,
    E: Send,
    F: Future<Output = Result<T, E>> + Send,
{
    let from = Some((None::<T>, Pauses::default(), look, is_at_work));
    stream::unfold(from, |from| async move {
        let (last, mut pauses, look, is_at_work) = from?;
        loop {
            if last.is_some() {
                pauses.wait(Duration::MAX).await;
            }
            match look().await {
                Ok(now) if last.as_ref() == Some(&now) => {}
                Ok(now) => {
                    let goes_on = is_at_work(&now);
                    let next = goes_on.then(|| (Some(now.clone()), pauses, look, is_at_work));
                    return Some((Ok(now), next));
                }
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}
