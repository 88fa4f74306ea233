//! Sources (竞品来源): what a brand's new buyers had bought before they came.
//!
//! Source: methodology 2.6. New is who has a purchase in the window and none in the `new_customer_days` before it, as
//! in GROW. The source is the latest purchase from another brand in as many days before the first one in the window, or
//! earlier on its day. Purchases are order lines: of a brand whose purchases are supplied as behaviours, no buyer is
//! known.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::{Names, Orders};
use dualwheel_measure::{Day, Window};

use crate::parameters::Parameters;

/// A brand and a category that new buyers came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Brand bought from before.
    pub brand: String,
    /// Category bought in before, its whole path; empty where the purchase names none.
    pub category: String,
    /// New buyers.
    pub people: i64,
    /// People ÷ new buyers with a source.
    pub share: f64,
}

/// Where the new buyers of a window came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// New buyers.
    pub new_buyers: i64,
    /// Those of them who had bought nothing that is known.
    pub without_source: i64,
    /// The sources of the others: most people first, then by brand and category.
    pub sources: Vec<Source>,
}

/// A purchase from another brand.
#[derive(Clone, Copy, Debug)]
struct Purchase {
    /// Instant in microseconds since 1970 UTC.
    at: i64,
    /// Brand, by place in [`Search::brands`].
    brand: usize,
    category: u32,
}

/// A new buyer with the first purchase in the window, and the source as far as it was found.
#[derive(Clone, Copy, Debug)]
struct Newcomer {
    consumer: u32,
    at: i64,
    day: Day,
    source: Option<Purchase>,
}

/// A search for sources, to which the other brands are added one by one, in any order.
#[derive(Clone, Debug)]
pub struct Search {
    names: Arc<Names>,
    look_back: i32,
    brands: Vec<String>,
    newcomers: Vec<Newcomer>,
}

impl Search {
    /// The new buyers of a brand, by its order lines, before any other brand was looked at.
    #[must_use]
    pub fn new(orders: &Orders, window: Window, parameters: &Parameters) -> Self {
        let look_back = i32::from(parameters.new_customer_days.get());
        let before = Window::ending(window.first.plus(-1), look_back);
        let newcomer = |consumer: u32| {
            let bought = || orders.of(consumer).iter().filter(|line| line.is_purchase());
            if bought().any(|line| before.contains(line.day)) {
                return None;
            }
            let first = bought()
                .filter(|line| window.contains(line.day))
                .min_by_key(|line| line.paid_at)?;
            Some(Newcomer {
                consumer,
                at: first.paid_at,
                day: first.day,
                source: None,
            })
        };
        Self {
            names: orders.names.clone(),
            look_back,
            brands: Vec::new(),
            newcomers: orders.groups.consumers().filter_map(newcomer).collect(),
        }
    }

    /// Whether there is nobody whose source could be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newcomers.is_empty()
    }

    /// Looks at the order lines of another brand. Of purchases at one instant the first by brand, then by category,
    /// counts.
    pub fn add(&mut self, brand: &str, orders: &Orders) {
        let number = self.brands.len();
        self.brands.push(brand.to_owned());
        let Self {
            names,
            look_back,
            brands,
            newcomers,
        } = self;
        let categories = names.categories.view();
        let rank = |purchase: &Purchase| {
            let brand = brands.get(purchase.brand).map(String::as_str);
            (Reverse(purchase.at), brand, categories.key(purchase.category))
        };
        for newcomer in newcomers {
            let (since, until) = (newcomer.day.plus(-*look_back), newcomer.at);
            let earlier = orders
                .of(newcomer.consumer)
                .iter()
                .filter(|line| line.is_purchase() && line.day >= since && line.paid_at < until);
            for line in earlier {
                let found = Purchase {
                    at: line.paid_at,
                    brand: number,
                    category: line.category,
                };
                if newcomer.source.is_none_or(|kept| rank(&found) < rank(&kept)) {
                    newcomer.source = Some(found);
                }
            }
        }
    }

    /// What was found in the brands that were looked at.
    #[must_use]
    pub fn found(&self) -> Sources {
        let categories = self.names.categories.view();
        let mut people: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for source in self.newcomers.iter().filter_map(|newcomer| newcomer.source) {
            let brand = self.brands.get(source.brand).map_or("", String::as_str);
            *people
                .entry((brand, categories.key(source.category)))
                .or_default() += 1;
        }
        let (new_buyers, found) = (self.newcomers.len() as i64, people.values().sum::<i64>());
        let source = |((brand, category), people): ((&str, &str), i64)| Source {
            brand: brand.to_owned(),
            category: category.to_owned(),
            people,
            share: people as f64 / found as f64,
        };
        let mut sources: Vec<Source> = people.into_iter().map(source).collect();
        // Stable: of equal numbers the first by brand and category stays first.
        sources.sort_by_key(|source| Reverse(source.people));
        Sources {
            new_buyers,
            without_source: new_buyers - found,
            sources,
        }
    }
}
