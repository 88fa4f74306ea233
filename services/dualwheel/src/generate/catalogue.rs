//! Products: launches spread over time, seasons, delistings, attributes, and how demand for each one moves.

use chrono::{Datelike, NaiveDate};

use super::brand::Brand;
use super::calendar::Calendar;
use super::dice::Dice;
use super::table::Table;
use super::vocabulary::{CATEGORIES, Category, IPS};

/// Ten-thousandths in one unit of the currency.
pub const UNIT: i64 = 10_000;

/// A planted hit: a new product that looks ordinary until its sales take off.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Day on which growth sets in.
    pub takes_off: i32,
    /// Demand at the end against a mean product of the shelf.
    pub multiple: f64,
}

/// A product. Days are numbered by the [`Calendar`].
#[derive(Debug)]
pub struct Product {
    /// Key, `p01-0001`.
    pub key: String,
    /// Number of its brand.
    pub brand: usize,
    /// Index of its category.
    pub category: usize,
    /// List price per unit in ten-thousandths.
    pub price: i64,
    /// Day on which it goes on sale.
    pub launched: i32,
    /// Day on which its delisting is announced, and day on which it leaves.
    pub delisting: Option<(i32, i32)>,
    /// Season and the day on which it ends.
    pub season: Option<(String, i32)>,
    /// Star flag, as drawn; supplied only by some brands.
    pub star: bool,
    /// Styles.
    pub styles: Vec<&'static str>,
    /// Shape, colour, material, function and craft.
    pub attributes: [&'static str; 5],
    /// Co-branded IP.
    pub ip: Option<&'static str>,
    /// Weight against other products of the shelf.
    pub appeal: f64,
    /// Whether demand dies away without any announcement.
    pub fades: bool,
    /// Odds that a visitor buys.
    pub conversion: f64,
    /// Number of SKUs.
    pub skus: usize,
    /// Number of its first SKU among all SKUs of the market.
    pub first_sku: usize,
    /// The planted hit, if it is one.
    pub hit: Option<Hit>,
    /// Monthly growth of demand from a planted rising style.
    pub rising: f64,
}

impl Product {
    /// The material.
    pub fn material(&self) -> &'static str {
        let [_, _, material, ..] = self.attributes;
        material
    }

    /// Category of the product.
    pub fn leaf(&self) -> &'static Category {
        const FALLBACK: &Category = &CATEGORIES[0];
        CATEGORIES.get(self.category).unwrap_or(FALLBACK)
    }

    /// Key of one of its SKUs.
    pub fn sku(&self, number: usize) -> String {
        format!("{}-{}", self.key, number + 1)
    }

    /// Whether it is on sale on a day.
    pub fn on_sale(&self, day: i32) -> bool {
        self.launched <= day && self.delisting.is_none_or(|(_, leaves)| day < leaves)
    }

    /// Demand on a day relative to other products of its shelf: appeal × life × season × planted growth.
    pub fn demand(&self, day: i32, calendar: &Calendar) -> f64 {
        if !self.on_sale(day) {
            return 0.0;
        }
        let age = f64::from(day - self.launched);
        let mut life = (0.4 + age / 100.0).min(1.0) * (-age / 1_400.0).exp();
        if self.fades && age > 200.0 {
            life *= (-(age - 200.0) / 25.0).exp().max(0.03);
        }
        if self.delisting.is_some_and(|(announced, _)| day >= announced) {
            life *= 0.35;
        }
        if self.season.as_ref().is_some_and(|&(_, ends)| day > ends) {
            life *= 0.15;
        }
        if let Some(hit) = self.hit {
            let since = f64::from(day - hit.takes_off);
            return 0.3 + hit.multiple / (1.0 + (-(since - 35.0) / 9.0).exp());
        }
        let months = f64::from(day) / 30.4;
        self.appeal * life * (1.0 + self.rising).powf(months) * self.leaf().demand(calendar.date(day).month())
    }

    /// Writes what is known of the product: its row at launch and, when a delisting is announced, the newer one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, brand: &Brand, calendar: &Calendar, table: &mut Table) -> anyhow::Result<()> {
        let listed = (self.launched - 14).min(calendar.last());
        self.write_row(listed, None, brand, calendar, table)?;
        match self.delisting {
            Some((announced, leaves)) => {
                self.write_row(announced, Some((announced, leaves)), brand, calendar, table)
            }
            None => Ok(()),
        }
    }

    fn write_row(
        &self,
        known: i32,
        delisting: Option<(i32, i32)>,
        brand: &Brand,
        calendar: &Calendar,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let [shape, colour, material, function, craft] = self.attributes;
        let nine = |day: i32| calendar.instant(day, 9 * 3_600);
        table
            .text(&self.key)
            .text(&brand.key)
            .instant(Some(nine(known)))
            .text(self.leaf().path)
            .money(Some(self.price))
            .instant(Some(nine(self.launched)))
            .instant(delisting.map(|(announced, _)| nine(announced)))
            .instant(delisting.map(|(_, leaves)| calendar.instant(leaves, 0)))
            .maybe_text(self.season.as_ref().map(|(season, _)| season.as_str()))
            .instant(self.season.as_ref().map(|&(_, ends)| nine(ends)))
            .flag(brand.stars_supplied.then_some(self.star))
            .texts(Some(self.styles.iter().copied()))
            .text(shape)
            .text(colour)
            .text(material)
            .text(function)
            .text(craft)
            .maybe_text(self.ip)
            .end()
    }
}

