//! Uploads.

use bytes::Bytes;
use dualwheel_kit::{Reason, Violations, audit, resource::read_request_id};
use dualwheel_plugin_host::{Error as Host, Policy, sha256};
use dualwheel_proto::plugin::{
    Plugin, PublishPluginHeader, PublishPluginRequest, publish_plugin_request::Part,
};
use tonic::{Status, Streaming};

use super::{Service, convert, names, worlds};
use crate::{
    Error,
    signature::{self, PublicKey},
    store::{self, Version},
};

/// Largest part of a file.
const CHUNK_BYTES: usize = 1 << 20;
/// Versions of a tenant.
const MOST: u64 = 1_000;

impl Service {
    /// Takes an upload. Nothing is stored before all of it came and everything about it is right.
    pub(super) async fn publish(
        &self,
        tenant: &str,
        mut upload: Streaming<PublishPluginRequest>,
    ) -> Result<Plugin, Status> {
        let Some(Part::Header(header)) = upload.message().await?.and_then(|first| first.part) else {
            return Err(Error::Upload("the first part must be the header".to_owned()).into());
        };
        let (publisher, key) = self.trusted(tenant, &header).await?;
        let bytes = self.receive(upload).await?;
        let hash = sha256(&bytes);
        // Before anything looks into the file.
        key.verify(&hash, &header.signature).map_err(Error::from)?;
        let versions = self.plugins.versions(tenant);
        let plugin = self.plugins.compile(bytes.clone(), None).await?;
        self.plugins.require_served(plugin.world())?;
        let description = plugin.describe().map_err(Error::from)?;
        let there = versions.get(&description.name, &description.version).await;
        if matches!(there, Err(store::Error::Unknown(_))) && versions.count().await? >= MOST {
            let what = "versions of plugins";
            return Err(Error::TooMany { what, most: MOST }.into());
        }
        let owner = versions.claim(&description.name, &publisher).await?;
        if owner != publisher {
            let name = description.name.clone();
            return Err(Error::NameTaken { name, owner }.into());
        }
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.plugins.keep_component(tenant, &hash, bytes).await?;
        let version = Version {
            world: worlds::to_proto(plugin.world()) as i32,
            sha256: hash,
            publisher,
            signature: header.signature.trim().to_owned(),
            needs_wasi: plugin.needs() == Policy::SealedWasi,
            bytes: size,
            ..Version::new(description)?
        };
        let made = convert::plugin(&versions.create(version).await?)?;
        audit::resource(&made.name);
        Ok(made)
    }

    /// The publisher whom a header names, and its key.
    async fn trusted(
        &self,
        tenant: &str,
        header: &PublishPluginHeader,
    ) -> Result<(String, PublicKey), Status> {
        let mut violations = Violations::new();
        read_request_id(&header.request_id, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        let id = names::publisher("header.publisher", &header.publisher)?;
        if header.signature.trim().is_empty() || header.signature.len() > CHUNK_BYTES {
            return Err(Error::from(signature::Error::Malformed).into());
        }
        let publisher = self.plugins.publishers(tenant).get(&id).await?;
        let key = PublicKey::from_pem(&publisher.public_key).map_err(Error::from)?;
        Ok((id, key))
    }

    /// The file. Not more of it is held than a component may have.
    async fn receive(&self, mut upload: Streaming<PublishPluginRequest>) -> Result<Bytes, Status> {
        let most = self.plugins.inner.engine.limits().component_bytes;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut file = Vec::new();
        while let Some(message) = upload.message().await? {
            let Some(Part::Chunk(chunk)) = message.part else {
                return Err(Error::Upload("parts behind the header must be chunks".to_owned()).into());
            };
            if chunk.is_empty() || chunk.len() > CHUNK_BYTES {
                let told = format!("a chunk has {} bytes; from 1 to 1 MiB are admitted", chunk.len());
                return Err(Error::Upload(told).into());
            }
            if file.len() + chunk.len() > most {
                let reason = format!("its file has more than {most} bytes");
                return Err(Error::from(Host::TooLarge { reason }).into());
            }
            file.extend_from_slice(&chunk);
        }
        if file.is_empty() {
            return Err(Error::Upload("no chunk came behind the header".to_owned()).into());
        }
        Ok(file.into())
    }
}
