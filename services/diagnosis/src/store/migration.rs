//! The tables, in portable SQL.

use sea_orm_migration::{prelude::*, schema::*};

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(PeerSetsAndRuns),
            Box::new(Replicas),
            Box::new(OpenedPeerSets),
            Box::new(RequestsOfBrands),
        ]
    }

    fn migration_table_name() -> DynIden {
        "diagnosis_migrations".into_iden()
    }
}

struct PeerSetsAndRuns;

impl MigrationName for PeerSetsAndRuns {
    fn name(&self) -> &str {
        "m0001_peer_sets_and_runs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for PeerSetsAndRuns {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(peer_sets()).await?;
        manager.create_table(runs()).await?;
        for (table, name) in [("peer_sets", "peer_sets_request"), ("runs", "runs_request")] {
            // Rows without a request id do not collide: SQL takes nulls as different.
            let index = Index::create()
                .name(name)
                .table(table)
                .col("tenant")
                .col("request_id")
                .unique()
                .to_owned();
            manager.create_index(index).await?;
        }
        for (table, name) in [("peer_sets", "peer_sets_made"), ("runs", "runs_made")] {
            let index = Index::create()
                .name(name)
                .table(table)
                .col("tenant")
                .col("made_at")
                .col("id")
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("runs").to_owned()).await?;
        manager
            .drop_table(Table::drop().table("peer_sets").to_owned())
            .await
    }
}

/// What it takes to have several processes over one database.
struct Replicas;

impl MigrationName for Replicas {
    fn name(&self) -> &str {
        "m0002_replicas"
    }
}

/// A table and a column that it gains.
type Gain = (&'static str, ColumnDef);

fn for_replicas() -> Vec<Gain> {
    vec![
        ("peer_sets", big_integer_null("request_hash")),
        ("runs", big_integer_null("request_hash")),
        ("runs", text("peers").default("[]").to_owned()),
        ("runs", big_integer("beats").default(0).to_owned()),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Replicas {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, for_replicas()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_again(manager, for_replicas()).await
    }
}

/// Peer sets of measured aggregates, opened to brands.
struct OpenedPeerSets;

impl MigrationName for OpenedPeerSets {
    fn name(&self) -> &str {
        "m0003_opened_peer_sets"
    }
}

fn for_opening() -> Vec<Gain> {
    vec![
        ("peer_sets", text("open_to").default("[]").to_owned()),
        ("peer_sets", integer_null("measured_first")),
        ("peer_sets", integer_null("measured_last")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for OpenedPeerSets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, for_opening()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_again(manager, for_opening()).await
    }
}

async fn add(manager: &SchemaManager<'_>, gains: Vec<Gain>) -> Result<(), DbErr> {
    for (table, column) in gains {
        let table = Table::alter().table(table).add_column(column).to_owned();
        manager.alter_table(table).await?;
    }
    Ok(())
}

async fn drop_again(manager: &SchemaManager<'_>, gains: Vec<Gain>) -> Result<(), DbErr> {
    for (table, column) in gains {
        let column = column.get_column_name();
        let table = Table::alter().table(table).drop_column(column).to_owned();
        manager.alter_table(table).await?;
    }
    Ok(())
}

/// Request ids of runs are unique by brand, so that nobody learns which ones were used for others.
struct RequestsOfBrands;

impl MigrationName for RequestsOfBrands {
    fn name(&self) -> &str {
        "m0004_requests_of_brands"
    }
}

async fn index_requests(manager: &SchemaManager<'_>, columns: &[&'static str]) -> Result<(), DbErr> {
    let former = Index::drop().name("runs_request").table("runs").to_owned();
    manager.drop_index(former).await?;
    let mut index = Index::create();
    index.name("runs_request").table("runs").unique();
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

fn peer_sets() -> TableCreateStatement {
    Table::create()
        .table("peer_sets")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(string_len_null("request_id", 36))
        .col(text("display_name"))
        .col(text("peers"))
        .col(string_len("etag", 36))
        .col(big_integer("made_at"))
        .col(big_integer("changed_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}

fn runs() -> TableCreateStatement {
    Table::create()
        .table("runs")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(string_len_null("request_id", 36))
        .col(string_len("brand", 128))
        .col(integer("state"))
        .col(integer("done_steps"))
        .col(integer("total_steps"))
        .col(blob("spec"))
        .col(blob_null("result"))
        .col(text("error"))
        .col(big_integer("made_at"))
        .col(big_integer_null("ended_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}
