//! What the sink counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::answer::Reason;
use crate::sink::Points;

/// The counters of one sink.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    points: IntCounterVec,
    omitted_fields: IntCounter,
    queue: IntGauge,
    retries: IntCounterVec,
    seconds: Histogram,
    bytes: IntCounter,
}

/// What became of a point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// The server has it.
    Written,
    /// The server refused it for its own sake.
    Refused,
    /// The server refused it as too large, alone.
    TooLarge,
    /// It had no field that can be written.
    Empty,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
        }
    }
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            points: IntCounterVec::new(
                Opts::new("driftline_sink_points_total", "Points by what became of them."),
                &["outcome"],
            )?,
            omitted_fields: IntCounter::new(
                "driftline_sink_omitted_fields_total",
                "Fields left out of a point because their number was NaN or infinite.",
            )?,
            queue: IntGauge::new("driftline_sink_queue_points", "Points that wait or are under way.")?,
            retries: IntCounterVec::new(
                Opts::new("driftline_sink_retries_total", "Requests that have to be repeated, by reason."),
                &["reason"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "driftline_sink_write_seconds",
                    "Duration of one request, whatever its answer.",
                )
                .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            )?,
            bytes: IntCounter::new(
                "driftline_sink_sent_bytes_total",
                "Bytes of request bodies sent, after compression, repeated ones included.",
            )?,
        };
        registry.register(Box::new(metrics.points.clone()))?;
        registry.register(Box::new(metrics.omitted_fields.clone()))?;
        registry.register(Box::new(metrics.queue.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        // So that rates and alerts see a zero before the first event.
        for outcome in [Outcome::Written, Outcome::Refused, Outcome::TooLarge, Outcome::Empty] {
            metrics.finished(outcome, 0);
        }
        for reason in Reason::ALL {
            metrics.retries.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(super) fn encoded(&self, points: &Points) {
        self.omitted_fields.inc_by(count(points.omitted_fields));
        self.finished(Outcome::Empty, points.empty_points);
    }

    pub(super) fn queued(&self, points: usize) {
        self.queue.set(i64::try_from(points).unwrap_or(i64::MAX));
    }

    pub(super) fn finished(&self, outcome: Outcome, points: usize) {
        self.points.with_label_values(&[outcome.label()]).inc_by(count(points));
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.bytes.inc_by(count(bytes));
    }

    pub(super) fn answered(&self, seconds: f64) {
        self.seconds.observe(seconds);
    }

    pub(super) fn retried(&self, reason: Reason) {
        self.retries.with_label_values(&[reason.as_str()]).inc();
    }
}
