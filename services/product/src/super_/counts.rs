//! What is counted of some products, topic by topic.

use dualwheel_kit::work;
use dualwheel_lake::frames::{Line, Purchases};
use dualwheel_measure::{Ask, Extent, Metric, Scope, group::Cases};
use serde::{Deserialize, Serialize};

use super::{BySegment, conversion, fulfilment, novelty, star, stock};
use crate::{
    Parameters,
    cut::Slots,
    goods::{BrandFacts, Roster},
    market::GoodsMarket,
    price_band::Cut,
    visits::{self, Crowd, Traffic},
};

/// What is known of some products.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Partial {
    signals: Signals,
    /// Whether any good's band came from the market.
    pub(super) from_market: bool,
    /// Whether goods are without a band because the market's edges may not be disclosed.
    pub(super) withheld: bool,
    goods: BySegment<String, Goods>,
    judged: Cases<Case, Judged>,
}

/// What the facts of some products hold.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Signals {
    purchases: Purchases,
    is_flagged: bool,
    sells: bool,
}

/// What only all products of the brand decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
struct Case {
    purchases_are_behaviors: bool,
    is_flagged: bool,
    sells: bool,
}

/// Lines and stock.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Goods {
    novelty: novelty::Novelty,
    stock: stock::Shelves,
    deliveries: fulfilment::Deliveries,
}

/// Stars and people.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Judged {
    available: star::Available,
    slots: BySegment<String, Seen>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Seen {
    shelf: star::Shelf,
    people: People,
}

/// Who visited and bought.
#[derive(Clone, Debug, Deserialize, Serialize)]
enum People {
    /// Where all products are at hand, how many.
    Counted(i64, i64, bool),
    /// Who, where they may come to other products as well.
    Known(Crowd),
}

impl Default for People {
    fn default() -> Self {
        Self::Known(Crowd::default())
    }
}

impl People {
    fn traffic(&self) -> Traffic {
        match self {
            Self::Counted(visitors, buyers, visited) => Traffic::of(*visitors, *buyers, *visited),
            Self::Known(crowd) => crowd.traffic(),
        }
    }

    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Known(people), Self::Known(more)) => people.merge(more),
            // Who was counted as the whole is merged with nobody.
            (people, other) => *people = other,
        }
    }
}

impl Signals {
    fn read(facts: &BrandFacts, scope: &Scope<'_>) -> Self {
        let mut lines = facts.orders.lines.iter();
        Self {
            purchases: facts.purchases,
            is_flagged: star::is_flagged(facts),
            sells: lines.any(|line| scope.window.contains(line.day)),
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            purchases: self.purchases.merge(other.purchases),
            is_flagged: self.is_flagged | other.is_flagged,
            sells: self.sells | other.sells,
        }
    }

    fn case(self) -> Case {
        Case {
            purchases_are_behaviors: self.purchases.are_behaviors(),
            is_flagged: self.is_flagged,
            sells: self.sells,
        }
    }

    /// What may be decided: where there are other products, a flag or a sale of any settles it for all.
    fn cases(self, extent: Extent) -> Vec<Case> {
        let settled = |seen: bool| -> &[bool] {
            match (extent, seen) {
                (_, true) => &[true],
                (Extent::Whole, false) => &[false],
                (Extent::Part, false) => &[false, true],
            }
        };
        let mut cases = Vec::new();
        for purchases_are_behaviors in self.purchases.cases(extent) {
            for is_flagged in settled(self.is_flagged) {
                for sells in settled(self.sells) {
                    cases.push(Case {
                        purchases_are_behaviors: *purchases_are_behaviors,
                        is_flagged: *is_flagged,
                        sells: *sells,
                    });
                }
            }
        }
        cases
    }
}

impl Partial {
    pub(super) fn count(
        facts: &BrandFacts,
        roster: &Roster,
        (market, cut): (&GoodsMarket, Option<&Cut>),
        slots: &Slots<'_>,
        extent: Extent,
        ask: &Ask<'_, Parameters>,
    ) -> Self {
        let signals = Signals::read(facts, &ask.scope);
        let segments = cut.map(|cut| &cut.segments);
        let judge = |case: Case| {
            let facts = &facts.where_purchases_are(case.purchases_are_behaviors);
            let judging = star::Judging {
                is_flagged: case.is_flagged,
                sells: case.sells,
            };
            let (scope, parameters) = (&ask.scope, ask.parameters);
            let (available, shelves) = star::count(facts, scope, judging, roster, market, slots, parameters);
            let people = people(facts, scope, slots, extent).into_iter();
            let seen = shelves
                .into_iter()
                .zip(people)
                .map(|(shelf, people)| Seen { shelf, people });
            let has_any = |seen: &Seen| seen.shelf.on_sale > 0 || seen.people.traffic().visitors > 0;
            Judged {
                available,
                slots: BySegment::of(seen.collect(), segments, has_any),
            }
        };
        let people = || Cases::count(signals.cases(extent), judge);
        let goods = || BySegment::of(goods(facts, roster, slots, ask), segments, Goods::has_any);
        let (judged, goods) = work::join(people, goods);
        Self {
            signals,
            from_market: cut.is_some_and(|cut| cut.from_market),
            withheld: cut.is_some_and(|cut| cut.withheld),
            goods,
            judged,
        }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.goods.merge(other.goods, Goods::merge);
        let judged = self.judged.merge(other.judged, |sum, more| {
            for (available, more) in sum.available.iter_mut().zip(more.available) {
                *available |= more;
            }
            sum.slots.merge(more.slots, |seen, more| {
                seen.shelf.merge(more.shelf);
                seen.people.merge(more.people);
            });
        });
        Self {
            signals: self.signals.merge(other.signals),
            from_market: self.from_market | other.from_market,
            withheld: self.withheld | other.withheld,
            goods: self.goods,
            judged,
        }
    }

