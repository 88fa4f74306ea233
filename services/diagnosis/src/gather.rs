//! Asks the other four services about the brand and its peers: in parallel, with deadlines, at one data version.
//!
//! The brand is asked first, without a pin. The newest version of every table that its answers name is then pinned:
//! answers of the brand that were read at another version are asked again, and the peers are asked with the pin. So a
//! diagnosis compares what was there at one time even while facts are being appended.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    failure::{reason_of, violations_of},
};
use dualwheel_measure::Absence;
use dualwheel_proto::{Date, types};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;
use tonic::{Code, Status};

mod calls;

pub use calls::{Answer, Clients, Patience, Rpc};

use crate::{
    model::Model,
    parameters::{Group, Service},
    score::Member,
};

/// Calls in flight of one diagnosis.
const IN_FLIGHT: usize = 8;

/// Whom to ask about, and what.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question; its brand is the diagnosed one, without a pin.
    pub query: types::MetricQuery,
    /// Brands of the tenant, each with the field of the request that named it.
    pub peers: Vec<(String, String)>,
    /// The metric groups.
    pub groups: Vec<Group>,
    /// Whether stage sizes, flow, trend and definitions are wanted of the brand.
    pub extras: bool,
    /// Path of the question in the request, for field violations: `spec` or `query`.
    pub root: &'static str,
    /// How long one call may take.
    pub limit: Duration,
    /// How long everything may take: until then a service that is overloaded is asked again.
    pub total: Duration,
}

/// What was answered about one brand.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The answer to each call, or why there is none that counts.
    pub answers: BTreeMap<Rpc, Result<Answer, Lack>>,
}

/// Why there is no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The service did not answer, in words.
    NotAnswered(String),
    /// A peer is measured by other definitions than the brand, in words.
    OtherDefinitions(String),
}

impl Lack {
    /// In words.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::NotAnswered(why) | Self::OtherDefinitions(why) => why,
        }
    }

    /// What kind of absence it is.
    #[must_use]
    pub fn absence(&self) -> Absence {
        match self {
            Self::NotAnswered(_) => Absence::ServiceUnavailable,
            Self::OtherDefinitions(_) => Absence::NoData,
        }
    }
}

/// All answers.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// About the brand.
    pub brand: Facts,
    /// About the peers, by name. Calls that failed for the brand are not made for peers.
    pub peers: BTreeMap<String, Facts>,
    /// Versions of all tables that were read.
    pub data_version: BTreeMap<String, i64>,
}

/// Hears of every step: what was done, in words.
pub type Progress<'a> = &'a (dyn Fn(String) + Send + Sync);

impl Asked {
    /// Calls that will be made or skipped.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.brand_calls().len() + self.peers.len() * self.groups.len()
    }

    fn brand_calls(&self) -> Vec<Rpc> {
        let mut calls: Vec<Rpc> = self.groups.iter().copied().map(Rpc::Group).collect();
        if self.extras {
            calls.extend([Rpc::Aipl, Rpc::Flow]);
            calls.extend(Service::ALL.map(Rpc::Definitions));
        }
        calls
    }

    fn about(&self, brand: &str, pin: &BTreeMap<String, i64>) -> types::MetricQuery {
        let tables = pin
            .iter()
            .map(|(table, version)| (table.clone(), *version))
            .collect();
        types::MetricQuery {
            brand: brand.to_owned(),
            data_version: (!pin.is_empty()).then_some(types::DataVersion { tables }),
            ..self.query.clone()
        }
    }
}

