//! From a published version to a plugin that runs.

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

impl Plugins {
    /// A published version, ready to run, if its publisher is trusted still and the policy admits what it needs.
    pub(crate) async fn load(
        &self,
        tenant: &str,
        id: &str,
        version: &str,
        policy: Policy,
    ) -> Result<Plugin, Error> {
        let stored = self.versions(tenant).get(id, version).await?;
        self.require_trust(tenant, &stored).await?;
        if stored.needs_wasi && policy == Policy::Pure {
            let import = "wasi".to_owned();
            return Err(Host::WasiRefused { import }.into());
        }
        let world = worlds::of_number(stored.world).ok_or_else(|| Error::Damaged(stored.name()))?;
        let key = (stored.sha256.clone(), world);
        if let Some(plugin) = self.inner.loaded.get(&key).await {
            return Ok(plugin);
        }
        let most = self.inner.engine.limits().component_bytes;
        let blob = self.tenant(tenant).blob(COMPONENTS, &stored.sha256, most).await?;
        let bytes = blob.ok_or_else(|| Error::Damaged(stored.name()))?;
        if sha256(&bytes) != stored.sha256 {
            return Err(Error::Damaged(stored.name()));
        }
        let plugin = self.compile(bytes, Some(world)).await?;
        self.inner.loaded.insert(key, plugin.clone()).await;
        Ok(plugin)
    }

    /// Compiles a component of a world, or of whichever it implements, unless that was done before, and has it describe itself;
    /// one at a time, and not on a thread that serves calls.
    pub(crate) async fn compile(&self, bytes: Bytes, world: Option<World>) -> Result<Plugin, Error> {
        let _turn = self.inner.loading.acquire().await;
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
