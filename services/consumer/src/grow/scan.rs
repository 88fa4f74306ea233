//! One pass over a brand's order lines into cells of category by audience.

use dualwheel_lake::frames::Line;
use dualwheel_measure::{Money, Window};

use super::{By, GrowFacts, Question, is_novel, penetration::Market};
use crate::{facts::fold, parameters::Parameters};

/// Sums of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    fn add(&mut self, other: &Self) {
        self.base.add(&other.base);
        self.now.add(&other.now);
    }
}

/// Net GMV of one consumer in the window, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Novelty {
    /// Segment; [`WHOLE`] for all.
    segment: u32,
    /// Consumer.
    pub consumer: u32,
    /// From products in their novelty window.
    pub fresh: i64,
    /// In all.
    pub all: i64,
}

const WHOLE: u32 = u32::MAX;

/// Everything that one pass sums.
pub(super) struct Table {
    audiences: usize,
    cells: Vec<Cell>,
    /// By audience, over all categories: new customers who bought a new product, new customers.
    customers: Vec<(i64, i64)>,
    /// By slot of the market: distinct buyers.
    pub penetrated: Vec<i64>,
    /// Sorted by segment.
    novelty: Vec<Novelty>,
}

impl Table {
    /// The cells of a category or all, for an audience or all, in order of category.
    pub fn cells(&self, category: Option<usize>, audience: Option<usize>) -> impl Iterator<Item = Cell> + '_ {
        let categories = self.cells.chunks(self.audiences).enumerate();
        categories
            .filter(move |(at, _)| category.is_none_or(|category| category == *at))
            .map(move |(_, row)| {
                let mut sum = Cell::default();
                for (at, cell) in row.iter().enumerate() {
                    if audience.is_none_or(|audience| audience == at) {
                        sum.add(cell);
                    }
                }
                sum
            })
    }

    /// New customers who bought a product in its novelty window, and new customers.
    pub fn new_customers(&self, category: Option<usize>, audience: Option<usize>) -> (i64, i64) {
        if category.is_some() {
            return self
                .cells(category, audience)
                .map(|cell| (cell.now.new_from_new, cell.now.new_buyers))
                .fold((0, 0), |sum, add| (sum.0 + add.0, sum.1 + add.1));
        }
        let asked = self
            .customers
            .iter()
            .enumerate()
            .filter(|(at, _)| audience.is_none_or(|audience| audience == *at));
        asked.fold((0, 0), |sum, (_, add)| (sum.0 + add.0, sum.1 + add.1))
    }

    /// Sums per consumer of a segment, or of the whole.
    pub fn novelty_of(&self, segment: Option<usize>) -> Vec<Novelty> {
        let segment = segment.map_or(WHOLE, segment_number);
        let start = self.novelty.partition_point(|sum| sum.segment < segment);
        let end = self.novelty.partition_point(|sum| sum.segment <= segment);
        self.novelty.get(start..end).unwrap_or_default().to_vec()
    }
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
}

/// Sums the lines of both periods.
pub(super) fn scan(
    facts: &GrowFacts,
    parameters: &Parameters,
    now: Window,
    ask: &Question<'_>,
    market: &Market,
) -> Table {
    let (categories, audiences) = (ask.categories.cuts.len(), facts.audiences.ids.len().max(1));
    let slots = market.slots.len();
    let visitor = Visitor {
        facts,
        parameters,
        now,
        ask,
        market,
    };
    let mut table = fold(
        facts.orders.groups.len(),
        || Pass {
            table: Table {
                audiences,
                cells: vec![Cell::default(); categories * audiences],
                customers: vec![(0, 0); audiences],
                penetrated: vec![0; slots],
                novelty: Vec::new(),
            },
            buyers: vec![0; categories * 2],
            from_new: vec![0; categories],
            slots: vec![0; slots],
            segments: Vec::new(),
        },
        |pass, consumer| visitor.visit(pass, consumer),
        merge,
    )
    .table;
    table
        .novelty
        .sort_unstable_by_key(|sum| (sum.segment, sum.consumer));
    table
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
    one
}

struct Visitor<'a> {
    facts: &'a GrowFacts,
    parameters: &'a Parameters,
    now: Window,
    ask: &'a Question<'a>,
    market: &'a Market,
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
        let lines = self.facts.orders.of(consumer);
        let asked = |line: &Line| self.now.contains(line.day) || self.ask.base.contains(line.day);
        if !lines.iter().any(asked) {
            return;
        }
        let person = Person {
            stamp: consumer + 1,
            audience: self.facts.audiences.of(consumer),
            is_new: self.is_new(lines, self.now),
            was_new: self.is_new(lines, self.ask.base),
        };
        let mut bought = (false, false);
        pass.segments.clear();
        for line in lines {
            let Some(category) = self.ask.categories.segment(line.category) else {
                continue;
            };
            self.market.count(
                &mut pass.table.penetrated,
                &mut pass.slots,
                line,
                category,
                person.stamp,
            );
            if self.ask.base.contains(line.day) {
                pass.add_base(line, category, person);
            } else if self.now.contains(line.day) {
                let novel = is_novel(line.day, self.facts.launches.day(line.product), self.parameters);
                pass.add_now(line, category, person, novel);
                bought.0 |= line.is_purchase();
                bought.1 |= line.is_purchase() && novel;
                self.note(&mut pass.segments, line, category, person, novel);
            }
        }
        if let Some(customers) = pass.table.customers.get_mut(person.audience)
            && person.is_new
        {
            customers.0 += i64::from(bought.1);
            customers.1 += i64::from(bought.0);
        }
        pass.table.novelty.append(&mut pass.segments);
    }

    fn is_new(&self, lines: &[Line], window: Window) -> bool {
        let days = i32::from(self.parameters.new_customer_days.get());
        let before = Window::ending(window.first.plus(-1), days);
        !lines
            .iter()
            .any(|line| line.is_purchase() && before.contains(line.day))
    }

    /// Adds a line to the consumer's sums of the whole and of the segment that the question cuts it into.
    fn note(&self, sums: &mut Vec<Novelty>, line: &Line, category: usize, person: Person, novel: bool) {
        let segment = match self.ask.by {
            By::Whole | By::Month => None,
            By::Category => Some(category),
            By::Audience => Some(person.audience),
            By::CategoryAudience => Some(category * self.facts.audiences.ids.len() + person.audience),
        };
        let net = line.paid - line.refund;
        let fresh = if novel { net } else { 0 };
        for segment in [Some(WHOLE), segment.map(segment_number)].into_iter().flatten() {
            match sums.iter_mut().find(|sum| sum.segment == segment) {
                Some(sum) => {
                    sum.fresh += fresh;
                    sum.all += net;
                }
                None => sums.push(Novelty {
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

    fn add_now(&mut self, line: &Line, category: usize, person: Person, novel: bool) {
        let first = line.is_purchase() && is_first(&mut self.buyers, category * 2 + 1, person.stamp);
        let from_new = line.is_purchase()
            && novel
            && person.is_new
            && is_first(&mut self.from_new, category, person.stamp);
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
