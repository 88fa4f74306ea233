//! What all brands of the tenant say of a category: the bars of the star rule and the edges of price bands.

use dualwheel_measure::{Day, Money, Window, rank::quantile};

use crate::{
    Parameters,
    cut::Classes,
    goods::{BrandFacts, Places, Roster},
    visits::{self, Traffic},
};

/// What the market of goods is needed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    /// The bars of the star rule; then behaviours are read too.
    pub stars: bool,
    /// The edges of price bands.
    pub bands: bool,
}

impl Needs {
    /// Whether the market is needed at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.stars || self.bands
    }
}

/// Goods of all brands of the tenant, class of categories by class. Brands may come in any order.
#[derive(Clone, Debug)]
pub struct GoodsMarket {
    window: Window,
    as_of: Day,
    needs: Needs,
    classes: Classes,
    places: Places,
    bars: Vec<Samples>,
    prices: Vec<Vec<(i64, Money)>>,
}

#[derive(Clone, Debug, Default)]
struct Samples {
    gmv: Vec<f64>,
    conversion: Vec<f64>,
    refund: Vec<f64>,
}

/// What a good must reach to pass the tests of the star rule in its category; `None` where no good has the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bars {
    /// Least net GMV, in ten-thousandths.
    pub gmv: Option<f64>,
    /// Least conversion.
    pub conversion: Option<f64>,
    /// Greatest refund rate.
    pub refund: Option<f64>,
}

impl GoodsMarket {
    /// A market without goods yet.
    #[must_use]
    pub fn new(window: Window, as_of: Day, needs: Needs, parameters: &Parameters) -> Self {
        let classes = Classes::new(parameters.category_level);
        Self {
            window,
            as_of,
            needs,
            classes,
            places: Places::default(),
            bars: Vec::new(),
            prices: Vec::new(),
        }
    }

    /// Adds the goods of a brand.
    pub fn add(&mut self, facts: &BrandFacts) {
        self.classes.learn(&facts.products.names);
        self.bars
            .resize_with(self.classes.names().len(), Samples::default);
        self.prices.resize_with(self.classes.names().len(), Vec::new);
        let roster = Roster::build(facts, self.window, std::mem::take(&mut self.places));
        if self.needs.stars {
            self.sample(facts, &roster);
        }
        if self.needs.bands {
            for good in roster.goods.iter().filter(|good| good.bought_units > 0) {
                if let (Some(prices), Some(price)) = (self.slot(good.category), good.price()) {
                    prices.push((price, good.bought_paid));
                }
            }
        }
        self.places = roster.into_places();
    }

    fn slot(&mut self, category: u32) -> Option<&mut Vec<(i64, Money)>> {
        self.prices.get_mut(self.classes.of(category) as usize)
    }

    fn sample(&mut self, facts: &BrandFacts, roster: &Roster) {
        let traffic = visits::by_good(facts, self.window, roster);
        for (good, traffic) in roster
            .goods
            .iter()
            .zip(&traffic)
            .filter(|(good, _)| good.is_on_sale(self.as_of))
        {
            let Some(bars) = self.bars.get_mut(self.classes.of(good.category) as usize) else {
                continue;
            };
            bars.gmv.push(good.gmv() as f64);
            bars.conversion.extend(conversion(traffic));
            bars.refund.extend(refund_rate(good.refund, good.paid));
        }
    }

    /// The bars of a category.
    #[must_use]
    pub fn bars(&self, category: u32, parameters: &Parameters) -> Bars {
        let Some(samples) = self.bars.get(self.classes.of(category) as usize) else {
            return Bars::default();
        };
        let at = |values: &[f64], share| {
            let mut sorted = values.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            quantile(&sorted, share)
        };
        Bars {
            gmv: at(&samples.gmv, parameters.star_gmv_quantile),
            conversion: at(&samples.conversion, parameters.star_conversion_quantile),
            refund: at(&samples.refund, parameters.star_refund_quantile),
        }
    }

    /// Edges of the price bands of a category, ascending, in ten-thousandths: the lowest prices at which the goods up
    /// to them make 1/n, 2/n, … of what was paid for the category's purchases. None where nothing was paid.
    #[must_use]
    pub fn edges(&self, category: u32, bands: i128) -> Vec<i64> {
        let Some(prices) = self.prices.get(self.classes.of(category) as usize) else {
            return Vec::new();
        };
        let mut sorted = prices.clone();
        sorted.sort_unstable();
        let total: Money = sorted.iter().map(|(_, paid)| paid).sum();
        let mut edges = Vec::new();
        let mut so_far = 0;
        for (price, paid) in sorted.into_iter().filter(|_| total > 0) {
            so_far += paid;
            while (edges.len() as i128) < bands - 1 && so_far * bands >= total * (edges.len() as i128 + 1) {
                edges.push(price);
            }
        }
        edges
    }

    /// Class of a category at the level of the market, to work out each category's bars or edges once.
    #[must_use]
    pub fn class(&self, category: u32) -> u32 {
        self.classes.of(category)
    }
}

/// Buyers ÷ visitors; `None` where nobody is known to have visited.
#[must_use]
pub fn conversion(traffic: &Traffic) -> Option<f64> {
    traffic
        .visited
        .then(|| traffic.buyers as f64 / traffic.visitors as f64)
}

/// Refunds ÷ paid amounts; `None` where nothing was paid.
#[must_use]
pub fn refund_rate(refund: Money, paid: Money) -> Option<f64> {
    (paid > 0).then(|| refund as f64 / paid as f64)
}
