//! What the brand has of the market's values.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{Names, categories::is_within};
use dualwheel_measure::{Label, MONEY_SCALE, Money};

use super::{
    Asked, Market, Style,
    market::ratio,
    own::{bands, values},
};
use crate::{
    Parameters,
    cut::Classes,
    goods::{BrandFacts, Places, Roster},
    market::{GoodsMarket, conversion},
    visits::{self, Traffic},
};

/// A value of the market with what the brand has of it in the recent periods; `None` where no fact says.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The market's side.
    pub style: Style,
    /// The brand's part of the market's GMV, 0 to 1.
    pub brand_share: Option<f64>,
    /// 100 × (buyers of the value among the brand's buyers of the category) ÷ penetration of the market: how much the
    /// brand's own consumers gather in it.
    pub brand_tgi: Option<f64>,
    /// Buyers ÷ visitors of the brand's products with the value.
    pub brand_conversion: Option<f64>,
}

/// The rows of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// The rows, by category, price band and value.
    pub rows: Vec<Row>,
    /// Values with fewer periods of GMV above zero than the definition asks for; they are not put to the model.
    pub skipped: usize,
    /// What the reader must know.
    pub labels: Vec<Label>,
}

/// What the brand has of each value of `market` that has enough periods.
///
/// `goods` has all brands of the tenant over the recent days, with the edges of price bands: needed where they stand for
/// the market and the question is by band. A band of statistics is compared with the brand's prices where it is spelt as
/// a range: `50-100`, `-50`, `100-` or `100+`, in currency units, the upper edge included.
#[must_use]
pub fn rows(
    market: &Market,
    facts: &BrandFacts,
    goods: Option<&GoodsMarket>,
    asked: &Asked,
    parameters: &Parameters,
) -> Rows {
    let fewest = usize::from(parameters.style_fewest_periods.get());
    let enough: Vec<&Style> = market
        .styles
        .iter()
        .filter(|style| style.positive_periods() >= fewest)
        .collect();
    let skipped = market.styles.len() - enough.len();
    let brand = Brand {
        facts,
        goods: goods.filter(|_| market.from_tenant),
        asked,
        parameters,
        from_tenant: market.from_tenant,
    };
    let categories = enough.chunk_by(|a, b| a.category == b.category);
    Rows {
        rows: categories.flat_map(|styles| brand.rows(styles)).collect(),
        skipped,
        labels: market
            .from_tenant
            .then_some(Label::MarketFromTenantBrands)
            .into_iter()
            .collect(),
    }
}

struct Brand<'a> {
    facts: &'a BrandFacts,
    goods: Option<&'a GoodsMarket>,
    asked: &'a Asked,
    parameters: &'a Parameters,
    from_tenant: bool,
}

