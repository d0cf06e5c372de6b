//! What waits to be explained.
//!
//! Why: explaining takes as long as the model takes to answer, and must never
//! delay a verdict. So a window leaves its rows here when it is written, and
//! whoever explains takes them one by one and brings back what they say.
//!
//! Promises: what waits is in the snapshot, so a restart loses none of it. A
//! window that is written again takes the place of what waits of it, but not of
//! what somebody works on. There are at most so many windows per stream: beyond,
//! the oldest makes room, which is counted. An answer to a question that is not
//! asked any more changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    basis::Basis,
    counters::{Counters, ExplainLoss},
    snapshot::LATEST_MS,
};
use crate::{
    alert::{AlertRecord, RecordState},
    event::EventTime,
    explain::{StrangeEvent, Surprise},
    profile::{Cell, MOST_SAMPLED_ROWS, RowSample},
    reference::ColumnRole,
    result::{EventExplanation, StreamKey, WindowExplanation, schema},
};

/// Cells of all rows that wait, at most: 64 MB.
const MOST_CELLS: usize = 1 << 23;

/// How the windows of a model are explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainSpec {
    /// Rows of a window that are explained at most.
    pub rows: usize,
    /// Windows of a stream that wait at most; as many sets of events wait for
    /// alerts.
    pub most_waiting: usize,
    /// Events that are explained when an alert fires.
    pub alert_events: usize,
    /// Events that are remembered for those who ask about one.
    pub recent_events: usize,
    /// The versions of which the model is; empty for all.
    pub versions: Vec<String>,
}

impl ExplainSpec {
    /// Whether events of this version are of the model that answers.
    #[must_use]
    pub fn is_of(&self, version: &str) -> bool {
        self.versions.is_empty() || self.versions.iter().any(|own| own == version)
    }
}

/// Why something is to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainPurpose {
    /// The window itself.
    Window,
    /// An alert fired in it: its strangest events, in this order.
    Alert,
}

/// A row to be explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRow {
    /// The hash of its event's id.
    pub hash: u64,
    /// A cell per column of the reference.
    pub cells: Vec<Cell>,
}

/// Rows of a window that are to be explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainTask {
    /// By which the answer names it: no two are the same in one run, and a
    /// restart goes on counting.
    pub number: u64,
    /// What for.
    pub purpose: ExplainPurpose,
    /// Whose window it is.
    pub stream: StreamKey,
    /// The window's length and slide as a tag.
    pub window: String,
    /// Start of the window, inclusive.
    pub start: EventTime,
    /// End of the window, exclusive.
    pub end: EventTime,
    /// Rows counted in the window.
    pub events: u64,
    /// How many of the rows carry the information of one.
    pub design_effect: f64,
    /// Streams of the model, which share its budget of evaluations.
    pub streams: usize,
    /// The rows.
    pub rows: Vec<ExplainRow>,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Explained {
    /// Of a window.
    Window(Box<WindowExplanation>),
    /// Of an alert's events.
    Events(Vec<EventExplanation>),
    /// The model will never answer it.
    GivenUp,
}

/// The tasks that wait, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanations {
    waiting: Vec<Arc<ExplainTask>>,
    /// Number of the last task.
    last: u64,
    /// Tasks that somebody works on: they keep their place until they are done.
    #[serde(skip)]
    begun: BTreeSet<u64>,
}

impl Explanations {
    /// The task that is to be done next of a model's.
    #[must_use]
    pub fn next(&self, model: &str, purpose: ExplainPurpose) -> Option<&Arc<ExplainTask>> {
        self.waiting.iter().find(|task| task.stream.model == model && task.purpose == purpose)
    }

    /// Somebody works on the task with this number.
    pub fn begin(&mut self, number: u64) {
        self.begun.insert(number);
    }

