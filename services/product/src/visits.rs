//! Who visited and who bought, consumer by consumer.

use std::collections::BTreeSet;

use dualwheel_kit::work;
use dualwheel_lake::frames::{Kind, NONE, purchases::of_consumer};
use dualwheel_measure::{Day, Window};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    cut::Slots,
    goods::{BrandFacts, Roster},
};

/// One act that makes a visitor or a buyer.
#[derive(Clone, Copy, Debug)]
struct Act {
    consumer: u32,
    day: Day,
    product: u32,
    category: u32,
    bought: bool,
}

/// Calls `see` with every visit to and purchase of a product in the window, all of one consumer together.
///
/// Supplied purchases count only for a brand without order lines (ground rule 8).
fn walk(facts: &BrandFacts, window: Window, mut see: impl FnMut(Act)) {
    let orders = &facts.orders;
    let behaved = facts
        .behaviors
        .as_ref()
        .map_or(0, |behaviors| behaviors.groups.len());
    for consumer in 0..behaved.max(orders.groups.len()) {
        work::look();
        if let Some(behaviors) = &facts.behaviors {
            let rows = behaviors.groups.rows(consumer);
            let days = behaviors.day.get(rows.clone()).unwrap_or_default();
            let kinds = behaviors.kind.get(rows.clone()).unwrap_or_default();
            let products = behaviors.product.get(rows.clone()).unwrap_or_default();
            let categories = behaviors.category.get(rows).unwrap_or_default();
            for (((day, kind), product), category) in days.iter().zip(kinds).zip(products).zip(categories) {
                if kind.is_visit() && *product != NONE && window.contains(*day) {
                    see(Act {
                        consumer,
                        day: *day,
                        product: *product,
                        category: *category,
                        bought: false,
                    });
                }
            }
        }
        let behaviors = facts.behaviors.as_deref();
        let purchases = of_consumer(behaviors, orders, consumer, facts.purchases_are_behaviors());
        for purchase in purchases.filter(|purchase| purchase.product != NONE && window.contains(purchase.day))
        {
            see(Act {
                consumer,
                day: purchase.day,
                product: purchase.product,
                category: purchase.category,
                bought: true,
            });
        }
    }
}

/// Distinct visitors and buyers of some set of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Distinct visitors, buyers among them.
    pub visitors: i64,
    /// Distinct buyers.
    pub buyers: i64,
    /// Whether there was any visiting behaviour, so that visitors mean something.
    pub visited: bool,
    last_visitor: u32,
    last_buyer: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            visitors: 0,
            buyers: 0,
            visited: false,
            last_visitor: NONE,
            last_buyer: NONE,
        }
    }
}

impl Traffic {
    /// Of known numbers of people.
    #[must_use]
    pub fn of(visitors: i64, buyers: i64, visited: bool) -> Self {
        Self {
            visitors,
            buyers,
            visited,
            ..Self::default()
        }
    }

    fn see(&mut self, act: Act) {
        if self.last_visitor != act.consumer {
            self.last_visitor = act.consumer;
            self.visitors += 1;
        }
        if !act.bought {
            self.visited = true;
        } else if self.last_buyer != act.consumer {
            self.last_buyer = act.consumer;
            self.buyers += 1;
        }
    }
}

/// Traffic of the whole and of every segment, slot by slot.
#[must_use]
pub fn by_slot(facts: &BrandFacts, window: Window, slots: &Slots<'_>) -> Vec<Traffic> {
    let mut traffic = vec![Traffic::default(); slots.count()];
    walk(facts, window, |act| {
        slots.each(&mut traffic, act.product, act.category, |slot| slot.see(act))
    });
    traffic
}

/// Who visited and bought some set of products: by products a consumer may come to several parts, and counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Crowd {
    /// Visitors, buyers among them, by the hash of their keys.
    pub visitors: BTreeSet<u128>,
    /// Buyers.
    pub buyers: BTreeSet<u128>,
    /// Whether there was any visiting behaviour.
    pub visited: bool,
}

