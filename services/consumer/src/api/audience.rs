//! Audiences between contract and domain.

use std::{pin::Pin, sync::Arc};

use dualwheel_kit::{Call, Reason, Violations, question::day_to_proto};
use dualwheel_lake::frames::Names;
use dualwheel_proto::consumer::{
    AudienceOverlap, AudienceSize, AudienceTermSize, AudienceTrait, CompareAudiencesRequest,
    CompareAudiencesResponse, EstimateAudienceRequest, EstimateAudienceResponse, ExportAudienceRequest,
    ExportAudienceResponse, ProfileAudienceRequest, ProfileAudienceResponse,
};
use futures::{Stream, stream};
use roaring::RoaringBitmap;
use tonic::Status;

use super::{Service, basis::Given, expression::to_proto};
use crate::{
    audience::{
        Evaluated, Expression, Sight, expression,
        traits::{Index, Trait, portrait},
    },
    queries::compute,
};

/// Keys of one message of an export.
const KEYS_PER_MESSAGE: usize = 10_000;

/// A stream of keys.
pub(super) type Keys = Pin<Box<dyn Stream<Item = Result<ExportAudienceResponse, Status>> + Send>>;

impl Service {
    pub(super) async fn estimate_audience(
        &self,
        call: &Call,
        request: EstimateAudienceRequest,
    ) -> Result<EstimateAudienceResponse, Status> {
        let (basis, expression) = self
            .given(
                call,
                Given {
                    field: "definition",
                    brand: &request.brand,
                    definition: request.definition.as_ref(),
                    as_of: request.as_of.as_ref(),
                    pin: request.data_version,
                },
            )
            .await?;
        let found = self.judge_one(call, &basis, expression.clone()).await?;
        let sight = basis.sight().await?;
        let (size, size_withheld) = told(&sight, found.people.len());
        let terms = expression.terms().into_iter().zip(&found.terms);
        Ok(EstimateAudienceResponse {
            size,
            size_withheld,
            terms: terms
                .map(|(term, people)| {
                    let (size, size_withheld) = told(&sight, *people);
                    AudienceTermSize {
                        text: term.to_string(),
                        size,
                        size_withheld,
                    }
                })
                .collect(),
            expression: Some(to_proto(&expression, basis.reader.currency())),
            text: expression.to_string(),
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
        })
    }

    pub(super) async fn export_audience(
        &self,
        call: &Call,
        request: ExportAudienceRequest,
    ) -> Result<Keys, Status> {
        let (basis, expression) = self
            .given(
                call,
                Given {
                    field: "definition",
                    brand: &request.brand,
                    definition: request.definition.as_ref(),
                    as_of: request.as_of.as_ref(),
                    pin: request.data_version,
                },
            )
            .await?;
        let found = self.judge_one(call, &basis, expression).await?;
        let names = basis.reader.names();
        let order = compute({
            let names = names.clone();
            move || by_key(&found.people, &names)
        })
        .await?;
        call.notes().people(order.len());
        Ok(Box::pin(messages(order, names)))
    }

    pub(super) async fn compare_audiences(
        &self,
        call: &Call,
        request: CompareAudiencesRequest,
    ) -> Result<CompareAudiencesResponse, Status> {
        let mut violations = Violations::new();
        let CompareAudiencesRequest {
            brand,
            audiences,
            as_of,
            data_version,
        } = request;
        let basis = self
            .basis(call, &brand, as_of.as_ref(), data_version, &mut violations)
            .await?;
        let (mut expressions, mut labels) = (Vec::new(), Vec::new());
        for (at, audience) in audiences.iter().enumerate() {
            let field = format!("audiences[{at}].definition");
            let read = basis.read(&field, audience.definition.as_ref(), &mut violations);
            labels.extend(read.iter().map(|read| {
                if audience.label.is_empty() {
                    read.to_string()
                } else {
                    audience.label.clone()
                }
            }));
            expressions.extend(read);
        }
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        let found = self.judge(call, &basis, expressions).await?;
        let sight = basis.sight().await?;
        let sizes = labels.into_iter().zip(&found).map(|(label, one)| {
            let (size, size_withheld) = told(&sight, one.people.len());
            AudienceSize {
                label,
                size,
                size_withheld,
            }
        });
        Ok(CompareAudiencesResponse {
            audiences: sizes.collect(),
            overlaps: overlaps(&found, &sight),
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
        })
    }

