//! The market's prices: what a unit of a category costs in a window.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_lake::frames::{MarketStatRow, MarketStats, Orders, categories::cut};
use dualwheel_measure::{Day, Money, Window};
use serde::{Deserialize, Serialize};

use crate::{
    cut::Classes,
    strangers::{Terms, Withheld},
};

/// GMV and units of a category; a price is their quotient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Sold {
    /// GMV in ten-thousandths.
    pub gmv: Money,
    /// Units.
    pub units: i128,
}

impl Sold {
    /// What `units` make at this price, in ten-thousandths; `None` without units of the market.
    #[must_use]
    pub fn value_of(self, units: i64) -> Option<f64> {
        (self.units > 0).then(|| (i128::from(units) * self.gmv) as f64 / self.units as f64)
    }
}

/// What the tenant's brands sold, as it is being read. Brands may come in any order.
#[derive(Clone, Debug)]
pub struct PriceSurvey {
    terms: Terms,
    classes: Classes,
    sold: Vec<(Option<Window>, Sold)>,
}

impl PriceSurvey {
    /// A survey without brands yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            classes: Classes::new(terms.level),
            terms,
            sold: Vec::new(),
        }
    }

    /// Adds the lines of a brand.
    pub fn add(&mut self, orders: &Orders) {
        self.classes.learn(&orders.names);
        let new = self.classes.names().iter().skip(self.sold.len());
        let new = new.map(|name| (self.terms.days.of(name), Sold::default()));
        self.sold.extend(new);
        for line in &orders.lines {
            let class = self.classes.of(line.category) as usize;
            if let Some((Some(days), sold)) = self.sold.get_mut(class)
                && days.contains(line.day)
            {
                sold.gmv += line.net();
                sold.units += i128::from(line.net_units());
            }
        }
    }

    /// The market of all brands added.
    #[must_use]
    pub fn finish(self) -> PriceMarket {
        let sold = self.classes.names().iter().zip(self.sold);
        PriceMarket {
            level: self.terms.level,
            sold: sold
                .filter_map(|(name, (days, sold))| days.map(|_| (name.clone(), sold)))
                .collect(),
            withholds: self.terms.stranger.is_some(),
        }
    }
}

/// GMV and units of the tenant's brands, by the path of a class of categories.
///
/// It is written in paths and not in ordinals, so that it can be kept when the tenant's names are given again.
#[derive(Clone, Debug)]
pub struct PriceMarket {
    level: u32,
    sold: BTreeMap<String, Sold>,
    withholds: bool,
}

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Supplied statistics.
    Statistics,
    /// The tenant's brands.
    Brands,
}

impl PriceMarket {
    /// Depth at which a question's categories are cut: the market's, or that of the question's category where it lies
    /// deeper.
    #[must_use]
    pub fn level(&self, category: Option<&str>) -> u32 {
        let depth = category.map_or(0, |path| path.split('/').count() as u32);
        self.level.max(depth)
    }

    /// The price of a class of categories: of `statistics`, or else of the tenant's brands.
    ///
    /// # Errors
    /// Where it may not be disclosed.
    pub fn price(&self, class: &str, statistics: &Statistics) -> Result<(Sold, Source), Withheld> {
        if let Some(sold) = statistics.sold(class) {
            return Ok((sold, Source::Statistics));
        }
        match self.sold.get(cut(class, self.level)) {
            Some(sold) => Ok((*sold, Source::Brands)),
            None if self.withholds => Err(Withheld),
            None => Ok((Sold::default(), Source::Brands)),
        }
    }
}

/// A period of the market.
#[derive(Clone, Copy, Debug)]
struct Period {
    first: Day,
    last: Day,
    sold: Sold,
}

/// What supplied statistics say of the classes of a window.
#[derive(Clone, Debug, Default)]
pub struct Statistics(BTreeMap<String, Sold>);

impl Statistics {
    /// The classes that `stats` cover the window of, with categories cut at `level`. Of a class without statistics of its
    /// own for a period, those of the categories below it are summed.
    #[must_use]
    pub fn new(stats: &MarketStats, window: Window, level: u32) -> Self {
        let mut rows: BTreeMap<&str, BTreeMap<(Day, Day), Vec<&MarketStatRow>>> = BTreeMap::new();
        for row in stats.rows.iter().filter(|row| is_whole_category(row)) {
            let class = rows.entry(cut(&row.category, level)).or_default();
            class.entry((row.first, row.last)).or_default().push(row);
        }
        let classes = rows.into_iter().filter_map(|(class, periods)| {
            let periods: Vec<Period> = periods.into_values().filter_map(|rows| summed(&rows)).collect();
            Some((class.to_owned(), covering(&periods, window)?))
        });
        Self(classes.collect())
    }