    /// Tasks that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the task with this number still waits.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        self.waiting.iter().any(|task| task.number == number)
    }

    /// Tasks that wait of a model's.
    #[must_use]
    pub fn waiting(&self, model: &str) -> usize {
        self.waiting.iter().filter(|task| task.stream.model == model).count()
    }

    /// By model, the end of the first window that waits.
    pub(super) fn first_ends(&self) -> BTreeMap<String, i64> {
        let mut ends = BTreeMap::new();
        for task in self.waiting.iter().filter(|task| task.purpose == ExplainPurpose::Window) {
            let end = ends.entry(task.stream.model.clone()).or_insert(task.end.0);
            *end = (*end).min(task.end.0);
        }
        ends
    }

    /// Takes a task. One of the same window that waits gives up its place to it,
    /// unless somebody works on it: then both answers come, this one later, so
    /// that no stream of late events keeps a window from being explained at all.
    pub(super) fn push(&mut self, mut task: ExplainTask, most: usize, counters: &mut Counters) {
        self.last = self.last.wrapping_add(1);
        task.number = self.last;
        let begun = &self.begun;
        let is_free = |other: &ExplainTask| !begun.contains(&other.number);
        let is_alike = |other: &ExplainTask| other.purpose == task.purpose && other.stream == task.stream;
        let same =
            self.waiting.iter().position(|other| is_alike(other) && other.end == task.end && is_free(other));
        if let Some(other) = same.and_then(|place| self.waiting.get_mut(place)) {
            counters.unexplained(ExplainLoss::Superseded);
            *other = Arc::new(task);
            return;
        }
        if self.waiting.iter().filter(|other| is_alike(other)).count() >= most.max(1)
            && let Some(oldest) = self.waiting.iter().position(|other| is_alike(other) && is_free(other))
        {
            counters.unexplained(ExplainLoss::Overflow);
            self.waiting.remove(oldest);
        }
        self.waiting.push(Arc::new(task));
        self.keep_within_memory(counters);
    }

    /// Many streams of many columns make room, the oldest first.
    fn keep_within_memory(&mut self, counters: &mut Counters) {
        let cells = |task: &ExplainTask| task.rows.iter().map(|row| row.cells.len()).sum::<usize>();
        let mut all: usize = self.waiting.iter().map(|task| cells(task)).sum();
        while all > MOST_CELLS
            && let Some(oldest) = self.waiting.iter().position(|task| !self.begun.contains(&task.number))
        {
            counters.unexplained(ExplainLoss::Overflow);
            all -= cells(&self.waiting.remove(oldest));
        }
    }

    /// Takes a task out that was done; `None` when it is not asked any more.
    pub(super) fn done(&mut self, number: u64) -> Option<Arc<ExplainTask>> {
        self.begun.remove(&number);
        let place = self.waiting.iter().position(|task| task.number == number)?;
        Some(self.waiting.remove(place))
    }

    /// Forgets what waits, and goes on numbering. Windows that end up to
    /// `delivered_until` are not written again, and so never explained, which is
    /// counted.
    pub(super) fn clear(&mut self, delivered_until: Option<EventTime>, counters: &mut Counters) {
        let lost = self.waiting.drain(..).filter(|task| Some(task.end) <= delivered_until);
        lost.for_each(|_| counters.unexplained(ExplainLoss::Restart));
        self.begun.clear();
    }

    /// Goes on with what a snapshot holds, as far as `fits` says that it can be
    /// explained; the rest is counted.
    pub(super) fn restore(
        &mut self,
        stored: &Self,
        fits: impl Fn(&ExplainTask) -> bool,
        counters: &mut Counters,
    ) {
        self.last = self.last.max(stored.last);
        // What is not stored is of windows that are written again.
        self.waiting.clear();
        self.begun.clear();
        for task in &stored.waiting {
            if fits(task) {
                self.waiting.push(Arc::clone(task));
            } else {
                counters.unexplained(ExplainLoss::Restart);
            }
        }
        self.keep_within_memory(counters);
    }

    /// The events of the alerts that have just begun to fire, of windows that
    /// still wait, and of the one that was `explained` with them.
    pub(super) fn of_alerts<'s>(
        &mut self,
        records: &[AlertRecord],
        explained: Option<&Arc<ExplainTask>>,
        spec_of: impl Fn(&str) -> Option<(&'s ExplainSpec, &'s Basis)>,
        counters: &mut Counters,
    ) {
        // What an experiment says is of no single window's events.
        let is_of_window = |record: &&AlertRecord| {
            record.state == RecordState::Firing && !record.alert.labels.contains_key(schema::TAG_EXPERIMENT)
        };
        let fired: Vec<&AlertRecord> = records.iter().filter(is_of_window).collect();
        if fired.is_empty() {
            return;
        }
        let is_window = |task: &&Arc<ExplainTask>| task.purpose == ExplainPurpose::Window;
        let windows: Vec<Arc<ExplainTask>> =
            self.waiting.iter().chain(explained).filter(is_window).cloned().collect();
        let mut known: BTreeMap<String, Surprise> = BTreeMap::new();
        for task in windows {
            let Some((spec, basis)) = spec_of(&task.stream.model).filter(|(spec, _)| spec.alert_events > 0)
            else {
                continue;
            };
            let features: BTreeSet<Option<&str>> = fired
                .iter()
                .filter(|record| is_in(record, &task))
                .map(|record| record.alert.labels.get(schema::TAG_FEATURE).map(String::as_str))
                .collect();
            // Of several features, or of the whole window, all make an event strange.
            let feature = match features.first() {
                None => continue,
                Some(Some(feature)) if features.len() == 1 => Some(*feature),
                Some(_) => None,
            };
            let surprise =
                known.entry(task.stream.model.clone()).or_insert_with(|| Surprise::new(&basis.reference));
            let rows = strangest(&task, (basis, surprise), feature, spec.alert_events);
            let of_alert = ExplainTask {
                purpose: ExplainPurpose::Alert,
                stream: task.stream.clone(),
                window: task.window.clone(),
                rows,
                ..*task
            };
            self.push(of_alert, spec.most_waiting, counters);
        }
    }
}

