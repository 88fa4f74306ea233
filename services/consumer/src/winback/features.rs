//! What is known of a lapsed buyer on a day.

use dualwheel_lake::frames::{Kind, Line, NONE, Profiles};
use dualwheel_measure::{Day, MONEY_SCALE};

use super::{
    Question,
    lapsed::{Rhythm, between, purchases},
};
use crate::{facts::Facts, winback::model::Columns};

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
        ask: Question<'_>,
        day: Day,
    ) -> Columns {
        let mut columns = Columns::new(people.len());
        for consumer in people {
            columns.push(self.portray(facts, *consumer, rhythm, ask, day));
        }
        columns
    }

    /// The features of one consumer as of `day`, as far as they are known.
    #[must_use]
    pub fn portray(
        &self,
        facts: &Facts,
        consumer: u32,
        rhythm: &Rhythm,
        ask: Question<'_>,
        day: Day,
    ) -> [Option<f64>; FEATURES.len()] {
        let lines = facts.orders.of(consumer);
        let bought = Bought::new(lines, day);
        let last = rhythm.last(lines, ask.cuts, day);
        let since = |then: Day| f64::from(day.0 - then.0);
        let contact = |kinds: fn(Kind) -> bool| latest(facts, consumer, day, kinds).map(since);
        let mut categories: Vec<Option<usize>> = purchases(lines, day)
            .map(|line| ask.cuts.segment(line.category))
            .collect();
        categories.sort_unstable();
        categories.dedup();
        let profile = self.profiles.get(consumer);
        let role = facts
            .members
            .role_on(consumer, day)
            .map_or(0.0, |role| role as u8 as f64);
        [
            last.map(|(last, _)| since(last)),
            last.map(|(last, usual)| since(last) / f64::from(usual.max(1))),
            Some(bought.days.len() as f64),
            bought.days.first().map(|first| since(*first)),
            mean(between(&bought.days).map(f64::from)),
            Some(bought.net),
            Some(bought.net / bought.days.len().max(1) as f64),
            ratio(bought.paid, bought.units),
            Some(categories.len() as f64),
            ratio(bought.listed - bought.paid_of_listed, bought.listed),
            ratio(bought.returned, bought.units),
            bought.channel_share(),
            contact(is_content),
            contact(is_benefit),
            Some(visits(facts, consumer, day) as f64),
            bought.season_share(day),
            profile
                .and_then(|profile| profile.city_tier)
                .map(|tier| tier as f64),
            Some(role),
        ]
    }
}

/// What a consumer bought up to a day.
struct Bought {
    days: Vec<Day>,
    net: f64,
    paid: f64,
    listed: f64,
    paid_of_listed: f64,
    units: f64,
    returned: f64,
    /// Channel of each purchase line that has one.
    channels: Vec<u32>,
}

impl Bought {
    fn new(lines: &[Line], until: Day) -> Self {
        let money = |amount: i64| amount as f64 / MONEY_SCALE as f64;
        let mut bought = Self {
            days: Vec::new(),
            net: 0.0,
            paid: 0.0,
            listed: 0.0,
            paid_of_listed: 0.0,
            units: 0.0,
            returned: 0.0,
            channels: Vec::new(),
        };
        // Whole amounts are added up before they are divided, so that the order of lines changes nothing.
        let (mut net, mut paid, mut listed, mut paid_of_listed) = (0, 0, 0, 0);
        for line in purchases(lines, until) {
            bought.days.push(line.day);
            bought.units += line.quantity as f64;
            bought.returned += line.returned_quantity as f64;
            bought
                .channels
                .extend(Some(line.channel).filter(|channel| *channel != NONE));
            net += line.paid - line.refund;
            paid += line.paid;
            if let Some(price) = line.list_price {
                listed += price.saturating_mul(line.quantity);
                paid_of_listed += line.paid;
            }
        }
        (bought.net, bought.paid) = (money(net), money(paid));
        (bought.listed, bought.paid_of_listed) = (money(listed), money(paid_of_listed));
        bought.days.sort_unstable();
        bought.days.dedup();
        bought
    }

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

/// Contact with content: viewing, watching, and what is said or passed on about it.
fn is_content(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ContentView | Kind::LiveWatch | Kind::Like | Kind::Comment | Kind::Share
    )
}

/// Use of a benefit: claiming one or a sample, redeeming points.
fn is_benefit(kind: Kind) -> bool {
    matches!(kind, Kind::BenefitClaim | Kind::SampleClaim | Kind::PointsRedeem)
}

fn acts(facts: &Facts, consumer: u32) -> impl Iterator<Item = (Kind, Day)> {
    let frame = &facts.behaviors;
    let rows = frame.groups.rows(consumer);
    let kinds = frame.kind.get(rows.clone()).unwrap_or_default();
    let days = frame.day.get(rows).unwrap_or_default();
    kinds.iter().copied().zip(days.iter().copied())
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

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