impl Crowd {
    /// Adds those who visited and bought other products.
    pub fn merge(&mut self, mut other: Self) {
        self.visitors.append(&mut other.visitors);
        self.buyers.append(&mut other.buyers);
        self.visited |= other.visited;
    }

    /// How many they are.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic::of(self.visitors.len() as i64, self.buyers.len() as i64, self.visited)
    }
}

/// Who visited and bought the whole and every segment, slot by slot.
#[must_use]
pub fn crowds(facts: &BrandFacts, window: Window, slots: &Slots<'_>) -> Vec<Crowd> {
    let keys = facts.orders.names.consumers.view();
    let mut crowds = vec![Crowd::default(); slots.count()];
    walk(facts, window, |act| {
        let person = xxh3_128(keys.key(act.consumer).as_bytes());
        slots.each(&mut crowds, act.product, act.category, |crowd| {
            crowd.visitors.insert(person);
            if act.bought {
                crowd.buyers.insert(person);
            } else {
                crowd.visited = true;
            }
        });
    });
    crowds
}

/// Traffic of every good in the part of `window` that the days of its category have, in the order of the roster.
#[must_use]
pub fn by_good(
    facts: &BrandFacts,
    window: Window,
    roster: &Roster,
    days: impl Fn(u32) -> Option<Window>,
) -> Vec<Traffic> {
    let mut traffic = vec![Traffic::default(); roster.goods.len()];
    walk(facts, window, |act| {
        let Some(place) = roster.place(act.product) else {
            return;
        };
        if let (Some(good), Some(traffic)) = (roster.goods.get(place), traffic.get_mut(place))
            && days(good.category).is_some_and(|days| days.contains(act.day))
        {
            traffic.see(act);
        }
    });
    traffic
}

/// Traffic of sets of products that may overlap. `sets_of` adds the sets of a product and category to the list that it is
/// given.
#[must_use]
pub fn by_set(
    facts: &BrandFacts,
    window: Window,
    sets: usize,
    sets_of: impl Fn(u32, u32, &mut Vec<usize>),
) -> Vec<Traffic> {
    let mut traffic = vec![Traffic::default(); sets];
    let mut found = Vec::new();
    walk(facts, window, |act| {
        found.clear();
        sets_of(act.product, act.category, &mut found);
        for set in &found {
            if let Some(set) = traffic.get_mut(*set) {
                set.see(act);
            }
        }
    });
    traffic
}

/// Reviews of a good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reviews {
    /// Positive ones.
    pub positive: i64,
    /// Positive and negative ones.
    pub all: i64,
}

/// Reviews of every good in the window, in the order of the roster. The same review of the same consumer, product and
/// instant counts once.
#[must_use]
pub fn reviews(facts: &BrandFacts, window: Window, roster: &Roster) -> Vec<Reviews> {
    let mut reviews = vec![Reviews::default(); roster.goods.len()];
    let Some(behaviors) = &facts.behaviors else {
        return reviews;
    };
    let rows = behaviors
        .consumer
        .iter()
        .zip(&behaviors.at)
        .zip(&behaviors.kind)
        .zip(&behaviors.product);
    let mut before = None;
    for ((((consumer, at), kind), product), day) in rows.zip(&behaviors.day) {
        let positive = *kind == Kind::PositiveReview;
        if !(positive || *kind == Kind::NegativeReview) || !window.contains(*day) {
            continue;
        }
        // Rows are sorted by consumer, instant, kind and product, so equal ones follow each other.
        let review = Some((*consumer, *at, *kind, *product));
        if review == before {
            continue;
        }
        before = review;
        if let Some(good) = roster.place(*product).and_then(|place| reviews.get_mut(place)) {
            good.all += 1;
            good.positive += i64::from(positive);
        }
    }
    reviews
}
