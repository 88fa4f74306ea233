//! Follows the fact tables: new rows become pieces of bitmaps, stored with the versions that they come from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ahash::AHashSet;
use dualwheel_kit::{Call, shared::Notice, survive::survived};
use dualwheel_lake::{
    Lake, TenantLake,
    people::{Replace, Stored},
};
use tokio::{
    sync::{
        OwnedMutexGuard, Semaphore,
        broadcast::{Receiver, error::RecvError},
    },
    time::sleep,
};

use super::{
    Cells, Error,
    cells::Room,
    state::{State, load},
};

/// How often the facts are looked at when nobody asks.
const FOLLOWED_EVERY: Duration = Duration::from_secs(1);
/// How long it waits after a notice for more of them.
const GATHERED: Duration = Duration::from_millis(50);
/// Pause after it could not follow, for example because the disk is full.
const PAUSE: Duration = Duration::from_secs(30);
/// Tenants whose facts are followed at a time when nobody asks.
const TURNS: usize = 8;
/// The part of the index's memory that is for sums of bitmaps.
const PART_FOR_SUMS: u64 = 4;
/// Tries against other processes that follow the same tables.
const TRIES: usize = 4;

/// The people index of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct PeopleIndex {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    most_consumers: usize,
    tenants: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<State>>>>>,
    cells: moka::future::Cache<(String, String, i64), Arc<Cells>>,
    /// What sums of bitmaps may take, and how much of it is left.
    sums: (u64, Arc<Room>),
    /// Tenants whose facts could not be followed, and since when.
    paused: Mutex<HashMap<String, Instant>>,
    /// Versions of the fact tables that are not followed yet, by tenant.
    behind: Mutex<HashMap<String, i64>>,
}

impl std::fmt::Debug for PeopleIndex {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PeopleIndex").finish_non_exhaustive()
    }
}

/// The index at one version, which answers questions.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) index: PeopleIndex,
    /// The lake that its ordinals belong to.
    pub lake: TenantLake,
    pub(super) stored: Stored,
    pub(super) changed: Arc<HashMap<String, i64>>,
    pub(super) opened: i64,
}

/// What the index holds, for people who run it.
#[derive(Clone, Debug)]
pub struct Status {
    /// Consumers that have an ordinal.
    pub consumers: usize,
    /// Version of the index table.
    pub version: i64,
    /// Versions of the fact tables that it has followed.
    pub followed: BTreeMap<&'static str, i64>,
}

impl PeopleIndex {
    /// The index of `lake`; decoded bitmaps and sums of them take `cache_bytes` together, and no tenant has more than
    /// `most_consumers` consumers.
    #[must_use]
    pub fn new(lake: Lake, cache_bytes: u64, most_consumers: usize) -> Self {
        let sums = cache_bytes / PART_FOR_SUMS;
        let cells = moka::future::Cache::builder()
            .max_capacity(cache_bytes - sums)
            .weigher(|_, cells: &Arc<Cells>| u32::try_from(cells.bytes().max(1)).unwrap_or(u32::MAX))
            .build();
        let inner = Inner {
            lake,
            most_consumers,
            tenants: Mutex::default(),
            cells,
            sums: (sums, Arc::new(Room::new(sums))),
            paused: Mutex::default(),
            behind: Mutex::default(),
        };
        let index = Self {
            inner: Arc::new(inner),
        };
        index.gauges();
        index
    }

    /// Tells how far it is behind, and how much memory it takes.
    fn gauges(&self) {
        let meter = opentelemetry::global::meter("dualwheel");
        let inner = Arc::downgrade(&self.inner);
        meter
            .i64_observable_gauge("dualwheel.index.behind.versions")
            .with_description(
                "Versions of the fact tables that the people index has not followed yet, of the worst tenant",
            )
            .with_callback(move |observer| {
                if let Some(inner) = inner.upgrade() {
                    let behind = inner.behind.lock().unwrap_or_else(PoisonError::into_inner);
                    observer.observe(behind.values().copied().max().unwrap_or(0), &[]);
                }
            })
            .build();
        let inner = Arc::downgrade(&self.inner);
        meter
            .u64_observable_gauge("dualwheel.index.cache.bytes")
            .with_description("Decoded bitmaps of the people index and sums of them, in bytes")
            .with_callback(move |observer| {
                if let Some(inner) = inner.upgrade() {
                    let (sums, left) = &inner.sums;
                    let sums = sums.saturating_sub(left.left() as u64);
                    observer.observe(inner.cells.weighted_size() + sums, &[]);
                }
            })
            .build();
    }

