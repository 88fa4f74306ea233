//! What one person did and bought up to a day, as models of people read it.

use dualwheel_lake::frames::{Kind, Line, NONE};
use dualwheel_measure::{Day, MONEY_SCALE};

use crate::facts::Facts;

/// What somebody bought, added up; money in currency units.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bought {
    /// Distinct days, ascending.
    pub days: Vec<Day>,
    /// Received less paid back.
    pub net: f64,
    /// Received.
    pub paid: f64,
    /// List prices of the units of lines that have one.
    pub listed: f64,
    /// Received for these lines.
    pub paid_of_listed: f64,
    /// Units bought.
    pub units: f64,
    /// Units that came back.
    pub returned: f64,
    /// Channel of each line that has one.
    pub channels: Vec<u32>,
}

impl Bought {
    /// Adds up purchase lines.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a Line>) -> Self {
        let money = |amount: i64| amount as f64 / MONEY_SCALE as f64;
        let mut bought = Self::default();
        // Whole amounts are added up before they are divided, so that the order of lines changes nothing.
        let (mut net, mut paid, mut listed, mut paid_of_listed) = (0, 0, 0, 0);
        for line in lines {
            bought.days.push(line.day);
            bought.units += line.quantity as f64;
            bought.returned += line.returned_quantity as f64;
            bought
                .channels
                .extend(Some(line.channel).filter(|channel| *channel != NONE));
            net += line.net_amount();
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

    /// Received per unit.
    pub(crate) fn unit_price(&self) -> Option<f64> {
        ratio(self.paid, self.units)
    }

    /// Share of the list price that was let off.
    pub(crate) fn discount_share(&self) -> Option<f64> {
        ratio(self.listed - self.paid_of_listed, self.listed)
    }
}

/// Contact with content: viewing, watching, and what is said or passed on about it.
pub(crate) fn is_content(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ContentView | Kind::LiveWatch | Kind::Like | Kind::Comment | Kind::Share
    )
}

/// Use of a benefit: claiming one or a sample, redeeming points.
pub(crate) fn is_benefit(kind: Kind) -> bool {
    matches!(kind, Kind::BenefitClaim | Kind::SampleClaim | Kind::PointsRedeem)
}

/// How deep a consumer's role is on a day, 1 for a fan to 4 for a paid member; 0 without one.
pub(crate) fn role(facts: &Facts, consumer: u32, day: Day) -> f64 {
    let role = facts.members.role_on(consumer, day);
    role.map_or(0.0, |role| role as u8 as f64)
}

/// A share; `None` of nothing.
pub(crate) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
