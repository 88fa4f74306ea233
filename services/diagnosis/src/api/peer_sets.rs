//! Peer sets: make, read, list, change, delete.

use dualwheel_kit::{
    Reason, Violations,
    resource::{etag, id_of, page_size, read_display_name, read_new_id, read_request_id, time_to_proto},
};
use dualwheel_measure::Definitions;
use dualwheel_proto::diagnosis as proto;
use tonic::Status;

use super::{
    diagnose::Diagnoser,
    spec::{peer_to_proto, read_peers},
};
use crate::{
    parameters::Parameters,
    store::{self, Change, NewPeerSet, StoredPeerSet},
};

/// Makes a set.
pub async fn create(
    diagnoser: &Diagnoser,
    tenant: &str,
    request: proto::CreatePeerSetRequest,
) -> Result<proto::PeerSet, Status> {
    let definitions = diagnoser.catalogue.of(tenant, "");
    let set = request.peer_set.unwrap_or_default();
    let mut violations = Violations::new();
    let id = read_new_id("peer_set_id", &request.peer_set_id, &mut violations);
    let request_id = read_request_id(&request.request_id, &mut violations);
    let (display_name, peers) = (
        read_display_name("peer_set.display_name", &set.display_name, &mut violations),
        checked_peers(&set, &definitions, &mut violations),
    );
    violations.finish(Reason::InvalidResource)?;
    let new = NewPeerSet {
        id,
        display_name,
        peers,
        request_id,
    };
    Ok(to_proto(&diagnoser.peer_sets(tenant).create(new).await?))
}

/// Reads a set.
pub async fn get(diagnoser: &Diagnoser, tenant: &str, name: &str) -> Result<proto::PeerSet, Status> {
    Ok(to_proto(&diagnoser.peer_sets(tenant).get(&set_id(name)?).await?))
}

/// A page of sets, oldest first.
pub async fn list(
    diagnoser: &Diagnoser,
    tenant: &str,
    request: &proto::ListPeerSetsRequest,
) -> Result<proto::ListPeerSetsResponse, Status> {
    let size = page_size(request.page_size)?;
    let page = diagnoser
        .peer_sets(tenant)
        .list(size, &request.page_token)
        .await?;
    Ok(proto::ListPeerSetsResponse {
        peer_sets: page.items.iter().map(to_proto).collect(),
        next_page_token: page.next,
    })
}

/// Changes a set.
pub async fn update(
    diagnoser: &Diagnoser,
    tenant: &str,
    request: proto::UpdatePeerSetRequest,
) -> Result<proto::PeerSet, Status> {
    let definitions = diagnoser.catalogue.of(tenant, "");
    let set = request.peer_set.unwrap_or_default();
    let id = set_id(&set.name)?;
    let paths = request.update_mask.map(|mask| mask.paths);
    let mut violations = Violations::new();
    for path in paths
        .iter()
        .flatten()
        .filter(|path| !["display_name", "peers"].contains(&path.as_str()))
    {
        violations.add(
            "update_mask",
            format!("{path} cannot be changed; display_name and peers can"),
        );
    }
    let wanted = |field: &str| {
        paths
            .as_ref()
            .is_none_or(|paths| paths.iter().any(|path| path == field))
    };
    let change = Change {
        display_name: wanted("display_name")
            .then(|| read_display_name("peer_set.display_name", &set.display_name, &mut violations)),
        peers: wanted("peers").then(|| checked_peers(&set, &definitions, &mut violations)),
    };
    violations.finish(Reason::InvalidResource)?;
    Ok(to_proto(
        &diagnoser
            .peer_sets(tenant)
            .update(&id, etag(&set.etag), change)
            .await?,
    ))
}

/// Deletes a set.
pub async fn delete(
    diagnoser: &Diagnoser,
    tenant: &str,
    request: &proto::DeletePeerSetRequest,
) -> Result<(), Status> {
    Ok(diagnoser
        .peer_sets(tenant)
        .delete(&set_id(&request.name)?, etag(&request.etag))
        .await?)
}

fn checked_peers(
    set: &proto::PeerSet,
    definitions: &Definitions<Parameters>,
    violations: &mut Violations,
) -> Vec<crate::peer::Peer> {
    if set.peers.is_empty() {
        violations.add("peer_set.peers", "at least one peer");
    }
    read_peers("peer_set.peers", &set.peers, &definitions.parameters, violations)
}

fn to_proto(set: &StoredPeerSet) -> proto::PeerSet {
    proto::PeerSet {
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
