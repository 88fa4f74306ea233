//! The facts of a brand's people, and the one pass over them that every metric makes.

use std::sync::Arc;

use dualwheel_kit::work;
use dualwheel_lake::frames::{
    Behaviors, Kind, Members, Orders, Products, Purchase, Purchases, purchases::of_consumer,
};
use dualwheel_measure::{Day, Extent, Label, Metric, Window, group::Cases};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Facts that stages, flow, FAST and the brand signals read.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Behaviours of the brand.
    pub behaviors: Arc<Behaviors>,
    /// Order lines of the brand.
    pub orders: Arc<Orders>,
    /// Roles in the brand's private domain.
    pub members: Arc<Members>,
    purchases: Purchases,
    purchases_are_behaviors: bool,
}

impl Facts {
    /// The facts of a brand's people.
    #[must_use]
    pub fn new(behaviors: Arc<Behaviors>, orders: Arc<Orders>, members: Arc<Members>) -> Self {
        let purchases = Purchases::of(Some(&behaviors), &orders);
        Self {
            purchases_are_behaviors: purchases.are_behaviors(),
            purchases,
            behaviors,
            orders,
            members,
        }
    }

    /// Roles alone, for those who know the rest by the people index.
    ///
    /// # Errors
    /// When empty frames cannot be built.
    pub fn of_roles(members: Arc<Members>) -> Result<Self, dualwheel_lake::Error> {
        let products = Products::build(&members.names, &[])?;
        Ok(Self::new(
            Arc::new(Behaviors::build(&members.names, &products, &[])?),
            Arc::new(Orders::build(&members.names, &products, &[])?),
            members,
        ))
    }

    /// The same facts, of a brand where `PURCHASE` behaviours count or do not.
    fn where_purchases_are(&self, behaviors: bool) -> Self {
        Self {
            purchases_are_behaviors: behaviors,
            ..self.clone()
        }
    }

    /// Whether supplied `PURCHASE` behaviours stand for purchases: only for a brand without any order line.
    #[must_use]
    pub fn purchases_are_behaviors(&self) -> bool {
        self.purchases_are_behaviors
    }

    /// One more than the highest consumer ordinal in any of the facts.
    #[must_use]
    pub fn consumers(&self) -> u32 {
        self.behaviors
            .groups
            .len()
            .max(self.orders.groups.len())
            .max(self.members.groups.len())
    }

    /// Whether the brand has a fact of the consumer.
    #[must_use]
    pub fn has(&self, consumer: u32) -> bool {
        !self.behaviors.groups.rows(consumer).is_empty()
            || !self.orders.groups.rows(consumer).is_empty()
            || !self.members.groups.rows(consumer).is_empty()
    }

    /// Whether the brand has a fact of the consumer up to `day`.
    #[must_use]
    pub fn has_by(&self, consumer: u32, day: Day) -> bool {
        let days = self.behaviors.day.get(self.behaviors.groups.rows(consumer));
        days.unwrap_or_default().iter().any(|at| *at <= day)
            || self.orders.of(consumer).iter().any(|line| line.day <= day)
            || self.members.of(consumer).iter().any(|row| row.joined <= day)
    }

    /// Whether the consumer bought on any day of `window`.
    #[must_use]
    pub fn has_bought(&self, consumer: u32, window: Window) -> bool {
        self.purchases(consumer)
            .any(|purchase| window.contains(purchase.day))
    }

    /// The consumer's purchases.
    pub fn purchases(&self, consumer: u32) -> impl Iterator<Item = Purchase> {
        let (behaviors, orders) = (Some(&*self.behaviors), &*self.orders);
        of_consumer(behaviors, orders, consumer, self.purchases_are_behaviors)
    }
}

/// What was counted of some people by facts of purchases, and where these come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Counted<T> {
    purchases: Purchases,
    /// By whether `PURCHASE` behaviours are purchases.
    counts: Cases<bool, T>,
}

impl<T> Counted<T> {
    /// Counts `facts` in every case that is possible.
    pub fn of(facts: &Facts, extent: Extent, mut count: impl FnMut(&Facts) -> T) -> Self {
        let cases = facts.purchases.cases(extent).iter().copied();
        Self {
            purchases: facts.purchases,
            counts: Cases::count(cases, |case| count(&facts.where_purchases_are(case))),
        }
    }

    /// What was counted of a whole brand.
    pub fn whole(purchases: Purchases, counts: T) -> Self {
        Self {
            purchases,
            counts: Cases::decided_for(purchases.are_behaviors(), counts),
        }
    }

    /// Adds what was counted of others.
    #[must_use]
    pub fn merge(self, other: Self, add: impl FnMut(&mut T, T)) -> Self {
        Self {
            purchases: self.purchases.merge(other.purchases),
            counts: self.counts.merge(other.counts, add),
        }
    }

    /// Where purchases come from.
    #[must_use]
    pub fn purchases(&self) -> Purchases {
        self.purchases
    }

    /// The counts of all people.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.counts.get(self.purchases.are_behaviors())
    }

    /// Labels the metrics where `PURCHASE` behaviours stood for purchases.
    #[must_use]
    pub fn labelled(&self, metrics: Vec<Metric>) -> Vec<Metric> {
        if !self.purchases.are_known_by_behaviors() {
            return metrics;
        }
        let label = |metric: Metric| metric.with_label(Label::PurchasesFromBehaviors);
        metrics.into_iter().map(label).collect()
    }
}

/// Visits the consumers `0..consumers` on all cores, each part with a state of its own, and merges the states in
/// order. States hold whole numbers only, so the number of cores changes nothing.
pub fn fold<T: Send>(
    consumers: u32,
    make: impl Fn() -> T + Sync,
    visit: impl Fn(&mut T, u32) + Sync,
    merge: impl Fn(T, T) -> T,
) -> T {
    let parts = u32::try_from(rayon::current_num_threads())
        .unwrap_or(1)
        .saturating_mul(4);
    let length = consumers.div_ceil(parts.max(1)).max(1_024);
    let stop = work::Stop::current();
    let fold_part = |part: u32| {
        let mut state = make();
        let first = part.saturating_mul(length);
        for consumer in first..first.saturating_add(length).min(consumers) {
            stop.look();
            visit(&mut state, consumer);
        }
        state
    };
    let states: Vec<T> = (0..consumers.div_ceil(length))
        .into_par_iter()
        .map(fold_part)
        .collect();
    states.into_iter().reduce(merge).unwrap_or_else(make)
}

/// Adds `other` to `sums`, place by place.
pub fn add_all(sums: &mut [i64], other: &[i64]) {
    for (sum, value) in sums.iter_mut().zip(other) {
        *sum += value;
    }
}

/// Everything that a consumer did, with its day.
pub(crate) fn acts(facts: &Facts, consumer: u32) -> impl Iterator<Item = (Kind, Day)> {
    let frame = &facts.behaviors;
    let rows = frame.groups.rows(consumer);
    let kinds = frame.kind.get(rows.clone()).unwrap_or_default();
    let days = frame.day.get(rows).unwrap_or_default();
    kinds.iter().copied().zip(days.iter().copied())
}
