//! Lets as many calls in at once as the pool has instances for.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Lets some in and the others wait.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Mutex<Places>,
    freed: Condvar,
}

#[derive(Debug)]
struct Places {
    free: u32,
    /// Who waits for one. Nobody is woken where nobody waits, for that costs a call of the system.
    waiting: u32,
}

/// A place inside, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Gate);

impl Gate {
    /// A gate with so many places.
    pub(crate) const fn new(free: u32) -> Self {
        Self {
            places: Mutex::new(Places { free, waiting: 0 }),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place; `None` when none became free within `patience`.
    pub(crate) fn enter(&self, patience: Duration) -> Option<Place<'_>> {
        let mut places = self.places();
        if places.free == 0 {
            places.waiting += 1;
            let waited = self
                .freed
                .wait_timeout_while(places, patience, |places| places.free == 0);
            (places, _) = waited.unwrap_or_else(PoisonError::into_inner);
            places.waiting -= 1;
        }
        places.free = places.free.checked_sub(1)?;
        Some(Place(self))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.0.places();
        places.free += 1;
        if places.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use super::Gate;

    #[test]
    fn never_more_inside_than_places() {
        let gate = Gate::new(3);
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _place = gate.enter(Duration::from_secs(60)).unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
    }

    #[test]
    fn patience_ends() {
        let gate = Gate::new(1);
        let place = gate.enter(Duration::ZERO);
        assert!(place.is_some());
        assert!(gate.enter(Duration::from_millis(10)).is_none());
        drop(place);
        assert!(gate.enter(Duration::ZERO).is_some());
        assert_eq!(gate.places().waiting, 0);
    }

    #[test]
    fn who_waits_is_woken_for_each_place_that_becomes_free() {
        let gate = Gate::new(2);
        let taken = [gate.enter(Duration::ZERO), gate.enter(Duration::ZERO)];
        let started = Instant::now();
        thread::scope(|scope| {
            let waiters = [(); 2].map(|()| scope.spawn(|| gate.enter(Duration::from_secs(60)).is_some()));
            while gate.places().waiting < 2 {
                thread::yield_now();
            }
            drop(taken);
            assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [true, true]);
        });
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
