//! What is known of a tenant's consumers.

use std::{cmp::Ordering, sync::Arc};

use ahash::AHashMap;
use arrow::array::RecordBatch;
use chrono::Datelike;
use dualwheel_measure::Day;

use super::{Gender, NONE, Names, keep_latest};
use crate::Error;
use crate::view::{View, at, list_texts, ordinal_at};

/// One consumer as last known.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Consumer.
    pub consumer: u32,
    /// Age in years.
    pub age: Option<i64>,
    /// Gender.
    pub gender: Option<Gender>,
    /// City tier, 1 to 6.
    pub city_tier: Option<i64>,
    /// Whether the consumer has a child.
    pub has_child: Option<bool>,
    /// Month in which the youngest child was born, as the number year · 100 + month.
    pub child_birth_month: Option<i32>,
    /// Spending power, 0 to 1.
    pub spending_power: Option<f64>,
    /// Occupation.
    pub occupation: Option<String>,
    /// Labels such as `pioneer@beauty`.
    pub labels: Vec<String>,
}

impl Profile {
    /// Decides between rows of the same instant.
    fn by_content(&self, other: &Self) -> Ordering {
        let first = |row: &Self| {
            (
                row.age,
                row.gender,
                row.city_tier,
                row.has_child,
                row.child_birth_month,
                // The bits of numbers from 0 on are in their order.
                row.spending_power.map(f64::to_bits),
            )
        };
        first(self)
            .cmp(&first(other))
            .then_with(|| (&self.occupation, &self.labels).cmp(&(&other.occupation, &other.labels)))
    }
}

/// Profiles of a tenant.
#[derive(Clone, Debug)]
pub struct Profiles {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// The profiles, sorted by consumer.
    pub rows: Vec<Profile>,
    by_consumer: AHashMap<u32, usize>,
}

impl Profiles {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 10] = [
        "consumer",
        "updated_at",
        "age",
        "gender",
        "city_tier",
        "has_child",
        "child_birth_month",
        "spending_power",
        "occupation",
        "labels",
    ];

    /// Builds the frame. The row with the latest `updated_at` wins; of equal ones the one with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: AHashMap<u32, (i64, Profile)> = AHashMap::new();
        for batch in batches {
            let view = View(batch);
            let (consumer, updated) = (view.text("consumer")?, view.instant("updated_at")?);
            let (age, gender, tier) = (view.count("age")?, view.code("gender")?, view.count("city_tier")?);
            let (child, power) = (view.flag("has_child")?, view.share("spending_power")?);
            let born = view.day("child_birth_month")?;
            let (occupation, labels) = (view.text("occupation")?, view.list("labels")?);
            let consumers = names.consumers.intern_all(&consumer.all());
            for (row, has_child) in child.iter().enumerate() {
                let consumer = ordinal_at(&consumers, row);
                if consumer == NONE {
                    continue;
                }
                let parsed = Profile {
                    consumer,
                    age: at(age, row),
                    gender: match at(gender, row) {
                        Some(1) => Some(Gender::Female),
                        Some(2) => Some(Gender::Male),
                        Some(3) => Some(Gender::Other),
                        _ => None,
                    },
                    city_tier: at(tier, row),
                    has_child,
                    child_birth_month: at(born, row).and_then(|day| month(Day(day))),
                    spending_power: at(power, row),
                    occupation: occupation.get(row).map(str::to_owned),
                    labels: list_texts(labels, row).unwrap_or_default(),
                };
                let updated = at(updated, row).unwrap_or(i64::MIN);
                keep_latest(&mut latest, consumer, updated, parsed, Profile::by_content);
            }
        }
        let mut rows: Vec<Profile> = latest.into_values().map(|(_, row)| row).collect();
        rows.sort_by_key(|row| row.consumer);
        Ok(Self::sorted(names.clone(), rows))
    }

    /// The frame of rows that are sorted by consumer.
    pub(super) fn sorted(names: Arc<Names>, rows: Vec<Profile>) -> Self {
        let by_consumer = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (row.consumer, at))
            .collect();
        Self {
            names,
            rows,
            by_consumer,
        }
    }

    /// The profile of a consumer.
    #[must_use]
    pub fn get(&self, consumer: u32) -> Option<&Profile> {
        self.by_consumer.get(&consumer).and_then(|at| self.rows.get(*at))
    }

    /// Whether any profile bears a label that starts with `prefix`.
    #[must_use]
    pub fn has_label(&self, prefix: &str) -> bool {
        self.rows
            .iter()
            .any(|row| row.labels.iter().any(|label| label.starts_with(prefix)))
    }
}

/// A day's month as the number year · 100 + month.
fn month(day: Day) -> Option<i32> {
    let date = day.date()?;
    Some(date.year() * 100 + i32::try_from(date.month()).ok()?)
}

/// What stands before the name of a category in a label; all other names in labels are taken for brands.
const CATEGORY_LABEL: &str = "pioneer@";

/// Whether a label is shown to who may see some brands. One that names a brand, such as `close_fan@BRAND`, is shown to who
/// may see the brand.
#[must_use]
pub fn is_shown(label: &str, may_see: impl Fn(&str) -> bool) -> bool {
    match label.split_once('@') {
        None => true,
        Some((_, brand)) => label.starts_with(CATEGORY_LABEL) || may_see(brand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_brands_are_shown_to_who_may_see_them() {
        let shown = |label: &str| is_shown(label, |brand| brand == "A" || brand == "o@urs");
        for label in ["sport", "close_fan@A", "close_fan@o@urs", "pioneer@beauty/serum"] {
            assert!(shown(label), "{label}");
        }
        for label in ["close_fan@B", "vip@B@2027", "vip@urs", "vip@"] {
            assert!(!shown(label), "{label}");
        }
    }
}
