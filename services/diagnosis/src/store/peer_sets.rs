//! Peer sets of a tenant.

use dualwheel_kit::Call;
use dualwheel_measure::{Day, Window};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{
    Cursor, Error, Page, delete, insert, is_taken, now,
    peer_set::{ActiveModel, Column, Entity, Model},
    update,
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

/// The peer sets of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct PeerSets {
    call: Call,
    database: DatabaseConnection,
}

impl PeerSets {
    /// The peer sets that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// Makes a set. The same request again answers the first set.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when the id is taken; the database's.
    pub async fn create(&self, new: NewPeerSet) -> Result<StoredPeerSet, Error> {
        if let Some(made) = self.by_request(new.request_id.as_deref()).await? {
            return Ok(made);
        }
        let made_at = now();
        let row = Model {
            tenant: self.call.tenant().to_owned(),
            id: new.id.unwrap_or_else(|| format!("p{}", Uuid::now_v7().simple())),
            request_id: new.request_id.clone(),
            request_hash: self.call.request_hash(),
            display_name: new.display_name,
            peers: json(&new.peers)?,
            open_to: json(&new.open_to)?,
            measured_first: new.measured_over.map(|window| window.first.0),
            measured_last: new.measured_over.map(|window| window.last.0),
            etag: Uuid::new_v4().to_string(),
            made_at,
            changed_at: made_at,
        };
        match insert(&self.database, ActiveModel::from(row.clone())).await {
            Ok(_) => read(row),
            // Either the same request ran at the same time, or the id is taken.
            Err(error) if is_taken(&error) => match self.by_request(new.request_id.as_deref()).await? {
                Some(made) => Ok(made),
                None => Err(Error::Exists(format!("peerSets/{}", row.id))),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// One set.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredPeerSet, Error> {
        let row = Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
            .one(&self.database)
            .await?;
        let set = row.map_or_else(|| Err(unknown(id)), read)?;
        if set.is_shown(&self.call) {
            Ok(set)
        } else {
            Err(unknown(id))
        }
    }

    /// A page of sets, oldest first; shorter than asked for by what the caller may not see.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<StoredPeerSet>, Error> {
        let list = "peerSets";
        let mut query = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .order_by_asc(Column::MadeAt)
            .order_by_asc(Column::Id)
            .limit(size as u64 + 1);
        if let Some(after) = Cursor::read(list, token)? {
            let tie = Condition::all()
                .add(Column::MadeAt.eq(after.made_at))
                .add(Column::Id.gt(after.id));
            query = query.filter(Condition::any().add(Column::MadeAt.gt(after.made_at)).add(tie));
        }
        let rows = query.all(&self.database).await?;
        let sets = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut page = Page::cut(list, sets, size, |set| Cursor {
            made_at: set.made_at,
            id: set.id.clone(),
        });
        page.items.retain(|set| set.is_shown(&self.call));
        Ok(page)
    }

    /// Changes a set, if `etag` is its current one or not given. Two changes at the same time do not mix: the later
    /// one sees the other's etag.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn update(&self, id: &str, etag: Option<&str>, change: Change) -> Result<StoredPeerSet, Error> {
        let current = self.get(id).await?;
        if etag.is_some_and(|etag| etag != current.etag) {
            return Err(changed(id));
        }
        let unmeasured = || {
            if change.peers.is_some() { Set(None) } else { NotSet }
        };
        let row = ActiveModel {
            measured_first: unmeasured(),
            measured_last: unmeasured(),
            display_name: change.display_name.map_or(NotSet, Set),
            peers: change.peers.as_ref().map(json).transpose()?.map_or(NotSet, Set),
            open_to: change.open_to.as_ref().map(json).transpose()?.map_or(NotSet, Set),
            etag: Set(Uuid::new_v4().to_string()),
            changed_at: Set(now().max(current.changed_at + 1)),
            ..Default::default()
        };
        let written = update(&self.database, row, self.this(id, &current.etag)).await?;
        if written == 0 {
            return Err(changed(id));
        }
        self.get(id).await
    }

    /// Deletes a set, if `etag` is its current one or not given.
    ///
    /// # Errors
    /// `Unknown`, `Etag`; the database's.
    pub async fn delete(&self, id: &str, etag: Option<&str>) -> Result<(), Error> {
        let current = self.get(id).await?;
        if etag.is_some_and(|etag| etag != current.etag) {
            return Err(changed(id));
        }
        let deleted = delete::<Entity>(&self.database, self.this(id, &current.etag)).await?;
        if deleted == 0 { Err(changed(id)) } else { Ok(()) }
    }

    async fn by_request(&self, request: Option<&str>) -> Result<Option<StoredPeerSet>, Error> {
        let Some(request) = request else { return Ok(None) };
        let query = Entity::find().filter(Column::Tenant.eq(self.call.tenant()));
        let row = query
            .filter(Column::RequestId.eq(request))
            .one(&self.database)
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.call
            .require_same_request(row.request_hash, || format!("peerSets/{}", row.id))?;
        read(row).map(Some)
    }

    fn this(&self, id: &str, etag: &str) -> Condition {
        Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::Id.eq(id))
            .add(Column::Etag.eq(etag))
    }
}

fn unknown(id: &str) -> Error {
    Error::Unknown(format!("peerSets/{id}"))
}

fn changed(id: &str) -> Error {
    Error::Etag(format!("peerSets/{id}"))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Damaged {
        resource: "the peer set".to_owned(),
        message: error.to_string(),
    })
}

fn read(row: Model) -> Result<StoredPeerSet, Error> {
    let damaged = |error: serde_json::Error| Error::Damaged {
        resource: format!("peerSets/{}", row.id),
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
