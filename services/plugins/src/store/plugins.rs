//! Published versions of a tenant.

use dualwheel_kit::Call;
use dualwheel_kit::store::{Cursor, delete, insert, is_taken, now, update};
use dualwheel_plugin_sdk::{Description, ParameterSpec, Wanted};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use super::{
    Error, KeptFinding, Page, name, of_json,
    plugin::{ActiveModel, Column, Entity, Model},
    plugin_name, to_json,
};

/// A published version.
pub use super::plugin::Model as Version;

/// What a model says of itself, as it is stored.
#[derive(Deserialize, Serialize)]
struct Kept {
    summary: String,
    columns: Vec<(String, bool)>,
    /// Name, meaning, default, least and greatest; numbers as texts, which are read back to the last bit.
    parameters: Vec<(String, String, [String; 3])>,
}

impl Version {
    /// What is stored of a component; `made_at` is set when it is.
    ///
    /// # Errors
    /// None that a description could cause.
    pub fn new(description: &Description) -> Result<Self, Error> {
        let columns = description.columns.iter();
        let parameters = description.parameters.iter().map(|spec| {
            let numbers = [spec.default, spec.least, spec.greatest].map(|number| number.to_string());
            (spec.name.clone(), spec.meaning.clone(), numbers)
        });
        let kept = Kept {
            summary: description.summary.clone(),
            columns: columns
                .map(|wanted| (wanted.name.clone(), wanted.required))
                .collect(),
            parameters: parameters.collect(),
        };
        Ok(Self {
            tenant: String::new(),
            id: description.name.clone(),
            version: description.version.clone(),
            world: 0,
            sha256: String::new(),
            publisher: String::new(),
            signature: String::new(),
            description: to_json(&kept)?,
            findings: String::new(),
            needs_wasi: false,
            bytes: 0,
            made_at: 0,
            retired_at: None,
        })
    }

    /// Resource name.
    #[must_use]
    pub fn name(&self) -> String {
        plugin_name(&self.id, &self.version)
    }
}

/// What the check found when a version was published; nothing where it was published without one.
///
/// # Errors
/// `Damaged`.
pub fn findings(version: &Version) -> Result<Vec<KeptFinding>, Error> {
    match version.findings.as_str() {
        "" => Ok(Vec::new()),
        json => of_json(json),
    }
}

/// What the model of a version says of itself.
///
/// # Errors
/// `Damaged`.
pub fn described(version: &Version) -> Result<Description, Error> {
    let kept: Kept = of_json(&version.description)?;
    let number = |text: &str| text.parse::<f64>().map_err(|error| super::damaged(&error));
    let parameters = kept.parameters.into_iter().map(|(name, meaning, numbers)| {
        let [default, least, greatest] = &numbers;
        Ok(ParameterSpec {
            name,
            meaning,
            default: number(default)?,
            least: number(least)?,
            greatest: number(greatest)?,
        })
    });
    let columns = kept.columns.into_iter();
    Ok(Description {
        name: version.id.clone(),
        version: version.version.clone(),
        summary: kept.summary,
        columns: columns
            .map(|(name, required)| Wanted { name, required })
            .collect(),
        parameters: parameters.collect::<Result<_, Error>>()?,
    })
}

/// The published versions of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Plugins {
    call: Call,
    database: DatabaseConnection,
}

