//! Hand-worked examples and a slow second version.

use proptest::prelude::*;

use super::*;

const UNKNOWN: f64 = f64::NAN;

/// Defaults, with a half-life of one period of 30 days.
fn with(changes: &[(&str, f64)]) -> Parameters {
    let mut parameters = StyleMomentum.describe().defaults();
    for (name, value) in [("half_life_days", 30.0)].iter().chain(changes) {
        assert!(parameters.insert((*name).to_owned(), *value).is_some(), "{name}");
    }
    parameters
}

/// Growth and score of one style.
fn rank(gmv: &[f64], demand: Option<(&[f64], &[f64])>, parameters: &Parameters) -> (f64, f64) {
    let mut batch = Batch::new(1)
        .with_series("gmv", vec![gmv.to_vec()])
        .with_numbers("period_days", vec![30.0]);
    if let Some((searches, listings)) = demand {
        batch = batch
            .with_series("searches", vec![searches.to_vec()])
            .with_series("listings", vec![listings.to_vec()]);
    }
    let scores = StyleMomentum.rank(&batch, parameters).unwrap();
    (scores.growth[0], scores.score[0])
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * right.abs().max(1.0)
}

#[test]
fn is_described_by_the_rules() {
    assert_eq!(StyleMomentum.describe().check(style::has), Ok(()));
}

#[test]
fn even_growth_by_hand() {
    // 10 % a month, whatever the weights: score 1.1¹⁰ ÷ (1 + 1.1¹⁰) = 2.593 742 460 1 ÷ 3.593 742 460 1.
    let (growth, score) = rank(&[100.0, 110.0, 121.0, 133.1], None, &with(&[]));
    assert!(close(growth, 0.1), "{growth}");
    assert!(close(score, 100.0 * 2.593_742_460_1 / 3.593_742_460_1), "{score}");
}

#[test]
fn late_growth_counts_more_by_hand() {
    // Weights 1, ½, ¼ from the latest step back: m = ln 2 ÷ 1.75, then ¼·ln 2 ÷ 1.75.
    let (late, _) = rank(&[100.0, 100.0, 100.0, 200.0], None, &with(&[]));
    let (early, _) = rank(&[100.0, 200.0, 200.0, 200.0], None, &with(&[]));
    assert!(close(late, 2_f64.powf(4.0 / 7.0) - 1.0), "{late}");
    assert!(close(early, 2_f64.powf(1.0 / 7.0) - 1.0), "{early}");
}

#[test]
fn gaps_are_bridged_and_zeros_are_not_by_hand() {
    // The step over the gap: ½·ln 4 over two periods of weight ½; the last: 0 over one of weight 1. m = ln 4 ÷ 4.
    let few = with(&[("least_periods", 3.0)]);
    let (growth, _) = rank(&[100.0, UNKNOWN, 400.0, 400.0, UNKNOWN], None, &few);
    assert!(close(growth, 2_f64.sqrt() - 1.0), "{growth}");
    // A known zero is the floor, 1: m = (ln(1 ÷ 100) + ½·0 + ¼·0) ÷ 1.75.
    let (growth, score) = rank(&[100.0, 100.0, 100.0, 0.0], None, &few);
    assert!(close(growth, 0.01_f64.powf(4.0 / 7.0) - 1.0), "{growth}");
    assert!(score < 1e-9, "{score}");
}

#[test]
fn supply_that_outruns_demand_damps_by_hand() {
    let steady = [100.0; 4];
    let (growth, score) = rank(&steady, None, &with(&[]));
    assert!(close(growth, 0.0) && close(score, 50.0), "{growth} {score}");
    // Of late (100 + 50 + 25 + 12.5) ÷ (300 + 50 + 25 + 12.5) = 15/31; of all 400 ÷ 600; r = 45/62.
    // Score with e^M/spread = r^(0.5 ÷ 0.1) = r⁵.
    let outrun: (&[f64], &[f64]) = (&steady, &[100.0, 100.0, 100.0, 300.0]);
    let (growth, score) = rank(&steady, Some(outrun), &with(&[]));
    let odds = (45.0_f64 / 62.0).powi(5);
    assert!(
        close(growth, 0.0) && close(score, 100.0 * odds / (1.0 + odds)),
        "{growth} {score}"
    );
    let (_, untouched) = rank(&steady, Some(outrun), &with(&[("demand_strength", 0.0)]));
    assert!(close(untouched, 50.0), "{untouched}");
    // Demand that outruns supply adds nothing.
    let wanted: (&[f64], &[f64]) = (&[100.0, 100.0, 100.0, 300.0], &steady);
    assert!(close(rank(&steady, Some(wanted), &with(&[])).1, 50.0));
}

#[test]
fn what_cannot_be_judged_scores_nothing() {
    let parameters = with(&[]);
    for gmv in [
        &[][..],
        &[100.0; 3],
        &[UNKNOWN; 6],
        &[0.0; 6],
        &[0.5, 0.5, 0.5, 0.5, 1.0],
    ] {
        assert_eq!(rank(gmv, None, &parameters), (0.0, 0.0), "{gmv:?}");
    }
    for days in [0.0, -1.0, UNKNOWN, f64::INFINITY] {
        let batch = Batch::new(1)
            .with_series("gmv", vec![vec![100.0; 4]])
            .with_numbers("period_days", vec![days]);
        let scores = StyleMomentum.rank(&batch, &parameters).unwrap();
        assert_eq!((scores.growth[0], scores.score[0]), (0.0, 0.0), "{days}");
    }
    let refusal = StyleMomentum.rank(&Batch::new(1), &parameters).unwrap_err();
    assert!(refusal.to_string().contains("`gmv` was not given"), "{refusal}");
}

