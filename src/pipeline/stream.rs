//! One stream: the events of one model, version and variant, in panes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    basis::Basis,
    pane::{BATCH_ROWS, Pane, Part, empty_counts},
};
use crate::{
    decode::Row,
    drift::Scorer,
    event::EventTime,
    profile::{Cell, Counts},
    result::{FeatureResult, SegmentResult, StreamKey, WindowResult},
    window::{WindowSettings, window_ends},
};

/// Rows of one pane on their way into its counts.
///
/// Row by row, since the events of many streams come interleaved, and a row's
/// cells are then in few cache lines; they are sorted by columns when counted.
#[derive(Debug, Clone, Default)]
struct RowBatch {
    pane: i64,
    rows: usize,
    /// As many cells per row as there are columns.
    cells: Vec<Cell>,
}

/// A stream and its open panes. What a snapshot leaves out is empty between
/// two steps once the waiting rows are counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    panes: BTreeMap<i64, Pane>,
    #[serde(skip)]
    batch: RowBatch,
    /// End of the last window that was written.
    last_closed: Option<i64>,
    /// Empty windows written since the last event.
    empty_run: u32,
    /// Written windows that late events have changed since.
    #[serde(skip)]
    dirty: BTreeSet<i64>,
    /// Where panes are merged for windows longer than one pane.
    #[serde(skip)]
    scratch: Option<Pane>,
}

/// What a window's result needs besides the stream's own panes.
pub(super) struct CloseContext<'a> {
    pub(super) settings: &'a WindowSettings,
    pub(super) basis: &'a Basis,
    pub(super) scorer: &'a mut Scorer,
    pub(super) tag: &'a str,
}

impl Stream {
    pub(super) fn new(key: StreamKey) -> Self {
        Self {
            key,
            panes: BTreeMap::new(),
            batch: RowBatch::default(),
            last_closed: None,
            empty_run: 0,
            dirty: BTreeSet::new(),
            scratch: None,
        }
    }

    /// Takes a row into the pane starting at `pane`.
    #[inline]
    pub(super) fn add_row(&mut self, basis: &Basis, pane: i64, row: &Row) {
        if self.batch.rows == BATCH_ROWS || (self.batch.pane != pane && self.batch.rows > 0) {
            self.flush(basis);
        }
        let columns = basis.reference.columns.len();
        self.batch.pane = pane;
        self.batch.cells.extend(row.cells.iter().take(columns));
        self.batch.rows += 1;
        self.batch.cells.resize(self.batch.rows * columns, Cell::ABSENT);
        if self.batch.rows == 1 || !row.unseen.is_empty() || !row.unknown.is_empty() {
            let open = self.panes.entry(pane).or_insert_with(|| Pane::new(basis));
            open.unknown_features += row.unknown.len() as u64;
            for (column, name) in &row.unseen {
                if let Some(counts) = open.counts.get_mut(*column) {
                    counts.note_unseen(name, 1);
                }
            }
        }
    }

    /// Counts a label event.
    pub(super) fn add_label(&mut self, basis: &Basis, pane: i64) {
        self.panes.entry(pane).or_insert_with(|| Pane::new(basis)).labels += 1;
    }

    /// Notes that `pane` changed: windows with it that were written already,
    /// end after `floor` and are still in their grace are to be written again.
    /// `true` if there are any.
    pub(super) fn mark_dirty(
        &mut self,
        settings: &WindowSettings,
        pane: i64,
        floor: Option<i64>,
        watermark: i64,
    ) -> bool {
        let Some(last_closed) = self.last_closed else { return false };
        if pane + settings.slide_ms > last_closed {
            return false;
        }
        let mut changed = false;
        for EventTime(end) in window_ends(settings, EventTime(pane)) {
            // What ends at or before the floor was delivered before a restart,
            // and its events are not all here.
            let is_ours = floor.is_none_or(|floor| end > floor);
            if is_ours && end <= last_closed && end + settings.grace_ms > watermark {
                self.dirty.insert(end);
                changed = true;
            }
        }
        changed
    }

    /// Moves the waiting rows into their pane's counts.
    pub(super) fn flush(&mut self, basis: &Basis) {
        if self.batch.rows == 0 {
            return;
        }
        let pane = self.panes.entry(self.batch.pane).or_insert_with(|| Pane::new(basis));
        pane.add_rows(basis, &self.batch.cells);
        self.batch.rows = 0;
        self.batch.cells.clear();
    }

    /// End of the next window to write: the earliest one after `floor` that
    /// has a pane, or an empty one right after the last.
    pub(super) fn next_end(&self, settings: &WindowSettings, floor: Option<i64>) -> Option<i64> {
        let floor = self.last_closed.max(floor);
        let with_data = self
            .panes
            .keys()
            .filter_map(|&pane| {
                let first = floor.map_or(pane + settings.slide_ms, |floor| {
                    (floor + settings.slide_ms).max(pane + settings.slide_ms)
                });
                (first <= pane + settings.size_ms).then_some(first)
            })
            .min();
        let empty = self
            .last_closed
            .filter(|_| self.empty_run < settings.max_empty_windows)
            .map(|end| end + settings.slide_ms);
        match (with_data, empty) {
            (Some(data), Some(empty)) => Some(data.min(empty)),
            (data, empty) => data.or(empty),
        }
    }

