//! Custom strategic audiences between contract and domain.

use std::sync::Arc;

use dualwheel_kit::{Failure, Reason, Violations, question::day_to_proto};
use dualwheel_lake::frames::Profiles;
use dualwheel_proto::{
    Date,
    consumer::{
        self as proto, AudienceDefinition, ClusterFeature, ClusterTrial, FindClustersRequest,
        FindClustersResponse, SaveClustersRequest, SaveClustersResponse,
    },
    types::DataVersion,
};
use roaring::RoaringBitmap;
use tonic::Status;

use super::{Service, audience::trait_to_proto, basis::Basis, winback::check_prefix};
use crate::{
    Parameters,
    audience::traits::{Index, Trait, portraits},
    categories::Categories,
    clusters::{
        Centre, Cluster, FEWEST_CLUSTERS, Found, MOST_CLUSTERS, Refusal, everyone, features::Portrayer, find,
    },
    queries::{self, compute},
    store::NewAudience,
};

/// Traits by which a group is described.
const MOST_TRAITS: usize = 5;
/// Features by which an audience is named.
const NAMING: usize = 2;

/// Whom to group, and into how many groups.
struct Asking<'a> {
    brand: &'a str,
    definition: Option<&'a AudienceDefinition>,
    clusters: i32,
    as_of: Option<&'a Date>,
    pin: Option<DataVersion>,
}

/// Groups, or why there are none, with what they were found in.
struct Answered {
    basis: Basis,
    profiles: Arc<Profiles>,
    found: Result<Found, Refusal>,
}

impl Service {
    pub(super) async fn find_clusters(
        &self,
        tenant: &str,
        request: FindClustersRequest,
    ) -> Result<FindClustersResponse, Status> {
        let asking = Asking {
            brand: &request.brand,
            definition: request.definition.as_ref(),
            clusters: request.clusters,
            as_of: request.as_of.as_ref(),
            pin: request.data_version,
        };
        let Answered {
            basis,
            profiles,
            found,
        } = self.grouped(tenant, asking).await?;
        let mut answer = FindClustersResponse {
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
            ..FindClustersResponse::default()
        };
        let found = match found {
            Ok(found) => found,
            Err(refusal) => {
                answer.refusal = refusal.to_string();
                return Ok(answer);
            }
        };
        let trials = found.trials.iter().map(|trial| ClusterTrial {
            clusters: i32::try_from(trial.clusters).unwrap_or(i32::MAX),
            silhouette: trial.silhouette,
        });
        answer.trials = trials.collect();
        let definitions = basis.definitions.clone();
        let (everyone, clusters) = compute(move || {
            let everyone = found.people();
            let traits = traits(&found, &everyone, &profiles, &definitions.parameters);
            let clusters: Vec<_> = found.clusters.into_iter().zip(traits).collect();
            (everyone.len(), clusters)
        })
        .await?;
        answer.size = everyone as i64;
        let clusters = clusters.into_iter().zip(1..);
        answer.clusters = clusters
            .map(|((cluster, traits), number)| cluster_to_proto(&cluster, traits, number, everyone))
            .collect();
        Ok(answer)
    }

