//! The tables, in portable SQL.

use sea_orm_migration::{prelude::*, schema::*};

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(SavedAudiences),
            Box::new(ConsumerDeletions),
            Box::new(RequestHashes),
            Box::new(RequestsOfBrands),
            Box::new(SavedTogether),
        ]
    }

    fn migration_table_name() -> DynIden {
        "consumer_migrations".into_iden()
    }
}

struct SavedAudiences;

impl MigrationName for SavedAudiences {
    fn name(&self) -> &str {
        "m0001_audiences"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SavedAudiences {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audiences = Table::create()
            .table("audiences")
            .col(string_len("tenant", 63))
            .col(string_len("id", 63))
            .col(string_len_null("request_id", 36))
            .col(string_len("brand", 128))
            .col(text("display_name"))
            .col(integer("kind"))
            .col(blob_null("expression"))
            .col(string_len_null("keys", 128))
            .col(big_integer("size"))
            .col(integer_null("as_of"))
            .col(string_len("etag", 36))
            .col(big_integer("made_at"))
            .col(big_integer("changed_at"))
            .primary_key(Index::create().col("tenant").col("id"))
            .to_owned();
        manager.create_table(audiences).await?;
        // Rows without a request id do not collide: SQL takes nulls as different.
        let requests = Index::create()
            .name("audiences_request")
            .table("audiences")
            .col("tenant")
            .col("request_id")
            .unique()
            .to_owned();
        manager.create_index(requests).await?;
        let made = Index::create()
            .name("audiences_made")
            .table("audiences")
            .col("tenant")
            .col("made_at")
            .col("id")
            .to_owned();
        manager.create_index(made).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("audiences").to_owned())
            .await
    }
}

struct ConsumerDeletions;

impl MigrationName for ConsumerDeletions {
    fn name(&self) -> &str {
        "m0002_consumer_deletions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ConsumerDeletions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let deletions = Table::create()
            .table("consumer_deletions")
            .col(string_len("tenant", 63))
            .col(string_len("id", 63))
            .col(big_integer("consumers"))
            .col(big_integer("asked_at"))
            .col(text_null("parts"))
            .primary_key(Index::create().col("tenant").col("id"))
            .to_owned();
        manager.create_table(deletions).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let deletions = Table::drop().table("consumer_deletions").to_owned();
        manager.drop_table(deletions).await
    }
}

struct RequestHashes;

impl MigrationName for RequestHashes {
    fn name(&self) -> &str {
        "m0003_request_hashes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for RequestHashes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audiences = Table::alter()
            .table("audiences")
            .add_column(big_integer_null("request_hash"))
            .to_owned();
        manager.alter_table(audiences).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audiences = Table::alter()
            .table("audiences")
            .drop_column("request_hash")
            .to_owned();
        manager.alter_table(audiences).await
    }
}

/// Request ids are unique by brand, so that nobody learns which ones were used for others.
struct RequestsOfBrands;

impl MigrationName for RequestsOfBrands {
    fn name(&self) -> &str {
        "m0004_requests_of_brands"
    }
}

async fn index_requests(manager: &SchemaManager<'_>, columns: &[&'static str]) -> Result<(), DbErr> {
    let former = Index::drop()
        .name("audiences_request")
        .table("audiences")
        .to_owned();
    manager.drop_index(former).await?;
    let mut index = Index::create();
    index.name("audiences_request").table("audiences").unique();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

#[async_trait::async_trait]
impl MigrationTrait for RequestsOfBrands {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index_requests(manager, &["tenant", "brand", "request_id"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index_requests(manager, &["tenant", "request_id"]).await
    }
}

/// What was answered to requests that saved several audiences together.
struct SavedTogether;

impl MigrationName for SavedTogether {
    fn name(&self) -> &str {
        "m0005_saved_together"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SavedTogether {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let answers = Table::create()
            .table("saved_together")
            .col(string_len("tenant", 63))
            .col(string_len("brand", 128))
            .col(string_len("request_id", 36))
            .col(big_integer_null("request_hash"))
            .col(blob("answer"))
            .primary_key(Index::create().col("tenant").col("brand").col("request_id"))
            .to_owned();
        manager.create_table(answers).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let answers = Table::drop().table("saved_together").to_owned();
        manager.drop_table(answers).await
    }
}
