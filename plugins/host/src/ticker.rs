//! Advances an engine's epoch, so that a guest notices that its time is over.

use std::{
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::Engine;

/// A thread that advances the epoch at regular times until the ticker is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    /// Closed to end the thread at once.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Time between two ticks: a tenth of the deadline, for ticks cost a little whether somebody runs or not.
pub(crate) fn tick(deadline: Duration) -> Duration {
    (deadline / 10).clamp(Duration::from_millis(1), Duration::from_millis(100))
}

/// Ticks after which the deadline has certainly passed: the first may come at once.
pub(crate) fn ticks(deadline: Duration) -> u64 {
    let whole = deadline.as_nanos().div_ceil(tick(deadline).as_nanos());
    u64::try_from(whole).unwrap_or(u64::MAX).saturating_add(1)
}

impl Ticker {
    /// Starts the thread; fails when the system gives none.
    pub(crate) fn start(engine: &Engine, every: Duration) -> std::io::Result<Self> {
        let (running, ended) = channel::<()>();
        let engine = engine.weak();
        let thread = std::thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || {
                while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            running: Some(running),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.running = None;
        // It never panics; and if it did, there would be nothing to do about it here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, Instant},
    };

    use super::{Ticker, tick, ticks};

    fn running() -> usize {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim_end() == "plugin-ticker").count()
    }

    #[test]
    fn its_thread_ends_with_it() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine, Duration::from_secs(3600)).unwrap();
        // A thread names itself as its first act.
        while running() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(running(), 1);
        drop(ticker);
        // The system may list an ended thread a moment longer.
        let since = Instant::now();
        while running() > 0 {
            assert!(since.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_deadline_has_passed_after_its_ticks_and_not_long_ago() {
        for millis in [1, 9, 10, 99, 100, 250, 1_000, 60_000] {
            let deadline = Duration::from_millis(millis);
            let least = tick(deadline) * u32::try_from(ticks(deadline) - 1).unwrap();
            assert!(least >= deadline, "{deadline:?}");
            assert!(least <= deadline + tick(deadline), "{deadline:?}");
        }
        assert_eq!(
            (tick(Duration::from_secs(2)), ticks(Duration::from_secs(2))),
            (Duration::from_millis(100), 21)
        );
    }
}
