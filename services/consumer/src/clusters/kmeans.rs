//! k-means with a fixed seed, and how well its groups lie apart.

use dualwheel_kit::work;
use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::{KMeans, KMeansError, KMeansInit};
use ndarray::{Array2, ArrayView1};
use rand_xoshiro::{Xoshiro256Plus, rand_core::SeedableRng};
use rayon::prelude::*;

/// Seed of the first centres.
const SEED: u64 = 20;
/// Runs from different first centres, the best of which is taken.
const RUNS: usize = 4;
/// All centres together move by less than this, in deviations: they have come to rest.
const TOLERANCE: f64 = 1e-3;
/// Most moves of the centres.
const MOST_MOVES: u64 = 100;

/// The centres of `clusters` groups of `rows`: k-means++ and the best of several runs. Equal rows in equal order have equal
/// centres; fewer different rows than groups leave some of them empty. The library is asked for one move at a time, so
/// that a question that nobody waits for ends between two.
///
/// # Errors
/// The library's.
pub fn centres(rows: &Array2<f64>, clusters: usize) -> Result<Array2<f64>, KMeansError> {
    let mut random = Xoshiro256Plus::seed_from_u64(SEED);
    let mut best: Option<(f64, Array2<f64>)> = None;
    for _ in 0..RUNS {
        let (mut inertia, mut centres) = moved(rows, clusters, &random, KMeansInit::KMeansPlusPlus)?;
        for _ in 1..MOST_MOVES {
            let from = KMeansInit::Precomputed(centres.clone());
            let (nearer, next) = moved(rows, clusters, &random, from)?;
            let way = (&next - &centres).mapv(|by| by * by).sum().sqrt();
            (inertia, centres) = (nearer, next);
            if way < TOLERANCE {
                break;
            }
        }
        if best.as_ref().is_none_or(|(least, _)| inertia < *least) {
            best = Some((inertia, centres));
        }
        random.jump();
    }
    best.map(|(_, centres)| centres).ok_or(KMeansError::InertiaError)
}

/// The inertia of the given centres, and where they move.
fn moved(
    rows: &Array2<f64>,
    clusters: usize,
    random: &Xoshiro256Plus,
    from: KMeansInit<f64>,
) -> Result<(f64, Array2<f64>), KMeansError> {
    work::look();
    let model = KMeans::<f64, _>::params_with_rng(clusters, random.clone())
        .init_method(from)
        .n_runs(1)
        .tolerance(TOLERANCE)
        .max_n_iterations(1)
        .fit(&DatasetBase::from(rows.view()))?;
    Ok((model.inertia(), model.centroids().clone()))
}

/// The number of the centre nearest to each row; of equally near ones the first.
#[must_use]
pub fn nearest(centres: &Array2<f64>, rows: &Array2<f64>) -> Vec<usize> {
    let nearest = |row: usize| {
        work::look();
        let row = rows.row(row);
        let distances = centres.outer_iter().map(|centre| squared(&centre, &row));
        let nearest = distances
            .enumerate()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        nearest.map_or(0, |(centre, _)| centre)
    };
    (0..rows.nrows()).into_par_iter().map(nearest).collect()
}

/// Squared Euclidean distance.
fn squared(one: &ArrayView1<'_, f64>, other: &ArrayView1<'_, f64>) -> f64 {
    one.iter()
        .zip(other)
        .map(|(one, other)| (one - other).powi(2))
        .sum()
}

/// Mean silhouette of `rows` in the groups `of`: (b − a) ÷ max(a, b), where a is the mean distance to the others of one's
/// own group and b that to those of the nearest other group; 0 for who is alone in a group, and where there is no other.
///
/// Source: Rousseeuw, Silhouettes: a graphical aid to the interpretation and validation of cluster analysis, 1987.
#[must_use]
pub fn silhouette(rows: &Array2<f64>, of: &[usize]) -> f64 {
    let clusters = of.iter().max().map_or(0, |highest| highest + 1);
    let rated = rows.nrows().min(of.len());
    let each: Vec<f64> = (0..rated)
        .into_par_iter()
        .map(|row| silhouette_of(row, rows, of, clusters))
        .collect();
    // One after another, so that the number of cores changes nothing.
    each.iter().sum::<f64>() / each.len().max(1) as f64
}

fn silhouette_of(row: usize, rows: &Array2<f64>, of: &[usize], clusters: usize) -> f64 {
    work::look();
    let (mine, own) = (rows.row(row), of.get(row));
    let mut sums = vec![(0.0, 0_u32); clusters];
    for (other, (theirs, cluster)) in rows.outer_iter().zip(of).enumerate() {
        if other != row
            && let Some((sum, people)) = sums.get_mut(*cluster)
        {
            *sum += squared(&mine, &theirs).sqrt();
            *people += 1;
        }
    }
    let mean = |(sum, people): &(f64, u32)| (*people > 0).then(|| sum / f64::from(*people));
    let (mut within, mut without) = (None, None::<f64>);
    for (cluster, sum) in sums.iter().enumerate() {
        if Some(&cluster) == own {
            within = mean(sum);
        } else if let Some(distance) = mean(sum) {
            without = Some(without.map_or(distance, |least| least.min(distance)));
        }
    }
    match (within, without) {
        (Some(within), Some(without)) if within.max(without) > 0.0 => {
            (without - within) / within.max(without)
        }
        _ => 0.0,
    }
}