/// Forward, with every weight from its definition.
fn slow(gmv: &[f64], searches: &[f64], listings: &[f64], days: f64, p: &Parameters) -> (f64, f64) {
    let known: Vec<usize> = (0..gmv.len()).filter(|at| !gmv[*at].is_nan()).collect();
    let above = known.iter().filter(|at| gmv[**at] > p["floor"]).count();
    if (above as f64) < p["least_periods"] {
        return (0.0, 0.0);
    }
    let age = |at: usize, last: usize| 0.5_f64.powf((last - at) as f64 * days / p["half_life_days"]);
    let last = *known.last().unwrap();
    let (mut grown, mut periods) = (0.0, 0.0);
    for pair in known.windows(2) {
        let level = |at: usize| gmv[at].max(p["floor"]);
        grown += age(pair[1], last) * (level(pair[1]) / level(pair[0])).ln();
        periods += age(pair[1], last) * (pair[1] - pair[0]) as f64;
    }
    let both: Vec<usize> = (0..gmv.len())
        .filter(|at| !(searches[*at] + listings[*at]).is_nan())
        .collect();
    let sum =
        |of: &[f64], weight: &dyn Fn(usize) -> f64| both.iter().map(|at| weight(*at) * of[*at]).sum::<f64>();
    let late = |at: usize| age(at, gmv.len() - 1);
    let recent = sum(searches, &late) / sum(listings, &late);
    let whole = sum(searches, &|_| 1.0) / sum(listings, &|_| 1.0);
    let damping = if both.is_empty() {
        0.0
    } else {
        (recent / whole).ln().min(0.0)
    };
    let growth = grown / periods;
    let momentum = growth * 30.0 / days + p["demand_strength"] * damping;
    (
        growth.exp() - 1.0,
        100.0 / (1.0 + (-momentum / p["spread"]).exp()),
    )
}

/// GMV with zeros and gaps, searches and listings with gaps, of one length.
fn market() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, Vec<f64>)> {
    let gmv = prop_oneof![6 => 0.0..1e4, 1 => Just(0.0), 1 => Just(UNKNOWN)];
    let count = || prop_oneof![6 => 1.0..1e3, 1 => Just(UNKNOWN)];
    prop::collection::vec((gmv, count(), count()), 0..20).prop_map(|periods| {
        let series = |of: fn(&(f64, f64, f64)) -> f64| periods.iter().map(of).collect::<Vec<f64>>();
        (series(|p| p.0), series(|p| p.1), series(|p| p.2))
    })
}

proptest! {
    #[test]
    fn equals_the_slow_version_and_rows_stand_for_themselves(
        markets in prop::collection::vec(market(), 0..5),
        days in prop_oneof![Just(7.0), Just(30.0)],
        (half_life, strength, spread) in (5.0..400.0, 0.0..=4.0, 0.05..2.0),
    ) {
        let parameters = with(&[("half_life_days", half_life), ("demand_strength", strength), ("spread", spread)]);
        let batch_of = |markets: &[(Vec<f64>, Vec<f64>, Vec<f64>)]| {
            Batch::new(markets.len())
                .with_series("gmv", markets.iter().map(|m| m.0.clone()).collect())
                .with_series("searches", markets.iter().map(|m| m.1.clone()).collect())
                .with_series("listings", markets.iter().map(|m| m.2.clone()).collect())
                .with_numbers("period_days", vec![days; markets.len()])
        };
        let together = StyleMomentum.rank(&batch_of(&markets), &parameters).unwrap();
        for (at, market) in markets.iter().enumerate() {
            let (growth, score) = (together.growth[at], together.score[at]);
            let expected = slow(&market.0, &market.1, &market.2, days, &parameters);
            prop_assert!(close(growth, expected.0), "{} {:?}", growth, expected);
            prop_assert!(close(score, expected.1), "{} {:?}", score, expected);
            let alone = StyleMomentum.rank(&batch_of(std::slice::from_ref(market)), &parameters).unwrap();
            prop_assert_eq!((growth, score), (alone.growth[0], alone.score[0]));
        }
    }

    #[test]
    fn answers_are_in_range_whatever_is_given(
        gmv in prop::collection::vec(any::<f64>(), 0..12),
        searches in prop::collection::vec(any::<f64>(), 0..12),
        listings in prop::collection::vec(any::<f64>(), 0..12),
        days in any::<f64>(),
    ) {
        let batch = Batch::new(1)
            .with_series("gmv", vec![gmv])
            .with_series("searches", vec![searches])
            .with_series("listings", vec![listings])
            .with_numbers("period_days", vec![days]);
        let scores = StyleMomentum.rank(&batch, &with(&[])).unwrap();
        prop_assert!(scores.growth[0].is_finite() && (0.0..=100.0).contains(&scores.score[0]), "{:?}", scores);
    }
}
