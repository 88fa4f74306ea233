//! What is known of a lapsed buyer on a day.

use dualwheel_lake::frames::{Categories, Kind, Profiles};
use dualwheel_measure::Day;

use super::lapsed::{Rhythm, between, purchases};
use crate::{
    boosted::Columns,
    facts::{Facts, acts},
    portrait::{Bought, is_benefit, is_content, ratio, role},
};

/// A feature: its name, and what to approach people with for whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Name.
    pub name: &'static str,
    /// Suggested touch.
    pub touch: &'static str,
}

const fn feature(name: &'static str, touch: &'static str) -> Feature {
    Feature { name, touch }
}

/// The features, in the order of a row. Times are in days, money in currency units; what was never there is missing.
pub const FEATURES: [Feature; 18] = [
    feature("recency", "a reminder of what was bought last, now"),
    feature("lapse", "a replenishment offer for the category last bought"),
    feature("frequency", "a thank-you for regular customers"),
    feature("tenure", "an anniversary greeting"),
    feature("mean_pause", "a reminder at the usual interval"),
    feature("net_gmv", "a service offer for valued customers"),
    feature("order_value", "a set or a higher grade of what was bought"),
    feature("unit_price", "novelties in the usual price band"),
    feature("categories", "novelties across the categories bought"),
    feature("discount_share", "a coupon of the usual depth"),
    feature("return_share", "advice on choice and size, with free returns"),
    feature("channel_share", "a visit in the channel bought in most"),
    feature(
        "content_recency",
        "content or a live room like those watched last",
    ),
    feature("benefit_recency", "a member benefit or points to redeem"),
    feature("visits_30d", "what was looked at lately"),
    feature("season_share", "this season's offer"),
    feature("city_tier", "a store or delivery offer for the place"),
    feature("role", "a word in the member group"),
];

/// Portrays people by their facts and profiles.
#[derive(Clone, Copy, Debug)]
pub struct Portrayer<'a> {
    /// Profiles of the tenant.
    pub profiles: &'a Profiles,
}

impl Portrayer<'_> {
    /// A row of features for each of `people` as of `day`.
    pub(super) fn rows(
        &self,
        facts: &Facts,
        people: &[u32],
        rhythm: &Rhythm,
        cuts: &Categories,
        day: Day,
    ) -> Columns {
        let portray = |consumer: &u32| self.portray(facts, *consumer, rhythm, cuts, day);
        people.iter().map(portray).collect()
    }

    /// The features of one consumer as of `day`, as far as they are known.
    #[must_use]
    pub fn portray(
        &self,
        facts: &Facts,
        consumer: u32,
        rhythm: &Rhythm,
        cuts: &Categories,
        day: Day,
    ) -> [Option<f64>; FEATURES.len()] {
        let lines = facts.orders.of(consumer);
        let bought = Bought::of(purchases(lines, day));
        let last = rhythm.last(lines, cuts, day);
        let since = |then: Day| f64::from(day.0 - then.0);
        let contact = |kinds: fn(Kind) -> bool| latest(facts, consumer, day, kinds).map(since);
        let mut categories: Vec<Option<usize>> = purchases(lines, day)
            .map(|line| cuts.segment(line.category))
            .collect();
        categories.sort_unstable();
        categories.dedup();
        let profile = self.profiles.get(consumer);
        [
            last.map(|(last, _)| since(last)),
            last.map(|(last, usual)| since(last) / f64::from(usual.max(1))),
            Some(bought.days.len() as f64),
            bought.days.first().map(|first| since(*first)),
            mean(between(&bought.days).map(f64::from)),
            Some(bought.net),
            Some(bought.net / bought.days.len().max(1) as f64),
            bought.unit_price(),
            Some(categories.len() as f64),
            bought.discount_share(),
            ratio(bought.returned, bought.units),
            bought.channel_share(),
            contact(is_content),
            contact(is_benefit),
            Some(visits(facts, consumer, day) as f64),
            bought.season_share(day),
            profile
                .and_then(|profile| profile.city_tier)
                .map(|tier| tier as f64),
            Some(role(facts, consumer, day)),
        ]
    }
}

impl Bought {
    /// Share of the lines in the channel with most.
    fn channel_share(&self) -> Option<f64> {
        let mut channels = self.channels.clone();
        channels.sort_unstable();
        let most = channels
            .chunk_by(|one, other| one == other)
            .map(<[u32]>::len)
            .max()?;
        Some(most as f64 / channels.len() as f64)
    }

    /// Share of the purchase days in the quarter of the year that begins to count after `day`.
    fn season_share(&self, day: Day) -> Option<f64> {
        let coming = quarter(day.plus(1));
        let mine = self.days.iter().filter(|day| quarter(**day) == coming).count();
        ratio(mine as f64, self.days.len() as f64)
    }
}

fn quarter(day: Day) -> u32 {
    use chrono::Datelike;
    day.date().map_or(0, |date| date.month0() / 3)
}

fn latest(facts: &Facts, consumer: u32, until: Day, kinds: fn(Kind) -> bool) -> Option<Day> {
    let mine = acts(facts, consumer).filter(|(kind, day)| kinds(*kind) && *day <= until);
    mine.map(|(_, day)| day).max()
}

fn visits(facts: &Facts, consumer: u32, until: Day) -> usize {
    let lately = until.plus(-29);
    acts(facts, consumer)
        .filter(|(kind, day)| kind.is_visit() && lately <= *day && *day <= until)
        .count()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    ratio(sum, count)
}
