//! Behaviours of a brand.

use std::{cmp::Ordering, sync::Arc};

use arrow::array::RecordBatch;
use dualwheel_measure::Day;
use hashbrown::{HashTable, hash_table::Entry};
use xxhash_rust::xxh3::xxh3_128;

use super::{Groups, KeywordClass, Kind, NONE, Names, Products, Venue, by_text, reorder};
use crate::Error;
use crate::view::{View, at, ordinal_at};

/// Behaviours of a brand, sorted by consumer and instant.
#[derive(Clone, Debug)]
pub struct Behaviors {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// Rows by consumer.
    pub groups: Groups,
    /// Consumer.
    pub consumer: Vec<u32>,
    /// What was done.
    pub kind: Vec<Kind>,
    /// Day in the tenant's zone.
    pub day: Vec<Day>,
    /// Instant in microseconds since 1970 UTC.
    pub at: Vec<i64>,
    /// Product, or [`NONE`].
    pub product: Vec<u32>,
    /// Category path: the product's, else the behaviour's own, else [`NONE`].
    pub category: Vec<u32>,
    /// Content, or [`NONE`].
    pub content: Vec<u32>,
    /// Channel, a word, or [`NONE`].
    pub channel: Vec<u32>,
    /// Venue, where it was said.
    pub venue: Vec<Option<Venue>>,
    /// Class of the search word, where it was said.
    pub keyword_class: Vec<Option<KeywordClass>>,
    /// Time spent, in milliseconds; −1 when not said.
    pub dwell_ms: Vec<i64>,
}

