//! What a stream remembers of its earlier windows.
//!
//! Why: evidence builds up over windows, and a window can be held against
//! earlier ones. A late event changes a window that was looked at already, so
//! detectors take a window for good only when it can't change any more; what
//! later windows say meanwhile is computed from it anew.
//!
//! Promises: what is said about a window is the same in whatever order, batches
//! and late corrections its events came, and after a restart from a snapshot.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    basis::{Basis, Series},
    pane::Pane,
};
use crate::{
    drift::{
        moving::Past,
        sequential::{Detector, log_bar},
    },
    event::EventTime,
    profile::Counts,
    window::WindowSettings,
};

/// Bytes of one detector of ten bins, about.
const DETECTOR_BYTES: usize = 2_000;

/// The memory of one stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Windows that end at or before this are not remembered: when it began,
    /// they had been delivered, and their events were not all there.
    begins_after: Option<i64>,
    /// End of the first window with rows or labels.
    first_end: Option<i64>,
    /// End of the last window that the detectors have taken for good.
    taken_until: Option<i64>,
    /// One per column, then one per column of each segment.
    detectors: Vec<Detector>,
    past: Past,
    /// The detectors after a later window, which may still change.
    #[serde(skip)]
    ahead: Option<(i64, Vec<Detector>)>,
}

/// One window's counts on the cuts of the reference's columns.
#[derive(Debug, Default)]
pub(super) struct CutCounts {
    events: u64,
    labels: u64,
    /// One per column.
    pub(super) columns: Vec<Vec<u64>>,
    /// One per segment and column.
    segments: Vec<Vec<Vec<u64>>>,
}

impl CutCounts {
    pub(super) fn new(basis: &Basis, window: &Pane) -> Self {
        let of = |counts: &[Counts]| -> Vec<Vec<u64>> {
            let columns = basis.reference.columns.iter().zip(counts);
            columns.map(|(column, counts)| column.cut.sums(counts)).collect()
        };
        let parts = window.segments.iter();
        let nothing = vec![Vec::new(); basis.reference.columns.len()];
        let segments =
            parts.map(|part| part.as_ref().map_or_else(|| nothing.clone(), |part| of(&part.counts)));
        Self {
            events: window.events,
            labels: window.labels,
            columns: of(&window.counts),
            segments: segments.collect(),
        }
    }
}

impl Memory {
    /// Remembers nothing yet; `floor` is the end of the last window that was
    /// delivered before.
    pub(super) fn new(basis: &Basis, settings: &WindowSettings, floor: Option<i64>) -> Self {
        Self {
            begins_after: floor,
            first_end: None,
            taken_until: floor,
            detectors: vec![Detector::new(); basis.series.len()],
            past: Past::new(
                settings.size_ms,
                late_ms(settings),
                &basis.drift.compare_with,
                &basis.reference.columns,
            ),
            ahead: None,
        }
    }

    /// Begins anew whatever was read back and is not of this basis, of these
    /// settings, or of windows up to the last one that was closed.
    pub(super) fn check(&mut self, basis: &Basis, settings: &WindowSettings, last_closed: Option<i64>) {
        let references = &basis.drift.compare_with;
        let lengths = (settings.size_ms, late_ms(settings));
        let past_fits = self.past.fits(lengths, references, &basis.reference.columns)
            && self.past.is_plausible(last_closed);
        let evidence_fits = self.evidence_fits(basis, settings, last_closed);
        if past_fits && evidence_fits {
            return;
        }
        let written = last_closed.map(|end| end - settings.size_ms);
        let mut kept = std::mem::replace(self, Self::new(basis, settings, written));
        if evidence_fits {
            std::mem::swap(&mut self.past, &mut kept.past);
            *self = kept;
        } else if past_fits {
            self.past = kept.past;
        }
    }

    fn evidence_fits(&self, basis: &Basis, settings: &WindowSettings, last_closed: Option<i64>) -> bool {
        let times = [self.first_end, self.taken_until];
        if times.into_iter().flatten().any(|time| Some(time) > last_closed.max(self.begins_after)) {
            return false;
        }
        // A floor may lie before all windows, but not so far that sums overflow.
        if self
            .begins_after
            .is_some_and(|floor| floor.checked_add(settings.size_ms.saturating_mul(2)).is_none())
        {
            return false;
        }
        let fits = |(detector, series): (&Detector, &Series)| detector.fits(series.counts.len());
        self.detectors.len() == basis.series.len() && self.detectors.iter().zip(&basis.series).all(fits)
    }

