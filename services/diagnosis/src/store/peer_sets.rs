//! Peer sets of a tenant.

use dualwheel_kit::{
    Call,
    store::{Changeable, Collection, Listed, Repository, Requested, now},
};
use dualwheel_measure::{Day, Window};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, DatabaseConnection,
};
use uuid::Uuid;

use super::{
    Error, Page,
    peer_set::{ActiveModel, Column, Entity, Model},
};
use crate::peer::Peer;

/// A stored peer set.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPeerSet {
    /// Id, unique in the tenant.
    pub id: String,
    /// Name for people.
    pub display_name: String,
    /// The peers.
    pub peers: Vec<Peer>,
    /// Brands whose callers may diagnose against it.
    pub open_to: Vec<String>,
    /// Days over which the peers' values were measured.
    pub measured_over: Option<Window>,
    /// Changes with every update.
    pub etag: String,
    /// When it was made, microseconds since 1970 UTC.
    pub made_at: i64,
    /// When it was last changed, microseconds since 1970 UTC.
    pub changed_at: i64,
}

impl StoredPeerSet {
    /// Whether a call may diagnose `brand` against the set.
    #[must_use]
    pub fn serves(&self, call: &Call, brand: &str) -> bool {
        self.open_to.iter().any(|open| open == brand) || self.is_seen_whole(call)
    }

    /// Whether a call may see the set: all of its peers, or a brand that it is open to.
    fn is_shown(&self, call: &Call) -> bool {
        self.open_to.iter().any(|brand| call.may_see(brand)) || self.is_seen_whole(call)
    }

    fn is_seen_whole(&self, call: &Call) -> bool {
        self.peers.iter().all(|peer| call.may_see(&peer.brand))
    }
}

/// A peer set to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPeerSet {
    /// Id; made up when `None`.
    pub id: Option<String>,
    /// Name for people.
    pub display_name: String,
    /// The peers.
    pub peers: Vec<Peer>,
    /// Brands whose callers may diagnose against it.
    pub open_to: Vec<String>,
    /// Days over which the peers' values were measured.
    pub measured_over: Option<Window>,
    /// Makes the call safe to repeat.
    pub request_id: Option<String>,
}

/// What is to be changed of a peer set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// New name for people.
    pub display_name: Option<String>,
    /// New peers, which nobody has measured.
    pub peers: Option<Vec<Peer>>,
    /// New brands whose callers may diagnose against it.
    pub open_to: Option<Vec<String>>,
}

impl Collection for Entity {
    const NAME: &'static str = "peerSets";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = StoredPeerSet;

    fn read(row: Model) -> Result<StoredPeerSet, Error> {
        let damaged = |error: serde_json::Error| Error::Damaged {
            resource: Entity::name(&[&row.id]),
            message: error.to_string(),
        };
        Ok(StoredPeerSet {
            peers: serde_json::from_str(&row.peers).map_err(damaged)?,
            open_to: serde_json::from_str(&row.open_to).map_err(damaged)?,
            measured_over: (row.measured_first.zip(row.measured_last))
                .and_then(|(first, last)| Window::new(Day(first), Day(last))),
            id: row.id,
            display_name: row.display_name,
            etag: row.etag,
            made_at: row.made_at,
            changed_at: row.changed_at,
        })
    }

    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        Ok(Self::read(row.clone())?.is_shown(call))
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

/// The peer sets of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct PeerSets {
    rows: Repository<Entity>,
}

impl PeerSets {
    /// The peer sets that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// Makes a set. The same request again answers the first set.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when the id is taken; the database's.
    pub async fn create(&self, new: NewPeerSet) -> Result<StoredPeerSet, Error> {
        let (made_at, call) = (now(), self.rows.call());
        let row = Model {
            tenant: call.tenant().to_owned(),
            id: new.id.unwrap_or_else(|| format!("p{}", Uuid::now_v7().simple())),
            request_id: new.request_id,
            request_hash: call.request_hash(),
            display_name: new.display_name,
            peers: json(&new.peers)?,
            open_to: json(&new.open_to)?,
            measured_first: new.measured_over.map(|window| window.first.0),
            measured_last: new.measured_over.map(|window| window.last.0),
            etag: Uuid::new_v4().to_string(),
            made_at,
            changed_at: made_at,
        };
        let (made, _) = self.rows.create(row).await?;
        Ok(made)
    }

    /// One set.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredPeerSet, Error> {
        self.rows.get(&[id]).await
    }

    /// A page of sets, oldest first; shorter than asked for by what the caller may not see.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<StoredPeerSet>, Error> {
        self.rows.list(&(), Condition::all(), size, token).await
    }

    /// Changes a set by what `change` makes of it, if `etag` is its current one or not given.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; what `change` finds; the database's.
    pub async fn update<E: From<Error>>(
        &self,
        id: &str,
        etag: Option<&str>,
        change: impl Fn(&StoredPeerSet) -> Result<Change, E>,
    ) -> Result<StoredPeerSet, E> {
        let values = |set: &StoredPeerSet| Ok::<_, E>(change(set)?.values()?);
        let (_, changed) = self.rows.change(&[id], etag, values).await?;
        Ok(changed)
    }

    /// Deletes a set, if `etag` is its current one or not given.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn delete(&self, id: &str, etag: Option<&str>) -> Result<(), Error> {
        self.rows.delete(&[id], etag).await.map(drop)
    }
}

impl Change {
    fn values(self) -> Result<ActiveModel, Error> {
        let unmeasured = || {
            if self.peers.is_some() { Set(None) } else { NotSet }
        };
        Ok(ActiveModel {
            measured_first: unmeasured(),
            measured_last: unmeasured(),
            peers: self.peers.as_ref().map(json).transpose()?.map_or(NotSet, Set),
            open_to: self.open_to.as_ref().map(json).transpose()?.map_or(NotSet, Set),
            display_name: self.display_name.map_or(NotSet, Set),
            ..Default::default()
        })
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Damaged {
        resource: "the peer set".to_owned(),
        message: error.to_string(),
    })
}
