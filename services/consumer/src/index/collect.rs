//! Gathers signals out of raw rows: people by brand, signal and day.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ahash::{AHashMap, AHashSet};
use dualwheel_kit::work;
use dualwheel_lake::{
    Contested, Error,
    changes::{Added, Rows},
    frames::{Behaviors, Names, Orders},
    people::Piece,
    seen::Saying,
};
use dualwheel_measure::Day;
use roaring::RoaringBitmap;

use super::{
    acts::mark,
    cells::{BOUGHT, OTHER_LINE},
};

/// Ordinals that wait in lists before they go into bitmaps.
const WAITING: usize = 4_000_000;

/// A bitmap in the making.
#[derive(Debug, Default)]
struct Gathered {
    people: RoaringBitmap,
    waiting: Vec<u32>,
}

impl Gathered {
    fn settle(&mut self) {
        self.waiting.sort_unstable();
        self.waiting.dedup();
        let some = RoaringBitmap::from_sorted_iter(self.waiting.drain(..));
        self.people |= some.unwrap_or_default();
        self.waiting.shrink_to(64);
    }
}

/// Signals of many brands.
#[derive(Debug, Default)]
pub(super) struct Collected {
    brands: AHashMap<String, u32>,
    names: Vec<String>,
    cells: AHashMap<(u32, usize, Day), Gathered>,
    waiting: usize,
    /// What stands for the behaviours added, by brand.
    acts: BTreeMap<u32, Vec<Saying>>,
}

impl Collected {
    /// The number of a brand, as long as the same comes again and again without a search.
    fn brand(&mut self, brand: &str, last: &mut Option<u32>) -> u32 {
        if let Some(number) = *last
            && self
                .names
                .get(number as usize)
                .is_some_and(|known| known == brand)
        {
            return number;
        }
        let number = match self.brands.get(brand) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                self.names.push(brand.to_owned());
                self.brands.insert(brand.to_owned(), number);
                number
            }
        };
        *last = Some(number);
        number
    }

    fn note(&mut self, brand: u32, signal: usize, day: Day, consumer: u32) {
        self.cells
            .entry((brand, signal, day))
            .or_default()
            .waiting
            .push(consumer);
        self.waiting += 1;
        if self.waiting >= WAITING {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.cells.values_mut().for_each(Gathered::settle);
        self.waiting = 0;
    }

    /// Adds behaviours.
    pub(super) fn behaviors(&mut self, rows: &Rows, names: &Names) -> Result<(), Error> {
        let mut last = None;
        rows.behaviors(names, |brand, event, consumer, kind, day| {
            let brand = self.brand(brand, &mut last);
            self.note(brand, kind as usize, day, consumer);
            let acts = self.acts.entry(brand).or_default();
            acts.push((event, mark(consumer, kind, day)));
        })
    }

    /// The behaviours that were added, by the name of their brand; a second time none.
    pub(super) fn take_acts(&mut self) -> BTreeMap<String, Vec<Saying>> {
        let acts = std::mem::take(&mut self.acts).into_iter();
        acts.filter_map(|(brand, acts)| Some((self.names.get(brand as usize)?.clone(), acts)))
            .collect()
    }

    /// Exchanges the behaviours of a brand for those that stand.
    pub(super) fn standing(&mut self, brand: &str, behaviors: &Behaviors) {
        let brand = self.brand(brand, &mut None);
        self.cells
            .retain(|(of, signal, _), _| *of != brand || *signal >= OTHER_LINE);
        let acts = behaviors.consumer.iter().zip(&behaviors.kind).zip(&behaviors.day);
        for ((consumer, kind), day) in acts {
            self.note(brand, *kind as usize, *day, *consumer);
        }
    }

    /// Adds the order lines of a brand, resolved.
    pub(super) fn resolved(&mut self, brand: &str, orders: &Orders) {
        let brand = self.brand(brand, &mut None);
        for line in &orders.lines {
            self.line(brand, line.day, line.consumer, line.is_purchase());
        }
    }

    fn line(&mut self, brand: u32, day: Day, consumer: u32, bought: bool) {
        let signal = if bought { BOUGHT } else { OTHER_LINE };
        self.note(brand, signal, day, consumer);
    }

    /// The bitmaps by brand: signal, day, people.
    pub(super) fn finish(mut self) -> AHashMap<String, Vec<(usize, Day, RoaringBitmap)>> {
        self.settle();
        let mut found: AHashMap<String, Vec<(usize, Day, RoaringBitmap)>> = AHashMap::new();
        for ((brand, signal, day), gathered) in self.cells {
            if let Some(brand) = self.names.get(brand as usize) {
                let mine = found.entry(brand.clone()).or_default();
                mine.push((signal, day, gathered.people));
            }
        }
        for mine in found.values_mut() {
            mine.sort_unstable_by_key(|(signal, day, _)| (*signal, *day));
        }
        found
    }
}

