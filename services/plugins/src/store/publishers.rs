//! Publishers whom a tenant trusts.

use dualwheel_kit::{
    Call,
    store::{Collection, Listed, Repository, now},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection};

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

impl Collection for Entity {
    const NAME: &'static str = "publishers";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Id];
    type Resource = Publisher;

    fn read(row: Model) -> Result<Publisher, Error> {
        Ok(row)
    }
}

impl Listed for Entity {
    const MADE_AT: Column = Column::MadeAt;
}

/// The publishers of a tenant, as a call sees them.
#[derive(Clone, Debug)]
pub struct Publishers {
    rows: Repository<Entity>,
}

impl Publishers {
    /// The publishers that a call sees.
    #[must_use]
    pub fn of(call: &Call, database: &DatabaseConnection) -> Self {
        Self {
            rows: Repository::of(call, database),
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
            tenant: self.rows.call().tenant().to_owned(),
            id: id.to_owned(),
            display_name,
            public_key,
            other_key: String::new(),
            made_at: now(),
        };
        if self.rows.insert(row.clone()).await? {
            return Ok(row);
        }
        let there = self.get(id).await?;
        if there.keys().contains(&row.public_key.as_str()) {
            Ok(there)
        } else {
            Err(Error::Exists(Entity::name(&[id])))
        }
    }

    /// How many there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<u64, Error> {
        self.rows.count(Condition::all()).await
    }

    /// One.
    ///
    /// # Errors
    /// `Unknown`; the database's.
    pub async fn get(&self, id: &str) -> Result<Publisher, Error> {
        self.rows.get(&[id]).await
    }

    /// A page, oldest first.
    ///
    /// # Errors
    /// `PageToken`; the database's.
    pub async fn list(&self, size: usize, token: &str) -> Result<Page<Publisher>, Error> {
        self.rows.list(&(), Condition::all(), size, token).await
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
            let this = self.rows.this(&[id]);
            let unchanged = this
                .add(Column::PublicKey.eq(current.public_key.as_str()))
                .add(Column::OtherKey.eq(current.other_key.as_str()));
            if self.rows.set(row, unchanged).await? > 0 {
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
        match self.rows.remove(self.rows.this(&[id])).await? {
            0 => Err(Error::Unknown(Entity::name(&[id]))),
            _ => Ok(()),
        }
    }
}
