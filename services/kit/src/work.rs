//! Work that takes its time: off the threads that serve calls, bounded in number, and left when nobody waits for it.
//!
//! There are two pools. [`metrics`] answers questions by scanning facts; [`models`] fits models, on a few threads of its own,
//! so that questions stay fast beside them. Partners' models have places of their own, which [`held`] gives up. A job holds
//! its place until its thread has left it.
//!
//! Who waits for a job may go: the call is cancelled, or its deadline passes, and the waiting future is dropped. Then the
//! job is stopped: the next [`look`] in it does not return, it unwinds the job. Whatever goes on for long looks once a
//! person, a tree, a step. It holds no lock while it looks.
//!
//! Who waits may also follow a job: [`step`] and [`advance`] tell how far it has come.

use std::{
    cell::RefCell,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use opentelemetry::{KeyValue, global};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::Status;

use crate::{Failure, survive::said};

/// Scans at a time for each core: more than one, since they also wait for memory and for one another's parts.
const SCANS_A_CORE: usize = 4;
/// Models at a time. Each has half of the cores to itself.
const MODELS: usize = 2;

static METRICS: LazyLock<Pool> = LazyLock::new(|| Pool::new("metrics", SCANS_A_CORE * cores()));
static MODELLING: LazyLock<Pool> = LazyLock::new(|| Pool::new("models", MODELS));
/// Threads of models that have nothing to do.
static IDLE: Mutex<Vec<Arc<rayon::ThreadPool>>> = Mutex::new(Vec::new());

thread_local! {
    /// Tells the job of this thread to stop.
    static CURRENT: RefCell<Stop> = RefCell::default();
}

/// Why a job gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It panicked.
    #[error("a job panicked: {0}")]
    Panicked(String),
    /// It was stopped.
    #[error("a job was stopped")]
    Stopped,
    /// There are no threads for it.
    #[error("no threads for a model: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::internal(&error).into()
    }
}

/// Tells a job that nobody waits for it any more, and who follows it how far it has come. The default one does neither.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    told: Option<Arc<AtomicBool>>,
    followed: Option<Arc<Progress>>,
}

/// What a stopped job is unwound with.
struct Stopped;

/// How far work has come that somebody follows: the step that it is at, and how much of it is done.
#[derive(Debug, Default)]
pub struct Progress {
    step: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    fn begin(&self, step: &'static str, total: u64) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// The step, what is done of it, and how much it is; 0 where that is not known. Parts that end between two reads may be
    /// reported with the step before.
    #[must_use]
    pub fn told(&self) -> (&'static str, u64, u64) {
        let step = *self.step.lock().unwrap_or_else(PoisonError::into_inner);
        (
            step,
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }
}

tokio::task_local! {
    static FOLLOWED: Arc<Progress>;
}

/// Does `work`, and reports to `progress` how far it has come, wherever it runs.
pub async fn followed<F: Future>(progress: Arc<Progress>, work: F) -> F::Output {
    FOLLOWED.scope(progress, work).await
}

/// Tells who follows this work that it begins a step of `total` parts; 0 where their number is not known.
pub fn step(name: &'static str, total: usize) {
    tell(|progress| progress.begin(name, total as u64));
}

/// Tells who follows this work that so many more parts of the step are done.
pub fn advance(parts: usize) {
    tell(|progress| {
        progress.done.fetch_add(parts as u64, Ordering::Relaxed);
    });
}

/// Tells who follows this work, where somebody does: on a thread of a job, or in a task.
fn tell(telling: impl Fn(&Progress)) {
    CURRENT.with_borrow(|stop| match &stop.followed {
        Some(progress) => telling(progress),
        // Outside of a task, and where nobody follows, there is nobody to tell.
        None => FOLLOWED
            .try_with(|progress| telling(progress))
            .unwrap_or_default(),
    });
}

impl Stop {
    /// That of the job that runs on this thread, for its parts on other threads.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with_borrow(Self::clone)
    }

    /// Does a part of the job on this thread.
    pub fn during<T>(&self, part: impl FnOnce() -> T) -> T {
        let _before = Before(CURRENT.replace(self.clone()));
        part()
    }

    /// Whether nobody waits for the job any more, for what ends it in a way of its own.
    #[must_use]
    pub fn is_told(&self) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|told| told.load(Ordering::Relaxed))
    }

    /// Unwinds the job if nobody waits for it.
    pub fn look(&self) {
        if self.is_told() {
            resume_unwind(Box::new(Stopped));
        }
    }
}

/// Unwinds the job that runs on this thread if nobody waits for it. On a thread without a job it does nothing.
pub fn look() {
    CURRENT.with_borrow(Stop::look);
}

/// What this thread was at before a part of another job; it goes on with it when this is dropped.
struct Before(Stop);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.0));
    }
}

/// Does two parts of the job that runs on this thread, at the same time where there are cores.
pub fn join<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    let stop = Stop::current();
    rayon::join(|| stop.during(one), || stop.during(other))
}