impl Behaviors {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 12] = [
        "event_id",
        "consumer",
        "kind",
        "occurred_at",
        "occurred_day",
        "product",
        "category",
        "content",
        "channel",
        "venue",
        "keyword_class",
        "dwell_ms",
    ];

    /// Builds the frame. Of rows with the same event id the first by instant, then by content, is the act.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, products: &Products, batches: &[RecordBatch]) -> Result<Self, Error> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut frame = Self {
            names: names.clone(),
            groups: Groups::default(),
            consumer: Vec::with_capacity(rows),
            kind: Vec::with_capacity(rows),
            day: Vec::with_capacity(rows),
            at: Vec::with_capacity(rows),
            product: Vec::with_capacity(rows),
            category: Vec::with_capacity(rows),
            content: Vec::with_capacity(rows),
            channel: Vec::with_capacity(rows),
            venue: Vec::with_capacity(rows),
            keyword_class: Vec::with_capacity(rows),
            dwell_ms: Vec::with_capacity(rows),
        };
        let mut events = Vec::with_capacity(rows);
        for batch in batches {
            frame.extend(&View(batch), &mut events)?;
        }
        let acts = frame.acts(&events);
        drop(events);
        if acts.len() < frame.len() {
            frame.take(&acts);
        }
        frame.sort();
        // Only now: what a product is filed under decides between no rows.
        for (category, product) in frame.category.iter_mut().zip(&frame.product) {
            *category = products.category_of(*product).unwrap_or(*category);
        }
        Ok(frame)
    }

    /// Adds rows, and to `events` what stands for their event ids.
    fn extend(&mut self, view: &View<'_>, events: &mut Vec<u128>) -> Result<(), Error> {
        let (event, consumer, product) = (
            view.text("event_id")?,
            view.text("consumer")?,
            view.text("product")?,
        );
        let (category, content, channel) = (
            view.text("category")?,
            view.text("content")?,
            view.text("channel")?,
        );
        let (kind, venue, class) = (
            view.code("kind")?,
            view.code("venue")?,
            view.code("keyword_class")?,
        );
        let (instant, day, dwell) = (
            view.instant("occurred_at")?,
            view.day("occurred_day")?,
            view.count("dwell_ms")?,
        );
        let names = &self.names;
        let (consumers, products_of) = (
            names.consumers.intern_all(&consumer.all()),
            names.products.intern_all(&product.all()),
        );
        let (categories, contents, channels) = (
            names.categories.intern_all(&category.all()),
            names.contents.intern_all(&content.all()),
            names.words.intern_all(&channel.all()),
        );
        for row in 0..view.0.num_rows() {
            let (consumer, Some(instant), Some(day)) =
                (ordinal_at(&consumers, row), at(instant, row), at(day, row))
            else {
                continue;
            };
            if consumer == NONE {
                continue;
            }
            events.push(xxh3_128(event.get(row).unwrap_or_default().as_bytes()));
            self.consumer.push(consumer);
            self.kind.push(Kind::from_number(at(kind, row).unwrap_or(0)));
            self.day.push(Day(day));
            self.at.push(instant);
            self.product.push(ordinal_at(&products_of, row));
            self.category.push(ordinal_at(&categories, row));
            self.content.push(ordinal_at(&contents, row));
            self.channel.push(ordinal_at(&channels, row));
            self.venue.push(at(venue, row).and_then(Venue::from_number));
            self.keyword_class
                .push(at(class, row).and_then(KeywordClass::from_number));
            self.dwell_ms.push(at(dwell, row).unwrap_or(-1));
        }
        Ok(())
    }

    /// The rows that are acts: of those that share an event id the one that comes first by what it says.
    fn acts(&self, events: &[u128]) -> Vec<usize> {
        let mut acts: Vec<usize> = Vec::with_capacity(events.len());
        let mut known: HashTable<usize> = HashTable::with_capacity(events.len());
        // Half of a hash is one, too.
        let hash = |event: u128| event as u64;
        let event_of = |row: usize| events.get(row).copied().unwrap_or_default();
        for (row, event) in events.iter().copied().enumerate() {
            let act_at = |at: &usize| acts.get(*at).copied().unwrap_or_default();
            let place = known.entry(
                hash(event),
                |at| event_of(act_at(at)) == event,
                |at| hash(event_of(act_at(at))),
            );
            match place {
                Entry::Vacant(place) => {
                    place.insert(acts.len());
                    acts.push(row);
                }
                Entry::Occupied(place) => {
                    if let Some(act) = acts.get_mut(*place.get())
                        && self.compare(row, *act).is_lt()
                    {
                        *act = row;
                    }
                }
            }
        }
        acts
    }

    /// The order of two rows by instant, then by all else that they say.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        fn at<T: Ord>(values: &[T], one: usize, other: usize) -> Ordering {
            values.get(one).cmp(&values.get(other))
        }
        let text = |keys, ordinals: &[u32]| {
            let at = |row: usize| ordinals.get(row).copied().unwrap_or(NONE);
            by_text(keys, at(one), at(other))
        };
        let names = &*self.names;
        at(&self.at, one, other)
            .then_with(|| text(&names.consumers, &self.consumer))
            .then_with(|| at(&self.kind, one, other))
            .then_with(|| text(&names.products, &self.product))
            .then_with(|| text(&names.contents, &self.content))
            .then_with(|| text(&names.categories, &self.category))
            .then_with(|| text(&names.words, &self.channel))
            .then_with(|| at(&self.venue, one, other))
            .then_with(|| at(&self.keyword_class, one, other))
            .then_with(|| at(&self.dwell_ms, one, other))
    }

    fn sort(&mut self) {
        let (groups, order) = Groups::sorted(&self.consumer, |one, other| self.compare(one, other));
        self.groups = groups;
        self.take(&order);
    }

    /// Keeps the given rows in the given order.
    pub(super) fn take(&mut self, order: &[usize]) {
        self.consumer = reorder(&self.consumer, order);
        self.kind = reorder(&self.kind, order);
        self.day = reorder(&self.day, order);
        self.at = reorder(&self.at, order);
        self.product = reorder(&self.product, order);
        self.category = reorder(&self.category, order);
        self.content = reorder(&self.content, order);
        self.channel = reorder(&self.channel, order);
        self.venue = reorder(&self.venue, order);
        self.keyword_class = reorder(&self.keyword_class, order);
        self.dwell_ms = reorder(&self.dwell_ms, order);
    }

    /// Number of behaviours.
    #[must_use]
    pub fn len(&self) -> usize {
        self.consumer.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// Bytes that the frame takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * 51 + self.groups.bytes()
    }
}