/// Order lines as they come, until it is clear whether one replaces another.
#[derive(Debug, Default)]
pub(super) struct Lines {
    brands: AHashMap<String, BrandLines>,
}

/// New lines of one brand.
#[derive(Debug, Default)]
pub(super) struct BrandLines {
    /// What stands for their orders and lines.
    pub(super) keys: AHashSet<u64>,
    /// Whether a line came twice, or came to another brand: then only the resolved lines tell what counts.
    pub(super) repeated: bool,
    rows: Vec<(Day, u32, bool)>,
}

impl Lines {
    /// Adds order lines.
    pub(super) fn read(&mut self, rows: &Rows, names: &Names) -> Result<(), Error> {
        rows.lines(names, |brand, consumer, key, bought, day| {
            if !self.brands.contains_key(brand) {
                self.brands.insert(brand.to_owned(), BrandLines::default());
            }
            if let Some(lines) = self.brands.get_mut(brand) {
                lines.repeated |= !lines.keys.insert(key);
                lines.rows.push((day, consumer, bought));
            }
        })
    }

    /// Has all lines of the brands that a new one has come to or from counted again.
    pub(super) fn recount(&mut self, contested: &Contested) {
        if contested.is_empty() {
            return;
        }
        let new = self.brands.values().flat_map(|lines| &lines.keys);
        let found = new.filter_map(|line| contested.get(line)).flatten();
        let brands: BTreeSet<String> = found.cloned().collect();
        for brand in brands {
            self.brands.entry(brand).or_default().repeated = true;
        }
    }

    /// The lines of each brand, in the order of their names.
    pub(super) fn brands(&mut self) -> Vec<(&String, &mut BrandLines)> {
        let mut brands: Vec<_> = self.brands.iter_mut().collect();
        brands.sort_unstable_by_key(|(brand, _)| *brand);
        brands
    }
}

impl BrandLines {
    /// Adds the lines, none of which replaces another.
    pub(super) fn collect(&self, brand: &str, into: &mut Collected) {
        let brand = into.brand(brand, &mut None);
        for (day, consumer, bought) in &self.rows {
            into.line(brand, *day, *consumer, *bought);
        }
    }
}

/// Adds all rows of `added` to `into`, reading the next while the last are added.
pub(super) async fn drain<T: Send + 'static>(
    mut added: Added,
    names: Arc<Names>,
    mut into: T,
    add: fn(&mut T, &Rows, &Names) -> Result<(), Error>,
) -> Result<T, Error> {
    let (send, mut received) = tokio::sync::mpsc::channel::<Rows>(4);
    let gather = tokio::task::spawn_blocking(move || {
        while let Some(rows) = received.blocking_recv() {
            add(&mut into, &rows, &names)?;
        }
        Ok(into)
    });
    while let Some(rows) = added.next().await? {
        work::advance(rows.len());
        if send.send(rows).await.is_err() {
            break;
        }
    }
    drop(send);
    gather.await.map_err(|error| Error::Group(error.to_string()))?
}

/// Pieces of bitmaps as they are stored.
pub(super) fn pieces(
    brand: &str,
    bitmaps: &[(usize, Day, RoaringBitmap)],
    generation: i64,
) -> Result<Vec<Piece>, std::io::Error> {
    let mut pieces = Vec::with_capacity(bitmaps.len());
    for (signal, day, people) in bitmaps {
        let mut data = Vec::with_capacity(people.serialized_size());
        people.serialize_into(&mut data)?;
        pieces.push(Piece {
            brand: brand.to_owned(),
            signal: *signal as i64,
            day: *day,
            generation,
            data,
        });
    }
    Ok(pieces)
}
