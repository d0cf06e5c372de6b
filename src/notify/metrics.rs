//! What the notifier counts. Every label value is there from the start: there
//! are as many receivers as the configuration names.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// From the next moment to a day of a receiver that was down.
const DELAY_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0];

/// How a notification leaves a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver will never take it.
    Refused,
    /// It is too old to matter.
    GivenUp,
    /// A newer one says the same, or there are too many.
    Superseded,
}

/// What one attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptOutcome {
    /// The receiver has it.
    Ok,
    /// There will be another.
    Retried,
    /// There will be none.
    Failed,
}

/// The metrics of all receivers.
#[derive(Debug)]
pub(super) struct Metrics {
    notifications: IntCounterVec,
    attempts: IntCounterVec,
    waiting: IntGaugeVec,
    delay: HistogramVec,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            notifications: IntCounterVec::new(
                Opts::new("driftline_notifications_total", "Notifications by what became of them."),
                &["receiver", "outcome"],
            )?,
            attempts: IntCounterVec::new(
                Opts::new(
                    "driftline_notification_attempts_total",
                    "Attempts to tell a receiver something, by what they came to.",
                ),
                &["receiver", "outcome"],
            )?,
            waiting: IntGaugeVec::new(
                Opts::new("driftline_notifications_waiting", "Notifications that wait or are under way."),
                &["receiver"],
            )?,
            delay: HistogramVec::new(
                HistogramOpts::new(
                    "driftline_notification_delay_seconds",
                    "From the making of a notification to its delivery.",
                )
                .buckets(DELAY_BUCKETS.to_vec()),
                &["receiver"],
            )?,
        };
        registry.register(Box::new(metrics.notifications.clone()))?;
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.delay.clone()))?;
        Ok(metrics)
    }

    /// Those of a receiver with a queue.
    pub(super) fn of(&self, receiver: &str) -> ReceiverMetrics {
        let notifications = |outcome: &str| self.notifications.with_label_values(&[receiver, outcome]);
        ReceiverMetrics {
            attempts: self.attempts_of(receiver),
            delivered: notifications("delivered"),
            refused: notifications("refused"),
            given_up: notifications("given_up"),
            superseded: notifications("superseded"),
            waiting: self.waiting.with_label_values(&[receiver]),
            delay: self.delay.with_label_values(&[receiver]),
        }
    }

    /// Those of a receiver that is told of states, not of notifications.
    pub(super) fn attempts_of(&self, receiver: &str) -> AttemptMetrics {
        let attempts = |outcome: &str| self.attempts.with_label_values(&[receiver, outcome]);
        AttemptMetrics { ok: attempts("ok"), retried: attempts("retried"), failed: attempts("failed") }
    }
}

/// The attempts of one receiver.
#[derive(Debug, Clone)]
pub(super) struct AttemptMetrics {
    ok: IntCounter,
    retried: IntCounter,
    failed: IntCounter,
}

impl AttemptMetrics {
    pub(super) fn attempted(&self, outcome: AttemptOutcome) {
        match outcome {
            AttemptOutcome::Ok => &self.ok,
            AttemptOutcome::Retried => &self.retried,
            AttemptOutcome::Failed => &self.failed,
        }
        .inc();
    }
}

/// All of one receiver.
#[derive(Debug, Clone)]
pub(super) struct ReceiverMetrics {
    pub(super) attempts: AttemptMetrics,
    delivered: IntCounter,
    refused: IntCounter,
    given_up: IntCounter,
    superseded: IntCounter,
    waiting: IntGauge,
    delay: Histogram,
}

impl ReceiverMetrics {
    pub(super) fn finished(&self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::Refused => &self.refused,
            Outcome::GivenUp => &self.given_up,
            Outcome::Superseded => &self.superseded,
        }
        .inc();
    }

    pub(super) fn delivered_after(&self, seconds: f64) {
        self.delay.observe(seconds);
    }

    pub(super) fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
