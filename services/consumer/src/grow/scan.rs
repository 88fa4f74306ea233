//! One pass over a brand's order lines into cells of category by audience.

use dualwheel_lake::frames::{Categories, Launches, Line, Orders, launches::is_novel};
use dualwheel_measure::{Day, Money, Window};
use serde::{Deserialize, Serialize};

use super::{By, penetration::Market};
use crate::{facts::fold, parameters::Parameters, strategic::Strategic};

/// Sums of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Side {
    /// Whether there is any line, return-only ones included.
    pub present: bool,
    /// Net GMV.
    pub gmv: Money,
    /// Net units.
    pub units: i64,
    /// Distinct buyers.
    pub buyers: i64,
    /// Of them, with no purchase of the brand for long before the period.
    pub new_buyers: i64,
    /// Of these, who bought a product in its novelty window.
    pub new_from_new: i64,
    /// Σ list price × units bought.
    pub listed: Money,
    /// Units bought, before returns.
    pub bought: i64,
    /// Purchases without a list price.
    pub unlisted: i64,
}

impl Side {
    fn add(&mut self, other: &Self) {
        self.present |= other.present;
        self.gmv += other.gmv;
        self.units += other.units;
        self.buyers += other.buyers;
        self.new_buyers += other.new_buyers;
        self.new_from_new += other.new_from_new;
        self.listed += other.listed;
        self.bought += other.bought;
        self.unlisted += other.unlisted;
    }

    fn add_line(&mut self, line: &Line) {
        self.present = true;
        self.gmv += line.net();
        self.units += line.net_units();
        if line.is_purchase() {
            match line.list_price {
                Some(price) => self.listed += Money::from(price) * Money::from(line.quantity),
                None => self.unlisted += 1,
            }
            self.bought += line.quantity;
        }
    }
}

/// Both periods of a category and audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cell {
    /// Period 0.
    pub base: Side,
    /// Period 1.
    pub now: Side,
}

impl Cell {
    /// Whether there is any line in either period.
    #[must_use]
    pub fn is_present(self) -> bool {
        self.base.present || self.now.present
    }

    /// Adds the sums of other people.
    pub(super) fn add(&mut self, other: &Self) {
        self.base.add(&other.base);
        self.now.add(&other.now);
    }
}

/// Net GMV of one consumer in the window, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Novelty {
    /// Segment; [`WHOLE`] for all.
    pub segment: u32,
    /// Consumer.
    pub consumer: u32,
    /// From products in their novelty window.
    pub fresh: i64,
    /// In all.
    pub all: i64,
}

/// What of it is from a product whose launch is open, on a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenNet {
    pub segment: u32,
    pub consumer: u32,
    pub product: u32,
    pub day: Day,
    pub net: i64,
}

/// Purchases of a new customer that may be of new products, all in one category or in any.
#[derive(Clone, Debug)]
pub(super) struct OpenBuyer {
    /// Category; `None` for all.
    pub category: Option<usize>,
    pub audience: usize,
    /// Products whose launch is open, each with the first day of a purchase; sorted.
    pub bought: Vec<(u32, Day)>,
}

pub(super) const WHOLE: u32 = u32::MAX;

/// Everything that one pass sums.
pub(super) struct Table {
    pub audiences: usize,
    pub cells: Vec<Cell>,
    /// By audience, over all categories: new customers who bought a new product, new customers.
    pub customers: Vec<(i64, i64)>,
    /// By slot of the market: distinct buyers.
    pub penetrated: Vec<i64>,
    pub novelty: Vec<Novelty>,
    pub open_nets: Vec<OpenNet>,
    pub open_buyers: Vec<OpenBuyer>,
}

fn segment_number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(WHOLE)
}

/// What a pass keeps: the sums, and who was last counted where.
struct Pass {
    table: Table,
    /// By category and period: last consumer counted as a buyer, as a number from 1.
    buyers: Vec<u32>,
    /// By category: last consumer counted as a new buyer of a new product.
    from_new: Vec<u32>,
    /// By slot of the market: last consumer counted.
    slots: Vec<u32>,
    /// Segments of the consumer in hand.
    segments: Vec<Novelty>,
    /// The consumer's purchases of products whose launch is open: category, product, day.
    open: Vec<(usize, u32, Day)>,
}

