//! The table, in portable SQL.

use sea_orm_migration::{prelude::*, schema::*};

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Jobs)]
    }

    fn migration_table_name() -> DynIden {
        "jobs_migrations".into_iden()
    }
}

struct Jobs;

impl MigrationName for Jobs {
    fn name(&self) -> &str {
        "m0001_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Jobs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let jobs = Table::create()
            .table("jobs")
            .col(string_len("tenant", 63))
            .col(string_len("id", 63))
            .col(text("subject"))
            .col(text("brands"))
            .col(string_len_null("request_id", 36))
            .col(big_integer_null("request_hash"))
            .col(string_len("method", 128))
            .col(blob("request"))
            .col(integer("state"))
            .col(text("step"))
            .col(big_integer("done"))
            .col(big_integer("total"))
            .col(blob_null("answer"))
            .col(blob_null("error"))
            .col(big_integer("made_at"))
            .col(big_integer_null("ended_at"))
            .col(big_integer("beats"))
            .primary_key(Index::create().col("tenant").col("id"))
            .to_owned();
        manager.create_table(jobs).await?;
        // Rows without a request id do not collide: SQL takes nulls as different.
        let requests = Index::create()
            .name("jobs_request")
            .table("jobs")
            .col("tenant")
            .col("subject")
            .col("request_id")
            .unique()
            .to_owned();
        manager.create_index(requests).await?;
        let made = Index::create()
            .name("jobs_made")
            .table("jobs")
            .col("tenant")
            .col("made_at")
            .col("id")
            .to_owned();
        manager.create_index(made).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("jobs").to_owned()).await
    }
}
