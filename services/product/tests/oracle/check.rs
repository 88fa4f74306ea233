//! Comparing what the engine says with what the oracle says.

use std::sync::Arc;

use chrono_tz::Tz;
use dualwheel_lake::{frames::Names, memory::Frames};
use dualwheel_measure::{Absence, Day, Definitions, Metric, Quantity, Scope, Window};
use dualwheel_product::{
    Parameters, SHIPPED,
    goods::BrandFacts,
    market::GoodsSurvey,
    price_market::PriceSurvey,
    price_strength,
    strangers::Terms,
    super_::{self, Asked},
};
use dualwheel_proto::facts::FactRows;

pub const BRANDS: [&str; 3] = ["b1", "b2", "b3"];

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
    Definitions::shipped(SHIPPED).unwrap()
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
        BrandFacts {
            products: frames.products.clone(),
            orders: frames.orders.clone(),
            stock: frames.stock.clone(),
            behaviors: Some(frames.behaviors.clone()),
        }
    }

    pub fn first(&self) -> BrandFacts {
        Self::facts(&self.brands[0])
    }

    fn scope(&self, (first, last): (i32, i32), as_of: i32) -> Scope<'_> {
        Scope {
            window: Window::new(Day(first), Day(last)).unwrap(),
            as_of: Day(as_of),
            entries: &self.definitions.metrics,
            version: &self.definitions.version,
            segments: Vec::new(),
        }
    }

    pub fn super_(&self, window: (i32, i32), as_of: i32, asked: Asked<'_>) -> Vec<Metric> {
        let (scope, parameters) = (self.scope(window, as_of), &self.definitions.parameters);
        let facts = self.first();
        let terms = Terms::open(scope.window, parameters.category_level);
        let mut survey = GoodsSurvey::new(terms, scope.as_of, super_::needs(&facts, asked));
        for (brand, frames) in BRANDS.iter().zip(&self.brands).rev() {
            survey.add(brand, &Self::facts(frames));
        }
        super_::metrics(&scope, &facts, &survey.finish(), asked, parameters)
    }

    pub fn price_strength(&self, window: (i32, i32), category: Option<&str>) -> Vec<Metric> {
        let (scope, parameters) = (self.scope(window, window.1), &self.definitions.parameters);
        let depth = category.map_or(0, |path| path.split('/').count() as u32);
        let terms = Terms::open(scope.window, parameters.category_level.max(depth));
        let mut survey = PriceSurvey::new(terms);
        for frames in self.brands.iter().rev() {
            survey.add(&frames.orders);
        }
        let (orders, stats) = (&self.brands[0].orders, &self.brands[0].market_stats);
        price_strength::metrics(&scope, orders, category, &survey.finish(), stats, parameters)
    }
}
