//! Metrics of the pipeline's core and of the daemon as a whole.
//!
//! The core counts in plain numbers; they are added here once per batch, so
//! that an event costs no atomic operation. Every label value is there from
//! the start, so that a rate over a counter is right from its first event on.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
    core::{Collector, GenericCounter},
};

use super::process::ProcessCollector;
use crate::{
    event::{EventKind, EventTime, RejectReason},
    pipeline::{Counters, DropReason, ExplainLoss, ModelStatus},
};

/// Steps of the core take microseconds to, with many windows, seconds.
const STEP_BUCKETS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0];
/// Windows are written lateness and idle timeout after their end: seconds to hours.
const DELAY_BUCKETS: [f64; 12] =
    [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// Counters of a fixed set of label values, in that order.
#[derive(Debug)]
struct ByLabel<const N: usize>([IntCounter; N]);

impl<const N: usize> ByLabel<N> {
    fn register(registry: &Registry, opts: Opts, label: &str, values: [&str; N]) -> prometheus::Result<Self> {
        let family = IntCounterVec::new(opts, &[label])?;
        registry.register(Box::new(family.clone()))?;
        Ok(Self(values.map(|value| family.with_label_values(&[value]))))
    }

    fn add(&self, counts: &[u64; N]) {
        for (counter, count) in self.0.iter().zip(counts) {
            counter.inc_by(*count);
        }
    }
}

/// What the core did and how it stands.
#[derive(Debug)]
pub struct CoreMetrics {
    messages: IntCounter,
    bytes: IntCounter,
    decoded: ByLabel<3>,
    rejected: ByLabel<{ RejectReason::ALL.len() }>,
    dropped: ByLabel<{ DropReason::ALL.len() }>,
    late_counted: IntCounter,
    without_features: IntCounter,
    unknown_features: IntCounter,
    learned_rows: IntCounter,
    windows_closed: IntCounter,
    windows_rewritten: IntCounter,
    unexplained: ByLabel<{ ExplainLoss::ALL.len() }>,
    watermark: prometheus::Gauge,
    watermark_delay: prometheus::Gauge,
    step_seconds: [Histogram; 2],
    close_delay: Histogram,
    models: ModelGauges,
}

/// How each model stands.
#[derive(Debug)]
struct ModelGauges {
    open_panes: IntGaugeVec,
    state_bytes: IntGaugeVec,
    streams: IntGaugeVec,
    join_waiting: IntGaugeVec,
    learning: IntGaugeVec,
}

pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    registered(registry, GenericCounter::new(name, help)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<prometheus::Gauge> {
    registered(registry, prometheus::Gauge::new(name, help)?)
}

fn by_model(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGaugeVec> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), &["model"])?)
}

impl ModelGauges {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| by_model(registry, name, help);
        Ok(Self {
            open_panes: gauge("driftline_open_panes", "Panes in memory.")?,
            state_bytes: gauge("driftline_state_bytes", "Memory of the counts in open panes.")?,
            streams: gauge("driftline_streams", "Versions and variants seen.")?,
            join_waiting: gauge("driftline_join_waiting_rows", "Rows waiting for their other half.")?,
            learning: gauge(
                "driftline_reference_learning",
                "1 while the model's reference is being learned, else 0.",
            )?,
        })
    }

    fn set(&self, models: &[ModelStatus]) {
        for model in models {
            let set = |gauge: &IntGaugeVec, value: usize| {
                gauge.with_label_values(&[&model.name]).set(i64::try_from(value).unwrap_or(i64::MAX));
            };
            set(&self.open_panes, model.open_panes);
            set(&self.state_bytes, model.state_bytes);
            set(&self.streams, model.streams.len());
            set(&self.join_waiting, model.waiting);
            set(&self.learning, usize::from(model.learning.is_some()));
        }
    }
}

fn unexplained(registry: &Registry) -> prometheus::Result<ByLabel<{ ExplainLoss::ALL.len() }>> {
    let opts = Opts::new(
        "driftline_unexplained_total",
        "Windows, and alerts' events, that are not explained, by the reason.",
    );
    ByLabel::register(registry, opts, "reason", ExplainLoss::ALL.map(ExplainLoss::as_str))
}

fn close_delay(registry: &Registry) -> prometheus::Result<Histogram> {
    let opts = HistogramOpts::new(
        "driftline_window_close_delay_seconds",
        "From a window's end until its first result, by the clock.",
    );
    registered(registry, Histogram::with_opts(opts.buckets(DELAY_BUCKETS.to_vec()))?)
}

