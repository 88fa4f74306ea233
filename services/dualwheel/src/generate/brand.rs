//! Brands: how strong each is in what, and which of them has a planted weakness.

use chrono::Datelike;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::dice::{Dice, cumulative};
use super::shelf::Shelf;
use super::vocabulary::CATEGORIES;

/// A track of the operating index, weak in one planted brand each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// People are not led deeper: low advancing.
    People,
    /// Goods arrive late: poor fulfilment.
    Goods,
    /// Nobody looks for the brand by name, and it sells below its peers' prices: low search share and premium.
    Brand,
    /// Members fall silent: low connection.
    Members,
    /// Contents do not lead to products: low seeding.
    Content,
}

impl Track {
    /// The tracks in the order in which weaknesses are dealt out.
    pub const ALL: [Self; 5] = [
        Self::People,
        Self::Goods,
        Self::Brand,
        Self::Members,
        Self::Content,
    ];

    /// Metrics in which the weakness must show.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::People => &["fast.advancing"],
            Self::Goods => &["super.rapid_fulfilment"],
            Self::Brand => &["neo.engagement.search_heat", "neo.solidity.premium"],
            Self::Members => &["plus.connection"],
            Self::Content => &["start.seeding"],
        }
    }
}

/// A brand's character. Factors are 1 for an ordinary brand.
#[derive(Debug)]
pub struct Brand {
    /// Number, from 0.
    pub index: usize,
    /// Key, `brand-01`.
    pub key: String,
    /// Its planted weakness.
    pub weakness: Option<Track>,
    /// Weight by which consumers come to know it.
    pub fame: f64,
    /// Level of list prices.
    pub price_level: f64,
    /// Mean share of the list price that is paid.
    pub paid_share: f64,
    /// Odds of each step deeper.
    pub advancing: f64,
    /// Share of lines delivered as promised.
    pub punctuality: f64,
    /// Days from payment to promised delivery.
    pub promise_days: i64,
    /// Odds of coming through a search.
    pub search: f64,
    /// Share of searches by the brand's name.
    pub name_search: f64,
    /// Odds of entering a role.
    pub recruiting: f64,
    /// Chance that a member's visit takes place at all.
    pub connection: f64,
    /// Odds of coming through a content.
    pub media: f64,
    /// Odds that a content leads to a product.
    pub seeding: f64,
    /// Odds that goods come back.
    pub returns: f64,
    /// Growth of demand over a year, as a logarithm.
    pub growth: f64,
    /// Whether star flags of products are supplied.
    pub stars_supplied: bool,
    /// Whether it is supplied how members may be reached.
    pub reach_supplied: bool,
    /// Whether purchases are supplied as behaviours beside the order lines.
    pub purchases_supplied: bool,
    /// Categories it sells: index into the vocabulary.
    pub categories: Vec<usize>,
    /// Products of each category, in the order of `categories`.
    pub shelves: Vec<Shelf>,
    /// Contents.
    pub contents: Shelf,
    /// KOCs whose home it is.
    pub kocs: Vec<usize>,
    /// Cumulative weight of each day.
    pub days: Vec<f32>,
}

impl Brand {
    /// Draws a brand. `weakness` overrules what was drawn, so that it stands out among its peers.
    pub fn draw(
        index: usize,
        last: bool,
        weakness: Option<Track>,
        calendar: &Calendar,
        dice: &mut Dice,
    ) -> Self {
        let mut spread = |median: f64, deviation: f64| dice.lognormal(median, deviation);
        let mut brand = Self {
            index,
            key: format!("brand-{:02}", index + 1),
            weakness,
            fame: spread(1.0, 0.35),
            price_level: spread(1.0, 0.10),
            paid_share: spread(0.84, 0.03).min(0.95),
            advancing: spread(1.0, 0.12),
            punctuality: 1.0 - spread(0.07, 0.25).min(0.14),
            promise_days: 3,
            search: spread(1.0, 0.12),
            name_search: spread(0.52, 0.06).min(0.65),
            recruiting: spread(1.0, 0.15),
            connection: 1.0 - spread(0.08, 0.3).min(0.2),
            media: spread(1.0, 0.12),
            seeding: spread(1.0, 0.10),
            returns: spread(1.0, 0.12),
            growth: 0.0,
            stars_supplied: index % 3 != 2,
            reach_supplied: !last,
            purchases_supplied: index == 1,
            categories: Vec::new(),
            shelves: Vec::new(),
            contents: Shelf::default(),
            kocs: Vec::new(),
            days: Vec::new(),
        };
        brand.growth = dice.normal(0.12, 0.18);
        brand.promise_days = dice.between(3, 4);
        brand.weaken();
        brand.categories = assortment(index, dice);
        brand.days = brand.day_weights(calendar);
        brand
    }

    /// Sizes of the planted weaknesses: far outside the spread of ordinary brands.
    fn weaken(&mut self) {
        match self.weakness {
            Some(Track::People) => self.advancing = 0.42,
            Some(Track::Goods) => self.punctuality = 0.62,
            Some(Track::Brand) => {
                self.search = 0.55;
                self.name_search = 0.16;
                self.price_level = 0.72;
                self.paid_share = 0.70;
            }
            Some(Track::Members) => self.connection = 0.28,
            Some(Track::Content) => self.seeding = 0.22,
            None => {}
        }
    }

    /// What the weakness changes, in words for the truth file.
    pub fn effect(&self) -> &'static str {
        match self.weakness {
            Some(Track::People) => "odds of every step deeper 0.42 of an ordinary brand's",
            Some(Track::Goods) => "62 % of lines delivered as promised instead of about 93 %",
            Some(Track::Brand) => {
                "16 % of searches by the brand's name instead of about 52 %, list prices 0.72, paid share 0.70"
            }
            Some(Track::Members) => "28 % of members' visits take place instead of about 92 %",
            Some(Track::Content) => "odds that a content leads to a product 0.22 of an ordinary brand's",
            None => "",
        }
    }

    /// Demand by day: growth, the week, and the shopping festivals.
    fn day_weights(&self, calendar: &Calendar) -> Vec<f32> {
        cumulative((0..calendar.days() as i32).map(|day| {
            let date = calendar.date(day);
            let week = if date.weekday().number_from_monday() > 5 {
                1.2
            } else {
                1.0
            };
            (self.growth * f64::from(day) / 365.0).exp() * week * festival(date.month(), date.day())
        }))
    }
}

/// Demand on a day of the year against an ordinary day.
pub fn festival(month: u32, day: u32) -> f64 {
    match (month, day) {
        (11, 1..=11) => 2.4,
        (6, 1..=18) => 1.7,
        (12, 9..=12) | (3, 5..=8) => 1.4,
        _ => 1.0,
    }
}

/// The first two categories, in which all brands meet, and three to five others.
fn assortment(index: usize, dice: &mut Dice) -> Vec<usize> {
    let others = CATEGORIES.len() - 2;
    let wanted = dice.between(3, 5) as usize;
    let mut chosen: Vec<usize> = (0..wanted)
        .map(|step| 2 + (index * 5 + step * 3 + step / 4) % others)
        .collect();
    chosen.extend([0, 1]);
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::dice::Purpose;

    #[test]
    fn every_brand_sells_the_first_categories_and_some_more() {
        for index in 0..40 {
            let chosen = assortment(index, &mut Dice::new(3, Purpose::Brand, index as u64));
            assert!(
                chosen.starts_with(&[0, 1]) && (5..=7).contains(&chosen.len()),
                "{chosen:?}"
            );
            assert!(chosen.iter().all(|&category| category < CATEGORIES.len()));
        }
    }
}