    /// Notes how many versions of the fact tables a tenant's index has not followed yet.
    pub(super) fn is_behind(&self, tenant: &str, versions: i64) {
        let mut behind = self.inner.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.insert(tenant.to_owned(), versions);
    }

    /// Follows the facts of every tenant that was asked about, from now on and as long as the index is in use: every
    /// second, and as soon as a notice says that there are new ones. Tenants have their turns side by side.
    pub fn keep_up(&self, mut notices: Option<Receiver<Notice>>) {
        let (inner, turns) = (Arc::downgrade(&self.inner), Arc::new(Semaphore::new(TURNS)));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = sleep(FOLLOWED_EVERY) => {}
                    () = told(&mut notices) => sleep(GATHERED).await,
                }
                let Some(inner) = inner.upgrade() else { return };
                let index = Self { inner };
                for tenant in index.tenants() {
                    let Ok(turn) = turns.clone().acquire_owned().await else {
                        return;
                    };
                    // Who holds it follows already.
                    let held = index.state(&tenant).try_lock_owned();
                    if let (Ok(held), false) = (held, index.is_paused(&tenant)) {
                        let index = index.clone();
                        tokio::spawn(async move {
                            index.turn(tenant, held).await;
                            drop(turn);
                        });
                    }
                }
            }
        });
    }

    fn tenants(&self) -> Vec<String> {
        let tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.keys().cloned().collect()
    }

    fn state(&self, tenant: &str) -> Arc<tokio::sync::Mutex<Option<State>>> {
        let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.to_owned()).or_default().clone()
    }

    /// Has the next question open what is stored now: files of what is known may have been erased by another process.
    pub(super) fn open_again(&self, tenant: &str) {
        if let Ok(mut held) = self.state(tenant).try_lock() {
            *held = None;
        }
    }

    /// Follows the facts to their latest versions.
    ///
    /// # Errors
    /// When they cannot be read, the index cannot be stored, or the tenant has too many consumers.
    pub async fn catch_up(&self, call: &Call) -> Result<Snapshot, Error> {
        self.followed(call.tenant(), Replace::Nothing).await
    }

    /// Rebuilds every bitmap from the facts; consumers keep their ordinals.
    ///
    /// # Errors
    /// As [`catch_up`](Self::catch_up).
    pub async fn rebuild(&self, call: &Call) -> Result<Snapshot, Error> {
        self.followed(call.tenant(), Replace::All).await
    }

    /// Makes sure that none of `keys` is in the index, whose facts are gone; answers how many were.
    ///
    /// # Errors
    /// As [`catch_up`](Self::catch_up).
    pub async fn forget(&self, call: &Call, keys: &AHashSet<String>) -> Result<(Snapshot, u64), Error> {
        let tenant = call.tenant();
        let mut held = self.state(tenant).lock_owned().await;
        let state = match held.take() {
            Some(state) => state,
            None => State::open(&self.inner.lake, tenant).await?,
        };
        let known = state.known_of(keys);
        *held = Some(state);
        let how = if known > 0 {
            Replace::AllAndKeys
        } else {
            Replace::Nothing
        };
        Ok((self.follow(tenant, held, how).await?, known))
    }

    async fn followed(&self, tenant: &str, how: Replace) -> Result<Snapshot, Error> {
        let held = self.state(tenant).lock_owned().await;
        self.follow(tenant, held, how).await
    }

    /// Catches up as far as `patience` admits; `None` when the index is still behind or cannot be read. What takes
    /// longer goes on by itself, for the questions to come.
    pub async fn soon(&self, call: &Call, patience: Duration) -> Option<Snapshot> {
        let tenant = call.tenant();
        if self.is_paused(tenant) {
            return None;
        }
        let held = self.state(tenant).lock_owned();
        let mut held = tokio::time::timeout(patience, held).await.ok()?;
        if held.is_none() {
            // What is stored is soon read; waited for is only what has to be followed.
            let opened = State::open(&self.inner.lake, tenant).await;
            *held = Some(opened.inspect_err(|error| self.pause(tenant, error)).ok()?);
        }
        let following = tokio::spawn(self.clone().turn(tenant.to_owned(), held));
        tokio::time::timeout(patience, following).await.ok()?.ok()?
    }

    /// Follows a tenant's facts; where that fails, the tenant is left alone for a while.
    async fn turn(self, tenant: String, held: OwnedMutexGuard<Option<State>>) -> Option<Snapshot> {
        let followed = survived(self.follow(&tenant, held, Replace::Nothing)).await;
        let followed = followed.map_err(Error::from).flatten();
        followed.inspect_err(|error| self.pause(&tenant, error)).ok()
    }

    /// Leaves a tenant's index alone for a while, for example because the disk is full: questions are answered by
    /// the facts.
    fn pause(&self, tenant: &str, error: &Error) {
        tracing::warn!(%error, pause_s = PAUSE.as_secs(), "the people index cannot follow the facts");
        let mut paused = self.inner.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.insert(tenant.to_owned(), Instant::now());
    }

    fn is_paused(&self, tenant: &str) -> bool {
        let paused = self.inner.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.get(tenant).is_some_and(|since| since.elapsed() < PAUSE)
    }

    async fn follow(
        &self,
        tenant: &str,
        mut held: OwnedMutexGuard<Option<State>>,
        mut how: Replace,
    ) -> Result<Snapshot, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            // What fails is opened again: the stored index is what counts.
            let mut state = match held.take() {
                _ if how == Replace::AllAndKeys => State::anew(&self.inner.lake, tenant).await?,
                Some(state) => state,
                None => State::open(&self.inner.lake, tenant).await?,
            };
            if how == Replace::Nothing && state.is_outdated() {
                how = Replace::All;
            }
            match state.follow(self, how).await {
                Ok(()) => {
                    let snapshot = state.snapshot(self);
                    *held = Some(state);
                    return Ok(snapshot);
                }
                // Whoever is gone with the rows is not to keep an ordinal.
                Err(Error::RowsGone) => how = Replace::AllAndKeys,
                Err(error) if tries >= TRIES || error.stays() => return Err(error),
                Err(error) => tracing::info!(%error, "the people index is read again"),
            }
        }
    }

    /// Decoded bitmaps by tenant, brand and the version at which they changed last.
    pub(super) fn cells(&self) -> &moka::future::Cache<(String, String, i64), Arc<Cells>> {
        &self.inner.cells
    }

    pub(super) fn most_consumers(&self) -> usize {
        self.inner.most_consumers
    }
}

