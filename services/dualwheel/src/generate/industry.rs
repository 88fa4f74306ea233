//! Market statistics, made after the sales so that the market is always larger than what the brands sold in it.

use chrono::Datelike;

use super::calendar::Month;
use super::catalogue::UNIT;
use super::dice::{Dice, Purpose};
use super::output::Tally;
use super::plan::{Market, RISING_CATEGORY};
use super::table::Table;
use super::vocabulary::{CATEGORIES, Category, PRICE_BANDS};

/// Monthly growth of the rising style's share of its market's GMV.
pub const RISING_GMV: f64 = 0.09;
/// Monthly growth of its share of searches.
pub const RISING_SEARCHES: f64 = 0.12;

/// Attributes of market statistics, by number of the contract's enum.
const STYLE: i8 = 1;
const FUNCTION: i8 = 2;
const MATERIAL: i8 = 4;
const COLOUR: i8 = 5;

/// One statistic before it is cut.
#[derive(Clone, Copy, Debug)]
struct Figure {
    /// Ten-thousandths.
    gmv: i64,
    units: i64,
    searches: i64,
    top_brand_share: f64,
    new_brand_share: f64,
}

/// A cut of a category: attribute, value, and the share of GMV and of searches that it has in each month.
struct Cut {
    attribute: i8,
    value: &'static str,
    level: f64,
    growth: f64,
    search_growth: f64,
}

/// Rows of statistics that a market will have.
pub fn rows(market: &Market) -> u64 {
    let of = |category: &Category| {
        let words = category.words;
        let bands = PRICE_BANDS.len();
        1 + bands
            + words.styles.len() * (1 + bands)
            + words.functions.len()
            + words.materials.len()
            + words.colours.len()
    };
    (CATEGORIES.iter().map(of).sum::<usize>() * market.calendar.months().len()) as u64
}

/// Writes the statistics of every category and month: the whole, by price band, by style, by style and price band,
/// by function, material and colour. The parts of a cut sum to its whole to the last ten-thousandth.
///
/// # Errors
/// When the file cannot be written.
pub fn write(market: &Market, tally: &Tally, table: &mut Table) -> anyhow::Result<()> {
    for (number, category) in CATEGORIES.iter().enumerate() {
        let mut dice = Dice::new(market.seed, Purpose::Industry, number as u64);
        let cuts = draw_cuts(number, category, market.rising_style, &mut dice);
        let trade = tally.trade_of(number);
        let months = market.calendar.months();
        let mean = trade.iter().map(|[gmv, _]| *gmv).sum::<i64>() as f64 / months.len().max(1) as f64;
        let size = (mean * dice.within(6.0, 10.0)).max((400_000 * UNIT) as f64);
        let (top, new) = (dice.within(0.25, 0.7), dice.within(0.04, 0.25));
        for (index, month) in months.iter().enumerate() {
            let own = trade.get(index).copied().unwrap_or_default();
            let growth = (1.0 + category.growth).powi(index as i32) * category.demand(month.first.month());
            let days = f64::from(month.last.day() - month.first.day() + 1) / 30.4;
            let gmv = (size * growth * days * dice.lognormal(1.0, 0.03)) as i64;
            let [own_gmv, _] = own;
            let gmv = gmv.max(own_gmv * 3) / 100 * 100;
            let whole = figure(gmv, category, (top, new), &mut dice);
            write_month(category, *month, index, whole, &cuts, table)?;
        }
    }
    Ok(())
}

fn figure(gmv: i64, category: &Category, (top, new): (f64, f64), dice: &mut Dice) -> Figure {
    let (low, high) = category.prices;
    let price = (low + high) / 3;
    let units = gmv / (price * UNIT).max(1);
    Figure {
        gmv,
        units,
        searches: (units as f64 * dice.within(9.0, 10.0)) as i64,
        top_brand_share: (top + dice.normal(0.0, 0.01)).clamp(0.0, 1.0),
        new_brand_share: (new + dice.normal(0.0, 0.01)).clamp(0.0, 1.0),
    }
}

