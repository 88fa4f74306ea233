//! Fills timelines from the facts of a brand, for the whole brand or one category.

use dualwheel_lake::frames::{Categories, Kind, NONE, Within};
use dualwheel_measure::{Day, Window};

use crate::{
    facts::Facts,
    stages::{Model, Timeline},
};

/// Reads one consumer's facts at a time into a timeline.
#[derive(Debug)]
pub struct People<'a> {
    facts: &'a Facts,
    days: Window,
    category: Option<&'a Within>,
    target: Option<&'a [bool]>,
    behaviors: [u64; Kind::ALL.len()],
    purchases: u64,
}

impl<'a> People<'a> {
    /// A reader for `model`, whose states will be asked for on days of `asked`. With `category`, only behaviours
    /// with a product of the categories that it covers and order lines of these are read.
    #[must_use]
    pub fn new(facts: &'a Facts, model: &Model, asked: Window, category: Option<&'a Within>) -> Self {
        let mut behaviors = model.tracks_by_kind();
        let number = Kind::Purchase as usize;
        let purchases = behaviors.get(number).copied().unwrap_or(0);
        if let Some(slot) = behaviors.get_mut(number)
            && !facts.purchases_are_behaviors()
        {
            *slot = 0;
        }
        let days = Window {
            first: asked.first.plus(-model.memory_days()),
            last: asked.last,
        };
        Self {
            facts,
            days,
            category,
            target: None,
            behaviors,
            purchases,
        }
    }

    /// The same reader with the target audience, by consumer.
    #[must_use]
    pub fn with_target(self, target: Option<&'a [bool]>) -> Self {
        Self { target, ..self }
    }

    /// One more than the highest consumer that has facts or belongs to the target audience.
    #[must_use]
    pub fn consumers(&self) -> u32 {
        let targeted = self.target.map_or(0, <[bool]>::len);
        self.facts
            .consumers()
            .max(u32::try_from(targeted).unwrap_or(NONE))
    }

    /// Replaces what `timeline` holds by the facts of `consumer`.
    pub fn read(&self, consumer: u32, timeline: &mut Timeline) {
        timeline.clear();
        match self.category {
            None => self.read_behaviors(consumer, timeline),
            Some(category) => self.each_in_category(consumer, |tracks, day, of| {
                if category.covers(of) {
                    timeline.note(tracks, day);
                }
            }),
        }
        for line in self.facts.orders.of(consumer) {
            if line.is_purchase()
                && self.days.contains(line.day)
                && self
                    .category
                    .is_none_or(|category| category.covers(line.category))
            {
                timeline.note(self.purchases, line.day);
            }
        }
        for row in self.facts.members.of(consumer) {
            timeline.relate(row.joined, row.left);
        }
        let targeted = self
            .target
            .and_then(|target| target.get(consumer as usize))
            .copied();
        timeline.target(targeted.unwrap_or(false));
        timeline.settle();
    }

    fn read_behaviors(&self, consumer: u32, timeline: &mut Timeline) {
        let frame = &self.facts.behaviors;
        let rows = frame.groups.rows(consumer);
        let (Some(kinds), Some(days)) = (frame.kind.get(rows.clone()), frame.day.get(rows)) else {
            return;
        };
        for (kind, day) in kinds.iter().zip(days) {
            if self.days.contains(*day) {
                timeline.note(self.tracks(*kind), *day);
            }
        }
    }

    fn tracks(&self, kind: Kind) -> u64 {
        self.behaviors.get(kind as usize).copied().unwrap_or(0)
    }

    /// Visits the behaviours with a product: tracks, day and category.
    fn each_in_category(&self, consumer: u32, mut visit: impl FnMut(u64, Day, u32)) {
        let frame = &self.facts.behaviors;
        let rows = frame.groups.rows(consumer);
        let (Some(kinds), Some(days)) = (frame.kind.get(rows.clone()), frame.day.get(rows.clone())) else {
            return;
        };
        let (Some(products), Some(categories)) = (frame.product.get(rows.clone()), frame.category.get(rows))
        else {
            return;
        };
        for ((kind, day), (product, category)) in kinds.iter().zip(days).zip(products.iter().zip(categories))
        {
            if *product != NONE && self.days.contains(*day) {
                visit(self.tracks(*kind), *day, *category);
            }
        }
    }

    /// The signals of `consumer` by category segment, sorted: segment, day, tracks.
    pub fn read_by_category(&self, consumer: u32, cuts: &Categories, signals: &mut Vec<(usize, Day, u64)>) {
        signals.clear();
        self.each_in_category(consumer, |tracks, day, category| {
            if let Some(segment) = cuts.segment(category).filter(|_| tracks != 0) {
                signals.push((segment, day, tracks));
            }
        });
        for line in self.facts.orders.of(consumer) {
            if let Some(segment) = cuts.segment(line.category)
                && line.is_purchase()
                && self.days.contains(line.day)
            {
                signals.push((segment, line.day, self.purchases));
            }
        }
        signals.sort_unstable();
    }
}
