//! The tables, in portable SQL.

use sea_orm_migration::{prelude::*, schema::*};

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Registry),
            Box::new(Given),
            Box::new(Publishing),
            Box::new(Retiring),
            Box::new(Rotating),
        ]
    }

    fn migration_table_name() -> DynIden {
        "plugin_migrations".into_iden()
    }
}

struct Registry;

impl MigrationName for Registry {
    fn name(&self) -> &str {
        "m0001_registry"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Registry {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [publishers(), names(), plugins(), activations(), runs()] {
            manager.create_table(table).await?;
        }
        for (name, columns) in [
            (
                "plugin_runs_of",
                ["tenant", "brand", "world", "made_at"].as_slice(),
            ),
            ("plugin_runs_asked", ["tenant", "sha256", "input_hash"].as_slice()),
        ] {
            let mut index = Index::create();
            index.if_not_exists().name(name).table("plugin_runs");
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "plugin_runs",
            "plugin_activations",
            "plugins",
            "plugin_names",
            "plugin_publishers",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// When answers were given, and under which activation.
struct Given;

impl MigrationName for Given {
    fn name(&self) -> &str {
        "m0002_given"
    }
}

/// Columns that runs gain.
const GIVEN: [&str; 2] = ["given_at", "given_under"];

#[async_trait::async_trait]
impl MigrationTrait for Given {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in GIVEN {
            let mut runs = Table::alter();
            runs.table("plugin_runs").add_column(big_integer_null(column));
            manager.alter_table(runs).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in GIVEN {
            let mut runs = Table::alter();
            runs.table("plugin_runs").drop_column(column);
            manager.alter_table(runs).await?;
        }
        Ok(())
    }
}

/// Publications, what checks found, and why a version was activated all the same.
struct Publishing;

impl MigrationName for Publishing {
    fn name(&self) -> &str {
        "m0003_publishing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Publishing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(publications()).await?;
        for (table, column) in PUBLISHING {
            let mut altered = Table::alter();
            altered.table(table).add_column(text(column).default(""));
            manager.alter_table(altered).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in PUBLISHING {
            let mut altered = Table::alter();
            altered.table(table).drop_column(column);
            manager.alter_table(altered).await?;
        }
        let publications = Table::drop().table("plugin_publications").to_owned();
        manager.drop_table(publications).await
    }
}

/// Columns that tables gain.
const PUBLISHING: [(&str, &str); 2] = [("plugins", "findings"), ("plugin_activations", "forced")];

/// When versions were retired.
struct Retiring;

impl MigrationName for Retiring {
    fn name(&self) -> &str {
        "m0004_retiring"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Retiring {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut plugins = Table::alter();
        plugins
            .table("plugins")
            .add_column(big_integer_null("retired_at"));
        manager.alter_table(plugins).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut plugins = Table::alter();
        plugins.table("plugins").drop_column("retired_at");
        manager.alter_table(plugins).await
    }
}

/// Second keys of publishers.
struct Rotating;

impl MigrationName for Rotating {
    fn name(&self) -> &str {
        "m0005_rotating"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Rotating {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut publishers = Table::alter();
        publishers
            .table("plugin_publishers")
            .add_column(text("other_key").default(""));
        manager.alter_table(publishers).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut publishers = Table::alter();
        publishers.table("plugin_publishers").drop_column("other_key");
        manager.alter_table(publishers).await
    }
}

fn publications() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugin_publications")
        .col(string_len("tenant", 63))
        .col(string_len("id", 128))
        .col(text("signature"))
        .col(big_integer("bytes"))
        .col(integer("state"))
        .col(text("plugin"))
        .col(binary_null("refusal"))
        .col(text("findings"))
        .col(string_len("standard", 64))
        .col(big_integer("beats"))
        .col(big_integer("made_at"))
        .col(big_integer("changed_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}

fn publishers() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugin_publishers")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(text("display_name"))
        .col(text("public_key"))
        .col(big_integer("made_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}

fn names() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugin_names")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(string_len("publisher", 63))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}

fn plugins() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugins")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(string_len("version", 63))
        .col(integer("world"))
        .col(string_len("sha256", 64))
        .col(string_len("publisher", 63))
        .col(text("signature"))
        .col(text("description"))
        .col(boolean("needs_wasi"))
        .col(big_integer("bytes"))
        .col(big_integer("made_at"))
        .primary_key(Index::create().col("tenant").col("id").col("version"))
        .to_owned()
}

fn activations() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugin_activations")
        .col(string_len("tenant", 63))
        .col(string_len("brand", 128))
        .col(integer("world"))
        .col(big_integer("revision"))
        .col(text_null("active"))
        .col(text_null("shadow"))
        .col(integer("fallback"))
        .col(boolean("allow_wasi"))
        .col(boolean("keep_inputs"))
        .col(big_integer_null("before"))
        .col(integer("change"))
        .col(string_len("etag", 36))
        .col(big_integer("made_at"))
        .primary_key(
            Index::create()
                .col("tenant")
                .col("brand")
                .col("world")
                .col("revision"),
        )
        .to_owned()
}

fn runs() -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("plugin_runs")
        .col(string_len("tenant", 63))
        .col(string_len("id", 63))
        .col(string_len("brand", 128))
        .col(integer("world"))
        .col(integer("role"))
        .col(text("setting"))
        .col(string_len("sha256", 64))
        .col(text("subject"))
        .col(integer("day"))
        .col(text("versions"))
        .col(string_len("table_hash", 64))
        .col(big_integer("rows"))
        .col(string_len("input_hash", 64))
        .col(string_len("output_hash", 64))
        .col(boolean("succeeded"))
        .col(string_len("reason", 63))
        .col(text("message"))
        .col(string_len("limits", 64))
        .col(big_integer("micros"))
        .col(big_integer("fuel"))
        .col(big_integer("memory_bytes"))
        .col(text("log"))
        .col(boolean("has_inputs"))
        .col(boolean("has_result"))
        .col(text("comparisons"))
        .col(big_integer("made_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .to_owned()
}
