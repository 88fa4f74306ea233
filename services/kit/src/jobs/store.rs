//! Jobs of a tenant. What was asked and answered are kept as protobuf bytes, which this module does not look into.

use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, Order};

mod migration;
mod table;

pub use crate::store::Error;
use crate::{
    Call,
    access::Brands,
    db::DatabaseConnection,
    store::{Collection, Listed, Page, Repository, Requested, Work, ended, now},
};
pub use migration::Migrator;
pub(super) use table::{ActiveModel, Entity};
use table::{Column, Model};

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

impl Collection for Entity {
    const NAME: &'static str = "jobs";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = StoredJob;

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

    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        Ok(is_shown(call, row))
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
    const ORDER: Order = Order::Desc;
}

impl Requested for Entity {
    const REQUEST_ID: Column = Column::RequestId;
    const REQUEST_HASH: Column = Column::RequestHash;

    fn of_requester(call: &Call) -> Condition {
        Condition::all().add(Column::Subject.eq(call.subject()))
    }
}

impl Work for Entity {
    const STATE: Column = Column::State;
    const WORKING: &'static [i32] = &[State::Working as i32];
    const INTERRUPTED: i32 = State::Interrupted as i32;
    const BEATS: Column = Column::Beats;
    const ENDED_AT: Column = Column::EndedAt;
}

/// The jobs of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct StoredJobs {
    rows: Repository<Entity>,
}

impl StoredJobs {
    /// The jobs that a call may see.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// Makes a job, and forgets ended ones beyond the newest 200; `true` where it is new, `false` where the request id was
    /// seen before and the first job is answered. It belongs to who calls.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, new: NewJob) -> Result<(StoredJob, bool), Error> {
        let call = self.rows.call();
        let row = Model {
            tenant: call.tenant().to_owned(),
            id: new.id,
            subject: call.subject().to_owned(),
            brands: written(call.brands())?,
            request_id: new.request_id,
            request_hash: call.request_hash(),
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
        self.rows.begin(row, KEPT).await
    }

    /// The job that `request` of who calls made; none without one.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredJob>, Error> {
        self.rows.by_request(request).await
    }

    /// One job.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredJob, Error> {
        self.rows.get(&[id]).await
    }

    /// A page of the jobs in one of `states`, or in any where there are none, newest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, states: &[State], size: usize, token: &str) -> Result<Page<StoredJob>, Error> {
        let numbers = states.iter().map(|state| *state as i32);
        let wanted = (!states.is_empty()).then(|| Column::State.is_in(numbers));
        let wanted = Condition::all().add_option(wanted);
        self.rows.list(states, wanted, size, token).await
    }

    /// Ends a job, if it is still at work; answers the job as it then stands. Of two ends at the same time the first counts.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn end(&self, id: &str, outcome: Outcome, told: Told<'_>) -> Result<StoredJob, Error> {
        let (state, answer, error) = match outcome {
            Outcome::Answered(answer) => (State::Succeeded, Some(answer), None),
            Outcome::Failed(error) => (State::Failed, None, Some(error)),
            Outcome::Cancelled => (State::Cancelled, None, None),
        };
        let ended = ActiveModel {
            state: Set(state as i32),
            answer: Set(answer),
            error: Set(error),
            ..progress(told)
        };
        self.rows.end(id, ended).await
    }

    /// Deletes a job that has ended; whether it had.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let ended = self.rows.this(&[id]).add(ended::<Entity>());
        Ok(self.rows.remove(ended).await? > 0)
    }
}

/// How far a job has come, as it is stored.
pub(super) fn progress((step, done, total): Told<'_>) -> ActiveModel {
    ActiveModel {
        step: Set(step.to_owned()),
        done: Set(whole(done)),
        total: Set(whole(total)),
        ..Default::default()
    }
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
