//! Sees to it that no run stays unfinished for ever, although processes come and go.
//!
//! A process says of its runs, beat by beat, that they are being worked on. A run whose beats stand still, by the clock
//! of who watches, has lost its process, and is marked as interrupted: its caller may start it again.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use dualwheel_kit::survive::survived;
use sea_orm::DatabaseConnection;
use tokio::time::{Instant, sleep};

use super::{live::LiveRuns, runs::run_to_proto};
use crate::store::{self, Key, Runs};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// How long beats stand still before a run counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(15);
/// What a run's caller is told.
const STOPPED: &str = "the service was stopped while this run was working; resume it";

/// Watches over runs from now on, as long as `live` is in use.
pub fn keep(live: &Arc<LiveRuns>, database: &DatabaseConnection) {
    tokio::spawn(watch(Arc::downgrade(live), database.clone()));
}

async fn watch(live: Weak<LiveRuns>, database: DatabaseConnection) {
    let mut seen = HashMap::new();
    let mut last = Instant::now();
    loop {
        sleep(BEAT).await;
        let Some(live) = live.upgrade() else { return };
        let watched = survived(round(&live, &database, &mut seen)).await;
        let watched = watched.map_err(|error| error.to_string());
        if let Err(error) = watched.and_then(|done| done.map_err(|error| error.to_string())) {
            tracing::warn!(error, "runs cannot be watched over");
            // Others could not say that they work, either: only what was watched without a break counts.
            seen.clear();
        }
        if last.elapsed() > BEAT * 3 {
            seen.clear();
        }
        last = Instant::now();
    }
}

/// One beat. `seen` are the beats of the runs of others, and since when they are the same.
async fn round(
    live: &LiveRuns,
    database: &DatabaseConnection,
    seen: &mut HashMap<Key, (i64, Instant)>,
) -> Result<(), store::Error> {
    let own = live.keys();
    store::beat(database, &own).await?;
    let working: HashMap<Key, i64> = store::beats(database).await?.into_iter().collect();
    for (tenant, id) in own.iter().filter(|key| !working.contains_key(*key)) {
        // Cancelled at another process.
        let run = Runs::of(database, tenant).get(id).await?;
        if let Ok(run) = run_to_proto(&run) {
            live.end(tenant, id, &run);
        }
    }
    seen.retain(|run, _| working.contains_key(run));
    for (run, beats) in working.into_iter().filter(|(run, _)| !own.contains(run)) {
        let now = Instant::now();
        let (last, since) = seen.entry(run.clone()).or_insert((beats, now));
        if *last != beats {
            (*last, *since) = (beats, now);
        } else if since.elapsed() >= ABANDONED {
            interrupt(database, &run, beats).await?;
        }
    }
    Ok(())
}

async fn interrupt(database: &DatabaseConnection, run: &Key, beats: i64) -> Result<(), store::Error> {
    if store::interrupt_abandoned(database, run, beats, STOPPED).await? {
        tracing::warn!(run = run.1, "a run that was left unfinished is now interrupted");
    }
    Ok(())
}