    /// Windows that end at or before this are not remembered.
    pub(super) fn begins_after(&self) -> Option<i64> {
        self.begins_after
    }

    /// The earlier windows.
    pub(super) fn past(&self) -> &Past {
        &self.past
    }

    /// End of the first window with rows or labels.
    pub(super) fn first_end(&self) -> Option<i64> {
        self.first_end
    }

    /// Remembers a window that was closed, or corrected.
    pub(super) fn keep(&mut self, end: i64, counts: &CutCounts) {
        if counts.events + counts.labels > 0 {
            self.first_end = Some(self.first_end.map_or(end, |first| first.min(end)));
        }
        self.past.push(EventTime(end), counts.events, &counts.columns);
    }

    /// Forgets what was computed with a window that has changed.
    pub(super) fn correct(&mut self, pane: i64) {
        self.ahead = self.ahead.take().filter(|(end, _)| *end <= pane);
    }

    /// The detectors after the last whole window that ends at or before the one
    /// with these counts. `earlier` gives a window's counts by its end.
    pub(super) fn detectors_at(
        &mut self,
        (end, counts): (i64, &CutCounts),
        scene: &Scene<'_>,
        earlier: impl Fn(i64) -> CutCounts,
    ) -> &[Detector] {
        let usable = self.ahead.take().filter(|(until, _)| *until <= end && self.taken_until < Some(*until));
        let (mut until, mut detectors) =
            usable.unwrap_or_else(|| (self.taken_until.unwrap_or(i64::MIN), self.detectors.clone()));
        for &next in scene.pending.iter().filter(|&&next| next <= end) {
            if next <= until {
                continue;
            }
            if next == end {
                take(&mut detectors, scene, next, counts);
            } else {
                take(&mut detectors, scene, next, &earlier(next));
            }
            until = next;
        }
        &self.ahead.insert((until, detectors)).1
    }

    /// Takes the windows that end at or before `until` for good.
    pub(super) fn settle(&mut self, until: i64, scene: &Scene<'_>, counts_of: impl Fn(i64) -> CutCounts) {
        for &end in scene.pending.iter().filter(|&&end| end <= until) {
            if self.taken_until >= Some(end) {
                continue;
            }
            match self.ahead.take() {
                Some((ahead, detectors)) if ahead == end => self.detectors = detectors,
                other => {
                    take(&mut self.detectors, scene, end, &counts_of(end));
                    self.ahead = other;
                }
            }
            self.taken_until = Some(end);
        }
    }

    /// Bytes on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let ahead = self.ahead.as_ref().map_or(0, |(_, detectors)| detectors.len());
        self.past.heap_bytes() + (self.detectors.len() + ahead) * DETECTOR_BYTES
    }
}

/// How long after its end a window may be written again: within its grace, and
/// together with one that is.
fn late_ms(settings: &WindowSettings) -> i64 {
    settings.grace_ms + settings.size_ms
}

/// What else the evidence of a stream depends on.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) basis: &'a Basis,
    /// Ends of the whole windows with rows that are still there.
    pub(super) pending: BTreeSet<i64>,
    /// Ends of the first whole windows of the model's streams.
    pub(super) first_ends: &'a [i64],
    /// False alarms that the model may give in one window.
    pub(super) rate: f64,
}

impl Scene<'_> {
    /// The stream's share of the false alarms in the window that ends at `end`:
    /// the streams that there are by then have equal ones.
    pub(super) fn rate_at(&self, end: i64) -> f64 {
        let streams = self.first_ends.iter().filter(|&&first| first <= end).count().max(1);
        #[expect(clippy::cast_precision_loss, reason = "streams are few")]
        let share = self.rate / streams as f64;
        share
    }
}

/// One window for all series.
fn take(detectors: &mut [Detector], scene: &Scene<'_>, end: i64, counts: &CutCounts) {
    let series = &scene.basis.series;
    let bar = log_bar(series.len(), scene.rate_at(end));
    let windows = counts.columns.iter().chain(counts.segments.iter().flatten());
    for ((detector, series), window) in detectors.iter_mut().zip(series).zip(windows) {
        let rows = window.iter().sum();
        if rows > 0 {
            detector.update(&series.counts, window, series.design_effect(rows), bar);
        }
    }
}
