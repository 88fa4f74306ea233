//! The facts that a term looks for: behaviours and order lines, by what they are about.

use dualwheel_lake::frames::{Behaviors, Keys, KeywordClass, Kind, Line, NONE, Within};
use dualwheel_measure::{Day, Money, Window};

use super::{
    evaluate::World,
    expression::{BehaviorMeasure, BehaviorTerm, Filter, PurchaseMeasure, PurchaseTerm, Range},
};
use crate::{facts::Facts, parameters::Signal};

/// What an ordinal must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    Anything,
    Only(u32),
    /// A key that no fact has.
    Nothing,
}

impl Sought {
    pub(super) fn of(key: Option<&String>, keys: &Keys) -> Self {
        match key {
            None => Self::Anything,
            Some(key) => keys.find(key).map_or(Self::Nothing, Self::Only),
        }
    }

    pub(super) fn is(self, ordinal: u32) -> bool {
        match self {
            Self::Anything => true,
            Self::Only(only) => only == ordinal,
            Self::Nothing => false,
        }
    }
}

/// A filter with its keys resolved.
#[derive(Debug)]
pub(super) struct About {
    product: Sought,
    category: Option<Within>,
    content: Sought,
    channel: Sought,
    keyword_class: Option<KeywordClass>,
}

impl About {
    pub(super) fn new(world: &World<'_>, filter: &Filter) -> Self {
        let names = &world.facts.orders.names;
        Self {
            product: Sought::of(filter.product.as_ref(), &names.products),
            category: filter.category.as_deref().map(|path| world.category(path)),
            content: Sought::of(filter.content.as_ref(), &names.contents),
            channel: Sought::of(filter.channel.as_ref(), &names.words),
            keyword_class: filter.keyword_class,
        }
    }

    pub(super) fn covers(&self, category: u32) -> bool {
        self.category
            .as_ref()
            .is_none_or(|sought| sought.covers(category))
    }

    pub(super) fn behavior(&self, frame: &Behaviors, row: usize) -> bool {
        let at = |column: &[u32]| column.get(row).copied().unwrap_or(NONE);
        let class = frame.keyword_class.get(row).copied().flatten();
        self.product.is(at(&frame.product))
            && self.content.is(at(&frame.content))
            && self.channel.is(at(&frame.channel))
            && (self.keyword_class.is_none() || self.keyword_class == class)
            && self.covers(at(&frame.category))
    }

    /// An order line, which knows no content and no search word.
    pub(super) fn line(&self, line: &Line) -> bool {
        matches!(self.content, Sought::Anything)
            && self.keyword_class.is_none()
            && self.product.is(line.product)
            && self.channel.is(line.channel)
            && self.covers(line.category)
    }
}

/// Behaviours of a term.
pub(super) struct Acts<'a> {
    facts: &'a Facts,
    about: About,
    days: Window,
    /// Behaviour kinds as bits.
    kinds: u32,
    from_lines: bool,
}

impl<'a> Acts<'a> {
    pub(super) fn new(world: &World<'a>, term: &BehaviorTerm) -> Self {
        let wanted =
            |kind: &Kind| term.kinds.is_empty() || term.kinds.iter().any(|signal| signal.contains(*kind));
        let purchase = 1 << Kind::Purchase as u32;
        let mut kinds: u32 = Kind::said().filter(wanted).map(|kind| 1 << kind as u32).sum();
        let from_lines = kinds & purchase != 0 && !world.facts.purchases_are_behaviors();
        if from_lines {
            kinds &= !purchase;
        }
        Self {
            facts: world.facts,
            about: About::new(world, &term.filter),
            days: term.days.until(world.as_of),
            kinds,
            from_lines,
        }
    }

