//! Consumers: who they are, and which brands they know.

use super::calendar::Calendar;
use super::dice::Dice;
use super::plan::{Market, consumer_key};
use super::table::Table;
use super::vocabulary::{CATEGORIES, OCCUPATIONS};

/// A consumer's traits.
#[derive(Debug)]
pub struct Person {
    /// Number, from 0.
    pub number: u32,
    /// Key, `c0000001`.
    pub key: String,
    /// Age in years.
    pub age: i64,
    /// Gender by number of the contract's enum.
    pub gender: i8,
    /// City tier, 1 to 6.
    pub tier: i64,
    /// Age of the youngest child in months.
    pub child: Option<i64>,
    /// Spending power, 0 to 1.
    pub power: f64,
    /// Occupation.
    pub occupation: &'static str,
    /// Visits against an ordinary consumer's.
    pub activity: f64,
    /// The category in which the consumer is first to try what is new.
    pub pioneer: Option<&'static str>,
}

impl Person {
    /// Draws a consumer.
    pub fn draw(number: u32, dice: &mut Dice) -> Self {
        let age = (dice.normal(33.0, 11.0).round() as i64).clamp(15, 82);
        let female = dice.chance(0.64);
        let gender = if dice.chance(0.01) {
            3
        } else {
            2 - i8::from(female)
        };
        let tier = 1 + dice
            .weighted(&[0.20, 0.42, 0.60, 0.78, 0.92, 1.0])
            .unwrap_or_default() as i64;
        let parent = (23..=45).contains(&age) && dice.chance(if age < 38 { 0.45 } else { 0.25 });
        let occupation = match age {
            ..=21 => "student",
            60.. => "retired",
            _ => dice.word(OCCUPATIONS.get(1..8).unwrap_or_default()),
        };
        let wealth = if occupation == "student" { 0.3 } else { 0.5 } - 0.03 * (tier - 1) as f64;
        Self {
            number,
            key: consumer_key(number),
            age,
            gender,
            tier,
            child: parent.then(|| dice.between(1, 96)),
            power: dice.normal(wealth, 0.17).clamp(0.02, 0.99),
            occupation,
            activity: dice.lognormal(0.7, 0.8).min(12.0),
            pioneer: dice
                .chance(0.05)
                .then(|| dice.pick(&CATEGORIES).map(|c| c.second_level()))
                .flatten(),
        }
    }

    /// Writes the profile, with gaps as real sources have them; some consumers have an older row as well.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        &self,
        close_fan_of: &[&str],
        calendar: &Calendar,
        dice: &mut Dice,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let mut labels: Vec<String> = self
            .pioneer
            .iter()
            .map(|category| format!("pioneer@{category}"))
            .collect();
        labels.extend(close_fan_of.iter().map(|brand| format!("close_fan@{brand}")));
        let born = self.child.and_then(|months| {
            let born = calendar
                .date(calendar.last())
                .checked_sub_months(chrono::Months::new(months as u32))?;
            chrono::Datelike::with_day(&born, 1)
        });
        let known = dice.between(0, i64::from(calendar.last())) as i32;
        let gaps = [0.05, 0.03, 0.06, 0.08, 0.10, 0.22].map(|share| dice.chance(share));
        let [no_age, no_gender, no_tier, no_child, no_power, no_occupation] = gaps;
        let older = (known > 60 && dice.chance(0.03)).then(|| known - 60);
        for (day, current) in older.map(|day| (day, false)).into_iter().chain([(known, true)]) {
            table
                .text(&self.key)
                .instant(Some(calendar.instant(day, 3 * 3_600)))
                .whole((!no_age).then_some(self.age))
                .code(if no_gender { 0 } else { self.gender })
                .whole((!no_tier && current).then_some(self.tier))
                .flag((!no_child).then_some(self.child.is_some()))
                .day(born.filter(|_| !no_child && current))
                .share((!no_power).then_some((self.power * 1_000.0).round() / 1_000.0))
                .maybe_text((!no_occupation).then_some(self.occupation))
                .texts(Some(labels.iter().map(String::as_str)))
                .end()?;
        }
        Ok(())
    }
}

/// How a consumer stands to a brand, and what it was before the present visit.
#[derive(Debug)]
pub struct Bond {
    /// Number of the brand.
    pub brand: usize,
    /// Visits against an ordinary bond's, and inclination to buy.
    pub affinity: f64,
    /// Whether the consumer is a close fan.
    pub close_fan: bool,
    /// The KOC that brought the consumer.
    pub brought_by: Option<usize>,
    /// Roles held now.
    pub roles: Vec<super::belonging::Held>,
    /// Lines bought so far.
    pub bought: u32,
    /// Day of the latest purchase.
    pub last_purchase: Option<i32>,
    /// Last day on which a claimed benefit helps.
    pub benefit_until: Option<i32>,
}

/// Draws the brands that a consumer knows: the home of a KOC first, then by fame.
pub fn bonds(person: &Person, market: &Market, dice: &mut Dice) -> Vec<Bond> {
    let home = market
        .koc_of(person.number)
        .and_then(|koc| market.kocs.get(koc))
        .map(|koc| koc.brand);
    let wanted = (1 + dice.poisson(1.3)).min(market.brands.len());
    let mut brands: Vec<usize> = home.into_iter().collect();
    for _ in 0..wanted * 4 {
        if brands.len() >= wanted {
            break;
        }
        match dice.weighted(&market.fame) {
            Some(brand) if !brands.contains(&brand) => brands.push(brand),
            _ => {}
        }
    }
    brands
        .into_iter()
        .map(|brand| bond(brand, home == Some(brand), market, dice))
        .collect()
}

fn bond(brand: usize, home: bool, market: &Market, dice: &mut Dice) -> Bond {
    let kocs = market
        .brands
        .get(brand)
        .map(|brand| brand.kocs.as_slice())
        .unwrap_or_default();
    let affinity = if home {
        3.0
    } else {
        dice.lognormal(0.8, 0.7).min(6.0)
    };
    Bond {
        brand,
        affinity,
        close_fan: dice.chance(if affinity > 1.8 { 0.22 } else { 0.01 }),
        brought_by: if !home && dice.chance(0.06) {
            dice.pick(kocs).copied()
        } else {
            None
        },
        roles: Vec::new(),
        bought: 0,
        last_purchase: None,
        benefit_until: None,
    }
}
