//! Contents of a brand, the latest row of each.

use std::{cmp::Ordering, sync::Arc};

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{Format, NONE, Names, by_text, keep_latest};
use crate::Error;
use crate::view::{View, at, list_texts, ordinal_at};

/// One content as last known.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentRow {
    /// Content.
    pub content: u32,
    /// Format, where it was said.
    pub format: Option<Format>,
    /// Channel, a word, or [`NONE`].
    pub channel: u32,
    /// Author, a word, or [`NONE`].
    pub author: u32,
    /// Day of publication.
    pub published: Option<Day>,
    /// Products that it carries.
    pub products: Vec<u32>,
    /// Spend in ten-thousandths; `None` when not supplied.
    pub spend: Option<i64>,
    /// Length in seconds.
    pub duration_s: Option<i64>,
}

impl ContentRow {
    /// Decides between rows of the same instant.
    fn by_content(&self, other: &Self, names: &Names) -> Ordering {
        let products = |row: &Self| -> Vec<String> {
            let keys = names.products.view();
            row.products
                .iter()
                .map(|product| keys.key(*product).to_owned())
                .collect()
        };
        (self.format.cmp(&other.format))
            .then_with(|| by_text(&names.words, self.channel, other.channel))
            .then_with(|| by_text(&names.words, self.author, other.author))
            .then_with(|| self.published.cmp(&other.published))
            .then_with(|| products(self).cmp(&products(other)))
            .then_with(|| (self.spend, self.duration_s).cmp(&(other.spend, other.duration_s)))
    }
}

/// Contents of a brand, sorted by key.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// The contents.
    pub rows: Vec<ContentRow>,
    by_content: AHashMap<u32, usize>,
}

impl Contents {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 9] = [
        "content",
        "updated_at",
        "format",
        "channel",
        "author",
        "published_day",
        "products",
        "spend",
        "duration_s",
    ];

    /// Builds the frame. The row with the latest `updated_at` wins; of equal ones the one with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: AHashMap<u32, (i64, ContentRow)> = AHashMap::new();
        for batch in batches {
            let view = View(batch);
            let (content, updated, format) = (
                view.text("content")?,
                view.instant("updated_at")?,
                view.code("format")?,
            );
            let (channel, author, published) = (
                view.text("channel")?,
                view.text("author")?,
                view.day("published_day")?,
            );
            let (products, spend, duration) = (
                view.list("products")?,
                view.money("spend")?,
                view.count("duration_s")?,
            );
            let contents = names.contents.intern_all(&content.all());
            let (channels, authors) = (
                names.words.intern_all(&channel.all()),
                names.words.intern_all(&author.all()),
            );
            for row in 0..batch.num_rows() {
                let content = ordinal_at(&contents, row);
                if content == NONE {
                    continue;
                }
                let carried = list_texts(products, row).unwrap_or_default();
                let parsed = ContentRow {
                    content,
                    format: at(format, row).and_then(Format::from_number),
                    channel: ordinal_at(&channels, row),
                    author: ordinal_at(&authors, row),
                    published: at(published, row).map(Day),
                    products: carried.iter().map(|key| names.products.intern(key)).collect(),
                    spend: at(spend, row).and_then(|value| i64::try_from(value).ok()),
                    duration_s: at(duration, row),
                };
                let updated = at(updated, row).unwrap_or(i64::MIN);
                keep_latest(&mut latest, content, updated, parsed, |one, other| {
                    one.by_content(other, names)
                });
            }
        }
        let mut rows: Vec<ContentRow> = latest.into_values().map(|(_, row)| row).collect();
        let keys = names.contents.view();
        rows.sort_by(|a, b| keys.key(a.content).cmp(keys.key(b.content)));
        drop(keys);
        let by_content = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (row.content, at))
            .collect();
        Ok(Self {
            names: names.clone(),
            rows,
            by_content,
        })
    }

    /// The row of a content.
    #[must_use]
    pub fn get(&self, content: u32) -> Option<&ContentRow> {
        self.by_content.get(&content).and_then(|at| self.rows.get(*at))
    }
}