    fn sold(&self, class: &str) -> Option<Sold> {
        self.0.get(class).copied()
    }
}

/// Statistics of a category, of all prices and attributes, with units.
fn is_whole_category(row: &MarketStatRow) -> bool {
    let uncut = row.price_band.is_empty() && row.attribute_kind == 0 && row.attribute_value.is_empty();
    uncut && !row.category.is_empty() && row.units.is_some_and(|units| units > 0)
}

/// The sum of one period's rows: those below a category that has a row itself are in it already.
fn summed(rows: &[&MarketStatRow]) -> Option<Period> {
    let paths: BTreeSet<&str> = rows.iter().map(|row| row.category.as_str()).collect();
    let is_held = |path: &str| {
        path.match_indices('/')
            .any(|(at, _)| path.get(..at).is_some_and(|above| paths.contains(above)))
    };
    let named = rows.first()?;
    let mut sold = Sold::default();
    for row in rows.iter().filter(|row| !is_held(&row.category)) {
        sold.gmv += row.gmv;
        sold.units += i128::from(row.units.unwrap_or(0));
    }
    Some(Period {
        first: named.first,
        last: named.last,
        sold,
    })
}

/// GMV and units of the periods that tile the window, of several that begin on a day the longest; else of the
/// shortest period that holds the window, of equal ones the earliest.
fn covering(periods: &[Period], window: Window) -> Option<Sold> {
    let mut tiled = Sold::default();
    let mut next = window.first;
    while next <= window.last {
        let fits = periods
            .iter()
            .filter(|period| period.first == next && period.last <= window.last);
        let Some(longest) = fits.max_by_key(|period| period.last) else {
            break;
        };
        tiled.gmv += longest.sold.gmv;
        tiled.units += longest.sold.units;
        next = longest.last.plus(1);
    }
    if next > window.last {
        return Some(tiled);
    }
    let holding = periods
        .iter()
        .filter(|period| period.first <= window.first && window.last <= period.last);
    holding
        .min_by_key(|period| (period.last.0 - period.first.0, period.first))
        .map(|period| period.sold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(category: &str, (first, last): (i32, i32), gmv: Money) -> MarketStatRow {
        MarketStatRow {
            category: category.to_owned(),
            first: Day(first),
            last: Day(last),
            gmv,
            units: Some(1),
            ..MarketStatRow::default()
        }
    }

    fn gmv(rows: &[MarketStatRow], first: i32, last: i32) -> Option<Money> {
        let stats = MarketStats { rows: rows.to_vec() };
        let window = Window::new(Day(first), Day(last)).unwrap();
        Statistics::new(&stats, window, 2)
            .sold("a/x")
            .map(|sold| sold.gmv)
    }

    #[test]
    fn periods_tile_the_window_or_hold_it() {
        let rows = [
            row("a/x", (1, 10), 1),
            row("a/x", (1, 5), 10),
            row("a/x", (6, 10), 100),
            row("a/x", (0, 30), 1_000),
            row("a/x", (0, 12), 10_000),
        ];
        assert_eq!(gmv(&rows, 1, 10), Some(1)); // the longest that begins on day 1
        assert_eq!(gmv(&rows[1..], 1, 10), Some(110)); // two halves
        assert_eq!(gmv(&rows, 1, 11), Some(10_000)); // the shortest that holds it
        assert_eq!(gmv(&rows, 2, 20), Some(1_000));
        assert_eq!(gmv(&rows, 20, 40), None);
    }

    #[test]
    fn deeper_categories_are_summed_period_by_period() {
        let rows = [
            row("a/x/1", (1, 5), 1),
            row("a/x/2", (1, 5), 20),
            row("a/x/2/p", (1, 5), 300), // is in a/x/2
            row("a/xy", (1, 5), 4_000),
            row("a/x/1", (6, 10), 50_000),
        ];
        assert_eq!(gmv(&rows, 1, 5), Some(21));
        assert_eq!(gmv(&rows, 1, 10), Some(50_021));
        // Of the category itself there is a row: the deeper ones of its period are in it.
        let own = row("a/x", (1, 5), 600_000);
        assert_eq!(gmv(&[&rows[..], &[own]].concat(), 1, 10), Some(650_000));
    }
}
