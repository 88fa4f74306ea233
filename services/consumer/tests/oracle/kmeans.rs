//! Silhouettes, nearest centres, samples and scales against slow, obvious readings of their definitions.

use dualwheel_consumer::clusters::{
    kmeans::{centres, nearest, silhouette},
    scale::Scale,
};
use ndarray::Array2;
use proptest::prelude::*;

/// Points 0, 1 and 4, the last alone in its group. 0: a = 1, b = 4, s = 3/4. 1: a = 1, b = 3, s = 2/3. 4: 0.
#[test]
fn a_silhouette_by_hand() {
    let rows = Array2::from_shape_vec((3, 1), vec![0.0, 1.0, 4.0]).unwrap();
    let got = silhouette(&rows, &[0, 0, 1]);
    assert!((got - (3.0 / 4.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12, "{got}");
    assert!(silhouette(&rows, &[0, 0, 0]).abs() < 1e-12, "no other group");
}

/// Few values, so that many are equal.
fn points() -> impl Strategy<Value = Array2<f64>> {
    (2..40usize, 1..4usize).prop_flat_map(|(rows, columns)| {
        proptest::collection::vec(-3..4i8, rows * columns).prop_map(move |values| {
            let values = values.into_iter().map(|value| f64::from(value) / 2.0).collect();
            Array2::from_shape_vec((rows, columns), values).unwrap()
        })
    })
}

fn squared(one: &[f64], other: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (one, other) in one.iter().zip(other) {
        sum += (one - other) * (one - other);
    }
    sum
}

fn listed(rows: &Array2<f64>) -> Vec<Vec<f64>> {
    rows.outer_iter().map(|row| row.to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn silhouettes_are_those_of_the_definition(
        (rows, of) in points().prop_flat_map(|rows| {
            let groups = proptest::collection::vec(0..4usize, rows.nrows());
            (Just(rows), groups)
        })
    ) {
        let points = listed(&rows);
        let mean_to = |point: usize, group: usize| {
            let others: Vec<f64> = (0..points.len())
                .filter(|other| *other != point && of[*other] == group)
                .map(|other| squared(&points[point], &points[other]).sqrt())
                .collect();
            (!others.is_empty()).then(|| others.iter().sum::<f64>() / others.len() as f64)
        };
        let mut sum = 0.0;
        for (point, mine) in of.iter().enumerate() {
            let others = (0..4).filter(|group| group != mine);
            let nearest = others.filter_map(|group| mean_to(point, group)).reduce(f64::min);
            if let (Some(own), Some(nearest)) = (mean_to(point, *mine), nearest)
                && (own > 0.0 || nearest > 0.0)
            {
                sum += if own < nearest { 1.0 - own / nearest } else { nearest / own - 1.0 };
            }
        }
        let got = silhouette(&rows, &of);
        prop_assert!((got - sum / points.len() as f64).abs() < 1e-9, "{} {}", got, sum);
        prop_assert!((-1.0..=1.0).contains(&got));
    }

    /// Of equally near centres, to the first.
    #[test]
    fn everyone_belongs_to_the_nearest_centre(rows in points(), clusters in 1..6usize) {
        let centres = centres(&rows, clusters).unwrap();
        prop_assert_eq!(centres.dim(), (clusters, rows.ncols()));
        let (points, middles, of) = (listed(&rows), listed(&centres), nearest(&centres, &rows));
        prop_assert_eq!(of.len(), points.len());
        for (point, mine) in points.iter().zip(&of) {
            let own = squared(point, &middles[*mine]);
            for (other, middle) in middles.iter().enumerate() {
                let theirs = squared(point, middle);
                let is_nearer = own < theirs || (own == theirs && *mine <= other);
                prop_assert!(is_nearer, "{} of {:?}", other, point);
            }
        }
        prop_assert_eq!(self::nearest(&centres, &rows), of);
        prop_assert_eq!(self::centres(&rows, clusters).unwrap(), centres, "a fixed seed");
    }

    /// Mean 0 and deviation 1, unless all are the same; in the order of the values.
    #[test]
    fn scales_have_mean_0_and_deviation_1(
        values in proptest::collection::vec(-500..5_000i32, 1..50),
        heavy_tailed in any::<bool>(),
    ) {
        let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 10.0).collect();
        let scale = Scale::new(values.iter().copied(), heavy_tailed).unwrap();
        let standard: Vec<f64> = values.iter().map(|value| scale.standard(*value)).collect();
        let count = values.len() as f64;
        prop_assert!((standard.iter().sum::<f64>() / count).abs() < 1e-9);
        let variance = standard.iter().map(|one| one * one).sum::<f64>() / count;
        let spread = values.iter().any(|one| *one != values[0]);
        prop_assert_eq!(scale.has_spread(), spread);
        prop_assert!((variance - f64::from(u8::from(spread))).abs() < 1e-6);
        prop_assert!((scale.mean - values.iter().sum::<f64>() / count).abs() < 1e-9);
        prop_assert_eq!(scale.standard(f64::NAN), 0.0);
        for (one, above) in values.iter().zip(&standard) {
            for (other, below) in values.iter().zip(&standard) {
                prop_assert!(one >= other || above <= below);
            }
        }
    }
}

/// ln(1 + x) of 0, 0, e − 1 and e − 1 is 0, 0, 1 and 1: half above and half below ½, which is the deviation.
#[test]
fn heavy_tails_are_drawn_in() {
    let far = std::f64::consts::E - 1.0;
    let scale = Scale::new([0.0, 0.0, far, far].into_iter(), true).unwrap();
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    close(scale.standard(0.0), -1.0);
    close(scale.standard(far), 1.0);
    close(scale.standard(-far), -3.0);
    close(scale.mean, far / 2.0);
    assert_eq!(Scale::new(std::iter::empty(), true), None);
}