impl Brand<'_> {
    /// The rows of one category.
    fn rows(&self, styles: &[&Style]) -> Vec<Row> {
        let Some(first) = styles.first() else {
            return Vec::new();
        };
        let inside = self.inside(&first.category);
        let is_inside = |category: u32| inside.get(category as usize).copied().unwrap_or(false);
        let places = self.places(styles);
        let of = |product: u32| places.get(&product).map_or(&[][..], Vec::as_slice);
        // Set 0 is the category, set i + 1 the value at i.
        let traffic = visits::by_set(
            self.facts,
            first.recent,
            styles.len() + 1,
            |product, category, sets| {
                if is_inside(category) {
                    sets.push(0);
                    sets.extend(of(product).iter().map(|place| place + 1));
                }
            },
        );
        let mut gmv: Vec<Money> = vec![0; styles.len()];
        for line in self
            .facts
            .orders
            .lines
            .iter()
            .filter(|line| is_inside(line.category))
        {
            for place in of(line.product) {
                if let (Some(style), Some(sum)) = (styles.get(*place), gmv.get_mut(*place))
                    && style.known.iter().any(|window| window.contains(line.day))
                {
                    *sum += line.net();
                }
            }
        }
        let category = traffic.first().copied().unwrap_or_default();
        let of_styles = styles.iter().zip(gmv).zip(traffic.iter().skip(1));
        of_styles
            .map(|((style, gmv), traffic)| self.row(style, gmv, traffic, &category))
            .collect()
    }

    fn row(&self, style: &Style, gmv: Money, traffic: &Traffic, category: &Traffic) -> Row {
        let named = !self.asked.by_price_band || self.from_tenant || Band::read(&style.price_band).is_some();
        let has_lines = named && !self.facts.orders.lines.is_empty();
        let has_purchases = named && self.facts.purchases.are_supplied();
        let market = style.recent_gmv;
        // More than the market: the facts contradict each other, and nothing is known. Less than nothing, when returns
        // outweigh sales, is no part of a market.
        let share = (market > 0).then(|| gmv.max(0) as f64 / market as f64);
        let tgi = || {
            let own = ratio(traffic.buyers, category.buyers)?;
            let penetration = style.penetration.filter(|share| *share > 0.0)?;
            Some(100.0 * own / penetration)
        };
        Row {
            style: style.clone(),
            brand_share: share.filter(|share| has_lines && *share <= 1.0),
            brand_tgi: tgi().filter(|_| has_purchases),
            brand_conversion: conversion(traffic).filter(|_| has_purchases),
        }
    }

    /// By category ordinal, whether it belongs to the row's category: at or below a path of statistics, or in the class
    /// of that name where the tenant's brands are summed by class.
    fn inside(&self, path: &str) -> Vec<bool> {
        let names: &Names = &self.facts.orders.names;
        if !self.from_tenant {
            let keys = names.categories.view();
            let ordinals = (0u32..).take(keys.len());
            return ordinals
                .map(|category| is_within(keys.key(category), path))
                .collect();
        }
        let mut classes = Classes::new(self.asked.level(self.parameters));
        classes.learn(names);
        let class = classes.find(path);
        let categories = names.categories.view().len();
        (0u32..)
            .take(categories)
            .map(|category| Some(classes.of(category)) == class)
            .collect()
    }

    /// Places of the rows to which each product of the brand belongs.
    fn places(&self, styles: &[&Style]) -> BTreeMap<u32, Vec<usize>> {
        let by_band = self.asked.by_price_band;
        let Some(recent) = styles.first().map(|style| style.recent) else {
            return BTreeMap::new();
        };
        let bands = bands(self.facts, recent, self.goods, self.parameters);
        let roster =
            (by_band && !self.from_tenant).then(|| Roster::build(self.facts, recent, Places::default()));
        let ranges: Vec<Option<Band>> = styles.iter().map(|style| Band::read(&style.price_band)).collect();
        let in_band = |product: u32, style: &Style, range: &Option<Band>| {
            if !by_band {
                return true;
            }
            if self.from_tenant {
                return bands.get(&product) == Some(&style.price_band);
            }
            let price = roster.as_ref().and_then(|roster| roster.get(product)?.price());
            matches!((range, price), (Some(range), Some(price)) if range.holds(price))
        };
        let mut places: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for product in self.facts.products.rows.iter().map(|row| row.product) {
            let own = values(self.facts, self.asked.attribute, product);
            for (place, (style, range)) in styles.iter().zip(&ranges).enumerate() {
                if own.contains(&style.value.as_str()) && in_band(product, style, range) {
                    places.entry(product).or_default().push(place);
                }
            }
        }
        places
    }
}

/// A price band of statistics, in ten-thousandths: above `low`, up to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Band {
    low: i64,
    high: i64,
}

impl Band {
    /// The band as its source spells it; `None` where that is no range.
    fn read(text: &str) -> Option<Self> {
        let (low, high) = match text.strip_suffix('+') {
            Some(low) => (low, ""),
            None => text.split_once('-')?,
        };
        let price = |text: &str, open: i64| match text.trim() {
            "" => Some(open),
            text => {
                let price = text
                    .parse::<f64>()
                    .ok()
                    .filter(|price| (0.0..1e14).contains(price))?;
                Some((price * MONEY_SCALE as f64).round() as i64)
            }
        };
        let is_open = low.trim().is_empty() && high.trim().is_empty();
        let band = Self {
            low: price(low, 0)?,
            high: price(high, i64::MAX)?,
        };
        (!is_open && band.low < band.high).then_some(band)
    }

    fn holds(self, price: i64) -> bool {
        (self.low < price || (self.low == 0 && price == 0)) && price <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_ranges_or_not_known() {
        let band = |low, high| Some(Band { low, high });
        assert_eq!(Band::read("50-100"), band(500_000, 1_000_000));
        assert_eq!(Band::read(" 0 - 9.5"), band(0, 95_000));
        assert_eq!(Band::read("-50"), band(0, 500_000));
        assert_eq!(Band::read("100-"), band(1_000_000, i64::MAX));
        assert_eq!(Band::read("100+"), band(1_000_000, i64::MAX));
        for no in [
            "", "-", "+", "low", "high-end", "100-50", "50-50", "nan-5", "1-inf", "-1-5",
        ] {
            assert_eq!(Band::read(no), None, "{no}");
        }
        let band = Band::read("50-100").unwrap();
        let prices = [500_000, 500_001, 1_000_000, 1_000_001];
        assert_eq!(prices.map(|price| band.holds(price)), [false, true, true, false]);
        assert!(Band::read("0-1").unwrap().holds(0));
    }
}
