//! The tenant's own brands in the market's place.

use std::collections::BTreeMap;

use dualwheel_lake::frames::Names;
use dualwheel_measure::{Day, Money, Window, money_to_f64};
use roaring::RoaringBitmap;

use super::{Asked, Attribute, Market, Style, market::ratio};
use crate::{
    Parameters,
    cut::{Classes, UNKNOWN},
    goods::{BrandFacts, Places, Roster},
    market::GoodsMarket,
    price_band,
};

/// What the tenant's brands sold of each value, period by period. Brands may come in any order.
///
/// Periods have equal length and end on the as-of day, so that none is cut short; those that begin before the first
/// line of any brand are left out. Nobody supplies searches and listings of them.
#[derive(Clone, Debug)]
pub struct OwnMarket {
    asked: Asked,
    periods: Vec<Window>,
    recent: Window,
    classes: Classes,
    first_line: Option<Day>,
    values: BTreeMap<(u32, String, String), Sold>,
    buyers: BTreeMap<u32, RoaringBitmap>,
}

#[derive(Clone, Debug, Default)]
struct Sold {
    /// GMV and units by period.
    by_period: Vec<(Money, i64)>,
    /// Buyers of the recent periods.
    buyers: RoaringBitmap,
}

impl OwnMarket {
    /// A market without brands yet. Categories are cut at the definition's level, or at the depth of the question's
    /// category where that lies deeper.
    #[must_use]
    pub fn new(asked: &Asked, as_of: Day, parameters: &Parameters) -> Self {
        let length: i32 = parameters.style_period_days.get().into();
        let count = parameters.style_history_days / length;
        let mut periods: Vec<Window> = (0..count)
            .map(|ago| Window::ending(as_of.plus(-ago * length), length))
            .collect();
        periods.reverse();
        Self {
            asked: asked.clone(),
            recent: recent(&periods, as_of, parameters),
            periods,
            classes: Classes::new(asked.level(parameters)),
            first_line: None,
            values: BTreeMap::new(),
            buyers: BTreeMap::new(),
        }
    }

    /// Days of the recent periods; the goods whose prices make the bands are those of these days.
    #[must_use]
    pub fn recent(&self) -> Window {
        self.recent
    }

    /// Adds the lines of a brand. `goods` has all brands of the tenant over the recent days, with the edges of price
    /// bands, where the question is by band.
    pub fn add(&mut self, facts: &BrandFacts, goods: Option<&GoodsMarket>, parameters: &Parameters) {
        self.classes.learn(&facts.orders.names);
        let first = facts.orders.lines.iter().map(|line| line.day).min();
        self.first_line = [self.first_line, first].into_iter().flatten().min();
        let bands = bands(facts, self.recent, goods, parameters);
        let covered = covered(&facts.orders.names, &self.asked);
        for line in &facts.orders.lines {
            let class = self.classes.of(line.category);
            let Some(at) = self.periods.iter().position(|period| period.contains(line.day)) else {
                continue;
            };
            if class == UNKNOWN || !covered.get(line.category as usize).copied().unwrap_or(false) {
                continue;
            }
            let bought = line.is_purchase() && self.recent.contains(line.day);
            if bought {
                self.buyers.entry(class).or_default().insert(line.consumer);
            }
            let band = if self.asked.by_price_band {
                bands.get(&line.product)
            } else {
                Some(&NO_BAND)
            };
            let Some(band) = band else { continue };
            for value in values(facts, self.asked.attribute, line.product) {
                let key = (class, band.clone(), value.to_owned());
                let sold = self.values.entry(key).or_default();
                sold.by_period.resize(self.periods.len(), (0, 0));
                if let Some((gmv, units)) = sold.by_period.get_mut(at) {
                    *gmv += line.net();
                    *units += line.net_units();
                }
                if bought {
                    sold.buyers.insert(line.consumer);
                }
            }
        }
    }

    /// The market of all brands added.
    #[must_use]
    pub fn finish(self) -> Market {
        let first = self.first_line.unwrap_or_default();
        let kept = self.periods.partition_point(|period| period.first < first);
        let mut styles: Vec<Style> = self
            .values
            .iter()
            .filter_map(|(key, sold)| self.style(key, sold, kept))
            .collect();
        let key = |style: &Style| {
            (
                style.category.clone(),
                style.price_band.clone(),
                style.value.clone(),
            )
        };
        styles.sort_by_key(key);
        let from_tenant = true;
        Market { styles, from_tenant }
    }

    fn style(&self, (class, band, value): &(u32, String, String), sold: &Sold, kept: usize) -> Option<Style> {
        let sums = sold.by_period.get(kept..)?;
        let windows = self.periods.get(kept..)?;
        let recent = windows
            .iter()
            .zip(sums)
            .filter(|(window, _)| self.recent.contains(window.first));
        let all = self.buyers.get(class).map_or(0, RoaringBitmap::len);
        Some(Style {
            category: self.classes.names().get(*class as usize)?.clone(),
            price_band: band.clone(),
            value: value.clone(),
            period_days: windows.first()?.days().into(),
            gmv: sums.iter().map(|(gmv, _)| money_to_f64(*gmv)).collect(),
            units: sums.iter().map(|(_, units)| *units as f64).collect(),
            searches: vec![f64::NAN; sums.len()],
            listings: vec![f64::NAN; sums.len()],
            recent: self.recent,
            known: recent.clone().map(|(window, _)| *window).collect(),
            recent_gmv: recent.map(|(_, (gmv, _))| gmv).sum(),
            demand_supply: None,
            penetration: ratio(sold.buyers.len() as i64, all as i64),
        })
    }
}

const NO_BAND: String = String::new();

/// Days of the periods that end in the last of the definition's recent days; at least the last period.
fn recent(periods: &[Window], as_of: Day, parameters: &Parameters) -> Window {
    let recent = Window::ending(as_of, parameters.style_recent_days.get().into());
    let first = periods.iter().find(|period| recent.contains(period.last));
    Window {
        first: first.map_or(as_of, |period| period.first),
        last: as_of,
    }
}

/// By category ordinal, whether the question covers it.
fn covered(names: &Names, asked: &Asked) -> Vec<bool> {
    let keys = names.categories.view();
    (0u32..)
        .take(keys.len())
        .map(|category| asked.covers(keys.key(category)))
        .collect()
}

/// The values that a product of the brand has.
pub(super) fn values(facts: &BrandFacts, attribute: Attribute, product: u32) -> Vec<&str> {
    facts
        .products
        .get(product)
        .map(|row| attribute.values(row))
        .unwrap_or_default()
}

/// The price band of each product of the brand that has one, by the tenant's edges; none without `goods`.
pub(super) fn bands(
    facts: &BrandFacts,
    recent: Window,
    goods: Option<&GoodsMarket>,
    parameters: &Parameters,
) -> BTreeMap<u32, String> {
    let Some(goods) = goods else {
        return BTreeMap::new();
    };
    let roster = Roster::build(facts, recent, Places::default());
    let segments = price_band::bands(&roster, &facts.products.names, goods, parameters).segments;
    let band = |good: &crate::goods::Good| {
        let segment = segments.of(good.product, good.category);
        let name = segments.names().get(segment as usize)?;
        (!name.is_empty()).then(|| (good.product, name.clone()))
    };
    roster.goods.iter().filter_map(band).collect()
}
