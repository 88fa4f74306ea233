//! Cutting a question into segments.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{NONE, Names, Within, categories::cut};

/// Category paths cut at a level, numbered as they are met.
#[derive(Clone, Debug)]
pub struct Classes {
    level: u32,
    of: Vec<u32>,
    names: Vec<String>,
    known: BTreeMap<String, u32>,
}

/// Class of rows without category; its name is empty.
pub const UNKNOWN: u32 = 0;

impl Classes {
    /// No classes but that of rows without category.
    #[must_use]
    pub fn new(level: u32) -> Self {
        let known = BTreeMap::from([(String::new(), UNKNOWN)]);
        Self {
            level,
            of: Vec::new(),
            names: vec![String::new()],
            known,
        }
    }

    /// Learns all categories that the tenant has by now.
    pub fn learn(&mut self, names: &Names) {
        let keys = names.categories.view();
        for category in self.of.len()..keys.len() {
            let cut = cut(keys.key(category as u32), self.level);
            let class = match self.known.get(cut) {
                Some(class) => *class,
                None => {
                    let class = self.names.len() as u32;
                    self.names.push(cut.to_owned());
                    self.known.insert(cut.to_owned(), class);
                    class
                }
            };
            self.of.push(class);
        }
    }

    /// Class of a category that was learnt.
    #[must_use]
    pub fn of(&self, category: u32) -> u32 {
        self.of.get(category as usize).copied().unwrap_or(UNKNOWN)
    }

    /// Names of the classes, by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Name of a class.
    #[must_use]
    pub fn name(&self, class: u32) -> &str {
        self.names.get(class as usize).map_or("", String::as_str)
    }

    /// Number of a class by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.known.get(name).copied()
    }
}

/// The segments that a question is cut into besides the whole.
#[derive(Clone, Debug)]
pub struct Segments {
    /// Dimension of the cut.
    pub dimension: &'static str,
    names: Vec<String>,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    Category(Classes),
    Product { of: Vec<u32>, unknown: u32 },
}

impl Segments {
    /// One segment a class of categories.
    #[must_use]
    pub fn by_category(classes: Classes) -> Self {
        Self {
            dimension: "category",
            names: classes.names().to_vec(),
            by: By::Category(classes),
        }
    }

    /// One segment a value that products have; `unknown` is the value of products that are not listed.
    #[must_use]
    pub fn by_product<'a>(
        dimension: &'static str,
        values: impl Iterator<Item = (u32, &'a str)>,
        unknown: &str,
    ) -> Self {
        let mut names = vec![unknown.to_owned()];
        let mut of = Vec::new();
        for (product, value) in values {
            let number = match names.iter().position(|name| name == value) {
                Some(number) => number,
                None => {
                    names.push(value.to_owned());
                    names.len() - 1
                }
            };
            let at = product as usize;
            if at >= of.len() {
                of.resize(at + 1, 0);
            }
            if let Some(slot) = of.get_mut(at) {
                *slot = number as u32;
            }
        }
        Self {
            dimension,
            names,
            by: By::Product { of, unknown: 0 },
        }
    }

    /// Segment of a row about a product of a category.
    #[must_use]
    pub fn of(&self, product: u32, category: u32) -> u32 {
        match &self.by {
            By::Category(classes) => classes.of(category),
            By::Product { of, unknown } => of.get(product as usize).copied().unwrap_or(*unknown),
        }
    }

    /// Values of the segments, by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The part of a question's rows that one set of metrics is about: all of them, or one segment.
///
/// Slot 0 is the whole, slot s + 1 segment s.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    within: &'a Within,
    segments: Option<&'a Segments>,
}

impl<'a> Slots<'a> {
    /// The slots of a question.
    #[must_use]
    pub fn new(within: &'a Within, segments: Option<&'a Segments>) -> Self {
        Self { within, segments }
    }

    /// Number of slots.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.segments.map_or(0, |segments| segments.names().len())
    }

    /// Whether the question covers rows of the category.
    #[must_use]
    pub fn covers(&self, category: u32) -> bool {
        self.within.covers(category)
    }

    /// Slot of the segment of a row that is covered; `None` where nothing is cut.
    #[must_use]
    pub fn of(&self, product: u32, category: u32) -> Option<usize> {
        self.segments
            .map(|segments| segments.of(product, category) as usize + 1)
    }

    /// Does `change` to the whole and to the row's segment, if the question covers the row.
    pub fn each<T>(&self, slots: &mut [T], product: u32, category: u32, mut change: impl FnMut(&mut T)) {
        if !self.covers(category) {
            return;
        }
        if let Some(whole) = slots.first_mut() {
            change(whole);
        }
        if let Some(segment) = self.of(product, category).and_then(|slot| slots.get_mut(slot)) {
            change(segment);
        }
    }
}

/// Sums by (unit, key): one place a unit, as nearly every unit has one key only, and a map for the others.
#[derive(Clone, Debug)]
pub struct Sums<T> {
    first: Vec<(u32, T)>,
    rest: BTreeMap<(u32, u32), T>,
}

impl<T: Clone + Default> Sums<T> {
    /// No sums yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            first: Vec::new(),
            rest: BTreeMap::new(),
        }
    }

    /// The sum of a unit and key.
    pub fn at(&mut self, unit: u32, key: u32) -> &mut T {
        let at = unit as usize;
        if at >= self.first.len() {
            self.first.resize(at + 1, (NONE, T::default()));
        }
        match self.first.get_mut(at) {
            Some(slot) if slot.0 == key || slot.0 == NONE => {
                slot.0 = key;
                &mut slot.1
            }
            _ => self.rest.entry((unit, key)).or_default(),
        }
    }

    /// Unit, key and sum.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        let first = self.first.iter().zip(0..).filter(|((key, _), _)| *key != NONE);
        first
            .map(|((key, sum), unit)| (unit, *key, sum))
            .chain(self.rest.iter().map(|((u, k), sum)| (*u, *k, sum)))
    }
}

impl<T: Clone + Default> Default for Sums<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_keys_apart() {
        let mut sums: Sums<i64> = Sums::new();
        *sums.at(3, 1) += 5;
        *sums.at(3, 2) += 7;
        *sums.at(3, 1) += 1;
        *sums.at(0, 9) += 2;
        assert_eq!(
            sums.iter().map(|(u, k, s)| (u, k, *s)).collect::<Vec<_>>(),
            [(0, 9, 2), (3, 1, 6), (3, 2, 7)]
        );
    }
}
