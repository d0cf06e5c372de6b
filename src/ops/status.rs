//! What the daemon knows about itself and its latest results, for whoever
//! asks.
//!
//! The pipeline's thread writes it a few times a second and when a window
//! closes, never per event; requests read it. Memory is bounded: so many
//! windows per stream, so many streams per model.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    alert::{AlertView, Silence},
    event::EventTime,
    pipeline::ModelStatus,
    result::{ExperimentResult, StreamKey, WindowExplanation, WindowResult},
};

/// The pipeline's thread reports several times a second; beyond this it is
/// said not to be ready.
const LATE_REPORT: Duration = Duration::from_secs(5);
/// Beyond this it is taken to hang, and the process not to be alive.
const HANGING: Duration = Duration::from_secs(120);

/// Explained windows that are kept of a stream: they are several times as large
/// as others.
const MOST_EXPLANATIONS: usize = 12;

/// Whether a part of the daemon can do its work.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Component {
    /// Its name: `kafka`, `influxdb`, …
    pub name: Cow<'static, str>,
    /// Why it can't, for an operator; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What an operator should know of a part that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether something is wrong that holds nothing else up.
    #[serde(skip)]
    pub is_hampered: bool,
}

impl Component {
    /// A part that works.
    #[must_use]
    pub fn ready(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), reason: None, note: None, is_hampered: false }
    }

    /// A part that works otherwise than might be thought.
    #[must_use]
    pub fn ready_but(name: impl Into<Cow<'static, str>>, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::ready(name) }
    }

    /// A part that fails, while nothing else waits for it.
    #[must_use]
    pub fn hampered(name: impl Into<Cow<'static, str>>, note: impl Into<String>) -> Self {
        Self { is_hampered: true, ..Self::ready_but(name, note) }
    }

    /// A part that does not.
    #[must_use]
    pub fn not_ready(name: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::ready(name) }
    }
}

#[derive(Debug)]
struct Report {
    components: Vec<Component>,
    models: Arc<Vec<ModelStatus>>,
    watermark: Option<EventTime>,
    at: Instant,
    stopping: bool,
}

/// How alerts stand.
#[derive(Debug, Clone, Default)]
pub struct AlertReport {
    /// All that are not inactive, and those that were over lately.
    pub alerts: Arc<Vec<AlertView>>,
    /// The silences.
    pub silences: Arc<Vec<Silence>>,
}

/// Shared between the pipeline's thread and the HTTP server.
#[derive(Debug)]
pub struct Status {
    report: Mutex<Report>,
    windows: Mutex<Kept<WindowResult>>,
    alerts: Mutex<AlertReport>,
    explanations: Mutex<Kept<WindowExplanation>>,
    experiments: Mutex<Arc<Vec<ExperimentResult>>>,
    began: Instant,
    latest_windows: usize,
    max_streams: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Status {
    /// Nothing known yet. Keeps `latest_windows` windows of each of
    /// `max_streams` streams per model.
    #[must_use]
    pub fn new(latest_windows: usize, max_streams: usize) -> Self {
        let report = Report {
            components: vec![Component::not_ready("pipeline", "starting")],
            models: Arc::default(),
            watermark: None,
            at: Instant::now(),
            stopping: false,
        };
        Self {
            report: Mutex::new(report),
            windows: Mutex::default(),
            alerts: Mutex::default(),
            explanations: Mutex::default(),
            experiments: Mutex::default(),
            began: Instant::now(),
            latest_windows,
            max_streams,
        }
    }

    /// Replaces what is known about the parts.
    pub fn set_components(&self, components: Vec<Component>, watermark: Option<EventTime>) {
        let mut report = locked(&self.report);
        report.components = components;
        report.watermark = watermark;
        report.at = Instant::now();
    }

    /// Replaces what is known about the models.
    pub fn set_models(&self, models: Vec<ModelStatus>) {
        locked(&self.report).models = Arc::new(models);
    }

    /// Replaces what is known about alerts.
    pub fn set_alerts(&self, alerts: Vec<AlertView>, silences: Vec<Silence>) {
        *locked(&self.alerts) = AlertReport { alerts: Arc::new(alerts), silences: Arc::new(silences) };
    }

    /// How alerts stand.
    #[must_use]
    pub fn alerts(&self) -> AlertReport {
        locked(&self.alerts).clone()
    }

    /// Replaces what is said about experiments: the latest result of each one that is
    /// configured, those that wait included.
    pub fn set_experiments(&self, results: Vec<ExperimentResult>) {
        *locked(&self.experiments) = Arc::new(results);
    }

    /// The latest result of every experiment.
    #[must_use]
    pub fn experiments(&self) -> Arc<Vec<ExperimentResult>> {
        Arc::clone(&locked(&self.experiments))
    }

    /// How long something could have been known.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Says that the daemon drains and will end.
    pub fn set_stopping(&self) {
        locked(&self.report).stopping = true;
    }

    /// The parts, and whether all of them can do their work.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let report = locked(&self.report);
        let mut components = report.components.clone();
        if report.stopping {
            components.push(Component::not_ready("daemon", "stopping"));
        }
        let silent = report.at.elapsed();
        if silent > LATE_REPORT {
            let reason = format!("the pipeline has not reported for {} s", silent.as_secs());
            components.push(Component::not_ready("pipeline", reason));
        }
        components
    }