/// Draws the products of a brand: `count` ordinary ones dealt over its categories, and one still to come.
/// SKUs are numbered on from `first_sku`.
pub fn draw(
    brand: &Brand,
    count: usize,
    calendar: &Calendar,
    mut first_sku: usize,
    dice: &mut Dice,
) -> Vec<Product> {
    let mut products = Vec::with_capacity(count + 1);
    for (number, &category) in brand
        .categories
        .iter()
        .cycle()
        .take(count.max(brand.categories.len()) + 1)
        .enumerate()
    {
        let future = number == count.max(brand.categories.len());
        let launched = match number {
            _ if future => calendar.last() + dice.between(15, 60) as i32,
            // each category has a product from the start, so that nobody finds an empty shelf
            _ if number < brand.categories.len() => -(dice.between(60, 700) as i32),
            _ if dice.chance(0.45) => -(dice.between(20, 700) as i32),
            _ => dice.between(0, i64::from(calendar.last())) as i32,
        };
        let product = one(brand, number, category, launched, calendar, dice);
        products.push(Product { first_sku, ..product });
        first_sku += products.last().map_or(0, |product| product.skus);
    }
    products
}

/// Draws one product with a given launch.
pub fn one(
    brand: &Brand,
    number: usize,
    category: usize,
    launched: i32,
    calendar: &Calendar,
    dice: &mut Dice,
) -> Product {
    let mut product = Product {
        key: format!("p{:02}-{:04}", brand.index + 1, number + 1),
        brand: brand.index,
        category,
        price: 0,
        launched,
        delisting: None,
        season: None,
        star: dice.chance(0.3),
        styles: Vec::new(),
        attributes: [""; 5],
        ip: None,
        appeal: dice.lognormal(1.0, 0.6),
        fades: number >= brand.categories.len() && dice.chance(0.12),
        conversion: dice.lognormal(1.0, 0.15),
        skus: dice.between(1, 3) as usize,
        first_sku: 0,
        hit: None,
        rising: 0.0,
    };
    let category = product.leaf();
    let (low, high) = category.prices;
    let place = dice.within(0.0, 1.0) * dice.within(0.4, 1.0);
    let price = (low as f64 + (high - low) as f64 * place) * brand.price_level;
    // prices end in 9
    product.price = ((price / 10.0).round() as i64 * 10 - 1).max(9) * UNIT;
    let words = category.words;
    let style = dice.word(words.styles);
    product.styles.push(style);
    if dice.chance(0.4) {
        let second = dice.word(words.styles);
        if second != style {
            product.styles.push(second);
        }
    }
    product.attributes = [
        dice.word(words.shapes),
        dice.word(words.colours),
        dice.word(words.materials),
        dice.word(words.functions),
        dice.word(words.crafts),
    ];
    product.ip = dice.chance(0.08).then(|| dice.word(&IPS));
    if category.path.starts_with("apparel/womenswear") && number >= brand.categories.len() {
        product.season = Some(season(calendar.date(launched), launched));
    }
    if number >= brand.categories.len() && launched < calendar.last() - 120 && dice.chance(0.14) {
        let earliest = i64::from(launched.max(0)) + 90;
        let announced = dice.between(earliest, i64::from(calendar.last()).max(earliest)) as i32;
        if announced <= calendar.last() {
            product.delisting = Some((announced, announced + 30));
        }
    }
    product
}

/// The selling season into which a launch falls, and the day on which it ends.
fn season(launch: NaiveDate, day: i32) -> (String, i32) {
    let (name, year, end) = match launch.month() {
        2..=7 => ("SS", launch.year(), (launch.year(), 8)),
        month => {
            let year = if month == 1 {
                launch.year() - 1
            } else {
                launch.year()
            };
            ("AW", year, (year + 1, 2))
        }
    };
    let ends = NaiveDate::from_ymd_opt(end.0, end.1, 28).unwrap_or(launch);
    (format!("{year}{name}"), day + (ends - launch).num_days() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_end_after_their_launch() {
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        assert_eq!(season(day(2025, 3, 1), 0), ("2025SS".to_owned(), 180));
        assert_eq!(season(day(2026, 1, 31), 10), ("2025AW".to_owned(), 10 + 28));
        assert_eq!(season(day(2025, 12, 1), 0).0, "2025AW");
    }
}
