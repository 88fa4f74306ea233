//! Where a brand's purchases come from (ground rule 8): order lines, or for a brand without any, supplied `PURCHASE`
//! behaviours.

use dualwheel_measure::Extent;
use serde::{Deserialize, Serialize};

use super::{Behaviors, Kind, Orders};

/// Which facts of purchases there are among those at hand, on any day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Purchases {
    /// An order line.
    pub lines: bool,
    /// A `PURCHASE` behaviour.
    pub behaviors: bool,
}

impl Purchases {
    /// Those of some people of a brand, or of all.
    #[must_use]
    pub fn of(behaviors: &Behaviors, orders: &Orders) -> Self {
        Self {
            lines: !orders.lines.is_empty(),
            behaviors: behaviors.kind.contains(&Kind::Purchase),
        }
    }

    /// Those of these people and others.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            lines: self.lines | other.lines,
            behaviors: self.behaviors | other.behaviors,
        }
    }

    /// Whether any purchase could be known.
    #[must_use]
    pub fn are_supplied(self) -> bool {
        self.lines | self.behaviors
    }

    /// Whether `PURCHASE` behaviours count, if these are all of the brand's.
    #[must_use]
    pub fn are_behaviors(self) -> bool {
        !self.lines
    }

    /// Whether they count, and there are any: then metrics say so.
    #[must_use]
    pub fn are_known_by_behaviors(self) -> bool {
        !self.lines && self.behaviors
    }

    /// Whether `PURCHASE` behaviours count, in every case that is possible: an order line of anyone settles it for all.
    #[must_use]
    pub fn cases(self, extent: Extent) -> &'static [bool] {
        match (extent, self.lines) {
            (_, true) => &[false],
            (Extent::Whole, false) => &[true],
            (Extent::Part, false) => &[false, true],
        }
    }
}
