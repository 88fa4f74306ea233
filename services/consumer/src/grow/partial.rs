//! What is known of some people's purchases, by names; and all of it together.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_lake::frames::{Launches, launches::is_novel};
use dualwheel_measure::{Day, Money, bootstrap::RatioGroups};
use serde::{Deserialize, Serialize};

use super::{
    By,
    penetration::{Market, SlotKey},
    scan::{Cell, Table, Visitor, WHOLE},
};
use crate::parameters::Parameters;

/// Category and audience of a segment, empty where the cut does not go by it; `None` for the whole.
type Segment = Option<(String, String)>;
/// Products whose launch is open, each with the first day of a purchase.
type Bought = BTreeMap<String, Day>;

/// What is known of some people.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Partial {
    /// Whether there is any order line, on whatever day.
    pub(super) lines: bool,
    /// By category and audience, where there is a line in either period.
    cells: BTreeMap<(String, String), Cell>,
    /// By audience, over all categories: new customers who bought a new product, new customers.
    customers: BTreeMap<String, (i64, i64)>,
    /// Distinct buyers of the market's periods.
    penetrated: BTreeMap<SlotKey, i64>,
    novelty: BTreeMap<Segment, RatioGroups>,
    /// First sale of every product without a supplied launch.
    pub(super) first_sales: BTreeMap<String, Day>,
    open: Open,
}

/// What hangs on the launch of products whose first sale may be one of other people.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Open {
    /// Net GMV by segment, group of consumers, product and day.
    nets: BTreeMap<(Segment, u16, String, Day), Money>,
    /// New customers by category (`None` for all), audience and what they bought.
    buyers: BTreeMap<(Option<String>, String, Bought), i64>,
}

impl Partial {
    /// The sums of a pass by names.
    pub(super) fn of(visitor: &Visitor<'_>, table: Table, first_sales: Vec<(u32, Day)>) -> Self {
        let names = &visitor.orders.names;
        let (products, consumers) = (names.products.view(), names.consumers.view());
        let (cuts, ids) = (&visitor.categories.cuts, &visitor.audiences.ids);
        let cut = |at: usize| cuts.get(at).cloned().unwrap_or_default();
        let id = |at: usize| ids.get(at).cloned().unwrap_or_default();
        let segment = |number: u32| -> Segment {
            let at = number as usize;
            match visitor.by {
                _ if number == WHOLE => None,
                By::Whole | By::Month => None,
                By::Category => Some((cut(at), String::new())),
                By::Audience => Some((String::new(), id(at))),
                By::CategoryAudience => Some((cut(at / ids.len().max(1)), id(at % ids.len().max(1)))),
            }
        };
        let mut partial = Self {
            lines: !visitor.orders.lines.is_empty(),
            ..Self::default()
        };
        for (at, cell) in table
            .cells
            .into_iter()
            .enumerate()
            .filter(|(_, cell)| cell.is_present())
        {
            let (category, audience) = (at / table.audiences, at % table.audiences);
            partial.cells.insert((cut(category), id(audience)), cell);
        }
        for (at, customers) in table.customers.into_iter().enumerate() {
            if customers != (0, 0) {
                partial.customers.insert(id(at), customers);
            }
        }
        let buyers = visitor.market.keys(cuts).zip(table.penetrated);
        partial.penetrated = buyers.filter(|(_, buyers)| *buyers > 0).collect();
        for sum in table.novelty {
            let groups = partial.novelty.entry(segment(sum.segment)).or_default();
            groups.add(consumers.key(sum.consumer), sum.fresh.into(), sum.all.into());
        }
        let key = |product: u32| products.key(product).to_owned();
        for open in table.open_nets {
            let group = RatioGroups::group_of(consumers.key(open.consumer));
            let place = (segment(open.segment), group, key(open.product), open.day);
            *partial.open.nets.entry(place).or_default() += Money::from(open.net);
        }
        for buyer in table.open_buyers {
            let bought = buyer.bought.iter().map(|(product, day)| (key(*product), *day));
            let place = (buyer.category.map(cut), id(buyer.audience), bought.collect());
            *partial.open.buyers.entry(place).or_default() += 1;
        }
        let sales = first_sales.into_iter();
        partial.first_sales = sales.map(|(product, day)| (key(product), day)).collect();
        partial
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.lines |= other.lines;
        for (place, cell) in other.cells {
            self.cells.entry(place).or_default().add(&cell);
        }
        for (audience, (from_new, new)) in other.customers {
            let sum = self.customers.entry(audience).or_default();
            *sum = (sum.0 + from_new, sum.1 + new);
        }
        for (slot, buyers) in other.penetrated {
            *self.penetrated.entry(slot).or_default() += buyers;
        }
        for (segment, groups) in other.novelty {
            self.novelty.entry(segment).or_default().merge(&groups);
        }
        for (product, day) in other.first_sales {
            let first = self.first_sales.entry(product).or_insert(day);
            *first = day.min(*first);
        }
        for (place, net) in other.open.nets {
            *self.open.nets.entry(place).or_default() += net;
        }
        for (place, buyers) in other.open.buyers {
            *self.open.buyers.entry(place).or_default() += buyers;
        }
        self
    }

