//! What people are grouped by.

use dualwheel_lake::frames::{Categories, Kind, Profiles};
use dualwheel_measure::{Day, Window};

use crate::{
    facts::{Facts, acts},
    portrait::{Bought, is_content, ratio, role},
};

/// A feature of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Name; a number of days at its end says how far back it looks.
    pub name: &'static str,
    /// Unit of its values.
    pub unit: &'static str,
    /// Whether a few people have far more of it than most.
    pub heavy_tailed: bool,
}

const fn heavy_tailed(name: &'static str, unit: &'static str) -> Feature {
    Feature {
        name,
        unit,
        heavy_tailed: true,
    }
}

const fn even(name: &'static str, unit: &'static str) -> Feature {
    Feature {
        name,
        unit,
        heavy_tailed: false,
    }
}

/// The features, in the order of a row.
pub const FEATURES: [Feature; 18] = [
    // Distinct days of purchases.
    heavy_tailed("purchase_days_365d", "days"),
    // Received less paid back.
    heavy_tailed("net_gmv_365d", "money"),
    // Received per unit bought.
    heavy_tailed("unit_price_365d", "money"),
    // Share of the list price that was let off, where lines have one.
    even("discount_share_365d", "ratio"),
    // Units that came back ÷ units bought.
    even("return_share_365d", "ratio"),
    // Categories bought, cut at the definition's level.
    heavy_tailed("categories_365d", "categories"),
    // Distinct days with an active behaviour or a purchase.
    heavy_tailed("active_days_30d", "days"),
    heavy_tailed("active_days_365d", "days"),
    // Views of content, likes, comments and shares.
    heavy_tailed("content_contacts_90d", "times"),
    heavy_tailed("searches_90d", "times"),
    heavy_tailed("carts_and_favorites_90d", "times"),
    heavy_tailed("live_watches_90d", "times"),
    // Days since the last behaviour of any kind or purchase.
    heavy_tailed("contact_recency", "days"),
    even("age", "years"),
    // 1 to 6.
    even("city_tier", "tier"),
    // 1 with a child, 0 without.
    even("has_child", "ratio"),
    // 0 to 1.
    even("spending_power", "points"),
    // The deepest open role: 1 fan, 2 group member, 3 member, 4 paid member; 0 without one.
    even("role", "depth"),
];

/// Portrays people by the facts of a brand and their profiles.
#[derive(Clone, Copy, Debug)]
pub struct Portrayer<'a> {
    /// Facts of the brand.
    pub facts: &'a Facts,
    /// Profiles of the tenant.
    pub profiles: &'a Profiles,
    /// Categories that are distinguished.
    pub cuts: &'a Categories,
    /// As-of day; facts after it do not count.
    pub as_of: Day,
}

impl Portrayer<'_> {
    /// The features of one consumer, as far as they are known.
    #[must_use]
    pub fn portray(&self, consumer: u32) -> [Option<f64>; FEATURES.len()] {
        let [month, quarter, year] = [30, 90, 365].map(|days| Window::ending(self.as_of, days));
        let lines = self.facts.orders.of(consumer).iter();
        let purchases = lines.filter(|line| line.is_purchase() && year.contains(line.day));
        let bought = Bought::of(purchases.clone());
        let mut categories: Vec<Option<usize>> =
            purchases.map(|line| self.cuts.segment(line.category)).collect();
        categories.sort_unstable();
        categories.dedup();
        let times = |kinds: fn(Kind) -> bool| {
            let mine = acts(self.facts, consumer);
            Some(
                mine.filter(|(kind, day)| kinds(*kind) && quarter.contains(*day))
                    .count() as f64,
            )
        };
        let profile = self.profiles.get(consumer);
        [
            distinct(self.facts.purchases(consumer).map(|purchase| purchase.day), year),
            Some(bought.net),
            bought.unit_price(),
            bought.discount_share(),
            ratio(bought.returned, bought.units),
            Some(categories.len() as f64),
            distinct(self.active_days(consumer), month),
            distinct(self.active_days(consumer), year),
            times(|kind| is_content(kind) && kind != Kind::LiveWatch),
            times(|kind| kind == Kind::Search),
            times(|kind| matches!(kind, Kind::Cart | Kind::Favorite)),
            times(|kind| kind == Kind::LiveWatch),
            self.contact_recency(consumer),
            profile.and_then(|profile| profile.age).map(|age| age as f64),
            profile
                .and_then(|profile| profile.city_tier)
                .map(|tier| tier as f64),
            profile
                .and_then(|profile| profile.has_child)
                .map(|has| f64::from(u8::from(has))),
            profile.and_then(|profile| profile.spending_power),
            Some(role(self.facts, consumer, self.as_of)),
        ]
    }

    /// Days of active behaviours and of purchases.
    fn active_days(&self, consumer: u32) -> impl Iterator<Item = Day> {
        let active = acts(self.facts, consumer).filter(|(kind, _)| kind.is_active());
        active
            .map(|(_, day)| day)
            .chain(self.facts.purchases(consumer).map(|purchase| purchase.day))
    }

    fn contact_recency(&self, consumer: u32) -> Option<f64> {
        let contacts = acts(self.facts, consumer)
            .map(|(_, day)| day)
            .chain(self.facts.purchases(consumer).map(|purchase| purchase.day));
        let last = contacts.filter(|day| *day <= self.as_of).max()?;
        Some(f64::from(self.as_of.0 - last.0))
    }
}

/// Number of distinct days in a window.
fn distinct(days: impl Iterator<Item = Day>, window: Window) -> Option<f64> {
    let mut days: Vec<Day> = days.filter(|day| window.contains(*day)).collect();
    days.sort_unstable();
    days.dedup();
    Some(days.len() as f64)
}
