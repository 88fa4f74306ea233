//! Audiences of keys that are brought in.

use std::collections::BTreeSet;

use dualwheel_kit::{
    Call, Reason, Violations,
    question::check_brand,
    resource::{read_display_name, read_new_id_of, read_request_id},
};
use dualwheel_lake::fact::LONGEST_KEY;
use dualwheel_proto::{consumer as proto, consumer::import_audience_request::Part};
use roaring::RoaringBitmap;
use tonic::{Status, Streaming};

use super::{
    Service,
    saved::{name_of, ordinals, wrong},
};
use crate::{queries::compute, store::NewAudience};

/// Most keys of an imported audience.
const MOST_KEYS: usize = 10_000_000;

impl Service {
    pub(super) async fn import_audience(
        &self,
        call: &Call,
        mut parts: Streaming<proto::ImportAudienceRequest>,
    ) -> Result<proto::ImportAudienceResponse, Status> {
        let first = parts.message().await?.and_then(|first| first.part);
        let Some(Part::Header(header)) = first else {
            return Err(wrong("header", "required in the first message"));
        };
        let mut violations = Violations::new();
        check_brand("header.brand", &header.brand, &mut violations);
        let id = read_new_id_of(
            call,
            &header.brand,
            "header.audience_id",
            &header.audience_id,
            &mut violations,
        );
        let request_id = read_request_id(&header.request_id, &mut violations);
        let display_name = read_display_name("header.display_name", &header.display_name, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        let basis = self
            .basis(call, &header.brand, None, None, &mut Violations::new())
            .await?;
        basis.reader.require_brand(&header.brand).await?;
        let repeated = self.audiences(call).by_request(request_id.as_deref()).await?;
        if repeated.is_none() {
            self.has_room(call, 1).await?;
        }
        let suppressed = self.lake.of(call).suppressed().await?;
        let (deleted, keys): (Vec<String>, Vec<String>) = read_keys(&mut parts)
            .await?
            .into_iter()
            .partition(|key| suppressed.has(key));
        let inputs = basis.inputs(&[]).await?;
        let profiles = basis.reader.profiles().await?;
        let names = basis.reader.names();
        let sight = basis.sight().await?;
        let (unknown, keys) = compute(move || {
            let profiled = profiles.rows.iter().map(|profile| profile.consumer);
            let people = sight.keep(inputs.with_facts() | profiled.collect::<RoaringBitmap>());
            let known = ordinals(&keys, &names).intersection_len(&people);
            (keys.len() - known as usize, keys)
        })
        .await?;
        let people = self.keep(call, keys, None).await?;
        let new = NewAudience {
            id,
            request_id,
            brand: header.brand,
            display_name,
            expression: None,
            people: Some(people.clone()),
        };
        let made = self.audiences(call).create(new).await;
        let made = self.or_forget(call, Some(people), made).await?;
        call.notes().brand(&made.brand);
        call.notes().resource(&name_of(&made));
        Ok(proto::ImportAudienceResponse {
            audience: Some(self.saved_to_proto(call, &made).await?),
            unknown: (unknown + deleted.len()) as i64,
        })
    }
}

async fn read_keys(parts: &mut Streaming<proto::ImportAudienceRequest>) -> Result<BTreeSet<String>, Status> {
    let mut keys = BTreeSet::new();
    let mut position = 0usize;
    while let Some(message) = parts.message().await? {
        let Some(Part::Keys(some)) = message.part else {
            return Err(wrong("keys", "required in every message after the first"));
        };
        for key in some.consumers {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Err(wrong(
                    &format!("keys[{position}]"),
                    &format!("1 to {LONGEST_KEY} bytes"),
                ));
            }
            keys.insert(key);
            position += 1;
        }
        if keys.len() > MOST_KEYS {
            return Err(wrong("keys", &format!("at most {MOST_KEYS}")));
        }
    }
    if keys.is_empty() {
        return Err(wrong("keys", "at least one"));
    }
    Ok(keys)
}
