//! Publishers whom a tenant trusts.

use dualwheel_kit::store::{Cursor, delete, insert, is_taken, now};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{
    Error, Page,
    publisher::{ActiveModel, Column, Entity, Model},
};

/// A publisher.
pub use super::publisher::Model as Publisher;

/// The publishers of one tenant.
#[derive(Clone, Debug)]
pub struct Publishers {
    database: DatabaseConnection,
    tenant: String,
}

impl Publishers {
    /// The publishers of `tenant`.
    #[must_use]
    pub fn of(database: &DatabaseConnection, tenant: &str) -> Self {
        Self {
            database: database.clone(),
            tenant: tenant.to_owned(),
        }
    }

    /// Trusts a key. The same id and key again answer the first.
    ///
    /// # Errors
    /// `Exists` when the id is trusted with another key; the database's.
    pub async fn create(
        &self,
        id: &str,
        display_name: String,
        public_key: String,
    ) -> Result<Publisher, Error> {
        let row = Model {
            tenant: self.tenant.clone(),
            id: id.to_owned(),
            display_name,
            public_key,
            made_at: now(),
        };
        let inserted = insert(&self.database, ActiveModel::from(row.clone())).await;
        match inserted {
            Ok(_) => Ok(row),
            Err(error) if is_taken(&error) => {
                let there = self.get(id).await?;
                if there.public_key == row.public_key {
                    Ok(there)
                } else {
                    Err(Error::Exists(name(id)))
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How many there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        let all = Entity::find().filter(Column::Tenant.eq(self.tenant.as_str()));
        Ok(all.count(&self.database).await?)
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<Publisher, Error> {
        let row = Entity::find_by_id((self.tenant.clone(), id.to_owned()))
            .one(&self.database)
            .await?;
        row.ok_or_else(|| Error::Unknown(name(id)))
    }

    /// A page, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<Publisher>, Error> {
        let list = "publishers";
        let mut query = Entity::find()
            .filter(Column::Tenant.eq(self.tenant.as_str()))
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
        Ok(Page::cut(list, rows, size, |row| Cursor {
            made_at: row.made_at,
            id: row.id.clone(),
        }))
    }

    /// Trusts one no longer.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let this = Condition::all()
            .add(Column::Tenant.eq(self.tenant.as_str()))
            .add(Column::Id.eq(id));
        let deleted = delete::<Entity>(&self.database, this).await?;
        if deleted == 0 {
            return Err(Error::Unknown(name(id)));
        }
        Ok(())
    }
}

fn name(id: &str) -> String {
    format!("publishers/{id}")
}
