//! Runs of plugins of a tenant.

use std::collections::BTreeMap;

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository, now},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, Order, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Error, Page, Setting, of_json,
    run::{ActiveModel, Column, Entity, Model},
    setting_of, setting_to_json, to_json,
};
use crate::compare::Comparison;

/// Runs of a brand and world that are kept: so many of the newest, and so many of those whose answers were given last.
pub const KEPT: u64 = 200;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Id, unique in the tenant; made up when it is stored.
    pub id: String,
    /// Brand.
    pub brand: String,
    /// Number of the contract's world.
    pub world: i32,
    /// Number of the contract's role.
    pub role: i32,
    /// Plugin, with every parameter.
    pub setting: Setting,
    /// SHA-256 of the component.
    pub sha256: String,
    /// What was asked besides brand, day and facts.
    pub subject: String,
    /// Days since 1970.
    pub day: i32,
    /// The tables' versions.
    pub versions: BTreeMap<String, i64>,
    /// Hash of all columns that the service had.
    pub table_hash: String,
    /// Rows.
    pub rows: i64,
    /// Hash of what was asked.
    pub input_hash: String,
    /// Hash of what was answered; empty where it failed.
    pub output_hash: String,
    /// Code and words of the error; empty where it succeeded.
    pub failure: Option<(String, String)>,
    /// Stands for what the plugin might use.
    pub limits: String,
    /// Microseconds that it took.
    pub micros: i64,
    /// Fuel.
    pub fuel: i64,
    /// The most bytes of memory.
    pub memory_bytes: i64,
    /// What the model logged.
    pub log: Vec<String>,
    /// Whether its rows are kept.
    pub has_inputs: bool,
    /// Whether its answer is kept.
    pub has_result: bool,
    /// How it compares with what was given.
    pub comparisons: Vec<Comparison>,
    /// When its answer was given last; `None` where it never was.
    pub given: Option<Given>,
    /// Microseconds since 1970 UTC; set when it is stored.
    pub made_at: i64,
}

/// That an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Microseconds since 1970 UTC.
    pub at: i64,
    /// Revision of the activation under which it was.
    pub under: i64,
}

impl Run {
    /// Resource name.
    #[must_use]
    pub fn name(&self) -> String {
        Entity::name(&[&self.id])
    }
}

/// The id of a run to be stored.
#[must_use]
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

#[derive(Deserialize, Serialize)]
struct KeptComparison(String, Option<String>, Option<String>, String);

impl Collection for Entity {
    const NAME: &'static str = "pluginRuns";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = Run;

    fn read(row: Model) -> Result<Run, Error> {
        let number = |text: String| text.parse::<f64>().map_err(|error| super::damaged(&error));
        let comparisons: Vec<KeptComparison> = of_json(&row.comparisons)?;
        let comparisons = comparisons.into_iter().map(|kept| {
            let KeptComparison(column, correlation, overlap, largest) = kept;
            Ok(Comparison {
                column,
                rank_correlation: correlation.map(number).transpose()?,
                top_overlap: overlap.map(number).transpose()?,
                largest_difference: number(largest)?,
            })
        });
        Ok(Run {
            comparisons: comparisons.collect::<Result<_, Error>>()?,
            id: row.id,
            brand: row.brand,
            world: row.world,
            role: row.role,
            setting: setting_of(&row.setting)?,
            sha256: row.sha256,
            subject: row.subject,
            day: row.day,
            versions: of_json(&row.versions)?,
            table_hash: row.table_hash,
            rows: row.rows,
            input_hash: row.input_hash,
            output_hash: row.output_hash,
            failure: (!row.succeeded).then_some((row.reason, row.message)),
            limits: row.limits,
            micros: row.micros,
            fuel: row.fuel,
            memory_bytes: row.memory_bytes,
            log: of_json(&row.log)?,
            has_inputs: row.has_inputs,
            has_result: row.has_result,
            given: row
                .given_at
                .zip(row.given_under)
                .map(|(at, under)| Given { at, under }),
            made_at: row.made_at,
        })
    }

    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        Ok(call.may_see(&row.brand))
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
    const ORDER: Order = Order::Desc;
}

/// The runs of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Runs {
    rows: Repository<Entity>,
}

impl Runs {
    /// The runs that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// Stores a run, and answers those that are no longer to be kept.
    ///
    /// # Errors
    /// The database's.
    pub async fn add(&self, run: &Run) -> Result<Vec<Run>, Error> {
        let newest = self.newest(&run.brand, run.world).select_only();
        let newest = newest.column(Column::MadeAt).into_tuple::<i64>();
        let newest = newest.one(self.rows.database()).await?;
        // Newer than those before it, however the clock was set, or it would be the first to go.
        let made_at = newest.map_or_else(now, |newest| now().max(newest + 1));
        let row = self.row(run, made_at)?;
        if !self.rows.insert(row).await? {
            return Err(Error::Exists(run.name()));
        }
        self.beyond(&run.brand, run.world).await
    }

    /// Runs that are no longer to be kept. However many fail, what was given before stays.
    async fn beyond(&self, brand: &str, world: i32) -> Result<Vec<Run>, Error> {
        let newest = self.newest(brand, world);
        let Some(made) = self.last_kept(newest.clone(), Column::MadeAt).await? else {
            return Ok(Vec::new());
        };
        let given = self
            .last_kept(self.given_last(brand, world), Column::GivenAt)
            .await?;
        let stale = Condition::any().add(Column::GivenAt.is_null());
        let stale = given.map_or(stale.clone(), |given| stale.add(Column::GivenAt.lt(given)));
        let beyond = newest.filter(Column::MadeAt.lt(made)).filter(stale).limit(1_000);
        let rows = beyond.all(self.rows.database()).await?;
        rows.into_iter().map(Entity::read).collect()
    }

