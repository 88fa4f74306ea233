//! Audiences of a tenant. Expressions are kept as the contract's protobuf bytes, which this module does not look into;
//! the people of frozen and imported audiences lie in the lake, as a list of keys that is never changed.

use dualwheel_kit::{
    Call,
    store::{Cursor, delete, insert, is_taken, now, update},
};
use dualwheel_measure::Day;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{
    Error, Page,
    audience::{ActiveModel, Column, Entity, Model},
};

/// How an audience gets its people, with the numbers of the contract's `AudienceKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By its expression.
    Live = 1,
    /// Those that its expression had on a day.
    Frozen = 2,
    /// A list that was brought in.
    Imported = 3,
}

/// People that do not change by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// Name of the list of keys in the lake.
    pub keys: String,
    /// Number of keys.
    pub size: i64,
    /// As-of day; `None` for an imported audience.
    pub as_of: Option<Day>,
}

/// A saved audience.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAudience {
    /// Id, unique in the tenant.
    pub id: String,
    /// Brand.
    pub brand: String,
    /// Name for people.
    pub display_name: String,
    /// How it gets its people.
    pub kind: Kind,
    /// The contract's expression; none for an imported audience.
    pub expression: Option<Vec<u8>>,
    /// The people of a frozen or imported audience.
    pub people: Option<People>,
    /// Changes with every update.
    pub etag: String,
    /// When it was made, microseconds since 1970 UTC.
    pub made_at: i64,
    /// When it was last changed, microseconds since 1970 UTC.
    pub changed_at: i64,
}

/// An audience to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAudience {
    /// Id; made up when `None`.
    pub id: Option<String>,
    /// Makes the call safe to repeat.
    pub request_id: Option<String>,
    /// Brand.
    pub brand: String,
    /// Name for people.
    pub display_name: String,
    /// The contract's expression; none for an imported audience.
    pub expression: Option<Vec<u8>>,
    /// The people, unless it is live.
    pub people: Option<People>,
}

/// What is to be changed of an audience.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// New name for people.
    pub display_name: Option<String>,
    /// New expression.
    pub expression: Option<Vec<u8>>,
    /// New people; a live audience is frozen by them.
    pub people: Option<People>,
}

/// The audiences of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Audiences {
    pub(super) call: Call,
    pub(super) database: DatabaseConnection,
}