    /// The categories that have a line in either period, sorted.
    pub(super) fn categories(&self) -> Vec<String> {
        let categories: BTreeSet<&String> = self.cells.keys().map(|(category, _)| category).collect();
        categories.into_iter().cloned().collect()
    }

    /// Everything summed, now that the `launch` of every product is known by its key.
    pub(super) fn close(
        mut self,
        categories: Vec<String>,
        market: &Market,
        launch: impl Fn(&str) -> Option<Day>,
        parameters: &Parameters,
    ) -> Sums {
        let is_new = |product: &str, day: Day| is_novel(day, launch(product), parameters.novelty_days);
        for ((segment, group, product, day), net) in &self.open.nets {
            if let Some(groups) = self.novelty.get_mut(segment).filter(|_| is_new(product, *day)) {
                groups.add_to(*group, *net, 0);
            }
        }
        for ((category, audience, bought), buyers) in self.open.buyers {
            if !bought.iter().any(|(product, day)| is_new(product, *day)) {
                continue;
            }
            match category {
                None => self.customers.entry(audience).or_default().0 += buyers,
                Some(category) => {
                    let cell = self.cells.entry((category, audience)).or_default();
                    cell.now.new_from_new += buyers;
                }
            }
        }
        let of_audiences = self.cells.keys().map(|(_, audience)| audience);
        let audiences: BTreeSet<String> = of_audiences.chain(self.customers.keys()).cloned().collect();
        Sums {
            penetrated: market
                .keys(&categories)
                .map(|slot| self.penetrated.get(&slot).copied().unwrap_or(0))
                .collect(),
            cells: self.cells,
            customers: self.customers,
            novelty: self.novelty,
            audiences: audiences.into_iter().collect(),
            categories,
        }
    }
}

/// All purchases together.
pub(super) struct Sums {
    /// Categories with a line in either period, sorted.
    pub categories: Vec<String>,
    /// Audiences with one, sorted.
    pub audiences: Vec<String>,
    cells: BTreeMap<(String, String), Cell>,
    customers: BTreeMap<String, (i64, i64)>,
    /// Distinct buyers by slot of the market.
    pub penetrated: Vec<i64>,
    novelty: BTreeMap<Segment, RatioGroups>,
}

impl Sums {
    /// The cells of a category or all, for an audience or all, in order of category.
    pub fn cells<'a>(
        &'a self,
        category: Option<&'a str>,
        audience: Option<&'a str>,
    ) -> impl Iterator<Item = Cell> + 'a {
        let categories = self.categories.iter();
        let asked = categories.filter(move |own| category.is_none_or(|category| category == *own));
        asked.map(move |category| {
            let mut sum = Cell::default();
            let audiences = self.audiences.iter();
            for own in audiences.filter(|own| audience.is_none_or(|audience| audience == *own)) {
                if let Some(cell) = self.cells.get(&(category.clone(), own.clone())) {
                    sum.add(cell);
                }
            }
            sum
        })
    }

    /// New customers who bought a product in its novelty window, and new customers.
    pub fn new_customers(&self, category: Option<&str>, audience: Option<&str>) -> (i64, i64) {
        if category.is_some() {
            return self
                .cells(category, audience)
                .map(|cell| (cell.now.new_from_new, cell.now.new_buyers))
                .fold((0, 0), |sum, add| (sum.0 + add.0, sum.1 + add.1));
        }
        let asked = self
            .customers
            .iter()
            .filter(|(own, _)| audience.is_none_or(|audience| audience == own.as_str()));
        asked.fold((0, 0), |sum, (_, add)| (sum.0 + add.0, sum.1 + add.1))
    }

    /// Net GMV by groups of consumers, of a segment or of the whole.
    pub fn novelty_of(&self, category: Option<&str>, audience: Option<&str>) -> RatioGroups {
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let segment = (category.is_some() || audience.is_some()).then(|| (text(category), text(audience)));
        self.novelty.get(&segment).cloned().unwrap_or_default()
    }
}

/// How launches are known to a pass: all of them, or those that were supplied.
pub(super) fn launches(facts: (&super::Part, &super::Whole), extent: dualwheel_measure::Extent) -> Launches {
    let (part, whole) = facts;
    match extent {
        dualwheel_measure::Extent::Part => Launches::supplied(&whole.products),
        dualwheel_measure::Extent::Whole => {
            let mut launches = Launches::new(&whole.products, &part.orders);
            if let Some(stock) = whole.stock.as_ref().filter(|_| launches.are_missing()) {
                launches.add_stock(stock);
            }
            launches
        }
    }
}
