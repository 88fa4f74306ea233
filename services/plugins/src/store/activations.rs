//! What brands use: every change a new revision, of which the newest is in force.

use std::collections::BTreeSet;

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository, now},
};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, ExprTrait, Order, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::{
    Error, Page, Setting,
    activation::{Column, Entity, Model},
    setting_of, setting_of_version, setting_to_json,
};

/// What is answered where the active plugin fails, with the numbers of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// What the built-in model answers.
    #[default]
    BuiltIn = 1,
    /// What was given last for the same question, by a plugin that could be active still.
    LastGood = 2,
    /// Nothing.
    None = 3,
}

impl Fallback {
    /// The fallback of a number; the default where there is none.
    #[must_use]
    pub fn read(number: i32) -> Self {
        match number {
            2 => Self::LastGood,
            3 => Self::None,
            _ => Self::BuiltIn,
        }
    }
}

/// How a revision came about, with the numbers of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing was ever set.
    Nothing = 0,
    /// A plugin was activated.
    Activated = 1,
    /// The built-in model was put in its place again.
    Deactivated = 2,
    /// A shadow was set or ended.
    Shadowed = 3,
    /// The shadow became active.
    Promoted = 4,
    /// What was active before became active again.
    RolledBack = 5,
}

impl Change {
    fn read(number: i32) -> Self {
        let all = [
            Self::Activated,
            Self::Deactivated,
            Self::Shadowed,
            Self::Promoted,
            Self::RolledBack,
        ];
        let found = all.into_iter().find(|change| *change as i32 == number);
        found.unwrap_or(Self::Nothing)
    }
}

/// A revision of what a brand uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// Brand.
    pub brand: String,
    /// Number of the contract's world.
    pub world: i32,
    /// From 1; 0 while nothing was ever set.
    pub revision: i64,
    /// The active plugin; `None` while the built-in model is.
    pub active: Option<Setting>,
    /// A plugin that is only compared.
    pub shadow: Option<Setting>,
    /// What is answered where the active one fails.
    pub fallback: Fallback,
    /// Whether a sealed WASI is allowed.
    pub allow_wasi: bool,
    /// Whether the rows of runs are kept.
    pub keep_inputs: bool,
    /// Why the active one is, although its check did not hold; empty where it held.
    pub forced: String,
    /// Revision with what was active before.
    pub before: Option<i64>,
    /// How it came about.
    pub change: Change,
    /// Changes with every revision; empty while nothing was ever set.
    pub etag: String,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
}

impl Activation {
    fn nothing(brand: &str, world: i32) -> Self {
        Self {
            brand: brand.to_owned(),
            world,
            revision: 0,
            active: None,
            shadow: None,
            fallback: Fallback::default(),
            allow_wasi: false,
            keep_inputs: false,
            forced: String::new(),
            before: None,
            change: Change::Nothing,
            etag: String::new(),
            made_at: 0,
        }
    }
}

/// What a change comes to.
pub enum Next {
    /// The revision stays as it is.
    Same,
    /// A new revision; its number, etag and time are set when it is stored.
    Changed(Box<Activation>),
    /// A new revision, with what was active at another one.
    Back(i64),
}

impl Collection for Entity {
    const NAME: &'static str = "activations";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[];
    type Resource = Activation;

    fn read(row: Model) -> Result<Activation, Error> {
        let setting = |json: Option<String>| json.as_deref().map(setting_of).transpose();
        Ok(Activation {
            brand: row.brand,
            world: row.world,
            revision: row.revision,
            active: setting(row.active)?,
            shadow: setting(row.shadow)?,
            fallback: Fallback::read(row.fallback),
            allow_wasi: row.allow_wasi,
            keep_inputs: row.keep_inputs,
            forced: row.forced,
            before: row.before,
            change: Change::read(row.change),
            etag: row.etag,
            made_at: row.made_at,
        })
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::Revision;
    const ORDER: Order = Order::Desc;
}

/// What the brands of a tenant use, as a call sees it.
#[derive(Clone, Debug)]
pub struct Activations {
    rows: Repository<Entity>,
}

impl Activations {
    /// What the brands use that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// The newest revision.
    ///
    /// # Errors
    /// The database's.
    pub async fn current(&self, brand: &str, world: i32) -> Result<Activation, Error> {
        let newest = self.since(brand, world, 0, 1).await?.pop();
        Ok(newest.unwrap_or_else(|| Activation::nothing(brand, world)))
    }

