//! One diagnosis from question to answer: look up the peers, ask the services, do the arithmetic.

use std::{sync::Arc, time::Duration};

use dualwheel_kit::{
    Call, Reason, Violations,
    question::{day_to_proto, window_to_proto},
    work,
};
use dualwheel_measure::{Catalogue, Definitions, Window, definitions::Overridden};
use dualwheel_proto::{diagnosis as proto, types};
use sea_orm::DatabaseConnection;
use tokio::sync::Semaphore;
use tonic::Status;

use super::{
    answer::{self, Told},
    spec::{self, Spec},
};
use crate::{
    assess::assess,
    gather::{Asked, Clients, Gathered, Progress, check_brands, gather},
    model::Model,
    parameters::{Group, Parameters},
    peer::Peer,
    scenes::Map,
    score::Member,
    store::{self, PeerSets, StoredPeerSet},
};

/// Longest wait for the check of brands before a run starts.
const CHECK_LIMIT: Duration = Duration::from_secs(3);

/// Stored runs that work at the same time; further ones wait their turn.
pub const RUNS_AT_ONCE: usize = 4;

/// What every diagnosis needs.
pub struct Diagnoser {
    /// The other services.
    pub clients: Clients,
    /// Peer sets and runs.
    pub database: DatabaseConnection,
    /// Definitions by tenant and brand.
    pub catalogue: Catalogue<Parameters>,
    /// Scenes and modes by tenant and brand.
    pub maps: Overridden<Map>,
    /// Longest time of one call.
    pub call_limit: Duration,
    /// Places for runs that work at the same time.
    pub places: Semaphore,
}

/// A question whose peers are known.
#[derive(Clone, Debug)]
pub struct Question {
    /// Brand key.
    pub brand: String,
    /// Days to measure.
    pub window: Window,
    /// The peers, with the field of the request that named each.
    pub peers: Vec<(Peer, String)>,
    /// DTC modes.
    pub modes: Vec<String>,
    /// Depth of categories; 0 for the default.
    pub category_level: i32,
}

impl Question {
    /// What is to be asked of the other services, a call taking at most `limit`, everything at most `total`.
    fn asked(&self, limit: Duration, total: Duration) -> Asked {
        let tenants = self.peers.iter().filter(|(peer, _)| !peer.is_supplied());
        Asked {
            query: types::MetricQuery {
                brand: self.brand.clone(),
                window: Some(window_to_proto(self.window)),
                category_level: self.category_level,
                ..types::MetricQuery::default()
            },
            peers: tenants
                .map(|(peer, field)| (peer.brand.clone(), field.clone()))
                .collect(),
            groups: Group::ALL.to_vec(),
            extras: true,
            root: "spec",
            limit,
            total,
        }
    }

    /// Keys of the peers whose facts are asked for: who may not see all of them may not see what comes of it.
    pub fn seen_peers(&self) -> Vec<String> {
        let asked = self.peers.iter().filter(|(peer, _)| !peer.is_supplied());
        asked.map(|(peer, _)| peer.brand.clone()).collect()
    }

    /// Steps of its diagnosis: one per call, and one for the scoring.
    pub fn steps(&self) -> i32 {
        i32::try_from(self.asked(Duration::ZERO, Duration::ZERO).steps())
            .unwrap_or(i32::MAX)
            .saturating_add(1)
    }
}

/// Whether `brand` may be diagnosed against `set` over `window`.
fn check_set(call: &Call, set: &StoredPeerSet, brand: &str, window: Window) -> Result<(), Status> {
    if !set.serves(call, brand) {
        return Err(store::Error::Unknown(format!("peerSets/{}", set.id)).into());
    }
    let mut violations = Violations::new();
    if let Some(over) = set.measured_over.filter(|over| *over != window) {
        let text = format!(
            "{} to {}, over which the peer set was measured; or make one for other days",
            over.first, over.last
        );
        violations.add("spec.window", text);
    }
    violations.finish(Reason::InvalidQuestion)
}

