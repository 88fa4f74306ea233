//! Runs that are working in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dualwheel_kit::beats::Key;
use dualwheel_proto::diagnosis::DiagnosisRun;
use sea_orm::DatabaseConnection;
use tokio::{sync::watch, task::AbortHandle};

/// Runs of a tenant that are at work or wait in this process.
pub const TENANT_RUNS: usize = 32;
/// The same of all tenants.
pub const ALL_RUNS: usize = 128;

/// Where a run stands.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The run; with its end and result once it has ended.
    pub run: Arc<DiagnosisRun>,
    /// Whether it has ended.
    pub ended: bool,
    /// Steps done.
    pub done_steps: i32,
    /// The step just done, in words.
    pub step: String,
}

impl Progress {
    /// The run as it stands.
    pub fn run(&self) -> DiagnosisRun {
        let mut run = DiagnosisRun::clone(&self.run);
        if !self.ended {
            run.done_steps = self.done_steps;
        }
        run
    }
}

struct Live {
    progress: watch::Sender<Progress>,
    task: AbortHandle,
}

/// The working runs of all tenants.
pub struct LiveRuns {
    database: DatabaseConnection,
    runs: Mutex<HashMap<Key, Live>>,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A run's place among those of its tenant; free again when dropped.
pub struct Place {
    tenant: String,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        if let Some(runs) = taken.get_mut(&self.tenant) {
            *runs -= 1;
            if *runs == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

impl LiveRuns {
    /// None yet, of those that `database` keeps.
    pub fn new(database: DatabaseConnection) -> Self {
        Self {
            database,
            runs: Mutex::default(),
            taken: Arc::default(),
        }
    }

    /// The database of all runs.
    pub fn database(&self) -> &DatabaseConnection {
        &self.database
    }

    /// A place for a run; `None` while the tenant, or all tenants together, have as many as they may.
    pub fn place(&self, tenant: &str) -> Option<Place> {
        let mut taken = locked(&self.taken);
        if taken.values().sum::<usize>() >= ALL_RUNS {
            return None;
        }
        let runs = taken.entry(tenant.to_owned()).or_default();
        if *runs >= TENANT_RUNS {
            return None;
        }
        *runs += 1;
        Some(Place {
            tenant: tenant.to_owned(),
            taken: Arc::clone(&self.taken),
        })
    }

    /// Starts the task that `begin` makes of the run's progress, and knows the run from then on.
    pub fn begin(
        &self,
        tenant: &str,
        run: DiagnosisRun,
        id: &str,
        begin: impl FnOnce(watch::Sender<Progress>) -> AbortHandle,
    ) {
        let first = Progress {
            run: Arc::new(run),
            ended: false,
            done_steps: 0,
            step: "started".to_owned(),
        };
        let (progress, _) = watch::channel(first);
        // Held while the task begins: it cannot end before it is known.
        let mut live = self.lock();
        let task = begin(progress.clone());
        live.insert((tenant.to_owned(), id.to_owned()), Live { progress, task });
    }

    /// Follows a run; `None` where it is not working here.
    pub fn follow(&self, tenant: &str, id: &str) -> Option<watch::Receiver<Progress>> {
        Some(
            self.lock()
                .get(&(tenant.to_owned(), id.to_owned()))?
                .progress
                .subscribe(),
        )
    }

    /// Tells everybody who follows that the run has ended, and stops its task.
    pub fn end(&self, tenant: &str, id: &str, run: &DiagnosisRun) {
        let Some(live) = self.lock().remove(&(tenant.to_owned(), id.to_owned())) else {
            return;
        };
        live.task.abort();
        live.progress.send_modify(|progress| {
            progress.run = Arc::new(run.clone());
            progress.ended = true;
            progress.step = "ended".to_owned();
        });
    }

    /// The runs that are working in this process.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Live>> {
        locked(&self.runs)
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
