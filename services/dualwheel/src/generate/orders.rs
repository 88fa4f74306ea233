//! Purchases: order lines with promise, dispatch and delivery, cancellations and returns as later revisions, and
//! what consumers say afterwards. Money is whole ten-thousandths throughout, rounded to hundredths of the unit.

use chrono::Datelike;
use dualwheel_lake::frames::{Kind, Venue};

use super::act::Act;
use super::brand::{Brand, festival};
use super::calendar::SECOND;
use super::catalogue::Product;
use super::journey::Journey;
use super::person::Bond;

/// Odds ratio of a return for the planted material.
pub const MATERIAL_ODDS: f64 = 3.2;
/// Odds ratio of a return for a line delivered after the promise.
pub const LATE_ODDS: f64 = 2.4;
/// Reason given for returns of the planted material.
pub const MATERIAL_REASON: &str = "material";
/// Reason given for returns of late lines.
pub const LATE_REASON: &str = "arrived late";
/// Other reasons.
const REASONS: [&str; 4] = ["changed mind", "not as described", "size", "damaged"];
const HOUR: i64 = 3_600 * SECOND;

/// An order line as it comes to be known. Instants are UTC microseconds.
#[derive(Clone, Debug)]
struct Line<'a> {
    order: String,
    line: i64,
    product: &'a Product,
    /// SKU, by its number within the product.
    sku: usize,
    quantity: i64,
    paid: i64,
    paid_at: i64,
    promised_at: Option<i64>,
    dispatched_at: Option<i64>,
    delivered_at: Option<i64>,
    cancelled_at: Option<i64>,
    returned_at: Option<i64>,
    returned: i64,
    refund: Option<i64>,
    reason: Option<&'static str>,
    channel: &'static str,
}

/// Whole hundredths of the unit, halves up.
fn to_cents(money: i64) -> i64 {
    (money + 50) / 100 * 100
}