    /// Visits the day of each behaviour of `consumer`.
    pub(super) fn each(&self, consumer: u32, mut visit: impl FnMut(Day)) {
        let frame = &self.facts.behaviors;
        let rows = frame.groups.rows(consumer);
        let (Some(kinds), Some(days)) = (frame.kind.get(rows.clone()), frame.day.get(rows.clone())) else {
            return;
        };
        for ((row, kind), day) in rows.zip(kinds).zip(days) {
            if self.kinds >> (*kind as u32) & 1 == 1
                && self.days.contains(*day)
                && self.about.behavior(frame, row)
            {
                visit(*day);
            }
        }
        if self.from_lines {
            let lines = self.facts.orders.of(consumer).iter();
            lines
                .filter(|line| line.is_purchase() && self.days.contains(line.day) && self.about.line(line))
                .for_each(|line| visit(line.day));
        }
    }
}

/// Order lines of a term.
pub(super) struct Lines<'a> {
    facts: &'a Facts,
    about: About,
    days: Window,
    /// Supplied purchases, where they stand for order lines.
    supplied: Option<Acts<'a>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(world: &World<'a>, term: &PurchaseTerm) -> Self {
        let counts_days = matches!(term.measure, PurchaseMeasure::Days | PurchaseMeasure::Recency);
        let supplied = counts_days && world.facts.purchases_are_behaviors();
        let purchases = BehaviorTerm::new(
            vec![Signal::Kind(Kind::Purchase)],
            term.filter.clone(),
            term.days,
            BehaviorMeasure::Days,
            Range::open(),
        );
        Self {
            facts: world.facts,
            about: About::new(world, &term.filter),
            days: term.days.until(world.as_of),
            supplied: supplied.then(|| Acts::new(world, &purchases)),
        }
    }

    pub(super) fn each(&self, consumer: u32, visit: impl FnMut(&Line)) {
        let lines = self.facts.orders.of(consumer).iter();
        lines
            .filter(|line| self.days.contains(line.day) && self.about.line(line))
            .for_each(visit);
    }

    pub(super) fn each_supplied(&self, consumer: u32, visit: impl FnMut(Day)) {
        if let Some(acts) = &self.supplied {
            acts.each(consumer, visit);
        }
    }
}

/// What one consumer bought.
#[derive(Debug, Default)]
pub(super) struct Bought {
    net: Money,
    units: i64,
    orders: Vec<u32>,
    /// Days of purchases.
    pub days: Vec<Day>,
}

impl Bought {
    pub(super) fn clear(&mut self) {
        (self.net, self.units) = (0, 0);
        self.orders.clear();
        self.days.clear();
    }

    pub(super) fn add(&mut self, line: &Line) {
        self.net += line.net();
        if line.is_purchase() {
            self.units += line.quantity;
            self.orders.push(line.order);
            self.days.push(line.day);
        }
    }

    pub(super) fn belongs(&mut self, term: &PurchaseTerm, as_of: Day, known: impl Fn() -> bool) -> bool {
        let measured = match term.measure {
            PurchaseMeasure::NetGmv => self.net,
            PurchaseMeasure::Units => Money::from(self.units),
            PurchaseMeasure::Orders => distinct(&mut self.orders) as Money,
            PurchaseMeasure::Days => distinct(&mut self.days) as Money,
            PurchaseMeasure::AveragePrice => return average(self.net, self.units, &term.range),
            PurchaseMeasure::Recency => {
                return !self.days.is_empty() && term.range.contains(recency(&self.days, as_of).into());
            }
        };
        term.range.contains(measured) && (measured != 0 || known())
    }
}

/// Whether net GMV ÷ units lies in the range, by products instead of a quotient.
fn average(net: Money, units: i64, range: &Range<Money>) -> bool {
    let units = Money::from(units);
    units > 0
        && range
            .at_least
            .is_none_or(|least| least.saturating_mul(units) <= net)
        && range.at_most.is_none_or(|most| net <= most.saturating_mul(units))
}

pub(super) fn recency(days: &[Day], as_of: Day) -> i64 {
    let last = days.iter().max().map_or(as_of, |last| *last);
    i64::from(as_of.0) - i64::from(last.0)
}

pub(super) fn distinct<T: Ord>(values: &mut Vec<T>) -> usize {
    values.sort_unstable();
    values.dedup();
    values.len()
}
