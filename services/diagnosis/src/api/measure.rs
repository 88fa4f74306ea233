//! Peers as aggregates: what the other services say of a brand, kept as supplied values.

use std::time::Duration;

use dualwheel_kit::{Call, Failure, Reason, Violations, question::window_to_proto};
use dualwheel_measure::Window;
use dualwheel_proto::types;
use tonic::Status;

use super::diagnose::Diagnoser;
use crate::{
    gather::{Asked, Facts, Lack, gather},
    parameters::{Group, Parameters},
    peer::{Peer, Supplied},
};

/// `peers`, brands of the tenant, with the values that are measured of them over `window`. All of them at one state of
/// the facts, and all or nothing: what a service did not answer now would be missing for ever.
///
/// # Errors
/// `INVALID_RESOURCE` for a peer without facts, without any value, or with other definitions than the first one; `SERVICE_UNAVAILABLE` when a call fails.
pub async fn peers(
    call: &Call,
    diagnoser: &Diagnoser,
    parameters: &Parameters,
    peers: Vec<Peer>,
    window: Window,
    limit: Duration,
) -> Result<Vec<Peer>, Status> {
    let Some((first, others)) = peers.split_first() else {
        return Ok(peers);
    };
    let field = |position: usize| format!("peer_set.peers[{position}].brand");
    let asked = Asked {
        query: types::MetricQuery {
            brand: first.brand.clone(),
            window: Some(window_to_proto(window)),
            ..types::MetricQuery::default()
        },
        peers: (others.iter().enumerate())
            .map(|(position, peer)| (peer.brand.clone(), field(position + 1)))
            .collect(),
        groups: Group::ALL.to_vec(),
        extras: false,
        root: "measured_over",
        limit: diagnoser.call_limit.min(limit / 2),
        total: limit,
    };
    let mut gathered = gather(call, &diagnoser.clients, &asked, &|_| {}).await?;
    gathered.peers.insert(first.brand.clone(), gathered.brand);
    let mut violations = Violations::new();
    let mut measured = Vec::with_capacity(peers.len());
    for (position, peer) in peers.iter().enumerate() {
        let facts = gathered.peers.remove(&peer.brand).unwrap_or_default();
        match facts.answers.values().find_map(|answer| answer.as_ref().err()) {
            Some(Lack::NotAnswered(why)) => {
                let text = format!("{} was not measured whole: {why}", peer.brand);
                return Err(Failure::new(Reason::ServiceUnavailable, text).status());
            }
            Some(Lack::OtherDefinitions(why)) => violations.add(field(position), why),
            None => {}
        }
        let peer = aggregates(parameters, &peer.brand, &facts);
        if !peer.is_supplied() {
            violations.add(
                field(position),
                "has facts, but no value of any metric over these days",
            );
        }
        measured.push(peer);
    }
    violations.finish(Reason::InvalidResource)?;
    Ok(measured)
}

/// The values of a brand; a share whose base has none is left out.
fn aggregates(parameters: &Parameters, brand: &str, facts: &Facts) -> Peer {
    let value = |id: &String| {
        let metric = facts.metric(id)?;
        Some(Supplied {
            value: dualwheel_kit::answer::value(metric)?,
            numerator: None,
            denominator: None,
        })
    };
    let usable = parameters.metrics.iter().filter(|(_, scoring)| {
        let base = scoring.share_of.as_ref();
        base.is_none_or(|base| value(base).is_some())
    });
    Peer {
        brand: brand.to_owned(),
        supplied: usable
            .filter_map(|(id, _)| Some((id.clone(), value(id)?)))
            .collect(),
    }
}
