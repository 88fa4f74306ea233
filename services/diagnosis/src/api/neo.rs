//! NEO of a brand, with or without peers.

use std::collections::BTreeSet;

use dualwheel_kit::{
    Call, Question, Reason, Violations, answer::metrics_to_proto, question::check_brand, work,
};
use dualwheel_proto::{diagnosis as proto, types};
use tonic::Status;

use super::{
    answer::{data_version, scope},
    diagnose::{Diagnoser, members},
    spec::latest_day,
};
use crate::{
    gather::{Asked, gather},
    model::Model,
    neo,
    parameters::Group,
    peer::Peer,
};

/// The sub-indicators and, against peers, their means.
pub async fn get(
    diagnoser: &Diagnoser,
    call: &Call,
    request: proto::GetNeoRequest,
) -> Result<Vec<types::Metric>, Status> {
    let question = Question::read(request.query.clone(), &[], latest_day())?;
    check_peers(&request.peers, &question.brand)?;
    let named = request
        .peers
        .iter()
        .enumerate()
        .map(|(position, peer)| (peer.clone(), format!("peers[{position}]")));
    let limit = call.remaining();
    let asked = Asked {
        query: request.query.unwrap_or_default(),
        peers: named.collect(),
        groups: Group::NEO.to_vec(),
        extras: false,
        root: "query",
        limit: diagnoser.call_limit.min(limit / 2),
        total: limit,
    };
    let gathered = gather(call, &diagnoser.clients, &asked, &|_| {}).await?;
    let definitions = diagnoser.definitions(call, &question.brand);
    let model = Model::new(&definitions.parameters, &BTreeSet::new());
    let mut metrics = Vec::new();
    for (_, metric) in model.scored().filter(|(_, metric)| metric.is_mean) {
        let of_part = |part: &crate::model::Part| gathered.brand.metric(&part.id).cloned();
        metrics.extend(
            model
                .parts_of(metric)
                .map(|(_, part)| of_part(part).unwrap_or_else(|| absent(part, &asked))),
        );
    }
    if !request.peers.is_empty() {
        let brand = gathered.brand.member(&question.brand, &model);
        let peers: Vec<Peer> = request
            .peers
            .iter()
            .map(|brand| Peer {
                brand: brand.clone(),
                supplied: Default::default(),
            })
            .collect();
        let peers = members(&model, peers.iter(), &gathered);
        let read = data_version(&gathered);
        let scored = work::metrics(move || {
            let scope = scope(&definitions, question.window);
            let scope = dualwheel_measure::Scope {
                as_of: question.as_of,
                ..scope
            };
            metrics_to_proto(&neo::means(&model, &scope, brand, peers), "", &read)
        });
        metrics.extend(scored.await?);
    }
    Ok(metrics)
}

/// A sub-indicator whose service did not answer it.
fn absent(part: &crate::model::Part, asked: &Asked) -> types::Metric {
    types::Metric {
        id: part.id.clone(),
        unit: "ratio".to_owned(),
        interval_absence: types::IntervalAbsence::NoValue.into(),
        absence: types::Absence::ServiceUnavailable.into(),
        absence_detail: format!(
            "the {} service did not answer {}",
            part.group.service(),
            part.group.name()
        ),
        window: asked.query.window,
        as_of: asked
            .query
            .as_of
            .or(asked.query.window.and_then(|window| window.last_day)),
        ..types::Metric::default()
    }
}

fn check_peers(peers: &[String], brand: &str) -> Result<(), Status> {
    let mut violations = Violations::new();
    let mut seen = BTreeSet::new();
    for (position, peer) in peers.iter().enumerate() {
        let field = format!("peers[{position}]");
        check_brand(&field, peer, &mut violations);
        if !seen.insert(peer) {
            violations.add(&field, "each peer once");
        }
        if peer == brand {
            violations.add(&field, "the brand itself is no peer of its own");
        }
    }
    violations.finish(Reason::InvalidQuestion)
}
