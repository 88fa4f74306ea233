//! Expansion (人群放大): who of the candidates is most like the people of an audience, the seed.
//!
//! Source: methodology 2.5. A gradient-boosted tree model ([`boosted`](crate::boosted)) of what is known of people
//! ([`features`]) separates the seed from candidates outside it. It is tested on a fifth of both, which a hash of the key sets
//! apart, and then fitted on all; the candidates are ranked by it. What the added people will do follows from what people who
//! were as alike a while before have done since ([`bands`]). Nothing depends on the order in which facts were read: people
//! are drawn and distinguished by their keys.

pub mod bands;
pub mod features;

use dualwheel_kit::work;
use dualwheel_measure::{
    Day, Window,
    draw::{part_of, sample},
};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::{
    boosted::{Columns, Examples, Model, Unfit},
    facts::Facts,
    parameters::Parameters,
};
use bands::Bands;
use features::Portrayer;

/// Days within which a purchase is expected.
pub const CONVERSION_DAYS: i32 = 30;
/// Most people of the seed that the model learns from.
pub const MOST_POSITIVES: usize = 100_000;
/// Most others for each of the seed's people.
pub const NEGATIVES_A_POSITIVE: usize = 3;
/// Most others.
pub const MOST_NEGATIVES: usize = 300_000;
/// One person in so many is set apart for the test.
const TESTED: u64 = 5;
/// Makes the hash that sets people apart another one than that by which they are drawn.
const APART: u64 = 1;
/// People whose features are held at a time, by each core.
const CHUNK: usize = 16_384;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Day up to which facts count.
    pub as_of: Day,
    /// People to add.
    pub size: usize,
    /// People of the audience.
    pub seed: &'a RoaringBitmap,
    /// Whom to choose from; everyone of whom the brand has a fact up to the as-of day where `None`.
    pub candidates: Option<&'a RoaringBitmap>,
}

/// Why nobody is added.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The seed is too small to learn from.
    #[error(
        "something is known of {found} of the {people} people of the audience; the model needs {needed}: widen the audience"
    )]
    TooFewAlike {
        /// People of the seed.
        people: u64,
        /// Those of whom something is known.
        found: usize,
        /// Fewest.
        needed: usize,
    },
    /// There are too few to separate the seed from.
    #[error("{found} candidates are outside the audience; the model needs {needed}: widen the candidates")]
    TooFewOthers {
        /// Candidates outside the seed.
        found: usize,
        /// Fewest.
        needed: usize,
    },
    /// One of the two parts has people of one kind only.
    #[error(
        "of {alike} people of the audience and {others} others, a fifth that is set apart has only the one kind or leaves \
         only the one: the model cannot be tested; widen both"
    )]
    Untestable {
        /// People of the seed.
        alike: usize,
        /// Others.
        others: usize,
    },
    /// Nobody did anything since.
    #[error(
        "no candidate was known by {day}: what the added people will do cannot be foreseen; widen the candidates or take \
         a later as-of day"
    )]
    Unforeseeable {
        /// Day on which people should have been known.
        day: Day,
    },
    /// The library could not fit the trees.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl Refusal {
    /// The same without numbers of people.
    #[must_use]
    pub fn without_counts(&self) -> String {
        match self {
            Self::TooFewAlike { needed, .. } => format!(
                "something is known of too few people of the audience; the model needs {needed}: widen the audience"
            ),
            Self::TooFewOthers { needed, .. } => format!(
                "too few candidates are outside the audience; the model needs {needed}: widen the candidates"
            ),
            Self::Untestable { .. } => {
                "a fifth of the people that is set apart has only the audience's or only others, or \
                                        leaves only the one: the model cannot be tested; widen both"
                    .to_owned()
            }
            Self::Unforeseeable { .. } | Self::Unfit(_) => self.to_string(),
        }
    }
}

/// The people most like a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// Candidates outside the seed.
    pub candidates: usize,
    /// Those who are added, the most alike first, equals by key.
    pub added: Vec<u32>,
    /// Likeness of the last of them: the probability to be of the seed as the model sees it, which was shown the seed more
    /// often than it is met among people.
    pub least_likeness: f64,
    /// Share of the added people who will buy within [`CONVERSION_DAYS`], as expected.
    pub expected_conversion: f64,
    /// Share of the candidates known [`CONVERSION_DAYS`] before who have bought since.
    pub base_conversion: f64,
    /// Area under the ROC curve on people whom the model had not seen.
    pub auc: f64,
    /// Share of each feature in the total gain, in the order of [`FEATURES`](features::FEATURES).
    pub importance: Vec<f64>,
}

/// Finds the candidates who are most like the seed.
///
/// # Errors
/// When there are too few people to learn from, or nothing to foresee conversion by.
pub fn expand(
    portrayer: &Portrayer<'_>,
    ask: Ask<'_>,
    parameters: &Parameters,
) -> Result<Expansion, Refusal> {
    let facts = portrayer.facts;
    let candidates = match ask.candidates {
        Some(candidates) => candidates - ask.seed,
        None => (0..facts.consumers())
            .inspect(|_| work::look())
            .filter(|one| !ask.seed.contains(*one) && facts.has_by(*one, ask.as_of))
            .collect(),
    };
    let (model, auc) = train(portrayer, ask, &candidates, parameters)?;
    let people: Vec<u32> = candidates.iter().collect();
    let scores = likeness(&model, portrayer, &people, ask.as_of);
    let ranked = most_alike(facts, scores.into_iter().zip(people).collect(), ask.size);
    let (bands, base_conversion) = conversion(&model, portrayer, &candidates, ask.as_of)?;
    let rates: f64 = ranked.iter().map(|(score, _)| bands.rate(*score)).sum();
    Ok(Expansion {
        candidates: candidates.len() as usize,
        least_likeness: ranked.last().map_or(0.0, |(score, _)| *score),
        expected_conversion: rates / ranked.len() as f64,
        added: ranked.into_iter().map(|(_, one)| one).collect(),
        base_conversion,
        auc,
        importance: model.importance(),
    })
}

