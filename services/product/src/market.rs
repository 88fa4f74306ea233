//! What all brands of the tenant say of a category: the bars of the star rule and the edges of price bands.

use std::collections::BTreeMap;

use dualwheel_lake::frames::Names;
use dualwheel_measure::{Day, Money, Window, rank::quantile};

use crate::{
    Parameters,
    cut::Classes,
    goods::{BrandFacts, Places, Roster},
    strangers::{Holdings, Terms, Withheld},
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

/// Goods of all brands of the tenant as they are being read. Brands may come in any order.
#[derive(Clone, Debug)]
pub struct GoodsSurvey {
    terms: Terms,
    as_of: Day,
    needs: Needs,
    classes: Classes,
    days: Vec<Option<Window>>,
    places: Places,
    sampled: Vec<Class>,
    brands: u32,
}

/// Goods of all brands of the tenant, by the path of their class of categories.
///
/// It is written in paths and not in ordinals, so that it can be kept when the tenant's names are given again.
#[derive(Clone, Debug)]
pub struct GoodsMarket {
    level: u32,
    classes: BTreeMap<String, Told>,
    /// What is disclosed of a class of which there are no goods.
    nothing: Told,
}

/// What the goods of a class are compared by.
#[derive(Clone, Debug, Default)]
struct Class {
    gmv: Sample<f64>,
    conversion: Sample<f64>,
    refund: Sample<f64>,
    prices: Sample<(i64, Money)>,
}

/// The same, as far as it may be disclosed.
#[derive(Clone, Debug)]
struct Told {
    gmv: Result<Vec<f64>, Withheld>,
    conversion: Result<Vec<f64>, Withheld>,
    refund: Result<Vec<f64>, Withheld>,
    prices: Result<Vec<(i64, Money)>, Withheld>,
}

impl Class {
    fn told(self, terms: &Terms, days: Option<Window>) -> Told {
        fn values<T>(sample: Sample<T>, terms: &Terms, days: Option<Window>) -> Result<Vec<T>, Withheld> {
            let told = days.is_some() && terms.admit(&sample.strangers);
            told.then_some(sample.values).ok_or(Withheld)
        }
        Told {
            gmv: values(self.gmv, terms, days),
            conversion: values(self.conversion, terms, days),
            refund: values(self.refund, terms, days),
            prices: values(self.prices, terms, days),
        }
    }
}

/// Numbers of goods, with what strangers hold of them.
#[derive(Clone, Debug)]
struct Sample<T> {
    values: Vec<T>,
    strangers: Holdings,
}

impl<T> Default for Sample<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            strangers: Holdings::default(),
        }
    }
}

impl<T> Sample<T> {
    /// Adds a good's number, of a stranger's brand or none; `weight` is the good's part of what the sample says.
    fn add(&mut self, value: T, stranger: Option<u32>, weight: Money) {
        self.values.push(value);
        if let Some(brand) = stranger {
            self.strangers.add(brand, [1, weight]);
        }
    }
}

/// What a good must reach, or not exceed, to pass a test of the star rule in its category; `None` where no good has the
/// figure.
pub type Bar = Result<Option<f64>, Withheld>;

/// The tests' bars in a category.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    /// Least net GMV, in ten-thousandths.
    pub gmv: Bar,
    /// Least conversion.
    pub conversion: Bar,
    /// Greatest refund rate.
    pub refund: Bar,
}

impl GoodsSurvey {
    /// A survey without goods yet.
    #[must_use]
    pub fn new(terms: Terms, as_of: Day, needs: Needs) -> Self {
        Self {
            classes: Classes::new(terms.level),
            terms,
            as_of,
            needs,
            days: Vec::new(),
            places: Places::default(),
            sampled: Vec::new(),
            brands: 0,
        }
    }