impl Diagnoser {
    /// The definitions in force for a brand; their version covers its scenes and modes as well.
    pub fn definitions(&self, call: &Call, brand: &str) -> Arc<Definitions<Parameters>> {
        let mut definitions = self.catalogue.of(call.tenant(), brand);
        let map = self.maps.of(call.tenant(), brand);
        if !map.mark.is_empty() {
            Arc::make_mut(&mut definitions).version.push_str(&map.mark);
        }
        definitions
    }

    /// The peer sets that a call sees.
    pub fn peer_sets(&self, call: &Call) -> PeerSets {
        PeerSets::of(call, &self.database)
    }

    /// Checks `spec` and looks up its peer set. The brand is left out of a stored set.
    ///
    /// # Errors
    /// `INVALID_QUESTION`, `PEER_SET_UNKNOWN`; the database's.
    pub async fn question(&self, call: &Call, spec: &proto::DiagnosisSpec) -> Result<Question, Status> {
        let definitions = self.definitions(call, &spec.brand);
        let map = self.maps.of(call.tenant(), &spec.brand);
        let Spec {
            brand,
            window,
            peers,
            peer_set,
            modes,
            category_level,
        } = spec::read(spec, &definitions.parameters, &map)?;
        let peers = match peer_set {
            None => (peers.into_iter().enumerate())
                .map(|(position, peer)| (peer, format!("spec.peers[{position}].brand")))
                .collect(),
            Some(id) => {
                let stored = self.peer_sets(call).get(&id).await?;
                check_set(call, &stored, &brand, window)?;
                let others = stored.peers.into_iter().filter(|peer| peer.brand != brand);
                others.map(|peer| (peer, "spec.peer_set".to_owned())).collect()
            }
        };
        Ok(Question {
            brand,
            window,
            peers,
            modes,
            category_level,
        })
    }

    /// Refuses unknown brands before a run starts, as far as that is quick.
    ///
    /// # Errors
    /// `BRAND_UNKNOWN`; `INVALID_QUESTION` for a peer.
    pub async fn check(&self, call: &Call, question: &Question) -> Result<(), Status> {
        let limit = (call.remaining() / 2).min(CHECK_LIMIT);
        let day = day_to_proto(question.window.last);
        check_brands(
            call,
            &self.clients,
            &question.asked(limit, limit),
            Some(day),
            limit,
        )
        .await
    }

    /// Diagnoses; `limit` is the time for everything.
    ///
    /// # Errors
    /// As [`gather`]; `INTERNAL` when the arithmetic fails.
    pub async fn diagnose(
        &self,
        call: &Call,
        question: &Question,
        limit: Duration,
        progress: Progress<'_>,
    ) -> Result<proto::Diagnosis, Status> {
        // Peers come after the brand: a service that hangs must not eat up the time for both.
        let asked = question.asked(self.call_limit.min(limit / 2), limit);
        let gathered = gather(call, &self.clients, &asked, progress).await?;
        let definitions = self.definitions(call, &question.brand);
        let (map, question) = (self.maps.of(call.tenant(), &question.brand), question.clone());
        let diagnosis = work::metrics(move || score(&definitions, &map, &question, &gathered)).await?;
        progress("scored".to_owned());
        Ok(diagnosis)
    }
}

fn score(
    definitions: &Definitions<Parameters>,
    map: &Map,
    question: &Question,
    gathered: &Gathered,
) -> proto::Diagnosis {
    let model = Model::new(&definitions.parameters, &map.emphasised(&question.modes));
    let brand = gathered.brand.member(&question.brand, &model);
    let peers = members(&model, question.peers.iter().map(|(peer, _)| peer), gathered);
    let assessment = assess(&definitions.parameters, &model, map, brand, peers);
    answer::diagnosis(&Told {
        definitions,
        model: &model,
        question,
        gathered,
        assessment: &assessment,
    })
}

/// The peers as members of the reference set.
pub fn members<'a>(model: &Model, peers: impl Iterator<Item = &'a Peer>, gathered: &Gathered) -> Vec<Member> {
    peers
        .map(|peer| match gathered.peers.get(&peer.brand) {
            Some(facts) if !peer.is_supplied() => facts.member(&peer.brand, model),
            _ => peer.member(model),
        })
        .collect()
}
