//! Expansion between contract and domain.

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    question::day_to_proto,
    resource::{read_display_name, read_new_id_of, read_request_id},
};
use dualwheel_lake::frames::Categories;
use dualwheel_proto::consumer::{ExpandAudienceRequest, ExpandAudienceResponse, ExpansionFeature};
use roaring::RoaringBitmap;
use tonic::Status;

use super::{
    Service,
    audience::told,
    basis::Basis,
    together::{Group, Saving},
};
use crate::{
    expansion::{
        self, Ask, Expansion,
        features::{FEATURES, Portrayer},
    },
    queries,
};

/// The audience that the added people are saved as.
struct Target {
    id: String,
    request_id: Option<String>,
    display_name: String,
}

impl Service {
    pub(super) async fn expand_audience(
        &self,
        call: &Call,
        request: ExpandAudienceRequest,
    ) -> Result<ExpandAudienceResponse, Status> {
        let target = read_target(call, &request)?;
        if let Some(target) = &target {
            let request_id = target.request_id.as_deref();
            if let Some(first) = self.saved_together(call, request_id).await? {
                return self.as_seen(call, &request, first).await;
            }
            self.require_room(call, std::slice::from_ref(&target.id)).await?;
        }
        let (basis, seed, candidates) = self.seed_and_candidates(call, &request).await?;
        let (seed_size, size) = (seed.len(), usize::try_from(request.size).unwrap_or_default());
        let found = found(&basis, seed, candidates, size).await?;
        let sight = basis.sight().await?;
        let (seed_size, seed_size_withheld) = told(&sight, seed_size);
        let (candidates, candidates_withheld) = told(&sight, found.candidates as u64);
        let mut answer = ExpandAudienceResponse {
            seed_size,
            candidates,
            seed_size_withheld,
            candidates_withheld,
            size: found.added.len() as i64,
            least_likeness: found.least_likeness,
            expected_conversion: found.expected_conversion,
            base_conversion: found.base_conversion,
            auc: found.auc,
            features: features_to_proto(&found.importance),
            audience: String::new(),
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
        };
        let Some(target) = target else {
            return Ok(answer);
        };
        answer.audience = format!("audiences/{}", target.id);
        let saving = Saving {
            brand: &basis.brand,
            request_id: target.request_id,
            names: &basis.reader.names(),
            as_of: basis.as_of,
        };
        let group = Group {
            id: target.id,
            display_name: target.display_name,
            people: &found.added,
        };
        self.save_together(call, saving, vec![group], answer).await
    }

    /// What was answered to the same request before, as who calls now may see it.
    async fn as_seen(
        &self,
        call: &Call,
        request: &ExpandAudienceRequest,
        mut first: ExpandAudienceResponse,
    ) -> Result<ExpandAudienceResponse, Status> {
        let none = &mut Violations::new();
        let basis = self.basis(call, &request.brand, None, None, none).await?;
        let sight = basis.sight().await?;
        for (people, is_withheld) in [
            (&mut first.seed_size, &mut first.seed_size_withheld),
            (&mut first.candidates, &mut first.candidates_withheld),
        ] {
            if !*is_withheld {
                (*people, *is_withheld) = told(&sight, u64::try_from(*people).unwrap_or_default());
            }
        }
        Ok(first)
    }

    /// The people of the audience, and those to choose from where a request says whom.
    async fn seed_and_candidates(
        &self,
        call: &Call,
        request: &ExpandAudienceRequest,
    ) -> Result<(Basis, RoaringBitmap, Option<RoaringBitmap>), Status> {
        let mut violations = Violations::new();
        let as_of = request.as_of.as_ref();
        let basis = self
            .basis(call, &request.brand, as_of, None, &mut violations)
            .await?;
        let seed = basis.read("definition", request.definition.as_ref(), &mut violations);
        let candidates = request
            .candidates
            .as_ref()
            .map(|candidates| basis.read("candidates", Some(candidates), &mut violations));
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        let expressions = seed.into_iter().chain(candidates.flatten()).collect();
        let mut found = self.judge(call, &basis, expressions).await?.into_iter();
        let seed = found.next().unwrap_or_default().people;
        Ok((basis, seed, found.next().map(|candidates| candidates.people)))
    }
}

/// What is to be saved, if anything.
fn read_target(call: &Call, request: &ExpandAudienceRequest) -> Result<Option<Target>, Status> {
    let mut violations = Violations::new();
    let id = read_new_id_of(
        call,
        &request.brand,
        "audience_id",
        &request.audience_id,
        &mut violations,
    );
    let request_id = read_request_id(&request.request_id, &mut violations);
    let display_name = read_display_name("display_name", &request.display_name, &mut violations);
    if id.is_none() && !(request.request_id.is_empty() && display_name.is_empty()) {
        violations.add(
            "audience_id",
            "required with display_name or request_id, which are for saving",
        );
    }
    violations.finish(Reason::InvalidResource)?;
    Ok(id.map(|id| Target {
        id,
        request_id,
        display_name,
    }))
}

/// The people most like the seed by the facts of the basis.
async fn found(
    basis: &Basis,
    seed: RoaringBitmap,
    candidates: Option<RoaringBitmap>,
    size: usize,
) -> Result<Expansion, Status> {
    let facts = queries::people(&basis.reader, &basis.brand).await?;
    let profiles = queries::profiles(&basis.reader).await?;
    let (names, definitions, as_of) = (basis.reader.names(), basis.definitions.clone(), basis.as_of);
    let expanded = queries::model(move || {
        let parameters = &definitions.parameters;
        let portrayer = Portrayer {
            facts: &facts,
            profiles: &profiles,
            cuts: &Categories::new(&names, None, parameters.category_level.get()),
        };
        let ask = Ask {
            as_of,
            size,
            seed: &seed,
            candidates: candidates.as_ref(),
        };
        expansion::expand(&portrayer, ask, parameters)
    })
    .await?;
    let sight = basis.sight().await?;
    expanded.map_err(|refusal| {
        let why = if sight.is_whole() {
            refusal.to_string()
        } else {
            refusal.without_counts()
        };
        Failure::new(Reason::ModelRefused, why).into()
    })
}

fn features_to_proto(importance: &[f64]) -> Vec<ExpansionFeature> {
    let mut features: Vec<ExpansionFeature> = FEATURES
        .iter()
        .zip(importance)
        .map(|(name, importance)| ExpansionFeature {
            name: (*name).to_owned(),
            importance: *importance,
        })
        .collect();
    // Stable: equals stay in the order of a row.
    features.sort_by(|one, other| other.importance.total_cmp(&one.importance));
    features
}
