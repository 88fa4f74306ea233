//! KOC cultivation (methodology §5.2): who among a brand's members can become a key opinion consumer.
//!
//! 1. [`candidates`]: members with a social profile or sharing behaviour, and what the facts say of them
//! 2. [`features()`]: the columns of the world `koc-model`, with every input's percentile rank among the candidates
//! 3. [`score`]: three powers of each candidate, by the built-in [`DefaultKoc`] or any other model
//! 4. [`board`]: the powers ranked once more, classes, quadrants, and the cells that they make
//!
//! A *percentile rank* of a value among n known ones is 100·(below + ½·(ties − 1)) ÷ (n − 1), ties counting itself, and 50
//! where n = 1 (ground rule 7): ties share the mean of their ranks, so the mean rank is always 50.

mod candidates;
mod cells;
mod classes;
mod columns;
mod metrics;
mod model;

use dualwheel_measure::Day;
use dualwheel_plugin_host::{Error, Plugin, scores};
use dualwheel_plugin_sdk::{KocScores, Parameters as ModelParameters};

pub use candidates::{Candidate, Facts, Inputs, People, candidates};
pub use cells::{Association, Board, Cell, board};
pub use classes::{Rating, rate};
pub use columns::features;
pub use metrics::{Koc, METRICS, metrics};
pub use model::DefaultKoc;

pub use crate::kinds::{Class, Quadrant};

use crate::Parameters;

/// The three powers of every candidate as a model has them, in the candidates' order.
///
/// `given` are the brand's parameters of the model; the others have their defaults. The candidates are put to the model
/// in batches of at most 65 536.
///
/// # Errors
/// When the model is of another world, requires what no candidate has, does not have a parameter that is given, does not
/// answer, or answers anything but a number from 0 to 100 for each candidate.
pub fn score(candidates: &[Candidate], model: &Plugin, given: &ModelParameters) -> Result<KocScores, Error> {
    let question = model.question(&features(candidates)?, given)?;
    scores(model.ask_all(&question)?.scores)
}

/// The whole of it on `day`: candidates, their scores by `model`, and the board.
///
/// # Errors
/// As [`score`].
pub fn koc(
    facts: Facts<'_>,
    parameters: &Parameters,
    day: Day,
    model: &Plugin,
    given: &ModelParameters,
) -> Result<Board, Error> {
    let candidates = candidates(facts, parameters, day);
    let scores = score(&candidates, model, given)?;
    Ok(board(facts, parameters, day, candidates, &scores))
}
