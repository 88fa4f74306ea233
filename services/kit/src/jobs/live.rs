//! The jobs that are at work in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::store::{self, Error};
use crate::{
    beats::{AtWork, Key},
    db::DatabaseConnection,
    work::Progress,
};

/// Jobs of a tenant that are at work or wait in this process.
pub(super) const TENANT_JOBS: usize = 16;
/// The same of all tenants.
const ALL_JOBS: usize = 64;

/// A job at work; without a task while it is being stored.
struct Job {
    progress: Arc<Progress>,
    task: Option<AbortHandle>,
}

/// The jobs of all tenants that are at work in this process.
pub(super) struct Live {
    jobs: Mutex<HashMap<Key, Job>>,
    database: DatabaseConnection,
}

/// A job's place among them; free again when dropped.
pub(super) struct Place {
    key: Key,
    progress: Arc<Progress>,
    live: Arc<Live>,
}

impl Place {
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        &self.key.1
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.live.lock().remove(&self.key);
    }
}

impl Live {
    pub fn new(database: DatabaseConnection) -> Self {
        Self {
            jobs: Mutex::default(),
            database,
        }
    }

    /// A place for a job; `None` while the tenant, or all tenants together, have as many as they may.
    pub fn place(self: &Arc<Self>, tenant: &str) -> Option<Place> {
        let mut jobs = self.lock();
        let of_tenant = jobs.keys().filter(|(one, _)| one == tenant).count();
        if jobs.len() >= ALL_JOBS || of_tenant >= TENANT_JOBS {
            return None;
        }
        let place = Place {
            key: (tenant.to_owned(), Uuid::now_v7().to_string()),
            progress: Arc::default(),
            live: Arc::clone(self),
        };
        let job = Job {
            progress: place.progress(),
            task: None,
        };
        jobs.insert(place.key.clone(), job);
        Some(place)
    }

    /// Knows the task that works on a job, unless that has ended before.
    pub fn begun(&self, key: &Key, task: AbortHandle) {
        if let Some(job) = self.lock().get_mut(key) {
            job.task = Some(task);
        }
    }

    /// How far a job has come; `None` where it is not at work here.
    pub fn told(&self, tenant: &str, id: &str) -> Option<Arc<Progress>> {
        let jobs = self.lock();
        let job = jobs.get(&(tenant.to_owned(), id.to_owned()))?;
        Some(Arc::clone(&job.progress))
    }

    /// Stops the task of a job.
    pub fn stop(&self, key: &Key) {
        let task = self.lock().get(key).and_then(|job| job.task.clone());
        // Not under the lock: a task that has not begun is dropped at once, and its place with it.
        if let Some(task) = task {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AtWork for Live {
    type Table = store::Entity;

    fn database(&self) -> &DatabaseConnection {
        &self.database
    }

    fn own(&self) -> Vec<Key> {
        let jobs = self.lock();
        let stored = jobs.iter().filter(|(_, job)| job.task.is_some());
        stored.map(|(key, _)| key.clone()).collect()
    }

    fn progress(&self, (tenant, id): &Key) -> store::ActiveModel {
        let progress = self.told(tenant, id);
        progress.map_or_else(store::ActiveModel::default, |progress| {
            store::progress(progress.told())
        })
    }

    async fn ended_elsewhere(&self, key: &Key) -> Result<(), Error> {
        self.stop(key);
        Ok(())
    }
}
