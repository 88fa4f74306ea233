//! Utmost conversion: buyers among the visitors of the brand's products.

use dualwheel_lake::frames::Purchases;
use dualwheel_measure::{Absence, Label, Metric, Scope};

use crate::visits::Traffic;

/// The metric of one slot.
#[must_use]
pub fn metric(scope: &Scope<'_>, purchases: Purchases, traffic: &Traffic) -> Metric {
    const ID: &str = "super.conversion";
    if !traffic.visited {
        let detail =
            "no browsing, favourite, cart, consultation or sample claim on a product (Behavior with product)";
        return scope.absent(ID, Absence::SignalNotSupplied, detail);
    }
    if !purchases.are_supplied() {
        return scope.absent(
            ID,
            Absence::SignalNotSupplied,
            "no purchase of the brand (OrderLine, or Behavior PURCHASE)",
        );
    }
    let metric = scope.share(ID, traffic.buyers, traffic.visitors);
    if purchases.are_known_by_behaviors() {
        metric.with_label(Label::PurchasesFromBehaviors)
    } else {
        metric
    }
}
