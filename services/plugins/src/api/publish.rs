//! Uploads, and what becomes of them.

use std::time::Duration;

use bytes::Bytes;
use dualwheel_kit::{Call, Reason, Violations, failure, resource::read_request_id, store::Pauses};
use dualwheel_plugin_host::{Error as Host, sha256};
use dualwheel_proto::plugin::{
    PluginPublication, PublishPluginHeader, PublishPluginRequest, PublishPluginResponse,
    publish_plugin_request::Part,
};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout},
};
use tonic::{Status, Streaming};

use super::{Service, convert, names};
use crate::{
    Error,
    load::key_name,
    signature::{self, Keys},
    store::{self, Publication, State, Uploaded},
};

/// Largest part of a file.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// How long an upload waits for room for its next part.
const ROOM: Duration = Duration::from_secs(10);
/// How much before its deadline a call says how far a publication has come.
const MARGIN: Duration = Duration::from_secs(1);

/// A file, as far as it was sent.
struct Sent<'a> {
    bytes: Vec<u8>,
    /// The room that it takes, part by part.
    _room: Option<SemaphorePermit<'a>>,
}

impl Service {
    /// Takes an upload, and answers what came of it within the time of the call, or how far it has come by then.
    pub(super) async fn publish(
        &self,
        call: &Call,
        mut upload: Streaming<PublishPluginRequest>,
    ) -> Result<PublishPluginResponse, Status> {
        let until = Instant::now() + call.remaining().saturating_sub(MARGIN);
        let Some(Part::Header(header)) = upload.message().await?.and_then(|first| first.part) else {
            return Err(Error::Upload("the first part must be the header".to_owned()).into());
        };
        let (publisher, keys) = self.trusted(call, &header).await?;
        if !header.sha256.is_empty() {
            keys.verify(&header.sha256, &header.signature)
                .map_err(Error::from)?;
        }
        let (hash, bytes) = self.uploaded(call, &header, &keys, upload).await?;
        let signature = header.signature.trim();
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let standard = self.plugins.standard();
        let file = Uploaded {
            publisher: &publisher,
            sha256: &hash,
            signature,
            bytes: size,
            standard: &standard,
        };
        call.notes()
            .resource(&store::publications::name(&publisher, &hash));
        call.notes().resource(&format!("publishers/{publisher}"));
        let key = keys.verify(&hash, &header.signature).map_err(Error::from)?;
        call.notes().resource(&key_name(&publisher, key));
        loop {
            let (publication, is_mine) = self.begin(call, &file).await?;
            if is_mine {
                self.plugins.keep_component(call, &hash, bytes.clone()).await?;
                self.plugins.work_on(call, publication, bytes.clone());
            }
            let publication = self.ended(call, &publisher, &hash, until).await?;
            // Whoever worked on it has gone: it is begun once more.
            if publication.state != State::Interrupted || Instant::now() >= until {
                return self.answer(call, signature, publication).await;
            }
        }
    }

    /// Begins to publish a file. Of one that was published and is no longer there, again.
    async fn begin(&self, call: &Call, file: &Uploaded<'_>) -> Result<(Publication, bool), Status> {
        let publications = self.plugins.publications(call);
        let (publication, is_mine) = publications.begin(file).await?;
        if publication.state == State::Published {
            let (id, version) = names::plugin("plugin", &publication.plugin)?;
            let there = self.plugins.versions(call).get(&id, &version).await;
            if matches!(there, Err(store::Error::Unknown(_))) {
                publications.forget(file.publisher, file.sha256).await?;
                return Ok(publications.begin(file).await?);
            }
        }
        Ok((publication, is_mine))
    }

    /// The publication once it has ended, or as it is at `until`.
    async fn ended(
        &self,
        call: &Call,
        publisher: &str,
        sha256: &str,
        until: Instant,
    ) -> Result<Publication, Status> {
        let publications = self.plugins.publications(call);
        let mut pauses = Pauses::default();
        loop {
            let publication = publications.get(publisher, sha256).await?;
            if !publication.state.is_working() || Instant::now() >= until {
                return Ok(publication);
            }
            pauses.wait(until.saturating_duration_since(Instant::now())).await;
        }
    }

