//! Custom strategic audiences (策略人群2.0): groups of people who behave and are alike.
//!
//! Source: methodology 2.5. People are points in the space of standardised [`features`] of behaviour and profile; k-means
//! ([`kmeans`]) with a fixed seed groups them, into as many groups as asked for or as have the best silhouette. People
//! stand in the order of their keys, so that nothing depends on the order in which facts were read.

pub mod features;
pub mod kmeans;
pub mod scale;

use std::cmp::Ordering;

use dualwheel_kit::work;
use dualwheel_measure::{Day, Window, draw::sample};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::facts::{Facts, acts};
use features::{FEATURES, Portrayer};
use kmeans::{centres, nearest, silhouette};
use scale::{Row, Scale, scales, standardised};

/// Fewest groups.
pub const FEWEST_CLUSTERS: usize = 4;
/// Most groups.
pub const MOST_CLUSTERS: usize = 12;
/// Fewest people that are grouped: ten for each of the most groups.
pub const FEWEST_PEOPLE: u64 = 10 * MOST_CLUSTERS as u64;
/// Most people by whom the centres are found; everybody else goes to the nearest centre. Nine numbers of groups are tried
/// from several first centres each, all within one call.
const MOST_FITTED: usize = 20_000;
/// Most people of whom a silhouette is taken: it needs the distance of each to all others.
const MOST_RATED: usize = 2_000;

/// Why there are no groups.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Too few people.
    #[error("{people} people are too few to be grouped; ask for at least {needed}")]
    TooFew {
        /// People.
        people: u64,
        /// Fewest.
        needed: u64,
    },
    /// People who are all the same.
    #[error(
        "the {people} people do not differ in any feature; ask for others, or bring in more of their facts"
    )]
    Alike {
        /// People.
        people: u64,
    },
    /// People who are the same in fewer ways than there are to be groups.
    #[error("the people differ in too few ways for {clusters} groups: some would be empty; ask for others")]
    TooAlike {
        /// Fewest groups that were tried.
        clusters: usize,
    },
    /// The library could not fit the centres.
    #[error("the groups could not be fitted: {0}")]
    Unfit(String),
}

impl Refusal {
    /// The same without numbers of people.
    #[must_use]
    pub fn without_counts(&self) -> String {
        match self {
            Self::TooFew { needed, .. } => {
                format!("too few people to be grouped; ask for at least {needed}")
            }
            Self::Alike { .. } => {
                "the people do not differ in any feature; ask for others, or bring in more of their \
                                   facts"
                    .to_owned()
            }
            Self::TooAlike { .. } | Self::Unfit(_) => self.to_string(),
        }
    }
}

/// A number of groups that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Number of groups.
    pub clusters: usize,
    /// Mean silhouette of a sample.
    pub silhouette: f64,
}

/// Where a group's centre lies in one feature. Who lacks the feature is taken for the average of all who have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Centre {
    /// Name of the feature.
    pub name: &'static str,
    /// Mean in the feature's unit.
    pub mean: f64,
    /// Mean of the people's standardised values; 0 where all are the same.
    pub deviation: f64,
}

/// A group of people.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The people, in the order of their keys.
    pub people: Vec<u32>,
    /// Where its centre lies: every feature that is known of anybody.
    pub features: Vec<Centre>,
}

/// The groups that were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The groups, the largest first.
    pub clusters: Vec<Cluster>,
    /// The numbers of groups that were tried, ascending.
    pub trials: Vec<Trial>,
}

impl Found {
    /// Everyone who was grouped.
    #[must_use]
    pub fn people(&self) -> RoaringBitmap {
        let people = self.clusters.iter().flat_map(|cluster| &cluster.people);
        people.copied().collect()
    }
}

/// Everyone with a behaviour or purchase in the 365 days that end on the as-of day.
#[must_use]
pub fn everyone(facts: &Facts, as_of: Day) -> RoaringBitmap {
    let year = Window::ending(as_of, 365);
    let bought = |consumer: u32| {
        let mut lines = facts.orders.of(consumer).iter();
        lines.any(|line| line.is_purchase() && year.contains(line.day))
    };
    (0..facts.consumers())
        .inspect(|_| work::look())
        .filter(|consumer| acts(facts, *consumer).any(|(_, day)| year.contains(day)) || bought(*consumer))
        .collect()
}

