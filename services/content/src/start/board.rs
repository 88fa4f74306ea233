//! The contents viewed in the window, or after it up to the as-of day: what they carry, how long they last, and which cuts they belong to.

use ahash::AHashMap;
use dualwheel_lake::frames::{ContentRow, Format, NONE, Within};
use dualwheel_measure::{Day, Window};

use super::{Cut, Part, Whole, signals::Viewed, tally::Tally};
use crate::Parameters;

/// A product that a content carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    /// Product.
    pub product: u32,
    /// Slot of the product; 0 unless cut by product.
    pub slot: usize,
}

/// One content, as START needs it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Place of its key among the keys, to decide between reaches of one instant.
    pub rank: usize,
    /// Whether its format plays.
    pub is_video: bool,
    /// Length of a video, when known.
    pub duration_ms: Option<i64>,
    /// Products that it carries, sorted by ordinal; with a category only those of it.
    pub carried: Vec<Carried>,
    /// Whether its spend was supplied.
    pub has_spend: bool,
    /// Slot of the content; 0 where the cut does not go by content.
    slot: usize,
}

/// Contents by ordinal, and the cuts.
#[derive(Debug)]
pub(super) struct Board {
    cut: Option<Cut>,
    items: Vec<Option<Item>>,
    values: Vec<String>,
    first: Day,
}

/// Slots of the cut's values, numbered from 1; slot 0 is the whole.
#[derive(Default)]
struct Slots {
    values: Vec<String>,
    by_value: AHashMap<String, usize>,
}

impl Slots {
    fn of(&mut self, value: &str) -> usize {
        if let Some(slot) = self.by_value.get(value) {
            return *slot;
        }
        self.values.push(value.to_owned());
        self.by_value.insert(value.to_owned(), self.values.len());
        self.values.len()
    }
}

impl Board {
    /// The contents of the category that were viewed in the window, and those that were viewed after it only: these belong
    /// to no cut and can do no more than win a purchase from the others.
    pub(super) fn build(
        (part, whole): (&Part, &Whole),
        parameters: &Parameters,
        views: &[Viewed],
        cut: Option<Cut>,
        category: Option<&str>,
        window: Window,
    ) -> Self {
        let mut slots = Slots::default();
        if cut == Some(Cut::Day) {
            for day in 0..window.days() {
                slots.of(&window.first.plus(day).to_string());
            }
        }
        let names = &part.behaviors.names;
        let keys = names.contents.view();
        let viewed = (0u32..).zip(views);
        let mut named: Vec<(u32, Viewed, String)> = viewed
            .filter(|(_, viewed)| viewed.within > 0 || viewed.after > 0)
            .map(|(content, viewed)| (content, *viewed, keys.key(content).to_owned()))
            .collect();
        drop(keys);
        named.sort_by(|a, b| a.2.cmp(&b.2));
        let mut items = vec![None; views.len()];
        for (rank, (content, viewed, key)) in named.into_iter().enumerate() {
            let row = whole.contents.get(content);
            let carried = carried(whole, row, category);
            if category.is_some() && carried.is_empty() {
                continue;
            }
            let mut item = Item::new(row, parameters, rank);
            if viewed.within > 0 {
                let value = value_of(whole, cut, row, &key, carried.is_empty());
                item.slot = value.map_or(0, |value| slots.of(&value));
                item.carried = with_slots(whole, cut, &carried, &mut slots);
            } else {
                item.carried = with_slots(whole, None, &carried, &mut slots);
            }
            if let Some(place) = items.get_mut(content as usize) {
                *place = Some(item);
            }
        }
        Self {
            cut,
            items,
            values: slots.values,
            first: window.first,
        }
    }

    /// The content of an ordinal, when it is in scope.
    pub(super) fn item(&self, content: u32) -> Option<&Item> {
        self.items.get(content as usize)?.as_ref()
    }

