//! Counts of the whole or of one cut, all in whole numbers, so that no order of adding matters.

use dualwheel_lake::frames::NONE;
use dualwheel_measure::Money;
use serde::{Deserialize, Serialize};

/// Distinct consumers, when they come one after the other.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Distinct {
    /// How many.
    pub count: i64,
    #[serde(skip, default = "nobody")]
    last: u32,
}

fn nobody() -> u32 {
    NONE
}

impl Default for Distinct {
    fn default() -> Self {
        Self {
            count: 0,
            last: nobody(),
        }
    }
}

impl Distinct {
    /// Counts a consumer once, however often named in a row.
    pub(super) fn add(&mut self, consumer: u32) {
        if self.last != consumer {
            self.last = consumer;
            self.count += 1;
        }
    }
}

/// Everything that START counts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Tally {
    /// Views, long enough or not.
    pub views: i64,
    /// Views that reached.
    pub reaches: i64,
    /// Of these, the ones whose follow-up has ended by the as-of day.
    pub matured: i64,
    /// People reached.
    pub reached: Distinct,
    /// People reached by a content that carries products.
    pub carrying: Distinct,
    /// People who interacted.
    pub interacted: Distinct,
    /// People seeded.
    pub seeded: Distinct,
    /// People led into the private domain.
    pub drawn: Distinct,
    /// People who bought directly.
    pub direct: Distinct,
    /// People who bought, assisted or directly.
    pub assisted: Distinct,
    /// Net GMV of direct transactions.
    pub gmv: Money,
    /// That part of it which contents with a known spend won.
    pub gmv_with_spend: Money,
    /// Views of video and live contents.
    pub plays: i64,
    /// Of these, the ones that tell their dwell time.
    pub timed: i64,
    /// Sum of those dwell times.
    pub dwell_ms: i128,
    /// Sum of their squares.
    pub dwell_ms_squared: i128,
}

impl Tally {
    /// Adds the counts of other consumers.
    pub(super) fn merge(&mut self, other: &Self) {
        self.views += other.views;
        self.reaches += other.reaches;
        self.matured += other.matured;
        self.reached.count += other.reached.count;
        self.carrying.count += other.carrying.count;
        self.interacted.count += other.interacted.count;
        self.seeded.count += other.seeded.count;
        self.drawn.count += other.drawn.count;
        self.direct.count += other.direct.count;
        self.assisted.count += other.assisted.count;
        self.gmv += other.gmv;
        self.gmv_with_spend += other.gmv_with_spend;
        self.plays += other.plays;
        self.timed += other.timed;
        self.dwell_ms += other.dwell_ms;
        self.dwell_ms_squared = self.dwell_ms_squared.saturating_add(other.dwell_ms_squared);
    }
}
