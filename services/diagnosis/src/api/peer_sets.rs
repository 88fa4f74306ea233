//! Peer sets: make, read, list, change, delete.

use std::collections::BTreeSet;

use dualwheel_kit::{
    Call, Reason, Violations,
    page::page_size,
    question::{check_brand, read_window, window_to_proto},
    resource::{Mask, etag, id_of, read_display_name, read_new_id, read_request_id, time_to_proto},
};
use dualwheel_measure::Definitions;
use dualwheel_proto::diagnosis as proto;
use tonic::Status;

use super::{
    diagnose::Diagnoser,
    measure,
    spec::{latest_day, peer_to_proto, read_peers},
};
use crate::{
    parameters::Parameters,
    peer::Peer,
    store::{self, Change, NewPeerSet, StoredPeerSet},
};

/// Makes a set.
pub async fn create(
    diagnoser: &Diagnoser,
    call: &Call,
    request: proto::CreatePeerSetRequest,
) -> Result<proto::PeerSet, Status> {
    let definitions = diagnoser.definitions(call, "");
    let set = request.peer_set.unwrap_or_default();
    let mut violations = Violations::new();
    let id = read_new_id("peer_set_id", &request.peer_set_id, &mut violations);
    let request_id = read_request_id(&request.request_id, &mut violations);
    let (display_name, mut peers) = (
        read_display_name("peer_set.display_name", &set.display_name, &mut violations),
        checked_peers(&set, &definitions, &mut violations),
    );
    let days = request.measured_over.as_ref();
    let measured_over =
        days.and_then(|days| read_window("measured_over", Some(days), latest_day(), &mut violations));
    let aggregates = days.is_some() || peers.iter().all(Peer::is_supplied);
    let open_to = read_open_to(&set.open_to, aggregates, &mut violations);
    if days.is_some() && peers.iter().any(Peer::is_supplied) {
        violations.add("measured_over", "only where no peer has supplied values");
    }
    violations.finish(Reason::InvalidResource)?;
    if let Some(window) = measured_over {
        peers = measure::peers(
            call,
            diagnoser,
            &definitions.parameters,
            peers,
            window,
            call.remaining(),
        )
        .await?;
    }
    let new = NewPeerSet {
        id,
        display_name,
        peers,
        open_to,
        measured_over,
        request_id,
    };
    let made = to_proto(&diagnoser.peer_sets(call).create(new).await?);
    call.notes().resource(&made.name);
    Ok(made)
}

/// Reads a set.
pub async fn get(diagnoser: &Diagnoser, call: &Call, name: &str) -> Result<proto::PeerSet, Status> {
    Ok(to_proto(&diagnoser.peer_sets(call).get(&set_id(name)?).await?))
}

/// A page of sets, oldest first.
pub async fn list(
    diagnoser: &Diagnoser,
    call: &Call,
    request: &proto::ListPeerSetsRequest,
) -> Result<proto::ListPeerSetsResponse, Status> {
    let size = page_size(request.page_size)?;
    let page = diagnoser.peer_sets(call).list(size, &request.page_token).await?;
    Ok(proto::ListPeerSetsResponse {
        peer_sets: page.items.iter().map(to_proto).collect(),
        next_page_token: page.next,
    })
}

/// Changes a set.
pub async fn update(
    diagnoser: &Diagnoser,
    call: &Call,
    request: proto::UpdatePeerSetRequest,
) -> Result<proto::PeerSet, Status> {
    let definitions = diagnoser.definitions(call, "");
    let set = request.peer_set.unwrap_or_default();
    let id = set_id(&set.name)?;
    let mut violations = Violations::new();
    let changeable = ["display_name", "peers", "open_to"];
    let mask = Mask::read(request.update_mask, &changeable, &mut violations);
    let display_name = mask
        .has("display_name")
        .then(|| read_display_name("peer_set.display_name", &set.display_name, &mut violations));
    let peers = mask
        .has("peers")
        .then(|| checked_peers(&set, &definitions, &mut violations));
    // What it may be open to depends on what is stored, and is checked with each try to change that.
    let change = |stored: &StoredPeerSet| {
        let mut violations = violations.clone();
        let peers_then = peers.as_ref().unwrap_or(&stored.peers);
        let open_to = (peers.is_some() || mask.has("open_to")).then(|| {
            let opened = mask.has("open_to");
            let brands = if opened { &set.open_to } else { &stored.open_to };
            read_open_to(brands, peers_then.iter().all(Peer::is_supplied), &mut violations)
        });
        violations.finish(Reason::InvalidResource)?;
        Ok::<_, Status>(Change {
            display_name: display_name.clone(),
            peers: peers.clone(),
            open_to,
        })
    };
    let sets = diagnoser.peer_sets(call);
    Ok(to_proto(&sets.update(&id, etag(&set.etag), change).await?))
}

/// Deletes a set.
pub async fn delete(
    diagnoser: &Diagnoser,
    call: &Call,
    request: &proto::DeletePeerSetRequest,
) -> Result<(), Status> {
    Ok(diagnoser
        .peer_sets(call)
        .delete(&set_id(&request.name)?, etag(&request.etag))
        .await?)
}

fn checked_peers(
    set: &proto::PeerSet,
    definitions: &Definitions<Parameters>,
    violations: &mut Violations,
) -> Vec<Peer> {
    if set.peers.is_empty() {
        violations.add("peer_set.peers", "at least one peer");
    }
    read_peers("peer_set.peers", &set.peers, &definitions.parameters, violations)
}

/// The brands that a set is opened to; only one of aggregates can be.
fn read_open_to(brands: &[String], aggregates: bool, violations: &mut Violations) -> Vec<String> {
    let field = "peer_set.open_to";
    if !brands.is_empty() && !aggregates {
        violations.add(
            field,
            "only for a set whose peers all have supplied values; make one with measured_over",
        );
    }
    let mut seen = BTreeSet::new();
    for (position, brand) in brands.iter().enumerate() {
        let field = format!("{field}[{position}]");
        check_brand(&field, brand, violations);
        if !seen.insert(brand) {
            violations.add(field, "each brand once");
        }
    }
    brands.to_vec()
}

fn to_proto(set: &StoredPeerSet) -> proto::PeerSet {
    proto::PeerSet {
        open_to: set.open_to.clone(),
        measured_over: set.measured_over.map(window_to_proto),
        name: format!("peerSets/{}", set.id),
        display_name: set.display_name.clone(),
        peers: set.peers.iter().map(peer_to_proto).collect(),
        etag: set.etag.clone(),
        create_time: Some(time_to_proto(set.made_at)),
        update_time: Some(time_to_proto(set.changed_at)),
    }
}

fn set_id(name: &str) -> Result<String, Status> {
    id_of("peerSets", name)
        .ok_or_else(|| store::Error::Unknown(format!("peerSets/ of the name {name:?}")).into())
}
