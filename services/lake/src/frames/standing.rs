//! Which of several rows about the same stands, for facts whose rows need not say when they were known.

use std::cmp::Ordering;

use arrow::array::{Int64Array, TimestampMicrosecondArray};

use crate::Error;
use crate::view::{Texts, View, at};

/// When a row was known, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    updated_at: Option<i64>,
    producer: Option<&'a str>,
    sequence: Option<i64>,
}

/// The columns that tell it.
pub(super) struct Sayings<'a> {
    updated_at: &'a TimestampMicrosecondArray,
    producer: Texts<'a>,
    sequence: &'a Int64Array,
}

impl<'a> Sayings<'a> {
    pub(super) fn of(view: &View<'a>) -> Result<Self, Error> {
        Ok(Self {
            updated_at: view.instant("updated_at")?,
            producer: view.text("producer")?,
            sequence: view.count("sequence")?,
        })
    }

    pub(super) fn get(&self, row: usize) -> Said<'a> {
        Said {
            updated_at: at(self.updated_at, row),
            producer: self.producer.get(row),
            sequence: at(self.sequence, row),
        }
    }
}

/// The rows that stand, one of each key, in the order of the keys: that which was known last; of those known at the same
/// time the last of its producer; of the last of several producers the one with the smallest content.
pub(super) fn standing<R>(
    mut rows: Vec<(Said<'_>, R)>,
    key: impl Fn(&R, &R) -> Ordering,
    content: impl Fn(&R, &R) -> Ordering,
) -> Vec<R> {
    rows.sort_by(|(one, row), (other, other_row)| {
        key(row, other_row)
            .then_with(|| other.updated_at.cmp(&one.updated_at))
            .then_with(|| one.producer.cmp(&other.producer))
            .then_with(|| other.sequence.cmp(&one.sequence))
            .then_with(|| content(row, other_row))
    });
    // The first of each key, instant and producer is the last that was said.
    rows.dedup_by(|next, first| {
        key(&next.1, &first.1).is_eq()
            && (next.0.updated_at, next.0.producer) == (first.0.updated_at, first.0.producer)
    });
    let mut kept: Vec<(Said<'_>, R)> = Vec::with_capacity(rows.len());
    for (said, row) in rows {
        match kept.last_mut() {
            Some((best, stands)) if key(stands, &row).is_eq() => {
                if best.updated_at == said.updated_at && content(&row, stands).is_lt() {
                    *stands = row;
                }
            }
            _ => kept.push((said, row)),
        }
    }
    // A plain collection would keep the room of what was said with them.
    let mut rows = Vec::with_capacity(kept.len());
    rows.extend(kept.into_iter().map(|(_, row)| row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_has_no_room_to_spare() {
        let said = Said {
            updated_at: None,
            producer: None,
            sequence: None,
        };
        let rows = (0..1_000_u32).map(|row| (said, row)).collect();
        let standing = standing(rows, u32::cmp, |_, _| Ordering::Equal);
        assert_eq!((standing.len(), standing.capacity()), (1_000, 1_000));
    }
}