    /// Whether the pipeline's thread still reports.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        locked(&self.report).at.elapsed() < HANGING
    }

    /// How the models stand.
    #[must_use]
    pub fn models(&self) -> Arc<Vec<ModelStatus>> {
        Arc::clone(&locked(&self.report).models)
    }

    /// The watermark, once there is one.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        locked(&self.report).watermark
    }

    /// Keeps a result, in place of an earlier one of the same window.
    pub fn keep(&self, result: WindowResult) {
        let mut streams = locked(&self.windows);
        let key = (result.stream.clone(), result.end);
        keep(&mut streams, key, result, (self.latest_windows, self.max_streams));
    }

    /// Keeps an explanation, in place of an earlier one of the same window.
    pub fn keep_explanation(&self, explanation: WindowExplanation) {
        let mut streams = locked(&self.explanations);
        let key = (explanation.stream.clone(), explanation.end);
        let most = self.latest_windows.min(MOST_EXPLANATIONS);
        keep(&mut streams, key, explanation, (most, self.max_streams));
    }

    /// The latest windows of `model`, the newest first, then by version and
    /// variant; `wanted` says of which streams.
    #[must_use]
    pub fn windows(
        &self,
        model: &str,
        wanted: impl Fn(&StreamKey) -> bool,
        limit: usize,
    ) -> Vec<Arc<WindowResult>> {
        latest(&locked(&self.windows), model, wanted, limit)
    }

    /// The latest explanations of `model`, in the same order.
    #[must_use]
    pub fn explanations(
        &self,
        model: &str,
        wanted: impl Fn(&StreamKey) -> bool,
        limit: usize,
    ) -> Vec<Arc<WindowExplanation>> {
        latest(&locked(&self.explanations), model, wanted, limit)
    }
}

/// What is kept per stream, by the end of the window.
type Kept<T> = BTreeMap<StreamKey, BTreeMap<EventTime, Arc<T>>>;

fn keep<T>(streams: &mut Kept<T>, (stream, end): (StreamKey, EventTime), one: T, most: (usize, usize)) {
    let (most_windows, most_streams) = most;
    if !streams.contains_key(&stream) {
        make_room(streams, &stream.model, most_streams);
    }
    let windows = streams.entry(stream).or_default();
    windows.insert(end, Arc::new(one));
    while windows.len() > most_windows {
        windows.pop_first();
    }
}

fn latest<T>(
    streams: &Kept<T>,
    model: &str,
    wanted: impl Fn(&StreamKey) -> bool,
    limit: usize,
) -> Vec<Arc<T>> {
    let of_model = streams.iter().filter(|(stream, _)| stream.model == model && wanted(stream));
    let mut found: Vec<(EventTime, &StreamKey, &Arc<T>)> = of_model
        .flat_map(|(stream, windows)| {
            windows.iter().rev().take(limit).map(move |(end, one)| (*end, stream, one))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.into_iter().take(limit).map(|(_, _, one)| Arc::clone(one)).collect()
}

/// Forgets the stream of `model` that has been silent the longest when there
/// are `max_streams` of it.
fn make_room<T>(streams: &mut Kept<T>, model: &str, max_streams: usize) {
    let of_model = || streams.iter().filter(|(stream, _)| stream.model == model);
    if of_model().count() < max_streams.max(1) {
        return;
    }
    let newest = |windows: &BTreeMap<EventTime, Arc<T>>| windows.last_key_value().map(|(end, _)| *end);
    let silent = of_model().min_by_key(|(_, windows)| newest(windows)).map(|(stream, _)| stream.clone());
    if let Some(silent) = silent {
        streams.remove(&silent);
    }
}

/// A number with commas between its thousands: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(version: &str, end: i64, events: u64) -> WindowResult {
        let stream = StreamKey { model: "credit".into(), version: version.into(), variant: "none".into() };
        let empty = WindowResult::empty(stream, "1s", EventTime(end - 1_000), EventTime(end));
        WindowResult { events, ..empty }
    }

    fn shown(status: &Status, limit: usize) -> Vec<(i64, String, u64)> {
        let windows = status.windows("credit", |_| true, limit);
        windows.iter().map(|window| (window.end.0, window.stream.version.clone(), window.events)).collect()
    }

    #[test]
    fn windows_are_bounded_newest_first_and_replaced_when_written_again() {
        let status = Status::new(2, 2);
        for (version, end) in [("1", 1_000), ("1", 2_000), ("2", 2_000), ("1", 3_000)] {
            status.keep(result(version, end, 1));
        }
        status.keep(result("1", 2_000, 7));
        status.keep(result("1", 1_000, 9));
        let expected = [(3_000, "1".into(), 1), (2_000, "1".into(), 7), (2_000, "2".into(), 1)];
        assert_eq!(shown(&status, 10), expected);
        assert_eq!(shown(&status, 2), expected[..2]);
        assert!(status.windows("other", |_| true, 10).is_empty());
    }

    #[test]
    fn the_longest_silent_stream_makes_room() {
        let status = Status::new(2, 2);
        for (version, end) in [("1", 1_000), ("2", 2_000), ("3", 3_000)] {
            status.keep(result(version, end, 1));
        }
        assert_eq!(shown(&status, 10), [(3_000, "3".into(), 1), (2_000, "2".into(), 1)]);
    }

    #[test]
    fn readiness_says_what_is_missing() {
        let status = Status::new(1, 1);
        assert_eq!(status.components(), [Component::not_ready("pipeline", "starting")]);
        status.set_components(vec![Component::ready("kafka")], None);
        assert_eq!(status.components(), [Component::ready("kafka")]);
        status.set_stopping();
        assert_eq!(status.components().last(), Some(&Component::not_ready("daemon", "stopping")));
    }

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
