//! The market of an attribute's values, from supplied statistics.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{MarketStatRow, MarketStats};
use dualwheel_measure::{Day, Money, Window, money_to_f64};

use super::{Asked, periods::Periods};
use crate::Parameters;

/// One value of the attribute in a category and price band.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Category path.
    pub category: String,
    /// Price band; empty for all prices.
    pub price_band: String,
    /// Value of the attribute.
    pub value: String,
    /// Mean days of a period.
    pub period_days: f64,
    /// The market by period, oldest first; not a number where nothing is known. GMV in currency units.
    pub gmv: Vec<f64>,
    /// Units, likewise.
    pub units: Vec<f64>,
    /// Searches, likewise.
    pub searches: Vec<f64>,
    /// Listings, likewise.
    pub listings: Vec<f64>,
    /// Days of the recent periods of the category; the brand is compared with the market in them.
    pub recent: Window,
    /// Those recent periods of which the market's GMV is known.
    pub known: Vec<Window>,
    /// GMV of these, in ten-thousandths.
    pub recent_gmv: Money,
    /// Searches ÷ listings of the recent periods of which both are known.
    pub demand_supply: Option<f64>,
    /// Buyers of the value ÷ buyers of the category in the recent periods.
    pub penetration: Option<f64>,
}

impl Style {
    /// Periods with GMV above zero.
    #[must_use]
    pub fn positive_periods(&self) -> usize {
        self.gmv.iter().filter(|gmv| **gmv > 0.0).count()
    }
}

/// The market of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// The values, by category, price band and value.
    pub styles: Vec<Style>,
    /// Whether the tenant's brands stand for the market.
    pub from_tenant: bool,
}

/// The market from statistics whose periods lie in the days of the definition's history up to `as_of`; `None` where none
/// cover the question.
///
/// Statistics of one category are taken to come from one source, with periods of its own.
#[must_use]
pub fn supplied(stats: &MarketStats, asked: &Asked, as_of: Day, parameters: &Parameters) -> Option<Market> {
    let history = Window::ending(as_of, parameters.style_history_days);
    let mut values: BTreeMap<&str, Vec<&MarketStatRow>> = BTreeMap::new();
    let mut wholes: BTreeMap<&str, Vec<&MarketStatRow>> = BTreeMap::new();
    for row in &stats.rows {
        if !asked.covers(&row.category) || row.first > row.last {
            continue;
        }
        if !history.contains(row.first) || !history.contains(row.last) {
            continue;
        }
        let is_value = row.attribute_kind == asked.attribute as i8 && !row.attribute_value.is_empty();
        let is_whole = row.attribute_kind == 0 && row.attribute_value.is_empty() && row.price_band.is_empty();
        if is_value && row.price_band.is_empty() != asked.by_price_band {
            values.entry(&row.category).or_default().push(row);
        } else if is_whole {
            wholes.entry(&row.category).or_default().push(row);
        }
    }
    let mut styles = Vec::new();
    for (category, rows) in values {
        let wholes = wholes.get(category).map_or(&[][..], Vec::as_slice);
        styles.extend(of_category(rows, wholes, parameters));
    }
    let from_tenant = false;
    (!styles.is_empty()).then_some(Market { styles, from_tenant })
}

fn days(row: &MarketStatRow) -> Window {
    Window {
        first: row.first,
        last: row.last,
    }
}

fn of_category(rows: Vec<&MarketStatRow>, wholes: &[&MarketStatRow], parameters: &Parameters) -> Vec<Style> {
    let windows = rows.iter().map(|row| days(row));
    let periods = Periods::of(windows, parameters.style_fewest_periods.get().into());
    let mut by_value: BTreeMap<(&str, &str), Vec<&MarketStatRow>> = BTreeMap::new();
    for row in rows {
        if periods.step(days(row)).is_some() {
            let key = (row.price_band.as_str(), row.attribute_value.as_str());
            by_value.entry(key).or_default().push(row);
        }
    }
    let recent = periods.recent(parameters.style_recent_days.get().into());
    by_value
        .into_values()
        .filter_map(|rows| style(&rows, wholes, &periods, recent))
        .collect()
}

/// A value of which there is at least one row.
fn style(
    rows: &[&MarketStatRow],
    wholes: &[&MarketStatRow],
    periods: &Periods,
    recent: &[Window],
) -> Option<Style> {
    let named = rows.first()?;
    let count = |of: fn(&MarketStatRow) -> Option<i64>| {
        series(rows, periods, |row| {
            of(row).map_or(f64::NAN, |count| count as f64)
        })
    };
    let is_recent = |row: &&&MarketStatRow| recent.contains(&days(row));
    let mut known: Vec<Window> = rows.iter().filter(is_recent).map(|row| days(row)).collect();
    known.sort_by_key(|window| window.first);
    let (mut searches, mut listings, mut buyers, mut all_buyers) = (0, 0, 0, 0);
    for row in rows.iter().filter(is_recent) {
        if let (Some(searched), Some(listed)) = (row.searches, row.listings) {
            searches += searched;
            listings += listed;
        }
        let whole = wholes.iter().find(|whole| days(whole) == days(row));
        if let (Some(own), Some(all)) = (row.buyers, whole.and_then(|whole| whole.buyers)) {
            buyers += own;
            all_buyers += all;
        }
    }
    Some(Style {
        category: named.category.clone(),
        price_band: named.price_band.clone(),
        value: named.attribute_value.clone(),
        period_days: periods.days(),
        gmv: series(rows, periods, |row| money_to_f64(row.gmv)),
        units: count(|row| row.units),
        searches: count(|row| row.searches),
        listings: count(|row| row.listings),
        recent: Window {
            first: recent.first()?.first,
            last: recent.last()?.last,
        },
        known,
        recent_gmv: rows.iter().filter(is_recent).map(|row| row.gmv).sum(),
        demand_supply: ratio(searches, listings),
        // More buyers of a part than of the whole: the statistics contradict each other, and nothing is known.
        penetration: ratio(buyers, all_buyers).filter(|share| *share <= 1.0),
    })
}

fn series(rows: &[&MarketStatRow], periods: &Periods, of: impl Fn(&MarketStatRow) -> f64) -> Vec<f64> {
    let mut series = vec![f64::NAN; periods.len()];
    for row in rows {
        if let Some(slot) = periods.step(days(row)).and_then(|step| series.get_mut(step)) {
            *slot = of(row);
        }
    }
    series
}

/// `part` ÷ `whole`; `None` where there is no whole.
pub(super) fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
