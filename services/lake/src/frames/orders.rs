//! Order lines of a brand, the latest revision of each.

use std::{cmp::Ordering, sync::Arc};

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::{Day, Money};

use super::{Groups, NONE, Names, Products, by_text};
use crate::view::{View, at, ordinal_at};
use crate::{Error, moved::Lines};

/// One order line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Consumer.
    pub consumer: u32,
    /// Order, numbered within the frame.
    pub order: u32,
    /// Product.
    pub product: u32,
    /// SKU; the product's key where none was given.
    pub sku: u32,
    /// Category path: the line's own, else the product's, else [`NONE`].
    pub category: u32,
    /// Channel, a word, or [`NONE`].
    pub channel: u32,
    /// Units bought.
    pub quantity: i64,
    /// Units that came back.
    pub returned_quantity: i64,
    /// Amount received, in ten-thousandths.
    pub paid: i64,
    /// Amount paid back, in ten-thousandths.
    pub refund: i64,
    /// List price per unit, in ten-thousandths.
    pub list_price: Option<i64>,
    /// Day of payment in the tenant's zone.
    pub day: Day,
    /// Instants in microseconds since 1970 UTC: payment.
    pub paid_at: i64,
    /// Promised delivery.
    pub promised_at: Option<i64>,
    /// Day of the promise in the tenant's zone.
    pub promised_day: Option<Day>,
    /// Dispatch.
    pub dispatched_at: Option<i64>,
    /// Delivery.
    pub delivered_at: Option<i64>,
    /// Cancellation.
    pub cancelled_at: Option<i64>,
}

impl Line {
    /// Decides between rows of the same revision; categories are the lines' own.
    fn by_content(&self, other: &Self, names: &Names) -> Ordering {
        let amounts = |line: &Self| (line.quantity, line.paid, line.list_price, line.paid_at);
        let rest = |line: &Self| {
            (
                line.promised_at,
                line.dispatched_at,
                line.delivered_at,
                line.cancelled_at,
                line.returned_quantity,
                line.refund,
            )
        };
        by_text(&names.consumers, self.consumer, other.consumer)
            .then_with(|| by_text(&names.products, self.product, other.product))
            .then_with(|| by_text(&names.skus, self.sku, other.sku))
            .then_with(|| by_text(&names.categories, self.category, other.category))
            .then_with(|| amounts(self).cmp(&amounts(other)))
            .then_with(|| rest(self).cmp(&rest(other)))
            .then_with(|| by_text(&names.words, self.channel, other.channel))
    }

    /// Whether the line is a purchase (ground rule 8): quantity above zero, returned later or not.
    #[must_use]
    pub fn is_purchase(&self) -> bool {
        self.quantity > 0
    }

    /// Net GMV: paid less refunded, booked on the day of payment.
    #[must_use]
    pub fn net(&self) -> Money {
        Money::from(self.net_amount())
    }

    /// The same as narrow as the line has its amounts, for those who keep many: both are at least zero, so it fits.
    #[must_use]
    pub fn net_amount(&self) -> i64 {
        self.paid - self.refund
    }

    /// Net units: bought less returned.
    #[must_use]
    pub fn net_units(&self) -> i64 {
        self.quantity - self.returned_quantity
    }
}

/// Order lines of a brand, sorted by consumer and instant of payment.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// Lines by consumer.
    pub groups: Groups,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Orders {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 20] = [
        "order",
        "line",
        "revision",
        "consumer",
        "product",
        "sku",
        "category",
        "channel",
        "quantity",
        "paid_amount",
        "list_price",
        "paid_at",
        "paid_day",
        "promised_at",
        "promised_day",
        "dispatched_at",
        "delivered_at",
        "cancelled_at",
        "returned_quantity",
        "refund_amount",
    ];

    /// Builds the frame. Of rows with the same order and line the largest revision counts; of equal revisions the
    /// row with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, products: &Products, batches: &[RecordBatch]) -> Result<Self, Error> {
        Self::staying(names, products, None, batches)
    }

    /// The same without the lines that the brand has left.
    pub(crate) fn staying(
        names: &Arc<Names>,
        products: &Products,
        left: Option<&Lines>,
        batches: &[RecordBatch],
    ) -> Result<Self, Error> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut loader = Loader {
            orders: AHashMap::new(),
            seen: AHashMap::with_capacity(rows),
            lines: Vec::new(),
        };
        loader.lines.reserve(rows);
        for batch in batches {
            loader.extend(&View(batch), names, left)?;
        }
        let Loader { orders, lines, .. } = &loader;
        let consumers: Vec<u32> = lines.iter().map(|line| line.consumer).collect();
        let mut keys = vec![""; orders.len()];
        for (key, number) in orders {
            if let Some(slot) = keys.get_mut(*number as usize) {
                *slot = key.as_ref();
            }
        }
        let order_key = |line: &Line| keys.get(line.order as usize);
        let (groups, order) = Groups::sorted(&consumers, |one, other| {
            let (Some(one), Some(other)) = (lines.get(one), lines.get(other)) else {
                return Ordering::Equal;
            };
            (one.paid_at.cmp(&other.paid_at))
                .then_with(|| order_key(one).cmp(&order_key(other)))
                .then_with(|| one.by_content(other, names))
        });
        let mut lines = super::reorder(lines, &order);
        // Only now: what a product is filed under decides between no rows.
        for line in lines.iter_mut().filter(|line| line.category == NONE) {
            line.category = products.category_of(line.product).unwrap_or(NONE);
        }
        Ok(Self {
            names: names.clone(),
            groups,
            lines,
        })
    }

    /// A consumer's lines, oldest first.
    #[must_use]
    pub fn of(&self, consumer: u32) -> &[Line] {
        self.lines.get(self.groups.rows(consumer)).unwrap_or_default()
    }

    /// Bytes that the frame takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>() + self.groups.bytes()
    }
}

