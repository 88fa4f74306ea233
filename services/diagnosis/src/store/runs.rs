//! Runs of a tenant. What was asked and what came out are kept as the contract's protobuf bytes, which this module
//! does not look into.

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository, Requested, Work, ended, now},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DatabaseConnection, Order,
};
use uuid::Uuid;

use super::{
    Error, Page,
    run::{ActiveModel, Column, Entity, Model},
};

/// Ended runs of a tenant that are kept; the oldest go first.
pub const KEPT: u64 = 1_000;

/// State of a run, with the numbers of the contract's `RunState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Working.
    Running = 1,
    /// Done with everything.
    Succeeded = 2,
    /// Done with what was there.
    Partial = 3,
    /// Ended by an error.
    Failed = 4,
    /// Ended by a caller.
    Cancelled = 5,
    /// Left by a process that stopped.
    Interrupted = 6,
}

impl State {
    /// The state of a number.
    #[must_use]
    pub fn read(number: i32) -> Option<Self> {
        [
            Self::Running,
            Self::Succeeded,
            Self::Partial,
            Self::Failed,
            Self::Cancelled,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|state| *state as i32 == number)
    }
}

/// A stored run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Id, unique in the tenant.
    pub id: String,
    /// Brand key.
    pub brand: String,
    /// Where it stands.
    pub state: State,
    /// Steps done; kept at the start and the end of a run only.
    pub done_steps: i32,
    /// Steps in all.
    pub total_steps: i32,
    /// What was asked.
    pub spec: Vec<u8>,
    /// What came out, once done; of a run that works again, what came out before.
    pub result: Option<Vec<u8>>,
    /// Why it failed, in words.
    pub error: String,
    /// When it was made, microseconds since 1970 UTC.
    pub made_at: i64,
    /// When it ended, microseconds since 1970 UTC.
    pub ended_at: Option<i64>,
}

/// A run to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Brand key.
    pub brand: String,
    /// Keys of its peers: who may not see all of them may not see the run.
    pub peers: Vec<String>,
    /// What is asked.
    pub spec: Vec<u8>,
    /// Steps in all.
    pub total_steps: i32,
    /// Makes the call safe to repeat.
    pub request_id: Option<String>,
}

/// Which runs are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this brand.
    pub brand: Option<String>,
    /// Only those in one of these states; in any when empty.
    pub states: Vec<State>,
    /// Only those made at this time or later, microseconds since 1970 UTC.
    pub from: Option<i64>,
    /// Only those made before this time, microseconds since 1970 UTC.
    pub before: Option<i64>,
}

/// What the caller of an interrupted run reads.
const STOPPED: &str = "the service was stopped while this run was working; resume it";

impl Collection for Entity {
    const NAME: &'static str = "runs";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = StoredRun;

    fn read(row: Model) -> Result<StoredRun, Error> {
        let state = State::read(row.state).ok_or_else(|| Error::Damaged {
            resource: Entity::name(&[&row.id]),
            message: format!("state {} is none", row.state),
        })?;
        Ok(StoredRun {
            id: row.id,
            brand: row.brand,
            state,
            done_steps: row.done_steps,
            total_steps: row.total_steps,
            spec: row.spec,
            result: row.result,
            error: row.error,
            made_at: row.made_at,
            ended_at: row.ended_at,
        })
    }

    /// Who may see its brand and every peer.
    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        let peers: Vec<String> =
            serde_json::from_str(&row.peers).map_err(|error| damaged(&row.id, &error))?;
        Ok(peers.iter().chain([&row.brand]).all(|brand| call.may_see(brand)))
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
    const ORDER: Order = Order::Desc;
}

impl Requested for Entity {
    const REQUEST_ID: Column = Column::RequestId;
    const REQUEST_HASH: Column = Column::RequestHash;
}

