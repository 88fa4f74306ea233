//! Whom a tenant trusts.

use dualwheel_kit::{
    Call, Reason, Violations,
    resource::{read_display_name, read_new_id, read_request_id},
};
use dualwheel_proto::plugin::{
    AddPublisherKeyRequest, CreatePublisherRequest, Publisher, RemovePublisherKeyRequest,
};
use tonic::Status;

use super::{Service, convert, names};
use crate::{Error, load::key_name, signature::PublicKey, store};

/// Publishers of a tenant.
const MOST: u64 = 100;
/// Bytes of a key in PEM form; one of Ed25519 has about 110.
const KEY_BYTES: usize = 1_024;

impl Service {
    pub(super) async fn trust(
        &self,
        call: &Call,
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
        let key = read_key(
            "publisher.public_key_pem",
            &publisher.public_key_pem,
            &mut violations,
        );
        violations.finish(Reason::InvalidResource)?;
        let id = id.unwrap_or_default();
        let publishers = self.plugins.publishers(call);
        let there = publishers.get(&id).await;
        if matches!(there, Err(store::Error::Unknown(_))) && publishers.count().await? >= MOST {
            let (tenant, what) = (call.tenant().to_owned(), "publishers".to_owned());
            return Err(Error::TooMany {
                tenant,
                what,
                most: MOST,
            }
            .into());
        }
        note_key(call, &id, &key);
        let stored = publishers.create(&id, name, key).await?;
        let made = convert::publisher(&stored);
        call.notes().resource(&made.name);
        Ok(made)
    }

    /// Trusts a second key of a publisher.
    pub(super) async fn add_key(
        &self,
        call: &Call,
        request: AddPublisherKeyRequest,
    ) -> Result<Publisher, Status> {
        let id = names::publisher("name", &request.name)?;
        let key = given_key(&request.public_key_pem)?;
        note_key(call, &id, &key);
        let publishers = self.plugins.publishers(call);
        let changed = publishers.rekey(&id, |current| match current.keys().as_slice() {
            keys if keys.contains(&key.as_str()) => {
                Ok((current.public_key.clone(), current.other_key.clone()))
            }
            [one] => Ok(((*one).to_owned(), key.clone())),
            _ => Err(Error::Keys(
                request.name.clone(),
                "has two keys already; remove one first",
            )),
        });
        Ok(convert::publisher(&changed.await?))
    }

    /// Trusts one of two keys of a publisher no longer.
    pub(super) async fn remove_key(
        &self,
        call: &Call,
        request: RemovePublisherKeyRequest,
    ) -> Result<Publisher, Status> {
        let id = names::publisher("name", &request.name)?;
        let key = given_key(&request.public_key_pem)?;
        note_key(call, &id, &key);
        let publishers = self.plugins.publishers(call);
        let refused = |told| Err(Error::Keys(request.name.clone(), told));
        let changed = publishers.rekey(&id, |current| match current.keys().as_slice() {
            [one, other] if *one == key => Ok(((*other).to_owned(), String::new())),
            [one, other] if *other == key => Ok(((*one).to_owned(), String::new())),
            [one] if *one == key => refused("has no other key; add one first, or delete the publisher"),
            _ => refused("does not have this key"),
        });
        Ok(convert::publisher(&changed.await?))
    }
}

fn note_key(call: &Call, publisher: &str, pem: &str) {
    if let Ok(key) = PublicKey::from_pem(pem) {
        call.notes().resource(&key_name(publisher, &key));
    }
}

fn given_key(pem: &str) -> Result<String, Status> {
    let mut violations = Violations::new();
    let key = read_key("public_key_pem", pem, &mut violations);
    violations.finish(Reason::InvalidResource)?;
    Ok(key)
}

/// A key at `field`, spelt in one way, so that the same key is known again.
fn read_key(field: &str, pem: &str, violations: &mut Violations) -> String {
    let key = (pem.len() <= KEY_BYTES)
        .then(|| PublicKey::from_pem(pem).and_then(|key| key.to_pem()))
        .and_then(Result::ok);
    if key.is_none() {
        violations.add(
            field,
            "a public key of Ed25519 in PEM form, as `dualwheel plugin keygen` writes it",
        );
    }
    key.unwrap_or_default()
}