/// Asks everything.
///
/// # Errors
/// `BRAND_UNKNOWN` for the brand, `INVALID_QUESTION` for an unknown peer or what the services find wrong with the
/// question, `SERVICE_UNAVAILABLE` when no metric group was answered. Every other failure of a call leaves its metrics
/// absent.
pub async fn gather(
    call: &Call,
    clients: &Clients,
    asked: &Asked,
    progress: Progress<'_>,
) -> Result<Gathered, Status> {
    let calls = asked.brand_calls();
    let start = Instant::now();
    let until = |part: Duration| Patience {
        call: asked.limit,
        until: start + part,
    };
    // Peers come after the brand, which must not take the time for both.
    let patience = until(asked.total / 2);
    let none = BTreeMap::new();
    let mut brand = about_brand(call, clients, asked, &calls, (&none, patience), Some(progress)).await?;
    let pin = brand.data_version();
    let stale: Vec<Rpc> = brand.stale(&pin);
    if !stale.is_empty() {
        brand.answers.extend(
            about_brand(call, clients, asked, &stale, (&pin, patience), None)
                .await?
                .answers,
        );
    }
    let live: BTreeSet<Rpc> = (brand.answers.iter().filter(|(_, answer)| answer.is_ok()))
        .map(|(rpc, _)| *rpc)
        .collect();
    if !asked
        .groups
        .iter()
        .any(|group| live.contains(&Rpc::Group(*group)))
    {
        let failure = Failure::new(
            Reason::ServiceUnavailable,
            "none of the services that measure the brand answers",
        );
        return Err(failure.status());
    }
    let patience = until(asked.total);
    let mut peers = about_peers(call, clients, asked, &live, (&pin, patience), progress).await?;
    peers.values_mut().for_each(|peer| peer.leave_out_others(&brand));
    let mut data_version = pin;
    for facts in peers.values().chain([&brand]) {
        for (table, version) in facts.data_version() {
            data_version.entry(table).or_insert(version);
        }
    }
    Ok(Gathered {
        brand,
        peers,
        data_version,
    })
}

