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

use super::{Service, audience::told, basis::Basis, together::sorted_keys};
use crate::{
    expansion::{
        self, Ask, Expansion,
        features::{FEATURES, Portrayer},
    },
    queries,
    store::NewAudience,
};

/// Most people to add.
const MOST_ADDED: i64 = 10_000_000;

/// The audience that the added people are saved as.
struct Saving {
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
        let saving = read_saving(call, &request)?;
        let request_id = saving.as_ref().and_then(|saving| saving.request_id.as_deref());
        let made = self.audiences(call).by_request(request_id).await?;
        if let (Some(saving), None) = (&saving, &made) {
            self.has_room(call, 1).await?;
            let ids = std::slice::from_ref(&saving.id);
            self.audiences(call).require_free(ids).await?;
        }
        let (basis, seed, candidates) = self.seed_and_candidates(call, &request).await?;
        let (seed_size, size) = (seed.len(), usize::try_from(request.size).unwrap_or_default());
        let found = found(&basis, seed, candidates, size).await?;
        let audience = match (made, saving) {
            (Some(made), _) => format!("audiences/{}", made.id),
            (None, Some(saving)) => self.save_expansion(call, &basis, &found, saving).await?,
            (None, None) => String::new(),
        };
        let sight = basis.sight().await?;
        let (seed_size, seed_size_withheld) = told(&sight, seed_size);
        let (candidates, candidates_withheld) = told(&sight, found.candidates as u64);
        Ok(ExpandAudienceResponse {
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
            audience,
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
        })
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
        if !(1..=MOST_ADDED).contains(&request.size) {
            violations.add("size", format!("1 to {MOST_ADDED} people"));
        }
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

    /// Keeps the added people. No expression yields them, so that the audience is one of keys, as an imported one is.
    async fn save_expansion(
        &self,
        call: &Call,
        basis: &Basis,
        found: &Expansion,
        saving: Saving,
    ) -> Result<String, Status> {
        let keys = sorted_keys(&found.added, &basis.reader.names());
        let people = self.keep(call, keys, Some(basis.as_of)).await?;
        let new = NewAudience {
            id: Some(saving.id),
            request_id: saving.request_id,
            brand: basis.brand.clone(),
            display_name: saving.display_name,
            expression: None,
            people: Some(people.clone()),
        };
        let made = self.audiences(call).create(new).await;
        let made = self.or_forget(call, Some(people), made).await?;
        let name = format!("audiences/{}", made.id);
        call.notes().resource(&name);
        Ok(name)
    }
}

/// What is to be saved, if anything.
fn read_saving(call: &Call, request: &ExpandAudienceRequest) -> Result<Option<Saving>, Status> {
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
    Ok(id.map(|id| Saving {
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