    async fn answer(
        &self,
        call: &Call,
        signature: &str,
        publication: Publication,
    ) -> Result<PublishPluginResponse, Status> {
        let plugin = match publication.state {
            State::Published => {
                let (id, version) = names::plugin("plugin", &publication.plugin)?;
                let versions = self.plugins.versions(call);
                let version = versions.signed(&id, &version, signature).await?;
                call.notes().resource(&version.name());
                Some(convert::plugin(&version)?)
            }
            State::Refused => return Err(refusal(&publication)?),
            _ => None,
        };
        let publication = Some(convert::publication(publication)?);
        Ok(PublishPluginResponse { plugin, publication })
    }

    /// A publication by its name.
    pub(super) async fn publication(&self, call: &Call, name: &str) -> Result<PluginPublication, Status> {
        let (publisher, sha256) = names::publication("name", name)?;
        let publications = self.plugins.publications(call);
        convert::publication(publications.get(&publisher, &sha256).await?)
    }

    /// The publisher whom a header names, and its keys.
    async fn trusted(&self, call: &Call, header: &PublishPluginHeader) -> Result<(String, Keys), Status> {
        let mut violations = Violations::new();
        read_request_id(&header.request_id, &mut violations);
        if !header.sha256.is_empty() && !names::is_sha256(&header.sha256) {
            violations.add("header.sha256", "empty, or 64 of 0-9 and a-f");
        }
        violations.finish(Reason::InvalidResource)?;
        let id = names::publisher("header.publisher", &header.publisher)?;
        if header.signature.trim().is_empty() || header.signature.len() > CHUNK_BYTES {
            return Err(Error::from(signature::Error::Malformed).into());
        }
        let publisher = self.plugins.publishers(call).get(&id).await?;
        let keys = Keys::from_pems(&publisher.keys()).map_err(Error::from)?;
        Ok((id, keys))
    }

    /// The file and its hash: as sent, or, where only the header was, as it is here already.
    async fn uploaded(
        &self,
        call: &Call,
        header: &PublishPluginHeader,
        keys: &Keys,
        upload: Streaming<PublishPluginRequest>,
    ) -> Result<(String, Bytes), Status> {
        let sent = self.receive(upload).await?;
        if sent.bytes.is_empty() {
            let here = match header.sha256.as_str() {
                "" => None,
                hash => self.plugins.component(call, hash).await?,
            };
            return match here {
                Some(bytes) => Ok((header.sha256.clone(), bytes)),
                None => Err(Error::Upload("no chunk came behind the header".to_owned()).into()),
            };
        }
        let hash = sha256(&sent.bytes);
        if !header.sha256.is_empty() && hash != header.sha256 {
            let told = format!("the file has the hash {hash}, the header names another");
            return Err(Error::Upload(told).into());
        }
        // Before anything looks into the file.
        keys.verify(&hash, &header.signature).map_err(Error::from)?;
        Ok((hash, sent.bytes.into()))
    }

    /// What is sent behind the header. Not more of it is held than a component may have, nor of all uploads together than there
    /// is room for.
    async fn receive(&self, mut upload: Streaming<PublishPluginRequest>) -> Result<Sent<'_>, Status> {
        let most = self.plugins.inner.engine.limits().component_bytes;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (mut bytes, mut room) = (Vec::new(), None::<SemaphorePermit<'_>>);
        while let Some(message) = upload.message().await? {
            let Some(Part::Chunk(chunk)) = message.part else {
                return Err(Error::Upload("parts behind the header must be chunks".to_owned()).into());
            };
            if chunk.is_empty() || chunk.len() > CHUNK_BYTES {
                let told = format!("a chunk has {} bytes; from 1 to 1 MiB are admitted", chunk.len());
                return Err(Error::Upload(told).into());
            }
            if bytes.len() + chunk.len() > most {
                let reason = format!("its file has more than {most} bytes");
                return Err(Error::from(Host::TooLarge { reason }).into());
            }
            let more = self.room(chunk.len()).await?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Sent { bytes, _room: room })
    }

    /// Room for so many bytes of an upload.
    async fn room(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Error> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = timeout(ROOM, self.plugins.inner.uploads.acquire_many(bytes)).await;
        room.ok().and_then(Result::ok).ok_or(Error::NoRoom)
    }
}

/// Why a publication was refused.
pub(super) fn refusal(publication: &Publication) -> Result<Status, store::Error> {
    let bytes = publication.refusal.as_deref().unwrap_or_default();
    failure::of_bytes(bytes).map_err(|error| store::Error::Damaged {
        resource: publication.name(),
        message: error.to_string(),
    })
}
