//! Moves (AIPL 汇率): what the campaigns of a window spent per person who moved from one stage to another.
//!
//! Source: methodology 2.2 and 2.6. Stages are judged as the flow does: on the day before the window and on its last
//! day. A campaign's spend in the window is its spend in proportion to those of its days that lie in it. One whose end
//! is not known still runs: its days are those up to the window's last, so that all of its spend is spread over these.
//! Money is rounded to the ten-thousandth, halves away from zero.

use ahash::AHashMap;
use dualwheel_lake::frames::{CampaignRow, Campaigns, Kind, NONE};
use dualwheel_measure::{Day, Money, Window};

use crate::{
    facts::{Facts, fold},
    matrix::Matrix,
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
};

/// People who moved from one stage to another, and what that has cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveCost {
    /// Depth on the day before the window, by place in [`Moves::codes`].
    pub from: usize,
    /// Depth on the last day, another one.
    pub to: usize,
    /// People who moved, at least one.
    pub people: i64,
    /// Spend per person in ten-thousandths; `None` where no spend is known.
    pub spend_per_person: Option<Money>,
}

/// A campaign with those who moved among the people whom it reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignMoves {
    /// Key.
    pub campaign: String,
    /// Spend in the window in ten-thousandths; `None` when not supplied.
    pub spend: Option<Money>,
    /// People whom it reached.
    pub reached: i64,
    /// Every cell in which some of them moved, by depth before and after.
    pub cells: Vec<MoveCost>,
}

/// Who moved in a window, and the campaigns that ran in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moves {
    /// Codes of the states: `OUT`, then shallow to deep.
    pub codes: Vec<String>,
    /// Every cell in which somebody moved, with the spend of all campaigns, by depth before and after.
    pub cells: Vec<MoveCost>,
    /// The campaigns, by key.
    pub campaigns: Vec<CampaignMoves>,
}

/// The moves of AIPL over `window`, and what they cost.
#[must_use]
pub fn measure(facts: &Facts, campaigns: &Campaigns, window: Window, parameters: &Parameters) -> Moves {
    let model = Model::new(&parameters.aipl, parameters, false);
    let running: Vec<Running<'_>> = campaigns
        .rows
        .iter()
        .filter_map(|row| Running::new(row, window))
        .collect();
    let passed = pass(facts, &model, window, &running);
    let spend = running
        .iter()
        .filter_map(|one| one.spend)
        .reduce(|sum, one| sum + one);
    let words = campaigns.names.words.view();
    let told = running.iter().zip(&passed.campaigns);
    Moves {
        cells: cells(&passed.all, spend),
        campaigns: told
            .map(|(one, reached)| CampaignMoves {
                campaign: words.key(one.row.campaign).to_owned(),
                spend: one.spend,
                reached: reached.people,
                cells: cells(&reached.moves, one.spend),
            })
            .collect(),
        codes: passed.all.codes,
    }
}

/// The cells off the diagonal with people in them.
fn cells(matrix: &Matrix, spend: Option<Money>) -> Vec<MoveCost> {
    let moved = matrix
        .iter()
        .filter(|(from, to, people)| from != to && *people > 0);
    moved
        .map(|(from, to, people)| MoveCost {
            from,
            to,
            people,
            spend_per_person: spend.map(|spend| divided(spend, people.into())),
        })
        .collect()
}

/// `amount` ÷ `parts`, halves away from zero.
fn divided(amount: Money, parts: Money) -> Money {
    let parts = parts.max(1);
    (2 * amount.abs() + parts) / (2 * parts) * amount.signum()
}

/// A campaign that has days in the window.
struct Running<'a> {
    row: &'a CampaignRow,
    /// Its days in the window.
    days: Window,
    /// Its spend in the window.
    spend: Option<Money>,
}

impl<'a> Running<'a> {
    fn new(row: &'a CampaignRow, window: Window) -> Option<Self> {
        let all = row.days(window.last)?;
        let days = Window::new(all.first.max(window.first), all.last.min(window.last))?;
        let spend = row
            .spend
            .map(|spend| divided(Money::from(spend) * Money::from(days.days()), all.days().into()));
        Some(Self { row, days, spend })
    }

    /// Whether a behaviour in its channel, or with its product where it names no channel, meets the rest that it asks.
    fn meets(&self, day: Day, product: u32) -> bool {
        let products = &self.row.products;
        self.days.contains(day) && (products.is_empty() || products.binary_search(&product).is_ok())
    }
}

