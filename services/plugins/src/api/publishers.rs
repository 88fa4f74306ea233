//! Whom a tenant trusts.

use dualwheel_kit::{
    Reason, Violations, audit,
    resource::{read_display_name, read_new_id, read_request_id},
};
use dualwheel_proto::plugin::{CreatePublisherRequest, Publisher};
use tonic::Status;

use super::{Service, convert};
use crate::{Error, signature::PublicKey, store};

/// Publishers of a tenant.
const MOST: u64 = 100;
/// Bytes of a key in PEM form; one of Ed25519 has about 110.
const KEY_BYTES: usize = 1_024;

impl Service {
    pub(super) async fn trust(
        &self,
        tenant: &str,
        request: CreatePublisherRequest,
    ) -> Result<Publisher, Status> {
        let mut violations = Violations::new();
        let id = read_new_id("publisher_id", &request.publisher_id, &mut violations);
        if id.is_none() {
            violations.add(
                "publisher_id",
                "1 to 63 of a-z, 0-9 and hyphen, starting with a letter",
            );
        }
        read_request_id(&request.request_id, &mut violations);
        let publisher = request.publisher.unwrap_or_default();
        let name = read_display_name("publisher.display_name", &publisher.display_name, &mut violations);
        // Spelt in one way, so that the same key is known again.
        let key = (publisher.public_key_pem.len() <= KEY_BYTES)
            .then(|| PublicKey::from_pem(&publisher.public_key_pem).and_then(|key| key.to_pem()))
            .and_then(Result::ok);
        if key.is_none() {
            violations.add(
                "publisher.public_key_pem",
                "a public key of Ed25519 in PEM form, as `dualwheel plugin keygen` writes it",
            );
        }
        violations.finish(Reason::InvalidResource)?;
        let (id, key) = (id.unwrap_or_default(), key.unwrap_or_default());
        let publishers = self.plugins.publishers(tenant);
        let there = publishers.get(&id).await;
        if matches!(there, Err(store::Error::Unknown(_))) && publishers.count().await? >= MOST {
            let what = "publishers";
            return Err(Error::TooMany { what, most: MOST }.into());
        }
        let stored = publishers.create(&id, name, key).await?;
        let made = convert::publisher(&stored);
        audit::resource(&made.name);
        Ok(made)
    }
}
