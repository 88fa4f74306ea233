//! Jobs of a tenant. What was asked and answered are kept as protobuf bytes, which this module does not look into.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
mod migration;
mod table;

pub use crate::store::Error;
use crate::{
    Call,
    access::Brands,
    beats::Key,
    db::DatabaseConnection,
    store::{Cursor, Page, delete, insert, is_taken, now, update},
};
pub use migration::Migrator;
use table::{ActiveModel, Column, Entity, Model};

/// Ended jobs of a tenant that are kept; the oldest go first.
const KEPT: u64 = 200;

/// State of a job, with the numbers of the contract's `JobState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// At work, or waiting.
    Working = 1,
    /// Ended with an answer.
    Succeeded = 2,
    /// Ended with an error.
    Failed = 3,
    /// Ended by a caller.
    Cancelled = 4,
    /// Left by a process that stopped.
    Interrupted = 5,
}

impl State {
    /// The state of a number.
    #[must_use]
    pub fn read(number: i32) -> Option<Self> {
        let all = [
            Self::Working,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Interrupted,
        ];
        all.into_iter().find(|state| *state as i32 == number)
    }
}

/// How far a job has come: the step, and the parts of it that are done, of how many.
pub type Told<'a> = (&'a str, u64, u64);

/// A stored job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// Id, unique in the tenant.
    pub id: String,
    /// `package.Service/Method` of its call.
    pub method: String,
    /// The call's message.
    pub request: Vec<u8>,
    /// Where it stands.
    pub state: State,
    /// The step that it is at, or ended at.
    pub step: String,
    /// Parts of the step that are done.
    pub done: u64,
    /// Parts of the step; 0 where that is not known.
    pub total: u64,
    /// The answer's message.
    pub answer: Option<Vec<u8>>,
    /// How the call failed: the bytes of a `google.rpc.Status`.
    pub error: Option<Vec<u8>>,
    /// When it was made, microseconds since 1970 UTC.
    pub made_at: i64,
    /// When it ended, microseconds since 1970 UTC.
    pub ended_at: Option<i64>,
}

/// A job to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: String,
    /// `package.Service/Method` of its call.
    pub method: String,
    /// The call's message.
    pub request: Vec<u8>,
    /// Makes its creation safe to repeat.
    pub request_id: Option<String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the bytes of an answer.
    Answered(Vec<u8>),
    /// With those of a `google.rpc.Status`.
    Failed(Vec<u8>),
    /// By a caller.
    Cancelled,
}

/// The jobs of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct StoredJobs {
    call: Call,
    database: DatabaseConnection,
}

impl StoredJobs {
    /// The jobs that a call may see.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// Makes a job, and forgets ended ones beyond the newest 200; `true` where it is new, `false` where the request id was
    /// seen before and the first job is answered. It belongs to who calls.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, new: NewJob) -> Result<(StoredJob, bool), Error> {
        let row = Model {
            tenant: self.call.tenant().to_owned(),
            id: new.id,
            subject: self.call.subject().to_owned(),
            brands: written(self.call.brands())?,
            request_id: new.request_id.clone(),
            request_hash: self.call.request_hash(),
            method: new.method,
            request: new.request,
            state: State::Working as i32,
            step: String::new(),
            done: 0,
            total: 0,
            answer: None,
            error: None,
            made_at: now(),
            ended_at: None,
            beats: 0,
        };
        match insert(&self.database, ActiveModel::from(row.clone())).await {
            Ok(()) => {
                self.prune().await?;
                Ok((read(row)?, true))
            }
            Err(error) if is_taken(&error) => match self.by_request(new.request_id.as_deref()).await? {
                Some(made) => Ok((made, false)),
                // Made by the same caller when they saw more.
                None => Err(Error::RequestReused("another job".to_owned())),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn prune(&self) -> Result<(), Error> {
        let ended = self.all().add(Column::State.ne(State::Working as i32));
        let last_kept = Entity::find()
            .filter(ended.clone())
            .order_by_desc(Column::MadeAt)
            .select_only()
            .column(Column::MadeAt)
            .offset(KEPT - 1)
            .into_tuple::<i64>()
            .one(&self.database)
            .await?;
        if let Some(last_kept) = last_kept {
            delete::<Entity>(&self.database, ended.add(Column::MadeAt.lt(last_kept))).await?;
        }
        Ok(())
    }

    /// The job that `request` of who calls made; none without one.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredJob>, Error> {
        let Some(request) = request else { return Ok(None) };
        let mine = self.all().add(Column::Subject.eq(self.call.subject()));
        let rows = Entity::find()
            .filter(mine.add(Column::RequestId.eq(request)))
            .all(&self.database)
            .await?;
        let shown = |row: &Model| is_shown(&self.call, row);
        let made = self
            .call
            .made(rows, shown, |row| row.request_hash, |row| name(&row.id))?;
        made.map(read).transpose()
    }

    /// One job.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredJob, Error> {
        let row = Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
            .one(&self.database)
            .await?;
        let row = row
            .filter(|row| is_shown(&self.call, row))
            .ok_or_else(|| Error::Unknown(name(id)))?;
        read(row)
    }

