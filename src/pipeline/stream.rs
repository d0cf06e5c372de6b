//! One stream: the events of one model, version and variant, in panes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

use super::{
    basis::Basis,
    explanations::{ExplainPurpose, ExplainRow, ExplainTask},
    judge::{self, Judge},
    memory::{CutCounts, Memory, Scene},
    pane::{BATCH_ROWS, Pane},
};
use crate::{
    decode::Row,
    drift::moving::KEPT_MS,
    event::EventTime,
    profile::Cell,
    result::{MultivariateResult, StreamKey, WindowResult},
    window::{WindowSettings, window_ends},
};

/// Rows of one pane on their way into its counts.
///
/// Row by row, since the events of many streams come interleaved, and a row's
/// cells are then in few cache lines; they are sorted by columns when counted.
#[derive(Debug, Clone, Default)]
struct RowBatch {
    pane: i64,
    /// What the rows are sampled by, one each.
    hashes: Vec<u64>,
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
    /// What it knows of earlier windows.
    memory: Memory,
    /// Written windows that end behind this one say what they say together with
    /// it, and it has changed.
    stale_after: Option<i64>,
    /// Ends of the written windows that were still in their grace when windows
    /// were closed last: all of their panes are there.
    recent: BTreeSet<i64>,
    /// What their samples say: that takes long to work out.
    #[serde(skip)]
    several: BTreeMap<i64, Option<MultivariateResult>>,
}

/// What a window's result needs besides the stream's own panes.
pub(super) struct CloseContext<'a> {
    pub(super) settings: &'a WindowSettings,
    pub(super) basis: &'a Basis,
    pub(super) judge: &'a mut Judge,
    pub(super) tag: &'a str,
    /// Ends of the first whole windows of the model's streams.
    pub(super) first_ends: &'a [i64],
    /// Takes the rows that are to be explained.
    pub(super) tasks: &'a mut Vec<ExplainTask>,
}

/// Whether it is known what the sample of a window says.
enum Known {
    Yes(Option<MultivariateResult>),
    No,
}

impl Stream {
    /// A stream of which nothing was seen; windows up to `floor` are delivered.
    pub(super) fn new(key: StreamKey, basis: &Basis, settings: &WindowSettings, floor: Option<i64>) -> Self {
        Self {
            key,
            panes: BTreeMap::new(),
            batch: RowBatch::default(),
            last_closed: None,
            empty_run: 0,
            dirty: BTreeSet::new(),
            memory: Memory::new(basis, settings, floor),
            stale_after: None,
            recent: BTreeSet::new(),
            several: BTreeMap::new(),
        }
    }

