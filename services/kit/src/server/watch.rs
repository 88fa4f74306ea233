//! Watches the threads that work behind the calls, which calls themselves cannot see: whoever waits for one of them
//! is told at its deadline, and the threads may stand still for ever.

use std::time::Duration;

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

/// How often it looks, in the time after which threads count as standing still.
const LOOKS: u32 = 8;
/// Most time between two looks.
const LONGEST: Duration = Duration::from_secs(1);

/// Looks after the threads that blocking work is done on.
#[derive(Debug)]
pub(super) struct Watch {
    /// For how long nothing moves before they stand still.
    patience: Duration,
    /// Work that is done in no time, once it has a thread; since when it waits for one.
    probe: Option<(JoinHandle<()>, Instant)>,
}

impl Watch {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            probe: None,
        }
    }

    /// Waits until it is time to look again.
    pub(super) async fn pause(&self) {
        tokio::time::sleep((self.patience / LOOKS).min(LONGEST)).await;
    }

    /// Whether the threads stand still.
    pub(super) fn stands_still(&mut self) -> bool {
        match &self.probe {
            Some((probe, since)) if !probe.is_finished() => since.elapsed() >= self.patience,
            _ => {
                self.probe = Some((spawn_blocking(|| ()), Instant::now()));
                false
            }
        }
    }
}
