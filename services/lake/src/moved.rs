//! Order lines that came to another brand: a later row of a line may name another brand than the one before, and then
//! the line is of the brand that its latest row names alone.
//!
//! Frames are read brand by brand, and cannot see this. So every tenant's lines are followed by hash and brand; while
//! no line has rows in two brands, which is nearly always, nothing more is to be done. Else the rows of these lines
//! tell which brands they have left.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use arrow::array::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Error, TenantLake,
    seen::{Saying, Seen},
    view::{View, at},
};

/// The table.
const TABLE: &str = "order_lines";
/// Columns by which lines are followed.
const FOLLOWED: [&str; 3] = ["brand", "order", "line"];
/// Columns that decide between the rows of a line in different brands: the order of content ends with the brand.
const DECIDING: [&str; 5] = ["brand", "order", "line", "revision", "consumer"];

/// What stands for an order line.
pub(crate) fn line_hash(order: &str, line: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(order.as_bytes());
    // No key has this byte, so that two keys never run into each other.
    hasher.update(&[0xff]);
    hasher.update(line.as_bytes());
    hasher.digest()
}

/// Brands of every order line.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    followed: Option<i64>,
    numbers: HashMap<String, u64>,
    brands: Vec<String>,
    lines: Seen,
    contested: Arc<Contested>,
}

/// Lines with rows in several brands, by hash, with these brands.
pub type Contested = BTreeMap<u64, BTreeSet<String>>;

impl Homes {
    /// The number of a brand.
    fn number(&mut self, brand: &str) -> u64 {
        if let Some(number) = self.numbers.get(brand) {
            return *number;
        }
        let number = self.brands.len() as u64;
        self.numbers.insert(brand.to_owned(), number);
        self.brands.push(brand.to_owned());
        number
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut new: Vec<Saying> = Vec::with_capacity(batch.num_rows());
        let view = View(batch);
        let (brand, order, line) = (view.text("brand")?, view.text("order")?, view.text("line")?);
        for row in 0..batch.num_rows() {
            if let (Some(brand), Some(order), Some(line)) = (brand.get(row), order.get(row), line.get(row)) {
                new.push((line_hash(order, line), self.number(brand)));
            }
        }
        for line in self.lines.add(&mut new) {
            let brands = self.lines.of(line);
            let names = brands.filter_map(|number| self.brands.get(usize::try_from(number).ok()?).cloned());
            let names = names.collect();
            Arc::make_mut(&mut self.contested).insert(line, names);
        }
        Ok(())
    }
}

impl TenantLake {
    /// Order lines that have rows in several brands at a version of their table. There may be some more that have so
    /// only at a later one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn contested_lines(&self, version: i64) -> Result<Arc<Contested>, Error> {
        let mut homes = self.homes.lock().await;
        if homes.followed.is_none_or(|followed| followed < version) {
            let mut added = self
                .added(TABLE, &FOLLOWED, homes.followed, Some(version))
                .await?;
            if added.whole {
                *homes = Homes::default();
            }
            // Until all is read, what is known is of no version.
            homes.followed = None;
            while let Some(rows) = added.next().await? {
                homes.add(rows.batch())?;
            }
            homes.followed = Some(version);
        }
        Ok(homes.contested.clone())
    }

    /// The lines that brands have left at a version of the table.
    pub(crate) async fn left_lines(&self, version: i64, contested: &Contested) -> Result<Left, Error> {
        let mut decided = Deciding::default();
        let mut added = self.added(TABLE, &DECIDING, None, Some(version)).await?;
        while let Some(rows) = added.next().await? {
            decided.add(rows.batch(), |line| contested.contains_key(&line))?;
        }
        Ok(decided.finish())
    }
}

/// Lines, by order and line, that each brand has left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left(HashMap<String, Lines>);

/// Lines by order and line.
pub(crate) type Lines = HashSet<(Box<str>, Box<str>)>;

impl Left {
    /// The lines that a brand has left.
    pub(crate) fn by(&self, brand: &str) -> Option<&Lines> {
        self.0.get(brand)
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(|lines| lines.len() * 96).sum()
    }

    /// Of rows that are all in memory.
    pub(crate) fn of(batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut decided = Deciding::default();
        for batch in batches {
            decided.add(batch, |_| true)?;
        }
        Ok(decided.finish())
    }
}

/// What decides between the rows of a line: the largest revision, then the smallest consumer and brand.
type Rank = (Reverse<i64>, String, String);

#[derive(Default)]
struct Deciding(BTreeMap<LineKey, (Rank, BTreeSet<String>)>);

/// Order and line.
type LineKey = (Box<str>, Box<str>);

impl Deciding {
    fn add(&mut self, batch: &RecordBatch, asked: impl Fn(u64) -> bool) -> Result<(), Error> {
        let view = View(batch);
        let consumer = view.text("consumer")?;
        // A file of a release without revisions has first ones.
        let revision = view.count("revision").ok();
        let (brand, order, line) = (view.text("brand")?, view.text("order")?, view.text("line")?);
        for row in 0..batch.num_rows() {
            let (Some(brand), Some(order), Some(line)) = (brand.get(row), order.get(row), line.get(row))
            else {
                continue;
            };
            if !asked(line_hash(order, line)) {
                continue;
            }
            let rank = (
                Reverse(revision.and_then(|revision| at(revision, row)).unwrap_or(0)),
                consumer.get(row).unwrap_or_default().to_owned(),
                brand.to_owned(),
            );
            let known = self.0.entry((order.into(), line.into()));
            let (best, brands) = known.or_insert_with(|| (rank.clone(), BTreeSet::new()));
            brands.insert(brand.to_owned());
            if rank < *best {
                *best = rank;
            }
        }
        Ok(())
    }

    fn finish(self) -> Left {
        let mut left = Left::default();
        for (line, ((_, _, home), brands)) in self.0 {
            for brand in brands.into_iter().filter(|brand| *brand != home) {
                left.0.entry(brand).or_default().insert(line.clone());
            }
        }
        left
    }
}
