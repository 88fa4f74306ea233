//! RFM: recency, frequency and monetary value in quintiles, and the eight classic groups.
//!
//! Source: methodology 2.7 (common practice). A customer's rank on each side is the percentile rank of ground rule 7
//! among all customers of the window; each fifth of it is one point.

use dualwheel_measure::Money;
use serde::{Deserialize, Serialize};

/// One customer's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Buyer {
    /// Days since the last purchase day.
    pub recency: i32,
    /// Purchase days.
    pub frequency: u32,
    /// Net GMV, in ten-thousandths.
    pub monetary: Money,
}

/// Points of 1 to 5 on each side; 5 is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points {
    /// Recency.
    pub recency: u8,
    /// Frequency.
    pub frequency: u8,
    /// Monetary value.
    pub monetary: u8,
}

/// The eight groups: a side is high where its points are above their mean over all customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// Bought lately.
    pub recent: bool,
    /// Buys often.
    pub frequent: bool,
    /// Spends much.
    pub valuable: bool,
}

impl Group {
    /// All groups, best first.
    pub const ALL: [Self; 8] = {
        const fn group(recent: bool, frequent: bool, valuable: bool) -> Group {
            Group {
                recent,
                frequent,
                valuable,
            }
        }
        [
            group(true, true, true),
            group(true, false, true),
            group(false, true, true),
            group(false, false, true),
            group(true, true, false),
            group(true, false, false),
            group(false, true, false),
            group(false, false, false),
        ]
    };

    /// Id in segments.
    #[must_use]
    pub fn id(self) -> &'static str {
        match (self.valuable, self.recent, self.frequent) {
            (true, true, true) => "important_value",
            (true, true, false) => "important_development",
            (true, false, true) => "important_retention",
            (true, false, false) => "important_win_back",
            (false, true, true) => "general_value",
            (false, true, false) => "general_development",
            (false, false, true) => "general_retention",
            (false, false, false) => "general_win_back",
        }
    }
}

/// The points of every buyer, in the order given.
#[must_use]
pub fn points(buyers: &[Buyer]) -> Vec<Points> {
    let recency = fifths(buyers, |buyer| -i128::from(buyer.recency));
    let frequency = fifths(buyers, |buyer| i128::from(buyer.frequency));
    let monetary = fifths(buyers, |buyer| buyer.monetary);
    let sides = recency.into_iter().zip(frequency).zip(monetary);
    sides
        .map(|((recency, frequency), monetary)| Points {
            recency,
            frequency,
            monetary,
        })
        .collect()
}

/// The group of each of `points`.
#[must_use]
pub fn groups(points: &[Points]) -> Vec<Group> {
    // Above the mean: n · points > sum, in whole numbers.
    let (n, mut sums) = (points.len() as u64, [0u64; 3]);
    for one in points {
        for (sum, side) in sums.iter_mut().zip([one.recency, one.frequency, one.monetary]) {
            *sum += u64::from(side);
        }
    }
    let [recency, frequency, monetary] = sums;
    let group = |one: &Points| Group {
        recent: u64::from(one.recency) * n > recency,
        frequent: u64::from(one.frequency) * n > frequency,
        valuable: u64::from(one.monetary) * n > monetary,
    };
    points.iter().map(group).collect()
}

/// The fifth, 1 to 5, of each buyer's percentile rank: (below + ½·(ties − 1)) ÷ (n − 1), in whole numbers.
fn fifths(buyers: &[Buyer], side: impl Fn(&Buyer) -> i128) -> Vec<u8> {
    let values: Vec<i128> = buyers.iter().map(side).collect();
    let mut sorted = values.clone();
    sorted.sort_unstable();
    let fifth = |value: &i128| {
        let below = sorted.partition_point(|other| other < value);
        let ties = sorted.partition_point(|other| other <= value) - below;
        match sorted.len() {
            0 | 1 => 3,
            n => (1 + (2 * below + ties - 1) * 5 / (2 * (n - 1))).min(5) as u8,
        }
    };
    values.iter().map(fifth).collect()
}
