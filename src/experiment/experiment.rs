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
    change::{ExperimentAction, ExperimentChange},
    exposure::{Exposure, Exposures},
    pane::Pane,
    report,
    run::Run,
    settings::{Design, ExperimentSettings},
    totals::{Lost, Totals, split_at},
    values::EventView,
    waiting::Waiting,
};
use crate::{
    decode::Row,
    drift::DriftSettings,
    event::{EventKind, EventTime},
    reference::Reference,
    result::ExperimentResult,
    window::{WindowSettings, pane_start},
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
    windows: WindowSettings,
    pub(super) memory: Memory,
}

/// What a restart goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    id: String,
    /// The settings that give its numbers their meaning.
    meaning: String,
    run: Run,
    pub(super) panes: BTreeMap<i64, Pane>,
    pub(super) waiting: Waiting,
    exposures: Exposures,
    /// What was left out, by the start of the window with which it is said.
    lost: BTreeMap<i64, Lost>,
    totals: Totals,
    /// End of the last window that was looked at.
    looked_until: Option<i64>,
    latest: Option<ExperimentResult>,
}

/// Beyond these no window of a memory can begin: as far as times of events go.
const FURTHEST_MS: i64 = 1 << 44;

impl Memory {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether one that was read back can be gone on from with these settings.
    fn fits(&self, settings: &ExperimentSettings, windows: &WindowSettings) -> bool {
        let is_start = |start: &i64| {
            (-FURTHEST_MS..=FURTHEST_MS).contains(start) && start.rem_euclid(windows.slide_ms) == 0
        };
        self.meaning == meaning(settings, windows)
            && self.totals.fits(settings)
            && self.panes.iter().all(|(start, pane)| is_start(start) && pane.fits(settings))
    }

    /// Where something is counted that is left out; `window` is its start.
    pub(super) fn lose(&mut self, window: i64) -> &mut Lost {
        self.lost.entry(window).or_default()
    }
}

impl Experiment {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(settings: ExperimentSettings, windows: WindowSettings) -> Self {
        let memory = Memory {
            id: settings.id.clone(),
            meaning: meaning(&settings, &windows),
            run: Run::default(),
            panes: BTreeMap::new(),
            waiting: Waiting::default(),
            exposures: Exposures::default(),
            lost: BTreeMap::new(),
            totals: Totals::new(&settings),
            looked_until: None,
            latest: None,
        };
        Self { settings, windows, memory }
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
        *self = Self::new(self.settings.clone(), self.windows.clone());
        self.memory.run = run;
    }