/// Groups people, into `wanted` groups or as many as have the best silhouette.
///
/// # Errors
/// When there are too few people, or they are too much alike.
pub fn find(
    portrayer: &Portrayer<'_>,
    people: &RoaringBitmap,
    wanted: Option<usize>,
) -> Result<Found, Refusal> {
    if people.len() < FEWEST_PEOPLE {
        return Err(Refusal::TooFew {
            people: people.len(),
            needed: FEWEST_PEOPLE,
        });
    }
    let keys = portrayer.facts.orders.names.consumers.view();
    let key = |one: &u32| keys.key(*one);
    let mut people: Vec<u32> = people.iter().collect();
    people.sort_unstable_by(|one, other| key(one).cmp(key(other)));
    let rows_of = |most| sample(0..people.len(), most, |row| people.get(row).map_or("", key));
    let (fitted, rated) = (rows_of(MOST_FITTED), rows_of(MOST_RATED));
    work::step("portraying people", people.len());
    let portray = |consumer: &u32| {
        work::look();
        work::advance(1);
        portrayer
            .portray(*consumer)
            .map(|value| value.unwrap_or(f64::NAN))
    };
    let rows: Vec<Row> = people.par_iter().map(portray).collect();
    let scales = scales(&rows);
    let space = standardised(&rows, &scales).ok_or(Refusal::Alike {
        people: people.len() as u64,
    })?;
    let (trials, centres) = best(
        &space.select(Axis(0), &fitted),
        &space.select(Axis(0), &rated),
        wanted,
    )?;
    let mut clusters: Vec<Vec<(u32, &Row)>> = vec![Vec::new(); centres.nrows()];
    for ((consumer, row), cluster) in people.iter().zip(&rows).zip(nearest(&centres, &space)) {
        if let Some(mine) = clusters.get_mut(cluster) {
            mine.push((*consumer, row));
        }
    }
    let mut clusters: Vec<Cluster> = clusters.iter().map(|mine| Cluster::new(mine, &scales)).collect();
    clusters.sort_by(|one, other| {
        let by_size = other.people.len().cmp(&one.people.len());
        by_size.then_with(|| by_centre(one, other))
    });
    Ok(Found { clusters, trials })
}

/// Tries numbers of groups on those who are fitted and rated; the centres of the one with the best silhouette, of equals the
/// fewest.
fn best(
    fitted: &Array2<f64>,
    rated: &Array2<f64>,
    wanted: Option<usize>,
) -> Result<(Vec<Trial>, Array2<f64>), Refusal> {
    let numbers = wanted.map_or(FEWEST_CLUSTERS..=MOST_CLUSTERS, |wanted| wanted..=wanted);
    let mut trials = Vec::new();
    let mut best: Option<(f64, Array2<f64>)> = None;
    work::step("trying numbers of groups", numbers.clone().count());
    for clusters in numbers.clone() {
        work::look();
        let centres = centres(fitted, clusters).map_err(|error| Refusal::Unfit(error.to_string()))?;
        work::advance(1);
        let of = nearest(&centres, fitted);
        if !(0..clusters).all(|cluster| of.contains(&cluster)) {
            continue;
        }
        let silhouette = silhouette(rated, &nearest(&centres, rated));
        trials.push(Trial { clusters, silhouette });
        if best.as_ref().is_none_or(|(highest, _)| silhouette > *highest) {
            best = Some((silhouette, centres));
        }
    }
    let (_, centres) = best.ok_or(Refusal::TooAlike {
        clusters: *numbers.start(),
    })?;
    Ok((trials, centres))
}

impl Cluster {
    fn new(people: &[(u32, &Row)], scales: &[Option<Scale>]) -> Self {
        let mean = |of: &dyn Fn(&Row) -> f64| {
            people.iter().map(|(_, row)| of(row)).sum::<f64>() / people.len().max(1) as f64
        };
        let centre = |(at, scale): (usize, &Option<Scale>)| {
            let (scale, feature) = (scale.as_ref()?, FEATURES.get(at)?);
            let value = |row: &Row| row.get(at).copied().unwrap_or(f64::NAN);
            Some(Centre {
                name: feature.name,
                mean: mean(&|row: &Row| {
                    let known = Some(value(row)).filter(|value| !value.is_nan());
                    known.unwrap_or(scale.mean)
                }),
                deviation: mean(&|row: &Row| scale.standard(value(row))),
            })
        };
        Self {
            people: people.iter().map(|(consumer, _)| *consumer).collect(),
            features: scales.iter().enumerate().filter_map(centre).collect(),
        }
    }
}

/// Orders groups by their centres, feature by feature.
fn by_centre(one: &Cluster, other: &Cluster) -> Ordering {
    let features = one.features.iter().zip(&other.features);
    features
        .map(|(one, other)| one.deviation.total_cmp(&other.deviation))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
