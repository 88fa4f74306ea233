//! Watches the threads that work behind the calls, which calls themselves cannot see: whoever waits for one of them
//! is told at its deadline, and the threads may stand still for ever.

use std::time::Duration;

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use crate::work;

/// How often it looks, in the time after which threads count as standing still.
const LOOKS: u32 = 8;
/// Most time between two looks.
const LONGEST: Duration = Duration::from_secs(1);

/// Watches the threads that do blocking work.
#[derive(Debug)]
pub(super) struct Watch {
    /// For how long nothing moves before they stand still.
    patience: Duration,
    /// Work that is done in no time, once it has a thread; since when it waits for one.
    probe: Option<(JoinHandle<()>, Instant)>,
    /// How many jobs each pool had finished when it was last seen to move, and when that was.
    pools: [(u64, Instant); 2],
}

impl Watch {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            probe: None,
            pools: [(0, Instant::now()); 2],
        }
    }

    /// Waits until it is time to look again.
    pub(super) async fn pause(&self) {
        tokio::time::sleep((self.patience / LOOKS).min(LONGEST)).await;
    }

    /// Whether the threads stand still: there is none for new work, or jobs wait for a place and none is freed.
    pub(super) fn stands_still(&mut self) -> bool {
        let pools = self.pools_stand_still();
        self.threads_stand_still() || pools
    }

    fn pools_stand_still(&mut self) -> bool {
        let mut still = false;
        for (load, (finished, since)) in work::load().into_iter().zip(&mut self.pools) {
            if load.waiting == 0 || load.finished != *finished {
                (*finished, *since) = (load.finished, Instant::now());
            }
            still |= since.elapsed() >= self.patience;
        }
        still
    }

    fn threads_stand_still(&mut self) -> bool {
        match &self.probe {
            Some((probe, since)) if !probe.is_finished() => since.elapsed() >= self.patience,
            _ => {
                self.probe = Some((spawn_blocking(|| ()), Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_pool_whose_places_are_all_taken_for_good_stands_still() {
        let mut watch = Watch::new(Duration::from_millis(200));
        assert!(!watch.stands_still());
        let opened = Arc::new(AtomicBool::new(false));
        let places = work::load()[0].places;
        let jobs: Vec<_> = (0..=places)
            .map(|_| {
                let opened = opened.clone();
                tokio::spawn(work::metrics(move || {
                    while !opened.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }))
            })
            .collect();
        let mut until = async |still| {
            let reached = async {
                while watch.stands_still() != still {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(Duration::from_secs(30), reached).await.unwrap();
        };
        until(true).await;
        opened.store(true, Ordering::Relaxed);
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        until(false).await;
    }
}
