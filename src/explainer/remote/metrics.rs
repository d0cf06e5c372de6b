//! What is counted of models behind HTTP. Labels are the models of the
//! configuration and fixed words.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// From a small model nearby to the longest that anybody waits.
const SECONDS_BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered with predictions.
    Ok,
    /// It failed and is sent again.
    Retried,
    /// It failed for good.
    Failed,
    /// The server refused it.
    Refused,
    /// The answer was none that can be used.
    Unusable,
    /// It was not sent, since the server is left alone.
    NotSent,
}

/// The metrics of all models behind HTTP.
#[derive(Debug, Clone)]
pub struct RemoteMetrics {
    requests: IntCounterVec,
    rows: IntCounterVec,
    seconds: HistogramVec,
    breaker: IntGaugeVec,
}

impl RemoteMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "driftline_model_requests_total",
                    "Requests to models behind HTTP, by what became of them.",
                ),
                &["model", "outcome"],
            )?,
            rows: IntCounterVec::new(
                Opts::new("driftline_model_rows_total", "Rows that models behind HTTP gave predictions for."),
                &["model"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "driftline_model_request_seconds",
                    "Duration of one request to a model behind HTTP, whatever its answer.",
                )
                .buckets(SECONDS_BUCKETS.to_vec()),
                &["model"],
            )?,
            breaker: IntGaugeVec::new(
                Opts::new(
                    "driftline_model_breaker_state",
                    "Whether a model's server is asked: 0 it is, 1 one request tries whether it is back, 2 it is left alone.",
                ),
                &["model"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.rows.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.breaker.clone()))?;
        Ok(metrics)
    }

    /// Those of one model.
    pub(super) fn of(&self, model: &str) -> ModelMetrics {
        let requests = |outcome: &str| self.requests.with_label_values(&[model, outcome]);
        ModelMetrics {
            ok: requests("ok"),
            retried: requests("retried"),
            failed: requests("failed"),
            refused: requests("refused"),
            unusable: requests("unusable"),
            not_sent: requests("not_sent"),
            rows: self.rows.with_label_values(&[model]),
            seconds: self.seconds.with_label_values(&[model]),
            breaker: self.breaker.with_label_values(&[model]),
        }
    }
}

/// Those of one model.
#[derive(Debug, Clone)]
pub(super) struct ModelMetrics {
    ok: IntCounter,
    retried: IntCounter,
    failed: IntCounter,
    refused: IntCounter,
    unusable: IntCounter,
    not_sent: IntCounter,
    rows: IntCounter,
    pub(super) seconds: Histogram,
    pub(super) breaker: IntGauge,
}

impl ModelMetrics {
    pub(super) fn finished(&self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Retried => &self.retried,
            Outcome::Failed => &self.failed,
            Outcome::Refused => &self.refused,
            Outcome::Unusable => &self.unusable,
            Outcome::NotSent => &self.not_sent,
        }
        .inc();
    }

    pub(super) fn predicted(&self, rows: usize) {
        self.rows.inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
    }
}
