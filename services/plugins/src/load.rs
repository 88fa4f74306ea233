//! From a published version to a plugin that runs.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use dualwheel_kit::Call;
use dualwheel_plugin_host::{Engine, Error as Host, Plugin, Policy, World, sha256};
use tokio::task::spawn_blocking;

use crate::{
    Error, LOADING, Plugins,
    places::{Owner, Place},
    signature::{Keys, PublicKey},
    store::{self, Setting, Version, plugin_name},
    worlds,
};

/// Folder of components.
const COMPONENTS: &str = "plugins";

/// How long who compiles waits for a turn. Publications wait: others' may take minutes each.
const TURN: Duration = Duration::from_secs(1_800);

/// What may have been published.
pub(crate) const WIDEST: Policy = Policy::SealedWasi;

/// What a component is loaded as: its hash and its world.
type Key = (String, World);

/// A published version as it is found.
enum Found {
    /// Loaded already.
    Ready(Plugin),
    /// Stored as a component.
    Stored { key: Key, name: String, bytes: Bytes },
}

impl Plugins {
    /// A published version, ready to run, if its publisher is trusted still and the policy admits what it needs. Waits until
    /// it is compiled.
    pub(crate) async fn load(
        &self,
        call: &Call,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Plugin, Error> {
        match self.found(call, id, version, policy).await? {
            Found::Ready(plugin) => Ok(plugin),
            Found::Stored { key, bytes, .. } => self.loaded(call, key, bytes).await,
        }
    }

    /// As [`load`](Self::load), where nothing has to be compiled for it; what has to be is compiled beside the call, once for
    /// all calls that ask for it.
    pub(crate) async fn load_compiled(
        &self,
        call: &Call,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Plugin, Error> {
        let (key, name, bytes) = match self.found(call, id, version, policy).await? {
            Found::Ready(plugin) => return Ok(plugin),
            Found::Stored { key, name, bytes } => (key, name, bytes),
        };
        if self.inner.engine.has_compiled(&bytes) {
            return self.loaded(call, key, bytes).await;
        }
        if self.compiling().insert(key.clone()) {
            let (plugins, call) = (self.clone(), call.clone());
            tokio::spawn(async move {
                if let Err(error) = plugins.loaded(&call, key.clone(), bytes).await {
                    tracing::warn!(sha256 = key.0, %error, "A plugin cannot be compiled");
                }
                plugins.compiling().remove(&key);
            });
        }
        Err(Error::Compiling(name))
    }

    fn compiling(&self) -> MutexGuard<'_, HashSet<Key>> {
        let compiling = self.inner.compiling.lock();
        compiling.unwrap_or_else(PoisonError::into_inner)
    }

    /// A published version, if its publisher is trusted still and the policy admits what it needs.
    pub(crate) async fn admitted(
        &self,
        call: &Call,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Version, Error> {
        let stored = self.versions(call).get(id, version).await?;
        self.require_trust(call, &stored).await?;
        if stored.needs_wasi && policy == Policy::Pure {
            let import = "wasi".to_owned();
            return Err(Host::WasiRefused { import }.into());
        }
        Ok(stored)
    }

    /// Notes for the audit log a version, its publisher and the key that signed it, as far as they are there.
    pub(crate) async fn note(&self, call: &Call, id: &str, version: &str) {
        call.notes().resource(&plugin_name(id, version));
        let Ok(stored) = self.versions(call).get(id, version).await else {
            return;
        };
        call.notes().resource(&format!("publishers/{}", stored.publisher));
        if let Ok(key) = self.signer(call, &stored).await {
            call.notes().resource(&key_name(&stored.publisher, &key));
        }
    }

    /// That a version is there and not retired, so that it can become active.
    pub(crate) async fn require_activatable(&self, call: &Call, setting: &Setting) -> Result<(), Error> {
        let stored = self.versions(call).get(&setting.id, &setting.version).await?;
        match stored.retired_at {
            None => Ok(()),
            Some(_) => Err(Error::Retired(stored.name())),
        }
    }

    async fn found(&self, call: &Call, id: &str, version: &str, policy: Policy) -> Result<Found, Error> {
        let stored = self.admitted(call, id, version, policy).await?;
        let world = worlds::of_number(stored.world).ok_or_else(|| Error::Damaged(stored.name()))?;
        let key = (stored.sha256.clone(), world);
        if let Some(plugin) = self.inner.loaded.get(&key).await {
            return Ok(Found::Ready(plugin));
        }
        let bytes = self.component(call, &stored.sha256).await?;
        let bytes = bytes.ok_or_else(|| Error::Damaged(stored.name()))?;
        let name = stored.name();
        Ok(Found::Stored { key, name, bytes })
    }

    async fn loaded(&self, call: &Call, key: Key, bytes: Bytes) -> Result<Plugin, Error> {
        // What is compiled already takes a moment: it does not wait for others' compiling.
        let turn = match self.inner.engine.has_compiled(&bytes) {
            true => None,
            false => Some(self.turn(call, &key.0).await?),
        };
        // Who had the turn before may have loaded the same.
        if let Some(plugin) = self.inner.loaded.get(&key).await {
            return Ok(plugin);
        }
        let world = key.1;
        let plugin = self
            .compile(bytes, move |engine, bytes| engine.load(bytes, world, WIDEST))
            .await?;
        self.inner.loaded.insert(key, plugin.clone()).await;
        drop(turn);
        Ok(plugin)
    }

    /// Waits for the turn to compile a component: no other turn is for the same one, so that it is compiled once.
    pub(crate) async fn turn(&self, call: &Call, sha256: &str) -> Result<Place, Error> {
        let owner = Owner {
            tenant: call.tenant().to_owned(),
            brand: String::new(),
            sha256: sha256.to_owned(),
        };
        let (runs, waited) = (LOADING, TURN);
        let place = self.inner.loading.enter(owner, waited).await;
        place.ok_or_else(|| Host::Busy { runs, waited }.into())
    }

    /// Loads a component as `load` says, not on a thread that serves calls, and has it describe itself.
    pub(crate) async fn compile(
        &self,
        bytes: Bytes,
        load: impl FnOnce(&Engine, &[u8]) -> Result<Plugin, Host> + Send + 'static,
    ) -> Result<Plugin, Error> {
        let engine = self.inner.engine.clone();
        let loaded = spawn_blocking(move || {
            let plugin = load(&engine, &bytes)?;
            plugin.describe()?;
            Ok::<_, Host>(plugin)
        });
        Ok(loaded.await??)
    }

    /// Keeps a component under its hash.
    pub(crate) async fn keep_component(&self, call: &Call, sha256: &str, bytes: Bytes) -> Result<(), Error> {
        Ok(self.lake(call).put_blob(COMPONENTS, sha256, bytes).await?)
    }

    /// A component that is here, whole.
    pub(crate) async fn component(&self, call: &Call, hash: &str) -> Result<Option<Bytes>, Error> {
        let most = self.inner.engine.limits().component_bytes;
        let bytes = self.lake(call).blob(COMPONENTS, hash, most).await?;
        Ok(bytes.filter(|bytes| sha256(bytes) == hash))
    }

    /// Removes a component that no version is made of. That it stays where it cannot be removed harms nobody.
    pub(crate) async fn forget_component(&self, call: &Call, hash: &str) {
        let forgotten = async {
            if !self.versions(call).has_file(hash).await? {
                self.lake(call).delete_blob(COMPONENTS, hash).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, sha256 = hash, "The file of a plugin that is none stays");
        }
    }

    /// That a key which signed the component is one that the tenant trusts.
    async fn require_trust(&self, call: &Call, stored: &Version) -> Result<(), Error> {
        self.signer(call, stored).await.map(|_| ())
    }

    /// The key that signed the component, of those that the tenant trusts.
    async fn signer(&self, call: &Call, stored: &Version) -> Result<PublicKey, Error> {
        let untrusted = || Error::Untrusted {
            plugin: stored.name(),
            publisher: format!("publishers/{}", stored.publisher),
        };
        let publisher = match self.publishers(call).get(&stored.publisher).await {
            Err(store::Error::Unknown(_)) => return Err(untrusted()),
            found => found?,
        };
        // The id may have been given to another key since.
        Keys::from_pems(&publisher.keys())?
            .verify(&stored.sha256, &stored.signature)
            .cloned()
            .map_err(|_| untrusted())
    }
}

/// What the audit log calls a key of a publisher.
pub(crate) fn key_name(publisher: &str, key: &PublicKey) -> String {
    let fingerprint = key.fingerprint().unwrap_or_default();
    format!("publishers/{publisher}/keys/{fingerprint}")
}
