//! Roles that consumers hold in a brand's private domain.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{
    Groups, NONE, Names, reorder,
    view::{View, at, list_texts, ordinal_at},
};
use crate::Error;

/// A role, shallow to deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Fan.
    Fan = 1,
    /// Group member.
    GroupMember = 2,
    /// Member.
    Member = 3,
    /// Paid member.
    PaidMember = 4,
}

impl Role {
    /// Every role, shallow to deep.
    pub const ALL: [Self; 4] = [Self::Fan, Self::GroupMember, Self::Member, Self::PaidMember];

    /// The role of a number in the contract.
    #[must_use]
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as i8 == number)
    }

    /// The role of a name in definitions, `paid_member`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The name in definitions and segments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::GroupMember => "group_member",
            Self::Member => "member",
            Self::PaidMember => "paid_member",
        }
    }
}

/// Whether a member may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Whether the role is open on `day`.
    #[must_use]
    pub fn is_open(&self, day: Day) -> bool {
        self.joined <= day && self.left.is_none_or(|left| day < left)
    }
}

/// Decides between rows of the same role: revision, then the earlier end.
type Rank = (i64, i32);

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
    /// of equal revisions the one that ended first.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: AHashMap<(u32, Role, i64), (Rank, MemberRow)> = AHashMap::new();
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
                let ended_first = parsed.left.map_or(i32::MIN, |left| -left.0);
                let rank = (at(revision, row).unwrap_or(0), ended_first);
                match latest.get_mut(&(parsed.consumer, role, joined_at)) {
                    Some((best, kept)) if *best < rank => (*best, *kept) = (rank, parsed),
                    Some(_) => {}
                    None => {
                        latest.insert((parsed.consumer, role, joined_at), (rank, parsed));
                    }
                }
            }
        }
        let unsorted: Vec<MemberRow> = latest.into_values().map(|(_, row)| row).collect();
        let consumers: Vec<u32> = unsorted.iter().map(|row| row.consumer).collect();
        let (groups, order) = Groups::sorted(&consumers, |at| {
            unsorted.get(at).map(|row| (row.joined, row.role))
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
        self.of(consumer)
            .iter()
            .filter(|row| row.is_open(day))
            .map(|row| row.role)
            .max()
    }
}
