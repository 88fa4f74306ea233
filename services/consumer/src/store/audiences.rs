//! Audiences of a tenant. Expressions are kept as the contract's protobuf bytes, which this module does not look into;
//! the people of frozen and imported audiences lie in the lake, as a list of keys that is never changed.

use dualwheel_kit::{
    Call,
    store::{Changeable, Collection, Listed, Repository, Requested, now},
};
use dualwheel_measure::Day;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DatabaseConnection,
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

impl Collection for Entity {
    const NAME: &'static str = "audiences";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = StoredAudience;

    fn read(row: Model) -> Result<StoredAudience, Error> {
        let kind = match row.kind {
            1 => Kind::Live,
            2 => Kind::Frozen,
            3 => Kind::Imported,
            other => {
                return Err(Error::Damaged {
                    resource: Entity::name(&[&row.id]),
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

    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        Ok(call.may_see(&row.brand))
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
}

impl Requested for Entity {
    const REQUEST_ID: Column = Column::RequestId;
    const REQUEST_HASH: Column = Column::RequestHash;
}

impl Changeable for Entity {
    const ETAG: Column = Column::Etag;
    const CHANGED_AT: Column = Column::ChangedAt;
}

/// The audiences of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Audiences {
    pub(super) rows: Repository<Entity>,
}

impl Audiences {
    /// The audiences that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// Number of audiences.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        self.rows.count(Condition::all()).await
    }

    /// Succeeds when none of `ids` is taken.
    ///
    /// # Errors
    /// `Exists` when one is; the database's.
    pub async fn require_free(&self, ids: &[String]) -> Result<(), Error> {
        let taken = self
            .rows
            .find(Condition::all().add(Column::Id.is_in(ids)))
            .await?;
        match taken.first() {
            Some(taken) => Err(Error::Exists(Entity::name(&[&taken.id]))),
            None => Ok(()),
        }
    }

    /// Makes an audience. The same request again answers the first one.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when the id is taken; the database's.
    pub async fn create(&self, new: NewAudience) -> Result<StoredAudience, Error> {
        let (made, _) = self.rows.create(self.row(new)).await?;
        Ok(made)
    }

    /// The audience that a request has made.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredAudience>, Error> {
        self.rows.by_request(request).await
    }

    /// One audience.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredAudience, Error> {
        self.rows.get(&[id]).await
    }

    /// A page of audiences, of one brand or of all, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, brand: &str, size: usize, token: &str) -> Result<Page<StoredAudience>, Error> {
        let of_brand = (!brand.is_empty()).then(|| Column::Brand.eq(brand));
        let wanted = Condition::all().add_option(of_brand);
        self.rows.list(brand, wanted, size, token).await
    }

    /// Every audience that has an expression, by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn with_expressions(&self) -> Result<Vec<StoredAudience>, Error> {
        let wanted = Condition::all().add(Column::Expression.is_not_null());
        self.rows.find(wanted).await
    }

    /// Every audience whose people are kept as a list, by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn with_people(&self) -> Result<Vec<StoredAudience>, Error> {
        self.rows
            .find(Condition::all().add(Column::Keys.is_not_null()))
            .await
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
        let this = self.rows.this(&[id]).add(Column::Keys.eq(old));
        Ok(self.rows.set(row, this).await? > 0)
    }

    /// Changes an audience, if `etag` is its current one or not given, and answers what it was and what it is now.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn update(
        &self,
        id: &str,
        etag: Option<&str>,
        change: Change,
    ) -> Result<(StoredAudience, StoredAudience), Error> {
        let values = |_: &StoredAudience| Ok(change.clone().values());
        self.rows.change(&[id], etag, values).await
    }

    /// Deletes an audience, if `etag` is its current one or not given, and answers what it was.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn delete(&self, id: &str, etag: Option<&str>) -> Result<StoredAudience, Error> {
        self.rows.delete(&[id], etag).await
    }

    /// The row of an audience that is made now.
    pub(super) fn row(&self, new: NewAudience) -> Model {
        let (made_at, call) = (now(), self.rows.call());
        let kind = match (&new.expression, &new.people) {
            (_, None) => Kind::Live,
            (Some(_), Some(_)) => Kind::Frozen,
            (None, Some(_)) => Kind::Imported,
        };
        Model {
            tenant: call.tenant().to_owned(),
            id: new.id.unwrap_or_else(|| format!("a{}", Uuid::now_v7().simple())),
            request_id: new.request_id,
            request_hash: call.request_hash(),
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
}

impl Change {
    fn values(self) -> ActiveModel {
        let people = self.people.map(|people| ActiveModel {
            kind: Set(Kind::Frozen as i32),
            size: Set(people.size),
            as_of: Set(people.as_of.map(|day| day.0)),
            keys: Set(Some(people.keys)),
            ..Default::default()
        });
        ActiveModel {
            display_name: self.display_name.map_or(NotSet, Set),
            expression: self.expression.map_or(NotSet, |expression| Set(Some(expression))),
            ..people.unwrap_or_default()
        }
    }
}
