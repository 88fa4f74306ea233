//! From an uploaded file to a version that can be activated, step by step, whether or not somebody waits for it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use dualwheel_kit::{
    Call,
    beats::{self, AtWork, Key},
    failure,
    survive::survived,
};
use dualwheel_plugin_host::{Error as Host, Policy, conformance, is_reserved};
use sea_orm::DatabaseConnection;
use tokio::runtime::Handle;
use tonic::Status;
use tracing::Instrument;

use crate::{
    Error, Plugins,
    load::WIDEST,
    store::{self, KeptFinding, Publication, PublicationTable, Refused, State, Version},
    worlds,
};

/// Rows of a check's larger questions.
pub(crate) const CHECKED_ROWS: usize = 1_000;
/// Versions of a tenant.
const MOST: u64 = 1_000;
/// Versions of one of its publishers.
const MOST_OF_PUBLISHER: u64 = 200;

/// The publications that are at work in this process.
pub(crate) struct Publishing {
    own: Mutex<HashSet<Key>>,
    database: DatabaseConnection,
}

impl Publishing {
    /// Watches over publications from now on.
    pub(crate) fn begin(database: &DatabaseConnection) -> Arc<Self> {
        let publishing = Arc::new(Self {
            own: Mutex::default(),
            database: database.clone(),
        });
        beats::keep(&publishing);
        publishing
    }

    fn own(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtWork for Publishing {
    type Table = PublicationTable;

    fn database(&self) -> &DatabaseConnection {
        &self.database
    }

    fn own(&self) -> Vec<Key> {
        self.own().iter().cloned().collect()
    }
}

/// A publication's entry among those at work here; gone when dropped.
struct Own {
    publishing: Arc<Publishing>,
    key: Key,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.publishing.own().remove(&self.key);
    }
}

impl Plugins {
    /// Stands for what this process refuses files by: its limits, and its release.
    pub(crate) fn standard(&self) -> String {
        let engine = &self.inner.engine;
        let standard = format!("{} {:?}", env!("CARGO_PKG_VERSION"), engine.limits());
        blake3::hash(standard.as_bytes()).to_hex().to_string()
    }

    /// Publishes a file that was begun to be published, to its end even where the caller leaves.
    pub(crate) fn work_on(&self, call: &Call, publication: Publication, bytes: Bytes) {
        let key = self
            .publications(call)
            .key(&publication.publisher, &publication.sha256);
        let publishing = Arc::clone(&self.inner.publishing);
        publishing.own().insert(key.clone());
        let own = Own { publishing, key };
        let (plugins, call) = (self.clone(), call.clone());
        let trace = call.trace().clone();
        let work = async move {
            let (_, id) = own.key.clone();
            let published = survived(plugins.published(&call, &id, &publication, bytes)).await;
            let published = match published {
                Ok(published) => published.map_err(|error| plugins.refused(error)),
                Err(panicked) => Err(plugins.refused(Error::Lost(panicked.to_string()))),
            };
            let refused = published.is_err();
            let ended = plugins.publications(&call).end(&id, published).await;
            if refused {
                plugins.forget_component(&call, &publication.sha256).await;
            }
            if let Err(error) = ended {
                tracing::error!(%error, publication = publication.name(), "The end of a publication is not stored");
            }
            drop(own);
        };
        tokio::spawn(work.instrument(trace));
    }

    async fn published(
        &self,
        call: &Call,
        id: &str,
        publication: &Publication,
        bytes: Bytes,
    ) -> Result<String, Error> {
        let turn = self.turn(call, &publication.sha256).await?;
        let publications = self.publications(call);
        let (stored, stored_id, runtime) = (publications.clone(), id.to_owned(), Handle::current());
        let inspected = move || {
            // That it cannot be told does not end it.
            let told = runtime.block_on(stored.advance(&stored_id, State::Inspected, &[]));
            if let Err(error) = told {
                tracing::warn!(%error, "How far a publication has come cannot be told");
            }
        };
        let plugin = self
            .compile(bytes, move |engine, bytes| {
                engine.load_followed(bytes, None, WIDEST, &inspected)
            })
            .await?;
        drop(turn);
        self.require_served(plugin.world())?;
        publications.advance(id, State::Compiled, &[]).await?;
        let description = plugin.describe()?.clone();
        if is_reserved(&description.name) {
            return Err(Error::NameReserved(description.name));
        }
        let versions = self.versions(call);
        let there = versions.get(&description.name, &description.version).await;
        let publisher = &publication.publisher;
        if matches!(there, Err(store::Error::Unknown(_))) {
            self.require_room(call, publisher).await?;
        }
        let owner = versions.claim(&description.name, publisher).await?;
        if owner != *publisher {
            let name = description.name.clone();
            return Err(Error::NameTaken { name, owner });
        }
        let (world, needs) = (plugin.world(), plugin.needs());
        let examined = self.examine(call, plugin, |plugin| conformance::examine(plugin, CHECKED_ROWS));
        let findings: Vec<KeptFinding> = examined.await?.into_iter().map(KeptFinding::from).collect();
        publications.advance(id, State::Checked, &findings).await?;
        let version = Version {
            world: worlds::to_proto(world) as i32,
            sha256: publication.sha256.clone(),
            publisher: publisher.clone(),
            signature: publication.signature.clone(),
            findings: serde_json::to_string(&findings).map_err(|error| Error::Lost(error.to_string()))?,
            needs_wasi: needs == Policy::SealedWasi,
            bytes: publication.bytes,
            ..Version::new(&description)?
        };
        Ok(versions.create(version).await?.name())
    }

    /// That publisher and tenant may have one more version.
    async fn require_room(&self, call: &Call, publisher: &str) -> Result<(), Error> {
        let versions = self.versions(call);
        let too_many = |what, most| {
            let tenant = call.tenant().to_owned();
            Err(Error::TooMany { tenant, what, most })
        };
        if versions.count_of(publisher).await? >= MOST_OF_PUBLISHER {
            return too_many(format!("versions of publishers/{publisher}"), MOST_OF_PUBLISHER);
        }
        if versions.count().await? >= MOST {
            return too_many("versions of plugins".to_owned(), MOST);
        }
        Ok(())
    }

    /// What a refusal keeps of an error, and whether the same file need not be tried again.
    fn refused(&self, error: Error) -> Refused {
        let is_the_files = match &error {
            Error::Plugin(host) => !matches!(
                host,
                Host::Busy { .. } | Host::Engine { .. } | Host::Limit { .. } | Host::Deadline { .. }
            ),
            _ => false,
        };
        let standard = if is_the_files {
            self.standard()
        } else {
            String::new()
        };
        Refused {
            status: failure::to_bytes(&Status::from(error)),
            standard,
        }
    }
}