/// Sums the lines of both periods.
pub(super) fn scan(visitor: &Visitor<'_>) -> Table {
    let (categories, slots) = (visitor.categories.cuts.len(), visitor.market.slots.len());
    let audiences = visitor.audiences.ids.len().max(1);
    fold(
        visitor.orders.groups.len(),
        || Pass {
            table: Table {
                audiences,
                cells: vec![Cell::default(); categories * audiences],
                customers: vec![(0, 0); audiences],
                penetrated: vec![0; slots],
                novelty: Vec::new(),
                open_nets: Vec::new(),
                open_buyers: Vec::new(),
            },
            buyers: vec![0; categories * 2],
            from_new: vec![0; categories],
            slots: vec![0; slots],
            segments: Vec::new(),
            open: Vec::new(),
        },
        |pass, consumer| visitor.visit(pass, consumer),
        merge,
    )
    .table
}

fn merge(mut one: Pass, mut other: Pass) -> Pass {
    for (cell, more) in one.table.cells.iter_mut().zip(&other.table.cells) {
        cell.add(more);
    }
    for (sum, more) in one.table.customers.iter_mut().zip(&other.table.customers) {
        *sum = (sum.0 + more.0, sum.1 + more.1);
    }
    crate::facts::add_all(&mut one.table.penetrated, &other.table.penetrated);
    one.table.novelty.append(&mut other.table.novelty);
    one.table.open_nets.append(&mut other.table.open_nets);
    one.table.open_buyers.append(&mut other.table.open_buyers);
    one
}

/// Whether a sale is of a product in its novelty window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Novel {
    Yes,
    No,
    /// The product's first sale decides, which may be one of other people.
    Open,
}

/// What a pass reads.
pub(super) struct Visitor<'a> {
    pub orders: &'a Orders,
    pub audiences: &'a Strategic,
    pub launches: &'a Launches,
    pub parameters: &'a Parameters,
    pub base: Window,
    pub now: Window,
    pub by: By,
    pub categories: &'a Categories,
    pub market: &'a Market,
}

/// The consumer in hand.
#[derive(Clone, Copy)]
struct Person {
    /// Number from 1.
    stamp: u32,
    audience: usize,
    is_new: bool,
    was_new: bool,
}

impl Visitor<'_> {
    fn visit(&self, pass: &mut Pass, consumer: u32) {
        let lines = self.orders.of(consumer);
        let asked = |line: &Line| self.now.contains(line.day) || self.base.contains(line.day);
        if !lines.iter().any(asked) {
            return;
        }
        let person = Person {
            stamp: consumer + 1,
            audience: self.audiences.of(consumer),
            is_new: self.is_new(lines, self.now),
            was_new: self.is_new(lines, self.base),
        };
        let mut bought = (false, false);
        pass.segments.clear();
        pass.open.clear();
        for line in lines {
            let Some(category) = self.categories.segment(line.category) else {
                continue;
            };
            self.market.count(
                &mut pass.table.penetrated,
                &mut pass.slots,
                line,
                category,
                person.stamp,
            );
            if self.base.contains(line.day) {
                pass.add_base(line, category, person);
            } else if self.now.contains(line.day) {
                let novel = self.novel(line);
                pass.add_now(line, category, person, novel);
                bought.0 |= line.is_purchase();
                bought.1 |= line.is_purchase() && novel == Novel::Yes;
                self.note(pass, line, category, person, novel);
            }
        }
        if let Some(customers) = pass.table.customers.get_mut(person.audience)
            && person.is_new
        {
            customers.0 += i64::from(bought.1);
            customers.1 += i64::from(bought.0);
        }
        pass.table.novelty.append(&mut pass.segments);
        pass.leave_open(person, bought.1);
    }

    fn novel(&self, line: &Line) -> Novel {
        if self.launches.is_open(line.product) {
            return Novel::Open;
        }
        match is_novel(
            line.day,
            self.launches.day(line.product),
            self.parameters.novelty_days,
        ) {
            true => Novel::Yes,
            false => Novel::No,
        }
    }

    fn is_new(&self, lines: &[Line], window: Window) -> bool {
        let days = i32::from(self.parameters.new_customer_days.get());
        let before = Window::ending(window.first.plus(-1), days);
        !lines
            .iter()
            .any(|line| line.is_purchase() && before.contains(line.day))
    }

    /// Adds a line to the consumer's sums of the whole and of the segment that the question cuts it into.
    fn note(&self, pass: &mut Pass, line: &Line, category: usize, person: Person, novel: Novel) {
        let segment = match self.by {
            By::Whole | By::Month => None,
            By::Category => Some(category),
            By::Audience => Some(person.audience),
            By::CategoryAudience => Some(category * self.audiences.ids.len() + person.audience),
        };
        let net = line.net_amount();
        let fresh = if novel == Novel::Yes { net } else { 0 };
        for segment in [Some(WHOLE), segment.map(segment_number)].into_iter().flatten() {
            if novel == Novel::Open {
                pass.table.open_nets.push(OpenNet {
                    segment,
                    consumer: person.stamp - 1,
                    product: line.product,
                    day: line.day,
                    net,
                });
            }
            match pass.segments.iter_mut().find(|sum| sum.segment == segment) {
                Some(sum) => {
                    sum.fresh += fresh;
                    sum.all += net;
                }
                None => pass.segments.push(Novelty {
                    segment,
                    consumer: person.stamp - 1,
                    fresh,
                    all: net,
                }),
            }
        }
    }
}

