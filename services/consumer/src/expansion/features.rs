//! What is known of anyone on a day.

use dualwheel_lake::frames::{Categories, Gender, Kind, Line, Profiles};
use dualwheel_measure::{Day, Window};

use crate::{
    boosted::Columns,
    facts::{Facts, acts},
    portrait::{Bought, is_benefit, role},
};

/// The features, in the order of a row. Recency and tenure are in days, money is in currency units, the rest are counts,
/// shares and codes; what was never there or not supplied is missing.
///
/// An act is a behaviour of any kind. Active is who acts or buys; content is viewed, liked, commented on or shared; a benefit
/// is claimed or redeemed. Amounts and categories are those of order lines, and missing for a brand that has none.
pub const FEATURES: [&str; 23] = [
    "recency",
    "tenure",
    "active_days_90d",
    "active_days_365d",
    "exposures_30d",
    "visits_30d",
    "searches_90d",
    "carts_90d",
    "content_90d",
    "live_90d",
    "benefits_365d",
    "purchase_recency",
    "purchase_days_365d",
    "net_gmv_365d",
    "unit_price_365d",
    "categories_365d",
    "discount_share_365d",
    "age",
    "female",
    "city_tier",
    "has_child",
    "spending_power",
    "role",
];

/// Portrays people by their facts and profiles.
#[derive(Clone, Copy, Debug)]
pub struct Portrayer<'a> {
    /// Facts of the brand.
    pub facts: &'a Facts,
    /// Profiles of the tenant.
    pub profiles: &'a Profiles,
    /// Categories that are counted.
    pub cuts: &'a Categories,
}

impl Portrayer<'_> {
    /// A row of features for each of `people` as of `day`.
    #[must_use]
    pub fn columns(&self, people: impl Iterator<Item = u32>, day: Day) -> Columns {
        people.map(|consumer| self.portray(consumer, day)).collect()
    }

    /// The features of one consumer as of `day`, as far as they are known. Profiles are as they are now.
    #[must_use]
    pub fn portray(&self, consumer: u32, day: Day) -> [Option<f64>; FEATURES.len()] {
        let facts = self.facts;
        let mut acts: Vec<(Kind, Day)> = acts(facts, consumer).filter(|(_, at)| *at <= day).collect();
        let lines = || facts.orders.of(consumer).iter();
        let purchases = || lines().filter(|line| line.is_purchase() && line.day <= day);
        let has_lines = !facts.purchases_are_behaviors();
        let all = facts.purchases(consumer).map(|purchase| purchase.day);
        let mut bought: Vec<Day> = all.filter(|at| *at <= day).collect();
        let active = ascending(acts.iter().map(|(_, at)| *at).chain(bought.iter().copied()));
        bought = ascending(bought.into_iter());
        let since = |then: &Day| f64::from(day.0 - then.0);
        let within = |days: &[Day], length: i32| {
            let window = Window::ending(day, length);
            Some(days.iter().filter(|at| window.contains(**at)).count() as f64)
        };
        let year = Window::ending(day, 365);
        acts.retain(|(_, at)| year.contains(*at));
        let did = |length: i32, kinds: fn(Kind) -> bool| {
            let window = Window::ending(day, length);
            let mine = acts
                .iter()
                .filter(|(kind, at)| kinds(*kind) && window.contains(*at));
            Some(mine.count() as f64)
        };
        let of_year: Vec<&Line> = purchases().filter(|line| year.contains(line.day)).collect();
        let amounts = Bought::of(of_year.iter().copied());
        let [age, female, city_tier, has_child, spending_power] = self.profiled(consumer);
        [
            active.last().map(since),
            active.first().map(since),
            within(&active, 90),
            within(&active, 365),
            did(30, |kind| matches!(kind, Kind::Exposure | Kind::AdClick)),
            did(30, Kind::is_visit),
            did(90, |kind| kind == Kind::Search),
            did(90, |kind| matches!(kind, Kind::Cart | Kind::Favorite)),
            did(90, |kind| {
                matches!(kind, Kind::ContentView | Kind::Like | Kind::Comment | Kind::Share)
            }),
            did(90, |kind| kind == Kind::LiveWatch),
            did(365, is_benefit),
            bought.last().map(since),
            within(&bought, 365),
            has_lines.then_some(amounts.net),
            amounts.unit_price(),
            has_lines.then(|| self.categories(&of_year)),
            amounts.discount_share(),
            age,
            female,
            city_tier,
            has_child,
            spending_power,
            Some(role(facts, consumer, day)),
        ]
    }

    /// Age, whether female, city tier, whether with a child, spending power.
    fn profiled(&self, consumer: u32) -> [Option<f64>; 5] {
        let Some(profile) = self.profiles.get(consumer) else {
            return [None; 5];
        };
        [
            profile.age.map(|age| age as f64),
            profile.gender.map(|gender| flag(gender == Gender::Female)),
            profile.city_tier.map(|tier| tier as f64),
            profile.has_child.map(flag),
            profile.spending_power,
        ]
    }

    /// Number of categories of the lines, those without one together.
    fn categories(&self, lines: &[&Line]) -> f64 {
        let mut categories: Vec<Option<usize>> = lines
            .iter()
            .map(|line| self.cuts.segment(line.category))
            .collect();
        categories.sort_unstable();
        categories.dedup();
        categories.len() as f64
    }
}

fn ascending(days: impl Iterator<Item = Day>) -> Vec<Day> {
    let mut days: Vec<Day> = days.collect();
    days.sort_unstable();
    days.dedup();
    days
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
