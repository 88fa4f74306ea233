//! A collection of stored resources: a table whose rows belong to tenants.

use std::{fmt::Debug, marker::PhantomData};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseConnection, EntityTrait, IntoActiveModel, ModelTrait,
    Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Value, sea_query::ValueType,
};
use uuid::Uuid;

use super::{Error, Page, is_taken, now};
use crate::{Call, db::retried, page::List};

/// A table of the resources of a collection.
pub trait Collection: EntityTrait<Model: Send + Sync, ActiveModel: Send + Sync> {
    /// The first part of its resources' names.
    const NAME: &'static str;
    /// The column that has the tenant to whom a resource belongs.
    const TENANT: Self::Column;
    /// The columns that have the id, a text or several, which is unique in the tenant.
    const ID: &'static [Self::Column];

    /// What a row says.
    type Resource: Send;

    /// Reads a row.
    ///
    /// # Errors
    /// `Damaged`.
    fn read(row: Self::Model) -> Result<Self::Resource, Error>;

    /// Whether a call may see a resource. To others it is as if it did not exist.
    ///
    /// # Errors
    /// `Damaged`.
    fn is_shown(_: &Call, _: &Self::Model) -> Result<bool, Error> {
        Ok(true)
    }

    /// The name of a resource.
    #[must_use]
    fn name(id: &[&str]) -> String {
        format!("{}/{}", Self::NAME, id.join("/"))
    }
}

/// A collection that is listed by when its resources were made.
pub trait Listed: Collection {
    /// The column that has the time, or another number by which resources are in order.
    const MADE_AT: Self::Column;
    /// Whether the oldest or the newest comes first.
    const ORDER: Order = Order::Asc;
}

/// A collection whose resources are made once for a request.
pub trait Requested: Collection {
    /// The column that has the id of the request.
    const REQUEST_ID: Self::Column;
    /// The column that has the hash of the request.
    const REQUEST_HASH: Self::Column;

    /// Whose requests are not those of others, although they may have the same id.
    fn of_requester(_: &Call) -> Condition {
        Condition::all()
    }
}

/// A collection whose resources several people may change at the same time.
pub trait Changeable: Collection {
    /// The column that has what changes with every change.
    const ETAG: Self::Column;
    /// The column that has the time of the last change.
    const CHANGED_AT: Self::Column;
}

/// The resources of a collection that belong to the tenant of a call, as the call sees them. What the database gives up for
/// another write's sake is written again.
#[derive(Clone, Debug)]
pub struct Repository<E> {
    call: Call,
    database: DatabaseConnection,
    table: PhantomData<E>,
}

impl<E> Repository<E> {
    /// The resources that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
            table: PhantomData,
        }
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &DatabaseConnection {
        &self.database
    }
}

impl<E: Collection> Repository<E> {
    /// The rows of the tenant.
    #[must_use]
    pub fn all(&self) -> Condition {
        Condition::all().add(E::TENANT.eq(self.call.tenant()))
    }

    /// The row of an id.
    #[must_use]
    pub fn this(&self, id: &[&str]) -> Condition {
        let parts = E::ID.iter().zip(id);
        parts.fold(self.all(), |this, (column, part)| this.add(column.eq(*part)))
    }

