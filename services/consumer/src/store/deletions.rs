//! Deletions of a tenant: that they were asked for, and how they ended. Whom they were about is not stored.

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository},
};
use dualwheel_lake::erasure::Part;
use sea_orm::{ActiveValue::Set, Condition, DatabaseConnection};

use super::{
    Error, Page,
    deletion::{ActiveModel, Column, Entity, Model},
};

/// A stored deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeletion {
    /// Id, unique in the tenant.
    pub id: String,
    /// Number of consumers.
    pub consumers: i64,
    /// When it was asked for, microseconds since 1970 UTC.
    pub asked_at: i64,
    /// The parts as they ended; `None` before the end.
    pub parts: Option<Vec<Part>>,
}

impl Collection for Entity {
    const NAME: &'static str = "consumerDeletions";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = StoredDeletion;

    fn read(row: Model) -> Result<StoredDeletion, Error> {
        let parts = row.parts.as_deref().map(serde_json::from_str).transpose();
        Ok(StoredDeletion {
            parts: parts.map_err(|error| damaged(&row.id, &error))?,
            id: row.id,
            consumers: row.consumers,
            asked_at: row.asked_at,
        })
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::AskedAt;
}

/// The deletions of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct StoredDeletions {
    rows: Repository<Entity>,
}

impl StoredDeletions {
    /// The deletions that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
        }
    }

    /// Stores a deletion that was asked for; one that is stored already stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn ensure(&self, deletion: &StoredDeletion) -> Result<(), Error> {
        let row = Model {
            tenant: self.rows.call().tenant().to_owned(),
            id: deletion.id.clone(),
            consumers: deletion.consumers,
            asked_at: deletion.asked_at,
            parts: None,
        };
        self.rows.insert(row).await.map(drop)
    }

    /// Notes how a deletion ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn end(&self, id: &str, parts: &[Part]) -> Result<(), Error> {
        let text = serde_json::to_string(parts).map_err(|error| damaged(id, &error))?;
        let row = ActiveModel {
            parts: Set(Some(text)),
            ..Default::default()
        };
        self.rows.set(row, self.rows.this(&[id])).await.map(drop)
    }

    /// One deletion.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredDeletion, Error> {
        self.rows.get(&[id]).await
    }

    /// A page of deletions, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<StoredDeletion>, Error> {
        self.rows.list(&(), Condition::all(), size, token).await
    }
}

fn damaged(id: &str, error: &serde_json::Error) -> Error {
    Error::Damaged {
        resource: Entity::name(&[id]),
        message: error.to_string(),
    }
}