/// Finds whom campaigns reach.
struct Reach<'a> {
    facts: &'a Facts,
    running: &'a [Running<'a>],
    /// Campaigns that name a channel, by it.
    by_channel: AHashMap<u32, Vec<usize>>,
    /// Campaigns that name products alone, by each of them.
    by_product: AHashMap<u32, Vec<usize>>,
    counts_purchases: bool,
}

impl<'a> Reach<'a> {
    fn new(facts: &'a Facts, running: &'a [Running<'a>]) -> Self {
        let mut by_channel: AHashMap<u32, Vec<usize>> = AHashMap::new();
        let mut by_product: AHashMap<u32, Vec<usize>> = AHashMap::new();
        for (at, one) in running.iter().enumerate() {
            let (named, keys) = if one.row.channel == NONE {
                (&mut by_product, one.row.products.as_slice())
            } else {
                (&mut by_channel, std::slice::from_ref(&one.row.channel))
            };
            for key in keys {
                named.entry(*key).or_default().push(at);
            }
        }
        Self {
            facts,
            running,
            by_channel,
            by_product,
            counts_purchases: facts.purchases_are_behaviors(),
        }
    }

    /// The campaigns that reached a consumer, by place, each once.
    fn of(&self, consumer: u32, reached: &mut Vec<usize>) {
        reached.clear();
        let frame = &self.facts.behaviors;
        let rows = frame.groups.rows(consumer);
        let columns = (frame.kind.get(rows.clone()), frame.day.get(rows.clone()));
        let more = (frame.product.get(rows.clone()), frame.channel.get(rows));
        let ((Some(kinds), Some(days)), (Some(products), Some(channels))) = (columns, more) else {
            return;
        };
        for ((kind, day), (product, channel)) in kinds.iter().zip(days).zip(products.iter().zip(channels)) {
            if *kind == Kind::Purchase && !self.counts_purchases {
                continue;
            }
            let named = [self.by_channel.get(channel), self.by_product.get(product)];
            for at in named.into_iter().flatten().flatten() {
                if self.running.get(*at).is_some_and(|one| one.meets(*day, *product)) {
                    reached.push(*at);
                }
            }
        }
        reached.sort_unstable();
        reached.dedup();
    }
}

/// The people whom a campaign reached.
struct Reached {
    people: i64,
    moves: Matrix,
}

/// What one pass over the consumers counts.
struct Pass {
    all: Matrix,
    campaigns: Vec<Reached>,
    timeline: Timeline,
    /// Campaigns of the consumer in hand.
    reached: Vec<usize>,
}

impl Pass {
    fn new(model: &Model, campaigns: usize) -> Self {
        let nobody = || Reached {
            people: 0,
            moves: Matrix::new(model),
        };
        Self {
            all: Matrix::new(model),
            campaigns: std::iter::repeat_with(nobody).take(campaigns).collect(),
            timeline: Timeline::new(model),
            reached: Vec::new(),
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        self.all.merge(&other.all);
        for (one, more) in self.campaigns.iter_mut().zip(&other.campaigns) {
            one.people += more.people;
            one.moves.merge(&more.moves);
        }
        self
    }
}

/// Judges every consumer before and after, once for all campaigns.
fn pass(facts: &Facts, model: &Model, window: Window, running: &[Running<'_>]) -> Pass {
    let (before, after) = (window.first.plus(-1), window.last);
    let asked = Window {
        first: before,
        last: after,
    };
    let people = People::new(facts, model, asked, None);
    let reach = Reach::new(facts, running);
    fold(
        people.consumers(),
        || Pass::new(model, running.len()),
        |pass, consumer| {
            people.read(consumer, &mut pass.timeline);
            let from = model.depth(&pass.timeline, before);
            let to = model.depth(&pass.timeline, after);
            pass.all.add(from, to);
            reach.of(consumer, &mut pass.reached);
            for at in &pass.reached {
                if let Some(reached) = pass.campaigns.get_mut(*at) {
                    reached.people += 1;
                    reached.moves.add(from, to);
                }
            }
        },
        |one, other| one.merge(&other),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let of = |amount, parts| divided(amount, parts);
        assert_eq!((of(5, 2), of(-5, 2), of(4, 3), of(5, 3)), (3, -3, 1, 2));
        assert_eq!((of(0, 7), of(7, 7), of(1, 3)), (0, 1, 0));
    }
}