/// Tells a job to stop when it is dropped.
struct Waiting(Arc<AtomicBool>);

impl Waiting {
    fn new() -> (Self, Stop) {
        let told = Arc::default();
        let stop = Stop {
            told: Some(Arc::clone(&told)),
            followed: FOLLOWED.try_with(Arc::clone).ok(),
        };
        (Self(told), stop)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How busy a pool is. A pool stands still when `finished` stays the same while jobs are running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// `metrics` or `models`.
    pub pool: &'static str,
    /// Most jobs that run at a time.
    pub places: usize,
    /// Jobs that wait for a place.
    pub waiting: u64,
    /// Jobs that have got a place since the process started.
    pub started: u64,
    /// Those of them whose thread has left them.
    pub finished: u64,
}

impl Load {
    /// Jobs that hold a place.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }
}

/// How busy the two pools are.
#[must_use]
pub fn load() -> [Load; 2] {
    [METRICS.load(), MODELLING.load()]
}

struct Pool {
    name: &'static str,
    size: usize,
    places: Arc<Semaphore>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
}

/// A job's place in a pool, until it is dropped.
struct Place {
    counts: Arc<Counts>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.finished.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts who waits for a place, until it is dropped.
struct Queued<'a>(&'a AtomicU64);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    fn new(name: &'static str, size: usize) -> Self {
        let pool = Self {
            name,
            size,
            places: Arc::new(Semaphore::new(size)),
            counts: Arc::default(),
        };
        let counts = Arc::clone(&pool.counts);
        global::meter("dualwheel")
            .u64_observable_gauge("dualwheel.work.running")
            .with_description("Jobs that hold a place in a pool")
            .with_callback(move |gauge| {
                let finished = counts.finished.load(Ordering::Relaxed);
                let running = counts.started.load(Ordering::Relaxed).saturating_sub(finished);
                gauge.observe(running, &[KeyValue::new("pool", name)]);
            })
            .build();
        pool
    }

    async fn place(&self) -> Place {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let _queued = Queued(&self.counts.waiting);
        // The semaphore is never closed.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        Place {
            counts: Arc::clone(&self.counts),
            _permit: permit,
        }
    }

    fn load(&self) -> Load {
        // Read in this order, so that no job is finished before it has started.
        let finished = self.counts.finished.load(Ordering::Relaxed);
        Load {
            pool: self.name,
            places: self.size,
            waiting: self.counts.waiting.load(Ordering::Relaxed),
            started: self.counts.started.load(Ordering::Relaxed),
            finished,
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs a scan of facts, when there is a place for it. The job waits for no other job.
///
/// # Errors
/// [`Error::Panicked`].
pub async fn metrics<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    held(METRICS.place().await, job).await
}

/// Runs a job that has got a place elsewhere, and gives that up when its thread has left it.
///
/// # Errors
/// [`Error::Panicked`].
pub async fn held<T: Send + 'static>(
    place: impl Send + 'static,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (_waiting, stop) = Waiting::new();
    let ran = tokio::task::spawn_blocking(move || {
        let _place = place;
        run(&stop, job)
    });
    ran.await
        .unwrap_or_else(|error| Err(Error::Panicked(error.to_string())))
}

/// Fits or runs a model, when there is a place for it. What the job does in parallel is done on the threads that it has
/// got. The job waits for no other job.
///
/// # Errors
/// [`Error::Panicked`], or [`Error::Threads`] where the system gives no more.
pub async fn models<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let place = MODELLING.place().await;
    let (_waiting, stop) = Waiting::new();
    let threads = threads()?;
    let (send, answer) = oneshot::channel();
    Arc::clone(&threads).spawn(move || {
        // Also those that only help.
        threads.broadcast(|_| CURRENT.set(stop.clone()));
        let ran = run(&stop, job);
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(threads);
        drop(place);
        // Nobody listens where the call has gone.
        drop(send.send(ran));
    });
    answer.await.unwrap_or(Err(Error::Stopped))
}

/// Threads with nothing to do: as many are made as there are places.
fn threads() -> Result<Arc<rayon::ThreadPool>, Error> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(threads) = idle {
        return Ok(threads);
    }
    let built = rayon::ThreadPoolBuilder::new()
        .num_threads(cores().div_ceil(MODELS))
        .thread_name(|at| format!("model-{at}"))
        .build()?;
    Ok(Arc::new(built))
}

/// Runs a job on this thread under its stop flag.
fn run<T>(stop: &Stop, job: impl FnOnce() -> T) -> Result<T, Error> {
    let job = || {
        look();
        job()
    };
    let ran = catch_unwind(AssertUnwindSafe(|| stop.during(job)));
    ran.map_err(|payload| {
        if payload.is::<Stopped>() {
            Error::Stopped
        } else {
            Error::Panicked(said(payload.as_ref()).to_owned())
        }
    })
}

#[cfg(test)]
mod tests;