    /// Goes on from a memory. Of one of other settings nothing is kept but whether it
    /// was started.
    pub(super) fn restore(&mut self, memory: &Memory, reference: Option<&Reference>) {
        // What was started or stopped since is not in the memory.
        let run = if self.memory.run.is_later_than(&memory.run) { &self.memory.run } else { &memory.run };
        // One that went on is not begun anew by being told of again before it was known.
        let own = &self.memory.run.release;
        let goes_on = own.is_some() && *own == memory.run.release && memory.run.until.is_none();
        let run = if goes_on && self.memory.run.until.is_none() { memory.run.clone() } else { run.clone() };
        let is_same_run = (&run.release, run.from) == (&memory.run.release, memory.run.from);
        if is_same_run && memory.fits(&self.settings, &self.windows) {
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
                let release = Some(release.clone()).filter(|release| !release.is_empty());
                let is_running = run.until.is_none() && run.from.is_some();
                if is_running && release.is_some() && run.release == release {
                    return None;
                }
                self.restart();
                self.memory.run = Run { release, from: Some(change.at.0), until: None };
                let start = self.start_of(change.at.0);
                let nothing = ExperimentResult {
                    start: EventTime(start - self.windows.slide_ms),
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

    /// Takes an event of its model.
    pub fn take(&mut self, event: EventView<'_, '_>, row: &Row, model: Option<ModelView<'_>>) {
        let Some((from, until)) = self.times() else { return };
        let time = event.envelope.time.0;
        match event.envelope.kind {
            EventKind::Label if time >= from => self.take_label(event),
            EventKind::Prediction if (from..until).contains(&time) => {
                self.take_prediction(event, row, model);
            }
            _ => {}
        }
    }

    pub(super) fn needs_labels(&self) -> bool {
        self.settings.needs_labels()
    }

    /// Start of the window of a time.
    pub(super) fn start_of(&self, time: i64) -> i64 {
        pane_start(&self.windows, EventTime(time)).0
    }

    pub(super) fn slide_ms(&self) -> i64 {
        self.windows.slide_ms
    }

    fn take_prediction(&mut self, event: EventView<'_, '_>, row: &Row, model: Option<ModelView<'_>>) {
        let time = event.envelope.time.0;
        let (start, slide) = (self.start_of(time), self.slide_ms());
        let Self { settings, memory, .. } = self;
        let Some(arm) = event.arm(settings) else {
            memory.lose(start).other_arms += 1;
            return;
        };
        if let Some(until) = memory.looked_until.filter(|until| start < *until) {
            memory.lose(until - slide).late += 1;
            return;
        }
        let unit = event.unit(settings);
        let Ok(arm_number) = u8::try_from(arm) else { return };
        let is_split = settings.design == Design::Split;
        let exposure = unit
            .filter(|_| is_split)
            .map(|unit| memory.exposures.see(unit, (arm_number, time), settings.most_units));
        match exposure {
            Some(Exposure::Crossed | Exposure::Several) => {
                let lost = memory.lose(start);
                lost.several_units += u64::from(exposure == Some(Exposure::Crossed));
                lost.several_events += 1;
                return;
            }
            Some(Exposure::Unknown) => memory.lose(start).unknown_units += 1,
            Some(Exposure::Earlier(before)) => self.unexpose(arm, before),
            Some(Exposure::First | Exposure::Again) | None => {}
        }
        let Self { settings, memory, .. } = self;
        let bucket = unit.and_then(|unit| u8::try_from(unit >> 56).ok());
        let pane = memory.panes.entry(start).or_insert_with(|| Pane::new(settings));
        let Some(counted) = pane.arms.get_mut(arm) else { return };
        counted.events += 1;
        let is_new_unit = matches!(exposure, Some(Exposure::First | Exposure::Earlier(_)));
        if is_new_unit || exposure.is_none() {
            counted.expose(split_at(settings, time).map(|(from, _)| from), is_new_unit);
        }
        if let Some(model) = model {
            counted.count_columns(model.reference, &row.cells);
        }
        if is_split {
            let metrics = settings.metrics.iter().zip(&mut counted.metrics);
            for (metric, sums) in metrics.filter(|(metric, _)| !metric.needs_label()) {
                sums.take(metric, event.reading(metric), bucket);
            }
        }
        if self.needs_labels() || !is_split {
            self.wait(event, arm_number, bucket);
        }
    }

    /// A unit that was counted at `time` has an earlier event.
    fn unexpose(&mut self, arm: usize, time: i64) {
        let start = self.start_of(time);
        let split = split_at(&self.settings, time).map(|(from, _)| from);
        let pane = self.memory.panes.get_mut(&start).filter(|pane| !pane.is_looked_at);
        if let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(arm)) {
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
        let settled = watermark.saturating_sub(self.wait_ms());
        while let Some(end) = self.next_end().filter(|end| *end <= settled) {
            let result = self.look(end, watermark == i64::MAX, model);
            self.memory.latest = Some(result.clone());
            results.push(result);
        }
    }

    /// Lower bound of the watermark at which there is something to look at.
    #[must_use]
    pub fn next_look(&self) -> Option<i64> {
        Some(self.next_end()?.saturating_add(self.wait_ms()))
    }

    /// How long after its end a window may still change.
    fn wait_ms(&self) -> i64 {
        let pairs = match self.settings.design {
            Design::Split => 0,
            Design::Shadow { pair_timeout_ms, .. } => pair_timeout_ms,
        };
        self.windows.grace_ms.saturating_add(pairs)
    }

    /// By how many windows' time labels are waited for.
    pub(super) fn label_wait_ms(&self) -> i64 {
        if !self.needs_labels() {
            return 0;
        }
        let slide = self.windows.slide_ms;
        self.settings.label_delay_ms.saturating_add(slide - 1).div_euclid(slide).saturating_mul(slide)
    }

    fn next_end(&self) -> Option<i64> {
        let slide = self.windows.slide_ms;
        // Panes that begin before were looked at.
        let from = self.memory.looked_until.unwrap_or(i64::MIN);
        let unseen = self.memory.panes.range(from..).find(|(_, pane)| !pane.is_looked_at);
        let unseen = unseen.map(|(start, _)| start + slide);
        let labelled = self.memory.panes.iter().next().filter(|_| self.needs_labels());
        let labelled = labelled.map(|(start, _)| (start + slide).saturating_add(self.label_wait_ms()));
        [unseen, labelled].into_iter().flatten().min()
    }

    /// Looks at the window that ends at `end`, and at the labels of the one that is
    /// old enough then. With `is_all_read` no further event comes.
    fn look(&mut self, end: i64, is_all_read: bool, model: Option<ModelView<'_>>) -> ExperimentResult {
        let slide = self.windows.slide_ms;
        let label_wait = self.label_wait_ms();
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
        while let Some(lost) = memory.lost.first_entry()
            && (is_last || *lost.key() < end)
        {
            let lost = lost.remove();
            memory.totals.lost.add(lost);
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
            ..report::nothing(&self.settings, self.windows.slide_ms, run.phase(&self.settings, 0))
        })
    }
}

/// What its numbers depend on: all but when it ends and which splits come later.
fn meaning(settings: &ExperimentSettings, windows: &WindowSettings) -> String {
    let constant = ExperimentSettings { ends_at: None, splits: Vec::new(), ..settings.clone() };
    format!("{:?} {constant:?}", windows.slide_ms)
}
