//! Deletions of a tenant: that they were asked for, and how they ended. Whom they were about is not stored.

use dualwheel_kit::{
    Call,
    store::{Cursor, insert, is_taken, update},
};
use dualwheel_lake::erasure::Part;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

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

/// The deletions of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct StoredDeletions {
    call: Call,
    database: DatabaseConnection,
}

impl StoredDeletions {
    /// The deletions that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
        }
    }

    /// Stores a deletion that was asked for; one that is stored already stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn ensure(&self, deletion: &StoredDeletion) -> Result<(), Error> {
        let row = Model {
            tenant: self.call.tenant().to_owned(),
            id: deletion.id.clone(),
            consumers: deletion.consumers,
            asked_at: deletion.asked_at,
            parts: None,
        };
        match insert(&self.database, ActiveModel::from(row)).await {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
        update(&self.database, row, self.this(id)).await?;
        Ok(())
    }

    /// One deletion.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<StoredDeletion, Error> {
        let row = Entity::find().filter(self.this(id)).one(&self.database).await?;
        row.map_or_else(|| Err(Error::Unknown(format!("consumerDeletions/{id}"))), read)
    }

    /// A page of deletions, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<StoredDeletion>, Error> {
        let list = "consumerDeletions";
        let mut query = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .order_by_asc(Column::AskedAt)
            .order_by_asc(Column::Id)
            .limit(size as u64 + 1);
        if let Some(after) = Cursor::read(list, token)? {
            let tie = Condition::all()
                .add(Column::AskedAt.eq(after.made_at))
                .add(Column::Id.gt(after.id));
            query = query.filter(Condition::any().add(Column::AskedAt.gt(after.made_at)).add(tie));
        }
        let rows = query.all(&self.database).await?;
        let deletions = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(list, deletions, size, |one| Cursor {
            made_at: one.asked_at,
            id: one.id.clone(),
        }))
    }

    fn this(&self, id: &str) -> Condition {
        Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
            .add(Column::Id.eq(id))
    }
}

fn damaged(id: &str, error: &serde_json::Error) -> Error {
    Error::Damaged {
        resource: format!("consumerDeletions/{id}"),
        message: error.to_string(),
    }
}

fn read(row: Model) -> Result<StoredDeletion, Error> {
    let parts = row.parts.as_deref().map(serde_json::from_str).transpose();
    Ok(StoredDeletion {
        parts: parts.map_err(|error| damaged(&row.id, &error))?,
        id: row.id,
        consumers: row.consumers,
        asked_at: row.asked_at,
    })
}
