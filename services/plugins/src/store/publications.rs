//! Publications of a tenant: what becomes of a file that was uploaded.

use dualwheel_kit::{
    Call,
    beats::Key,
    store::{Collection, Listed, Repository, Work, ended, now},
};
use dualwheel_plugin_host::conformance::Finding;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection};
use serde::{Deserialize, Serialize};

use super::{
    Error, of_json,
    publication::{ActiveModel, Column, Entity, Model},
    to_json,
};

/// Changes at the same time that wait for one another.
const TRIES: usize = 16;

/// How far a publication has come, with the numbers of the contract's `PluginPublicationState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The file is stored, and signed by the publisher's key.
    Verified = 1,
    /// It is a component of a world, and imports nothing that no model gets. It is being compiled.
    Inspected = 2,
    /// It is compiled and described itself. It is being checked.
    Compiled = 3,
    /// It was checked.
    Checked = 4,
    /// It is a version that can be activated.
    Published = 5,
    /// It will not be one.
    Refused = 6,
    /// Left by a process that stopped.
    Interrupted = 7,
}

impl State {
    fn read(number: i32) -> Option<Self> {
        let all = [
            Self::Verified,
            Self::Inspected,
            Self::Compiled,
            Self::Checked,
            Self::Published,
            Self::Refused,
            Self::Interrupted,
        ];
        all.into_iter().find(|state| *state as i32 == number)
    }

    /// Whether a process works on it.
    #[must_use]
    pub fn is_working(self) -> bool {
        Entity::WORKING.contains(&(self as i32))
    }
}

/// What a check found, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KeptFinding {
    /// What was checked.
    pub check: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was found.
    pub found: String,
}

impl From<Finding> for KeptFinding {
    fn from(finding: Finding) -> Self {
        Self {
            check: finding.check.to_owned(),
            holds: finding.holds,
            found: finding.found,
        }
    }
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Id of the publisher.
    pub publisher: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The publisher's signature.
    pub signature: String,
    /// Bytes of the file.
    pub bytes: i64,
    /// How far it has come.
    pub state: State,
    /// Resource name of the plugin; empty until it is published.
    pub plugin: String,
    /// Why it is refused: the bytes of a `google.rpc.Status`.
    pub refusal: Option<Vec<u8>>,
    /// What the check found; empty until it was checked.
    pub findings: Vec<KeptFinding>,
    /// Stands for what the same file is refused by; empty where it may be taken another time.
    pub standard: String,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC.
    pub changed_at: i64,
}

impl Publication {
    /// Resource name.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.publisher, &self.sha256)
    }
}

/// Resource name of a publication.
#[must_use]
pub fn name(publisher: &str, sha256: &str) -> String {
    format!("publishers/{publisher}/publications/{sha256}")
}

/// A file that is to be published.
#[derive(Clone, Debug)]
pub struct Uploaded<'a> {
    /// Id of the publisher.
    pub publisher: &'a str,
    /// SHA-256 of the file.
    pub sha256: &'a str,
    /// The publisher's signature.
    pub signature: &'a str,
    /// Bytes of the file.
    pub bytes: i64,
    /// Stands for what files are refused by here.
    pub standard: &'a str,
}

/// Why a file is not published.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The bytes of a `google.rpc.Status`.
    pub status: Vec<u8>,
    /// Stands for what the same file will always be refused by; empty where it may be taken another time.
    pub standard: String,
}

impl Collection for Entity {
    const NAME: &'static str = "publications";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = Publication;

    fn read(row: Model) -> Result<Publication, Error> {
        let damaged = |message: String| Error::Damaged {
            resource: format!("a publication {}", row.id),
            message,
        };
        let state = State::read(row.state).ok_or_else(|| damaged(format!("state {} is none", row.state)))?;
        let (publisher, sha256) = row
            .id
            .split_once('/')
            .ok_or_else(|| damaged("its id is none".to_owned()))?;
        Ok(Publication {
            publisher: publisher.to_owned(),
            sha256: sha256.to_owned(),
            findings: of_json(&row.findings)?,
            signature: row.signature,
            bytes: row.bytes,
            state,
            plugin: row.plugin,
            refusal: row.refusal,
            standard: row.standard,
            made_at: row.made_at,
            changed_at: row.changed_at,
        })
    }