    /// Whether any window waits to be written that has data.
    pub(super) fn has_open_data(&self, settings: &WindowSettings, floor: Option<i64>) -> bool {
        let floor = self.last_closed.max(floor);
        self.panes
            .keys()
            .next_back()
            .is_some_and(|&pane| floor.is_none_or(|floor| pane + settings.size_ms > floor))
    }

    /// Writes the window that ends at `end`, for the first time.
    pub(super) fn close(&mut self, end: i64, context: &mut CloseContext<'_>) -> WindowResult {
        let result = self.result(end, context);
        self.last_closed = Some(end);
        let is_empty = result.events + result.labels == 0;
        self.empty_run = if is_empty { self.empty_run.saturating_add(1) } else { 0 };
        result
    }

    /// Writes the windows that late events have changed.
    pub(super) fn rewrite(&mut self, context: &mut CloseContext<'_>, mut emit: impl FnMut(WindowResult)) {
        while let Some(end) = self.dirty.pop_first() {
            emit(self.result(end, context));
        }
    }

    fn result(&mut self, end: i64, context: &mut CloseContext<'_>) -> WindowResult {
        self.flush(context.basis);
        let start = end - context.settings.size_ms;
        let mut panes = self.panes.range(start..end).map(|(_, pane)| pane);
        let (first, second) = (panes.next(), panes.next());
        let window = if let (Some(only), None) = (first, second) {
            only
        } else {
            let merged = self.scratch.get_or_insert_with(|| Pane::new(context.basis));
            merged.clear();
            for pane in first.into_iter().chain(second).chain(panes) {
                merged.merge(pane);
            }
            merged
        };
        let features = features(context, &window.counts);
        let segments = segments(context, &window.segments);
        WindowResult {
            stream: self.key.clone(),
            window: context.tag.to_owned(),
            start: EventTime(start),
            end: EventTime(end),
            events: window.events,
            labels: window.labels,
            reference_rows: context.basis.reference.rows,
            unknown_features: window.unknown_features,
            features,
            segments,
            quality: Vec::new(),
            evidence: Vec::new(),
            comparisons: Vec::new(),
        }
    }

    /// Forgets panes that no window can need any more.
    pub(super) fn retire(&mut self, settings: &WindowSettings, watermark: i64) {
        while let Some((&pane, _)) = self.panes.first_key_value() {
            let last_end = pane + settings.size_ms;
            let written = self.last_closed.is_some_and(|closed| closed >= last_end);
            let waiting = self.batch.rows > 0 && self.batch.pane == pane;
            // A window that is to be written again needs all of its panes.
            let dirty = self.dirty.first().is_some_and(|end| end - settings.size_ms <= pane);
            if !written || waiting || dirty || last_end + settings.grace_ms > watermark {
                break;
            }
            self.panes.pop_first();
        }
    }

    /// Whether nothing is left to write or to remember about this stream.
    pub(super) fn is_finished(&self, settings: &WindowSettings) -> bool {
        self.panes.is_empty()
            && self.batch.rows == 0
            && self.dirty.is_empty()
            && (self.last_closed.is_none() || self.empty_run >= settings.max_empty_windows)
    }

    /// Whether a stream that was read back has been counted on the grids of
    /// `basis`, at times up to `latest`.
    pub(super) fn fits(&self, basis: &Basis, latest: i64) -> bool {
        let times = self.panes.keys().copied().chain(self.last_closed);
        times.into_iter().all(|time| (0..=latest).contains(&time))
            && self.panes.values().all(|pane| pane.fits(basis))
    }

    /// Number of open panes and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let bytes = self.panes.values().map(Pane::heap_bytes).sum();
        (self.panes.len(), bytes)
    }
}

/// What a window's counts say about every column.
fn features(context: &mut CloseContext<'_>, counts: &[Counts]) -> Vec<FeatureResult> {
    let min_events = context.settings.min_events;
    let columns = context.basis.reference.columns.iter().zip(counts);
    columns.map(|(column, counts)| context.scorer.feature_result(column, counts, min_events)).collect()
}

/// What a window says about every segment of the reference.
fn segments(context: &mut CloseContext<'_>, parts: &[Option<Part>]) -> Vec<SegmentResult> {
    let basis = context.basis;
    let known = basis.reference.segments.iter().zip(parts);
    known
        .map(|(segment, part)| {
            let events = part.as_ref().map_or(0, |part| part.events);
            let features = match part {
                Some(part) => features(context, &part.counts),
                None => features(context, &empty_counts(&basis.reference)),
            };
            SegmentResult { feature: segment.feature.clone(), value: segment.value.clone(), events, features }
        })
        .collect()
}
