//! Stock, made after the sales so that it agrees with them: what is there on one count is what was there on the
//! one before, plus what was received, less what was sold. Goods that come back are not put on sale again.

use super::catalogue::Product;
use super::dice::{Dice, Purpose};
use super::output::Tally;
use super::plan::Market;
use super::table::Table;
use super::vocabulary::LOCATIONS;

/// Stock periods in which a product is on sale: from the count at or before its launch to its last day.
fn periods_of(product: &Product, market: &Market) -> std::ops::Range<usize> {
    let calendar = &market.calendar;
    let last_day = product
        .delisting
        .map_or(calendar.last(), |(_, leaves)| (leaves - 1).min(calendar.last()));
    if product.launched > calendar.last() || last_day < 0 {
        return 0..0;
    }
    calendar.period_of(product.launched)..calendar.period_of(last_day) + 1
}

/// Rows of stock that a market will have.
pub fn rows(market: &Market) -> u64 {
    let of = |product: &Product| periods_of(product, market).len() * product.skus * market.locations;
    market.products.iter().map(of).sum::<usize>() as u64
}

/// Writes the stock of every SKU and location on every count.
///
/// # Errors
/// When the file cannot be written.
pub fn write(market: &Market, tally: &Tally, table: &mut Table) -> anyhow::Result<()> {
    for (number, product) in market.products.iter().enumerate() {
        let mut dice = Dice::new(market.seed, Purpose::Stock, number as u64);
        for sku in 0..product.skus {
            for (place, location) in LOCATIONS.iter().take(market.locations).enumerate() {
                let sales = tally.sales(product.first_sku + sku, place);
                write_place(market, product, sku, location, sales, &mut dice, table)?;
            }
        }
    }
    Ok(())
}

/// Stock of one SKU at one location. The first delivery covers a guess of what will be sold; later ones come when
/// what is left would not last for two periods, and cover about four. A guess too high leaves unsold goods, as in life.
fn write_place(
    market: &Market,
    product: &Product,
    sku: usize,
    location: &str,
    (sold, at_once): (&[u32], &[u32]),
    dice: &mut Dice,
    table: &mut Table,
) -> anyhow::Result<()> {
    let Some(brand) = market.brands.get(product.brand) else {
        return Ok(());
    };
    let periods = periods_of(product, market);
    let units = |list: &[u32], period: usize| list.get(period).copied().map_or(0, i64::from);
    let total: i64 = periods.clone().map(|period| units(sold, period)).sum();
    let guess = (total as f64 * dice.within(0.25, 0.75)) as i64 + dice.between(1, 6);
    // a few SKUs are bought from hand to mouth, the others for about a month of demand and more
    let cover = if dice.chance(0.1) {
        0.0
    } else {
        dice.within(0.9, 2.4)
    };
    let mut opening = if product.launched < 0 { guess } else { 0 };
    let mut first = product.launched >= 0;
    for period in periods {
        let need = units(sold, period);
        let ahead: i64 = (period..period + 4).map(|period| units(sold, period)).sum();
        let mut received = (need - opening).max(0);
        if opening < need + units(sold, period + 1) {
            received = received.max((ahead as f64 * cover) as i64 - opening);
        }
        if std::mem::take(&mut first) {
            received = received.max(guess);
        }
        let soon = units(sold, period + 1) + units(sold, period + 2);
        let left = opening + received - need;
        table
            .text(&brand.key)
            .text(&product.key)
            .text(&product.sku(sku))
            .text(location)
            .day(
                market
                    .calendar
                    .counts()
                    .get(period)
                    .map(|&day| market.calendar.date(day)),
            )
            .whole(Some(opening))
            .whole(Some(received))
            .whole(Some(opening + received - units(at_once, period)))
            .whole(Some((soon - left).max(0)))
            .instant(None)
            .end()?;
        opening = left;
    }
    Ok(())
}
