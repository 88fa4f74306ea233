//! The weakest metrics, and the scenes of the dual-wheel map that serve them.
//!
//! Source: methodology §6.3, steps one and two, as far as weighted gaps go.

use crate::scenes::{Map, Scene};

/// A scored metric and its weighted gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Metric id.
    pub metric: String,
    /// Weight × (100 − score), in index points.
    pub points: f64,
}

/// The `count` metrics with the largest gaps, worst first; of equal ones the first by id. Gaps of zero are none.
#[must_use]
pub fn weakest(mut gaps: Vec<Gap>, count: usize) -> Vec<Gap> {
    gaps.retain(|gap| gap.points > 0.0);
    gaps.sort_by(|a, b| {
        b.points
            .total_cmp(&a.points)
            .then_with(|| a.metric.cmp(&b.metric))
    });
    gaps.truncate(count);
    gaps
}

/// A scene that serves weak metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Action<'a> {
    /// The scene.
    pub scene: &'a Scene,
    /// The weak metrics that it serves, in its own order.
    pub metrics: Vec<String>,
    /// Sum of their gaps, in index points.
    pub priority: f64,
}

/// The `count` scenes that serve most of `weak`, by the sum of gaps; of equal ones key actions first, then the order
/// of the map.
#[must_use]
pub fn scenes<'a>(map: &'a Map, weak: &[Gap], count: usize) -> Vec<Action<'a>> {
    let serve = |scene: &'a Scene| {
        let served: Vec<&Gap> = scene
            .metrics
            .iter()
            .filter_map(|id| weak.iter().find(|gap| gap.metric == *id))
            .collect();
        (!served.is_empty()).then(|| Action {
            scene,
            metrics: served.iter().map(|gap| gap.metric.clone()).collect(),
            priority: ordered_sum(&served),
        })
    };
    let mut actions: Vec<Action<'a>> = map.scenes.iter().filter_map(serve).collect();
    actions.sort_by(|a, b| {
        b.priority
            .total_cmp(&a.priority)
            .then_with(|| b.scene.focus.cmp(&a.scene.focus))
    });
    actions.truncate(count);
    actions
}

/// The sum in one order, so that scenes that list the same metrics differently tie exactly.
fn ordered_sum(gaps: &[&Gap]) -> f64 {
    let mut points: Vec<f64> = gaps.iter().map(|gap| gap.points).collect();
    points.sort_by(f64::total_cmp);
    points.iter().sum()
}
