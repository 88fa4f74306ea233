//! Frames of some of the people, or of some of the products: what metric groups work out part by part.

use super::{
    Behaviors, Groups, Line, Members, Orders, Products, Profile, Profiles, SocialProfiles, Stock, reorder,
};

/// The rows whose owner is kept, in their order.
fn kept(owners: impl Iterator<Item = u32>, keep: impl Fn(u32) -> bool) -> Vec<usize> {
    let rows = owners.enumerate().filter(|(_, owner)| keep(*owner));
    rows.map(|(row, _)| row).collect()
}

/// The groups of rows that are sorted by consumer already.
fn grouped(consumers: impl Iterator<Item = u32>) -> Groups {
    let consumers: Vec<u32> = consumers.collect();
    Groups::sorted(&consumers, |one, other| one.cmp(&other)).0
}

impl Behaviors {
    /// Those of the consumers that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        let mut part = self.clone();
        part.take(&kept(self.consumer.iter().copied(), keep));
        part.groups = grouped(part.consumer.iter().copied());
        part
    }
}

impl Behaviors {
    /// Those with the products that `keep` says, and with none where it says so.
    #[must_use]
    pub fn part_by_product(&self, keep: impl Fn(u32) -> bool) -> Self {
        let mut part = self.clone();
        part.take(&kept(self.product.iter().copied(), keep));
        part.groups = grouped(part.consumer.iter().copied());
        part
    }
}

impl Products {
    /// Those that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        let rows = self.rows.iter().filter(|row| keep(row.product));
        Self::sorted(self.names.clone(), rows.cloned().collect())
    }
}

impl Orders {
    /// Those of the consumers that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        self.of_lines(|line| keep(line.consumer))
    }

    /// Those of the products that `keep` says.
    #[must_use]
    pub fn part_by_product(&self, keep: impl Fn(u32) -> bool) -> Self {
        self.of_lines(|line| keep(line.product))
    }

    fn of_lines(&self, keep: impl Fn(&Line) -> bool) -> Self {
        let lines: Vec<Line> = self.lines.iter().filter(|line| keep(line)).copied().collect();
        Self {
            names: self.names.clone(),
            groups: grouped(lines.iter().map(|line| line.consumer)),
            lines,
        }
    }
}

impl Members {
    /// Those of the consumers that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        let rows = reorder(&self.rows, &kept(self.rows.iter().map(|row| row.consumer), keep));
        Self {
            names: self.names.clone(),
            groups: grouped(rows.iter().map(|row| row.consumer)),
            rows,
        }
    }
}

impl SocialProfiles {
    /// Those of the consumers that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        let rows = reorder(&self.rows, &kept(self.rows.iter().map(|row| row.consumer), keep));
        Self {
            names: self.names.clone(),
            groups: grouped(rows.iter().map(|row| row.consumer)),
            rows,
        }
    }
}

impl Profiles {
    /// Those of the consumers that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        let rows: Vec<Profile> = self
            .rows
            .iter()
            .filter(|row| keep(row.consumer))
            .cloned()
            .collect();
        Self::sorted(self.names.clone(), rows)
    }
}

impl Stock {
    /// That of the products that `keep` says.
    #[must_use]
    pub fn part(&self, keep: impl Fn(u32) -> bool) -> Self {
        Self {
            names: self.names.clone(),
            rows: self
                .rows
                .iter()
                .filter(|row| keep(row.product))
                .copied()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, OrderLine};
    use proptest::prelude::*;

    use crate::memory::Frames;

    fn rows(acts: &[(u8, i64)], lines: &[(u8, u8)]) -> FactRows {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let act = |(number, (consumer, seconds)): (usize, &(u8, i64))| Behavior {
            event_id: format!("e{number}"),
            consumer: format!("c{consumer}"),
            brand: "b".to_owned(),
            kind: BehaviorKind::Browse.into(),
            occurred_at: at(1_500_000_000 + seconds),
            ..Behavior::default()
        };
        let line = |(number, (consumer, product)): (usize, &(u8, u8))| OrderLine {
            order: format!("o{number}"),
            line: "1".to_owned(),
            consumer: format!("c{consumer}"),
            brand: "b".to_owned(),
            product: format!("p{product}"),
            quantity: 1,
            paid_amount: number.to_string(),
            paid_at: at(1_500_000_000),
            ..OrderLine::default()
        };
        FactRows {
            behaviors: acts.iter().enumerate().map(act).collect(),
            order_lines: lines.iter().enumerate().map(line).collect(),
            ..FactRows::default()
        }
    }

    proptest! {
        #[test]
        fn parts_have_every_row_of_their_people_and_no_other(
            acts in prop::collection::vec((0..9u8, 0..1_000i64), 0..40),
            lines in prop::collection::vec((0..9u8, 0..4u8), 0..20),
        ) {
            let frames = Frames::from_rows(Tz::UTC, &rows(&acts, &lines), "b").unwrap();
            for odd in [0, 1] {
                let keep = |ordinal: u32| ordinal % 2 == odd;
                let (behaviors, orders) = (frames.behaviors.part(keep), frames.orders.part(keep));
                for consumer in 0..9 {
                    let (mine, all) = (behaviors.groups.rows(consumer), frames.behaviors.groups.rows(consumer));
                    let all = if keep(consumer) { all } else { 0..0 };
                    prop_assert_eq!(&behaviors.at[mine], &frames.behaviors.at[all]);
                    let lines = if keep(consumer) { frames.orders.of(consumer) } else { &[] };
                    prop_assert_eq!(orders.of(consumer), lines);
                }
                let of_products = frames.orders.part_by_product(keep);
                prop_assert!(of_products.lines.iter().all(|line| keep(line.product)));
                let all = frames.orders.lines.iter().filter(|line| keep(line.product));
                prop_assert!(all.eq(&of_products.lines));
            }
        }
    }
}