/// Ends when facts have been appended somewhere; never where nobody says so.
async fn told(notices: &mut Option<Receiver<Notice>>) {
    loop {
        let Some(receiver) = notices else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(notice) if notice.is_of_facts() => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => *notices = None,
        }
    }
}

impl Snapshot {
    /// Versions of the fact tables that it stands for.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, i64> {
        let followed = self.stored.followed.iter();
        followed
            .map(|(table, version)| ((*table).to_owned(), *version))
            .collect()
    }

    /// What it holds.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            consumers: self.stored.keys,
            version: self.stored.version,
            followed: self.stored.followed.clone(),
        }
    }

    /// Removes the index's files that were out of use at an instant (microseconds since 1970 UTC), `grace` ago.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub async fn erase_files_before(&self, instant: i64, grace: Duration) -> Result<(), Error> {
        Ok(self.lake.vacuum_people_before(instant, grace).await?)
    }

    pub(super) fn key(&self, brand: &str) -> (String, String, i64) {
        let changed = self.changed.get(brand).copied().unwrap_or(self.opened);
        (self.lake.name().to_owned(), brand.to_owned(), changed)
    }

    /// The bitmaps of a brand.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn brand(&self, brand: &str) -> Result<Arc<Cells>, Error> {
        let load = async {
            let cells = load(&self.lake, &self.stored, brand).await?;
            Ok::<_, Error>(Arc::new(cells.in_room(&self.index.inner.sums.1)))
        };
        let loaded = self.index.cells().try_get_with(self.key(brand), load).await;
        if loaded.is_err() {
            self.index.open_again(self.lake.name());
        }
        loaded
            .map_err(|error| Arc::try_unwrap(error).unwrap_or_else(|error| Error::Shared(error.to_string())))
    }
}
