//! SUPER (methodology 3.2): star products, utmost conversion, product novelty, exact stock, rapid fulfilment; whole
//! and by stage of life, category or price band. (`super` alone is a word of the language, hence the underscore.)

pub mod conversion;
pub mod fulfilment;
pub mod novelty;
pub mod star;
pub mod stock;

use dualwheel_kit::work;
use dualwheel_lake::frames::Line;
use dualwheel_measure::{Absence, Label, Metric, Scope};

use crate::{
    Parameters,
    cut::{Classes, Inside, Segments, Slots},
    goods::{BrandFacts, Places, Roster},
    lifecycle,
    market::{GoodsMarket, Needs},
    price_band::{self, Cut},
    strangers::WITHHELD,
    visits,
};
use conversion::Purchases;

/// Ids in the order of an answer.
pub const IDS: [&str; 10] = [
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

/// A question about SUPER besides its window and as-of day, which the scope holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Category path that everything is restricted to.
    pub category: Option<&'a str>,
    /// Dimension to cut by.
    pub by: Option<Dimension>,
}

/// What of the tenant's other brands the question needs.
#[must_use]
pub fn needs(facts: &BrandFacts, asked: Asked<'_>) -> Needs {
    Needs {
        stars: !star::is_flagged(facts),
        bands: asked.by == Some(Dimension::PriceBand),
    }
}

/// SUPER of `facts` in the scope's window, the whole first, then the segments that have anything, by value. `market`
/// has the brands of the tenant as far as [`needs`] says.
#[must_use]
pub fn metrics(
    scope: &Scope<'_>,
    facts: &BrandFacts,
    market: &GoodsMarket,
    asked: Asked<'_>,
    parameters: &Parameters,
) -> Vec<Metric> {
    let names = &facts.products.names;
    let roster = Roster::build(facts, scope.window, Places::default());
    let inside = Inside::new(names, asked.category);
    let cut = cut(scope, facts, &roster, market, asked.by, parameters);
    let segments = cut.as_ref().map(|cut| &cut.segments);
    let slots = Slots::new(&inside, segments);
    let counts = Counts::count(scope, facts, &roster, market, &slots, parameters);
    let order = counts.order(segments);
    let (from_market, withheld) = cut
        .as_ref()
        .map_or((false, false), |cut| (cut.from_market, cut.withheld));
    let mut slots: Vec<Option<Slot>> = counts.into_slots().into_iter().map(Some).collect();
    let mut metrics = Vec::with_capacity(order.len() * IDS.len());
    for (place, segment) in order {
        let Some(slot) = slots.get_mut(place).and_then(Option::take) else {
            continue;
        };
        match segment {
            None => metrics.extend(slot.metrics(scope)),
            Some((dimension, "")) if withheld => {
                let scope = scope.cut(dimension, "");
                metrics.extend(IDS.map(|id| scope.absent(id, Absence::SignalNotSupplied, WITHHELD)));
            }
            Some((dimension, value)) => {
                let label = |metric: Metric| match from_market {
                    true => metric.with_label(Label::MarketFromTenantBrands),
                    false => metric,
                };
                metrics.extend(slot.metrics(&scope.cut(dimension, value)).into_iter().map(label));
            }
        }
    }
    metrics
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

/// The counts of all topics, slot by slot.
struct Counts {
    star_source: star::Source,
    shelves: Vec<star::Shelf>,
    purchases: Purchases,
    traffic: Vec<visits::Traffic>,
    has_lines: bool,
    novelty: Vec<novelty::Novelty>,
    stock: Vec<stock::Shelves>,
    deliveries: Vec<fulfilment::Deliveries>,
}

impl Counts {
    fn count(
        scope: &Scope<'_>,
        facts: &BrandFacts,
        roster: &Roster,
        market: &GoodsMarket,
        slots: &Slots<'_>,
        parameters: &Parameters,
    ) -> Self {
        let (window, names) = (scope.window, &facts.products.names);
        let people = || {
            let stars = star::count(facts, (window, scope.as_of), roster, market, slots, parameters);
            (stars, visits::by_slot(facts, window, slots))
        };
        let goods = || {
            let lines: Vec<&Line> = facts
                .orders
                .lines
                .iter()
                .filter(|line| window.contains(line.day))
                .collect();
            (
                novelty::by_slot(names, &lines, roster, slots, parameters.novelty_days),
                stock::by_slot((&facts.stock, names), &lines, window, roster, slots),
                fulfilment::by_slot(&lines, scope.as_of, slots),
            )
        };
        let ((stars, traffic), (novelty, stock, deliveries)) = work::join(people, goods);
        let has_lines = !facts.orders.lines.is_empty();
        let purchases = match (has_lines, visits::has_purchases(facts)) {
            (true, _) => Purchases::Lines,
            (false, true) => Purchases::Behaviors,
            (false, false) => Purchases::NotSupplied,
        };
        let (star_source, shelves) = (stars.source, stars.slots);
        Self {
            star_source,
            shelves,
            purchases,
            traffic,
            has_lines,
            novelty,
            stock,
            deliveries,
        }
    }

    /// Slots to answer: the whole, then by value the segments in which anything counts.
    fn order<'s>(&self, segments: Option<&'s Segments>) -> Vec<(usize, Option<(&'s str, &'s str)>)> {
        let topics = self
            .shelves
            .iter()
            .zip(&self.traffic)
            .zip(&self.novelty)
            .zip(&self.stock);
        let counts = topics.map(|(((shelf, traffic), novelty), stock)| {
            shelf.on_sale > 0 || traffic.visitors > 0 || novelty.lines > 0 || stock.skus > 0
        });
        let counts: Vec<bool> = counts.collect();
        let mut order = vec![(0, None)];
        if let Some(segments) = segments {
            let mut named: Vec<(usize, Option<(&str, &str)>)> = (segments.names().iter().zip(1..))
                .filter(|(_, slot)| counts.get(*slot).copied().unwrap_or(false))
                .map(|(name, slot)| (slot, Some((segments.dimension, name.as_str()))))
                .collect();
            named.sort_by_key(|(_, segment)| *segment);
            order.extend(named);
        }
        order
    }

    fn into_slots(self) -> Vec<Slot> {
        let topics = self
            .shelves
            .into_iter()
            .zip(self.traffic)
            .zip(self.novelty)
            .zip(self.stock)
            .zip(self.deliveries);
        let (star_source, purchases, has_lines) = (self.star_source, self.purchases, self.has_lines);
        topics
            .map(|((((shelf, traffic), novelty), stock), deliveries)| Slot {
                star_source,
                shelf,
                purchases,
                traffic,
                has_lines,
                novelty,
                stock,
                deliveries,
            })
            .collect()
    }
}

/// The counts of one slot.
struct Slot {
    star_source: star::Source,
    shelf: star::Shelf,
    purchases: Purchases,
    traffic: visits::Traffic,
    has_lines: bool,
    novelty: novelty::Novelty,
    stock: stock::Shelves,
    deliveries: fulfilment::Deliveries,
}

impl Slot {
    fn metrics(self, scope: &Scope<'_>) -> Vec<Metric> {
        let mut metrics = vec![
            star::metric(scope, self.star_source, self.shelf),
            conversion::metric(scope, self.purchases, &self.traffic),
            novelty::metric(scope, self.has_lines, &self.novelty),
        ];
        metrics.extend(stock::metrics(scope, &self.stock));
        metrics.extend(fulfilment::metrics(scope, self.has_lines, self.deliveries));
        metrics
    }
}
