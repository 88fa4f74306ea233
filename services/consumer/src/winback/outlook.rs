//! How many lapsed buyers will come back within 90 and within 180 days, in any channel and in each.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{Categories, NONE, Orders};
use dualwheel_measure::Day;
use rayon::prelude::*;

use super::{Cohort, MOST_EXAMPLES, Refusal, Trained, features::Portrayer, train};
use crate::{facts::Facts, parameters::Parameters};

/// Most channels that are looked at one by one.
pub const MOST_CHANNELS: usize = 20;

/// How many lapsed buyers will come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Days to come back in.
    pub horizon: i32,
    /// Channel to come back in, a word of the facts' names; any where `None`.
    pub channel: Option<u32>,
    /// The model, or why there is none.
    pub model: Result<Trained, Refusal>,
    /// How many candidates will come back, the sum of their probabilities; `None` without a model.
    pub expected: Option<f64>,
}

/// The outlooks of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlooks {
    /// Lapsed buyers.
    pub candidates: usize,
    /// 90 days before 180; of each any channel first, then those of [`channels`].
    pub outlooks: Vec<Outlook>,
}

/// Asks the same as [`measure`](super::measure) for both horizons, any channel and each of [`channels`], and portrays the
/// people of every day once for all of them.
#[must_use]
pub fn outlooks(
    facts: &Facts,
    portrayer: &Portrayer<'_>,
    as_of: Day,
    cuts: &Categories,
    parameters: &Parameters,
) -> Outlooks {
    // One and two horizons back from the as-of day: 180 days are two of the shorter and one of the longer.
    let [now, quarter, half, year] = [0, 90, 180, 360].map(|back| {
        let most = if back == 0 { usize::MAX } else { MOST_EXAMPLES };
        Cohort::on(as_of.plus(-back), most, facts, portrayer, cuts, parameters)
    });
    let channels = channels(&facts.orders, as_of);
    let anywhere = || std::iter::once(None).chain(channels.iter().copied().map(Some));
    let asked: Vec<(i32, Option<u32>)> = [90, 180]
        .into_iter()
        .flat_map(|horizon| anywhere().map(move |channel| (horizon, channel)))
        .collect();
    let outlooks = asked.into_par_iter().map(|(horizon, channel)| {
        let (early, late) = if horizon == 90 {
            (&half, &quarter)
        } else {
            (&year, &half)
        };
        let trained = train(
            early.examples(facts, horizon, channel),
            late.examples(facts, horizon, channel),
            (early.day, late.day),
            parameters,
        );
        let (model, expected) = match trained {
            Ok((trained, model)) => (Ok(trained), Some(model.probabilities(&now.columns).iter().sum())),
            Err(refusal) => (Err(refusal), None),
        };
        Outlook {
            horizon,
            channel,
            model,
            expected,
        }
    });
    Outlooks {
        candidates: now.people.len(),
        outlooks: outlooks.collect(),
    }
}

/// The channels in which somebody bought up to `until`, by key; of more than [`MOST_CHANNELS`] those with most purchase
/// lines, of equal ones the first by key.
#[must_use]
pub fn channels(orders: &Orders, until: Day) -> Vec<u32> {
    let mut lines: BTreeMap<u32, usize> = BTreeMap::new();
    let bought = orders
        .lines
        .iter()
        .filter(|line| line.is_purchase() && line.day <= until);
    for line in bought.filter(|line| line.channel != NONE) {
        *lines.entry(line.channel).or_default() += 1;
    }
    let words = orders.names.words.view();
    let mut channels: Vec<(u32, usize)> = lines.into_iter().collect();
    channels.sort_unstable_by(|(one, its), (other, lines)| {
        lines
            .cmp(its)
            .then_with(|| words.key(*one).cmp(words.key(*other)))
    });
    channels.truncate(MOST_CHANNELS);
    let mut channels: Vec<u32> = channels.into_iter().map(|(channel, _)| channel).collect();
    channels.sort_unstable_by(|one, other| words.key(*one).cmp(words.key(*other)));
    channels
}
