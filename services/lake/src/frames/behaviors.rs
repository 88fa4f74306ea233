//! Behaviours of a brand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{
    Groups, NONE, Names, Products, reorder,
    view::{View, at, ordinal_at},
};
use crate::Error;

/// What was done, in the contract's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the names are those of the contract, which explains them"
)]
pub enum Kind {
    Unspecified = 0,
    Exposure = 1,
    AdClick = 2,
    ContentView = 3,
    LiveWatch = 4,
    Browse = 5,
    Search = 6,
    Favorite = 7,
    Cart = 8,
    Follow = 9,
    Join = 10,
    SampleClaim = 11,
    BenefitClaim = 12,
    PointsRedeem = 13,
    CheckIn = 14,
    Like = 15,
    Comment = 16,
    Share = 17,
    Consult = 18,
    GroupJoin = 19,
    Purchase = 20,
    PositiveReview = 21,
    Recommend = 22,
    NegativeReview = 23,
}

impl Kind {
    const ALL: [Self; 24] = [
        Self::Unspecified,
        Self::Exposure,
        Self::AdClick,
        Self::ContentView,
        Self::LiveWatch,
        Self::Browse,
        Self::Search,
        Self::Favorite,
        Self::Cart,
        Self::Follow,
        Self::Join,
        Self::SampleClaim,
        Self::BenefitClaim,
        Self::PointsRedeem,
        Self::CheckIn,
        Self::Like,
        Self::Comment,
        Self::Share,
        Self::Consult,
        Self::GroupJoin,
        Self::Purchase,
        Self::PositiveReview,
        Self::Recommend,
        Self::NegativeReview,
    ];

    /// The kind of a number in the contract; an unknown one is `Unspecified`.
    #[must_use]
    pub fn from_number(number: i8) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at))
            .copied()
            .unwrap_or(Self::Unspecified)
    }

    /// Exposure, advertisement click, content view, live watch; browsing is passive or active by its days.
    #[must_use]
    pub fn is_passive(self) -> bool {
        matches!(
            self,
            Self::Exposure | Self::AdClick | Self::ContentView | Self::LiveWatch
        )
    }

    /// Active whatever the number of days, the loyal kinds among them; browsing is not among them.
    #[must_use]
    pub fn is_active(self) -> bool {
        (self >= Self::Search && self <= Self::GroupJoin) || self.is_loyal()
    }

    /// Positive review and recommendation.
    #[must_use]
    pub fn is_loyal(self) -> bool {
        matches!(self, Self::PositiveReview | Self::Recommend)
    }

    /// Whether it makes a visitor (ground rule 8): browse, favourite, cart, consult, sample claim.
    #[must_use]
    pub fn is_visit(self) -> bool {
        matches!(
            self,
            Self::Browse | Self::Favorite | Self::Cart | Self::Consult | Self::SampleClaim
        )
    }
}

/// Venue's number in the contract; 0 means not said.
pub type Venue = u8;

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
    /// Venue's number in the contract; 0 means not said.
    pub venue: Vec<Venue>,
    /// Class of the search word, by number: 0 not said, 1 brand, 2 selling point, 3 category, 4 other.
    pub keyword_class: Vec<u8>,
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

    /// Builds the frame. A behaviour on a content that bears the event id of another is counted once.
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
        let mut content_events = ahash::AHashSet::new();
        for batch in batches {
            frame.extend(&View(batch), products, &mut content_events)?;
        }
        frame.sort();
        Ok(frame)
    }

    fn extend(
        &mut self,
        view: &View<'_>,
        products: &Products,
        content_events: &mut ahash::AHashSet<Box<str>>,
    ) -> Result<(), Error> {
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
            let content = ordinal_at(&contents, row);
            if content != NONE
                && let Some(event) = event.get(row)
                && !content_events.insert(event.into())
            {
                continue;
            }
            let product = ordinal_at(&products_of, row);
            self.consumer.push(consumer);
            self.kind.push(Kind::from_number(at(kind, row).unwrap_or(0)));
            self.day.push(Day(day));
            self.at.push(instant);
            self.product.push(product);
            let category = products.category_of(product);
            self.category
                .push(category.unwrap_or(ordinal_at(&categories, row)));
            self.content.push(content);
            self.channel.push(ordinal_at(&channels, row));
            self.venue.push(
                at(venue, row)
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(0),
            );
            self.keyword_class.push(
                at(class, row)
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(0),
            );
            self.dwell_ms.push(at(dwell, row).unwrap_or(-1));
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (groups, order) = Groups::sorted(&self.consumer, |row| {
            (
                self.at.get(row).copied(),
                self.kind.get(row).copied(),
                self.product.get(row).copied(),
            )
        });
        self.groups = groups;
        self.consumer = reorder(&self.consumer, &order);
        self.kind = reorder(&self.kind, &order);
        self.day = reorder(&self.day, &order);
        self.at = reorder(&self.at, &order);
        self.product = reorder(&self.product, &order);
        self.category = reorder(&self.category, &order);
        self.content = reorder(&self.content, &order);
        self.channel = reorder(&self.channel, &order);
        self.venue = reorder(&self.venue, &order);
        self.keyword_class = reorder(&self.keyword_class, &order);
        self.dwell_ms = reorder(&self.dwell_ms, &order);
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
