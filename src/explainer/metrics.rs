//! What the explainers count. Labels are names of configured models and fixed
//! words.

use super::remote::RemoteMetrics;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Seconds that the explanation of a window takes, from its close on.
const DELAY_BUCKETS: [f64; 12] =
    [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// What rows are explained for; `unusable` are those that could not be.
const PURPOSES: [&str; 5] = ["asked", "alert", "reference", "window", "unusable"];
/// What comes of a request to explain an event.
const OUTCOMES: [&str; 4] = ["answered", "unavailable", "refused", "overflow"];

/// Counts of all models.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) evaluations: IntCounterVec,
    pub(super) rows: IntCounterVec,
    pub(super) explained: IntCounterVec,
    pub(super) requests: IntCounterVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) seconds: Histogram,
    /// Of models that are servers.
    pub(super) remote: RemoteMetrics,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let waiting = IntGaugeVec::new(
            Opts::new("driftline_explain_waiting", "Windows and sets of events that wait to be explained."),
            &["model"],
        )?;
        registry.register(Box::new(waiting.clone()))?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new("driftline_explain_seconds", "Time that the explanation of a window took.")
                .buckets(DELAY_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            remote: RemoteMetrics::new(registry)?,
            evaluations: counters(
                "driftline_explain_evaluations_total",
                "Rows that a model was asked about for explanations.",
                &["model"],
            )?,
            rows: counters(
                "driftline_explain_rows_total",
                "Rows that were explained, by what for, or could not be.",
                &["model", "purpose"],
            )?,
            explained: counters(
                "driftline_explained_total",
                "Windows, and alerts' events, that were explained.",
                &["model", "purpose"],
            )?,
            requests: counters(
                "driftline_explain_requests_total",
                "Requests to explain an event, by what came of them.",
                &["model", "outcome"],
            )?,
            waiting,
            seconds,
        })
    }

    /// Shows all series of a model from the beginning on: the first increase of
    /// a counter is none to those who see it for the first time.
    pub(super) fn begin(&self, model: &str) {
        self.evaluations.with_label_values(&[model]);
        self.waiting.with_label_values(&[model]);
        for purpose in PURPOSES {
            self.rows.with_label_values(&[model, purpose]);
        }
        for purpose in ["window", "alert"] {
            self.explained.with_label_values(&[model, purpose]);
        }
        for outcome in OUTCOMES {
            self.requests.with_label_values(&[model, outcome]);
        }
    }
}