    /// One resource.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &[&str]) -> Result<E::Resource, Error> {
        E::read(self.row(id).await?)
    }

    async fn row(&self, id: &[&str]) -> Result<E::Model, Error> {
        let found = E::find().filter(self.this(id)).one(&self.database).await?;
        match found {
            Some(row) if E::is_shown(&self.call, &row)? => Ok(row),
            _ => Err(Error::Unknown(E::name(id))),
        }
    }

    /// Every resource of `which`, in the order of ids, whether or not the call may see it.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(&self, which: Condition) -> Result<Vec<E::Resource>, Error> {
        let found = E::find().filter(self.all().add(which));
        let found = E::ID
            .iter()
            .fold(found, |found, column| found.order_by_asc(*column));
        let rows = found.all(&self.database).await?;
        rows.into_iter().map(E::read).collect()
    }

    /// How many rows of `which` there are, whether or not the call may see them.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self, which: Condition) -> Result<u64, Error> {
        let counted = E::find().filter(self.all().add(which));
        Ok(counted.count(&self.database).await?)
    }

    /// Stores a row; whether it was not there yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn insert(&self, row: E::Model) -> Result<bool, Error>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let row = row.into_active_model();
        let insert = || E::insert(row.clone()).exec_without_returning(&self.database);
        match retried(insert).await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the values that are set into every row of `which`; how many there were.
    ///
    /// # Errors
    /// The database's.
    pub async fn set(&self, values: E::ActiveModel, which: Condition) -> Result<u64, Error> {
        let which = self.all().add(which);
        let update = || {
            let update = E::update_many().set(values.clone());
            update.filter(which.clone()).exec(&self.database)
        };
        Ok(retried(update).await?.rows_affected)
    }

    /// Deletes every row of `which`; how many there were.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove(&self, which: Condition) -> Result<u64, Error> {
        let which = self.all().add(which);
        let delete = || E::delete_many().filter(which.clone()).exec(&self.database);
        Ok(retried(delete).await?.rows_affected)
    }
}

impl<E: Listed> Repository<E> {
    /// A page of the resources of `which`, which `filter` describes; shorter than asked for by what the call may not see.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(
        &self,
        filter: &(impl Debug + ?Sized),
        which: Condition,
        size: usize,
        token: &str,
    ) -> Result<Page<E::Resource>, Error> {
        let list = List::of(&format!("{} {filter:?}", E::NAME));
        let mut found = E::find().filter(self.all().add(which)).limit(size as u64 + 1);
        for column in [E::MADE_AT].iter().chain(E::ID) {
            found = found.order_by(*column, E::ORDER);
        }
        if !token.is_empty() {
            let place = list.place(token).and_then(Place::read::<E>);
            found = found.filter(place.ok_or(Error::PageToken)?.behind::<E>());
        }
        let mut rows = found.all(&self.database).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| list.token(Place::of::<E>(row).written()));
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            if E::is_shown(&self.call, &row)? {
                items.push(E::read(row)?);
            }
        }
        Ok(Page {
            items,
            next: next.unwrap_or_default(),
        })
    }
}

/// Where a page begins: behind the resource of this time and id.
struct Place {
    made_at: i64,
    id: Vec<String>,
}

impl Place {
    fn of<E: Listed>(row: &E::Model) -> Self {
        Self {
            made_at: value(row.get(E::MADE_AT)).unwrap_or_default(),
            id: id_of::<E>(row),
        }
    }

    fn written(&self) -> String {
        format!("{:x}.{}", self.made_at, self.id.join("@"))
    }

    fn read<E: Listed>(place: &str) -> Option<Self> {
        let (made_at, id) = place.split_once('.')?;
        let made_at = u64::from_str_radix(made_at, 16).ok()?;
        let id: Vec<String> = id.splitn(E::ID.len().max(1), '@').map(str::to_owned).collect();
        let is_whole = id.len() == E::ID.len() || E::ID.is_empty();
        // PostgreSQL knows no texts with such a character.
        let is_text = id.iter().all(|part| !part.contains('\0'));
        (is_whole && is_text).then_some(Self {
            made_at: made_at.try_into().ok()?,
            id,
        })
    }

    /// What comes behind it in the order of the list.
    fn behind<E: Listed>(self) -> Condition {
        let values = std::iter::once(Value::from(self.made_at)).chain(self.id.into_iter().map(Value::from));
        let columns = std::iter::once(E::MADE_AT).chain(E::ID.iter().copied());
        let (mut behind, mut same) = (Condition::any(), Condition::all());
        for (column, value) in columns.zip(values) {
            let further = match E::ORDER {
                Order::Desc => column.lt(value.clone()),
                _ => column.gt(value.clone()),
            };
            behind = behind.add(same.clone().add(further));
            same = same.add(column.eq(value));
        }
        behind
    }
}

