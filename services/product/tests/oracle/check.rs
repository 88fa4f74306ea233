//! Comparing what the engine says with what the oracle says.

use std::sync::Arc;

use chrono_tz::Tz;
use dualwheel_lake::{frames::Names, groups::unknown, memory::Frames};
use dualwheel_measure::{
    Absence, Ask, Day, Definitions, Extent, Metric, MetricGroup, Quantity, Scope, Window,
    group::{law, to_bytes},
};
use dualwheel_product::{
    DEFINITIONS, Parameters,
    goods::BrandFacts,
    market::GoodsSurvey,
    price_market::PriceSurvey,
    price_strength::{self, PriceStrength},
    strangers::Terms,
    super_::{self, Super},
};
use dualwheel_proto::facts::FactRows;
use proptest::prelude::*;

pub const BRANDS: [&str; 3] = ["b1", "b2", "b3"];

/// What a question is restricted to, and the dimension and level that it is cut by.
#[derive(Clone, Copy, Default)]
pub struct Asked<'a> {
    pub category: Option<&'a str>,
    pub by: Option<(&'static str, u32)>,
}

/// One metric as the oracle has it.
#[derive(Clone, Debug)]
pub struct Expected {
    pub id: &'static str,
    pub segment: Option<(&'static str, String)>,
    pub value: Result<f64, Absence>,
    pub numerator: Option<f64>,
    pub denominator: Option<f64>,
    pub labels: Vec<&'static str>,
}

/// Numerator over denominator; no value where the latter is zero.
pub fn ratio(id: &'static str, numerator: f64, denominator: f64) -> Expected {
    let value = if denominator == 0.0 {
        Err(Absence::NoDenominator)
    } else {
        Ok(numerator / denominator)
    };
    let (numerator, denominator) = (Some(numerator), Some(denominator));
    Expected {
        id,
        segment: None,
        value,
        numerator,
        denominator,
        labels: Vec::new(),
    }
}

pub fn absent(id: &'static str, absence: Absence) -> Expected {
    Expected {
        id,
        segment: None,
        value: Err(absence),
        numerator: None,
        denominator: None,
        labels: Vec::new(),
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Holds every metric, in order, against the oracle's.
pub fn compare(engine: &[Metric], oracle: &[Expected]) {
    let ids = |metric: &Metric| {
        (
            metric.id.clone(),
            metric.segments.first().map(|(_, value)| value.clone()),
        )
    };
    let wanted: Vec<_> = oracle
        .iter()
        .map(|e| (e.id.to_owned(), e.segment.as_ref().map(|s| s.1.clone())))
        .collect();
    assert_eq!(engine.iter().map(ids).collect::<Vec<_>>(), wanted);
    for (metric, expected) in engine.iter().zip(oracle) {
        let context = format!("engine {metric:#?}\noracle {expected:#?}");
        match (&metric.value, &expected.value) {
            (Ok(value), Ok(wanted)) => assert!(close(*value, *wanted), "{context}"),
            (Err((absence, _)), Err(wanted)) => assert_eq!(absence, wanted, "{context}"),
            _ => panic!("{context}"),
        }
        let same = |side: Option<Quantity>, wanted: Option<f64>, slack: f64| match (side, wanted) {
            (Some(side), Some(wanted)) => (side.as_f64() - wanted).abs() <= slack * wanted.abs().max(1.0),
            (side, wanted) => side.is_none() && wanted.is_none(),
        };
        assert!(same(metric.numerator, expected.numerator, 1e-9), "{context}");
        assert!(same(metric.denominator, expected.denominator, 1e-4), "{context}");
        let labels: Vec<&str> = metric.labels.iter().map(|label| label.name()).collect();
        assert_eq!(labels, expected.labels, "{context}");
        if let Ok(interval) = metric.interval {
            assert!(metric.value.is_ok() && interval.low <= interval.high, "{context}");
        }
        let definition = definitions();
        assert!(
            definition
                .entry(&metric.id)
                .is_some_and(|entry| entry.unit == metric.unit),
            "{context}"
        );
    }
}

pub fn definitions() -> Definitions<Parameters> {
    Definitions::shipped(DEFINITIONS).unwrap()
}

/// The engine's frames of all brands, on shared names.
pub struct Engine {
    pub brands: Vec<Frames>,
    pub definitions: Definitions<Parameters>,
}

impl Engine {
    pub fn new(rows: &FactRows, zone: Tz) -> Self {
        let names = Arc::new(Names::default());
        let frames = |brand: &&str| Frames::with_names(&names, zone, rows, brand).unwrap();
        Self {
            brands: BRANDS.iter().map(frames).collect(),
            definitions: definitions(),
        }
    }

    pub fn facts(frames: &Frames) -> BrandFacts {
        BrandFacts::new(
            frames.products.clone(),
            frames.orders.clone(),
            frames.stock.clone(),
            Some(frames.behaviors.clone()),
        )
    }

    pub fn first(&self) -> BrandFacts {
        Self::facts(&self.brands[0])
    }

    /// A question as a group is asked it; a level cuts categories.
    fn ask<'a>(&'a self, (first, last): (i32, i32), as_of: i32, asked: Asked<'a>) -> Ask<'a, Parameters> {
        Ask {
            brand: BRANDS[0],
            by: asked.by.map(|(by, _)| by),
            category: asked.category,
            category_level: asked.by.map(|(_, level)| level),
            parameters: &self.definitions.parameters,
            scope: Scope {
                window: Window::new(Day(first), Day(last)).unwrap(),
                as_of: Day(as_of),
                entries: &self.definitions.metrics,
                version: &self.definitions.version,
                segments: Vec::new(),
            },
        }
    }

    fn goods_market(&self, ask: &Ask<'_, Parameters>) -> super_::Whole {
        let terms = Terms::open(ask.scope.window, ask.parameters.category_level);
        let mut survey = GoodsSurvey::new(terms, ask.scope.as_of, super_::needs(&self.first(), ask.by));
        for (brand, frames) in BRANDS.iter().zip(&self.brands).rev() {
            survey.add(brand, &Self::facts(frames));
        }
        super_::Whole {
            market: Arc::new(survey.finish()),
        }
    }

    pub fn super_(&self, window: (i32, i32), as_of: i32, asked: Asked<'_>) -> Vec<Metric> {
        let ask = self.ask(window, as_of, asked);
        Super.measure(&self.first(), &self.goods_market(&ask), &ask)
    }

    fn price_market(&self, ask: &Ask<'_, Parameters>) -> price_strength::Whole {
        let depth = ask.category.map_or(0, |path| path.split('/').count() as u32);
        let terms = Terms::open(ask.scope.window, ask.parameters.category_level.max(depth));
        let mut survey = PriceSurvey::new(terms);
        for frames in self.brands.iter().rev() {
            survey.add(&frames.orders);
        }
        price_strength::Whole {
            market: Arc::new(survey.finish()),
            stats: self.brands[0].market_stats.clone(),
        }
    }

    pub fn price_strength(&self, window: (i32, i32), category: Option<&str>) -> Vec<Metric> {
        let ask = self.ask(window, window.1, Asked { category, by: None });
        PriceStrength.measure(&self.brands[0].orders, &self.price_market(&ask), &ask)
    }

    /// SUPER of the products cut into parts, and prices of products and of people: merged, they are the whole. What they
    /// are by facts in another order, `turned`, is the same.
    pub fn check(
        &self,
        turned: &Self,
        (window, as_of): ((i32, i32), i32),
        asked: Asked<'_>,
        (number, seed): (u64, u64),
    ) -> Result<(), TestCaseError> {
        let broken = |broken: law::Broken| TestCaseError::fail(broken.to_string());
        let ask = self.ask(window, as_of, asked);
        prop_assert_eq!(unknown(&Super.needs(&ask)), None);
        prop_assert_eq!(unknown(&PriceStrength.needs(&ask)), None);
        let by_product = self.brands[0].parts_by_product(number, seed);
        let parts: Vec<BrandFacts> = by_product.iter().map(Self::facts).collect();
        let market = self.goods_market(&ask);
        law::parts_make_the_whole(&Super, (&self.first(), &parts), &market, &ask).map_err(broken)?;
        let other = turned.goods_market(&ask);
        prop_assert_eq!(
            to_bytes(&Super.partial(&self.first(), &market, Extent::Part, &ask)).unwrap(),
            to_bytes(&Super.partial(&turned.first(), &other, Extent::Part, &ask)).unwrap()
        );
        let (market, all) = (self.price_market(&ask), &self.brands[0].orders);
        for parts in [by_product, self.brands[0].parts(number, seed)] {
            let parts: Vec<_> = parts.into_iter().map(|frames| frames.orders).collect();
            law::parts_make_the_whole(&PriceStrength, (all, &parts), &market, &ask).map_err(broken)?;
        }
        let other = turned.price_market(&ask);
        prop_assert_eq!(
            to_bytes(&PriceStrength.partial(all, &market, Extent::Part, &ask)).unwrap(),
            to_bytes(&PriceStrength.partial(&turned.brands[0].orders, &other, Extent::Part, &ask)).unwrap()
        );
        Ok(())
    }
}
