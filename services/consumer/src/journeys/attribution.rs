//! Seven ways to credit outcomes to the points of their paths. Each credits people and money to the last unit.
//!
//! Source: methodology 2.6. Money is split in ten-thousandths and people in [`PERSON`] parts, by largest remainder, so that
//! the credits of all points sum to the total exactly.

use std::collections::BTreeMap;

use dualwheel_kit::work;
use dualwheel_measure::Money;

use super::{Journeys, Path};

/// Parts of one person.
pub const PERSON: i128 = 1_000_000_000;
/// Days in which the weight of a touch halves.
const HALF_LIFE: f64 = 7.0;
/// Weights of decay are whole numbers of this fineness.
const FINE: f64 = 4_294_967_296.0;

/// Most states of the Markov chain: its price grows with their third power.
const MOST_STATES: usize = 256;

/// A way to credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// All to the first touch.
    First,
    /// All to the last touch.
    Last,
    /// The same to every touch.
    Linear,
    /// 40 % to the first, 40 % to the last, 20 % to those between; halves for two touches.
    Position,
    /// Halving with every seven days to the outcome.
    Decay,
    /// By the removal effect in a first-order Markov chain of all paths, those without an outcome included.
    Markov,
    /// The same to every distinct point: the Shapley value of the game that a set of points wins when it has all of the
    /// path's.
    Shapley,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 7] = [
        Self::First,
        Self::Last,
        Self::Linear,
        Self::Position,
        Self::Decay,
        Self::Markov,
        Self::Shapley,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Linear => "linear",
            Self::Position => "position",
            Self::Decay => "time_decay",
            Self::Markov => "markov",
            Self::Shapley => "shapley",
        }
    }
}

/// What a point is credited with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// People, in [`PERSON`] parts. Everyone counts once, evenly over their outcomes.
    pub people: i128,
    /// Net GMV.
    pub money: Money,
}

/// The credits of all points, in their order.
#[must_use]
pub fn credits(journeys: &Journeys, model: Model) -> Vec<Credit> {
    credits_within(journeys, model, MOST_STATES)
}

/// The same with at most so many states of the Markov chain.
#[must_use]
pub fn credits_within(journeys: &Journeys, model: Model, most: usize) -> Vec<Credit> {
    let reached = reached(journeys);
    let mut credits = vec![Credit::default(); journeys.points.len()];
    if model == Model::Markov {
        let total = reached.iter().fold(Credit::default(), |sum, (_, one)| Credit {
            people: sum.people + one.people,
            money: sum.money + one.money,
        });
        let weights = removal_effects(journeys, &States::new(journeys, most));
        credit(
            &mut credits,
            &(0..journeys.points.len()).collect::<Vec<_>>(),
            &weights,
            total,
        );
        return credits;
    }
    for (path, total) in reached {
        work::look();
        let (points, weights) = weights(path, model);
        credit(&mut credits, &points, &weights, total);
    }
    credits
}

/// Paths to an outcome, each with what there is to credit.
fn reached(journeys: &Journeys) -> Vec<(&Path, Credit)> {
    let mut paths: BTreeMap<u32, Vec<&Path>> = BTreeMap::new();
    for path in journeys.paths.iter().filter(|path| path.outcome.is_some()) {
        paths.entry(path.consumer).or_default().push(path);
    }
    let mut reached = Vec::new();
    for own in paths.into_values() {
        let people = split(PERSON, &vec![1; own.len()]);
        for (path, people) in own.into_iter().zip(people) {
            let money = path.outcome.unwrap_or_default();
            reached.push((path, Credit { people, money }));
        }
    }
    reached
}

/// The points of a path that are credited, and by which weights.
fn weights(path: &Path, model: Model) -> (Vec<usize>, Vec<u64>) {
    let (n, points) = (path.points.len(), &path.points);
    let weights = match model {
        Model::First => (0..n).map(|at| u64::from(at == 0)).collect(),
        Model::Last => (0..n).map(|at| u64::from(at + 1 == n)).collect(),
        Model::Position if n > 2 => {
            let end = 2 * (n as u64 - 2);
            (0..n)
                .map(|at| if at == 0 || at + 1 == n { end } else { 1 })
                .collect()
        }
        Model::Decay if !path.ages.is_empty() => path
            .ages
            .iter()
            .map(|age| (FINE * (-f64::from(*age) / HALF_LIFE).exp2()).round() as u64)
            .collect(),
        Model::Shapley => {
            let mut distinct = points.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let weights = vec![1; distinct.len()];
            return (distinct, weights);
        }
        Model::Linear | Model::Position | Model::Decay | Model::Markov => vec![1; n],
    };
    (points.clone(), weights)
}

fn credit(credits: &mut [Credit], points: &[usize], weights: &[u64], total: Credit) {
    let (people, money) = (split(total.people, weights), split(total.money, weights));
    for ((point, people), money) in points.iter().zip(people).zip(money) {
        if let Some(credit) = credits.get_mut(*point) {
            credit.people += people;
            credit.money += money;
        }
    }
}

/// `amount` by weights, in whole parts that sum to it: each has the part rounded down, and what is left goes one by one
/// to the largest remainders, the first of equal ones.
fn split(amount: i128, weights: &[u64]) -> Vec<i128> {
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if whole == 0 {
        return vec![0; weights.len()];
    }
    // Amounts are below 2^63 and weights below 2^40: no product overflows.
    let exact: Vec<i128> = weights
        .iter()
        .map(|weight| amount * i128::from(*weight))
        .collect();
    let mut parts: Vec<i128> = exact.iter().map(|exact| exact.div_euclid(whole)).collect();
    let left = amount - parts.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact.get(*at).map(|exact| exact.rem_euclid(whole))));
    for at in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        if let Some(part) = parts.get_mut(at) {
            *part += 1;
        }
    }
    parts
}

