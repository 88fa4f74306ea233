//! `dualwheel audience clusters`: groups of people who behave and are alike.

use dualwheel_proto::consumer::{
    AudienceTrait, Cluster, ClusterFeature, FindClustersRequest, FindClustersResponse, SaveClustersRequest,
    SaveClustersResponse,
};

use super::{Mesh, day, definition};
use crate::{cli::audience::Clusters, format, output, table};

/// Features of a group that are listed, those in which it lies furthest from the average.
const LISTED: usize = 4;

impl Mesh<'_> {
    /// Prints the groups, or saves them.
    pub(super) async fn clusters(self, args: &Clusters) -> anyhow::Result<()> {
        let brand = args.basis.brand.clone();
        let definition = args.expression.as_deref().and_then(definition);
        let (clusters, as_of) = (args.clusters, day(&args.basis));
        let Some(prefix) = &args.save else {
            let request = FindClustersRequest {
                brand,
                definition,
                clusters,
                as_of,
                data_version: None,
            };
            let found: FindClustersResponse = self.long("FindClusters", &request).await?;
            if self.json {
                return output::json("dualwheel.consumer.v1.FindClustersResponse", &found);
            }
            return output::text(&readable(&found));
        };
        let request = SaveClustersRequest {
            brand,
            definition,
            clusters,
            as_of,
            audience_prefix: prefix.clone(),
            request_id: String::new(),
        };
        let saved: SaveClustersResponse = self.long("SaveClusters", &request).await?;
        if self.json {
            return output::json("dualwheel.consumer.v1.SaveClustersResponse", &saved);
        }
        output::text(&audiences(&saved))
    }
}

/// How many people in how many groups, then a line a group.
fn readable(found: &FindClustersResponse) -> String {
    let day = format::day(format::calendar(found.as_of.as_ref()));
    if !found.refusal.is_empty() {
        return format!("no groups on {day}: {}", found.refusal);
    }
    let trials = found.trials.iter();
    let trials: Vec<String> = trials
        .map(|trial| format!("{} {}", trial.clusters, format::decimal(trial.silhouette, 3)))
        .collect();
    let headings = [
        ("Group", true),
        ("People", true),
        ("Share", true),
        ("Mean, and standard deviations from that of all", false),
        ("TGI", false),
    ];
    format!(
        "{} people on {day} in {} groups\nsilhouette by number of groups: {}\n\n{}",
        format::people(found.size, found.size_withheld),
        found.clusters.len(),
        trials.join(", "),
        table::rows(&headings, found.clusters.iter().map(row).collect())
    )
}

fn row(cluster: &Cluster) -> Vec<String> {
    let mut features: Vec<&ClusterFeature> = cluster.features.iter().collect();
    features.sort_by(|one, other| other.deviation.abs().total_cmp(&one.deviation.abs()));
    let features = features.into_iter().take(LISTED).map(|feature| {
        let sign = if feature.deviation > 0.0 { "+" } else { "" };
        format!(
            "{} {} ({sign}{})",
            feature.name,
            format::decimal(feature.mean, 2),
            format::decimal(feature.deviation, 1)
        )
    });
    let tgi = |one: &AudienceTrait| {
        let tgi = one
            .tgi
            .map_or(format::NONE.to_owned(), |tgi| format::decimal(tgi, 0));
        format!("{} {} {tgi}", one.r#trait, one.value)
    };
    vec![
        cluster.number.to_string(),
        format::people(cluster.size, cluster.size_withheld),
        if cluster.size_withheld {
            format::NONE.to_owned()
        } else {
            format::percent(cluster.share)
        },
        features.collect::<Vec<_>>().join(", "),
        cluster.traits.iter().map(tgi).collect::<Vec<_>>().join(", "),
    ]
}

fn audiences(saved: &SaveClustersResponse) -> String {
    let row = |(number, audience): (i32, &String)| vec![number.to_string(), audience.clone()];
    let headings = [("Group", true), ("Audience", false)];
    table::rows(&headings, (1..).zip(&saved.audiences).map(row).collect())
}
