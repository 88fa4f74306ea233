//! SUPER (methodology 3.2): star products, utmost conversion, product novelty, exact stock, rapid fulfilment; whole
//! and by stage of life, category or price band. (`super` alone is a word of the language, hence the underscore.)

pub mod conversion;
pub mod fulfilment;
pub mod novelty;
pub mod star;
pub mod stock;

mod counts;

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::Within;
use dualwheel_measure::{Absence, Ask, Extent, Label, Metric, MetricGroup, Need, Scope};
use serde::{Deserialize, Serialize};

use crate::{
    Parameters,
    cut::{Classes, Segments, Slots},
    goods::{BrandFacts, Places, Roster},
    lifecycle,
    market::{GoodsMarket, Needs},
    price_band::{self, Cut},
    strangers::WITHHELD,
};
pub use counts::Partial;

/// Ids in the order of an answer.
pub const METRICS: [&str; 10] = [
    "super.star",
    "super.conversion",
    "super.novelty",
    "super.sell_through",
    "super.sold_out",
    "super.fulfilment",
    "super.dispatch_hours.median",
    "super.dispatch_hours.p90",
    "super.delivery_hours.median",
    "super.delivery_hours.p90",
];

/// What SUPER may be cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Stage of life on the as-of day.
    Lifecycle,
    /// Category paths cut at a level; `None` for the definition's.
    Category(Option<u32>),
    /// Price band of the product.
    PriceBand,
}

impl Dimension {
    /// Names in questions and segments.
    pub const NAMES: [&str; 3] = ["lifecycle", "category", "price_band"];

    /// The dimension of a name, with the level at which a question cuts categories.
    #[must_use]
    pub fn named(name: &str, level: Option<u32>) -> Option<Self> {
        match name {
            "lifecycle" => Some(Self::Lifecycle),
            "category" => Some(Self::Category(level)),
            "price_band" => Some(Self::PriceBand),
            _ => None,
        }
    }
}

/// What of the tenant's other brands the question needs.
#[must_use]
pub fn needs(facts: &BrandFacts, by: Option<&str>) -> Needs {
    Needs {
        stars: !star::is_flagged(facts),
        bands: by == Some("price_band"),
    }
}

/// SUPER as a metric group: the whole, then the segments that have anything, by value.
///
/// It is worked out by products. Visitors and buyers may come to products of several parts, so that a partial result has
/// a hash of each of them.
#[derive(Clone, Copy, Debug)]
pub struct Super;

/// What SUPER has whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The brands of the tenant, as far as [`needs`] says.
    pub market: Arc<GoodsMarket>,
}

impl MetricGroup for Super {
    type Parameters = Parameters;
    type Part = BrandFacts;
    type Whole = Whole;
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "super"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &Dimension::NAMES
    }

    fn needs(&self, _: &Ask<'_, Parameters>) -> Vec<Need> {
        // First sales, and the units sold since the launch, tell where a product stands in its life: all days.
        let lines = Need::of(
            "order_lines",
            &[
                "product",
                "sku",
                "category",
                "quantity",
                "returned_quantity",
                "paid_amount",
                "refund_amount",
                "promised_day",
                "promised_at",
                "dispatched_at",
                "delivered_at",
                "cancelled_at",
            ],
        );
        let acts = Need::of("behaviors", &["kind", "product", "category"]);
        let products = Need::of(
            "products",
            &[
                "category",
                "list_price",
                "launched_day",
                "delisting_announced_day",
                "delisted_day",
                "season_ends_day",
                "star",
            ],
        );
        let stock = Need::of(
            "stock_days",
            &["sku", "location", "opening", "received", "on_hand"],
        );
        let own = [&products, &lines, &stock, &acts].map(|need| need.clone().by_product());
        let all = [products, lines, stock, acts].map(Need::of_all_brands);
        own.into_iter().chain(all).collect()
    }

    fn partial(
        &self,
        facts: &BrandFacts,
        whole: &Whole,
        extent: Extent,
        ask: &Ask<'_, Parameters>,
    ) -> Partial {
        let (scope, parameters) = (&ask.scope, ask.parameters);
        let roster = Roster::build(facts, scope.window, Places::default());
        let within = Within::new(&facts.products.names, ask.category);
        let by = ask.by.and_then(|by| Dimension::named(by, ask.category_level));
        let cut = cut(scope, facts, &roster, &whole.market, by, parameters);
        let slots = Slots::new(&within, cut.as_ref().map(|cut| &cut.segments));
        Partial::count(facts, &roster, (&whole.market, cut.as_ref()), &slots, extent, ask)
    }

    fn merge(&self, one: Partial, other: Partial) -> Partial {
        one.merge(other)
    }

    fn finish(&self, partial: Partial, _: &Whole, ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let scope = &ask.scope;
        let slots = partial.slots(ask.parameters);
        let (from_market, withheld) = (partial.from_market, partial.withheld);
        let mut metrics = slots.whole.metrics(scope);
        let Some(dimension) = ask.by else { return metrics };
        for (value, slot) in slots.segments {
            let scope = scope.cut(dimension, value);
            if value.is_empty() && withheld {
                metrics.extend(METRICS.map(|id| scope.absent(id, Absence::SignalNotSupplied, WITHHELD)));
                continue;
            }
            let label = |metric: Metric| match from_market {
                true => metric.with_label(Label::MarketFromTenantBrands),
                false => metric,
            };
            metrics.extend(slot.metrics(&scope).into_iter().map(label));
        }
        metrics
    }
}

/// Something of the whole, and of every segment that has it, by the segment's value.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct BySegment<K: Ord, T> {
    whole: T,
    segments: BTreeMap<K, T>,
}

impl<T: Default> BySegment<String, T> {
    /// What was counted slot by slot; segments without anything are left out.
    fn of(slots: Vec<T>, segments: Option<&Segments>, has_any: impl Fn(&T) -> bool) -> Self {
        let mut slots = slots.into_iter();
        let whole = slots.next().unwrap_or_default();
        let names = segments.map(Segments::names).unwrap_or_default();
        let named = names.iter().cloned().zip(slots);
        Self {
            whole,
            segments: named.filter(|(_, slot)| has_any(slot)).collect(),
        }
    }

    fn merge(&mut self, other: Self, mut add: impl FnMut(&mut T, T)) {
        add(&mut self.whole, other.whole);
        for (segment, more) in other.segments {
            add(self.segments.entry(segment).or_default(), more);
        }
    }
}

fn cut(
    scope: &Scope<'_>,
    facts: &BrandFacts,
    roster: &Roster,
    market: &GoodsMarket,
    by: Option<Dimension>,
    parameters: &Parameters,
) -> Option<Cut> {
    let names = &facts.products.names;
    let segments = match by? {
        Dimension::PriceBand => return Some(price_band::bands(roster, names, market, parameters)),
        Dimension::Category(level) => {
            let mut classes = Classes::new(level.unwrap_or(parameters.category_level));
            classes.learn(names);
            Segments::by_category(classes)
        }
        Dimension::Lifecycle => {
            let rules = lifecycle::rules(roster, &facts.orders, scope.as_of, parameters);
            let stages = roster
                .goods
                .iter()
                .zip(rules)
                .map(|(good, rule)| (good.product, rule.stage().name()));
            // A product that only behaviours name has no launch.
            Segments::by_product("lifecycle", stages, lifecycle::Stage::PreLaunch.name())
        }
    };
    Some(Cut {
        segments,
        from_market: false,
        withheld: false,
    })
}