    /// A page of the jobs in one of `states`, or in any where there are none, newest first; without requests and answers.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, states: &[State], size: usize, token: &str) -> Result<Page<StoredJob>, Error> {
        let list = format!("jobs {states:?}");
        let numbers = states.iter().map(|state| *state as i32);
        let wanted = (!states.is_empty()).then(|| Column::State.is_in(numbers));
        let mut query = Entity::find()
            .filter(self.all().add_option(wanted))
            .order_by_desc(Column::MadeAt)
            .order_by_desc(Column::Id)
            .limit(size as u64 + 1);
        if let Some(after) = Cursor::read(&list, token)? {
            let tie = Condition::all()
                .add(Column::MadeAt.eq(after.made_at))
                .add(Column::Id.lt(after.id));
            query = query.filter(Condition::any().add(Column::MadeAt.lt(after.made_at)).add(tie));
        }
        let rows = query.all(&self.database).await?;
        let page = Page::cut(&list, rows, size, |row| Cursor {
            made_at: row.made_at,
            id: row.id.clone(),
        });
        let shown = page
            .items
            .into_iter()
            .filter(|row| is_shown(&self.call, row))
            .map(|row| {
                let answer = None;
                read(Model { answer, ..row })
            });
        Ok(Page {
            items: shown.collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    /// Ends a job, if it is still at work; answers the job as it then stands. Of two ends at the same time the first counts.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn end(&self, id: &str, outcome: Outcome, progress: Told<'_>) -> Result<StoredJob, Error> {
        let (state, answer, error) = match outcome {
            Outcome::Answered(answer) => (State::Succeeded, Some(answer), None),
            Outcome::Failed(error) => (State::Failed, None, Some(error)),
            Outcome::Cancelled => (State::Cancelled, None, None),
        };
        let (step, done, total) = progress;
        let row = ActiveModel {
            state: Set(state as i32),
            step: Set(step.to_owned()),
            done: Set(whole(done)),
            total: Set(whole(total)),
            answer: Set(answer),
            error: Set(error),
            ended_at: Set(Some(now())),
            ..Default::default()
        };
        let key = (self.call.tenant().to_owned(), id.to_owned());
        update(&self.database, row, at_work(&key)).await?;
        self.get(id).await
    }

    /// Deletes a job that has ended; whether it had.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let ended = self.all().add(Column::Id.eq(id));
        let ended = ended.add(Column::State.ne(State::Working as i32));
        Ok(delete::<Entity>(&self.database, ended).await? > 0)
    }

    fn all(&self) -> Condition {
        Condition::all().add(Column::Tenant.eq(self.call.tenant()))
    }
}

/// The jobs of all tenants that are at work, and how often the process at work has said so.
///
/// # Errors
/// The database's.
pub(super) async fn beats(database: &DatabaseConnection) -> Result<Vec<(Key, i64)>, Error> {
    let rows = Entity::find()
        .select_only()
        .columns([Column::Tenant, Column::Id, Column::Beats])
        .filter(Column::State.eq(State::Working as i32))
        .into_tuple::<(String, String, i64)>()
        .all(database)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(tenant, id, beats)| ((tenant, id), beats))
        .collect())
}

/// Says that a job is being worked on, and how far it has come.
///
/// # Errors
/// The database's.
pub(super) async fn beat(database: &DatabaseConnection, key: &Key, progress: Told<'_>) -> Result<(), Error> {
    let (step, done, total) = progress;
    Entity::update_many()
        .col_expr(Column::Beats, Expr::col(Column::Beats).add(1))
        .col_expr(Column::Step, Expr::value(step))
        .col_expr(Column::Done, Expr::value(whole(done)))
        .col_expr(Column::Total, Expr::value(whole(total)))
        .filter(at_work(key))
        .exec(database)
        .await?;
    Ok(())
}

/// Marks a job as interrupted, if nobody has worked on it since it had `beats`; whether it was so.
///
/// # Errors
/// The database's.
pub(super) async fn interrupt(database: &DatabaseConnection, key: &Key, beats: i64) -> Result<bool, Error> {
    let row = ActiveModel {
        state: Set(State::Interrupted as i32),
        ended_at: Set(Some(now())),
        ..Default::default()
    };
    let abandoned = at_work(key).add(Column::Beats.eq(beats));
    Ok(update(database, row, abandoned).await? > 0)
}

fn at_work((tenant, id): &Key) -> Condition {
    Condition::all()
        .add(Column::Tenant.eq(tenant.as_str()))
        .add(Column::Id.eq(id.as_str()))
        .add(Column::State.eq(State::Working as i32))
}

/// The brands that a job's maker may see, as JSON; null for all.
fn written(brands: &Brands) -> Result<String, Error> {
    let some = match brands {
        Brands::All => None,
        Brands::Some(brands) => Some(brands),
    };
    serde_json::to_string(&some).map_err(|error| Error::Damaged {
        resource: "a new job".to_owned(),
        message: error.to_string(),
    })
}

/// Whether who calls may see every brand that the job's maker might: its answer may be about these.
fn is_shown(call: &Call, row: &Model) -> bool {
    match serde_json::from_str::<Option<Vec<String>>>(&row.brands) {
        Ok(Some(brands)) => brands.iter().all(|brand| call.may_see(brand)),
        Ok(None) | Err(_) => call.sees_all(),
    }
}

fn name(id: &str) -> String {
    format!("jobs/{id}")
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(row: Model) -> Result<StoredJob, Error> {
    let state = State::read(row.state).ok_or_else(|| Error::Damaged {
        resource: name(&row.id),
        message: format!("state {} is none", row.state),
    })?;
    Ok(StoredJob {
        id: row.id,
        method: row.method,
        request: row.request,
        state,
        step: row.step,
        done: u64::try_from(row.done).unwrap_or(0),
        total: u64::try_from(row.total).unwrap_or(0),
        answer: row.answer,
        error: row.error,
        made_at: row.made_at,
        ended_at: row.ended_at,
    })
}
