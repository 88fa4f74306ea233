//! Migrations forward and back, at once by several processes, and only checked.

use dualwheel_kit::{
    Config,
    db::{self, Error},
};
use sea_orm_migration::MigratorTrait;

use crate::{POSTGRES, Place};

async fn forward_and_back<M: MigratorTrait>(place: &Place) {
    for _ in 0..2 {
        db::up::<M>(&place.database).await.unwrap();
        let done = db::statuses::<M>(&place.database).await.unwrap();
        assert!(done.iter().all(|(_, done)| *done), "{done:?}");
        // Again does nothing.
        db::up::<M>(&place.database).await.unwrap();
        for left in (0..done.len()).rev() {
            db::down::<M>(&place.database, 1).await.unwrap();
            let done = db::statuses::<M>(&place.database).await.unwrap();
            assert_eq!(done.iter().filter(|(_, done)| *done).count(), left);
        }
    }
}

async fn all_go_forward_and_back(place: Place) {
    forward_and_back::<dualwheel_consumer::store::Migrator>(&place).await;
    forward_and_back::<dualwheel_diagnosis::store::Migrator>(&place).await;
    forward_and_back::<dualwheel_plugins::store::Migrator>(&place).await;
}

async fn processes_that_start_together_migrate_once(place: Place) {
    let starting = (0..6).map(|_| {
        let url = place.url.clone();
        tokio::spawn(async move {
            let database = db::connect(&url).await.unwrap();
            db::prepare::<dualwheel_plugins::store::Migrator>(&database)
                .await
                .unwrap();
            db::prepare::<dualwheel_diagnosis::store::Migrator>(&database)
                .await
                .unwrap();
        })
    });
    for started in futures::future::join_all(starting).await {
        started.unwrap();
    }
}

async fn who_does_not_migrate_refuses_old_tables(place: Place) {
    let mut config = Config {
        database: Some(place.url.clone()),
        ..Config::default()
    };
    config.state.migrate = false;
    let database = db::open(&config).await.unwrap();
    let check = || db::prepare::<dualwheel_diagnosis::store::Migrator>(&database);
    assert!(matches!(check().await, Err(Error::Outdated(_))));
    db::up::<dualwheel_diagnosis::store::Migrator>(&database)
        .await
        .unwrap();
    check().await.unwrap();
    db::down::<dualwheel_diagnosis::store::Migrator>(&database, 1)
        .await
        .unwrap();
    let Err(Error::Outdated(missing)) = check().await else {
        panic!("old tables are taken")
    };
    assert_eq!(missing, "m0004_requests_of_brands");
}

macro_rules! on_bare {
    ($($test:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::Place::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::Place::postgres().await).await;
            })+
        }
    };
}

on_bare! {
    all_go_forward_and_back
    processes_that_start_together_migrate_once
    who_does_not_migrate_refuses_old_tables
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended() {
    use sea_orm::ConnectionTrait;

    let mut config = Config {
        database: Some(POSTGRES.schema().unwrap()),
        ..Config::default()
    };
    config.state.statement_timeout_ms = 100;
    let database = db::open(&config).await.unwrap();
    let slow = database.connection().execute_unprepared("SELECT pg_sleep(5)");
    assert!(slow.await.unwrap_err().to_string().contains("statement timeout"));
}

#[tokio::test]
async fn writes_that_the_database_gives_up_are_tried_again() {
    use sea_orm::{ConnectionTrait, IsolationLevel, TransactionTrait};

    let place = Place::postgres().await;
    place
        .execute_unprepared("CREATE TABLE counter (n INT); INSERT INTO counter VALUES (0)")
        .await
        .unwrap();
    let count = |_| {
        let database = place.database.clone();
        async move {
            db::retried(|| async {
                let transaction = database
                    .connection()
                    .begin_with_config(Some(IsolationLevel::Serializable), None)
                    .await?;
                transaction
                    .execute_unprepared("UPDATE counter SET n = n + 1")
                    .await?;
                transaction.commit().await
            })
            .await
        }
    };
    let counted = futures::future::join_all((0..4).map(count)).await;
    let done = counted.iter().filter(|counted| counted.is_ok()).count();
    assert!(done >= 2, "{counted:?}");
    let query = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "SELECT n FROM counter");
    let row = place.query_one_raw(query).await.unwrap().unwrap();
    let n: i32 = row.try_get_by_index(0).unwrap();
    assert_eq!(n as usize, done);
}
