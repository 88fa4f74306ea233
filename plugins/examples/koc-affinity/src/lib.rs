//! Scores key opinion consumers by weights that a brand sets.
//!
//! Each power is the weighted mean of its known inputs, all from 0 to 100, lowered by what is unknown:
//!
//! ```text
//! power = Σ w·x ÷ Σ w · (Σ w ÷ W) ^ missing_decay        sums over the known inputs; W is the weight of all inputs
//! ```
//!
//! | power | inputs |
//! |---|---|
//! | content | rank of interactions, rank of attributed gmv |
//! | influence | rank of followers · match ^ `match_strength`, rank of spread |
//! | purchasing | rank of own gmv, 100 · spending power of followers, rank of attributed gmv |
//!
//! Who is known by nothing has no power: 0. The formulas are this example's own.

use dualwheel_plugin_sdk::{
    Batch, Description, KocModel, KocScores, ParameterAccess, Parameters, Refusal, koc, koc::rank,
};

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct KocAffinity;

#[cfg(feature = "guest")]
dualwheel_plugin_sdk::export_koc_model!(KocAffinity);

/// What an input weighs, and its values; none where the host does not have it.
type Input<'a> = (f64, Option<&'a [f64]>);

impl KocModel for KocAffinity {
    fn describe(&self) -> Description {
        let weight = |description: Description, name, of: &str, default| {
            description.parameter(
                name,
                &format!("Weight of {of}, relative to its power's others."),
                default,
                0.0..=100.0,
            )
        };
        let mut description = Description::new(
            "koc-affinity",
            env!("CARGO_PKG_VERSION"),
            "Content, influence and purchasing power as weighted means of percentile ranks. Followers count by how well \
             they fit the brand; whatever is unknown about a candidate lowers the power that it belongs to.",
        )
        .requires(&rank(koc::INTERACTIONS_30D))
        .requires(&rank(koc::FOLLOWERS))
        .takes(&rank(koc::SPREAD_30D))
        .takes(&rank(koc::ATTRIBUTED_GMV_30D))
        .takes(&rank(koc::OWN_GMV_365D))
        .takes(koc::MATCH)
        .takes(koc::FOLLOWER_SPENDING_POWER);
        for (name, of, default) in [
            ("content_interactions", "interactions in content power", 2.0),
            ("content_sales", "attributed gmv in content power", 1.0),
            ("influence_reach", "followers in influence power", 2.0),
            ("influence_spread", "spread in influence power", 1.0),
            ("purchasing_own", "own gmv in purchasing power", 2.0),
            (
                "purchasing_followers",
                "the followers' spending power in purchasing power",
                1.0,
            ),
            ("purchasing_sales", "attributed gmv in purchasing power", 1.0),
        ] {
            description = weight(description, name, of, default);
        }
        description
            .parameter(
                "match_strength",
                "Power to which the match of followers is raised, a number: 0 lets it count for nothing.",
                1.0,
                0.0..=4.0,
            )
            .parameter(
                "unknown_match",
                "Match of followers where it is not known, a share.",
                0.5,
                0.0..=1.0,
            )
            .parameter(
                "missing_decay",
                "How much unknown inputs lower a power, an exponent: 0 not at all, 1 as if they were 0.",
                0.5,
                0.0..=4.0,
            )
    }

    fn score(&self, batch: &Batch, parameters: &Parameters) -> Result<KocScores, Refusal> {
        let number = |name| parameters.number(name);
        let decay = number("missing_decay")?;
        let sales = batch.numbers("attributed_gmv_30d_rank");
        let reach = reach(batch, number("match_strength")?, number("unknown_match")?)?;
        let spending = batch.numbers(koc::FOLLOWER_SPENDING_POWER).map(in_hundredths);
        let content = [
            (
                number("content_interactions")?,
                Some(batch.require_numbers("interactions_30d_rank")?),
            ),
            (number("content_sales")?, sales),
        ];
        let influence = [
            (number("influence_reach")?, Some(reach.as_slice())),
            (number("influence_spread")?, batch.numbers("spread_30d_rank")),
        ];
        let purchasing = [
            (number("purchasing_own")?, batch.numbers("own_gmv_365d_rank")),
            (number("purchasing_followers")?, spending.as_deref()),
            (number("purchasing_sales")?, sales),
        ];
        Ok(KocScores {
            content: power("content", batch.rows, &content, decay)?,
            influence: power("influence", batch.rows, &influence, decay)?,
            purchasing: power("purchasing", batch.rows, &purchasing, decay)?,
        })
    }
}