    pub(super) async fn save_clusters(
        &self,
        tenant: &str,
        request: SaveClustersRequest,
    ) -> Result<SaveClustersResponse, Status> {
        let mut violations = Violations::new();
        check_prefix("audience_prefix", &request.audience_prefix, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        let asking = Asking {
            brand: &request.brand,
            definition: request.definition.as_ref(),
            clusters: request.clusters,
            as_of: request.as_of.as_ref(),
            pin: None,
        };
        let Answered { basis, found, .. } = self.grouped(tenant, asking).await?;
        let found = found.map_err(|refusal| Failure::new(Reason::ModelRefused, refusal.to_string()))?;
        let ids: Vec<String> = (1..=found.clusters.len())
            .map(|number| format!("{}-{number}", request.audience_prefix))
            .collect();
        self.has_room(tenant, ids.len()).await?;
        self.audiences(tenant).require_free(&ids).await?;
        for (place, (cluster, id)) in found.clusters.iter().zip(&ids).enumerate() {
            let new = format!("Cluster {}: {}", place + 1, name(cluster));
            if let Err(failed) = self.save_cluster(tenant, &basis, cluster, id, new).await {
                self.take_back(tenant, ids.get(..place).unwrap_or_default()).await;
                return Err(failed);
            }
        }
        Ok(SaveClustersResponse {
            audiences: ids.iter().map(|id| format!("audiences/{id}")).collect(),
        })
    }

    async fn save_cluster(
        &self,
        tenant: &str,
        basis: &Basis,
        cluster: &Cluster,
        id: &str,
        display_name: String,
    ) -> Result<(), Status> {
        let keys: Vec<String> = {
            let names = basis.reader.names();
            let view = names.consumers.view();
            let people = cluster.people.iter();
            people.map(|one| view.key(*one).to_owned()).collect()
        };
        let people = self.keep(tenant, keys, Some(basis.as_of)).await?;
        let new = NewAudience {
            id: Some(id.to_owned()),
            request_id: None,
            brand: basis.brand.clone(),
            display_name,
            expression: None,
            people: Some(people.clone()),
        };
        let made = self.audiences(tenant).create(new).await;
        self.or_forget(tenant, Some(people), made).await?;
        Ok(())
    }

    /// Deletes audiences that were saved before one that could not be.
    async fn take_back(&self, tenant: &str, ids: &[String]) {
        for id in ids {
            match self.audiences(tenant).delete(id, None).await {
                Ok(deleted) => self.forget(tenant, deleted.people).await,
                Err(error) => {
                    tracing::warn!(audience.id = %id, error = %error, "an audience could not be taken back");
                }
            }
        }
    }

    async fn grouped(&self, tenant: &str, asking: Asking<'_>) -> Result<Answered, Status> {
        let mut violations = Violations::new();
        let wanted = read_clusters(asking.clusters, &mut violations);
        let basis = self
            .basis(tenant, asking.brand, asking.as_of, asking.pin, &mut violations)
            .await?;
        let expression = asking
            .definition
            .and_then(|definition| basis.read("definition", Some(definition), &mut violations));
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        let people = match expression {
            Some(expression) => Some(self.judge_one(tenant, &basis, expression).await?.people),
            None => None,
        };
        let facts = queries::people(&basis.reader, &basis.brand).await?;
        let profiles = queries::profiles(&basis.reader).await?;
        let (known, definitions, as_of) = (profiles.clone(), basis.definitions.clone(), basis.as_of);
        let found = queries::model(move || {
            let level = definitions.parameters.category_level.get();
            let portrayer = Portrayer {
                facts: &facts,
                profiles: &known,
                cuts: &Categories::new(&facts.orders.names, None, level),
                as_of,
            };
            let people = people.unwrap_or_else(|| everyone(&facts, as_of));
            find(&portrayer, &people, wanted)
        })
        .await?;
        Ok(Answered {
            basis,
            profiles,
            found,
        })
    }
}

/// The number of groups asked for; `None` for the one with the best silhouette.
fn read_clusters(clusters: i32, violations: &mut Violations) -> Option<usize> {
    let wanted = usize::try_from(clusters).unwrap_or(usize::MAX);
    let allowed = FEWEST_CLUSTERS..=MOST_CLUSTERS;
    if wanted != 0 && !allowed.contains(&wanted) {
        violations.add(
            "clusters",
            format!("{FEWEST_CLUSTERS} to {MOST_CLUSTERS}, or 0 for the number with the best silhouette"),
        );
    }
    (wanted != 0).then_some(wanted)
}

/// The strongest traits of each group against everyone who was grouped.
fn traits(
    found: &Found,
    everyone: &RoaringBitmap,
    profiles: &Profiles,
    parameters: &Parameters,
) -> Vec<Vec<Index>> {
    let people = found.clusters.iter().map(|cluster| &cluster.people);
    let groups: Vec<RoaringBitmap> = people.map(|people| people.iter().copied().collect()).collect();
    let groups: Vec<&RoaringBitmap> = groups.iter().collect();
    portraits(profiles, &groups, everyone, &Trait::ALL, parameters)
        .into_iter()
        .map(|portrait| portrait.highest(MOST_TRAITS))
        .collect()
}

/// A name for people: the features in which a group lies furthest from the average, with the deviations.
fn name(cluster: &Cluster) -> String {
    let mut features: Vec<&Centre> = cluster.features.iter().collect();
    features.sort_by(|one, other| other.deviation.abs().total_cmp(&one.deviation.abs()));
    let named = features.into_iter().take(NAMING);
    let named = named.map(|one| format!("{} {:+.1} σ", one.name, one.deviation));
    named.collect::<Vec<_>>().join(", ")
}

fn cluster_to_proto(cluster: &Cluster, traits: Vec<Index>, number: i32, everyone: u64) -> proto::Cluster {
    let features = cluster.features.iter().map(|feature| ClusterFeature {
        name: feature.name.to_owned(),
        mean: feature.mean,
        deviation: feature.deviation,
    });
    proto::Cluster {
        number,
        size: cluster.people.len() as i64,
        share: cluster.people.len() as f64 / everyone.max(1) as f64,
        features: features.collect(),
        traits: traits.into_iter().map(trait_to_proto).collect(),
    }
}
