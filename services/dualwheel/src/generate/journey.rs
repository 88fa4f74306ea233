//! What a consumer does: visits to brands, each a funnel from a first touch to product, purchase and after.

use dualwheel_lake::frames::{Kind, Venue};

use super::act::Act;
use super::brand::Brand;
use super::calendar::{SECOND, waking_second};
use super::catalogue::Product;
use super::dice::{Dice, Purpose};
use super::output::Output;
use super::person::{Bond, Person, bonds};
use super::plan::Market;
use super::touch::Lead;
use super::vocabulary::STORES;

/// Days without a purchase after which a buyer counts as lapsed.
pub const LAPSED_DAYS: i32 = 90;
/// Days for which a claimed benefit helps.
pub const BENEFIT_DAYS: i32 = 30;
/// Odds ratio of a lapsed buyer's purchase within that time, once a visit has led to a product.
pub const BENEFIT_ODDS: f64 = 4.0;
/// Days in which the odds of a lapsed buyer's purchase fall to a half.
pub const RECENCY_HALF_LIFE: f64 = 90.0;

/// One consumer's acts on their way into a shard.
pub struct Journey<'a> {
    /// The market.
    pub market: &'a Market,
    /// The consumer.
    pub person: Person,
    /// The consumer's own stream.
    pub dice: Dice,
    /// Where the facts go.
    pub out: &'a mut Output,
    /// Orders so far.
    pub orders: u32,
    /// Behaviours so far.
    pub acts: u32,
    /// Key of the behaviour being written, kept for its space.
    pub event_id: String,
}

