//! One experiment: events in, looks out.
//!
//! Windows are looked at one after another, once each, when nothing can change them
//! any more: when the watermark has passed their end, the grace and, of shadows, the
//! time in which the other answer may come. Metrics that need labels look at a window
//! later by the label delay, of all arms alike, so that no arm is judged by its fast
//! labels. So a look is never taken back.
//!
//! What a look says is of the events before its end and of no other, whatever was
//! read ahead: counts of what is left out wait for their window, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    arm::ArmIndex,
    change::{ExperimentAction, ExperimentChange},
    exposure::{Exposure, Exposures},
    meaning::meaning,
    pane::Pane,
    report,
    run::Run,
    settings::{Design, ExperimentSettings},
    timing::Timing,
    totals::{LeftOut, Totals, split_at},
    values::EventView,
    waiting::Waiting,
};
use crate::{
    decode::Row,
    drift::DriftSettings,
    event::{EventKind, EventTime},
    meaning::{Meaning, difference},
    reference::Reference,
    result::ExperimentResult,
    window::WindowSettings,
};

/// What counting and comparing distributions needs of the model.
#[derive(Debug, Clone, Copy)]
pub struct ModelView<'a> {
    /// Its reference.
    pub reference: &'a Reference,
    /// How distances are judged.
    pub drift: &'a DriftSettings,
}

/// An experiment with all that it remembers.
#[derive(Debug, Clone)]
pub struct Experiment {
    pub(super) settings: ExperimentSettings,
    pub(super) timing: Timing,
    pub(super) memory: Memory,
}

/// What an event is the first of, of what a split assigns to arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assigned {
    /// Itself: it names no unit.
    Event,
    /// Its unit.
    Unit,
    /// Nothing: its unit was assigned before, or is not remembered.
    Before,
}

/// What a restart goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    id: String,
    /// The settings that give its numbers theirs.
    meaning: Meaning,
    run: Run,
    pub(super) panes: BTreeMap<i64, Pane>,
    pub(super) waiting: Waiting,
    exposures: Exposures,
    /// What was left out, by the start of the window with which it is said.
    left_out: BTreeMap<i64, LeftOut>,
    totals: Totals,
    /// End of the last window that was looked at.
    looked_until: Option<i64>,
    latest: Option<ExperimentResult>,
}

/// Beyond these no window of a memory can begin: as far as times of events go.
const FURTHEST_MS: i64 = 1 << 44;