impl Pass {
    fn add_base(&mut self, line: &Line, category: usize, person: Person) {
        let first = line.is_purchase() && is_first(&mut self.buyers, category * 2, person.stamp);
        let Some(cell) = self
            .table
            .cells
            .get_mut(category * self.table.audiences + person.audience)
        else {
            return;
        };
        cell.base.add_line(line);
        if first {
            cell.base.buyers += 1;
            cell.base.new_buyers += i64::from(person.was_new);
        }
    }

    fn add_now(&mut self, line: &Line, category: usize, person: Person, novel: Novel) {
        let first = line.is_purchase() && is_first(&mut self.buyers, category * 2 + 1, person.stamp);
        let from_new = line.is_purchase()
            && novel == Novel::Yes
            && person.is_new
            && is_first(&mut self.from_new, category, person.stamp);
        if line.is_purchase() && novel == Novel::Open && person.is_new {
            self.open.push((category, line.product, line.day));
        }
        let Some(cell) = self
            .table
            .cells
            .get_mut(category * self.table.audiences + person.audience)
        else {
            return;
        };
        cell.now.add_line(line);
        if first {
            cell.now.buyers += 1;
            cell.now.new_buyers += i64::from(person.is_new);
        }
        cell.now.new_from_new += i64::from(from_new);
    }
}

impl Pass {
    /// Keeps the purchases of a new customer that may be of new products, where none is known to be.
    fn leave_open(&mut self, person: Person, is_from_new: bool) {
        self.open.sort_unstable();
        for of_category in self.open.chunk_by(|one, other| one.0 == other.0) {
            let category = of_category.first().map(|(category, ..)| *category);
            let is_counted = category.and_then(|category| self.from_new.get(category));
            if is_counted != Some(&person.stamp) {
                self.table.open_buyers.push(OpenBuyer {
                    category,
                    audience: person.audience,
                    bought: first_days(of_category),
                });
            }
        }
        if !is_from_new && !self.open.is_empty() {
            self.open
                .sort_unstable_by_key(|(_, product, day)| (*product, *day));
            self.table.open_buyers.push(OpenBuyer {
                category: None,
                audience: person.audience,
                bought: first_days(&self.open),
            });
        }
    }
}

/// The first day of each product; `bought` is sorted by product and day.
fn first_days(bought: &[(usize, u32, Day)]) -> Vec<(u32, Day)> {
    let mut first: Vec<(u32, Day)> = bought.iter().map(|(_, product, day)| (*product, *day)).collect();
    first.dedup_by_key(|(product, _)| *product);
    first
}

/// Whether the consumer is met for the first time at `at`; consumers come one after the other.
pub(super) fn is_first(stamps: &mut [u32], at: usize, stamp: u32) -> bool {
    match stamps.get_mut(at) {
        Some(last) if *last != stamp => {
            *last = stamp;
            true
        }
        _ => false,
    }
}
