//! How a brand's people stand on social media.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{Groups, NONE, Names, reorder};
use crate::Error;
use crate::view::{View, at, ordinal_at};

/// A consumer's standing as it was known at an instant. Counts and amounts are those of the 30 or 365 days before it;
/// `None` where nobody said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocialRow {
    /// Consumer.
    pub consumer: u32,
    /// Day on which it was known.
    pub updated: Day,
    /// Instant at which it was known, in microseconds since 1970 UTC.
    pub updated_at: i64,
    /// Followers.
    pub followers: Option<i64>,
    /// Share of followers inside the brand's target audience, 0 to 1.
    pub follower_match: Option<f64>,
    /// Posts.
    pub posts_30d: Option<i64>,
    /// Interactions with them.
    pub interactions_30d: Option<i64>,
    /// People reached.
    pub spread_30d: Option<i64>,
    /// Shares.
    pub shares_30d: Option<i64>,
    /// GMV attributed to the posts, in ten-thousandths.
    pub attributed_gmv_30d: Option<i64>,
    /// The consumer's own GMV, in ten-thousandths.
    pub own_gmv_365d: Option<i64>,
    /// Mean spending power of the followers, 0 to 1.
    pub follower_spending_power: Option<f64>,
}

impl SocialRow {
    /// Decides between rows of the same instant.
    fn content(&self) -> impl Ord + use<> {
        // The bits of numbers from 0 on are in their order.
        let [fit, power] =
            [self.follower_match, self.follower_spending_power].map(|share| share.map(f64::to_bits));
        (
            self.followers,
            fit,
            [
                self.posts_30d,
                self.interactions_30d,
                self.spread_30d,
                self.shares_30d,
                self.attributed_gmv_30d,
                self.own_gmv_365d,
            ],
            power,
        )
    }
}

/// Standings of a brand's people, sorted by consumer and instant.
#[derive(Clone, Debug)]
pub struct SocialProfiles {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// Rows by consumer.
    pub groups: Groups,
    /// The rows.
    pub rows: Vec<SocialRow>,
}