    /// The counts to answer: of the whole, and of the segments in which anything counts.
    pub(super) fn slots(&self, parameters: &Parameters) -> BySegment<&str, Slot> {
        let signals = self.signals;
        let judged = self.judged.get(signals.case());
        let available = judged.map(|judged| judged.available).unwrap_or_default();
        let star_source = star::Source::of(signals.is_flagged, available, parameters);
        let slot = |seen: Option<&Seen>, goods: Option<&Goods>| Slot {
            star_source,
            shelf: seen.map(|seen| seen.shelf).unwrap_or_default(),
            purchases: signals.purchases,
            traffic: seen.map(|seen| seen.people.traffic()).unwrap_or_default(),
            goods: goods.cloned().unwrap_or_default(),
        };
        let seen = judged.map(|judged| &judged.slots);
        let of_people = seen.into_iter().flat_map(|slots| slots.segments.keys());
        let names = of_people.chain(self.goods.segments.keys());
        BySegment {
            whole: slot(seen.map(|slots| &slots.whole), Some(&self.goods.whole)),
            segments: names
                .map(|name| {
                    let seen = seen.and_then(|slots| slots.segments.get(name));
                    (name.as_str(), slot(seen, self.goods.segments.get(name)))
                })
                .collect(),
        }
    }
}

/// Visitors and buyers, slot by slot.
fn people(facts: &BrandFacts, scope: &Scope<'_>, slots: &Slots<'_>, extent: Extent) -> Vec<People> {
    match extent {
        Extent::Whole => {
            let traffic = visits::by_slot(facts, scope.window, slots).into_iter();
            let counted = |of: Traffic| People::Counted(of.visitors, of.buyers, of.visited);
            traffic.map(counted).collect()
        }
        Extent::Part => {
            let crowds = visits::crowds(facts, scope.window, slots).into_iter();
            crowds.map(People::Known).collect()
        }
    }
}

/// What goods sold, and what of them was there, slot by slot.
fn goods(facts: &BrandFacts, roster: &Roster, slots: &Slots<'_>, ask: &Ask<'_, Parameters>) -> Vec<Goods> {
    let (window, names) = (ask.scope.window, &facts.products.names);
    let lines = facts.orders.lines.iter();
    let lines: Vec<&Line> = lines.filter(|line| window.contains(line.day)).collect();
    let novelty = novelty::by_slot(names, &lines, roster, slots, ask.parameters.novelty_days);
    let stock = stock::by_slot((&facts.stock, names), &lines, window, roster, slots);
    let deliveries = fulfilment::by_slot(&lines, ask.scope.as_of, slots);
    let topics = novelty.into_iter().zip(stock).zip(deliveries);
    topics
        .map(|((novelty, stock), deliveries)| Goods {
            novelty,
            stock,
            deliveries,
        })
        .collect()
}

impl Goods {
    fn has_any(&self) -> bool {
        self.novelty.lines > 0 || self.stock.skus > 0
    }

    fn merge(&mut self, other: Self) {
        self.novelty.merge(&other.novelty);
        self.stock.merge(&other.stock);
        self.deliveries.merge(other.deliveries);
    }
}

/// The counts of one slot.
pub(super) struct Slot {
    star_source: star::Source,
    shelf: star::Shelf,
    purchases: Purchases,
    traffic: Traffic,
    goods: Goods,
}

impl Slot {
    pub(super) fn metrics(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let (goods, has_lines) = (&self.goods, self.purchases.lines);
        let mut metrics = vec![
            star::metric(scope, self.star_source, self.shelf),
            conversion::metric(scope, self.purchases, &self.traffic),
            novelty::metric(scope, has_lines, &goods.novelty),
        ];
        metrics.extend(stock::metrics(scope, &goods.stock));
        metrics.extend(fulfilment::metrics(scope, has_lines, &goods.deliveries));
        metrics
    }
}
