//! Win-back (流失召回): which lapsed buyers will come back, and what speaks for it.
//!
//! Source: methodology 2.8. A buyer has lapsed who has not bought for longer than four in five let pass between
//! purchases of the category last bought ([`lapsed`]). A gradient-boosted tree model ([`boosted`](crate::boosted)) of
//! what is known of them ([`features`]) is trained on those who had lapsed two horizons before the as-of day and tested
//! on those who had one horizon before; the candidates of the as-of day are then scored by a model of both, and put
//! into packs by probability and strongest reason. Nothing depends on the order in which facts were read.

mod cohort;
pub mod features;
pub mod lapsed;
mod outlook;

use std::{cmp::Reverse, collections::BTreeMap};

use dualwheel_kit::work;
use dualwheel_lake::frames::Categories;
use dualwheel_measure::Day;

pub use outlook::{MOST_CHANNELS, Outlook, Outlooks, channels, outlooks};

use crate::{
    boosted::{Examples, Model, Tested, Unfit, auc},
    facts::Facts,
    parameters::Parameters,
};
use cohort::Cohort;
use features::{FEATURES, Portrayer};

/// Packs of a decile.
const REASONS_A_DECILE: usize = 5;
/// Most lapsed buyers of a day that a model learns from: its library cannot be stopped while it fits.
const MOST_EXAMPLES: usize = 200_000;
/// Deciles.
const DECILES: usize = 10;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Day on which the candidates have lapsed.
    pub as_of: Day,
    /// Days to come back in.
    pub horizon: i32,
    /// Channel to come back in, as a word of the facts' names; any where `None`.
    pub channel: Option<u32>,
    /// Categories by which rhythms differ.
    pub cuts: &'a Categories,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Too few of those who had lapsed came back.
    #[error(
        "of {examples} buyers who had lapsed by {day}, {found} came back in time; the model needs {needed} who did \
         and as many who did not"
    )]
    TooFewReturns {
        /// Day on which the training examples had lapsed.
        day: Day,
        /// Training examples.
        examples: usize,
        /// Those who came back, or who did not, whichever are fewer.
        found: usize,
        /// Fewest of either.
        needed: usize,
    },
    /// Nothing to test the model on.
    #[error("buyers who had lapsed by {day} all came back in time, or none did: the model cannot be tested")]
    Untestable {
        /// Day on which the test examples had lapsed.
        day: Day,
    },
    /// The library could not fit the trees.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// A model with what it showed on the test examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Day on which the training examples had lapsed.
    pub trained_on: Day,
    /// Day on which the test examples had lapsed.
    pub tested_on: Day,
    /// Training examples, and those of them who came back.
    pub examples: (usize, usize),
    /// What it showed on the test examples.
    pub tested: Tested,
    /// Area under the ROC curve on the test examples when they are ranked by recency alone.
    pub recency_auc: f64,
    /// Share of each feature in the total gain, in the order of [`FEATURES`].
    pub importance: Vec<f64>,
}

/// Candidates with about the same probability and the same strongest reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Tenth of the candidates by probability; 1 has the likeliest.
    pub decile: usize,
    /// Number of the feature that speaks most for them.
    pub reason: usize,
    /// The candidates, likeliest first.
    pub consumers: Vec<u32>,
    /// How many of them will come back, as expected.
    pub expected: f64,
}

/// The lapsed buyers of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Winback {
    /// How many there are.
    pub candidates: usize,
    /// The model, or why there is none.
    pub model: Result<Trained, Refusal>,
    /// The packs, the likeliest first; none without a model.
    pub packs: Vec<Pack>,
}

/// Finds the lapsed buyers and, where a model of earlier ones stands its test, who of them will come back.
#[must_use]
pub fn measure(
    facts: &Facts,
    portrayer: &Portrayer<'_>,
    ask: Question<'_>,
    parameters: &Parameters,
) -> Winback {
    let [candidates, late, early] = [0, 1, 2].map(|horizons| {
        let day = ask.as_of.plus(-horizons * ask.horizon);
        let most = if horizons == 0 { usize::MAX } else { MOST_EXAMPLES };
        Cohort::on(day, most, facts, portrayer, ask.cuts, parameters)
    });
    let trained = train(
        early.examples(facts, ask.horizon, ask.channel),
        late.examples(facts, ask.horizon, ask.channel),
        (early.day, late.day),
        parameters,
    );
    let counted = candidates.people.len();
    match trained {
        Ok((trained, model)) => Winback {
            candidates: counted,
            model: Ok(trained),
            packs: packs(&candidates, &model),
        },
        Err(refusal) => Winback {
            candidates: counted,
            model: Err(refusal),
            packs: Vec::new(),
        },
    }
}