fn draw_cuts(number: usize, category: &Category, rising: &str, dice: &mut Dice) -> Vec<Cut> {
    let words = category.words;
    let kinds = [
        (STYLE, words.styles),
        (FUNCTION, words.functions),
        (MATERIAL, words.materials),
        (COLOUR, words.colours),
    ];
    let values = kinds
        .into_iter()
        .flat_map(|(attribute, values)| values.iter().map(move |&value| (attribute, value)));
    values
        .map(|(attribute, value)| {
            let level = dice.lognormal(1.0, 0.35);
            let growth = dice.normal(0.0, 0.008);
            if number == RISING_CATEGORY && attribute == STYLE && value == rising {
                return Cut {
                    attribute,
                    value,
                    level: 0.6,
                    growth: RISING_GMV,
                    search_growth: RISING_SEARCHES,
                };
            }
            Cut {
                attribute,
                value,
                level,
                growth,
                search_growth: growth,
            }
        })
        .collect()
}

fn write_month(
    category: &Category,
    month: Month,
    index: usize,
    whole: Figure,
    cuts: &[Cut],
    table: &mut Table,
) -> anyhow::Result<()> {
    let bands = PRICE_BANDS.map(|(_, share)| (share, share));
    write_row(category, month, ("", 0, ""), whole, table)?;
    for ((band, _), part) in PRICE_BANDS.into_iter().zip(split(whole, &bands)) {
        write_row(category, month, (band, 0, ""), part, table)?;
    }
    for attribute in [STYLE, FUNCTION, MATERIAL, COLOUR] {
        let own: Vec<&Cut> = cuts.iter().filter(|cut| cut.attribute == attribute).collect();
        let at = index as i32;
        let weight = |growth: f64, level: f64| level * (1.0 + growth).powi(at);
        let weights: Vec<(f64, f64)> = own
            .iter()
            .map(|cut| {
                (
                    weight(cut.growth, cut.level),
                    weight(cut.search_growth, cut.level),
                )
            })
            .collect();
        for (cut, part) in own.iter().zip(split(whole, &weights)) {
            write_row(category, month, ("", attribute, cut.value), part, table)?;
            if attribute == STYLE {
                for ((band, _), piece) in PRICE_BANDS.into_iter().zip(split(part, &bands)) {
                    write_row(category, month, (band, attribute, cut.value), piece, table)?;
                }
            }
        }
    }
    Ok(())
}

/// Splits a figure by weights of GMV and of searches; what rounding leaves goes to the last part.
fn split(whole: Figure, weights: &[(f64, f64)]) -> Vec<Figure> {
    let (gmv_sum, search_sum) = weights.iter().fold((0.0, 0.0), |(gmv, searches), weight| {
        (gmv + weight.0, searches + weight.1)
    });
    let mut left = whole;
    let mut parts: Vec<Figure> = weights
        .iter()
        .map(|&(gmv, searches)| {
            let part = Figure {
                gmv: (whole.gmv as f64 * gmv / gmv_sum) as i64 / 100 * 100,
                units: (whole.units as f64 * gmv / gmv_sum) as i64,
                searches: (whole.searches as f64 * searches / search_sum) as i64,
                ..whole
            };
            left.gmv -= part.gmv;
            left.units -= part.units;
            left.searches -= part.searches;
            part
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.gmv += left.gmv;
        last.units += left.units;
        last.searches += left.searches;
    }
    parts
}

fn write_row(
    category: &Category,
    month: Month,
    (band, attribute, value): (&str, i8, &str),
    figure: Figure,
    table: &mut Table,
) -> anyhow::Result<()> {
    let buyers = figure.units * 10 / 13;
    table
        .text(category.path)
        .text(band)
        .code(attribute)
        .text(value)
        .day(Some(month.first))
        .day(Some(month.last))
        .money(Some(figure.gmv))
        .whole(Some(figure.units))
        .whole(Some(buyers))
        .whole(Some(buyers * 14))
        .whole(Some(figure.searches))
        .whole(Some(figure.units / 40 + 5))
        .whole(Some(figure.units / 400 + 2))
        .share(Some((figure.top_brand_share * 10_000.0).round() / 10_000.0))
        .share(Some((figure.new_brand_share * 10_000.0).round() / 10_000.0))
        .instant(None)
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_to_the_whole() {
        let whole = Figure {
            gmv: 1_000_001_700,
            units: 101,
            searches: 7,
            top_brand_share: 0.5,
            new_brand_share: 0.1,
        };
        let parts = split(whole, &[(1.0, 3.0), (2.0, 1.0), (0.3, 1.0)]);
        assert_eq!(parts.iter().map(|part| part.gmv).sum::<i64>(), whole.gmv);
        assert_eq!(parts.iter().map(|part| part.units).sum::<i64>(), whole.units);
        assert_eq!(
            parts.iter().map(|part| part.searches).sum::<i64>(),
            whole.searches
        );
    }
}