impl<E: Requested> Repository<E> {
    /// What a request has made, where the call may see it; none without a request.
    ///
    /// # Errors
    /// `RequestReused` when all that it has made and may be seen was made for something else; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<E::Resource>, Error> {
        let Some(request) = request else { return Ok(None) };
        let mine = self.all().add(E::of_requester(&self.call));
        let made = E::find().filter(mine.add(E::REQUEST_ID.eq(request)));
        let mut refused = None;
        for row in made.all(&self.database).await? {
            if !E::is_shown(&self.call, &row)? {
                continue;
            }
            let hash = value::<i64>(row.get(E::REQUEST_HASH));
            match (hash, self.call.request_hash()) {
                (Some(made), Some(now)) if made != now => refused = Some(name_of::<E>(&row)),
                _ => return E::read(row).map(Some),
            }
        }
        refused.map_or(Ok(None), |name| Err(Error::RequestReused(name)))
    }

    /// Makes a resource, once for a request; `true` where it is new, `false` where the same request has made it before.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when the resource's id is taken; the database's.
    pub async fn create(&self, row: E::Model) -> Result<(E::Resource, bool), Error>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let request: Option<String> = value(row.get(E::REQUEST_ID));
        if let Some(made) = self.by_request(request.as_deref()).await? {
            return Ok((made, false));
        }
        if self.insert(row.clone()).await? {
            return Ok((E::read(row)?, true));
        }
        // Either the same request ran at the same time, or the id is taken.
        if let Some(made) = self.by_request(request.as_deref()).await? {
            return Ok((made, false));
        }
        let id = id_of::<E>(&row);
        let id: Vec<&str> = id.iter().map(String::as_str).collect();
        Err(match self.count(self.this(&id)).await? {
            // Made by somebody who sees more.
            0 => Error::RequestReused(format!("another of {}", E::NAME)),
            _ => Error::Exists(E::name(&id)),
        })
    }
}

impl<E: Changeable> Repository<E> {
    /// Changes a resource by what `change` makes of it, if `etag` is its current one or not given; what it was, and what it
    /// is now. Two changes at the same time do not mix: the later one is made of what the other has left, which an etag of
    /// before does not allow.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; what `change` finds; the database's.
    pub async fn change<F: From<Error>>(
        &self,
        id: &[&str],
        etag: Option<&str>,
        change: impl Fn(&E::Resource) -> Result<E::ActiveModel, F>,
    ) -> Result<(E::Resource, E::Resource), F> {
        loop {
            let row = self.current(id, etag).await?;
            let (unchanged, changed_at) = (self.unchanged(id, &row), value::<i64>(row.get(E::CHANGED_AT)));
            let before = E::read(row)?;
            let mut values = change(&before)?;
            values.set(E::ETAG, Uuid::new_v4().to_string().into());
            let later = changed_at.unwrap_or_default() + 1;
            values.set(E::CHANGED_AT, now().max(later).into());
            if self.set(values, unchanged).await? > 0 {
                return Ok((before, self.get(id).await?));
            }
        }
    }

    /// Deletes a resource, if `etag` is its current one or not given, and answers what it was.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn delete(&self, id: &[&str], etag: Option<&str>) -> Result<E::Resource, Error> {
        loop {
            let row = self.current(id, etag).await?;
            if self.remove(self.unchanged(id, &row)).await? > 0 {
                return E::read(row);
            }
        }
    }

    async fn current(&self, id: &[&str], etag: Option<&str>) -> Result<E::Model, Error> {
        let row = self.row(id).await?;
        let current: Option<String> = value(row.get(E::ETAG));
        if etag.is_some() && etag != current.as_deref() {
            return Err(Error::Etag(E::name(id)));
        }
        Ok(row)
    }

    fn unchanged(&self, id: &[&str], row: &E::Model) -> Condition {
        self.this(id).add(E::ETAG.eq(row.get(E::ETAG)))
    }
}

fn id_of<E: Collection>(row: &E::Model) -> Vec<String> {
    let parts = E::ID.iter().map(|column| value(row.get(*column)));
    parts.map(Option::unwrap_or_default).collect()
}

fn name_of<E: Collection>(row: &E::Model) -> String {
    let id = id_of::<E>(row);
    E::name(&id.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a column has; `None` where that is nothing.
fn value<T: ValueType>(of: Value) -> Option<T> {
    T::try_from(of).ok()
}