    /// Values of the cut by slot, beginning with slot 1.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// Empty tallies: the whole, then one for each value.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        vec![Tally::default(); self.values.len() + 1]
    }

    /// Whether the cut goes by the day of the reach.
    pub(super) fn is_by_day(&self) -> bool {
        self.cut == Some(Cut::Day)
    }

    /// Calls `each` for the whole and for every cut that a view of `item` on `day` belongs to.
    pub(super) fn tell(
        &self,
        tallies: &mut [Tally],
        item: &Item,
        day: Day,
        mut each: impl FnMut(&mut Tally),
    ) {
        tell_slot(tallies, 0, &mut each);
        match self.cut {
            None => {}
            Some(Cut::Product) if !item.carried.is_empty() => {
                for carried in &item.carried {
                    tell_slot(tallies, carried.slot, &mut each);
                }
            }
            Some(Cut::Day) => {
                if let Some(slot) = self.day_slot(day) {
                    tell_slot(tallies, slot, &mut each);
                }
            }
            Some(_) => tell_slot(tallies, item.slot, &mut each),
        }
    }

    /// The same for an act on one carried product, which belongs to no other product's cut.
    pub(super) fn tell_product(
        &self,
        tallies: &mut [Tally],
        item: &Item,
        carried: Carried,
        day: Day,
        mut each: impl FnMut(&mut Tally),
    ) {
        if self.cut == Some(Cut::Product) {
            tell_slot(tallies, 0, &mut each);
            tell_slot(tallies, carried.slot, &mut each);
        } else {
            self.tell(tallies, item, day, each);
        }
    }

    /// The tally of a day's cut.
    pub(super) fn day_tally<'t>(&self, tallies: &'t mut [Tally], day: Day) -> Option<&'t mut Tally> {
        tallies.get_mut(self.day_slot(day)?)
    }

    fn day_slot(&self, day: Day) -> Option<usize> {
        usize::try_from(day.0 - self.first.0).ok().map(|days| days + 1)
    }
}

fn tell_slot(tallies: &mut [Tally], slot: usize, each: &mut impl FnMut(&mut Tally)) {
    if let Some(tally) = tallies.get_mut(slot) {
        each(tally);
    }
}

impl Item {
    fn new(row: Option<&ContentRow>, parameters: &Parameters, rank: usize) -> Self {
        let format = row.and_then(|row| row.format);
        let is_video = format.is_some_and(|format| parameters.video_formats.contains(&format));
        let duration = row
            .and_then(|row| row.duration_s)
            .filter(|seconds| is_video && *seconds > 0);
        Self {
            rank,
            is_video,
            duration_ms: duration.and_then(|seconds| seconds.checked_mul(1_000)),
            carried: Vec::new(),
            has_spend: row.is_some_and(|row| row.spend.is_some()),
            slot: 0,
        }
    }

    /// Whether a view of `dwell_ms` saw at least `share` of the video; `false` where its length is not known.
    pub(super) fn is_watched(&self, dwell_ms: i64, share: f64) -> bool {
        self.duration_ms
            .is_some_and(|duration| dwell_ms >= 0 && dwell_ms as f64 >= share * duration as f64)
    }

    /// The product among those carried.
    pub(super) fn carries(&self, product: u32) -> Option<Carried> {
        let at = self
            .carried
            .binary_search_by_key(&product, |carried| carried.product)
            .ok()?;
        self.carried.get(at).copied()
    }
}

/// Products that a content carries, each once, with a category only those of it.
pub(super) fn carried(whole: &Whole, row: Option<&ContentRow>, category: Option<&str>) -> Vec<u32> {
    let mut products = row.map(|row| row.products.clone()).unwrap_or_default();
    products.sort_unstable();
    products.dedup();
    if let Some(category) = category {
        let within = Within::new(&whole.contents.names, Some(category));
        products.retain(|product| {
            let category = whole.products.category_of(*product);
            category.is_some_and(|category| within.covers(category))
        });
    }
    products
}

/// What a content belongs to in a cut that goes by content.
pub(super) fn value_of(
    whole: &Whole,
    cut: Option<Cut>,
    row: Option<&ContentRow>,
    key: &str,
    carries_nothing: bool,
) -> Option<String> {
    let word = |ordinal| whole.contents.names.words.view().key(ordinal).to_owned();
    match cut? {
        Cut::Day => None,
        Cut::Content => Some(key.to_owned()),
        Cut::Format => {
            let format = row.and_then(|row| row.format);
            Some(format.map_or("", Format::word).to_owned())
        }
        Cut::Channel => Some(word(row.map_or(NONE, |row| row.channel))),
        Cut::Author => Some(word(row.map_or(NONE, |row| row.author))),
        Cut::Product => carries_nothing.then(String::new),
    }
}

fn with_slots(whole: &Whole, cut: Option<Cut>, products: &[u32], slots: &mut Slots) -> Vec<Carried> {
    let keys = whole.contents.names.products.view();
    let slot = |product: u32, slots: &mut Slots| match cut {
        Some(Cut::Product) => slots.of(keys.key(product)),
        _ => 0,
    };
    products
        .iter()
        .map(|product| Carried {
            product: *product,
            slot: slot(*product, slots),
        })
        .collect()
}
