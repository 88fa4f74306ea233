//! Our numbers against the peer's.

use std::collections::BTreeMap;

use dualwheel_proto::types::{Metric, Quantity, quantity::Amount};
use serde::Deserialize;

/// Largest relative difference of two doubles that are the same number.
const TOLERANCE: f64 = 1e-9;
/// Largest difference of two amounts of which one is rounded to the cent.
const CENTS: f64 = 0.02;

/// One metric as the peer computes it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Theirs {
    value: Option<f64>,
    numerator: Option<f64>,
    denominator: Option<f64>,
}

/// What differs, in words; empty when both have the same numbers.
pub(crate) fn differences(ours: &[Metric], theirs: &BTreeMap<String, Theirs>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, peer) in theirs {
        let Some(metric) = ours
            .iter()
            .find(|metric| metric.id == *id && metric.segments.is_empty())
        else {
            found.push(format!("{id}: we have none, the peer has {:?}", peer.value));
            continue;
        };
        let slack = if metric.unit == "money" { CENTS } else { 0.0 };
        let sides = [
            ("value", metric.value, peer.value),
            ("numerator", amount(metric.numerator.as_ref()), peer.numerator),
            (
                "denominator",
                amount(metric.denominator.as_ref()),
                peer.denominator,
            ),
        ];
        for (side, mine, peer) in sides {
            // The peer gives no numerator where the value itself is counted.
            if (side == "value" || peer.is_some()) && !same(mine, peer, slack) {
                found.push(format!("{id}: our {side} is {mine:?}, the peer's {peer:?}"));
            }
        }
    }
    found.extend(
        ours.iter()
            .filter(|metric| !theirs.contains_key(&metric.id))
            .map(|metric| format!("{}: we have {:?}, DuckDB has none", metric.id, metric.value)),
    );
    found
}

fn same(mine: Option<f64>, theirs: Option<f64>, slack: f64) -> bool {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => {
            (mine - theirs).abs() <= slack + TOLERANCE * mine.abs().max(theirs.abs()).max(1.0)
        }
        (None, None) => true,
        _ => false,
    }
}

fn amount(quantity: Option<&Quantity>) -> Option<f64> {
    match quantity?.amount.as_ref()? {
        Amount::Count(count) => Some(*count as f64),
        Amount::Money(money) => Some(money.units as f64 + f64::from(money.nanos) / 1e9),
        Amount::Real(real) => Some(*real),
    }
}