async fn about_brand(
    call: &Call,
    clients: &Clients,
    asked: &Asked,
    calls: &[Rpc],
    (pin, patience): (&BTreeMap<String, i64>, Patience),
    progress: Option<Progress<'_>>,
) -> Result<Facts, Status> {
    let query = &asked.about(&asked.query.brand, pin);
    let answers = stream::iter(calls.iter().copied())
        .map(|rpc| async move {
            let answer = clients.ask(call, rpc, query, asked.extras, patience).await;
            if let Some(progress) = progress {
                progress(format!("{}: {rpc}", query.brand));
            }
            match answer {
                Ok(answer) => Ok((rpc, Ok(answer))),
                Err(status) if status.code() == Code::NotFound => Err(unknown_brand(&query.brand)),
                Err(status) if status.code() == Code::InvalidArgument => {
                    Err(wrong_question(&status, asked.root))
                }
                Err(status) if is_refused(&status) => Err(status),
                Err(status) => Ok((rpc, Err(not_answered(rpc, &status)))),
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    Ok(Facts { answers })
}

/// Whether the caller is refused at the other service: what they may not see is not "missing", and an index without it would
/// be another one.
fn is_refused(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
}

/// A peer, a call, and its answer or why there is none; nothing for a call that was left out.
type Answered = (String, Rpc, Option<Result<Answer, Lack>>);

async fn about_peers(
    call: &Call,
    clients: &Clients,
    asked: &Asked,
    live: &BTreeSet<Rpc>,
    (pin, patience): (&BTreeMap<String, i64>, Patience),
    progress: Progress<'_>,
) -> Result<BTreeMap<String, Facts>, Status> {
    let mut calls = Vec::new();
    for (brand, field) in &asked.peers {
        calls.extend(
            asked
                .groups
                .iter()
                .map(|group| (brand.clone(), field.clone(), Rpc::Group(*group))),
        );
    }
    let answers: Vec<Answered> = stream::iter(calls)
        .map(|(brand, field, rpc)| async move {
            if !live.contains(&rpc) {
                progress(format!("{brand}: {rpc} left out, as it failed for the brand"));
                return Ok((brand, rpc, None));
            }
            let answer = clients
                .ask(call, rpc, &asked.about(&brand, pin), false, patience)
                .await;
            progress(format!("{brand}: {rpc}"));
            match answer {
                Ok(answer) => Ok((brand, rpc, Some(Ok(answer)))),
                Err(status) if status.code() == Code::NotFound => Err(unknown_peer(&brand, &field)),
                Err(status) if status.code() == Code::InvalidArgument => {
                    Err(wrong_question(&status, asked.root))
                }
                Err(status) if is_refused(&status) => Err(status),
                Err(status) => Ok((brand, rpc, Some(Err(not_answered(rpc, &status))))),
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let mut peers: BTreeMap<String, Facts> = BTreeMap::new();
    for (brand, rpc, answer) in answers {
        let facts = peers.entry(brand).or_default();
        facts.answers.extend(answer.map(|answer| (rpc, answer)));
    }
    Ok(peers)
}

/// Whether the brand and the peers are known, as far as that can be found out within `limit`; where it cannot, the
/// diagnosis itself will tell.
///
/// # Errors
/// `BRAND_UNKNOWN`; `INVALID_QUESTION` naming every unknown peer.
pub async fn check_brands(
    call: &Call,
    clients: &Clients,
    asked: &Asked,
    day: Option<Date>,
    limit: Duration,
) -> Result<(), Status> {
    let patience = Patience::once(limit);
    let own = (asked.query.brand.clone(), String::new());
    let brands: Vec<(String, String)> = std::iter::once(own).chain(asked.peers.iter().cloned()).collect();
    let mut unknown = Vec::new();
    let mut answers = stream::iter(brands.into_iter().enumerate())
        .map(|(position, (brand, field))| async move {
            let answer = clients.knows(call, &brand, day, patience).await;
            (answer.is_err_and(|status| status.code() == Code::NotFound)).then_some((position, brand, field))
        })
        .buffer_unordered(IN_FLIGHT);
    let all = async {
        while let Some(found) = answers.next().await {
            unknown.extend(found);
        }
    };
    // What is found in time counts.
    let _ = tokio::time::timeout(limit, all).await;
    unknown.sort();
    if let Some((0, brand, _)) = unknown.first() {
        return Err(unknown_brand(brand));
    }
    let mut violations = Violations::new();
    for (_, brand, field) in &unknown {
        violations.add(field, no_facts_of_peer(brand));
    }
    violations.finish(Reason::InvalidQuestion)
}

impl Facts {
    /// The member of a reference set that the answers make.
    #[must_use]
    pub fn member(&self, name: &str, model: &Model) -> Member {
        let mut readings = BTreeMap::new();
        for (rpc, answer) in &self.answers {
            if let (Rpc::Group(_), Ok(answer)) = (rpc, answer) {
                let whole = answer.metrics.iter().filter(|metric| metric.segments.is_empty());
                readings.extend(whole.map(|metric| (metric.id.clone(), reading(metric))));
            }
        }
        for part in &model.parts {
            match self.answers.get(&Rpc::Group(part.group)) {
                Some(Ok(_)) => {}
                Some(Err(lack)) => {
                    readings.insert(part.id.clone(), Err((lack.absence(), lack.why().to_owned())));
                }
                None => {
                    let why = format!(
                        "{} was not asked, as it failed for the diagnosed brand",
                        part.group.name()
                    );
                    readings.insert(part.id.clone(), Err((Absence::ServiceUnavailable, why)));
                }
            }
        }
        Member {
            name: name.to_owned(),
            readings,
        }
    }

    /// Leaves out what was measured by other definitions than the brand's: it cannot be compared.
    fn leave_out_others(&mut self, brand: &Self) {
        for (rpc, answer) in &mut self.answers {
            let own = brand.answer(*rpc).and_then(version);
            let other = answer.as_ref().ok().and_then(version);
            if let (Some(own), Some(other)) = (own, other)
                && own != other
            {
                let service = rpc.service();
                *answer = Err(Lack::OtherDefinitions(format!(
                    "it is measured by other {service} definitions ({other}) than the brand ({own})"
                )));
            }
        }
    }

    /// The answered metric about the whole brand.
    #[must_use]
    pub fn metric(&self, id: &str) -> Option<&types::Metric> {
        let answers = self
            .answers
            .iter()
            .filter(|(rpc, _)| matches!(rpc, Rpc::Group(_)));
        answers
            .filter_map(|(_, answer)| answer.as_ref().ok())
            .flat_map(|answer| &answer.metrics)
            .find(|metric| metric.id == id && metric.segments.is_empty())
    }

    /// The answer to `call`, if there is one.
    #[must_use]
    pub fn answer(&self, rpc: Rpc) -> Option<&Answer> {
        self.answers.get(&rpc)?.as_ref().ok()
    }

    /// The newest version of every table that the answers name.
    fn data_version(&self) -> BTreeMap<String, i64> {
        let mut newest = BTreeMap::new();
        for (table, version) in self.answers.values().flatten().flat_map(tables) {
            let known = newest.entry(table.clone()).or_insert(*version);
            *known = (*known).max(*version);
        }
        newest
    }

    /// Calls whose answers were read at other versions than `pin` names.
    fn stale(&self, pin: &BTreeMap<String, i64>) -> Vec<Rpc> {
        let differs = |answer: &Answer| {
            tables(answer).any(|(table, version)| pin.get(table).is_some_and(|pinned| pinned != version))
        };
        (self.answers.iter())
            .filter(|(_, answer)| answer.as_ref().is_ok_and(differs))
            .map(|(rpc, _)| *rpc)
            .collect()
    }
}

fn tables(answer: &Answer) -> impl Iterator<Item = (&String, &i64)> {
    let metrics = answer.metrics.iter().chain(&answer.trend);
    metrics
        .filter_map(|metric| metric.data_version.as_ref())
        .flat_map(|version| &version.tables)
}

/// Version of the definitions that an answer is measured by.
fn version(answer: &Answer) -> Option<&str> {
    let mut definitions = answer
        .metrics
        .iter()
        .filter_map(|metric| metric.definition.as_ref());
    definitions.next().map(|definition| definition.version.as_str())
}

fn reading(metric: &types::Metric) -> crate::score::Reading {
    if let Some(value) = dualwheel_kit::answer::value(metric) {
        return Ok(value);
    }
    let absence = match metric.absence() {
        types::Absence::NoDenominator => Absence::NoDenominator,
        types::Absence::SignalNotSupplied => Absence::SignalNotSupplied,
        types::Absence::TooFewPeers => Absence::TooFewPeers,
        types::Absence::ServiceUnavailable => Absence::ServiceUnavailable,
        types::Absence::Undetermined => Absence::Undetermined,
        types::Absence::NoData | types::Absence::Unspecified => Absence::NoData,
    };
    Err((absence, metric.absence_detail.clone()))
}

fn not_answered(rpc: Rpc, status: &Status) -> Lack {
    let code = status.code();
    let reason = reason_of(status)
        .map(|reason| format!(", {reason}"))
        .unwrap_or_default();
    tracing::warn!(call = %rpc, ?code, "a service did not answer; its metrics are left out");
    Lack::NotAnswered(format!(
        "the {} service did not answer {} ({code:?}{reason})",
        rpc.service(),
        rpc.name()
    ))
}

fn unknown_brand(brand: &str) -> Status {
    Failure::new(
        Reason::BrandUnknown,
        format!("the tenant has no facts of brand {brand}"),
    )
    .with("brand", brand)
    .status()
}

fn unknown_peer(brand: &str, field: &str) -> Status {
    let text = no_facts_of_peer(brand);
    Failure::new(Reason::InvalidQuestion, text.clone())
        .violation(field, text)
        .status()
}

fn no_facts_of_peer(brand: &str) -> String {
    format!("the tenant has no facts of peer {brand}")
}

/// What a service found wrong with the question, in the terms of this service's request.
fn wrong_question(status: &Status, root: &str) -> Status {
    let mut violations = Violations::new();
    for (field, description) in violations_of(status) {
        let field = field
            .strip_prefix("query")
            .map_or_else(|| field.clone(), |rest| format!("{root}{rest}"));
        violations.add(field, description);
    }
    if violations.is_empty() {
        violations.add(root, status.message());
    }
    match violations.finish(Reason::InvalidQuestion) {
        Err(status) => status,
        Ok(()) => status.clone(),
    }
}
