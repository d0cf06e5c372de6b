//! Metrics of checkpoints and of the outbox.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::metrics::registered;

/// A small state takes milliseconds, a slow disk seconds.
const BUCKETS: [f64; 10] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

/// How checkpoints go.
#[derive(Debug)]
pub struct CheckpointMetrics {
    stored: IntCounter,
    failed: IntCounter,
    broken: IntCounter,
    take_seconds: Histogram,
    store_seconds: Histogram,
    bytes: IntGauge,
    last: Gauge,
    outbox: IntGauge,
}

impl CheckpointMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let outcomes = IntCounterVec::new(
            Opts::new(
                "driftline_checkpoints_total",
                "Checkpoints by outcome; unreadable ones were found at start.",
            ),
            &["outcome"],
        )?;
        let outcomes = registered(registry, outcomes)?;
        let phases = HistogramVec::new(
            HistogramOpts::new(
                "driftline_checkpoint_seconds",
                "Time for a checkpoint: to take it on the pipeline's thread, and to store it on a thread of its own.",
            )
            .buckets(BUCKETS.to_vec()),
            &["phase"],
        )?;
        let phases = registered(registry, phases)?;
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        Ok(Self {
            stored: outcomes.with_label_values(&["stored"]),
            failed: outcomes.with_label_values(&["failed"]),
            broken: outcomes.with_label_values(&["unreadable"]),
            take_seconds: phases.with_label_values(&["take"]),
            store_seconds: phases.with_label_values(&["store"]),
            bytes: gauge("driftline_checkpoint_bytes", "Size of the last stored checkpoint.")?,
            last: registered(
                registry,
                Gauge::new(
                    "driftline_checkpoint_timestamp_seconds",
                    "When the last checkpoint was stored, in seconds since 1970; 0 before the first. While \
                     nothing changes, one a minute is.",
                )?,
            )?,
            outbox: gauge(
                "driftline_outbox_points",
                "Points that InfluxDB does not have yet, those held back for a checkpoint included.",
            )?,
        })
    }

    /// Notes a stored checkpoint.
    pub fn stored(&self, taking: Duration, storing: Duration, bytes: usize) {
        self.stored.inc();
        self.take_seconds.observe(taking.as_secs_f64());
        self.store_seconds.observe(storing.as_secs_f64());
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.last.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }

    /// Notes a checkpoint that could not be stored.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// Notes a file that is no usable checkpoint.
    pub fn broken(&self) {
        self.broken.inc();
    }

    /// Shows how many points wait.
    pub fn set_outbox(&self, points: usize) {
        self.outbox.set(i64::try_from(points).unwrap_or(i64::MAX));
    }
}
