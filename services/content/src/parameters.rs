//! Parameters of the service's metrics, as `definitions.yaml` and its overrides give them.

use std::ops::RangeInclusive;

use dualwheel_lake::frames::Format;
use dualwheel_measure::definitions::Ranged;
use serde::{Deserialize, Serialize};

/// Parameters of START (methodology §4.1). Days are counted with the day of the reach as the first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Shortest dwell of a reach, in seconds.
    pub reach_dwell_seconds: f64,
    /// Smallest share of a video whose viewing is a reach.
    pub reach_watched_share: f64,
    /// Smallest share of a video whose viewing is an interaction.
    pub interaction_watched_share: f64,
    /// Formats that play.
    pub video_formats: Vec<Format>,
    /// Days within which interest in a carried product counts as seeded.
    pub seeding_days: u16,
    /// Days within which a step into the private domain counts as traffic.
    pub traffic_days: u16,
    /// Hours within which a purchase is direct.
    pub direct_hours: u16,
    /// Days within which a purchase is assisted.
    pub assisted_days: u16,
}

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[
        ("reach_dwell_seconds", 0.0..=3_600.0),
        ("reach_watched_share", 0.0..=1.0),
        ("interaction_watched_share", 0.0..=1.0),
        ("seeding_days", 1.0..=366.0),
        ("traffic_days", 1.0..=366.0),
        ("direct_hours", 1.0..=8_784.0),
        ("assisted_days", 1.0..=366.0),
    ];
}

impl Parameters {
    /// Days of the longest follow-up: a reach has matured when they have passed.
    #[must_use]
    pub fn longest_follow_up(&self) -> i32 {
        i32::from(self.seeding_days.max(self.traffic_days).max(self.assisted_days))
    }
}
