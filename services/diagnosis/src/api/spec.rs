//! Reads and checks what is to be diagnosed, and peers.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use dualwheel_kit::{
    Reason, Violations,
    question::{check_brand, read_window},
    resource::id_of,
};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::diagnosis as proto;
use tonic::Status;

use crate::{
    parameters::Parameters,
    peer::{Peer, Supplied},
    scenes::Map,
};

/// A checked spec, whose peer set, if it names one, is still to be looked up.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Brand key.
    pub brand: String,
    /// Days to measure.
    pub window: Window,
    /// Peers given in the spec.
    pub peers: Vec<Peer>,
    /// Id of the stored peer set to take instead.
    pub peer_set: Option<String>,
    /// DTC modes.
    pub modes: Vec<String>,
    /// Depth of categories; 0 for the default.
    pub category_level: i32,
}

/// Reads `spec`.
///
/// # Errors
/// `INVALID_QUESTION`, naming every wrong field.
pub fn read(spec: &proto::DiagnosisSpec, parameters: &Parameters, map: &Map) -> Result<Spec, Status> {
    let mut violations = Violations::new();
    check_brand("spec.brand", &spec.brand, &mut violations);
    let window = read_window("spec.window", spec.window.as_ref(), latest_day(), &mut violations);
    if spec.peers.is_empty() == spec.peer_set.is_empty() {
        violations.add("spec.peers", "give either peers or a peer_set");
    }
    let peers = read_peers("spec.peers", &spec.peers, parameters, &mut violations);
    for (position, _) in peers
        .iter()
        .enumerate()
        .filter(|(_, peer)| peer.brand == spec.brand)
    {
        violations.add(
            format!("spec.peers[{position}].brand"),
            "the brand itself is no peer of its own",
        );
    }
    let peer_set = (!spec.peer_set.is_empty()).then(|| id_of("peerSets", &spec.peer_set));
    if peer_set == Some(None) {
        violations.add("spec.peer_set", "a name such as peerSets/my-peers");
    }
    let mut seen = BTreeSet::new();
    for (position, mode) in spec.modes.iter().enumerate() {
        if !map.modes.contains_key(mode) {
            let known: Vec<&str> = map.modes.keys().map(String::as_str).collect();
            violations.add(
                format!("spec.modes[{position}]"),
                format!("one of {}", known.join(", ")),
            );
        } else if !seen.insert(mode) {
            violations.add(format!("spec.modes[{position}]"), "each mode once");
        }
    }
    violations.finish(Reason::InvalidQuestion)?;
    let Some(window) = window else {
        return Err(Status::internal("a spec without window passed its checks"));
    };
    Ok(Spec {
        brand: spec.brand.clone(),
        window,
        peers,
        peer_set: peer_set.flatten(),
        modes: spec.modes.clone(),
        category_level: spec.category_level,
    })
}

/// Reads peers at `field`, noting what is wrong.
pub fn read_peers(
    field: &str,
    peers: &[proto::Peer],
    parameters: &Parameters,
    violations: &mut Violations,
) -> Vec<Peer> {
    let mut seen = BTreeSet::new();
    let mut read = Vec::new();
    for (position, peer) in peers.iter().enumerate() {
        let at = format!("{field}[{position}]");
        check_brand(&format!("{at}.brand"), &peer.brand, violations);
        if !seen.insert(&peer.brand) {
            violations.add(format!("{at}.brand"), "each peer once");
        }
        let peer = peer_from_proto(peer);
        for (metric, expected) in peer.problems(parameters) {
            violations.add(format!("{at}.supplied[{metric:?}]"), expected);
        }
        read.push(peer);
    }
    read
}

fn peer_from_proto(peer: &proto::Peer) -> Peer {
    let supplied = |metric: &proto::SuppliedMetric| Supplied {
        value: metric.value,
        numerator: metric.numerator,
        denominator: metric.denominator,
    };
    Peer {
        brand: peer.brand.clone(),
        supplied: peer
            .supplied
            .iter()
            .map(|(id, metric)| (id.clone(), supplied(metric)))
            .collect(),
    }
}

/// A peer as the contract writes it.
pub fn peer_to_proto(peer: &Peer) -> proto::Peer {
    let supplied = |metric: &Supplied| proto::SuppliedMetric {
        value: metric.value,
        numerator: metric.numerator,
        denominator: metric.denominator,
    };
    proto::Peer {
        brand: peer.brand.clone(),
        supplied: peer
            .supplied
            .iter()
            .map(|(id, metric)| (id.clone(), supplied(metric)))
            .collect(),
    }
}

/// The current day where it is latest on earth. The services that know the tenant's zone refuse what lies between.
pub fn latest_day() -> Day {
    Day::from_date((Utc::now() + TimeDelta::hours(14)).date_naive())
}