impl<'a> Journey<'a> {
    /// Lets a consumer live through the period. `scale` multiplies the visits.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn run(market: &'a Market, number: u32, scale: f64, out: &'a mut Output) -> anyhow::Result<()> {
        let mut dice = Dice::new(market.seed, Purpose::Consumer, u64::from(number));
        let person = Person::draw(number, &mut dice);
        let bonds = bonds(&person, market, &mut dice);
        let close = bonds
            .iter()
            .filter(|bond| bond.close_fan)
            .filter_map(|bond| market.brands.get(bond.brand));
        let close: Vec<&str> = close.map(|brand| brand.key.as_str()).collect();
        person.write(&close, &market.calendar, &mut dice, &mut out.profiles)?;
        let mut journey = Self {
            market,
            person,
            dice,
            out,
            orders: 0,
            acts: 0,
            event_id: String::new(),
        };
        for bond in bonds {
            journey.live(bond, scale)?;
        }
        Ok(())
    }

    /// All visits to one brand, in order of time.
    fn live(&mut self, mut bond: Bond, scale: f64) -> anyhow::Result<()> {
        let market = self.market;
        let Some(brand) = market.brands.get(bond.brand) else {
            return Ok(());
        };
        let koc = market
            .koc_of(self.person.number)
            .and_then(|koc| market.kocs.get(koc));
        let koc = koc.filter(|koc| koc.brand == bond.brand);
        self.inherit_role(&mut bond, brand)?;
        let visits =
            scale * self.person.activity * bond.affinity * if bond.roles.is_empty() { 1.0 } else { 1.7 };
        let count = self.dice.poisson(visits);
        let mut days: Vec<i32> = (0..count)
            .filter_map(|_| self.dice.weighted(&brand.days))
            .map(|day| day as i32)
            .collect();
        days.sort_unstable();
        if let Some(first) = self.meet(&mut bond, brand)? {
            days.retain(|&day| day > first);
        }
        for day in days {
            self.visit(&mut bond, brand, day)?;
        }
        if let Some(koc) = koc {
            for content in koc
                .contents
                .iter()
                .filter_map(|&content| market.contents.get(content))
            {
                self.spread(brand, content)?;
            }
        }
        self.social_profile(&bond, brand, koc.is_some())
    }

    /// The first meeting of someone brought by a KOC: they see what the KOC published, and go on. Answers its day.
    fn meet(&mut self, bond: &mut Bond, brand: &'a Brand) -> anyhow::Result<Option<i32>> {
        let market = self.market;
        let Some(koc) = bond.brought_by else {
            return Ok(None);
        };
        let Some(source) = market.kocs.get(koc) else {
            return Ok(None);
        };
        let Some(content) = self
            .dice
            .pick(&source.contents)
            .and_then(|&content| market.contents.get(content))
        else {
            return Ok(None);
        };
        let day = content.published + self.dice.exponential(4.0) as i32;
        if day > market.calendar.last() {
            return Ok(None);
        }
        if let Some(brought) = self.out.tally.brought.get_mut(koc) {
            *brought += 1;
        }
        let at = market.calendar.instant(day, content.second) + self.dice.between(60, 7_200) * SECOND;
        let lead = self.view(brand, content, at)?;
        self.follow_lead(bond, brand, Lead { odds: 2.5, ..lead }, day)?;
        Ok(Some(day))
    }

    /// One visit: a first touch, what it leads to, and what it does to the relation.
    fn visit(&mut self, bond: &mut Bond, brand: &'a Brand, day: i32) -> anyhow::Result<()> {
        if bond.role().is_some() && !self.dice.chance(brand.connection) {
            return Ok(());
        }
        let at = self.market.calendar.instant(day, waking_second(&mut self.dice));
        if bond.role().is_some() && self.dice.chance(0.012) {
            self.leave(bond, brand, at)?;
        }
        let lapsed = bond
            .last_purchase
            .is_some_and(|bought| day - bought > LAPSED_DAYS);
        if lapsed && self.dice.chance(0.3) {
            let sms = Act {
                kind: Kind::BenefitClaim,
                at,
                channel: Some("sms"),
                venue: Venue::Sms,
                ..Act::default()
            };
            if self.act(brand, sms)? {
                bond.benefit_until = Some(day + BENEFIT_DAYS);
            }
        }
        let helped = bond.benefit_until.is_some_and(|until| day <= until);
        let lead = self.first_touch(bond, brand, day, at + 20 * SECOND)?;
        let bought = self.follow_lead(bond, brand, lead, day)?;
        if lapsed {
            self.out.tally.win_back.count(helped, bought);
        }
        self.deepen(bond, brand, lead.at + 400 * SECOND, lead.channel, bought)
    }

    /// From the product page to the purchase. Answers whether something was bought.
    fn follow_lead(
        &mut self,
        bond: &mut Bond,
        brand: &'a Brand,
        lead: Lead<'a>,
        day: i32,
    ) -> anyhow::Result<bool> {
        let Some(product) = lead.product else {
            return Ok(false);
        };
        let deeper = brand.advancing * lead.odds * product.conversion;
        let venue = if lead.channel == "wechat" {
            Venue::MiniProgram
        } else {
            Venue::Store
        };
        let base = Act {
            product: Some(product),
            channel: Some(lead.channel),
            venue,
            ..Act::default()
        };
        let mut at = lead.at;
        for _ in 0..=self.dice.below(2) {
            let dwell = Some((self.dice.exponential(24.0) * 1_000.0) as i64 + 400);
            self.act(
                brand,
                Act {
                    kind: Kind::Browse,
                    at,
                    dwell,
                    ..base
                },
            )?;
            at += self.dice.between(20, 240) * SECOND;
        }
        if self.dice.chance(0.12 * deeper) {
            at += self.dice.between(40_000, 200_000) * SECOND;
            let dwell = Some((self.dice.exponential(30.0) * 1_000.0) as i64 + 400);
            self.act(
                brand,
                Act {
                    kind: Kind::Browse,
                    at,
                    dwell,
                    ..base
                },
            )?;
            at += 30 * SECOND;
        }
        let mut pull = deeper * bond.affinity.sqrt() * if bond.bought > 0 { 1.3 } else { 1.0 };
        for (kind, chance, gain) in [
            (Kind::Consult, 0.03, 1.2),
            (Kind::Favorite, 0.08, 1.4),
            (Kind::SampleClaim, 0.01, 1.5),
            (Kind::Cart, 0.17, 3.0),
        ] {
            if self.dice.chance(odds(chance, deeper)) {
                self.act(brand, Act { kind, at, ..base })?;
                at += self.dice.between(5, 300) * SECOND;
                pull *= gain;
            }
        }
        pull *= self.win_back_odds(bond, day);
        let bought =
            self.dice.chance(odds(0.14, pull)) && self.buy(bond, brand, product, at, lead.channel)?;
        Ok(bought)
    }

    /// Odds of a purchase by a lapsed buyer against anybody else's.
    fn win_back_odds(&self, bond: &Bond, day: i32) -> f64 {
        let Some(gap) = bond
            .last_purchase
            .map(|bought| day - bought)
            .filter(|&gap| gap > LAPSED_DAYS)
        else {
            return 1.0;
        };
        let helped = bond.benefit_until.is_some_and(|until| day <= until);
        let faded = (-f64::from(gap - LAPSED_DAYS) / RECENCY_HALF_LIFE).exp2();
        faded * if helped { BENEFIT_ODDS } else { 1.0 }
    }

    /// A product of the brand on a day, by demand; `None` when nothing fitting is on sale.
    pub fn product(&mut self, brand: &'a Brand, day: i32) -> Option<&'a Product> {
        let period = self.market.calendar.period_of(day);
        let total: f64 = brand.shelves.iter().map(|shelf| shelf.weight(period)).sum();
        let mut mark = self.dice.unit() * total;
        let shelf = brand.shelves.iter().find(|shelf| {
            mark -= shelf.weight(period);
            mark < 0.0
        })?;
        let market = self.market;
        let mut drawn = (0..3).filter_map(|_| market.products.get(shelf.draw(period, &mut self.dice)?));
        drawn.find(|product| product.on_sale(day))
    }

    /// A store, by its share of orders.
    pub fn store(&mut self) -> &'static str {
        let mut mark = self.dice.unit();
        STORES
            .iter()
            .find(|(_, share)| {
                mark -= share;
                mark < 0.0
            })
            .map_or("tmall", |(store, _)| store)
    }
}

/// A chance whose odds are multiplied by a ratio.
pub fn odds(chance: f64, ratio: f64) -> f64 {
    chance * ratio / (1.0 - chance + chance * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_multiplied() {
        // 0.2 is odds of 1 to 4; three times that is 3 to 4, 3/7
        assert!((odds(0.2, 3.0) - 3.0 / 7.0).abs() < 1e-12);
        assert!((odds(0.2, 1.0) - 0.2).abs() < 1e-12);
        assert!(odds(0.2, 0.0).abs() < 1e-12);
    }
}
