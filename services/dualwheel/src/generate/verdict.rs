//! The truth file's content, from the plan of a market and from what came of it.

use std::collections::BTreeMap;

use super::Options;
use super::brand::Brand;
use super::catalogue::Product;
use super::industry::{RISING_GMV, RISING_SEARCHES};
use super::journey::{BENEFIT_DAYS, BENEFIT_ODDS, LAPSED_DAYS, RECENCY_HALF_LIFE};
use super::media::ELEMENTS;
use super::orders::{LATE_ODDS, LATE_REASON, MATERIAL_ODDS, MATERIAL_REASON};
use super::output::Tally;
use super::plan::{Market, RISING_CATEGORY, consumer_key};
use super::touch::{ELEMENT_INTERACTION_ODDS, ELEMENT_SEEDING_ODDS};
use super::truth::{ElementTruth, FutureHit, KocTruth, ReturnDriver, RisingStyle, Truth, WeakBrand, WinBack};
use super::vocabulary::CATEGORIES;

/// What was planted, and how it shows in the facts.
pub fn truth(
    options: &Options,
    market: &Market,
    tally: &Tally,
    facts: &BTreeMap<&'static str, u64>,
) -> Truth {
    let keys = |keep: fn(&Brand) -> bool| -> Vec<String> {
        market
            .brands
            .iter()
            .filter(|brand| keep(brand))
            .map(|brand| brand.key.clone())
            .collect()
    };
    Truth {
        seed: options.seed,
        first_day: options.first_day.to_string(),
        last_day: options.last_day.to_string(),
        time_zone: options.time_zone.to_string(),
        currency: options.currency.clone(),
        consumers: u64::from(options.consumers),
        brands: keys(|_| true),
        facts: facts
            .iter()
            .map(|(name, rows)| ((*name).to_owned(), *rows))
            .collect(),
        rising_style: rising_style(market, tally),
        future_hits: market
            .products
            .iter()
            .filter_map(|product| future_hit(product, market, tally))
            .collect(),
        working_element: working_element(market),
        kocs: kocs(market, tally),
        return_drivers: return_drivers(market, tally),
        win_back: WinBack {
            lapsed_after_days: i64::from(LAPSED_DAYS),
            benefit_odds_ratio: BENEFIT_ODDS,
            benefit_helps_days: i64::from(BENEFIT_DAYS),
            recency_half_life_days: RECENCY_HALF_LIFE,
            visits_and_returns_with_benefit: tally.win_back.with,
            visits_and_returns_without: tally.win_back.without,
        },
        weak_brands: market.brands.iter().filter_map(weak_brand).collect(),
        brands_without_star_flags: keys(|brand| !brand.stars_supplied),
        brands_without_reachability: keys(|brand| !brand.reach_supplied),
    }
}

/// Units of a product that left stock in periods that start on days from `from` on and before `to`.
fn units(product: &Product, market: &Market, tally: &Tally, from: i32, to: i32) -> u64 {
    let counts = market.calendar.counts();
    let skus = product.first_sku..product.first_sku + product.skus;
    let places = skus.flat_map(|sku| (0..market.locations).map(move |location| (sku, location)));
    places
        .flat_map(|(sku, location)| counts.iter().zip(tally.sales(sku, location).0))
        .filter(|(day, _)| (from..to).contains(*day))
        .map(|(_, &units)| u64::from(units))
        .sum()
}

fn rising_style(market: &Market, tally: &Tally) -> RisingStyle {
    let last = market.calendar.last();
    let products: Vec<&Product> = market
        .products
        .iter()
        .filter(|product| product.rising > 0.0)
        .collect();
    let sold = |from, to| {
        products
            .iter()
            .map(|product| units(product, market, tally, from, to))
            .sum()
    };
    RisingStyle {
        category: CATEGORIES
            .get(RISING_CATEGORY)
            .map_or("", |category| category.path)
            .to_owned(),
        style: market.rising_style.to_owned(),
        monthly_gmv_growth: RISING_GMV,
        monthly_search_growth: RISING_SEARCHES,
        products: products.iter().map(|product| product.key.clone()).collect(),
        units_first_and_last_90_days: [sold(0, 90), sold(last - 89, last + 1)],
    }
}

fn future_hit(product: &Product, market: &Market, tally: &Tally) -> Option<FutureHit> {
    let hit = product.hit?;
    Some(FutureHit {
        product: product.key.clone(),
        brand: market.brands.get(product.brand)?.key.clone(),
        category: product.leaf().path.to_owned(),
        launched_on: market.calendar.date(product.launched).to_string(),
        takes_off_on: market.calendar.date(hit.takes_off).to_string(),
        multiple: hit.multiple,
        units_before: units(product, market, tally, 0, hit.takes_off),
        units_after: units(product, market, tally, hit.takes_off, i32::MAX),
    })
}

fn working_element(market: &Market) -> ElementTruth {
    let works = market.contents.iter().filter(|content| content.works);
    ElementTruth {
        element: ELEMENTS
            .get(market.working.element)
            .map_or("", |(name, _)| *name)
            .to_owned(),
        value: market.working.value.to_owned(),
        interaction_odds_ratio: ELEMENT_INTERACTION_ODDS,
        seeding_odds_ratio: ELEMENT_SEEDING_ODDS,
        contents: works.map(|content| content.key.clone()).collect(),
    }
}

fn kocs(market: &Market, tally: &Tally) -> Vec<KocTruth> {
    let kocs = market.kocs.iter().zip(&tally.brought);
    kocs.filter_map(|(koc, &brought)| {
        let contents = koc
            .contents
            .iter()
            .filter_map(|&content| market.contents.get(content));
        Some(KocTruth {
            consumer: consumer_key(koc.consumer),
            brand: market.brands.get(koc.brand)?.key.clone(),
            contents: contents.map(|content| content.key.clone()).collect(),
            brought,
        })
    })
    .collect()
}

fn return_drivers(market: &Market, tally: &Tally) -> Vec<ReturnDriver> {
    let drivers = [
        (
            "material",
            market.bad_material,
            MATERIAL_ODDS,
            MATERIAL_REASON,
            tally.material,
        ),
        ("late_delivery", "late", LATE_ODDS, LATE_REASON, tally.late),
    ];
    drivers
        .map(|(factor, value, odds_ratio, reason, split)| ReturnDriver {
            factor: factor.to_owned(),
            value: value.to_owned(),
            odds_ratio,
            reason: reason.to_owned(),
            lines_and_returns_with: split.with,
            lines_and_returns_without: split.without,
        })
        .to_vec()
}

fn weak_brand(brand: &Brand) -> Option<WeakBrand> {
    let track = brand.weakness?;
    Some(WeakBrand {
        track,
        brand: brand.key.clone(),
        effect: brand.effect().to_owned(),
        metrics: track
            .metrics()
            .iter()
            .map(|metric| (*metric).to_owned())
            .collect(),
    })
}
