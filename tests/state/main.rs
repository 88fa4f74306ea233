//! Operational state: one suite over SQLite and a real PostgreSQL, and what replicas share over a real Redis.

#![cfg(test)]

mod consumer;
mod diagnosis;
mod migrations;
mod plugins;
mod redis;

use std::{ops::Deref, sync::LazyLock};

use dualwheel_kit::db::{self, Database};
use dualwheel_tests::servers::Postgres;
use sea_orm::DatabaseConnection;
use tempfile::TempDir;

static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

/// A database of its own: an SQLite file, or a schema in PostgreSQL.
struct Place {
    database: Database,
    url: String,
    _folder: Option<TempDir>,
}

impl Deref for Place {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        self.database.connection()
    }
}

impl Place {
    /// Without tables.
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/state.db", folder.path().display());
        Self {
            database: db::connect(&url).await.unwrap(),
            url,
            _folder: Some(folder),
        }
    }

    /// Without tables.
    async fn postgres() -> Self {
        let url = POSTGRES.schema().unwrap();
        Self {
            database: db::connect(&url).await.unwrap(),
            url,
            _folder: None,
        }
    }

    /// With the tables of every service.
    async fn prepared(self) -> Self {
        db::prepare::<dualwheel_consumer::store::Migrator>(&self.database)
            .await
            .unwrap();
        db::prepare::<dualwheel_diagnosis::store::Migrator>(&self.database)
            .await
            .unwrap();
        db::prepare::<dualwheel_plugins::store::Migrator>(&self.database)
            .await
            .unwrap();
        self
    }
}

/// Makes of each function of a [`Place`] two tests, one on each database.
macro_rules! on_both {
    ($($test:ident)+) => {
        mod sqlite {
            use crate::Place;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(Place::sqlite().await.prepared().await).await;
            })+
        }

        mod postgres {
            use crate::Place;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(Place::postgres().await.prepared().await).await;
            })+
        }
    };
}
pub(crate) use on_both;
