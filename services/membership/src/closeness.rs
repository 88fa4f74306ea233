//! The member side of NEO (methodology §6.1): close people among the buyers.

use std::sync::Arc;

use dualwheel_kit::work;
use dualwheel_lake::frames::{Profiles, Purchases, Within};
use dualwheel_measure::{Absence, Ask, Extent, Label, Metric, MetricGroup, Need, Window, group::Cases};
use serde::{Deserialize, Serialize};

use crate::{Parameters, activity::Acts, plus};

/// The one metric of the group.
pub const METRICS: [&str; 1] = ["neo.engagement.close_people"];
const METRIC: &str = METRICS[0];

/// The member side of NEO as a metric group: close fans and active members among the buyers of the window ÷ those buyers.
///
/// A close fan's profile bears the label `close_fan@BRAND`. An active member holds one of the close roles on the
/// window's last day, and had an active behaviour or a purchase in the days before it. A category restricts
/// behaviours and order lines.
#[derive(Clone, Copy, Debug)]
pub struct Closeness;

/// The facts that the group reads, of some people: the brand's, and their profiles.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What they did for the brand.
    pub brand: plus::Facts,
    /// Profiles.
    pub profiles: Arc<Profiles>,
}

/// What is known of some people.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Partial {
    purchases: Purchases,
    /// Whether anybody is a close fan, buyer or not.
    has_fans: bool,
    people: Cases<bool, People>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct People {
    buyers: i64,
    close: i64,
}

impl MetricGroup for Closeness {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "closeness"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let (window, recent) = (ask.scope.window, recent(ask));
        let days = Window {
            first: window.first.min(recent.first),
            last: window.last,
        };
        vec![
            Need::of("behaviors", &["kind", "category", "product"]).within(days),
            Need::of("order_lines", &["category", "product", "quantity"]).within(days),
            Need::of("members", &["role", "joined_day", "left_day"]),
            Need::of("consumer_profiles", &["labels"]),
            Need::of("products", &["category"]).whole(),
        ]
    }

    fn partial(&self, facts: &Facts, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let plus::Facts {
            behaviors, orders, ..
        } = &facts.brand;
        let purchases = Purchases::of(Some(behaviors), orders);
        let fans = holders(&facts.profiles, &label(ask.brand));
        let categories = Within::new(&behaviors.names, ask.category);
        let count = |case| {
            let acts = Acts {
                behaviors,
                orders,
                categories: &categories,
                browse_days: ask.parameters.active_browse_days,
                purchases_are_behaviors: case,
            };
            People::count(facts, &acts, &fans, ask)
        };
        Partial {
            purchases,
            has_fans: !fans.is_empty(),
            people: Cases::count(purchases.cases(extent).iter().copied(), count),
        }
    }

    fn merge(&self, one: Partial, other: Partial) -> Partial {
        Partial {
            purchases: one.purchases.merge(other.purchases),
            has_fans: one.has_fans | other.has_fans,
            people: one.people.merge(other.people, |sum, more| {
                sum.buyers += more.buyers;
                sum.close += more.close;
            }),
        }
    }

    fn finish(&self, partial: Partial, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        // Roles are judged on the window's last day, whatever is known later.
        let scope = ask.scope.over(ask.scope.window);
        let purchases = partial.purchases;
        if !purchases.are_supplied() {
            let detail = "the brand has neither order lines nor PURCHASE behaviours";
            return vec![scope.absent(METRIC, Absence::SignalNotSupplied, detail)];
        }
        if !partial.has_fans {
            let detail = format!("no consumer profile bears the label `{}`", label(ask.brand));
            return vec![scope.absent(METRIC, Absence::SignalNotSupplied, &detail)];
        }
        let people = partial.people.decided(purchases.are_behaviors());
        let People { buyers, close } = people.unwrap_or_default();
        let metric = scope.share(METRIC, close, buyers);
        if purchases.are_known_by_behaviors() {
            return vec![metric.with_label(Label::PurchasesFromBehaviors)];
        }
        vec![metric]
    }
}

/// The label of a brand's close fans.
fn label(brand: &str) -> String {
    format!("close_fan@{brand}")
}

/// The days in which a member was active.
fn recent(ask: &Ask<'_, Parameters>) -> Window {
    Window::ending(ask.scope.window.last, ask.parameters.close_active_days.into())
}

impl People {
    fn count(facts: &Facts, acts: &Acts<'_>, fans: &[bool], ask: &Ask<'_, Parameters>) -> Self {
        let roles = &ask.parameters.close_roles;
        let (window, recent) = (ask.scope.window, recent(ask));
        let is_active_member = |consumer: u32| {
            let role = facts.brand.members.role_on(consumer, window.last);
            role.is_some_and(|role| roles.contains(&role)) && acts.of(consumer, recent).is_active
        };
        let mut people = Self::default();
        for consumer in 0..acts.orders.groups.len().max(acts.behaviors.groups.len()) {
            work::look();
            if acts.purchases(consumer, window).next().is_some() {
                let is_fan = fans.get(consumer as usize).copied().unwrap_or(false);
                people.buyers += 1;
                people.close += i64::from(is_fan || is_active_member(consumer));
            }
        }
        people
    }
}

/// By consumer ordinal, who bears a label; empty when nobody does.
fn holders(profiles: &Profiles, label: &str) -> Vec<bool> {
    let mut holders = Vec::new();
    for profile in profiles
        .rows
        .iter()
        .filter(|row| row.labels.iter().any(|held| held == label))
    {
        let place = profile.consumer as usize;
        if holders.len() <= place {
            holders.resize(place + 1, false);
        }
        if let Some(slot) = holders.get_mut(place) {
            *slot = true;
        }
    }
    holders
}
