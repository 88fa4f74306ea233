//! Publishers whom a tenant trusts.

use dualwheel_kit::Call;
use dualwheel_kit::store::{Cursor, delete, insert, is_taken, now, update};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::{
    Error, Page,
    publisher::{ActiveModel, Column, Entity, Model},
};

/// A publisher.
pub use super::publisher::Model as Publisher;

impl Publisher {
    /// Its keys in PEM form, one or two.
    pub fn keys(&self) -> Vec<&str> {
        let keys = [self.public_key.as_str(), self.other_key.as_str()];
        keys.into_iter().filter(|key| !key.is_empty()).collect()
    }
}

/// The publishers of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Publishers {
    call: Call,
    database: DatabaseConnection,
}

impl Publishers {
    /// The publishers that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            call: call.clone(),
            database: database.clone(),
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
            tenant: self.call.tenant().to_owned(),
            id: id.to_owned(),
            display_name,
            public_key,
            other_key: String::new(),
            made_at: now(),
        };
        let inserted = insert(&self.database, ActiveModel::from(row.clone())).await;
        match inserted {
            Ok(_) => Ok(row),
            Err(error) if is_taken(&error) => {
                let there = self.get(id).await?;
                if there.keys().contains(&row.public_key.as_str()) {
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
        let all = Entity::find().filter(Column::Tenant.eq(self.call.tenant()));
        Ok(all.count(&self.database).await?)
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<Publisher, Error> {
        let row = Entity::find_by_id((self.call.tenant().to_owned(), id.to_owned()))
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
        Ok(Page::cut(list, rows, size, |row| Cursor {
            made_at: row.made_at,
            id: row.id.clone(),
        }))
    }

    /// Gives one the keys that `change` makes of those that it has: one or two.
    ///
    /// # Errors
    /// `Unknown`; what `change` finds; the database's.
    pub async fn rekey<E: From<Error>>(
        &self,
        id: &str,
        change: impl Fn(&Publisher) -> Result<(String, String), E>,
    ) -> Result<Publisher, E> {
        loop {
            let current = self.get(id).await?;
            let (public_key, other_key) = change(&current)?;
            let row = ActiveModel {
                public_key: Set(public_key.clone()),
                other_key: Set(other_key.clone()),
                ..Default::default()
            };
            let unchanged = Condition::all()
                .add(Column::Tenant.eq(self.call.tenant()))
                .add(Column::Id.eq(id))
                .add(Column::PublicKey.eq(current.public_key.as_str()))
                .add(Column::OtherKey.eq(current.other_key.as_str()));
            let updated = update(&self.database, row, unchanged).await;
            if updated.map_err(Error::from)? > 0 {
                return Ok(Publisher {
                    public_key,
                    other_key,
                    ..current
                });
            }
        }
    }

    /// Trusts one no longer.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let this = Condition::all()
            .add(Column::Tenant.eq(self.call.tenant()))
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
