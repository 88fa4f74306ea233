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

/// Time between two ticks, at each of which a guest looks whether its time is over or nobody waits for it: a tenth of the
/// deadline, for ticks cost a little whether somebody runs or not.
pub(crate) fn tick(deadline: Duration) -> Duration {
    (deadline / 10).clamp(Duration::from_millis(1), Duration::from_millis(20))
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

    use super::{Ticker, tick};

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
    fn ticks_are_short_beside_the_deadline_and_never_idle_work() {
        let millis = |deadline: u64| tick(Duration::from_millis(deadline)).as_millis();
        assert_eq!([1, 9, 10, 99, 150].map(millis), [1, 1, 1, 9, 15]);
        assert_eq!([200, 20_000, 3_600_000].map(millis), [20, 20, 20]);
    }
}
