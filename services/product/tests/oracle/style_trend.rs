//! Style trends: random facts against a naive reference, facts worked out by hand, and planted trends.

mod by_hand;
mod facts;
mod naive;
mod planted;
mod properties;

use dualwheel_measure::Day;
use dualwheel_plugin_host::Plugin;
use dualwheel_plugin_sdk::{Parameters as ModelParameters, StyleScores};
use dualwheel_product::{
    Parameters,
    goods::BrandFacts,
    market::{GoodsSurvey, Needs},
    strangers::Terms,
    style_trend::{Asked, DefaultStyleTrend, Market, OwnMarket, Rows, Trend, rows, score, supplied, trends},
};

use crate::check::Engine;

/// All that the engine answers for the first brand.
pub struct Answer {
    pub market: Market,
    pub rows: Rows,
    pub scores: StyleScores,
    pub trends: Vec<Trend>,
}

/// The answer; `turned` adds the tenant's brands in the other order.
pub fn engine(engine: &Engine, asked: &Asked, as_of: i32, parameters: &Parameters, turned: bool) -> Answer {
    let stats = &engine.brands[0].market_stats;
    let mut brands: Vec<BrandFacts> = engine.brands.iter().map(Engine::facts).collect();
    if turned {
        brands.reverse();
    }
    let mut goods = None;
    let market = supplied(stats, asked, Day(as_of), parameters).unwrap_or_else(|| {
        let mut own = OwnMarket::new(asked, Day(as_of), parameters);
        if asked.by_price_band {
            let needs = Needs {
                bands: true,
                stars: false,
            };
            let terms = Terms::open(own.recent(), parameters.category_level);
            let mut survey = GoodsSurvey::new(terms, Day(as_of), needs);
            brands.iter().for_each(|facts| survey.add("", facts));
            goods = Some(survey.finish());
        }
        for facts in &brands {
            own.add(facts, goods.as_ref(), parameters);
        }
        own.finish()
    });
    let found = rows(&market, &engine.first(), goods.as_ref(), asked, parameters);
    let scores = score(
        &found.rows,
        &Plugin::native_style_trend(DefaultStyleTrend),
        &ModelParameters::new(),
    )
    .unwrap();
    Answer {
        trends: trends(found.rows.clone(), &scores, parameters),
        market,
        rows: found,
        scores,
    }
}