/// A model of all that is drawn, and the AUC that a model of four fifths showed on the other.
fn train(
    portrayer: &Portrayer<'_>,
    ask: Ask<'_>,
    candidates: &RoaringBitmap,
    parameters: &Parameters,
) -> Result<(Model, f64), Refusal> {
    let needed = usize::from(parameters.expansion_positives.get());
    let facts = portrayer.facts;
    // Whoever could not be a candidate would teach the model only that.
    let profiled = |one: u32| ask.candidates.is_some() && portrayer.profiles.get(one).is_some();
    let known = ask.seed.iter();
    let known: RoaringBitmap = known
        .filter(|one| facts.has_by(*one, ask.as_of) || profiled(*one))
        .collect();
    let keys = facts.orders.names.consumers.view();
    let alike = sample(&known, MOST_POSITIVES, |one| keys.key(one));
    if alike.len() < needed {
        return Err(Refusal::TooFewAlike {
            people: ask.seed.len(),
            found: alike.len(),
            needed,
        });
    }
    let most = MOST_NEGATIVES.min(NEGATIVES_A_POSITIVE * alike.len());
    let others = sample(candidates, most, |one| keys.key(one));
    if others.len() < needed {
        return Err(Refusal::TooFewOthers {
            found: others.len(),
            needed,
        });
    }
    let counted = (alike.len(), others.len());
    let drawn = alike.into_iter().map(|one| (one, true));
    let (tested, trained): (Vec<_>, Vec<_>) = drawn
        .chain(others.into_iter().map(|one| (one, false)))
        .partition(|(one, _)| is_set_apart(keys.key(*one)));
    drop(keys);
    let portray = |people: &[(u32, bool)]| -> (Columns, Vec<bool>) {
        let columns = portrayer.columns(people.iter().map(|(one, _)| *one), ask.as_of);
        (columns, people.iter().map(|(_, is_alike)| *is_alike).collect())
    };
    let ((tested, tested_kinds), (trained, trained_kinds)) = (portray(&tested), portray(&trained));
    let tested = Examples::new(&tested, tested_kinds);
    let trained = Examples::new(&trained, trained_kinds);
    if tested.are_of_one_kind() || trained.are_of_one_kind() {
        let (alike, others) = counted;
        return Err(Refusal::Untestable { alike, others });
    }
    let auc = Model::fit(&trained)?.test(&tested).auc;
    Ok((Model::fit(&trained.and(tested))?, auc))
}

/// Whether the person of a key is one of the fifth that the model is tested on.
#[must_use]
pub fn is_set_apart(key: &str) -> bool {
    part_of(key, TESTED, APART) == 0
}

/// How alike each of `people` is by what is known as of `day`.
fn likeness(model: &Model, portrayer: &Portrayer<'_>, people: &[u32], day: Day) -> Vec<f64> {
    work::step("scoring candidates", people.len());
    let score = |some: &[u32]| {
        let scores = model.probabilities(&portrayer.columns(some.iter().copied(), day));
        work::advance(some.len());
        scores
    };
    let scores: Vec<Vec<f64>> = people.par_chunks(CHUNK).map(score).collect();
    scores.concat()
}

/// The first `size` by likeness, equals by key.
fn most_alike(facts: &Facts, mut scored: Vec<(f64, u32)>, size: usize) -> Vec<(f64, u32)> {
    let keys = facts.orders.names.consumers.view();
    let order = |one: &(f64, u32), other: &(f64, u32)| {
        let by_key = || keys.key(one.1).cmp(keys.key(other.1));
        other.0.total_cmp(&one.0).then_with(by_key)
    };
    if size < scored.len() {
        scored.select_nth_unstable_by(size, order);
        scored.truncate(size);
    }
    scored.sort_unstable_by(order);
    scored
}

/// What those of the candidates who were known [`CONVERSION_DAYS`] before the as-of day have done since, by how alike they
/// were then, and all together.
fn conversion(
    model: &Model,
    portrayer: &Portrayer<'_>,
    candidates: &RoaringBitmap,
    as_of: Day,
) -> Result<(Bands, f64), Refusal> {
    let facts = portrayer.facts;
    let since = Window::ending(as_of, CONVERSION_DAYS);
    let before = since.first.plus(-1);
    let people: Vec<u32> = candidates
        .iter()
        .inspect(|_| work::look())
        .filter(|one| facts.has_by(*one, before))
        .collect();
    let scores = likeness(model, portrayer, &people, before);
    let bought = people.iter().map(|one| facts.has_bought(*one, since));
    let scored: Vec<(f64, bool)> = scores.into_iter().zip(bought).collect();
    let bands = Bands::new(&scored).ok_or(Refusal::Unforeseeable { day: before })?;
    let bought = scored.iter().filter(|(_, bought)| *bought).count();
    Ok((bands, bought as f64 / scored.len() as f64))
}
