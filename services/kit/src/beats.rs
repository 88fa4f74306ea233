//! Makes sure that no work of a process stays unfinished for ever, although processes come and go.
//!
//! A process confirms, beat by beat, what it works on. What nobody has confirmed for a while, by the clock of
//! who watches, has lost its process and is marked as interrupted.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use sea_orm::{ActiveModelTrait, DatabaseConnection, EntityTrait};
use tokio::time::{Instant, sleep};

pub use crate::store::Key;
use crate::{
    store::{Collection, Error, Work, beat, beats, interrupt},
    survive::survived,
};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// How long beats stand still before work counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(15);

/// A kind of stored work, as this process works on it.
#[async_trait]
pub trait AtWork: Send + Sync + 'static {
    /// Where it is stored.
    type Table: Work;

    /// The database of that.
    fn database(&self) -> &DatabaseConnection;

    /// What this process works on.
    fn own(&self) -> Vec<Key>;

    /// What is written of something with its beat: how far it has come.
    fn progress(&self, _: &Key) -> <Self::Table as EntityTrait>::ActiveModel {
        ActiveModelTrait::default()
    }

    /// Ends the work of this process on something that another one has ended. What does not end goes on to its end, which
    /// changes nothing any more.
    ///
    /// # Errors
    /// The database's.
    async fn ended_elsewhere(&self, _: &Key) -> Result<(), Error> {
        Ok(())
    }
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
            tracing::warn!(
                error,
                what = W::Table::NAME,
                "what is at work cannot be watched over"
            );
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
    let (own, database) = (work.own(), work.database());
    for key in &own {
        beat::<W::Table>(database, key, work.progress(key)).await?;
    }
    let working: HashMap<Key, i64> = beats::<W::Table>(database).await?.into_iter().collect();
    for key in own.iter().filter(|key| !working.contains_key(*key)) {
        work.ended_elsewhere(key).await?;
    }
    seen.retain(|key, _| working.contains_key(key));
    for (key, beats) in working.into_iter().filter(|(key, _)| !own.contains(key)) {
        let now = Instant::now();
        let (last, since) = seen.entry(key.clone()).or_insert((beats, now));
        if *last != beats {
            (*last, *since) = (beats, now);
        } else if since.elapsed() >= patience && interrupt::<W::Table>(database, &key, beats).await? {
            let what = W::Table::NAME;
            tracing::warn!(id = key.1, what, "what was left unfinished is now interrupted");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        Call,
        store::{
            Repository,
            tests::thing::{self, State},
        },
    };

    struct Process {
        own: Vec<&'static str>,
        database: DatabaseConnection,
        stopped: Mutex<Vec<String>>,
    }

    impl Process {
        fn new(own: &[&'static str], database: &DatabaseConnection) -> Self {
            Self {
                own: own.to_vec(),
                database: database.clone(),
                stopped: Mutex::default(),
            }
        }
    }

    #[async_trait]
    impl AtWork for Process {
        type Table = thing::Entity;

        fn database(&self) -> &DatabaseConnection {
            &self.database
        }

        fn own(&self) -> Vec<Key> {
            let key = |id: &&str| ("t".to_owned(), (*id).to_owned());
            self.own.iter().map(key).collect()
        }

        async fn ended_elsewhere(&self, (_, id): &Key) -> Result<(), Error> {
            self.stopped.lock().unwrap().push(id.clone());
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_lost_its_process_is_interrupted_and_what_others_work_on_is_not() {
        let database = thing::database().await;
        let things = Repository::<thing::Entity>::of(&Call::background("t"), &database);
        for id in ["mine", "others", "left"] {
            things.begin(thing::row(id), 9).await.unwrap();
        }
        let one = Process::new(&["mine", "cancelled"], &database);
        let other = Process::new(&["others"], &database);
        let states = async || {
            let mut states = Vec::new();
            for id in ["mine", "others", "left"] {
                states.push(things.get(&[id]).await.unwrap().state);
            }
            states
        };
        let (working, left) = (State::Working as i32, State::Interrupted as i32);
        let patience = Duration::from_millis(100);
        let (mut seen, mut seen_there) = (HashMap::new(), HashMap::new());
        round(&one, &mut seen, patience).await.unwrap();
        assert_eq!(states().await, [working; 3]);
        sleep(patience).await;
        round(&other, &mut seen_there, patience).await.unwrap();
        round(&one, &mut seen, patience).await.unwrap();
        assert_eq!(states().await, [working, working, left]);
        assert!(one.stopped.lock().unwrap().contains(&"cancelled".to_owned()));
        // Its process is gone, too.
        sleep(patience).await;
        round(&one, &mut seen, patience).await.unwrap();
        assert_eq!(states().await, [working, left, left]);
        assert_eq!(things.get(&["mine"]).await.unwrap().beats, 3);
    }
}