impl Memory {
    /// Nothing counted yet.
    fn new(settings: &ExperimentSettings, timing: &Timing) -> Self {
        Self {
            id: settings.id.clone(),
            meaning: meaning(settings, timing.slide()),
            run: Run::default(),
            panes: BTreeMap::new(),
            waiting: Waiting::default(),
            exposures: Exposures::default(),
            left_out: BTreeMap::new(),
            totals: Totals::new(settings),
            looked_until: None,
            latest: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Why one that was read back can't be gone on from with these settings, if so.
    fn misfit(&self, settings: &ExperimentSettings, timing: &Timing) -> Option<String> {
        let is_start =
            |start: &i64| (-FURTHEST_MS..=FURTHEST_MS).contains(start) && timing.start_of(*start) == *start;
        let change = difference(&self.meaning, &meaning(settings, timing.slide()));
        change.or_else(|| {
            let fits = self.totals.fits(settings)
                && self.panes.iter().all(|(start, pane)| is_start(start) && pane.fits(settings));
            (!fits).then(|| "its counts in the checkpoint do not fit its settings".to_owned())
        })
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.panes.is_empty() && self.totals.began.is_none()
    }

    /// Where something is counted that is left out; `window` is its start.
    pub(super) fn leave_out(&mut self, window: i64) -> &mut LeftOut {
        self.left_out.entry(window).or_default()
    }
}

impl Experiment {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(settings: ExperimentSettings, windows: WindowSettings) -> Self {
        let timing = Timing::new(&settings, windows);
        let memory = Memory::new(&settings, &timing);
        Self { settings, timing, memory }
    }

    /// What it is.
    #[must_use]
    pub fn settings(&self) -> &ExperimentSettings {
        &self.settings
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Forgets all that came from events; whether it was started did not.
    pub fn restart(&mut self) {
        let run = std::mem::take(&mut self.memory.run);
        self.memory = Memory { run, ..Memory::new(&self.settings, &self.timing) };
    }

    /// Why it begins anew although there is a memory of something, if so.
    pub(super) fn anew(&self, memory: &Memory) -> Option<String> {
        memory.misfit(&self.settings, &self.timing).filter(|_| !memory.is_empty())
    }

    /// Takes of a memory only whether it was started.
    pub(super) fn restore_run(&mut self, memory: &Memory) {
        let run = self.run_after(memory);
        self.restart();
        self.memory.run = run;
    }

    /// How it was started and stopped: in the memory, or since.
    fn run_after(&self, memory: &Memory) -> Run {
        let own = &self.memory.run;
        if own.is_later_than(&memory.run) { own.clone() } else { memory.run.clone() }
    }

    /// Goes on from a memory. Of one of other settings nothing is kept but whether it
    /// was started.
    pub(super) fn restore(&mut self, memory: &Memory, reference: Option<&Reference>) {
        let run = self.run_after(memory);
        let is_same_run = (&run.release, run.from) == (&memory.run.release, memory.run.from);
        if is_same_run && memory.misfit(&self.settings, &self.timing).is_none() {
            self.memory = memory.clone();
            self.memory.panes.values_mut().for_each(|pane| pane.keep_columns_of(reference));
        } else {
            self.restart();
        }
        self.memory.run = run;
        self.note_phase();
    }

    /// Begins, begins anew or ends; what is said then, where that is something new.
    pub fn change(&mut self, change: &ExperimentChange) -> Option<ExperimentResult> {
        let run = &self.memory.run;
        match &change.action {
            ExperimentAction::Start { release } => {
                let is_over = self.settings.ends_at.is_some_and(|ends| ends <= change.at);
                let latest = self.latest();
                if latest.is_of(release) && (is_over || !latest.is_begun_by(release)) {
                    return None;
                }
                let release = Some(release.clone()).filter(|release| !release.is_empty());
                self.restart();
                self.memory.run = Run { release, from: Some(change.at.0), until: None };
                let start = self.timing.start_of(change.at.0);
                let nothing = ExperimentResult {
                    start: EventTime(start - self.timing.slide()),
                    end: EventTime(start),
                    ..self.latest()
                };
                self.memory.latest = Some(nothing);
            }
            ExperimentAction::Stop if run.until.is_some() => return None,
            ExperimentAction::Stop => self.memory.run.until = Some(change.at.0),
        }
        self.note_phase();
        self.memory.latest.clone()
    }

    fn note_phase(&mut self) {
        if let Some(latest) = &mut self.memory.latest {
            latest.phase = self.memory.run.phase(&self.settings, latest.end.0);
        }
    }

    /// From when on and until when it counts; `None` before it was started.
    fn times(&self) -> Option<(i64, i64)> {
        self.memory.run.times(&self.settings)
    }

    /// Takes an event of its model, and says whether a window begins with it.
    pub fn take(&mut self, event: EventView<'_, '_>, row: &Row, model: Option<ModelView<'_>>) -> bool {
        let Some((from, until)) = self.times() else { return false };
        let time = event.envelope.time.0;
        match event.envelope.kind {
            EventKind::Prediction if (from..until).contains(&time) => {
                return self.take_prediction(event, row, model);
            }
            EventKind::Label if time >= from => self.take_label(event),
            _ => {}
        }
        false
    }

    fn take_prediction(&mut self, event: EventView<'_, '_>, row: &Row, model: Option<ModelView<'_>>) -> bool {
        let time = event.envelope.time.0;
        let start = self.timing.start_of(time);
        let Some(arm) = event.arm(&self.settings) else {
            self.memory.leave_out(start).other_arms += 1;
            return false;
        };
        if let Some(until) = self.memory.looked_until.filter(|until| start < *until) {
            let window = until - self.timing.slide();
            self.memory.leave_out(window).note_late(arm);
            return false;
        }
        let unit = event.unit(&self.settings);
        let Some(assigned) = self.assign(unit, arm, time) else { return false };
        let Self { settings, memory, .. } = self;
        let bucket = unit.and_then(|unit| u8::try_from(unit >> 56).ok());
        let is_begun = !memory.panes.contains_key(&start);
        let pane = memory.panes.entry(start).or_insert_with(|| Pane::new(settings));
        let Some(counted) = pane.arms.get_mut(arm.index()) else { return is_begun };
        counted.events += 1;
        if assigned != Assigned::Before {
            let split = split_at(settings, time).map(|(from, _)| from);
            counted.expose(split, assigned == Assigned::Unit);
        }
        if let Some(model) = model {
            counted.count_columns(model.reference, &row.cells);
        }
        let is_split = settings.design == Design::Split;
        if is_split {
            let metrics = settings.metrics.iter().zip(&mut counted.metrics);
            for (metric, sums) in metrics.filter(|(metric, _)| !metric.needs_label()) {
                sums.take(metric, event.reading(metric), bucket);
            }
        }
        if self.timing.needs_labels() || !is_split {
            self.wait(event, arm, bucket);
        }
        is_begun
    }

    /// What an event assigns to its arm; nothing of a unit that was seen in several,
    /// whose events are left out.
    fn assign(&mut self, unit: Option<u64>, arm: ArmIndex, time: i64) -> Option<Assigned> {
        let Some(unit) = unit.filter(|_| self.settings.design == Design::Split) else {
            return Some(Assigned::Event);
        };
        let start = self.timing.start_of(time);
        let Self { settings, memory, .. } = self;
        let exposure = memory.exposures.see(unit, (arm, time), settings.most_units);
        match exposure {
            Exposure::Crossed | Exposure::Several => {
                let lost = memory.leave_out(start);
                lost.several_units += u64::from(exposure == Exposure::Crossed);
                lost.several_events += 1;
                return None;
            }
            Exposure::Unknown => memory.leave_out(start).unknown_units += 1,
            Exposure::Earlier(before) => self.unexpose(arm, before),
            Exposure::First | Exposure::Again => {}
        }
        Some(match exposure {
            Exposure::First | Exposure::Earlier(_) => Assigned::Unit,
            _ => Assigned::Before,
        })
    }

    /// A unit that was counted at `time` has an earlier event.
    fn unexpose(&mut self, arm: ArmIndex, time: i64) {
        let start = self.timing.start_of(time);
        let split = split_at(&self.settings, time).map(|(from, _)| from);
        let pane = self.memory.panes.get_mut(&start).filter(|pane| !pane.is_looked_at);
        if let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(arm.index())) {
            counted.unexpose(split);
        }
    }

    /// Looks at all windows that can't change any more at this watermark, and gives
    /// what is said after each.
    pub fn advance(
        &mut self,
        watermark: i64,
        model: Option<ModelView<'_>>,
        results: &mut Vec<ExperimentResult>,
    ) {
        let settled = watermark.saturating_sub(self.timing.wait());
        while let Some(end) = self.next_end().filter(|end| *end <= settled) {
            let result = self.look(end, watermark == i64::MAX, model);
            self.memory.latest = Some(result.clone());
            results.push(result);
        }
    }

    /// Lower bound of the watermark at which there is something to look at.
    #[must_use]
    pub fn next_look(&self) -> Option<i64> {
        Some(self.next_end()?.saturating_add(self.timing.wait()))
    }

    fn next_end(&self) -> Option<i64> {
        let slide = self.timing.slide();
        // Panes that begin before were looked at.
        let from = self.memory.looked_until.unwrap_or(i64::MIN);
        let unseen = self.memory.panes.range(from..).find(|(_, pane)| !pane.is_looked_at);
        let unseen = unseen.map(|(start, _)| start + slide);
        let labelled = self.memory.panes.iter().next().filter(|_| self.timing.needs_labels());
        let labelled = labelled.map(|(start, _)| (start + slide).saturating_add(self.timing.label_wait()));
        [unseen, labelled].into_iter().flatten().min()
    }

    /// Looks at the window that ends at `end`, and at the labels of the one that is
    /// old enough then. With `is_all_read` no further event comes.
    fn look(&mut self, end: i64, is_all_read: bool, model: Option<ModelView<'_>>) -> ExperimentResult {
        let (slide, label_wait) = (self.timing.slide(), self.timing.label_wait());
        let matured = end.saturating_sub(label_wait);
        let Self { settings, memory, .. } = self;
        let start = end - slide;
        if let Some(pane) = memory.panes.get_mut(&start).filter(|pane| !pane.is_looked_at) {
            memory.totals.take(settings, start, pane);
        }
        memory.looked_until = memory.looked_until.max(Some(end));
        let last = memory.panes.get(&start);
        let distributions = report::distributions(settings, last, model);
        if let Some(pane) = memory.panes.get_mut(&start) {
            pane.keep_labels(settings);
        }
        while let Some(first) = memory.panes.first_entry()
            && first.key() + slide <= matured
        {
            let pane = first.remove();
            memory.totals.take_labelled(settings, &pane);
        }
        let is_last = is_all_read && memory.panes.is_empty();
        // Answers of windows that are over, and labels of which no prediction can come.
        let labels = start.saturating_sub(label_wait);
        self.expire(if is_last { (i64::MAX, i64::MAX) } else { (matured, labels) });
        let Self { settings, memory, .. } = self;
        while let Some(left_out) = memory.left_out.first_entry()
            && (is_last || *left_out.key() < end)
        {
            memory.totals.left_out.add(&left_out.remove());
        }
        let run = memory.run.clone();
        let result = report::result(
            settings,
            &mut memory.totals,
            distributions,
            report::Times { start, end, slide, phase: run.phase(settings, end) },
        );
        ExperimentResult { release: run.release, ..result }
    }

    /// What is said now: after the last look, or before there was one.
    #[must_use]
    pub fn latest(&self) -> ExperimentResult {
        let Memory { latest, run, .. } = &self.memory;
        latest.clone().unwrap_or_else(|| ExperimentResult {
            release: run.release.clone(),
            ..report::nothing(&self.settings, self.timing.slide(), run.phase(&self.settings, 0))
        })
    }
}