struct Loader {
    orders: AHashMap<Box<str>, u32>,
    seen: AHashMap<(u32, Box<str>), (i64, usize)>,
    lines: Vec<Line>,
}

impl Loader {
    fn extend(&mut self, view: &View<'_>, names: &Names, left: Option<&Lines>) -> Result<(), Error> {
        let (order, line, revision) = (view.text("order")?, view.text("line")?, view.count("revision")?);
        let (consumer, product, sku) = (view.text("consumer")?, view.text("product")?, view.text("sku")?);
        let (category, channel) = (view.text("category")?, view.text("channel")?);
        let (quantity, returned) = (view.count("quantity")?, view.count("returned_quantity")?);
        let (paid, list) = (view.money("paid_amount")?, view.money("list_price")?);
        let (refund, paid_at, paid_day) = (
            view.money("refund_amount")?,
            view.instant("paid_at")?,
            view.day("paid_day")?,
        );
        let (promised_at, promised_day) = (view.instant("promised_at")?, view.day("promised_day")?);
        let (dispatched_at, delivered_at) = (view.instant("dispatched_at")?, view.instant("delivered_at")?);
        let cancelled_at = view.instant("cancelled_at")?;
        let skus = sku.all().into_iter().zip(product.all());
        let skus: Vec<Option<&str>> = skus.map(|(sku, product)| sku.or(product)).collect();
        let (consumers, products_of) = (
            names.consumers.intern_all(&consumer.all()),
            names.products.intern_all(&product.all()),
        );
        let (skus, categories, channels) = (
            names.skus.intern_all(&skus),
            names.categories.intern_all(&category.all()),
            names.words.intern_all(&channel.all()),
        );
        let money = |array, row| at(array, row).and_then(|value: i128| i64::try_from(value).ok());
        for row in 0..view.0.num_rows() {
            let (consumer, product) = (ordinal_at(&consumers, row), ordinal_at(&products_of, row));
            if consumer == NONE || product == NONE {
                continue;
            }
            let (Some(paid_at), Some(day)) = (at(paid_at, row), at(paid_day, row)) else {
                continue;
            };
            let key: (Box<str>, Box<str>) = (
                order.get(row).unwrap_or_default().into(),
                line.get(row).unwrap_or_default().into(),
            );
            if left.is_some_and(|left| left.contains(&key)) {
                continue;
            }
            let numbered = self.number_order(&key.0);
            let parsed = Line {
                consumer,
                order: numbered,
                product,
                sku: ordinal_at(&skus, row),
                category: ordinal_at(&categories, row),
                channel: ordinal_at(&channels, row),
                quantity: at(quantity, row).unwrap_or(0),
                returned_quantity: at(returned, row).unwrap_or(0),
                paid: money(paid, row).unwrap_or(0),
                refund: money(refund, row).unwrap_or(0),
                list_price: money(list, row),
                day: Day(day),
                paid_at,
                promised_at: at(promised_at, row),
                promised_day: at(promised_day, row).map(Day),
                dispatched_at: at(dispatched_at, row),
                delivered_at: at(delivered_at, row),
                cancelled_at: at(cancelled_at, row),
            };
            self.keep((numbered, key.1), at(revision, row).unwrap_or(0), parsed, names);
        }
        Ok(())
    }

    fn number_order(&mut self, order: &str) -> u32 {
        if let Some(number) = self.orders.get(order) {
            return *number;
        }
        let number = self.orders.len() as u32;
        self.orders.insert(order.into(), number);
        number
    }

    fn keep(&mut self, key: (u32, Box<str>), revision: i64, line: Line, names: &Names) {
        match self.seen.get_mut(&key) {
            None => {
                self.seen.insert(key, (revision, self.lines.len()));
                self.lines.push(line);
            }
            Some((latest, at)) => {
                if let Some(slot) = self.lines.get_mut(*at)
                    && (*latest)
                        .cmp(&revision)
                        .then_with(|| line.by_content(slot, names))
                        .is_lt()
                {
                    *latest = revision;
                    *slot = line;
                }
            }
        }
    }
}