impl Journey<'_> {
    /// Buys a product, often with others of the brand. Answers whether the order came about.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn buy(
        &mut self,
        bond: &mut Bond,
        brand: &Brand,
        product: &Product,
        at: i64,
        channel: &'static str,
    ) -> anyhow::Result<bool> {
        let market = self.market;
        let day = market.calendar.day_of(at);
        if at > market.calendar.end() || !product.on_sale(day) {
            return Ok(false);
        }
        let Some(brand) = market.brands.get(brand.index) else {
            return Ok(false);
        };
        self.orders += 1;
        let order = format!("o{}-{}", self.person.key, self.orders);
        let channel = if matches!(channel, "tmall" | "douyin" | "jd" | "wechat" | "offline") {
            channel
        } else {
            self.store()
        };
        let mut basket = vec![product];
        for chance in [0.22, 0.06] {
            if self.dice.chance(chance)
                && let Some(other) = self.product(brand, day)
                && basket.iter().all(|chosen| chosen.key != other.key)
            {
                basket.push(other);
            }
        }
        for (number, product) in basket.into_iter().enumerate() {
            let line = self.line(brand, product, order.clone(), number as i64 + 1, at, channel);
            self.follow_up(brand, line, day)?;
            bond.bought += 1;
        }
        bond.last_purchase = Some(day);
        if brand.purchases_supplied && self.dice.chance(0.4) {
            let channel = Some(channel);
            self.act(
                brand,
                Act {
                    kind: Kind::Purchase,
                    at,
                    product: Some(product),
                    channel,
                    ..Act::default()
                },
            )?;
        }
        Ok(true)
    }

    /// A line as it is when it is paid.
    fn line<'p>(
        &mut self,
        brand: &Brand,
        product: &'p Product,
        order: String,
        line: i64,
        paid_at: i64,
        channel: &'static str,
    ) -> Line<'p> {
        let date = self.market.calendar.date(self.market.calendar.day_of(paid_at));
        let promotion = if festival(date.month(), date.day()) > 1.0 {
            0.07
        } else {
            0.0
        };
        let share = self
            .dice
            .normal(brand.paid_share - promotion, 0.04)
            .clamp(0.35, 1.0);
        let per_mille = (share * 1_000.0).round() as i64;
        let quantity = 1 + self.dice.poisson(0.22) as i64;
        let sku = self.dice.below(product.skus);
        Line {
            order,
            line,
            product,
            sku,
            quantity,
            paid: to_cents(product.price * quantity * per_mille / 1_000),
            paid_at,
            promised_at: Some(paid_at + brand.promise_days * 24 * HOUR),
            dispatched_at: None,
            delivered_at: None,
            cancelled_at: None,
            returned_at: None,
            returned: 0,
            refund: None,
            reason: None,
            channel,
        }
    }

    /// What becomes of a line, each state as a row of a larger revision; nothing is known beyond the last day.
    fn follow_up(&mut self, brand: &Brand, mut line: Line<'_>, day: i32) -> anyhow::Result<()> {
        let end = self.market.calendar.end();
        let month = self.market.calendar.month_of(day);
        let mut revision = 0;
        if self.dice.chance(0.04) {
            self.row(brand, &line, revision)?;
            revision += 1;
        }
        if self.dice.chance(0.012) {
            let at = line.paid_at + self.dice.between(600, 5 * 3_600) * SECOND;
            if at <= end {
                self.row(brand, &line, revision)?;
                line.cancelled_at = Some(at);
                (line.returned, line.refund) = (line.quantity, Some(line.paid));
                return self.row(brand, &line, revision + 1);
            }
        }
        let late = self.ship(brand, &mut line);
        let sku = line.product.first_sku + line.sku;
        let location =
            (self.person.number as usize + self.person.tier as usize) % self.market.locations.max(1);
        self.out
            .tally
            .sell(sku, location, day, line.quantity, &self.market.calendar);
        self.out
            .tally
            .trade(line.product.category, month, line.paid, line.quantity);
        self.row(brand, &line, revision)?;
        let returned = match line.delivered_at {
            Some(_) => self.send_back(brand, &line, late, revision + 1, month)?,
            None => false,
        };
        self.speak(brand, &line, late, returned)
    }

    /// Dispatch and delivery, where they fall into the period. Answers whether delivery was late.
    fn ship(&mut self, brand: &Brand, line: &mut Line<'_>) -> bool {
        let promise = brand.promise_days * 24 * HOUR;
        let late = !self.dice.chance(brand.punctuality);
        let lead = if late {
            promise + HOUR + (self.dice.exponential(30.0) * HOUR as f64) as i64
        } else {
            (promise as f64 * self.dice.within(0.35, 0.98)) as i64
        };
        let handling = (lead as f64 * self.dice.within(0.15, 0.5)) as i64;
        let end = self.market.calendar.end();
        let known = |after: i64| Some(line.paid_at + after).filter(|&at| at <= end);
        line.dispatched_at = known(handling);
        line.delivered_at = if self.dice.chance(0.004) {
            None
        } else {
            known(lead)
        };
        late
    }

    /// A return, if there is one: mostly a later revision of the line, sometimes a return-only row.
    fn send_back(
        &mut self,
        brand: &Brand,
        line: &Line<'_>,
        late: bool,
        revision: i64,
        month: usize,
    ) -> anyhow::Result<bool> {
        let bad = line.product.material() == self.market.bad_material;
        let base = line.product.leaf().return_odds * brand.returns;
        let chance = base * if bad { MATERIAL_ODDS } else { 1.0 } * if late { LATE_ODDS } else { 1.0 };
        let returned = self.dice.chance(chance / (1.0 + chance));
        // a return takes up to two weeks: only lines old enough to have had their chance count as cases
        let at = line.delivered_at.unwrap_or(line.paid_at) + self.dice.between(20, 14 * 24) * HOUR;
        let end = self.market.calendar.end();
        if line
            .delivered_at
            .is_none_or(|delivered| delivered + 15 * 24 * HOUR > end)
            && !returned
            || at > end
        {
            return Ok(false);
        }
        self.out.tally.material.count(bad, returned);
        self.out.tally.late.count(late, returned);
        if !returned {
            return Ok(false);
        }
        let quantity = if self.dice.chance(0.85) {
            line.quantity
        } else {
            self.dice.between(1, line.quantity)
        };
        let refund = to_cents(line.paid * quantity / line.quantity.max(1)).min(line.paid);
        let reason = self.reason(bad, late);
        let channel = line.channel;
        self.out.tally.trade(line.product.category, month, -refund, 0);
        let back = Line {
            returned: quantity,
            refund: Some(refund),
            reason: Some(reason),
            channel,
            ..line.clone()
        };
        if self.dice.chance(0.08) {
            let alone = Line {
                order: format!("{}-r", line.order),
                quantity: 0,
                paid: 0,
                paid_at: at,
                promised_at: None,
                dispatched_at: None,
                delivered_at: None,
                returned_at: Some(at),
                ..back
            };
            self.row(brand, &alone, 0)?;
        } else {
            self.row(
                brand,
                &Line {
                    returned_at: Some(at),
                    ..back
                },
                revision,
            )?;
        }
        Ok(true)
    }

    fn reason(&mut self, bad: bool, late: bool) -> &'static str {
        match self.dice.unit() {
            share if bad && share < 0.55 => MATERIAL_REASON,
            share if late && share < 0.80 => LATE_REASON,
            _ => self.dice.word(&REASONS),
        }
    }

    /// Reviews, recommendations, shares and questions after the goods have come.
    fn speak(&mut self, brand: &Brand, line: &Line<'_>, late: bool, returned: bool) -> anyhow::Result<()> {
        let Some(delivered) = line.delivered_at else {
            return Ok(());
        };
        let unhappy = late || returned;
        for (kind, venue, chance) in [
            (
                Kind::PositiveReview,
                Venue::Store,
                if unhappy { 0.02 } else { 0.13 },
            ),
            (
                Kind::NegativeReview,
                Venue::Store,
                if unhappy { 0.10 } else { 0.012 },
            ),
            (
                Kind::Recommend,
                Venue::Content,
                if unhappy { 0.004 } else { 0.03 },
            ),
            (Kind::Share, Venue::Content, if unhappy { 0.005 } else { 0.03 }),
            (Kind::Consult, Venue::Store, if unhappy { 0.25 } else { 0.03 }),
        ] {
            if self.dice.chance(chance) {
                let at = delivered + self.dice.between(1, 10 * 24) * HOUR;
                let (product, channel) = (Some(line.product), Some(line.channel));
                self.act(
                    brand,
                    Act {
                        kind,
                        at,
                        product,
                        channel,
                        venue,
                        ..Act::default()
                    },
                )?;
            }
        }
        Ok(())
    }

    fn row(&mut self, brand: &Brand, line: &Line<'_>, revision: i64) -> anyhow::Result<()> {
        self.out
            .order_lines
            .text(&line.order)
            .text(&line.line.to_string())
            .whole(Some(revision))
            .text(&self.person.key)
            .text(&brand.key)
            .text(&line.product.key)
            .text(&line.product.sku(line.sku))
            .text(line.product.leaf().path)
            .whole(Some(line.quantity))
            .money(Some(line.paid))
            .money(Some(line.product.price))
            .instant(Some(line.paid_at))
            .instant(line.promised_at)
            .instant(line.dispatched_at)
            .instant(line.delivered_at)
            .instant(line.cancelled_at)
            .instant(line.returned_at)
            .whole(Some(line.returned))
            .money(line.refund)
            .maybe_text(line.reason)
            .text(line.channel)
            .end()
    }
}