    /// A number of the last of so many runs as are kept, if there are so many.
    async fn last_kept(&self, runs: sea_orm::Select<Entity>, column: Column) -> Result<Option<i64>, Error> {
        let last = runs.select_only().column(column).offset(KEPT - 1).limit(1);
        Ok(last.into_tuple().one(self.rows.database()).await?)
    }

    /// Notes how a run compares with what was given.
    ///
    /// # Errors
    /// The database's.
    pub async fn compare(&self, id: &str, comparisons: &[Comparison]) -> Result<(), Error> {
        let row = ActiveModel {
            comparisons: Set(comparisons_to_json(comparisons)?),
            ..Default::default()
        };
        self.rows.set(row, self.rows.this(&[id])).await.map(drop)
    }

    /// Notes that a run's answer is the last one that was given to its question, under a revision of the activation.
    ///
    /// # Errors
    /// The database's.
    pub async fn give(&self, run: &Run, under: i64) -> Result<(), Error> {
        let last = self.given(&run.brand, run.world, &run.subject, 1).await?.pop();
        let before = last.as_ref().and_then(|last| last.given);
        // A question that is asked again and again is noted once.
        if last.is_some_and(|last| last.id == run.id) && before.is_some_and(|given| given.under == under) {
            return Ok(());
        }
        let row = ActiveModel {
            given_at: Set(Some(before.map_or_else(now, |before| now().max(before.at + 1)))),
            given_under: Set(Some(under)),
            ..Default::default()
        };
        self.rows.set(row, self.rows.this(&[&run.id])).await.map(drop)
    }

    /// Forgets a run.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.rows.remove(self.rows.this(&[id])).await.map(drop)
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<Run, Error> {
        self.rows.get(&[id]).await
    }

    /// The newest run of a brand with this role that asked the same component the same about the same subject.
    ///
    /// # Errors
    /// The database's.
    pub async fn of_question(
        &self,
        brand: &str,
        role: i32,
        subject: &str,
        sha256: &str,
        input_hash: &str,
    ) -> Result<Option<Run>, Error> {
        let row = Entity::find()
            .filter(self.rows.all())
            .filter(Column::Sha256.eq(sha256))
            .filter(Column::InputHash.eq(input_hash))
            .filter(Column::Brand.eq(brand))
            .filter(Column::Role.eq(role))
            .filter(Column::Subject.eq(subject))
            .order_by_desc(Column::MadeAt)
            .limit(1)
            .one(self.rows.database())
            .await?;
        row.map(Entity::read).transpose()
    }

    /// Runs whose answers were given to a question, the one given last first.
    ///
    /// # Errors
    /// The database's.
    pub async fn given(&self, brand: &str, world: i32, subject: &str, most: u64) -> Result<Vec<Run>, Error> {
        let given = self.given_last(brand, world).filter(Column::Subject.eq(subject));
        let rows = given.limit(most).all(self.rows.database()).await?;
        rows.into_iter().map(Entity::read).collect()
    }

    /// A page, newest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, brand: &str, world: i32, size: usize, token: &str) -> Result<Page<Run>, Error> {
        let (filter, wanted) = ((brand, world), of_brand(brand, world));
        self.rows.list(&filter, wanted, size, token).await
    }

    fn newest(&self, brand: &str, world: i32) -> sea_orm::Select<Entity> {
        let runs = self.all(brand, world).order_by_desc(Column::MadeAt);
        runs.order_by_desc(Column::Id)
    }

    fn given_last(&self, brand: &str, world: i32) -> sea_orm::Select<Entity> {
        let given = self.all(brand, world).filter(Column::GivenAt.is_not_null());
        given.order_by_desc(Column::GivenAt)
    }

    fn all(&self, brand: &str, world: i32) -> sea_orm::Select<Entity> {
        Entity::find().filter(self.rows.all().add(of_brand(brand, world)))
    }

    fn row(&self, run: &Run, made_at: i64) -> Result<Model, Error> {
        let (reason, message) = run.failure.clone().unwrap_or_default();
        Ok(Model {
            tenant: self.rows.call().tenant().to_owned(),
            id: run.id.clone(),
            brand: run.brand.clone(),
            world: run.world,
            role: run.role,
            setting: setting_to_json(&run.setting)?,
            sha256: run.sha256.clone(),
            subject: run.subject.clone(),
            day: run.day,
            versions: to_json(&run.versions)?,
            table_hash: run.table_hash.clone(),
            rows: run.rows,
            input_hash: run.input_hash.clone(),
            output_hash: run.output_hash.clone(),
            succeeded: run.failure.is_none(),
            reason,
            message,
            limits: run.limits.clone(),
            micros: run.micros,
            fuel: run.fuel,
            memory_bytes: run.memory_bytes,
            log: to_json(&run.log)?,
            has_inputs: run.has_inputs,
            has_result: run.has_result,
            comparisons: comparisons_to_json(&run.comparisons)?,
            given_at: run.given.map(|given| given.at),
            given_under: run.given.map(|given| given.under),
            made_at,
        })
    }
}

fn of_brand(brand: &str, world: i32) -> Condition {
    Condition::all()
        .add(Column::Brand.eq(brand))
        .add(Column::World.eq(world))
}

fn comparisons_to_json(comparisons: &[Comparison]) -> Result<String, Error> {
    let text = |number: f64| number.to_string();
    let kept = comparisons.iter().map(|one| {
        let (correlation, overlap) = (one.rank_correlation.map(text), one.top_overlap.map(text));
        KeptComparison(
            one.column.clone(),
            correlation,
            overlap,
            text(one.largest_difference),
        )
    });
    to_json(&kept.collect::<Vec<_>>())
}
