//! What one consumer did besides viewing, ordered so that a reach finds its follow-up by bisection.

use dualwheel_lake::frames::{NONE, Purchase, purchases::of_consumer};
use dualwheel_measure::{Day, Scope};

use super::{
    Part,
    signals::{Case, is_drawn, is_interaction, is_interest},
};

/// One consumer's acts up to the as-of day; the buffers are used again for the next one.
#[derive(Debug, Default)]
pub(super) struct FollowUp {
    /// Contents interacted with in the window, with the day.
    interactions: Vec<(u32, Day)>,
    /// Steps into the private domain, oldest first.
    drawn: Vec<(i64, Day)>,
    /// Interest in products not bought until then, by product and instant.
    interest: Vec<(u32, i64, Day)>,
    /// Purchases, oldest first.
    pub purchases: Vec<Purchase>,
    /// First purchase of each product, at whatever time.
    first_purchases: Vec<(u32, i64)>,
}

impl FollowUp {
    /// Reads the acts of a consumer.
    pub(super) fn read(&mut self, part: &Part, case: Case, consumer: u32, scope: &Scope<'_>) {
        self.interactions.clear();
        self.drawn.clear();
        self.interest.clear();
        self.read_purchases(part, case, consumer, scope.as_of);
        let behaviors = &*part.behaviors;
        for row in behaviors.groups.rows(consumer) {
            let (Some(kind), Some(day), Some(at)) = (
                behaviors.kind.get(row),
                behaviors.day.get(row),
                behaviors.at.get(row),
            ) else {
                continue;
            };
            if is_interaction(*kind) && scope.window.contains(*day) {
                let content = behaviors.content.get(row).copied().unwrap_or(NONE);
                if content != NONE {
                    self.interactions.push((content, *day));
                }
            }
            if *day < scope.window.first || *day > scope.as_of {
                continue;
            }
            if is_drawn(*kind) {
                self.drawn.push((*at, *day));
            }
            if is_interest(*kind) {
                let product = behaviors.product.get(row).copied().unwrap_or(NONE);
                if product != NONE && !self.is_bought_before(product, *at) {
                    self.interest.push((product, *at, *day));
                }
            }
        }
        self.interactions.sort_unstable();
        self.interest.sort_unstable();
    }

    /// Whether the consumer interacted with a content in the window.
    pub(super) fn has_interaction(&self, content: u32) -> bool {
        let at = self.interactions.partition_point(|(other, _)| *other < content);
        self.interactions
            .get(at)
            .is_some_and(|(other, _)| *other == content)
    }

    /// Whether the consumer interacted with a content on a day of the window.
    pub(super) fn has_interaction_on(&self, content: u32, day: Day) -> bool {
        self.interactions.binary_search(&(content, day)).is_ok()
    }

    /// The day of the first step into the private domain at `at` or later.
    pub(super) fn drawn_from(&self, at: i64) -> Option<Day> {
        let next = self.drawn.partition_point(|(other, _)| *other < at);
        self.drawn.get(next).map(|(_, day)| *day)
    }

    /// The day of the first interest in a product not yet bought, at `at` or later.
    pub(super) fn interest_from(&self, product: u32, at: i64) -> Option<Day> {
        let next = self
            .interest
            .partition_point(|(other, instant, _)| (*other, *instant) < (product, at));
        self.interest
            .get(next)
            .filter(|(other, ..)| *other == product)
            .map(|(.., day)| *day)
    }

    fn is_bought_before(&self, product: u32, at: i64) -> bool {
        let first = self
            .first_purchases
            .binary_search_by_key(&product, |(other, _)| *other);
        first
            .ok()
            .and_then(|place| self.first_purchases.get(place))
            .is_some_and(|(_, bought)| *bought < at)
    }

    fn read_purchases(&mut self, part: &Part, case: Case, consumer: u32, as_of: Day) {
        self.purchases.clear();
        self.first_purchases.clear();
        let (behaviors, orders) = (Some(&*part.behaviors), &*part.orders);
        let purchases = of_consumer(behaviors, orders, consumer, case.purchases_are_behaviors);
        self.purchases
            .extend(purchases.filter(|purchase| purchase.product != NONE));
        self.first_purchases.extend(
            self.purchases
                .iter()
                .map(|purchase| (purchase.product, purchase.at)),
        );
        self.first_purchases.sort_unstable();
        self.first_purchases.dedup_by_key(|(product, _)| *product);
        self.purchases.retain(|purchase| purchase.day <= as_of);
    }
}
