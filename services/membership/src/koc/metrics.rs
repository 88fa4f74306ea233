//! The board in numbers.

use dualwheel_measure::{Absence, Ask, Extent, Metric, MetricGroup, Need, Scope, Window};
use dualwheel_plugin_host::Plugin;
use dualwheel_plugin_sdk::Parameters as ModelParameters;

use super::{Board, Class, Rating, candidates::People, rate, score};
use crate::{KocFrames, Parameters};

/// The metrics of the group, in the order of the definitions.
pub const METRICS: [&str; 4] = [
    "koc.candidates",
    "koc.standard_koc",
    "koc.sharer",
    "koc.quality_buyer",
];

/// KOC in numbers as a metric group, by the scores of `model`, on the scope's as-of day. Neither window nor category
/// restricts them.
///
/// Which model is active for a brand, and what stands in for one that fails, is the service's to say.
#[derive(Clone, Debug)]
pub struct Koc {
    /// The model.
    pub model: Plugin,
}

impl MetricGroup for Koc {
    type Parameters = Parameters;
    type Part = KocFrames;
    type Whole = ();
    type Partial = People;

    fn name(&self) -> &'static str {
        "koc"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, _: &Ask<'_, Parameters>) -> Vec<Need> {
        vec![
            Need::of("behaviors", &["kind"]),
            Need::of("order_lines", &["paid_amount", "refund_amount"]),
            Need::of("members", &["role", "joined_day", "left_day"]),
            Need::of(
                "social_profiles",
                &[
                    "followers",
                    "follower_match",
                    "interactions_30d",
                    "spread_30d",
                    "shares_30d",
                    "attributed_gmv_30d",
                    "own_gmv_365d",
                    "follower_spending_power",
                ],
            ),
        ]
    }

    fn partial(&self, frames: &KocFrames, (): &(), _: Extent, ask: &Ask<'_, Parameters>) -> People {
        People::of(frames.facts(), ask.parameters, ask.scope.as_of)
    }

    fn merge(&self, one: People, other: People) -> People {
        one.merge(other)
    }

    fn finish(&self, people: People, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = ask.scope.over(Window::ending(ask.scope.as_of, 1));
        let candidates = people.candidates();
        match score(&candidates, &self.model, &ModelParameters::new()) {
            Ok(scores) => counts(&rate(&candidates, &scores, ask.parameters), &scope),
            Err(error) => METRICS
                .iter()
                .map(|id| scope.absent(id, Absence::Undetermined, &error.to_string()))
                .collect(),
        }
    }
}

/// How many candidates there are, and how many of each class.
#[must_use]
pub fn metrics(board: &Board, scope: &Scope<'_>) -> Vec<Metric> {
    counts(&board.ratings, scope)
}

fn counts(ratings: &[Rating], scope: &Scope<'_>) -> Vec<Metric> {
    let people = |class: Class| ratings.iter().filter(|rating| rating.class == class).count();
    let all = std::iter::once(ratings.len());
    let classes = Class::CULTIVATED.into_iter().map(people);
    let counted = METRICS.into_iter().zip(all.chain(classes));
    counted
        .map(|(id, people)| scope.count(id, people as i64))
        .collect()
}
