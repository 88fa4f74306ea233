//! What was planted into a market, so that it can be looked for: the content of `truth.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::brand::Track;

/// Everything planted, with the keys under which the facts carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Seed of the market.
    pub seed: u64,
    /// First day, `YYYY-MM-DD`.
    pub first_day: String,
    /// Last day, `YYYY-MM-DD`.
    pub last_day: String,
    /// Time zone in which days are meant.
    pub time_zone: String,
    /// ISO code of the currency.
    pub currency: String,
    /// Number of consumers.
    pub consumers: u64,
    /// Keys of the brands.
    pub brands: Vec<String>,
    /// Rows written, by fact.
    pub facts: BTreeMap<String, u64>,
    /// The style that rises.
    pub rising_style: RisingStyle,
    /// Products whose sales take off.
    pub future_hits: Vec<FutureHit>,
    /// The element of contents that works.
    pub working_element: ElementTruth,
    /// Consumers whose shares bring people.
    pub kocs: Vec<KocTruth>,
    /// What makes goods come back.
    pub return_drivers: Vec<ReturnDriver>,
    /// What brings lapsed buyers back.
    pub win_back: WinBack,
    /// Brands with a planted weakness, one per track.
    pub weak_brands: Vec<WeakBrand>,
    /// Brands that do not supply star flags.
    pub brands_without_star_flags: Vec<String>,
    /// Brands that do not supply how members may be reached.
    pub brands_without_reachability: Vec<String>,
}

/// A style whose market and whose products grow month by month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RisingStyle {
    /// Category path.
    pub category: String,
    /// Style value.
    pub style: String,
    /// Growth of the style's market GMV a month, as a share.
    pub monthly_gmv_growth: f64,
    /// Growth of the style's searches a month, as a share.
    pub monthly_search_growth: f64,
    /// Products of the category that carry it.
    pub products: Vec<String>,
    /// Units of those products in the first and the last 90 days.
    pub units_first_and_last_90_days: [u64; 2],
}

/// A new product that looks ordinary until its sales take off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FutureHit {
    /// Product key.
    pub product: String,
    /// Brand key.
    pub brand: String,
    /// Category path.
    pub category: String,
    /// Day of launch.
    pub launched_on: String,
    /// Day on which growth sets in.
    pub takes_off_on: String,
    /// Demand at the end against a mean product of the same brand and category.
    pub multiple: f64,
    /// Units from launch to take-off.
    pub units_before: u64,
    /// Units from take-off on.
    pub units_after: u64,
}

/// An element value of contents that raises what people do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementTruth {
    /// Element: the name of a column of the content fact.
    pub element: String,
    /// Its value.
    pub value: String,
    /// Odds ratio of likes, comments, shares and favourites.
    pub interaction_odds_ratio: f64,
    /// Odds ratio of going on to a carried product.
    pub seeding_odds_ratio: f64,
    /// Contents that have it.
    pub contents: Vec<String>,
}

/// A consumer whose shares bring people to a brand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KocTruth {
    /// Consumer key; also the author of the contents.
    pub consumer: String,
    /// Brand key.
    pub brand: String,
    /// Contents that they published.
    pub contents: Vec<String>,
    /// Consumers who met the brand first through one of them.
    pub brought: u64,
}

/// Something that raises the odds of a return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReturnDriver {
    /// `material`, or `late_delivery` for lines delivered after the promise.
    pub factor: String,
    /// Value of the factor.
    pub value: String,
    /// Odds ratio of a return.
    pub odds_ratio: f64,
    /// Reason that it gives.
    pub reason: String,
    /// Lines delivered with the factor, and those of them that came back.
    pub lines_and_returns_with: [u64; 2],
    /// Lines delivered without it, and those of them that came back.
    pub lines_and_returns_without: [u64; 2],
}

/// What raises the odds that a lapsed buyer buys again on a visit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WinBack {
    /// Days without a purchase after which a buyer counts as lapsed.
    pub lapsed_after_days: i64,
    /// Odds ratio of a purchase within 30 days of a claimed benefit, once a visit has led to a product.
    pub benefit_odds_ratio: f64,
    /// Days for which a claimed benefit helps.
    pub benefit_helps_days: i64,
    /// Days in which the odds of a return fall to a half.
    pub recency_half_life_days: f64,
    /// Visits of lapsed buyers with a benefit, and those on which they bought.
    pub visits_and_returns_with_benefit: [u64; 2],
    /// Visits of lapsed buyers without one, and those on which they bought.
    pub visits_and_returns_without: [u64; 2],
}

/// A brand with a planted weakness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeakBrand {
    /// Track in which it is weak.
    pub track: Track,
    /// Brand key.
    pub brand: String,
    /// What was changed.
    pub effect: String,
    /// Metrics in which it must show.
    pub metrics: Vec<String>,
}
