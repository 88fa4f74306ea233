//! `dualwheel migrate`: the tables of operational state, for those who run a mesh.

use anyhow::Context;
use dualwheel_kit::{
    config::Config,
    db::{self, Database},
    jobs,
};

use crate::{
    cli::{Common, Migrate},
    output,
};

/// Whose tables there are, and what is done with them.
macro_rules! owners {
    ($($name:literal $owner:ident;)+) => {
        async fn up(database: &Database) -> anyhow::Result<()> {
            $(db::up::<$owner::store::Migrator>(database).await.context($name)?;)+
            Ok(())
        }

        async fn down(database: &Database, owner: &str, steps: u32) -> anyhow::Result<()> {
            match owner {
                $($name => Ok(db::down::<$owner::store::Migrator>(database, steps).await?),)+
                _ => anyhow::bail!("there are no tables of `{owner}`; there are {}", [$($name),+].join(", ")),
            }
        }

        async fn statuses(database: &Database) -> anyhow::Result<Vec<Status>> {
            let mut all = Vec::new();
            $(
                let statuses = db::statuses::<$owner::store::Migrator>(database).await.context($name)?;
                all.extend(statuses.into_iter().map(|(migration, applied)| Status {
                    owner: $name,
                    migration,
                    applied,
                }));
            )+
            Ok(all)
        }
    };
}

owners! {
    "consumer" dualwheel_consumer;
    "diagnosis" dualwheel_diagnosis;
    "jobs" jobs;
    "plugins" dualwheel_plugins;
}

/// A migration and whether it was run.
#[derive(serde::Serialize)]
struct Status {
    owner: &'static str,
    migration: String,
    applied: bool,
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be reached or refuses; with `status`, when it is not up to date.
pub async fn run(config: &Config, common: &Common, command: &Migrate) -> anyhow::Result<()> {
    let database = db::open(config).await?;
    match command {
        Migrate::Up => up(&database).await?,
        Migrate::Down { owner, steps } => down(&database, owner, *steps).await?,
        Migrate::Status => {}
    }
    let statuses = statuses(&database).await?;
    if common.json {
        output::text(&serde_json::to_string_pretty(&statuses)?)?;
    } else {
        for Status {
            owner,
            migration,
            applied,
        } in &statuses
        {
            let state = if *applied { "applied" } else { "not applied" };
            output::text(&format!("{owner} {migration}: {state}"))?;
        }
    }
    let pending = statuses.iter().filter(|status| !status.applied).count();
    anyhow::ensure!(
        pending == 0 || !matches!(command, Migrate::Status),
        "{pending} migrations are not applied; run `dualwheel migrate up`"
    );
    Ok(())
}
