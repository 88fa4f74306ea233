//! From a published version to a plugin that runs.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
};

use bytes::Bytes;
use dualwheel_plugin_host::{Error as Host, Plugin, Policy, World, sha256};
use tokio::task::spawn_blocking;

use crate::{
    Error, Plugins,
    api::worlds,
    signature::PublicKey,
    store::{self, Version},
};

/// Folder of components.
const COMPONENTS: &str = "plugins";

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
        tenant: &str,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Plugin, Error> {
        match self.found(tenant, id, version, policy).await? {
            Found::Ready(plugin) => Ok(plugin),
            Found::Stored { key, bytes, .. } => self.loaded(key, bytes).await,
        }
    }

    /// As [`load`](Self::load), where nothing has to be compiled for it; what has to be is compiled beside the call, once for
    /// all calls that ask for it.
    pub(crate) async fn load_compiled(
        &self,
        tenant: &str,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Plugin, Error> {
        let (key, name, bytes) = match self.found(tenant, id, version, policy).await? {
            Found::Ready(plugin) => return Ok(plugin),
            Found::Stored { key, name, bytes } => (key, name, bytes),
        };
        if self.inner.engine.has_compiled(&bytes) {
            return self.loaded(key, bytes).await;
        }
        if self.compiling().insert(key.clone()) {
            let plugins = self.clone();
            tokio::spawn(async move {
                if let Err(error) = plugins.loaded(key.clone(), bytes).await {
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
        tenant: &str,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Version, Error> {
        let stored = self.versions(tenant).get(id, version).await?;
        self.require_trust(tenant, &stored).await?;
        if stored.needs_wasi && policy == Policy::Pure {
            let import = "wasi".to_owned();
            return Err(Host::WasiRefused { import }.into());
        }
        Ok(stored)
    }

    async fn found(&self, tenant: &str, id: &str, version: &str, policy: Policy) -> Result<Found, Error> {
        let stored = self.admitted(tenant, id, version, policy).await?;
        let world = worlds::of_number(stored.world).ok_or_else(|| Error::Damaged(stored.name()))?;
        let key = (stored.sha256.clone(), world);
        if let Some(plugin) = self.inner.loaded.get(&key).await {
            return Ok(Found::Ready(plugin));
        }
        let most = self.inner.engine.limits().component_bytes;
        let blob = self.tenant(tenant).blob(COMPONENTS, &stored.sha256, most).await?;
        let bytes = blob.ok_or_else(|| Error::Damaged(stored.name()))?;
        if sha256(&bytes) != stored.sha256 {
            return Err(Error::Damaged(stored.name()));
        }
        let name = stored.name();
        Ok(Found::Stored { key, name, bytes })
    }

    async fn loaded(&self, key: Key, bytes: Bytes) -> Result<Plugin, Error> {
        let turn = self.inner.loading.acquire().await;
        // Who had the turn before may have loaded the same.
        if let Some(plugin) = self.inner.loaded.get(&key).await {
            return Ok(plugin);
        }
        let plugin = self.compile_now(bytes, Some(key.1)).await?;
        self.inner.loaded.insert(key, plugin.clone()).await;
        drop(turn);
        Ok(plugin)
    }

    /// Compiles a component of a world, or of whichever it implements, unless that was done before, and has it describe itself;
    /// one at a time, and not on a thread that serves calls.
    pub(crate) async fn compile(&self, bytes: Bytes, world: Option<World>) -> Result<Plugin, Error> {
        let _turn = self.inner.loading.acquire().await;
        self.compile_now(bytes, world).await
    }

    async fn compile_now(&self, bytes: Bytes, world: Option<World>) -> Result<Plugin, Error> {
        let engine = self.inner.engine.clone();
        let loaded = spawn_blocking(move || {
            let plugin = match world {
                Some(world) => engine.load(&bytes, world, WIDEST)?,
                None => engine.load_any(&bytes, WIDEST)?,
            };
            plugin.describe()?;
            Ok::<_, Host>(plugin)
        });
        Ok(loaded.await??)
    }

    /// Keeps a component under its hash.
    pub(crate) async fn keep_component(&self, tenant: &str, sha256: &str, bytes: Bytes) -> Result<(), Error> {
        Ok(self.tenant(tenant).put_blob(COMPONENTS, sha256, bytes).await?)
    }

    /// That the key which signed the component is one that the tenant trusts.
    async fn require_trust(&self, tenant: &str, stored: &Version) -> Result<(), Error> {
        let untrusted = || Error::Untrusted {
            plugin: stored.name(),
            publisher: format!("publishers/{}", stored.publisher),
        };
        let publisher = match self.publishers(tenant).get(&stored.publisher).await {
            Err(store::Error::Unknown(_)) => return Err(untrusted()),
            found => found?,
        };
        // The id may have been given to another key since.
        PublicKey::from_pem(&publisher.public_key)?
            .verify(&stored.sha256, &stored.signature)
            .map_err(|_| untrusted())
    }
}