impl Plugins {
    /// The versions that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// The publisher to whom a model's name belongs from now on: the first who asked for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self, id: &str, publisher: &str) -> Result<String, Error> {
        let row = name::Model {
            tenant: self.call.tenant().to_owned(),
            id: id.to_owned(),
            publisher: publisher.to_owned(),
        };
        let inserted = insert(&self.database, name::ActiveModel::from(row)).await;
        match inserted {
            Ok(_) => Ok(publisher.to_owned()),
            Err(error) if is_taken(&error) => {
                let there = name::Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
                    .one(&self.database)
                    .await?;
                Ok(there.map_or_else(|| publisher.to_owned(), |row| row.publisher))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a version. The same file again answers the first.
    ///
    /// # Errors
    /// `Exists` when the version is there with another file; the database's.
    pub async fn create(&self, version: Version) -> Result<Version, Error> {
        let row = Model {
            tenant: self.call.tenant().to_owned(),
            made_at: now(),
            ..version
        };
        let inserted = insert(&self.database, ActiveModel::from(row.clone())).await;
        match inserted {
            Ok(_) => Ok(row),
            Err(error) if is_taken(&error) => {
                let there = self.get(&row.id, &row.version).await?;
                if there.sha256 == row.sha256 {
                    Ok(there)
                } else {
                    Err(Error::Exists(row.name()))
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One, which its publisher has signed so: with the key that it has now.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn signed(&self, id: &str, version: &str, signature: &str) -> Result<Version, Error> {
        let there = self.get(id, version).await?;
        if there.signature == signature {
            return Ok(there);
        }
        let row = ActiveModel {
            signature: Set(signature.to_owned()),
            ..Default::default()
        };
        let this = self.this(id, version).add(Column::Sha256.eq(there.sha256));
        update(&self.database, row, this).await?;
        self.get(id, version).await
    }

    /// Keeps what a check found of a version, instead of what an earlier one did.
    ///
    /// # Errors
    /// The database's.
    pub async fn checked(&self, id: &str, version: &str, findings: &[KeptFinding]) -> Result<(), Error> {
        let row = ActiveModel {
            findings: Set(to_json(&findings)?),
            ..Default::default()
        };
        update(&self.database, row, self.this(id, version)).await?;
        Ok(())
    }

    /// Retires one, or takes that back. One that is retired stays so since when it was first.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn retire(&self, id: &str, version: &str, is_retired: bool) -> Result<Version, Error> {
        let (row, this) = (ActiveModel::default(), self.this(id, version));
        let (row, this) = match is_retired {
            true => (
                ActiveModel {
                    retired_at: Set(Some(now())),
                    ..row
                },
                this.add(Column::RetiredAt.is_null()),
            ),
            false => (
                ActiveModel {
                    retired_at: Set(None),
                    ..row
                },
                this,
            ),
        };
        update(&self.database, row, this).await?;
        self.get(id, version).await
    }

    /// Removes one. Its name stays its publisher's.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn delete(&self, id: &str, version: &str) -> Result<(), Error> {
        match delete::<Entity>(&self.database, self.this(id, version)).await? {
            0 => Err(Error::Unknown(plugin_name(id, version))),
            _ => Ok(()),
        }
    }

    fn this(&self, id: &str, version: &str) -> Condition {
        Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::Id.eq(id))
            .add(Column::Version.eq(version))
    }

    /// Whether a version is made of the file of this hash.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_file(&self, sha256: &str) -> Result<bool, Error> {
        let of_file = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .filter(Column::Sha256.eq(sha256));
        Ok(of_file.count(&self.database).await? > 0)
    }

    /// How many there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        let all = Entity::find().filter(Column::Tenant.eq(self.call.tenant()));
        Ok(all.count(&self.database).await?)
    }

    /// How many there are of a publisher.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_of(&self, publisher: &str) -> Result<u64, Error> {
        let all = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .filter(Column::Publisher.eq(publisher));
        Ok(all.count(&self.database).await?)
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str, version: &str) -> Result<Version, Error> {
        let key = (self.call.tenant().to_owned(), id.to_owned(), version.to_owned());
        let row = Entity::find_by_id(key).one(&self.database).await?;
        row.ok_or_else(|| Error::Unknown(plugin_name(id, version)))
    }

    /// A page, oldest first, of one world or all.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, world: Option<i32>, size: usize, token: &str) -> Result<Page<Version>, Error> {
        let list = format!("plugins {world:?}");
        let mut query = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .order_by_asc(Column::MadeAt)
            .order_by_asc(Column::Id)
            .order_by_asc(Column::Version)
            .limit(size as u64 + 1);
        if let Some(world) = world {
            query = query.filter(Column::World.eq(world));
        }
        if let Some(after) = Cursor::read(&list, token)? {
            let (id, version) = after.id.split_once('@').ok_or(Error::PageToken)?;
            let same = |made_at| Condition::all().add(Column::MadeAt.eq(made_at));
            let later = Condition::any()
                .add(Column::MadeAt.gt(after.made_at))
                .add(same(after.made_at).add(Column::Id.gt(id)))
                .add(
                    same(after.made_at)
                        .add(Column::Id.eq(id))
                        .add(Column::Version.gt(version)),
                );
            query = query.filter(later);
        }
        let rows = query.all(&self.database).await?;
        Ok(Page::cut(&list, rows, size, |row| Cursor {
            made_at: row.made_at,
            id: format!("{}@{}", row.id, row.version),
        }))
    }
}
