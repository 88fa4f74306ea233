//! Measurements of runs.

use std::time::Duration;

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};

/// Upper bounds of the histogram, in seconds.
const BOUNDARIES: [f64; 15] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 30.0,
];

/// How many runs there were, how they ended, and how long they took.
pub(crate) struct Measured {
    runs: Counter<u64>,
    durations: Histogram<f64>,
}

impl Default for Measured {
    fn default() -> Self {
        let meter = global::meter("dualwheel");
        Self {
            runs: meter
                .u64_counter("dualwheel.plugin.runs")
                .with_description("Runs of plugins, by how they ended")
                .build(),
            durations: meter
                .f64_histogram("dualwheel.plugin.run.duration")
                .with_unit("s")
                .with_description("Time of a run of a plugin")
                .with_boundaries(BOUNDARIES.into())
                .build(),
        }
    }
}

impl Measured {
    /// Counts a run.
    pub(crate) fn ran(&self, succeeded: bool, took: Duration) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.runs.add(1, &[KeyValue::new("outcome", outcome)]);
        self.durations.record(took.as_secs_f64(), &[]);
    }

    /// Counts a run for which there was no place.
    pub(crate) fn had_no_place(&self) {
        self.runs.add(1, &[KeyValue::new("outcome", "failed")]);
    }
}