    /// One revision; that before all others where there is none of the number.
    ///
    /// # Errors
    /// The database's.
    pub async fn revision(&self, brand: &str, world: i32, revision: i64) -> Result<Activation, Error> {
        let this = of_brand(brand, world).add(Column::Revision.eq(revision));
        let found = self.rows.find(this).await?.pop();
        Ok(found.unwrap_or_else(|| Activation::nothing(brand, world)))
    }

    /// The revisions down to `first`, newest first, of which at most so many.
    ///
    /// # Errors
    /// The database's.
    pub async fn since(
        &self,
        brand: &str,
        world: i32,
        first: i64,
        most: u64,
    ) -> Result<Vec<Activation>, Error> {
        let revisions = of_brand(brand, world).add(Column::Revision.gte(first));
        let most = usize::try_from(most).unwrap_or(usize::MAX - 1);
        Ok(self.rows.list(&(), revisions, most, "").await?.items)
    }

    /// A page of revisions, newest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(
        &self,
        brand: &str,
        world: i32,
        size: usize,
        token: &str,
    ) -> Result<Page<Activation>, Error> {
        let (filter, revisions) = ((brand, world), of_brand(brand, world));
        self.rows.list(&filter, revisions, size, token).await
    }

    /// Makes the next revision out of the newest, if `etag` is its own or not given. Of two changes at the same time the
    /// later one sees what the other made; without an etag it is tried until it comes first, which each of those that it
    /// meets has done.
    ///
    /// # Errors
    /// `Etag`; what `change` finds; the database's.
    pub async fn change<E: From<Error>>(
        &self,
        brand: &str,
        world: i32,
        etag: Option<&str>,
        change: impl Fn(&Activation) -> Result<Next, E>,
    ) -> Result<Activation, E> {
        loop {
            let current = self.current(brand, world).await?;
            if etag.is_some_and(|etag| etag != current.etag) {
                return Err(Error::Etag(format!("the activation of brand {brand}")).into());
            }
            let next = match change(&current)? {
                Next::Same => return Ok(current),
                Next::Changed(next) => *next,
                Next::Back(before) => self.back(&current, before).await?,
            };
            let next = Activation {
                revision: current.revision + 1,
                etag: Uuid::new_v4().to_string(),
                made_at: now(),
                ..next
            };
            if self.rows.insert(self.row(&next)?).await? {
                return Ok(next);
            }
        }
    }

    /// What is in force with what was active at the revision `before`.
    async fn back(&self, current: &Activation, before: i64) -> Result<Activation, Error> {
        let target = self.revision(&current.brand, current.world, before).await?;
        Ok(Activation {
            active: target.active,
            forced: target.forced,
            before: target.before,
            change: Change::RolledBack,
            ..current.clone()
        })
    }

    /// The brands that use a version now: as the active one or as the shadow.
    ///
    /// # Errors
    /// The database's.
    pub async fn users(&self, id: &str, version: &str) -> Result<BTreeSet<String>, Error> {
        let settings = setting_of_version(id, version)?;
        let named = |column: Column| column.starts_with(settings.as_str());
        let ever = Entity::find()
            .select_only()
            .columns([Column::Brand, Column::World])
            .filter(self.rows.all())
            .filter(named(Column::Active).or(named(Column::Shadow)))
            .distinct()
            .into_tuple::<(String, i32)>()
            .all(self.rows.database())
            .await?;
        let mut users = BTreeSet::new();
        for (brand, world) in ever {
            let current = self.current(&brand, world).await?;
            let used = [current.active, current.shadow].into_iter().flatten();
            if used
                .into_iter()
                .any(|used| used.id == id && used.version == version)
            {
                users.insert(brand);
            }
        }
        Ok(users)
    }

    fn row(&self, activation: &Activation) -> Result<Model, Error> {
        let json = |setting: &Option<Setting>| setting.as_ref().map(setting_to_json).transpose();
        Ok(Model {
            tenant: self.rows.call().tenant().to_owned(),
            brand: activation.brand.clone(),
            world: activation.world,
            revision: activation.revision,
            active: json(&activation.active)?,
            shadow: json(&activation.shadow)?,
            fallback: activation.fallback as i32,
            allow_wasi: activation.allow_wasi,
            keep_inputs: activation.keep_inputs,
            forced: activation.forced.clone(),
            before: activation.before,
            change: activation.change as i32,
            etag: activation.etag.clone(),
            made_at: activation.made_at,
        })
    }
}

fn of_brand(brand: &str, world: i32) -> Condition {
    Condition::all()
        .add(Column::Brand.eq(brand))
        .add(Column::World.eq(world))
}