    fn name(id: &[&str]) -> String {
        let (publisher, sha256) = id.first().and_then(|id| id.split_once('/')).unwrap_or_default();
        name(publisher, sha256)
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
}

impl Work for Entity {
    const STATE: Column = Column::State;
    const WORKING: &'static [i32] = &[
        State::Verified as i32,
        State::Inspected as i32,
        State::Compiled as i32,
        State::Checked as i32,
    ];
    const INTERRUPTED: i32 = State::Interrupted as i32;
    const BEATS: Column = Column::Beats;
    const ENDED_AT: Column = Column::ChangedAt;
}

/// The publications of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Publications {
    rows: Repository<Entity>,
}

impl Publications {
    /// The publications that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// What a publication is known by.
    #[must_use]
    pub fn key(&self, publisher: &str, sha256: &str) -> Key {
        (
            self.rows.call().tenant().to_owned(),
            format!("{publisher}/{sha256}"),
        )
    }

    /// Begins to publish a file, unless that is under way, done, or refused for good; `true` for who is to do it.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self, file: &Uploaded<'_>) -> Result<(Publication, bool), Error> {
        let (tenant, id) = self.key(file.publisher, file.sha256);
        for _ in 0..TRIES {
            let fresh = Model {
                tenant: tenant.clone(),
                id: id.clone(),
                signature: file.signature.to_owned(),
                bytes: file.bytes,
                state: State::Verified as i32,
                plugin: String::new(),
                refusal: None,
                findings: to_json(&Vec::<KeptFinding>::new())?,
                standard: String::new(),
                beats: 0,
                made_at: now(),
                changed_at: now(),
            };
            if self.rows.insert(fresh.clone()).await? {
                return Ok((Entity::read(fresh)?, true));
            }
            let there = match self.rows.get(&[&id]).await {
                Ok(there) => there,
                // Forgotten meanwhile.
                Err(Error::Unknown(_)) => continue,
                Err(error) => return Err(error),
            };
            let is_refused_for_good = !there.standard.is_empty() && there.standard == file.standard;
            if there.state.is_working() || there.state == State::Published || is_refused_for_good {
                return Ok((there, false));
            }
            let this = self.rows.this(&[&id]);
            let unchanged = this
                .add(Column::State.eq(there.state as i32))
                .add(Column::ChangedAt.eq(there.changed_at));
            let again = ActiveModel::from(fresh.clone()).reset_all();
            if self.rows.set(again, unchanged).await? > 0 {
                return Ok((Entity::read(fresh)?, true));
            }
        }
        Err(Error::Damaged {
            resource: name(file.publisher, file.sha256),
            message: "it changes faster than it can be read".to_owned(),
        })
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, publisher: &str, sha256: &str) -> Result<Publication, Error> {
        let (_, id) = self.key(publisher, sha256);
        self.rows.get(&[&id]).await
    }

    /// Notes how far one under way has come, and what a check found of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn advance(&self, id: &str, state: State, findings: &[KeptFinding]) -> Result<(), Error> {
        let row = ActiveModel {
            state: Set(state as i32),
            findings: Set(to_json(&findings)?),
            changed_at: Set(now()),
            ..Default::default()
        };
        self.rows.advance(id, row).await.map(drop)
    }

    /// Ends one under way: as a plugin of this name, or refused.
    ///
    /// # Errors
    /// The database's.
    pub async fn end(&self, id: &str, ended: Result<String, Refused>) -> Result<(), Error> {
        let row = match ended {
            Ok(plugin) => ActiveModel {
                state: Set(State::Published as i32),
                plugin: Set(plugin),
                ..Default::default()
            },
            Err(refused) => ActiveModel {
                state: Set(State::Refused as i32),
                refusal: Set(Some(refused.status)),
                standard: Set(refused.standard),
                ..Default::default()
            },
        };
        self.rows.end(id, row).await.map(drop)
    }

    /// Forgets one that has ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget(&self, publisher: &str, sha256: &str) -> Result<(), Error> {
        let (_, id) = self.key(publisher, sha256);
        let ended = self.rows.this(&[&id]).add(ended::<Entity>());
        self.rows.remove(ended).await.map(drop)
    }
}