/// A model of `early` and `late` examples, those who had lapsed on the two days, with what a model of the early ones alone
/// showed on the late ones.
fn train(
    early: Examples<'_>,
    late: Examples<'_>,
    (trained_on, tested_on): (Day, Day),
    parameters: &Parameters,
) -> Result<(Trained, Model), Refusal> {
    let needed = usize::from(parameters.winback_positives.get());
    let found = early.positives().min(early.len() - early.positives());
    if found < needed {
        return Err(Refusal::TooFewReturns {
            day: trained_on,
            examples: early.len(),
            found,
            needed,
        });
    }
    if late.are_of_one_kind() {
        return Err(Refusal::Untestable { day: tested_on });
    }
    let tested = Model::fit(&early)?.test(&late);
    // Days without a purchase come first among the features; fewer of them speak for a return.
    let recency: Vec<f64> = late.column(0).iter().map(|days| -days).collect();
    let recency_auc = auc(&recency, late.positive());
    let counted = (early.len(), early.positives());
    let model = Model::fit(&early.and(late))?;
    let trained = Trained {
        trained_on,
        tested_on,
        examples: counted,
        tested,
        recency_auc,
        importance: model.importance(),
    };
    Ok((trained, model))
}

/// Candidates by tenths of their probability, and in each by the reasons that most of it have.
fn packs(candidates: &Cohort, model: &Model) -> Vec<Pack> {
    work::step("packing candidates", DECILES);
    let rows = &candidates.columns;
    let (chances, reasons) = (model.probabilities(rows), model.reasons(rows));
    let mut order: Vec<(f64, usize)> = chances.into_iter().zip(0..).collect();
    order.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut packs = Vec::new();
    for decile in 0..DECILES {
        work::look();
        work::advance(1);
        let (from, to) = (
            decile * order.len() / DECILES,
            (decile + 1) * order.len() / DECILES,
        );
        let mine = order.get(from..to).unwrap_or_default();
        let chosen = leading(mine.iter().filter_map(|(_, row)| reasons.get(*row)));
        let mut by_reason: BTreeMap<usize, Pack> = BTreeMap::new();
        for (chance, row) in mine {
            let (Some(consumer), Some(speaks)) = (candidates.people.get(*row), reasons.get(*row)) else {
                continue;
            };
            // The strongest of the reasons that lead in this tenth.
            let strongest = chosen.iter().copied().max_by(|one, other| {
                let strength = |reason: usize| speaks.get(reason).copied().unwrap_or(f64::MIN);
                strength(*one).total_cmp(&strength(*other)).then(other.cmp(one))
            });
            let reason = strongest.unwrap_or(0);
            let pack = by_reason.entry(reason).or_insert_with(|| Pack {
                decile: decile + 1,
                reason,
                consumers: Vec::new(),
                expected: 0.0,
            });
            pack.consumers.push(*consumer);
            pack.expected += chance;
        }
        let mut mine: Vec<Pack> = by_reason.into_values().collect();
        mine.sort_by_key(|pack| (Reverse(pack.consumers.len()), pack.reason));
        packs.extend(mine);
    }
    packs
}

/// The reasons that are the strongest of most people.
fn leading<'a>(speaks: impl Iterator<Item = &'a Vec<f64>>) -> Vec<usize> {
    let mut people = vec![0usize; FEATURES.len()];
    for strengths in speaks {
        let strongest = (0..).zip(strengths).max_by(|one, other| one.1.total_cmp(other.1));
        if let Some((reason, _)) = strongest
            && let Some(count) = people.get_mut::<usize>(reason)
        {
            *count += 1;
        }
    }
    let mut reasons: Vec<usize> = (0..people.len()).collect();
    reasons.sort_by_key(|reason| (Reverse(people.get(*reason).copied()), *reason));
    reasons.retain(|reason| people.get(*reason).is_some_and(|count| *count > 0));
    reasons.truncate(REASONS_A_DECILE);
    reasons
}
