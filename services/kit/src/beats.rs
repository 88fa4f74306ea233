//! Sees to it that nothing stays unfinished for ever that processes work on, although processes come and go.
//!
//! A process says of what it works on, beat by beat, that it does. What nobody has said so of for a while, by the clock of
//! who watches, has lost its process, and is marked as interrupted.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::{store::Error, survive::survived};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// How long beats stand still before work counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(15);

/// Tenant and id of what is worked on.
pub type Key = (String, String);

/// A kind of stored work.
#[async_trait]
pub trait AtWork: Send + Sync + 'static {
    /// What it is, for the log.
    const NAME: &'static str;

    /// What this process works on.
    fn own(&self) -> Vec<Key>;

    /// Says that this process works on `own`.
    ///
    /// # Errors
    /// The database's.
    async fn beat(&self, own: &[Key]) -> Result<(), Error>;

    /// All that is worked on anywhere, and how often it was said so.
    ///
    /// # Errors
    /// The database's.
    async fn beats(&self) -> Result<Vec<(Key, i64)>, Error>;

    /// Ends the work of this process on something that another one has ended.
    ///
    /// # Errors
    /// The database's.
    async fn ended_elsewhere(&self, key: &Key) -> Result<(), Error>;

    /// Marks something as interrupted, if nobody has worked on it since it had `beats`; whether it was so.
    ///
    /// # Errors
    /// The database's.
    async fn interrupt(&self, key: &Key, beats: i64) -> Result<bool, Error>;
}

/// Watches over work from now on, as long as somebody else holds it.
pub fn keep<W: AtWork>(work: &Arc<W>) {
    tokio::spawn(watch(Arc::downgrade(work)));
}

async fn watch<W: AtWork>(work: Weak<W>) {
    let mut seen = HashMap::new();
    let mut last = Instant::now();
    loop {
        sleep(BEAT).await;
        let Some(work) = work.upgrade() else { return };
        let watched = survived(round(&*work, &mut seen, ABANDONED)).await;
        let watched = watched.map_err(|error| error.to_string());
        if let Err(error) = watched.and_then(|done| done.map_err(|error| error.to_string())) {
            tracing::warn!(error, what = W::NAME, "what is at work cannot be watched over");
            // Others could not say that they work, either: only what was watched without a break counts.
            seen.clear();
        }
        if last.elapsed() > BEAT * 3 {
            seen.clear();
        }
        last = Instant::now();
    }
}

/// One beat. `seen` are the beats of the work of others, and since when they are the same: for `patience` until it counts as
/// abandoned.
async fn round<W: AtWork>(
    work: &W,
    seen: &mut HashMap<Key, (i64, Instant)>,
    patience: Duration,
) -> Result<(), Error> {
    let own = work.own();
    work.beat(&own).await?;
    let working: HashMap<Key, i64> = work.beats().await?.into_iter().collect();
    for key in own.iter().filter(|key| !working.contains_key(*key)) {
        work.ended_elsewhere(key).await?;
    }
    seen.retain(|key, _| working.contains_key(key));
    for (key, beats) in working.into_iter().filter(|(key, _)| !own.contains(key)) {
        let now = Instant::now();
        let (last, since) = seen.entry(key.clone()).or_insert((beats, now));
        if *last != beats {
            (*last, *since) = (beats, now);
        } else if since.elapsed() >= patience && work.interrupt(&key, beats).await? {
            tracing::warn!(
                id = key.1,
                what = W::NAME,
                "what was left unfinished is now interrupted"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// Work as a database would keep it: beats by id, and what came of it.
    #[derive(Default)]
    struct Stored(Mutex<(HashMap<String, i64>, Vec<String>)>);

    struct Process {
        own: Vec<&'static str>,
        stored: Arc<Stored>,
        stopped: Mutex<Vec<String>>,
    }

    fn key(id: &str) -> Key {
        ("t".to_owned(), id.to_owned())
    }

    impl Process {
        fn new(own: &[&'static str], stored: &Arc<Stored>) -> Arc<Self> {
            Arc::new(Self {
                own: own.to_vec(),
                stored: Arc::clone(stored),
                stopped: Mutex::default(),
            })
        }

        fn lock(&self) -> MutexGuard<'_, (HashMap<String, i64>, Vec<String>)> {
            self.stored.0.lock().unwrap()
        }
    }

    #[async_trait]
    impl AtWork for Process {
        const NAME: &'static str = "tests";

        fn own(&self) -> Vec<Key> {
            self.own.iter().map(|id| key(id)).collect()
        }

        async fn beat(&self, own: &[Key]) -> Result<(), Error> {
            let mut stored = self.lock();
            for (_, id) in own {
                if let Some(beats) = stored.0.get_mut(id) {
                    *beats += 1;
                }
            }
            Ok(())
        }

        async fn beats(&self) -> Result<Vec<(Key, i64)>, Error> {
            let stored = self.lock();
            Ok(stored.0.iter().map(|(id, beats)| (key(id), *beats)).collect())
        }

        async fn ended_elsewhere(&self, (_, id): &Key) -> Result<(), Error> {
            self.stopped.lock().unwrap().push(id.clone());
            Ok(())
        }

        async fn interrupt(&self, (_, id): &Key, beats: i64) -> Result<bool, Error> {
            let mut stored = self.lock();
            let is_left = stored.0.get(id) == Some(&beats);
            if is_left {
                stored.0.remove(id);
                stored.1.push(id.clone());
            }
            Ok(is_left)
        }
    }

    #[tokio::test]
    async fn what_lost_its_process_is_interrupted_and_what_others_work_on_is_not() {
        let stored = Arc::<Stored>::default();
        for id in ["mine", "others", "left"] {
            stored.0.lock().unwrap().0.insert(id.to_owned(), 0);
        }
        let one = Process::new(&["mine", "cancelled"], &stored);
        let other = Process::new(&["others"], &stored);
        let interrupted = || stored.0.lock().unwrap().1.clone();
        let patience = Duration::from_millis(100);
        let (mut seen, mut seen_there) = (HashMap::new(), HashMap::new());
        round(&*one, &mut seen, patience).await.unwrap();
        assert!(interrupted().is_empty());
        sleep(patience).await;
        round(&*other, &mut seen_there, patience).await.unwrap();
        round(&*one, &mut seen, patience).await.unwrap();
        assert_eq!(interrupted(), ["left"]);
        assert!(one.stopped.lock().unwrap().contains(&"cancelled".to_owned()));
        // Its process is gone, too.
        sleep(patience).await;
        round(&*one, &mut seen, patience).await.unwrap();
        assert_eq!(interrupted(), ["left", "others"]);
        assert_eq!(stored.0.lock().unwrap().0["mine"], 3);
    }
}