impl CoreMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let count = |name: &str, help: &str| counter(registry, name, help);
        let decoded = Opts::new("driftline_events_decoded_total", "Events understood, by kind.");
        let rejected =
            Opts::new("driftline_messages_rejected_total", "Messages that can't be used, by reason.");
        let dropped = Opts::new(
            "driftline_events_dropped_total",
            "Events understood but not counted in a window, by reason.",
        );
        let kinds = [EventKind::Prediction, EventKind::Feature, EventKind::Label];
        Ok(Self {
            messages: count("driftline_messages_processed_total", "Messages taken by the pipeline.")?,
            bytes: count(
                "driftline_payload_bytes_total",
                "Payload bytes of the messages taken by the pipeline.",
            )?,
            decoded: ByLabel::register(registry, decoded, "kind", kinds.map(EventKind::as_str))?,
            rejected: ByLabel::register(
                registry,
                rejected,
                "reason",
                RejectReason::ALL.map(RejectReason::as_str),
            )?,
            dropped: ByLabel::register(registry, dropped, "reason", DropReason::ALL.map(DropReason::as_str))?,
            late_counted: count(
                "driftline_late_events_counted_total",
                "Late events counted after all, by writing their windows again.",
            )?,
            without_features: count(
                "driftline_predictions_without_features_total",
                "Predictions counted without the features that they waited for.",
            )?,
            unknown_features: count(
                "driftline_unknown_feature_values_total",
                "Values of features that the reference does not know.",
            )?,
            learned_rows: count("driftline_learned_rows_total", "Rows taken into references being learned.")?,
            windows_closed: count("driftline_windows_closed_total", "Windows written for the first time.")?,
            windows_rewritten: count(
                "driftline_windows_rewritten_total",
                "Windows written again because of late events.",
            )?,
            unexplained: unexplained(registry)?,
            watermark: gauge(
                registry,
                "driftline_watermark_timestamp_seconds",
                "Event time that all partitions have passed, in seconds since 1970; 0 before there is one.",
            )?,
            watermark_delay: gauge(
                registry,
                "driftline_watermark_delay_seconds",
                "How far the watermark is behind the clock; 0 before there is one.",
            )?,
            step_seconds: step_histograms(registry)?,
            close_delay: close_delay(registry)?,
            models: ModelGauges::register(registry)?,
        })
    }

    /// Adds what the core counted.
    pub fn add(&self, counters: &Counters) {
        self.messages.inc_by(counters.messages);
        self.bytes.inc_by(counters.bytes);
        self.decoded.add(&counters.decoded);
        self.rejected.add(&counters.rejected);
        self.dropped.add(&counters.dropped);
        self.late_counted.inc_by(counters.late_counted);
        self.without_features.inc_by(counters.predictions_without_features);
        self.unknown_features.inc_by(counters.unknown_features);
        self.learned_rows.inc_by(counters.learned_rows);
        self.windows_closed.inc_by(counters.windows_closed);
        self.windows_rewritten.inc_by(counters.windows_rewritten);
        self.unexplained.add(&counters.unexplained);
    }

    /// Notes how long a step took and whether it wrote windows.
    pub fn observe_step(&self, seconds: f64, wrote_windows: bool) {
        let [without, with] = &self.step_seconds;
        if wrote_windows { with } else { without }.observe(seconds);
    }

    /// Notes when a window was written for the first time.
    pub fn observe_close(&self, end: EventTime, now: EventTime) {
        self.close_delay.observe(seconds(now.0.saturating_sub(end.0)).max(0.0));
    }

    /// Shows the watermark against the clock.
    pub fn set_watermark(&self, watermark: Option<EventTime>, now: EventTime) {
        if let Some(watermark) = watermark {
            self.watermark.set(seconds(watermark.0));
            self.watermark_delay.set(seconds(now.0.saturating_sub(watermark.0)));
        }
    }

    /// Shows how the models stand.
    pub fn set_models(&self, models: &[ModelStatus]) {
        self.models.set(models);
    }
}

fn step_histograms(registry: &Registry) -> prometheus::Result<[Histogram; 2]> {
    let opts = HistogramOpts::new(
        "driftline_step_seconds",
        "Time that the core spent on one batch or tick, by whether windows were written in it.",
    );
    let family =
        registered(registry, HistogramVec::new(opts.buckets(STEP_BUCKETS.to_vec()), &["windows_written"])?)?;
    Ok(["no", "yes"].map(|value| family.with_label_values(&[value])))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era are far below 2^53")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

/// How reading the configuration again went.
#[derive(Debug)]
pub struct ReloadMetrics {
    outcomes: ByLabel<2>,
    last: IntGauge,
}

impl ReloadMetrics {
    /// Registers them; the configuration that the daemon started with counts
    /// as read well.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let opts = Opts::new(
            "driftline_config_reloads_total",
            "Times the configuration was read again, by outcome.",
        );
        let last = IntGauge::new(
            "driftline_config_last_reload_successful",
            "1 when the configuration file was without errors the last time it was read, else 0.",
        )?;
        last.set(1);
        Ok(Self {
            outcomes: ByLabel::register(registry, opts, "outcome", ["failure", "success"])?,
            last: registered(registry, last)?,
        })
    }

    /// Notes one reload.
    pub fn note(&self, success: bool) {
        self.outcomes.add(&[u64::from(!success), u64::from(success)]);
        self.last.set(i64::from(success));
    }
}

/// Registers the constant `driftline_build_info` with the version as a label.
///
/// # Errors
/// When the name is taken in `registry`.
pub fn register_build_info(registry: &Registry) -> prometheus::Result<()> {
    let opts = Opts::new("driftline_build_info", "1, with the version of the program as a label.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    registered(registry, IntGauge::with_opts(opts)?)?.set(1);
    Ok(())
}

/// Registers `process_*`, on systems that have `/proc`.
///
/// # Errors
/// When a name is taken in `registry`.
pub fn register_process_metrics(registry: &Registry) -> prometheus::Result<()> {
    if std::fs::metadata("/proc/self/stat").is_err() {
        return Ok(());
    }
    registry.register(Box::new(ProcessCollector::new()?))
}

/// All metrics in Prometheus' text format.
///
/// # Errors
/// When a metric is inconsistent, which says which.
pub fn render(registry: &Registry) -> prometheus::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(32 * 1_024);
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}
