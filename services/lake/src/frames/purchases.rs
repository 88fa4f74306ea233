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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::frames::{Groups, NONE, Names, reorder};

    /// Consumer, kind and day of a behaviour; it is about the product of its day.
    type Act = (u32, Kind, i32);
    /// Consumer, quantity and day of a line.
    type Bought = (u32, i64, i32);

    fn behaviors(acts: &[Act]) -> Behaviors {
        let days: Vec<i32> = acts.iter().map(|act| act.2).collect();
        let consumer: Vec<u32> = acts.iter().map(|act| act.0).collect();
        let (groups, order) = Groups::sorted(&consumer, |one, other| days[one].cmp(&days[other]));
        let mut frame = Behaviors {
            names: Arc::new(Names::default()),
            groups,
            kind: acts.iter().map(|act| act.1).collect(),
            day: days.iter().copied().map(Day).collect(),
            at: days.iter().copied().map(i64::from).collect(),
            product: days.iter().map(|day| day.unsigned_abs()).collect(),
            category: vec![NONE; acts.len()],
            content: vec![NONE; acts.len()],
            channel: vec![NONE; acts.len()],
            venue: vec![None; acts.len()],
            keyword_class: vec![None; acts.len()],
            dwell_ms: vec![-1; acts.len()],
            consumer,
        };
        frame.take(&order);
        frame
    }

    fn orders(bought: &[Bought]) -> Orders {
        let line = |(consumer, quantity, day): &Bought| Line {
            consumer: *consumer,
            order: 0,
            product: day.unsigned_abs(),
            sku: 0,
            category: NONE,
            channel: NONE,
            quantity: *quantity,
            returned_quantity: 0,
            paid: 7,
            refund: 2,
            list_price: None,
            day: Day(*day),
            paid_at: i64::from(*day),
            promised_at: None,
            promised_day: None,
            dispatched_at: None,
            delivered_at: None,
            cancelled_at: None,
        };
        let lines: Vec<Line> = bought.iter().map(line).collect();
        let consumers: Vec<u32> = lines.iter().map(|line| line.consumer).collect();
        let (groups, order) = Groups::sorted(&consumers, |one, other| lines[one].day.cmp(&lines[other].day));
        Orders {
            names: Arc::new(Names::default()),
            groups,
            lines: reorder(&lines, &order),
        }
    }

    fn act() -> impl Strategy<Value = Act> {
        let kind = prop::sample::select(vec![Kind::Purchase, Kind::Browse, Kind::Cart]);
        (0..4u32, kind, 0..9i32)
    }

    proptest! {
        #[test]
        fn a_brand_with_any_line_has_its_purchases_from_lines_alone(
            acts in prop::collection::vec(act(), 0..30),
            bought in prop_oneof![Just(Vec::new()), prop::collection::vec((0..4u32, 0..3i64, 0..9i32), 1..20)],
        ) {
            let (behaviors, orders) = (behaviors(&acts), orders(&bought));
            let purchases = Purchases::of(Some(&behaviors), &orders);
            prop_assert_eq!(purchases.are_supplied(), !bought.is_empty() || acts.iter().any(|act| act.1 == Kind::Purchase));
            for consumer in 0..5 {
                let mut expected: Vec<(i32, Money)> = if bought.is_empty() {
                    let mine = acts.iter().filter(|act| act.0 == consumer && act.1 == Kind::Purchase);
                    mine.map(|act| (act.2, 0)).collect()
                } else {
                    let mine = bought.iter().filter(|line| line.0 == consumer && line.1 > 0);
                    mine.map(|line| (line.2, 5)).collect()
                };
                expected.sort_unstable();
                let found = of_consumer(Some(&behaviors), &orders, consumer, purchases.are_behaviors());
                let found: Vec<Purchase> = found.collect();
                prop_assert!(found.iter().all(|one| one.product == one.day.0.unsigned_abs()));
                let found: Vec<(i32, Money)> = found.iter().map(|one| (one.day.0, one.net)).collect();
                prop_assert_eq!(found, expected);
                // Without behaviours at hand there are those of lines.
                let alone = of_consumer(None, &orders, consumer, purchases.are_behaviors()).count();
                prop_assert_eq!(alone, bought.iter().filter(|line| line.0 == consumer && line.1 > 0).count());
            }
        }

        #[test]
        fn parts_decide_as_the_whole_does(acts in prop::collection::vec(act(), 0..6), lines in 0..3usize, at in 0..6usize) {
            let bought: Vec<Bought> = vec![(1, 0, 3); lines];
            let whole = Purchases::of(Some(&behaviors(&acts)), &orders(&bought));
            let (one, other) = acts.split_at(at.min(acts.len()));
            let parts = [
                Purchases::of(Some(&behaviors(one)), &orders(&bought)),
                Purchases::of(Some(&behaviors(other)), &orders(&[])),
            ];
            let merged = parts[0].merge(parts[1]);
            prop_assert_eq!(merged, whole);
            // What the whole decides is among what each part has counted.
            for part in parts {
                prop_assert!(part.cases(Extent::Part).contains(&merged.are_behaviors()));
            }
            prop_assert_eq!(whole.cases(Extent::Whole), &[whole.are_behaviors()]);
        }
    }
}