    /// Takes a row into the pane starting at `pane`.
    #[inline]
    pub(super) fn add_row(&mut self, basis: &Basis, pane: i64, row: &Row) {
        let waiting = self.batch.hashes.len();
        if waiting == BATCH_ROWS || (self.batch.pane != pane && waiting > 0) {
            self.flush(basis);
        }
        let columns = basis.reference.columns.len();
        self.batch.pane = pane;
        self.batch.cells.extend(row.cells.iter().take(columns));
        self.batch.hashes.push(row.hash);
        self.batch.cells.resize(self.batch.hashes.len() * columns, Cell::ABSENT);
        if self.batch.hashes.len() == 1 || !row.unseen.is_empty() || !row.unknown.is_empty() {
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
        self.memory.correct(pane);
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
        if self.batch.hashes.is_empty() {
            return;
        }
        let pane = self.panes.entry(self.batch.pane).or_insert_with(|| Pane::new(basis));
        pane.add_rows(basis, &self.batch.hashes, &self.batch.cells);
        self.batch.hashes.clear();
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
        let result = self.result(end, Known::No, context);
        self.last_closed = Some(end);
        let is_empty = result.events + result.labels == 0;
        self.empty_run = if is_empty { self.empty_run.saturating_add(1) } else { 0 };
        result
    }

    /// Writes the windows that late events have changed.
    pub(super) fn rewrite(&mut self, context: &mut CloseContext<'_>, results: &mut Vec<WindowResult>) {
        while let Some(end) = self.dirty.pop_first() {
            results.push(self.result(end, Known::No, context));
            self.note_stale_after(end);
        }
    }

    /// Writes the windows that say something together with one that changed.
    ///
    /// Not at once: with long graces and short windows, every late event would
    /// write all of them.
    pub(super) fn refresh(&mut self, context: &mut CloseContext<'_>, results: &mut Vec<WindowResult>) {
        let Some(stale_after) = self.stale_after.take() else { return };
        let from = stale_after.max(self.memory.begins_after().unwrap_or(i64::MIN));
        let later = self.recent.range(from.saturating_add(1)..).copied();
        for end in later.collect::<Vec<_>>() {
            // Its own rows are what they were.
            let several = self.several.get(&end).cloned();
            results.push(self.result(end, several.map_or(Known::No, Known::Yes), context));
        }
    }

    /// Whether [`Self::refresh`] has anything to write.
    pub(super) fn is_stale(&self) -> bool {
        self.stale_after.is_some()
    }

    /// End of the last window that was written.
    pub(super) fn last_closed(&self) -> Option<i64> {
        self.last_closed
    }

    /// Notes that the windows that end at `end` or later say something together
    /// with one that is now another.
    pub(super) fn mark_stale(&mut self, end: i64, settings: &WindowSettings) {
        let before = end - settings.slide_ms;
        self.memory.correct(before);
        self.note_stale_after(before);
    }

    fn note_stale_after(&mut self, end: i64) {
        self.stale_after = Some(self.stale_after.map_or(end, |stale| stale.min(end)));
    }

    /// End of the first window with rows or labels, as far as it is known.
    pub(super) fn first_end(&self, settings: &WindowSettings) -> Option<i64> {
        let open = self.panes.keys().next().map(|pane| pane + settings.slide_ms);
        self.memory.first_end().or(open)
    }

    /// `several` is what the sample of the window says, where that is known.
    fn result(&mut self, end: i64, several: Known, context: &mut CloseContext<'_>) -> WindowResult {
        self.flush(context.basis);
        let basis = context.basis;
        let (size, min_events) = (context.settings.size_ms, context.settings.min_events);
        let window = window(&self.panes, end, basis, size);
        let counts = CutCounts::new(basis, &window);
        self.memory.keep(end, &counts);
        let past = self.memory.past();
        let is_new = matches!(several, Known::No);
        let mut result = WindowResult {
            events: window.events,
            labels: window.labels,
            reference_rows: basis.reference.rows,
            unknown_features: window.unknown_features,
            features: context.judge.features(basis, &window, min_events),
            segments: context.judge.segments(basis, &window, min_events),
            quality: vec![judge::volume(past, end, window.events)],
            several: match several {
                Known::Yes(several) => several,
                Known::No => context.judge.several(basis, &window),
            },
            comparisons: context.judge.comparisons(basis, past, end, (&counts, min_events)),
            ..WindowResult::empty(self.key.clone(), context.tag, EventTime(end - size), EventTime(end))
        };
        if is_new && basis.explain_rows > 0 && window.events > 0 {
            // Those that share the budget, as the false alarms are shared.
            let streams = context.first_ends.iter().filter(|&&first| first <= end).count();
            context.tasks.push(ExplainTask { streams: streams.max(1), ..task(&result, basis, &window) });
        }
        drop(window);
        if context.settings.grace_ms > 0 {
            self.recent.insert(end);
            self.several.insert(end, result.several.clone());
        }
        let scene = self.scene(context);
        let panes = &self.panes;
        let earlier = |end| CutCounts::new(basis, &self::window(panes, end, basis, size));
        let rate = scene.rate_at(end);
        let detectors = self.memory.detectors_at((end, &counts), &scene, earlier);
        result.evidence = judge::evidence(basis, detectors, rate);
        result.rank(|score| basis.drift.minimum_effects.of(score));
        result
    }

    /// What the evidence of this stream depends on beside its memory.
    fn scene<'c>(&self, context: &CloseContext<'c>) -> Scene<'c> {
        let size = context.settings.size_ms;
        let whole = |pane: &i64| pane.div_euclid(size) * size + size;
        Scene {
            basis: context.basis,
            pending: self.panes.keys().map(whole).collect(),
            first_ends: context.first_ends,
            rate: context.basis.drift.false_alarms.rate_per_window(size),
        }
    }

    /// Takes the windows that can't change any more into the memory for good.
    pub(super) fn settle(&mut self, context: &CloseContext<'_>, watermark: i64) {
        let Some(last_closed) = self.last_closed else { return };
        let over = watermark.saturating_sub(context.settings.grace_ms);
        self.recent = self.recent.split_off(&over.saturating_add(1));
        self.several = self.several.split_off(&over.saturating_add(1));
        let scene = self.scene(context);
        let (panes, basis, size) = (&self.panes, context.basis, context.settings.size_ms);
        let counts_of = |end| CutCounts::new(basis, &window(panes, end, basis, size));
        self.memory.settle(over.min(last_closed), &scene, counts_of);
    }

    /// Forgets panes that no window can need any more.
    pub(super) fn retire(&mut self, settings: &WindowSettings, watermark: i64) {
        while let Some((&pane, _)) = self.panes.first_key_value() {
            let last_end = pane + settings.size_ms;
            let written = self.last_closed.is_some_and(|closed| closed >= last_end);
            let waiting = !self.batch.hashes.is_empty() && self.batch.pane == pane;
            // A window that is to be written again needs all of its panes.
            let dirty = self.dirty.first().is_some_and(|end| end - settings.size_ms <= pane);
            if !written || waiting || dirty || last_end + settings.grace_ms > watermark {
                break;
            }
            self.panes.pop_first();
        }
    }

    /// Whether nothing is left to write or to remember about this stream.
    pub(super) fn is_finished(&self, settings: &WindowSettings, watermark: i64) -> bool {
        let remembers = self.last_closed.is_some_and(|end| end.saturating_add(KEPT_MS) > watermark);
        self.is_silent(settings) && !remembers
    }

    /// Whether nothing is left to write about it; it may still be remembered.
    pub(super) fn is_silent(&self, settings: &WindowSettings) -> bool {
        self.panes.is_empty()
            && self.batch.hashes.is_empty()
            && self.dirty.is_empty()
            && (self.last_closed.is_none() || self.empty_run >= settings.max_empty_windows)
    }

    /// Whether a stream that was read back has been counted on the grids of
    /// `basis`, at times up to `latest`.
    pub(super) fn fits(&self, basis: &Basis, latest: i64) -> bool {
        let marks = self.last_closed.into_iter().chain(self.stale_after).chain(self.recent.iter().copied());
        let times = self.panes.keys().copied().chain(marks);
        times.into_iter().all(|time| (0..=latest).contains(&time))
            && self.panes.values().all(|pane| pane.fits(basis))
    }

    /// Begins anew what was read back of a memory of other settings, which the
    /// counts do not depend on.
    pub(super) fn check_memory(&mut self, basis: &Basis, settings: &WindowSettings) {
        self.memory.check(basis, settings, self.last_closed);
    }

    /// Number of open panes and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let bytes: usize = self.panes.values().map(Pane::heap_bytes).sum();
        (self.panes.len(), bytes + self.memory.heap_bytes())
    }
}

/// The rows of a window that are to be explained.
fn task(result: &WindowResult, basis: &Basis, window: &Pane) -> ExplainTask {
    let rows = window.sample.rows().take(basis.explain_rows);
    let rows: Vec<_> = rows.map(|(hash, cells)| ExplainRow { hash, cells: cells.to_vec() }).collect();
    ExplainTask {
        number: 0,
        purpose: ExplainPurpose::Window,
        stream: result.stream.clone(),
        window: result.window.clone(),
        start: result.start,
        end: result.end,
        events: window.events,
        design_effect: basis.sample_effect(window.events, rows.len() as u64),
        streams: 1,
        rows,
    }
}

/// The panes of the window that ends at `end`, merged where there are several.
fn window<'p>(panes: &'p BTreeMap<i64, Pane>, end: i64, basis: &Basis, size_ms: i64) -> Cow<'p, Pane> {
    let mut panes = panes.range(end - size_ms..end).map(|(_, pane)| pane);
    match (panes.next(), panes.next()) {
        (Some(only), None) => Cow::Borrowed(only),
        (first, second) => {
            let mut merged = Pane::new(basis);
            first.into_iter().chain(second).chain(panes).for_each(|pane| merged.merge(pane));
            Cow::Owned(merged)
        }
    }
}
