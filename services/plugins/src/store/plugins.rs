//! Published versions of a tenant.

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository, now},
};
use dualwheel_plugin_sdk::{Description, ParameterSpec, Wanted};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection};
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

impl Collection for Entity {
    const NAME: &'static str = "plugins";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id, Column::Version];
    type Resource = Version;

    fn read(row: Model) -> Result<Version, Error> {
        Ok(row)
    }

    fn name(id: &[&str]) -> String {
        format!("{}/{}", Self::NAME, id.join("/versions/"))
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
}

impl Collection for name::Entity {
    const NAME: &'static str = "plugins";
    const TENANT: name::Column = name::Column::Tenant;
    const ID: &'static [name::Column] = &[name::Column::Id];
    type Resource = String;

    /// Whose it is.
    fn read(row: name::Model) -> Result<String, Error> {
        Ok(row.publisher)
    }
}

/// The published versions of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Plugins {
    rows: Repository<Entity>,
    names: Repository<name::Entity>,
}

impl Plugins {
    /// The versions that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
            names: Repository::of(call, database),
        }
    }

    /// The publisher to whom a model's name belongs from now on: the first who asked for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self, id: &str, publisher: &str) -> Result<String, Error> {
        let row = name::Model {
            tenant: self.names.call().tenant().to_owned(),
            id: id.to_owned(),
            publisher: publisher.to_owned(),
        };
        match self.names.insert(row).await? {
            true => Ok(publisher.to_owned()),
            // Nobody gives a name back.
            false => self.names.get(&[id]).await,
        }
    }

    /// Stores a version. The same file again answers the first.
    ///
    /// # Errors
    /// `Exists` when the version is there with another file; the database's.
    pub async fn create(&self, version: Version) -> Result<Version, Error> {
        let row = Model {
            tenant: self.rows.call().tenant().to_owned(),
            made_at: now(),
            ..version
        };
        if self.rows.insert(row.clone()).await? {
            return Ok(row);
        }
        let there = self.get(&row.id, &row.version).await?;
        if there.sha256 == row.sha256 {
            Ok(there)
        } else {
            Err(Error::Exists(row.name()))
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
        let this = self.rows.this(&[id, version]);
        self.rows
            .set(row, this.add(Column::Sha256.eq(there.sha256)))
            .await?;
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
        let this = self.rows.this(&[id, version]);
        self.rows.set(row, this).await.map(drop)
    }

    /// Retires one, or takes that back. One that is retired stays so since when it was first.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn retire(&self, id: &str, version: &str, is_retired: bool) -> Result<Version, Error> {
        let row = ActiveModel {
            retired_at: Set(is_retired.then(now)),
            ..Default::default()
        };
        let fresh = is_retired.then(|| Column::RetiredAt.is_null());
        let this = self.rows.this(&[id, version]).add_option(fresh);
        self.rows.set(row, this).await?;
        self.get(id, version).await
    }

    /// Removes one. Its name stays its publisher's.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn delete(&self, id: &str, version: &str) -> Result<(), Error> {
        match self.rows.remove(self.rows.this(&[id, version])).await? {
            0 => Err(Error::Unknown(plugin_name(id, version))),
            _ => Ok(()),
        }
    }

    /// Whether a version is made of the file of this hash.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_file(&self, sha256: &str) -> Result<bool, Error> {
        let of_file = Condition::all().add(Column::Sha256.eq(sha256));
        Ok(self.rows.count(of_file).await? > 0)
    }

    /// How many there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        self.rows.count(Condition::all()).await
    }

    /// How many there are of a publisher.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_of(&self, publisher: &str) -> Result<u64, Error> {
        let of_publisher = Condition::all().add(Column::Publisher.eq(publisher));
        self.rows.count(of_publisher).await
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str, version: &str) -> Result<Version, Error> {
        self.rows.get(&[id, version]).await
    }

    /// A page, oldest first, of one world or all.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, world: Option<i32>, size: usize, token: &str) -> Result<Page<Version>, Error> {
        let of_world = Condition::all().add_option(world.map(|world| Column::World.eq(world)));
        self.rows.list(&world, of_world, size, token).await
    }
}
