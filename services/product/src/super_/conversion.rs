//! Utmost conversion: buyers among the visitors of the brand's products.

use dualwheel_measure::{Absence, Label, Metric, Scope};

use crate::visits::Traffic;

/// Where the purchases come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purchases {
    /// Order lines.
    Lines,
    /// Behaviours: the brand has no order lines.
    Behaviors,
    /// None was ever supplied.
    NotSupplied,
}

/// The metric of one slot.
#[must_use]
pub fn metric(scope: &Scope<'_>, purchases: Purchases, traffic: &Traffic) -> Metric {
    const ID: &str = "super.conversion";
    if !traffic.visited {
        let detail =
            "no browsing, favourite, cart, consultation or sample claim on a product (Behavior with product)";
        return scope.absent(ID, Absence::SignalNotSupplied, detail);
    }
    match purchases {
        Purchases::Lines => scope.share(ID, traffic.buyers, traffic.visitors),
        Purchases::Behaviors => scope
            .share(ID, traffic.buyers, traffic.visitors)
            .with_label(Label::PurchasesFromBehaviors),
        Purchases::NotSupplied => scope.absent(
            ID,
            Absence::SignalNotSupplied,
            "no purchase of the brand (OrderLine, or Behavior PURCHASE)",
        ),
    }
}
