//! Where a brand's purchases come from (ground rule 8): order lines, or for a brand without any, supplied `PURCHASE`
//! behaviours.

use dualwheel_measure::{Day, Extent, Money};
use serde::{Deserialize, Serialize};

use super::{Behaviors, Kind, Line, Orders};

/// Which facts of purchases there are among those at hand, on any day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Purchases {
    /// An order line.
    pub lines: bool,
    /// A `PURCHASE` behaviour.
    pub behaviors: bool,
}

/// A purchase, by an order line or by a behaviour that stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purchase {
    /// Day in the tenant's zone.
    pub day: Day,
    /// Instant in microseconds since 1970 UTC.
    pub at: i64,
    /// Product, or [`NONE`](super::NONE).
    pub product: u32,
    /// Category path, or [`NONE`](super::NONE).
    pub category: u32,
    /// Net GMV; a behaviour tells none.
    pub net: Money,
}

impl From<&Line> for Purchase {
    fn from(line: &Line) -> Self {
        Self {
            day: line.day,
            at: line.paid_at,
            product: line.product,
            category: line.category,
            net: line.net(),
        }
    }
}

/// A consumer's purchases, oldest first. `are_behaviors` says whether `PURCHASE` behaviours count, as
/// [`Purchases::are_behaviors`] or one of the [`cases`](Purchases::cases) has it: then lines do not, and there are none.
pub fn of_consumer<'a>(
    behaviors: Option<&'a Behaviors>,
    orders: &'a Orders,
    consumer: u32,
    are_behaviors: bool,
) -> impl Iterator<Item = Purchase> + 'a {
    let behaviors = behaviors.filter(|_| are_behaviors);
    let acts = behaviors.into_iter().flat_map(move |frame| {
        frame.groups.rows(consumer).filter_map(|row| {
            let purchase = || {
                Some(Purchase {
                    day: *frame.day.get(row)?,
                    at: *frame.at.get(row)?,
                    product: *frame.product.get(row)?,
                    category: *frame.category.get(row)?,
                    net: 0,
                })
            };
            (frame.kind.get(row) == Some(&Kind::Purchase)).then(purchase)?
        })
    });
    let lines = if are_behaviors { &[] } else { orders.of(consumer) };
    let lines = lines.iter().filter(|line| line.is_purchase());
    lines.map(Purchase::from).chain(acts)
}

impl Purchases {
    /// Those of some people of a brand, or of all. Without behaviours, none of them is known.
    #[must_use]
    pub fn of(behaviors: Option<&Behaviors>, orders: &Orders) -> Self {
        Self {
            lines: !orders.lines.is_empty(),
            behaviors: behaviors.is_some_and(|behaviors| behaviors.kind.contains(&Kind::Purchase)),
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
