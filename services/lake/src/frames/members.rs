//! Roles that consumers hold in a brand's private domain.

use std::{cmp::Ordering, sync::Arc};

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{Groups, NONE, Names, Role, by_text, keep_latest, reorder};
use crate::Error;
use crate::view::{View, at, list_texts, ordinal_at};

/// Whether a member may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not supplied.
    NotSupplied,
    /// By no channel.
    Unreachable,
    /// By at least one channel.
    Reachable,
}

/// A role held for a time: open on D when `joined` ≤ D < `left`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemberRow {
    /// Consumer.
    pub consumer: u32,
    /// Role.
    pub role: Role,
    /// First day.
    pub joined: Day,
    /// Instant of joining in microseconds since 1970 UTC.
    pub joined_at: i64,
    /// Day on which it was no longer open.
    pub left: Option<Day>,
    /// Whether the member may be reached.
    pub reach: Reach,
    /// Channel that recruited, a word, or [`NONE`].
    pub recruit_channel: u32,
    /// Tier of the role, a word, or [`NONE`].
    pub tier: u32,
}

impl MemberRow {
    /// Decides between rows of the same role and revision.
    fn by_content(&self, other: &Self, names: &Names) -> Ordering {
        by_text(&names.words, self.tier, other.tier)
            .then_with(|| self.left.cmp(&other.left))
            .then_with(|| by_text(&names.words, self.recruit_channel, other.recruit_channel))
            .then_with(|| self.reach.cmp(&other.reach))
    }

    /// Whether the role is open on `day`.
    #[must_use]
    pub fn is_open(&self, day: Day) -> bool {
        self.joined <= day && self.left.is_none_or(|left| day < left)
    }
}

/// Roles of a brand's people, sorted by consumer and day of joining.
#[derive(Clone, Debug)]
pub struct Members {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// Rows by consumer.
    pub groups: Groups,
    /// The rows.
    pub rows: Vec<MemberRow>,
}

impl Members {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 9] = [
        "consumer",
        "role",
        "joined_at",
        "joined_day",
        "left_day",
        "recruit_channel",
        "reachable_by",
        "tier",
        "revision",
    ];

    /// Builds the frame. Of rows with the same consumer, role and instant of joining the largest revision counts;
    /// of equal revisions the row with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: AHashMap<(u32, Role, i64), (i64, MemberRow)> = AHashMap::new();
        for batch in batches {
            let view = View(batch);
            let (consumer, role, joined_at) = (
                view.text("consumer")?,
                view.code("role")?,
                view.instant("joined_at")?,
            );
            let (joined, left, revision) = (
                view.day("joined_day")?,
                view.day("left_day")?,
                view.count("revision")?,
            );
            let (channel, reachable) = (view.text("recruit_channel")?, view.list("reachable_by")?);
            let tier = view.text("tier")?;
            let consumers = names.consumers.intern_all(&consumer.all());
            let (channels, tiers) = (
                names.words.intern_all(&channel.all()),
                names.words.intern_all(&tier.all()),
            );
            for row in 0..batch.num_rows() {
                let consumer = ordinal_at(&consumers, row);
                let Some(role) = at(role, row).and_then(Role::from_number) else {
                    continue;
                };
                if consumer == NONE {
                    continue;
                }
                let (Some(joined_at), Some(joined)) = (at(joined_at, row), at(joined, row)) else {
                    continue;
                };
                let parsed = MemberRow {
                    consumer,
                    role,
                    joined: Day(joined),
                    joined_at,
                    left: at(left, row).map(Day),
                    reach: match list_texts(reachable, row) {
                        None => Reach::NotSupplied,
                        Some(channels) if channels.is_empty() => Reach::Unreachable,
                        Some(_) => Reach::Reachable,
                    },
                    recruit_channel: ordinal_at(&channels, row),
                    tier: ordinal_at(&tiers, row),
                };
                let revision = at(revision, row).unwrap_or(0);
                let key = (consumer, role, joined_at);
                keep_latest(&mut latest, key, revision, parsed, |one, other| {
                    one.by_content(other, names)
                });
            }
        }
        let unsorted: Vec<MemberRow> = latest.into_values().map(|(_, row)| row).collect();
        let consumers: Vec<u32> = unsorted.iter().map(|row| row.consumer).collect();
        let (groups, order) = Groups::sorted(&consumers, |one, other| {
            // No two rows of a consumer have the same role and instant.
            let at = |row: usize| unsorted.get(row).map(|row| (row.joined, row.role, row.joined_at));
            at(one).cmp(&at(other))
        });
        Ok(Self {
            names: names.clone(),
            groups,
            rows: reorder(&unsorted, &order),
        })
    }

    /// A consumer's rows, oldest first.
    #[must_use]
    pub fn of(&self, consumer: u32) -> &[MemberRow] {
        self.rows.get(self.groups.rows(consumer)).unwrap_or_default()
    }

    /// The deepest role that a consumer holds on `day`.
    #[must_use]
    pub fn role_on(&self, consumer: u32, day: Day) -> Option<Role> {
        deepest(self.of(consumer), day)
    }
}

/// The deepest role that is open on `day`, of one consumer's rows.
#[must_use]
pub fn deepest(rows: &[MemberRow], day: Day) -> Option<Role> {
    let open = rows.iter().filter(|row| row.is_open(day));
    open.map(|row| row.role).max()
}

/// How somebody with these rows may be reached on `day`: by any open one; else, where one does not tell, that is not
/// supplied. Who has none is unreachable.
#[must_use]
pub fn reach_on(rows: &[MemberRow], day: Day) -> Reach {
    let has = |reach| rows.iter().any(|row| row.is_open(day) && row.reach == reach);
    let known = [Reach::Reachable, Reach::NotSupplied]
        .into_iter()
        .find(|reach| has(*reach));
    known.unwrap_or(Reach::Unreachable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = MemberRow> {
        let reach = prop::sample::select(vec![Reach::NotSupplied, Reach::Unreachable, Reach::Reachable]);
        let role = prop::sample::select(Role::ALL.to_vec());
        (role, reach, 0..6i32, prop::option::of(0..6i32)).prop_map(|(role, reach, joined, left)| MemberRow {
            consumer: 0,
            role,
            joined: Day(joined),
            joined_at: 0,
            left: left.map(Day),
            reach,
            recruit_channel: NONE,
            tier: NONE,
        })
    }

    proptest! {
        #[test]
        fn the_deepest_open_role_counts_and_any_open_row_reaches(rows in prop::collection::vec(row(), 0..6)) {
            for day in 0..7 {
                // Day by day: each row holds its role on the days from joining to the day before leaving.
                let mut open: Vec<&MemberRow> = Vec::new();
                for row in &rows {
                    if (row.joined.0..row.left.map_or(100, |left| left.0)).any(|at| at == day) {
                        open.push(row);
                    }
                }
                let by_depth = [Role::PaidMember, Role::Member, Role::GroupMember, Role::Fan];
                let expected = by_depth.into_iter().find(|role| open.iter().any(|row| row.role == *role));
                prop_assert_eq!(deepest(&rows, Day(day)), expected);
                let counts = |reach| open.iter().filter(|row| row.reach == reach).count();
                let reach = match (counts(Reach::Reachable), counts(Reach::NotSupplied)) {
                    (0, 0) => Reach::Unreachable,
                    (0, _) => Reach::NotSupplied,
                    _ => Reach::Reachable,
                };
                prop_assert_eq!(reach_on(&rows, Day(day)), reach);
            }
        }
    }
}