impl Work for Entity {
    const STATE: Column = Column::State;
    const WORKING: &'static [i32] = &[State::Running as i32];
    const INTERRUPTED: i32 = State::Interrupted as i32;
    const BEATS: Column = Column::Beats;
    const ENDED_AT: Column = Column::EndedAt;

    fn interrupted() -> ActiveModel {
        ActiveModel {
            error: Set(STOPPED.to_owned()),
            ..Default::default()
        }
    }
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

    /// Makes a run in state `Running`, and forgets ended runs beyond [`KEPT`]; `true` where it is new, `false` where the
    /// request id was seen before and the first run is answered.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn create(&self, new: NewRun) -> Result<(StoredRun, bool), Error> {
        let (id, call) = (Uuid::now_v7().to_string(), self.rows.call());
        let row = Model {
            tenant: call.tenant().to_owned(),
            request_id: new.request_id,
            request_hash: call.request_hash(),
            brand: new.brand,
            peers: written(&id, &new.peers)?,
            state: State::Running as i32,
            done_steps: 0,
            total_steps: new.total_steps,
            spec: new.spec,
            result: None,
            error: String::new(),
            made_at: now(),
            ended_at: None,
            beats: 0,
            id,
        };
        self.rows.begin(row, KEPT).await
    }

    /// The run that `request` made; none without one.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredRun>, Error> {
        self.rows.by_request(request).await
    }

    /// One run.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredRun, Error> {
        self.rows.get(&[id]).await
    }

    /// A page of the runs that fit `filter`, newest first; shorter than asked for by what the caller may not see.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, filter: &Filter, size: usize, token: &str) -> Result<Page<StoredRun>, Error> {
        let states = filter.states.iter().map(|state| *state as i32);
        let states = (!filter.states.is_empty()).then(|| Column::State.is_in(states));
        let wanted = Condition::all()
            .add_option(filter.brand.as_deref().map(|brand| Column::Brand.eq(brand)))
            .add_option(states)
            .add_option(filter.from.map(|from| Column::MadeAt.gte(from)))
            .add_option(filter.before.map(|before| Column::MadeAt.lt(before)));
        self.rows.list(filter, wanted, size, token).await
    }

    /// Lets a run work again that ended without a whole result; answers it if this call did so. What came out of it stays
    /// until there is something new.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn resume(
        &self,
        id: &str,
        peers: &[String],
        total_steps: i32,
    ) -> Result<Option<StoredRun>, Error> {
        self.get(id).await?;
        let row = ActiveModel {
            state: Set(State::Running as i32),
            done_steps: Set(0),
            total_steps: Set(total_steps),
            peers: Set(written(id, peers)?),
            error: Set(String::new()),
            ended_at: Set(None),
            ..Default::default()
        };
        let left = ended::<Entity>().add(Column::State.ne(State::Succeeded as i32));
        match self.rows.set(row, self.rows.this(&[id]).add(left)).await? {
            0 => Ok(None),
            _ => self.get(id).await.map(Some),
        }
    }

    /// Ends a run, if it is still running; answers the run as it then stands. Of two ends at the same time the first
    /// one counts. Without a result it keeps the one that it had.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn end(
        &self,
        id: &str,
        state: State,
        done_steps: i32,
        result: Option<Vec<u8>>,
        error: &str,
    ) -> Result<StoredRun, Error> {
        let row = ActiveModel {
            state: Set(state as i32),
            done_steps: Set(done_steps),
            result: result.map_or(NotSet, |result| Set(Some(result))),
            error: Set(error.to_owned()),
            ..Default::default()
        };
        self.rows.end(id, row).await
    }
}

/// The keys of a run's peers, as JSON.
fn written(id: &str, peers: &[String]) -> Result<String, Error> {
    serde_json::to_string(peers).map_err(|error| damaged(id, &error))
}

fn damaged(id: &str, error: &serde_json::Error) -> Error {
    Error::Damaged {
        resource: Entity::name(&[id]),
        message: error.to_string(),
    }
}
