//! Custom strategic audiences between contract and domain.

use std::sync::Arc;

use dualwheel_kit::{Call, Failure, Reason, Violations, question::day_to_proto, resource::read_request_id};
use dualwheel_lake::frames::{Categories, Profiles};
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

use super::{
    Service,
    audience::{told, trait_to_proto},
    basis::Basis,
    together::{Group, Saving, read_prefix},
};
use crate::{
    Parameters,
    audience::{
        Sight,
        traits::{Index, Trait, portraits},
    },
    clusters::{Centre, Cluster, Found, Refusal, everyone, features::Portrayer, find},
    queries::{self, compute},
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
        call: &Call,
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
        } = self.grouped(call, asking).await?;
        let sight = basis.sight().await?;
        let mut answer = FindClustersResponse {
            as_of: Some(day_to_proto(basis.as_of)),
            definition_version: basis.definitions.version.clone(),
            data_version: Some(basis.reader.versions()),
            ..FindClustersResponse::default()
        };
        let found = match found {
            Ok(found) => found,
            Err(refusal) => {
                answer.refusal = why(&refusal, &sight);
                return Ok(answer);
            }
        };
        let trials = found.trials.iter().map(|trial| ClusterTrial {
            clusters: i32::try_from(trial.clusters).unwrap_or(i32::MAX),
            silhouette: trial.silhouette,
        });
        answer.trials = trials.collect();
        let (definitions, seen) = (basis.definitions.clone(), sight.clone());
        let (everyone, clusters) = compute(move || {
            let everyone = found.people();
            let traits = traits(&found, &everyone, &profiles, &seen, &definitions.parameters);
            let clusters: Vec<_> = found.clusters.into_iter().zip(traits).collect();
            (everyone.len(), clusters)
        })
        .await?;
        (answer.size, answer.size_withheld) = told(&sight, everyone);
        let sizes: Vec<u64> = clusters
            .iter()
            .map(|(cluster, _)| cluster.people.len() as u64)
            .collect();
        let shown = shown(&sizes, &sight);
        let clusters = clusters.into_iter().zip(1..).enumerate();
        answer.clusters = clusters
            .map(|(place, ((cluster, traits), number))| {
                if place < shown {
                    cluster_to_proto(&cluster, traits, number, everyone)
                } else {
                    withheld(number)
                }
            })
            .collect();
        Ok(answer)
    }

    pub(super) async fn save_clusters(
        &self,
        call: &Call,
        request: SaveClustersRequest,
    ) -> Result<SaveClustersResponse, Status> {
        let mut violations = Violations::new();
        let request_id = read_request_id(&request.request_id, &mut violations);
        let prefix = read_prefix(
            call,
            "audience_prefix",
            &request.audience_prefix,
            &request.brand,
            &mut violations,
        );
        violations.finish(Reason::InvalidResource)?;
        if let Some(first) = self.saved_together(call, request_id.as_deref()).await? {
            return Ok(first);
        }
        let asking = Asking {
            brand: &request.brand,
            definition: request.definition.as_ref(),
            clusters: request.clusters,
            as_of: request.as_of.as_ref(),
            pin: None,
        };
        let Answered { basis, found, .. } = self.grouped(call, asking).await?;
        let sight = basis.sight().await?;
        let found = found.map_err(|refusal| Failure::new(Reason::ModelRefused, why(&refusal, &sight)))?;
        let clusters = found.clusters.iter().zip(1..);
        let groups: Vec<Group<'_>> = clusters
            .map(|(cluster, number)| Group {
                id: format!("{prefix}-{number}"),
                display_name: format!("Cluster {number}: {}", name(cluster)),
                people: &cluster.people,
            })
            .collect();
        let audiences = groups.iter().map(|group| format!("audiences/{}", group.id));
        let answer = SaveClustersResponse {
            audiences: audiences.collect(),
        };
        let saving = Saving {
            brand: &basis.brand,
            request_id,
            names: &basis.reader.names(),
            as_of: basis.as_of,
        };
        self.save_together(call, saving, groups, answer).await
    }

    async fn grouped(&self, call: &Call, asking: Asking<'_>) -> Result<Answered, Status> {
        let mut violations = Violations::new();
        // The one with the best silhouette where none is asked for.
        let wanted = usize::try_from(asking.clusters)
            .ok()
            .filter(|clusters| *clusters > 0);
        let basis = self
            .basis(call, asking.brand, asking.as_of, asking.pin, &mut violations)
            .await?;
        let expression = asking
            .definition
            .and_then(|definition| basis.read("definition", Some(definition), &mut violations));
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        let people = match expression {
            Some(expression) => Some(self.judge_one(call, &basis, expression).await?.people),
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

/// Why there are no groups, without numbers of people where these are withheld.
fn why(refusal: &Refusal, sight: &Sight) -> String {
    if sight.is_whole() {
        refusal.to_string()
    } else {
        refusal.without_counts()
    }
}

/// How many of the groups are shown, the largest first. Those withheld have together so many people that all people less
/// those shown is no number to withhold.
fn shown(sizes: &[u64], sight: &Sight) -> usize {
    let (mut shown, mut withheld) = (sizes.len(), 0);
    for size in sizes.iter().rev() {
        let is_told = sight.count(*size).is_some();
        if is_told && (withheld == 0 || sight.count(withheld).is_some()) {
            break;
        }
        shown -= 1;
        withheld += size;
    }
    shown
}

/// The strongest traits of each group against everyone who was grouped.
fn traits(
    found: &Found,
    everyone: &RoaringBitmap,
    profiles: &Profiles,
    sight: &Sight,
    parameters: &Parameters,
) -> Vec<Vec<Index>> {
    let people = found.clusters.iter().map(|cluster| &cluster.people);
    let groups: Vec<RoaringBitmap> = people.map(|people| people.iter().copied().collect()).collect();
    let groups: Vec<&RoaringBitmap> = groups.iter().collect();
    portraits(profiles, &groups, everyone, &Trait::ALL, sight, parameters)
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
        size_withheld: false,
    }
}

fn withheld(number: i32) -> proto::Cluster {
    proto::Cluster {
        number,
        size_withheld: true,
        ..proto::Cluster::default()
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Definitions;

    use super::*;

    #[test]
    fn what_is_withheld_cannot_be_told_from_the_rest() {
        let definitions = Definitions::<Parameters>::shipped(crate::DEFINITIONS).unwrap();
        let narrow = Sight::narrow(Default::default(), RoaringBitmap::new(), &definitions.parameters);
        for (sizes, shown_to_some) in [
            (&[50, 40, 30][..], 3),
            (&[50, 40, 10], 1),
            (&[50, 20, 15], 1),
            (&[50, 40, 20, 10], 2),
            (&[50, 10], 0),
            (&[], 0),
        ] {
            assert_eq!(shown(sizes, &narrow), shown_to_some, "{sizes:?}");
            assert_eq!(shown(sizes, &Sight::whole()), sizes.len());
        }
    }
}