impl Audiences {
    /// The audiences that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// Number of audiences.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        Ok(self.all().count(&self.database).await?)
    }

    /// Succeeds when none of `ids` is taken.
    ///
    /// # Errors
    /// `Exists` when one is; the database's.
    pub async fn require_free(&self, ids: &[String]) -> Result<(), Error> {
        let taken = self
            .all()
            .filter(Column::Id.is_in(ids))
            .one(&self.database)
            .await?;
        match taken {
            Some(row) => Err(Error::Exists(name(&row.id))),
            None => Ok(()),
        }
    }

    /// Makes an audience. The same request again answers the first one.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when the id is taken; the database's.
    pub async fn create(&self, new: NewAudience) -> Result<StoredAudience, Error> {
        if let Some(made) = self.by_request(new.request_id.as_deref()).await? {
            return Ok(made);
        }
        let row = self.row(new);
        match insert(&self.database, ActiveModel::from(row.clone())).await {
            Ok(_) => read(row),
            // Either the same request ran at the same time, or the id is taken.
            Err(error) if is_taken(&error) => match self.by_request(row.request_id.as_deref()).await? {
                Some(made) => Ok(made),
                None => Err(Error::Exists(name(&row.id))),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// One audience.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredAudience, Error> {
        let row = Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
            .one(&self.database)
            .await?;
        let row = row.ok_or_else(|| unknown(id))?;
        self.call.require_visible(&row.brand, || name(id))?;
        read(row)
    }

    /// A page of audiences, of one brand or of all, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, brand: &str, size: usize, token: &str) -> Result<Page<StoredAudience>, Error> {
        let list = format!("audiences {brand:?}");
        let mut query = self
            .all()
            .order_by_asc(Column::MadeAt)
            .order_by_asc(Column::Id)
            .limit(size as u64 + 1);
        if !brand.is_empty() {
            query = query.filter(Column::Brand.eq(brand));
        }
        if let Some(after) = Cursor::read(&list, token)? {
            let tie = Condition::all()
                .add(Column::MadeAt.eq(after.made_at))
                .add(Column::Id.gt(after.id));
            query = query.filter(Condition::any().add(Column::MadeAt.gt(after.made_at)).add(tie));
        }
        let rows = query.all(&self.database).await?;
        let audiences = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(&list, audiences, size, |one| Cursor {
            made_at: one.made_at,
            id: one.id.clone(),
        }))
    }

    /// Every audience that has an expression, by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn with_expressions(&self) -> Result<Vec<StoredAudience>, Error> {
        let rows = self
            .all()
            .filter(Column::Expression.is_not_null())
            .order_by_asc(Column::Id)
            .all(&self.database)
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Every audience whose people are kept as a list, by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn with_people(&self) -> Result<Vec<StoredAudience>, Error> {
        let rows = self
            .all()
            .filter(Column::Keys.is_not_null())
            .order_by_asc(Column::Id)
            .all(&self.database)
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Gives an audience the list `new` of `size` keys in place of `old`; false when `old` is not its list any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn replace_list(&self, id: &str, old: &str, new: &str, size: i64) -> Result<bool, Error> {
        let row = ActiveModel {
            keys: Set(Some(new.to_owned())),
            size: Set(size),
            etag: Set(Uuid::new_v4().to_string()),
            changed_at: Set(now()),
            ..Default::default()
        };
        let this = Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::Id.eq(id))
            .add(Column::Keys.eq(old));
        let written = update(&self.database, row, this).await?;
        Ok(written > 0)
    }

    /// Changes an audience, if `etag` is its current one or not given. Two changes at the same time do not mix: the
    /// later one sees the other's etag.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn update(
        &self,
        id: &str,
        etag: Option<&str>,
        change: Change,
    ) -> Result<StoredAudience, Error> {
        let current = self.get(id).await?;
        if etag.is_some_and(|etag| etag != current.etag) {
            return Err(changed(id));
        }
        let mut row = ActiveModel {
            etag: Set(Uuid::new_v4().to_string()),
            changed_at: Set(now().max(current.changed_at + 1)),
            ..Default::default()
        };
        if let Some(name) = change.display_name {
            row.display_name = Set(name);
        }
        if let Some(expression) = change.expression {
            row.expression = Set(Some(expression));
        }
        if let Some(people) = change.people {
            row.kind = Set(Kind::Frozen as i32);
            row.size = Set(people.size);
            row.as_of = Set(people.as_of.map(|day| day.0));
            row.keys = Set(Some(people.keys));
        }
        let written = update(&self.database, row, self.this(id, &current.etag)).await?;
        if written == 0 {
            return Err(changed(id));
        }
        self.get(id).await
    }

    /// Deletes an audience, if `etag` is its current one or not given, and answers what it was.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn delete(&self, id: &str, etag: Option<&str>) -> Result<StoredAudience, Error> {
        let current = self.get(id).await?;
        if etag.is_some_and(|etag| etag != current.etag) {
            return Err(changed(id));
        }
        let deleted = delete::<Entity>(&self.database, self.this(id, &current.etag)).await?;
        if deleted == 0 {
            return Err(changed(id));
        }
        Ok(current)
    }

    /// The row of an audience that is made now.
    pub(super) fn row(&self, new: NewAudience) -> Model {
        let made_at = now();
        let kind = match (&new.expression, &new.people) {
            (_, None) => Kind::Live,
            (Some(_), Some(_)) => Kind::Frozen,
            (None, Some(_)) => Kind::Imported,
        };
        Model {
            tenant: self.call.tenant().to_owned(),
            id: new.id.unwrap_or_else(|| format!("a{}", Uuid::now_v7().simple())),
            request_id: new.request_id,
            request_hash: self.call.request_hash(),
            brand: new.brand,
            display_name: new.display_name,
            kind: kind as i32,
            expression: new.expression,
            size: new.people.as_ref().map_or(0, |people| people.size),
            as_of: new
                .people
                .as_ref()
                .and_then(|people| people.as_of)
                .map(|day| day.0),
            keys: new.people.map(|people| people.keys),
            etag: Uuid::new_v4().to_string(),
            made_at,
            changed_at: made_at,
        }
    }

    fn all(&self) -> sea_orm::Select<Entity> {
        Entity::find().filter(Column::Tenant.eq(self.call.tenant()))
    }

    /// The audience that a request has made.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredAudience>, Error> {
        let Some(request) = request else { return Ok(None) };
        let rows = self
            .all()
            .filter(Column::RequestId.eq(request))
            .all(&self.database)
            .await?;
        let made = self.call.made(
            rows,
            |row| self.call.may_see(&row.brand),
            |row| row.request_hash,
            |row| name(&row.id),
        )?;
        made.map(read).transpose()
    }

    fn this(&self, id: &str, etag: &str) -> Condition {
        Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::Id.eq(id))
            .add(Column::Etag.eq(etag))
    }
}

fn name(id: &str) -> String {
    format!("audiences/{id}")
}

fn unknown(id: &str) -> Error {
    Error::Unknown(name(id))
}

fn changed(id: &str) -> Error {
    Error::Etag(name(id))
}

fn read(row: Model) -> Result<StoredAudience, Error> {
    let kind = match row.kind {
        1 => Kind::Live,
        2 => Kind::Frozen,
        3 => Kind::Imported,
        other => {
            return Err(Error::Damaged {
                resource: format!("audiences/{}", row.id),
                message: format!("there is no kind {other}"),
            });
        }
    };
    Ok(StoredAudience {
        people: row.keys.map(|keys| People {
            keys,
            size: row.size,
            as_of: row.as_of.map(Day),
        }),
        id: row.id,
        brand: row.brand,
        display_name: row.display_name,
        kind,
        expression: row.expression,
        etag: row.etag,
        made_at: row.made_at,
        changed_at: row.changed_at,
    })
}
