//! The member side of NEO (methodology §6.1): close people among the buyers.

use dualwheel_kit::work;
use dualwheel_lake::frames::{Behaviors, Kind, Members, Orders, Profiles, Role};
use dualwheel_measure::{Absence, Label, Metric, Scope, Window};

use crate::{
    Parameters,
    activity::{Acts, Categories},
};

/// The metric of the group.
pub const METRIC: &str = "neo.engagement.close_people";

/// The facts that the group reads: the brand's, and the tenant's profiles.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Behaviours.
    pub behaviors: &'a Behaviors,
    /// Order lines.
    pub orders: &'a Orders,
    /// Roles.
    pub members: &'a Members,
    /// Profiles of the tenant.
    pub profiles: &'a Profiles,
}

/// Close fans and active members among the buyers of the window ÷ those buyers.
///
/// A close fan's profile bears the label `close_fan@BRAND`. An active member holds one of the close roles on the
/// window's last day, and had an active behaviour or a purchase in the days before it. A `category` restricts
/// behaviours and order lines.
#[must_use]
pub fn closeness(
    facts: Facts<'_>,
    parameters: &Parameters,
    brand: &str,
    category: Option<&str>,
    scope: &Scope<'_>,
) -> Vec<Metric> {
    // Roles are judged on the window's last day, whatever is known later.
    let scope = scope.over(scope.window);
    let supplied = !facts.orders.lines.is_empty() || facts.behaviors.kind.contains(&Kind::Purchase);
    if !supplied {
        let detail = "the brand has neither order lines nor PURCHASE behaviours";
        return vec![scope.absent(METRIC, Absence::SignalNotSupplied, detail)];
    }
    let label = format!("close_fan@{brand}");
    let Some(close_fans) = holders(facts.profiles, &label) else {
        let detail = format!("no consumer profile bears the label `{label}`");
        return vec![scope.absent(METRIC, Absence::SignalNotSupplied, &detail)];
    };
    let categories = Categories::below(&facts.behaviors.names, category);
    let acts = Acts {
        behaviors: facts.behaviors,
        orders: facts.orders,
        categories: &categories,
        browse_days: parameters.active_browse_days,
    };
    let roles: Vec<Role> = parameters.close_roles.iter().copied().map(Role::from).collect();
    let recent = Window::ending(scope.window.last, parameters.close_active_days.into());
    let is_active_member = |consumer: u32| {
        let role = facts.members.role_on(consumer, scope.window.last);
        role.is_some_and(|role| roles.contains(&role)) && acts.of(consumer, recent).is_active
    };
    let (mut buyers, mut close) = (0, 0);
    for consumer in 0..facts.orders.groups.len().max(facts.behaviors.groups.len()) {
        work::look();
        if acts.is_buyer(consumer, scope.window) {
            buyers += 1;
            let is_fan = close_fans.get(consumer as usize).copied().unwrap_or(false);
            close += i64::from(is_fan || is_active_member(consumer));
        }
    }
    let metric = scope.share(METRIC, close, buyers);
    if acts.purchases_are_behaviors() {
        return vec![metric.with_label(Label::PurchasesFromBehaviors)];
    }
    vec![metric]
}

/// By consumer ordinal, who bears a label; `None` when nobody does.
fn holders(profiles: &Profiles, label: &str) -> Option<Vec<bool>> {
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
    (!holders.is_empty()).then_some(holders)
}