    /// Adds the goods of a brand.
    pub fn add(&mut self, brand: &str, facts: &BrandFacts) {
        self.classes.learn(&facts.products.names);
        let names = self.classes.names().iter();
        let new = names.skip(self.days.len()).map(|name| self.terms.days.of(name));
        self.days.extend(new);
        self.sampled.resize_with(self.days.len(), Class::default);
        let stranger = self.terms.hide(brand).then_some(self.brands);
        self.brands += 1;
        let places = std::mem::take(&mut self.places);
        let roster = Roster::of_days(facts, |category| self.days_of(category), places);
        if self.needs.stars {
            self.sample(facts, &roster, stranger);
        }
        if self.needs.bands {
            for good in roster.goods.iter().filter(|good| good.bought_units > 0) {
                if let (Some(class), Some(price)) = (self.class(good.category), good.price()) {
                    class
                        .prices
                        .add((price, good.bought_paid), stranger, good.bought_paid);
                }
            }
        }
        self.places = roster.into_places();
    }

    fn days_of(&self, category: u32) -> Option<Window> {
        self.days.get(self.classes.of(category) as usize).copied()?
    }

    fn class(&mut self, category: u32) -> Option<&mut Class> {
        self.sampled.get_mut(self.classes.of(category) as usize)
    }

    fn sample(&mut self, facts: &BrandFacts, roster: &Roster, stranger: Option<u32>) {
        let window = self.terms.days.window();
        let traffic = visits::by_good(facts, window, roster, |category| self.days_of(category));
        let as_of = self.as_of;
        for (good, traffic) in (roster.goods.iter().zip(&traffic)).filter(|(good, _)| good.is_on_sale(as_of))
        {
            let Some(class) = self.class(good.category) else {
                continue;
            };
            class.gmv.add(good.gmv() as f64, stranger, 1);
            if let Some(rate) = conversion(traffic) {
                class.conversion.add(rate, stranger, 1);
            }
            if let Some(rate) = refund_rate(good.refund, good.paid) {
                class.refund.add(rate, stranger, 1);
            }
        }
    }

    /// The market of all brands added.
    #[must_use]
    pub fn finish(self) -> GoodsMarket {
        let terms = &self.terms;
        let classes = self.classes.names().iter().zip(self.sampled).zip(&self.days);
        let classes = classes.map(|((name, class), days)| (name.clone(), class.told(terms, *days)));
        GoodsMarket {
            level: terms.level,
            classes: classes.collect(),
            nothing: Class::default().told(terms, Some(terms.days.window())),
        }
    }
}

impl GoodsMarket {
    /// The classes of a tenant's categories, whose paths the market knows.
    #[must_use]
    pub fn classes(&self, names: &Names) -> Classes {
        let mut classes = Classes::new(self.level);
        classes.learn(names);
        classes
    }

    fn class(&self, path: &str) -> &Told {
        self.classes.get(path).unwrap_or(&self.nothing)
    }

    /// The bars of a class, by its path.
    #[must_use]
    pub fn bars(&self, class: &str, parameters: &Parameters) -> Bars {
        let class = self.class(class);
        let at = |values: &Result<Vec<f64>, Withheld>, share| {
            let mut sorted = values.clone()?;
            sorted.sort_unstable_by(f64::total_cmp);
            Ok(quantile(&sorted, share))
        };
        Bars {
            gmv: at(&class.gmv, parameters.star_gmv_quantile),
            conversion: at(&class.conversion, parameters.star_conversion_quantile),
            refund: at(&class.refund, parameters.star_refund_quantile),
        }
    }

    /// Edges of the price bands of a class, by its path, ascending, in ten-thousandths: the lowest prices at which the
    /// goods up to them make 1/n, 2/n, … of what was paid for the class's purchases. None where nothing was paid.
    ///
    /// # Errors
    /// Where they may not be disclosed.
    pub fn edges(&self, class: &str, bands: i128) -> Result<Vec<i64>, Withheld> {
        let mut sorted = self.class(class).prices.clone()?;
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
        Ok(edges)
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