/// The strangest rows of a window by one feature, or by all.
fn strangest(
    task: &ExplainTask,
    (basis, surprise): (&Basis, &Surprise),
    feature: Option<&str>,
    most: usize,
) -> Vec<ExplainRow> {
    let mut sample = RowSample::new(task.rows.len(), basis.reference.columns.len());
    task.rows.iter().for_each(|row| sample.offer(row.hash, &row.cells));
    // A prediction is no feature: its events are strange by theirs.
    let feature = feature.filter(|name| {
        basis
            .reference
            .columns
            .iter()
            .any(|column| column.name == *name && column.role == ColumnRole::Feature)
    });
    let events = surprise.strangest(&sample, feature, most);
    let row = |event: StrangeEvent| task.rows.iter().find(|row| row.hash == event.hash).cloned();
    events.into_iter().filter_map(row).collect()
}

/// Whether an alert is about the window of a task.
fn is_in(record: &AlertRecord, task: &ExplainTask) -> bool {
    let label = |name: &str| record.alert.labels.get(name).map(String::as_str);
    record.at == task.end
        && label(schema::TAG_MODEL) == Some(&task.stream.model)
        && label(schema::TAG_VERSION).is_none_or(|version| version == task.stream.version)
        && label(schema::TAG_VARIANT).is_none_or(|variant| variant == task.stream.variant)
}

impl ExplainTask {
    /// Whether its rows are of the columns of `basis`, in numbers that a window
    /// can have.
    pub(super) fn fits(&self, basis: &Basis) -> bool {
        let columns = basis.reference.columns.len();
        self.rows.len() <= MOST_SAMPLED_ROWS
            && self.rows.iter().all(|row| row.cells.len() == columns)
            && self.design_effect.is_finite()
            && self.start <= self.end
            && (0..=LATEST_MS).contains(&self.start.0)
            && (0..=LATEST_MS).contains(&self.end.0)
    }
}