/// Ranks by followers, each times its match raised to `strength`.
fn reach(batch: &Batch, strength: f64, unknown: f64) -> Result<Vec<f64>, Refusal> {
    let followers = batch.require_numbers("followers_rank")?;
    let fit = |part: f64| {
        let known = if part.is_nan() {
            unknown
        } else {
            part.clamp(0.0, 1.0)
        };
        // The usual strength without the cost of a power.
        if strength == 1.0 {
            known
        } else {
            known.powf(strength)
        }
    };
    Ok(match batch.numbers(koc::MATCH) {
        Some(parts) => followers
            .iter()
            .zip(parts)
            .map(|(rank, part)| rank * fit(*part))
            .collect(),
        None => followers.iter().map(|rank| rank * fit(f64::NAN)).collect(),
    })
}

fn in_hundredths(shares: &[f64]) -> Vec<f64> {
    shares.iter().map(|share| 100.0 * share).collect()
}

/// The formula above, column by column. It is for the rows to be independent of each other that nothing but their own
/// sums is kept.
fn power(name: &str, rows: usize, inputs: &[Input<'_>], decay: f64) -> Result<Vec<f64>, Refusal> {
    let whole: f64 = inputs.iter().map(|(weight, _)| weight).sum();
    if whole <= 0.0 {
        return Err(Refusal::new(format!(
            "nothing weighs in {name} power: set one of the parameters `{name}_…` above 0"
        )));
    }
    let mut sums = vec![(0.0, 0.0); rows];
    for (weight, values) in inputs {
        for ((sum, known), value) in sums.iter_mut().zip(values.unwrap_or_default()) {
            if !value.is_nan() {
                *sum += weight * value.clamp(0.0, 100.0);
                *known += weight;
            }
        }
    }
    let finish = |(sum, known): (f64, f64)| {
        if known <= 0.0 {
            return 0.0;
        }
        let lowered = if known < whole {
            (known / whole).powf(decay)
        } else {
            1.0
        };
        // Rounding may lead out of the range by a digit.
        (sum / known * lowered).clamp(0.0, 100.0)
    };
    Ok(sums.into_iter().map(finish).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNKNOWN: f64 = f64::NAN;

    /// Columns in the order of the description.
    fn batch(rows: &[[f64; 7]]) -> Batch {
        let mut batch = Batch::new(rows.len());
        for (at, column) in KocAffinity.describe().columns.iter().enumerate() {
            batch = batch.with_numbers(&column.name, rows.iter().map(|row| row[at]).collect());
        }
        batch
    }

    fn with(changes: &[(&str, f64)]) -> Parameters {
        let mut parameters = KocAffinity.describe().defaults();
        for (name, value) in changes {
            assert!(parameters.insert((*name).to_owned(), *value).is_some(), "{name}");
        }
        parameters
    }

    fn close(left: &[f64], right: &[f64]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn is_described_by_the_rules() {
        assert_eq!(KocAffinity.describe().check(koc::has), Ok(()));
    }

    #[test]
    fn by_hand() {
        let rows = [
            // content (2·80 + 1·50)/3 = 70; reach 90·0.5 = 45, influence (2·45 + 60)/3 = 50;
            // purchasing (2·40 + 100·0.7 + 50)/4 = 50.
            [80.0, 90.0, 60.0, 50.0, 40.0, 0.5, 0.7],
            // Attributed gmv unknown: content 80·√(2/3) = 65.319 726; match unknown: reach 90·0.5; spread unknown:
            // influence 45·√(2/3) = 36.742 346; purchasing ((2·40 + 70)/3)·√(3/4) = 43.301 270.
            [80.0, 90.0, UNKNOWN, UNKNOWN, 40.0, UNKNOWN, 0.7],
            [UNKNOWN; 7],
        ];
        let scores = KocAffinity.score(&batch(&rows), &with(&[])).unwrap();
        assert!(
            close(&scores.content, &[70.0, 65.319_726_474_218_08, 0.0]),
            "{scores:?}"
        );
        assert!(
            close(&scores.influence, &[50.0, 36.742_346_141_747_67, 0.0]),
            "{scores:?}"
        );
        assert!(
            close(&scores.purchasing, &[50.0, 43.301_270_189_221_93, 0.0]),
            "{scores:?}"
        );
    }

    #[test]
    fn parameters_by_hand() {
        let row = [80.0, 90.0, 60.0, UNKNOWN, 40.0, 0.5, UNKNOWN];
        let parameters = with(&[
            ("match_strength", 2.0),
            ("missing_decay", 1.0),
            ("influence_spread", 0.0),
        ]);
        let scores = KocAffinity.score(&batch(&[row]), &parameters).unwrap();
        // Unknown counts as 0: content 160/3; reach 90·0.25 = 22.5 alone; purchasing 80/4.
        assert!(close(&scores.content, &[160.0 / 3.0]), "{scores:?}");
        assert!(close(&scores.influence, &[22.5]), "{scores:?}");
        assert!(close(&scores.purchasing, &[20.0]), "{scores:?}");

        let scores = KocAffinity
            .score(&batch(&[row]), &with(&[("missing_decay", 0.0)]))
            .unwrap();
        // Unknown counts for nothing: 80; (2·45 + 60)/3; 40.
        assert!(close(&scores.content, &[80.0]), "{scores:?}");
        assert!(close(&scores.influence, &[50.0]), "{scores:?}");
        assert!(close(&scores.purchasing, &[40.0]), "{scores:?}");
    }

    #[test]
    fn does_with_the_required_columns_alone() {
        let batch = Batch::new(1)
            .with_numbers("interactions_30d_rank", vec![90.0])
            .with_numbers("followers_rank", vec![60.0]);
        let scores = KocAffinity
            .score(&batch, &with(&[("missing_decay", 0.0)]))
            .unwrap();
        assert_eq!(
            (scores.content[0], scores.influence[0], scores.purchasing[0]),
            (90.0, 30.0, 0.0)
        );
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        let weightless = with(&[("content_interactions", 0.0), ("content_sales", 0.0)]);
        let refusal = KocAffinity.score(&batch(&[[1.0; 7]]), &weightless).unwrap_err();
        assert!(
            refusal.to_string().contains("nothing weighs in content power"),
            "{refusal}"
        );
        let refusal = KocAffinity.score(&Batch::new(1), &with(&[])).unwrap_err();
        assert!(
            refusal.to_string().contains("`followers_rank` was not given"),
            "{refusal}"
        );
    }

    /// One row, slowly: the known inputs are listed, then the formula is written out.
    fn slow(row: &[f64; 7], parameters: &Parameters) -> [f64; 3] {
        let [interactions, followers, spread, sales, own, part, spending] = *row;
        let p = |name: &str| parameters[name];
        let part = if part.is_nan() { p("unknown_match") } else { part };
        let reach = followers * part.powf(p("match_strength"));
        let powers = [
            vec![
                (p("content_interactions"), interactions),
                (p("content_sales"), sales),
            ],
            vec![(p("influence_reach"), reach), (p("influence_spread"), spread)],
            vec![
                (p("purchasing_own"), own),
                (p("purchasing_followers"), spending * 100.0),
                (p("purchasing_sales"), sales),
            ],
        ];
        powers.map(|inputs| {
            let known: Vec<_> = inputs.iter().filter(|(_, value)| !value.is_nan()).collect();
            let weight: f64 = known.iter().map(|(weight, _)| weight).sum();
            let whole: f64 = inputs.iter().map(|(weight, _)| weight).sum();
            let sum: f64 = known.iter().map(|(weight, value)| weight * value).sum();
            if weight == 0.0 {
                0.0
            } else {
                sum / weight * (weight / whole).powf(p("missing_decay"))
            }
        })
    }

    fn known_or_not(greatest: f64) -> impl Strategy<Value = f64> {
        prop_oneof![3 => 0.0..=greatest, 1 => Just(UNKNOWN), 1 => Just(greatest)]
    }

    fn row() -> impl Strategy<Value = [f64; 7]> {
        let rank = || known_or_not(100.0);
        (
            rank(),
            rank(),
            rank(),
            rank(),
            rank(),
            known_or_not(1.0),
            known_or_not(1.0),
        )
            .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
    }

    proptest! {
        #[test]
        fn equals_the_slow_version_and_rows_stand_for_themselves(
            rows in prop::collection::vec(row(), 0..8),
            weights in prop::collection::vec(0.01..10.0, 7),
            (strength, unknown, decay) in (0.0..=4.0, 0.0..=1.0, 0.0..=4.0),
        ) {
            let description = KocAffinity.describe();
            let names = description.parameters.iter().map(|parameter| parameter.name.clone());
            let values = weights.into_iter().chain([strength, unknown, decay]);
            let parameters: Parameters = names.zip(values).collect();
            let together = KocAffinity.score(&batch(&rows), &parameters).unwrap();
            for (at, row) in rows.iter().enumerate() {
                let given = [together.content[at], together.influence[at], together.purchasing[at]];
                prop_assert!(close(&given, &slow(row, &parameters)), "{:?} {:?}", given, row);
                prop_assert!(given.iter().all(|power| (0.0..=100.0).contains(power)));
                let alone = KocAffinity.score(&batch(&[*row]), &parameters).unwrap();
                prop_assert_eq!(given, [alone.content[0], alone.influence[0], alone.purchasing[0]]);
            }
        }
    }
}