impl SocialProfiles {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 12] = [
        "consumer",
        "updated_at",
        "updated_day",
        "followers",
        "follower_match",
        "posts_30d",
        "interactions_30d",
        "spread_30d",
        "shares_30d",
        "attributed_gmv_30d",
        "own_gmv_365d",
        "follower_spending_power",
    ];

    /// Builds the frame. Of rows of a consumer with the same instant the one with the smallest content counts.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut best: AHashMap<(u32, i64), SocialRow> = AHashMap::new();
        for batch in batches {
            for row in parse(names, batch)? {
                let slot = best.entry((row.consumer, row.updated_at)).or_insert(row);
                if row.content() < slot.content() {
                    *slot = row;
                }
            }
        }
        let unsorted: Vec<SocialRow> = best.into_values().collect();
        let consumers: Vec<u32> = unsorted.iter().map(|row| row.consumer).collect();
        let (groups, order) = Groups::sorted(&consumers, |one, other| {
            let at = |row: usize| unsorted.get(row).map(|row| row.updated_at);
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
    pub fn of(&self, consumer: u32) -> &[SocialRow] {
        self.rows.get(self.groups.rows(consumer)).unwrap_or_default()
    }

    /// A consumer's standing on `day`: the latest row known by then.
    #[must_use]
    pub fn on(&self, consumer: u32, day: Day) -> Option<&SocialRow> {
        self.of(consumer).iter().rev().find(|row| row.updated <= day)
    }
}

fn parse(names: &Names, batch: &RecordBatch) -> Result<Vec<SocialRow>, Error> {
    let view = View(batch);
    let (consumer, updated_at, updated) = (
        view.text("consumer")?,
        view.instant("updated_at")?,
        view.day("updated_day")?,
    );
    let (followers, fit, power) = (
        view.count("followers")?,
        view.share("follower_match")?,
        view.share("follower_spending_power")?,
    );
    let (posts, interactions) = (view.count("posts_30d")?, view.count("interactions_30d")?);
    let (spread, shares) = (view.count("spread_30d")?, view.count("shares_30d")?);
    let (attributed, own) = (view.money("attributed_gmv_30d")?, view.money("own_gmv_365d")?);
    let money = |array, row| at(array, row).and_then(|value: i128| i64::try_from(value).ok());
    let consumers = names.consumers.intern_all(&consumer.all());
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let (consumer, Some(updated_at), Some(updated)) =
            (ordinal_at(&consumers, row), at(updated_at, row), at(updated, row))
        else {
            continue;
        };
        if consumer == NONE {
            continue;
        }
        rows.push(SocialRow {
            consumer,
            updated: Day(updated),
            updated_at,
            followers: at(followers, row),
            follower_match: at(fit, row),
            posts_30d: at(posts, row),
            interactions_30d: at(interactions, row),
            spread_30d: at(spread, row),
            shares_30d: at(shares, row),
            attributed_gmv_30d: money(attributed, row),
            own_gmv_365d: money(own, row),
            follower_spending_power: at(power, row),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Asia::Shanghai;
    use dualwheel_proto::facts::{FactRows, SocialProfile};
    use prost_types::Timestamp;

    use super::*;
    use crate::memory::Frames;

    /// Noon of a day in Shanghai.
    fn profile(consumer: &str, day: i64, interactions: Option<i64>) -> SocialProfile {
        SocialProfile {
            consumer: consumer.to_owned(),
            brand: "b".to_owned(),
            updated_at: Some(Timestamp {
                seconds: day * 86_400 + 4 * 3_600,
                nanos: 0,
            }),
            interactions_30d: interactions,
            ..Default::default()
        }
    }

    fn frame(social_profiles: Vec<SocialProfile>) -> Arc<SocialProfiles> {
        let rows = FactRows {
            social_profiles,
            ..Default::default()
        };
        Frames::from_rows(Shanghai, &rows, "b").unwrap().social
    }

    #[test]
    fn the_latest_row_known_by_a_day_wins() {
        let frame = frame(vec![
            profile("ann", 30, Some(3)),
            profile("ann", 10, Some(1)),
            profile("bob", 20, None),
        ]);
        let of = |key: &str| frame.names.consumers.find(key).unwrap();
        let on = |key, day| {
            let row = frame.on(of(key), Day(day));
            row.map(|row| row.interactions_30d)
        };
        assert_eq!(on("ann", 9), None);
        assert_eq!(on("ann", 10), Some(Some(1)));
        assert_eq!(on("ann", 29), Some(Some(1)));
        assert_eq!(on("ann", 400), Some(Some(3)));
        assert_eq!(on("bob", 20), Some(None));
        assert_eq!(frame.of(of("ann")).len(), 2);
        assert_eq!(frame.on(99, Day(400)), None);
    }

    #[test]
    fn of_one_instant_the_smaller_content_wins_in_any_order() {
        let said = [Some(2), None, Some(7)];
        for turn in 0..3 {
            let mut rows: Vec<_> = said.iter().map(|said| profile("ann", 5, *said)).collect();
            rows.rotate_left(turn);
            let frame = frame(rows);
            assert_eq!(frame.rows.len(), 1);
            assert_eq!(frame.rows[0].interactions_30d, None, "turned by {turn}");
        }
    }

    #[test]
    fn every_number_arrives_and_other_brands_do_not() {
        let whole = SocialProfile {
            followers: Some(1),
            follower_match: Some(0.25),
            posts_30d: Some(2),
            spread_30d: Some(4),
            shares_30d: Some(5),
            attributed_gmv_30d: Some("6.5".to_owned()),
            own_gmv_365d: Some("7".to_owned()),
            follower_spending_power: Some(0.5),
            ..profile("ann", 5, Some(3))
        };
        let other = SocialProfile {
            brand: "c".to_owned(),
            ..profile("bob", 5, Some(3))
        };
        let frame = frame(vec![whole, other]);
        let ann = frame.names.consumers.find("ann").unwrap();
        let expected = SocialRow {
            consumer: ann,
            updated: Day(5),
            updated_at: (5 * 86_400 + 4 * 3_600) * 1_000_000,
            followers: Some(1),
            follower_match: Some(0.25),
            posts_30d: Some(2),
            interactions_30d: Some(3),
            spread_30d: Some(4),
            shares_30d: Some(5),
            attributed_gmv_30d: Some(65_000),
            own_gmv_365d: Some(70_000),
            follower_spending_power: Some(0.5),
        };
        assert_eq!(frame.rows, [expected]);
    }
}