/// The states of the Markov chain: the most touched points each, and all others together as [`OTHER`](super::OTHER).
struct States {
    /// The state of every point.
    of: Vec<usize>,
    /// The point that has a state's credit.
    points: Vec<usize>,
}

impl States {
    fn new(journeys: &Journeys, most: usize) -> Self {
        let n = journeys.points.len();
        let mut touches = vec![0_u64; n];
        for point in journeys.paths.iter().flat_map(|path| &path.points) {
            if let Some(touches) = touches.get_mut(*point) {
                *touches += 1;
            }
        }
        let mut points: Vec<(u64, usize)> = touches
            .into_iter()
            .zip(0..)
            .filter(|(touched, _)| *touched > 0)
            .collect();
        let other = journeys.points.iter().position(|name| name == super::OTHER);
        if let Some(other) = other
            && points.len() > most
        {
            // Equally touched ones in the order of their names.
            points.sort_by_key(|(touched, point)| (*point == other, std::cmp::Reverse(*touched), *point));
            points.truncate(most.saturating_sub(1));
            points.push((0, other));
        }
        let mut points: Vec<usize> = points.into_iter().map(|(_, point)| point).collect();
        points.sort_unstable();
        let state = |point: usize| points.binary_search(&point).ok();
        let rest = other.and_then(state).unwrap_or_default();
        Self {
            of: (0..n).map(|point| state(point).unwrap_or(rest)).collect(),
            points,
        }
    }

    fn of(&self, point: usize) -> usize {
        self.of.get(point).copied().unwrap_or_default()
    }
}

/// The removal effect of every point, in whole numbers of [`FINE`]; all on [`DIRECT`](super::DIRECT) where none has any.
///
/// A chain goes from the start over the states of a path to an outcome, or to none. Without the state p, who would come to
/// p comes to no outcome. The share of outcomes lost is P(start hits p) · P(outcome from p) ÷ P(outcome from start), with
/// P(start hits p) = N(start, p) ÷ N(p, p) and N = (I − Q)⁻¹ of the steps Q between the states.
fn removal_effects(journeys: &Journeys, states: &States) -> Vec<u64> {
    let n = states.points.len();
    // The start is behind the states; beside the steps stand those to an outcome.
    let (start, size) = (n, n + 1);
    let mut steps = vec![vec![0.0; size]; size];
    let (mut ends, mut leaves) = (vec![0.0; size], vec![0.0; size]);
    let add = |values: &mut Vec<f64>, at: usize| {
        if let Some(value) = values.get_mut(at) {
            *value += 1.0;
        }
    };
    for path in &journeys.paths {
        work::look();
        let mut from = start;
        for state in path.points.iter().map(|point| states.of(*point)) {
            if let Some(row) = steps.get_mut(from) {
                add(row, state);
            }
            add(&mut leaves, from);
            from = state;
        }
        add(&mut leaves, from);
        if path.outcome.is_some() {
            add(&mut ends, from);
        }
    }
    for ((row, end), leaves) in steps.iter_mut().zip(&mut ends).zip(&leaves) {
        let by = if *leaves > 0.0 { *leaves } else { 1.0 };
        row.iter_mut().for_each(|step| *step /= by);
        *end /= by;
    }
    let visits = inverse_of_rest(&steps);
    let at = |row: usize, column: usize| {
        let row = visits.get(row);
        row.and_then(|row| row.get(column)).copied().unwrap_or(0.0)
    };
    let outcome = |from: usize| -> f64 { ends.iter().enumerate().map(|(to, end)| at(from, to) * end).sum() };
    let all = outcome(start);
    let mut effects = vec![0; journeys.points.len()];
    for (state, point) in states.points.iter().enumerate() {
        let own = at(state, state);
        if let Some(slot) = effects.get_mut(*point)
            && all > 0.0
            && own > 0.0
        {
            let effect = at(start, state) / own * outcome(state) / all;
            *slot = (FINE * effect.clamp(0.0, 1.0)).round() as u64;
        }
    }
    if effects.iter().all(|effect| *effect == 0) {
        let direct = journeys.points.iter().position(|name| name == super::DIRECT);
        if let Some(slot) = direct.and_then(|at| effects.get_mut(at)) {
            *slot = 1;
        }
    }
    effects
}

/// (I − Q)⁻¹ by Gauss and Jordan. Every row of Q leaves some chance to end, so that the pivots on the diagonal are positive
/// and none needs to be searched for.
fn inverse_of_rest(steps: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = steps.len();
    let unit = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
    let mut rows: Vec<Vec<f64>> = steps
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let left = row
                .iter()
                .enumerate()
                .map(|(column, step)| unit(at, column) - step);
            left.chain((0..n).map(|column| unit(at, column))).collect()
        })
        .collect();
    work::step("removing points", n);
    for at in 0..n {
        work::look();
        work::advance(1);
        let Some(mut pivot) = rows.get(at).cloned() else {
            continue;
        };
        let by = pivot.get(at).copied().unwrap_or(1.0);
        pivot.iter_mut().for_each(|value| *value /= by);
        for (other, row) in rows.iter_mut().enumerate() {
            if other == at {
                row.clone_from(&pivot);
                continue;
            }
            let factor = row.get(at).copied().unwrap_or(0.0);
            if factor != 0.0 {
                for (value, own) in row.iter_mut().zip(&pivot) {
                    *value -= factor * own;
                }
            }
        }
    }
    rows.into_iter()
        .map(|row| row.into_iter().skip(n).collect())
        .collect()
}
