//! The right to exchange the files of a table in a bucket, where no lock ends with the process that has it.
//!
//! A lease is an object whose name ends in a number: who makes the next number has the right, and an object is made once. As
//! long as its holder writes it again and again it lasts; the storage's own clock gives its age. An empty one was given
//! back. A holder that was held up finds a greater number than its own, and gives up.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use tokio::task::AbortHandle;

use crate::{Error, clock};

/// How often a lease is written again.
pub(super) const RENEWED: Duration = Duration::from_secs(10);
/// Age at which it has ended.
const LASTS: Duration = Duration::from_secs(60);

/// A lease that this process holds.
#[derive(Debug)]
pub(crate) struct Lease {
    store: Arc<dyn ObjectStore>,
    table: String,
    number: u64,
    renewing: AbortHandle,
}

impl Lease {
    /// The lease of a table, unless somebody else has it.
    pub(super) async fn take(store: Arc<dyn ObjectStore>, table: &str) -> Result<Option<Self>, Error> {
        Self::take_for(store, table, RENEWED, LASTS).await
    }

    async fn take_for(
        store: Arc<dyn ObjectStore>,
        table: &str,
        renewed: Duration,
        lasts: Duration,
    ) -> Result<Option<Self>, Error> {
        let before = newest(&*store, table).await?;
        if let Some((_, held)) = before.as_ref().filter(|(_, held)| held.size > 0) {
            let age = clock::now(&*store).await? - held.last_modified;
            if age < TimeDelta::from_std(lasts).unwrap_or(TimeDelta::MAX) {
                return Ok(None);
            }
        }
        let number = before.map_or(0, |(number, _)| number) + 1;
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match store.put_opts(&path(table, number), holder(), once).await {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        // Somebody may have had this number and lost it again since it was looked for.
        let found = numbers(&*store, table).await?;
        if found.iter().any(|(other, _)| *other > number) {
            store.delete(&path(table, number)).await?;
            return Ok(None);
        }
        for (older, _) in found.iter().filter(|(other, _)| *other < number) {
            // Another one may do the same.
            let _ = store.delete(&path(table, *older)).await;
        }
        let (again, file) = (store.clone(), path(table, number));
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(renewed).await;
                if let Err(error) = again.put(&file, holder()).await {
                    tracing::warn!(%error, %file, "a lease could not be renewed");
                }
            }
        });
        Ok(Some(Self {
            store,
            table: table.to_owned(),
            number,
            renewing: renewing.abort_handle(),
        }))
    }

    /// Fails when somebody else has it by now.
    pub(super) async fn require(&self) -> Result<(), Error> {
        match newest(&*self.store, &self.table).await? {
            Some((number, held)) if number == self.number && held.size > 0 => Ok(()),
            _ => Err(Error::RewritingLost {
                table: self.table.clone(),
            }),
        }
    }

    /// Gives it back: the next one need not wait for its end.
    pub(super) async fn end(self) {
        self.renewing.abort();
        let file = path(&self.table, self.number);
        if let Err(error) = self.store.put(&file, PutPayload::default()).await {
            tracing::warn!(%error, %file, "a lease could not be given back; it ends by itself");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// What a held lease says: for people, who holds it.
fn holder() -> PutPayload {
    format!("process {}\n", std::process::id()).into()
}

fn folder(table: &str) -> Path {
    Path::from_iter(["leases", table])
}

fn path(table: &str, number: u64) -> Path {
    folder(table).join(format!("{number:020}"))
}

async fn numbers(store: &dyn ObjectStore, table: &str) -> Result<Vec<(u64, ObjectMeta)>, Error> {
    let files: Vec<ObjectMeta> = store.list(Some(&folder(table))).try_collect().await?;
    let number = |file: &ObjectMeta| file.location.filename()?.parse::<u64>().ok();
    let numbered = files.into_iter().filter_map(|file| Some((number(&file)?, file)));
    Ok(numbered.collect())
}

async fn newest(store: &dyn ObjectStore, table: &str) -> Result<Option<(u64, ObjectMeta)>, Error> {
    let numbers = numbers(store, table).await?;
    Ok(numbers.into_iter().max_by_key(|(number, _)| *number))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const SHORT: Duration = Duration::from_millis(300);

    async fn take(store: &Arc<dyn ObjectStore>) -> Option<Lease> {
        Lease::take_for(store.clone(), "t", SOON, SHORT).await.unwrap()
    }

    #[tokio::test]
    async fn one_holds_it_until_it_is_given_back() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let held = take(&store).await.unwrap();
        assert!(take(&store).await.is_none());
        // Longer than it would last by itself: it is renewed.
        tokio::time::sleep(SHORT * 2).await;
        assert!(take(&store).await.is_none());
        held.require().await.unwrap();
        held.end().await;
        let next = take(&store).await.unwrap();
        next.require().await.unwrap();
        assert_eq!(numbers(&*store, "t").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn of_many_that_ask_at_once_one_gets_it() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let asked = (0..16).map(|_| take(&store));
        let taken = futures::future::join_all(asked).await;
        assert_eq!(taken.iter().flatten().count(), 1);
    }

    #[tokio::test]
    async fn who_was_held_up_finds_that_another_has_it() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let held = take(&store).await.unwrap();
        held.renewing.abort();
        tokio::time::sleep(SHORT + SOON).await;
        let next = take(&store).await.unwrap();
        let lost = held.require().await.unwrap_err();
        assert!(matches!(lost, Error::RewritingLost { .. }), "{lost}");
        // Neither a late renewal nor giving it back takes it from the other.
        store.put(&path("t", held.number), holder()).await.unwrap();
        held.end().await;
        next.require().await.unwrap();
        assert!(take(&store).await.is_none());
    }
}