    pub(super) async fn profile_audience(
        &self,
        call: &Call,
        request: ProfileAudienceRequest,
    ) -> Result<ProfileAudienceResponse, Status> {
        let mut violations = Violations::new();
        let mut traits = Vec::new();
        for (at, name) in request.traits.iter().enumerate() {
            match expression::named(name, Trait::ALL, Trait::name) {
                Some(of) if !traits.contains(&of) => traits.push(of),
                Some(_) => violations.add(format!("traits[{at}]"), "each trait once"),
                None => {
                    let known = Trait::ALL.map(Trait::name).join(", ");
                    violations.add(format!("traits[{at}]"), format!("one of {known}"));
                }
            }
        }
        if traits.is_empty() {
            traits.extend(Trait::ALL);
        }
        let as_of = request.as_of.as_ref();
        let basis = self
            .basis(call, &request.brand, as_of, request.data_version, &mut violations)
            .await?;
        let own = basis.read("definition", request.definition.as_ref(), &mut violations);
        let base = request
            .base
            .as_ref()
            .map(|base| basis.read("base", Some(base), &mut violations));
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        let expressions: Vec<Expression> = own.into_iter().chain(base.flatten()).collect();
        let mut found = self.judge(call, &basis, expressions).await?.into_iter();
        let (audience, base) = (found.next().unwrap_or_default(), found.next());
        let profiles = basis.reader.profiles().await?;
        let (definitions, sight) = (basis.definitions.clone(), basis.sight().await?);
        let seen = sight.clone();
        let (audience, base, portrait) = compute(move || {
            let all = || seen.keep(profiles.rows.iter().map(|profile| profile.consumer).collect());
            let base: RoaringBitmap = base.map_or_else(all, |base| base.people);
            let portrait = portrait(
                &profiles,
                &audience.people,
                &base,
                &traits,
                &seen,
                &definitions.parameters,
            );
            (audience.people.len(), base.len(), portrait)
        })
        .await?;
        let (size, size_withheld) = told(&sight, audience);
        let (base_size, base_size_withheld) = told(&sight, base);
        let withheld = portrait.withheld.iter();
        Ok(ProfileAudienceResponse {
            traits: portrait.indices.into_iter().map(trait_to_proto).collect(),
            withheld: withheld
                .map(|(of, values)| (of.name().to_owned(), i32::try_from(*values).unwrap_or(i32::MAX)))
                .collect(),
            size,
            base_size,
            size_withheld,
            base_size_withheld,
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
        })
    }
}

pub(super) fn trait_to_proto(index: Index) -> AudienceTrait {
    AudienceTrait {
        r#trait: index.of.name().to_owned(),
        value: index.value,
        people: index.people,
        known: index.known,
        base_people: index.base_people,
        base_known: index.base_known,
        tgi: index.tgi,
        low: index.interval.map(|(low, _)| low),
        high: index.interval.map(|(_, high)| high),
    }
}

/// A number of people as callers see it, and whether it is withheld.
pub(super) fn told(sight: &Sight, people: u64) -> (i64, bool) {
    let count = sight.count(people);
    (count.unwrap_or_default(), count.is_none())
}

/// Every pair once.
fn overlaps(found: &[Evaluated], sight: &Sight) -> Vec<AudienceOverlap> {
    let mut pairs = Vec::new();
    for (first, one) in found.iter().enumerate() {
        for (second, other) in found.iter().enumerate().skip(first + 1) {
            let common = one.people.intersection_len(&other.people);
            let either = one.people.len() + other.people.len() - common;
            let (both, both_withheld) = told(sight, common);
            let parts = [common, one.people.len(), other.people.len()];
            let is_told = either > 0 && parts.iter().all(|part| sight.count(*part).is_some());
            pairs.push(AudienceOverlap {
                first: first as i32,
                second: second as i32,
                both,
                jaccard: is_told.then(|| common as f64 / either as f64),
                both_withheld,
            });
        }
    }
    pairs
}

/// The people in the order of their keys.
fn by_key(people: &RoaringBitmap, names: &Names) -> Vec<u32> {
    let mut order: Vec<u32> = people.iter().collect();
    let keys = names.consumers.view();
    order.sort_unstable_by(|one, other| keys.key(*one).cmp(keys.key(*other)));
    order
}

/// Keys, some at a time: each message is made when it is asked for, so that an export which is broken off costs no
/// more than what was read of it.
fn messages(
    order: Vec<u32>,
    names: Arc<Names>,
) -> impl Stream<Item = Result<ExportAudienceResponse, Status>> + Send {
    let starts = (0..order.len()).step_by(KEYS_PER_MESSAGE);
    stream::iter(starts.map(move |start| {
        let keys = names.consumers.view();
        let some = order.iter().skip(start).take(KEYS_PER_MESSAGE);
        Ok(ExportAudienceResponse {
            consumers: some.map(|consumer| keys.key(*consumer).to_owned()).collect(),
        })
    }))
}
