//! Runs of a tenant. What was asked and what came out are kept as the contract's protobuf bytes, which this module
//! does not look into.

use dualwheel_kit::{Call, beats::Key};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Cursor, Error, Page, delete, insert, is_taken, now,
    run::{ActiveModel, Column, Entity, Model},
    update,
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

/// The runs of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Runs {
    call: Call,
    database: DatabaseConnection,
}

impl Runs {
    /// The runs that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// Makes a run in state `Running`, and forgets ended runs beyond [`KEPT`]; `true` where it is new, `false` where the request id was seen before and the
    /// first run is answered.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, new: NewRun) -> Result<(StoredRun, bool), Error> {
        if let Some(made) = self.by_request(new.request_id.as_deref()).await? {
            return Ok((made, false));
        }
        let row = Model {
            tenant: self.call.tenant().to_owned(),
            id: Uuid::now_v7().to_string(),
            request_id: new.request_id.clone(),
            request_hash: self.call.request_hash(),
            brand: new.brand,
            peers: serde_json::to_string(&new.peers).map_err(|error| damaged("a new run", &error))?,
            state: State::Running as i32,
            done_steps: 0,
            total_steps: new.total_steps,
            spec: new.spec,
            result: None,
            error: String::new(),
            made_at: now(),
            ended_at: None,
            beats: 0,
        };
        match insert(&self.database, ActiveModel::from(row.clone())).await {
            Ok(_) => {
                self.prune().await?;
                Ok((read(row)?, true))
            }
            Err(error) if is_taken(&error) => match self.by_request(new.request_id.as_deref()).await? {
                Some(made) => Ok((made, false)),
                // Made for the brand by somebody who sees more.
                None => Err(Error::RequestReused("another run".to_owned())),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn prune(&self) -> Result<(), Error> {
        let ended = Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::State.ne(State::Running as i32));
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

    /// The run that `request` made; none without one.
    ///
    /// # Errors
    /// The database's.
    pub async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredRun>, Error> {
        let Some(request) = request else { return Ok(None) };
        let query = Entity::find().filter(Column::Tenant.eq(self.call.tenant()));
        let rows = query
            .filter(Column::RequestId.eq(request))
            .all(&self.database)
            .await?;
        let made = self.call.made(
            rows,
            |row| shown(&self.call, row).is_ok(),
            |row| row.request_hash,
            |row| name(&row.id),
        )?;
        made.map(read).transpose()
    }

    /// One run.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredRun, Error> {
        let row = Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
            .one(&self.database)
            .await?;
        let row = row.ok_or_else(|| Error::Unknown(name(id)))?;
        shown(&self.call, &row)?;
        read(row)
    }

    /// A page of the runs that fit `filter`, newest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, filter: &Filter, size: usize, token: &str) -> Result<Page<StoredRun>, Error> {
        let list = format!("runs {filter:?}");
        let states = filter.states.iter().map(|state| *state as i32);
        let states = (!filter.states.is_empty()).then(|| Column::State.is_in(states));
        let wanted = Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add_option(filter.brand.as_deref().map(|brand| Column::Brand.eq(brand)))
            .add_option(states)
            .add_option(filter.from.map(|from| Column::MadeAt.gte(from)))
            .add_option(filter.before.map(|before| Column::MadeAt.lt(before)));
        let mut query = Entity::find()
            .filter(wanted)
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
        // A page may be shorter than asked for by what the caller may not see.
        let shown = page
            .items
            .into_iter()
            .filter(|row| shown(&self.call, row).is_ok());
        Ok(Page {
            items: shown.map(read).collect::<Result<_, _>>()?,
            next: page.next,
        })
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
            peers: Set(serde_json::to_string(peers).map_err(|error| damaged(&name(id), &error))?),
            error: Set(String::new()),
            ended_at: Set(None),
            ..Default::default()
        };
        let ended = this(&(self.call.tenant().to_owned(), id.to_owned()))
            .add(Column::State.is_not_in([State::Running as i32, State::Succeeded as i32]));
        if update(&self.database, row, ended).await? == 0 {
            return Ok(None);
        }
        self.get(id).await.map(Some)
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
        // Also whether the caller may see it.
        self.get(id).await?;
        let row = ActiveModel {
            state: Set(state as i32),
            done_steps: Set(done_steps),
            result: result.map_or(NotSet, |result| Set(Some(result))),
            error: Set(error.to_owned()),
            ended_at: Set(Some(now())),
            ..Default::default()
        };
        let running = this(&(self.call.tenant().to_owned(), id.to_owned()))
            .add(Column::State.eq(State::Running as i32));
        update(&self.database, row, running).await?;
        self.get(id).await
    }
}

/// The runs of all tenants that are being worked on, and how often the process at work has said so.
///
/// # Errors
/// The database's.
pub async fn beats(database: &DatabaseConnection) -> Result<Vec<(Key, i64)>, Error> {
    let rows = Entity::find()
        .filter(Column::State.eq(State::Running as i32))
        .all(database)
        .await?;
    let beat = |row: Model| ((row.tenant, row.id), row.beats);
    Ok(rows.into_iter().map(beat).collect())
}

/// Says that the runs are being worked on.
///
/// # Errors
/// The database's.
pub async fn beat(database: &DatabaseConnection, runs: &[Key]) -> Result<(), Error> {
    for key in runs {
        Entity::update_many()
            .col_expr(Column::Beats, Expr::col(Column::Beats).add(1))
            .filter(this(key))
            .exec(database)
            .await?;
    }
    Ok(())
}

/// Marks a run as interrupted, for the reason `error`, if nobody has worked on it since it had `beats`; whether it was so.
///
/// # Errors
/// The database's.
pub async fn interrupt_abandoned(
    database: &DatabaseConnection,
    run: &Key,
    beats: i64,
    error: &str,
) -> Result<bool, Error> {
    let row = ActiveModel {
        state: Set(State::Interrupted as i32),
        error: Set(error.to_owned()),
        ended_at: Set(Some(now())),
        ..Default::default()
    };
    let abandoned = this(run)
        .add(Column::State.eq(State::Running as i32))
        .add(Column::Beats.eq(beats));
    let written = update(database, row, abandoned).await?;
    Ok(written > 0)
}

fn this((tenant, id): &Key) -> Condition {
    Condition::all()
        .add(Column::Tenant.eq(tenant.as_str()))
        .add(Column::Id.eq(id.as_str()))
}

/// Whether a call may see the run: its brand and every peer.
fn shown(call: &Call, row: &Model) -> Result<(), Error> {
    let peers: Vec<String> =
        serde_json::from_str(&row.peers).map_err(|error| damaged(&name(&row.id), &error))?;
    let mut brands = peers.iter().chain([&row.brand]);
    brands.try_for_each(|brand| call.require_visible(brand, || name(&row.id)))
}

fn damaged(resource: &str, error: &serde_json::Error) -> Error {
    Error::Damaged {
        resource: resource.to_owned(),
        message: error.to_string(),
    }
}

fn name(id: &str) -> String {
    format!("runs/{id}")
}

fn read(row: Model) -> Result<StoredRun, Error> {
    let state = State::read(row.state).ok_or_else(|| Error::Damaged {
        resource: format!("runs/{}", row.id),
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
