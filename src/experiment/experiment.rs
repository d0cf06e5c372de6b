//! One experiment: events in, looks out.
//!
//! Windows are looked at one after another, once each, when nothing can change them
//! any more: when the watermark has passed their end, the grace and, of shadows, the
//! time in which the other answer may come. Metrics that need labels look at a window
//! later by the label delay, of all arms alike, so that no arm is judged by its fast
//! labels. So a look is never taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    change::{ExperimentAction, ExperimentChange},
    exposure::{Exposure, Exposures},
    pane::{PairPane, Pane},
    report,
    settings::{Design, ExperimentSettings, MetricSettings},
    totals::Totals,
    values::{EventView, Outcome, Reading, labelled},
    waiting::{Answer, Entry, Waiting},
};
use crate::{
    decode::Row,
    drift::DriftSettings,
    event::{EventKind, EventTime},
    reference::Reference,
    result::{ExperimentPhase, ExperimentResult},
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
    settings: ExperimentSettings,
    windows: WindowSettings,
    memory: Memory,
}

/// What a restart goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    id: String,
    /// The settings that give its numbers their meaning.
    meaning: String,
    run: Run,
    panes: BTreeMap<i64, Pane>,
    waiting: Waiting,
    exposures: Exposures,
    totals: Totals,
    /// End of the last window that was looked at.
    looked_until: Option<i64>,
    latest: Option<ExperimentResult>,
}

/// Since when it counts, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    /// What was started from outside.
    release: Option<String>,
    from: Option<i64>,
    until: Option<i64>,
}

impl Memory {
    pub(super) fn id(&self) -> &str {
        &self.id
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

    /// Forgets all that came from events; that it was started, or stopped, did not.
    pub fn restart(&mut self) {
        let run = self.memory.run.clone();
        *self = Self::new(self.settings.clone(), self.windows.clone());
        self.memory.run = run;
    }

    /// Goes on from a memory of the same settings; `false` when it is of others.
    pub(super) fn restore(&mut self, memory: &Memory, reference: Option<&Reference>) -> bool {
        let is_same = memory.meaning == self.memory.meaning
            && memory.totals.fits(&self.settings)
            && memory.panes.values().all(|pane| pane.fits(&self.settings));
        if is_same && self.memory.run.from > memory.run.from {
            // It was started anew since.
            self.restart();
        } else if is_same {
            let own = std::mem::replace(&mut self.memory, memory.clone()).run;
            if own.from == memory.run.from && memory.run.until.is_none() {
                self.memory.run.until = own.until;
            }
            self.memory.panes.values_mut().for_each(|pane| pane.keep_columns_of(reference));
        }
        is_same
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
                let start = self.pane_of(change.at.0);
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
        let latest = self.memory.latest.as_mut()?;
        latest.phase = phase(&self.settings, &self.memory.run, latest.end.0);
        Some(latest.clone())
    }

    /// Start of the window that a time lies in.
    fn pane_of(&self, time: i64) -> i64 {
        time.div_euclid(self.windows.slide_ms) * self.windows.slide_ms
    }

    /// From when on and until when it counts; `None` before it was started.
    fn times(&self) -> Option<(i64, i64)> {
        times(&self.settings, &self.memory.run)
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

    fn needs_labels(&self) -> bool {
        self.settings.metrics.iter().any(MetricSettings::needs_label)
    }

    fn take_prediction(&mut self, event: EventView<'_, '_>, row: &Row, model: Option<ModelView<'_>>) {
        let Self { settings, memory, windows } = self;
        let Some(arm) = event.arm(settings) else {
            memory.totals.lost.other_arms += 1;
            return;
        };
        let time = event.envelope.time.0;
        let start = time.div_euclid(windows.slide_ms) * windows.slide_ms;
        if memory.looked_until.is_some_and(|until| start < until) {
            memory.totals.lost.late += 1;
            return;
        }
        let unit = event.unit(settings);
        let Ok(arm_number) = u8::try_from(arm) else { return };
        let is_split = settings.design == Design::Split;
        let exposure =
            unit.filter(|_| is_split).map(|unit| memory.exposures.see(unit, arm_number, settings.most_units));
        match exposure {
            Some(Exposure::Crossed | Exposure::Several) => {
                memory.totals.lost.several_units += u64::from(exposure == Some(Exposure::Crossed));
                memory.totals.lost.several_events += 1;
                return;
            }
            Some(Exposure::Unknown) => memory.totals.lost.unknown_units += 1,
            Some(Exposure::First | Exposure::Again) | None => {}
        }
        let bucket = unit.and_then(|unit| u8::try_from(unit >> 56).ok());
        let pane = memory.panes.entry(start).or_insert_with(|| Pane::new(settings));
        let Some(counted) = pane.arms.get_mut(arm) else { return };
        counted.events += 1;
        counted.units += u64::from(exposure == Some(Exposure::First));
        counted.exposed += u64::from(exposure.is_none_or(|exposure| exposure == Exposure::First));
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
            self.wait(event, arm_number, (bucket, start));
        }
    }

    /// Has a prediction wait for its label and for other answers.
    fn wait(&mut self, event: EventView<'_, '_>, arm: u8, (bucket, start): (Option<u8>, i64)) {
        let Some(id) = event.id() else {
            self.memory.totals.lost.unmatched += 1;
            return;
        };
        let is_split = self.settings.design == Design::Split;
        let values: Vec<Option<i64>> = if is_split {
            let labelled = self.settings.metrics.iter().filter(|metric| metric.needs_label());
            labelled.flat_map(|metric| &metric.covariates).map(|of| event.covariate(of)).collect()
        } else {
            self.shadow_values(event, start, arm)
        };
        let answer = Answer {
            arm,
            bucket,
            pane: start,
            score: event.score(),
            class: event.class(),
            values: values.into(),
        };
        let most = self.settings.most_waiting;
        let offered = self.memory.waiting.answer(id, event.envelope.time.0, answer, most);
        self.memory.totals.lost.unmatched += offered.lost + u64::from(!offered.is_new);
        if !offered.is_new {
            return;
        }
        if let Some(counted) = self.arm_pane(start, arm) {
            counted.labelable += 1;
        }
        let Some(entry) = self.memory.waiting.get(id).cloned() else { return };
        if !is_split {
            self.pair(&entry, arm);
        }
        if let Some(label) = entry.label {
            self.join_label(&entry, Some(arm), label);
        }
    }

    /// What one of several answers says to the metrics that need no label.
    fn shadow_values(&mut self, event: EventView<'_, '_>, start: i64, arm: u8) -> Vec<Option<i64>> {
        let Self { settings, memory, .. } = self;
        let pane = memory.panes.get_mut(&start).and_then(|pane| pane.arms.get_mut(usize::from(arm)));
        let mut sums = pane.map(|pane| pane.metrics.iter_mut()).into_iter().flatten();
        let metrics = settings.metrics.iter().map(|metric| {
            let reading = event.reading(metric);
            if let Some(sums) = sums.next() {
                sums.invalid += u64::from(reading == Reading::Invalid);
            }
            reading.first()
        });
        metrics.collect()
    }

    fn arm_pane(&mut self, start: i64, arm: u8) -> Option<&mut super::pane::ArmPane> {
        self.memory.panes.get_mut(&start)?.arms.get_mut(usize::from(arm))
    }

    fn take_label(&mut self, event: EventView<'_, '_>) {
        if !self.needs_labels() {
            return;
        }
        let (Some(id), Some(label)) = (event.id(), event.label()) else {
            self.memory.totals.lost.unmatched += 1;
            return;
        };
        let most = self.settings.most_waiting;
        let offered = self.memory.waiting.label(id, event.envelope.time.0, label, most);
        self.memory.totals.lost.unmatched += offered.lost + u64::from(!offered.is_new);
        if offered.is_new
            && let Some(entry) = self.memory.waiting.get(id).cloned()
        {
            self.join_label(&entry, None, label);
        }
    }

    /// Counts the label of an entry: for all of its answers, or for the one that came
    /// last.
    fn join_label(&mut self, entry: &Entry, only: Option<u8>, label: Outcome) {
        let is_wanted = |answer: &&Answer| only.is_none_or(|arm| arm == answer.arm);
        for answer in entry.answers().filter(is_wanted) {
            self.label_answer(answer, label);
        }
        if self.settings.design == Design::Split {
            return;
        }
        let Some(control) = entry.answer_of(0) else { return };
        for answer in entry.answers().filter(|answer| answer.arm != 0) {
            // The pairs that were complete before the last answer have their label.
            let is_new = only.is_none_or(|arm| arm == 0 || arm == answer.arm);
            if is_new {
                self.label_pair(control, answer, label);
            }
        }
    }

    fn label_answer(&mut self, answer: &Answer, label: Outcome) {
        let Self { settings, memory, .. } = self;
        let pane = memory.panes.get_mut(&answer.pane);
        let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(usize::from(answer.arm))) else {
            memory.totals.lost.unmatched += 1;
            return;
        };
        counted.labelled += 1;
        if settings.design != Design::Split {
            return;
        }
        let mut covariates = answer.values.iter();
        let metrics = settings.metrics.iter().zip(&mut counted.metrics);
        for (metric, sums) in metrics.filter(|(metric, _)| metric.needs_label()) {
            let own: Vec<Option<i64>> = covariates.by_ref().take(metric.covariates.len()).copied().collect();
            let reading = labelled(metric, (answer.score, answer.class), label).with(&own);
            sums.take(metric, reading, answer.bucket);
        }
    }

    /// Pairs the answer of `arm` with the control's, or the control's with all others.
    fn pair(&mut self, entry: &Entry, arm: u8) {
        let Some(control) = entry.answer_of(0) else { return };
        let others = entry.answers().filter(|answer| answer.arm != 0 && (arm == 0 || answer.arm == arm));
        for answer in others {
            let place = usize::from(answer.arm).saturating_sub(1);
            let Some(pane) = self.memory.panes.get_mut(&control.pane).filter(|pane| !pane.is_looked_at)
            else {
                self.memory.totals.lost.unmatched += 1;
                continue;
            };
            let Some(pairs) = pane.pairs.get_mut(place) else { continue };
            compare(&self.settings, pairs, control, answer);
        }
    }

    fn label_pair(&mut self, control: &Answer, answer: &Answer, label: Outcome) {
        let place = usize::from(answer.arm).saturating_sub(1);
        let pane = self.memory.panes.get_mut(&control.pane);
        let Some(pairs) = pane.and_then(|pane| pane.pairs.get_mut(place)) else { return };
        let metrics = self.settings.metrics.iter().zip(&mut pairs.metrics);
        for (metric, sums) in metrics.filter(|(metric, _)| metric.needs_label()) {
            let of = |answer: &Answer| labelled(metric, (answer.score, answer.class), label).first();
            match of(control).zip(of(answer)) {
                Some((mine, theirs)) => sums.take(mine, theirs, control.bucket),
                None => sums.invalid += 1,
            }
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
            let result = self.look(end, model);
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
            Design::Shadow { pair_timeout_ms } => pair_timeout_ms,
        };
        self.windows.grace_ms.saturating_add(pairs)
    }

    /// By how many windows' time labels are waited for.
    fn label_wait_ms(&self) -> i64 {
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

    fn look(&mut self, end: i64, model: Option<ModelView<'_>>) -> ExperimentResult {
        let slide = self.windows.slide_ms;
        let label_wait = self.label_wait_ms();
        let Self { settings, memory, .. } = self;
        let start = end - slide;
        if let Some(pane) = memory.panes.get_mut(&start).filter(|pane| !pane.is_looked_at) {
            memory.totals.take(settings, start, pane);
            pane.is_looked_at = true;
        }
        memory.looked_until = memory.looked_until.max(Some(end));
        let last = memory.panes.get(&start);
        let distributions = report::distributions(settings, last, model);
        let matured = end.saturating_sub(label_wait);
        while let Some(first) = memory.panes.first_entry()
            && first.key() + slide <= matured
        {
            let pane = first.remove();
            memory.totals.take_labelled(settings, &pane);
        }
        // Answers of windows that are over, and labels of which no prediction can come.
        let labels = memory.waiting.expire(matured, start);
        memory.totals.lost.unmatched += labels;
        let run = memory.run.clone();
        let result = report::result(
            settings,
            &mut memory.totals,
            distributions,
            report::Times { start, end, slide, phase: phase(settings, &run, end) },
        );
        ExperimentResult { release: run.release, ..result }
    }

    /// What is said now: after the last look, or before there was one.
    #[must_use]
    pub fn latest(&self) -> ExperimentResult {
        let Memory { latest, run, .. } = &self.memory;
        latest.clone().unwrap_or_else(|| ExperimentResult {
            release: run.release.clone(),
            ..report::nothing(&self.settings, self.windows.slide_ms, phase(&self.settings, run, 0))
        })
    }
}

/// Compares two answers to one request.
fn compare(settings: &ExperimentSettings, pairs: &mut PairPane, control: &Answer, answer: &Answer) {
    let values = control.values.iter().zip(&answer.values);
    for ((metric, sums), (mine, theirs)) in settings.metrics.iter().zip(&mut pairs.metrics).zip(values) {
        if !metric.needs_label()
            && let Some((mine, theirs)) = mine.zip(*theirs)
        {
            sums.take(mine, theirs, control.bucket);
        }
    }
    pairs.agreement.pairs += 1;
    let units = super::sums::Unit::COARSE;
    let score = |answer: &Answer| answer.score.and_then(|score| units.count(score));
    if let Some((mine, theirs)) = score(control).zip(score(answer)) {
        pairs.agreement.scores.add(&[mine, theirs], None);
    }
    if let Some((mine, theirs)) = control.class.zip(answer.class) {
        pairs.agreement.classes.0 += 1;
        pairs.agreement.classes.1 += u64::from(mine.word != theirs.word);
    }
}

fn times(settings: &ExperimentSettings, run: &Run) -> Option<(i64, i64)> {
    if settings.waits_for_start && run.from.is_none() {
        return None;
    }
    let from = settings.starts_at.map(|time| time.0).max(run.from).unwrap_or(i64::MIN);
    let until = [settings.ends_at.map(|time| time.0), run.until].into_iter().flatten().min();
    Some((from, until.unwrap_or(i64::MAX)))
}

/// Where it stands when windows up to `end` were looked at.
fn phase(settings: &ExperimentSettings, run: &Run, end: i64) -> ExperimentPhase {
    match times(settings, run) {
        None => ExperimentPhase::Waiting,
        Some(_) if run.until.is_some() => ExperimentPhase::Ended,
        Some((_, until)) if end >= until => ExperimentPhase::Ended,
        Some(_) => ExperimentPhase::Running,
    }
}

/// What its numbers depend on: all but when it ends and which splits come later.
fn meaning(settings: &ExperimentSettings, windows: &WindowSettings) -> String {
    let constant = ExperimentSettings { ends_at: None, splits: Vec::new(), ..settings.clone() };
    format!("{:?} {constant:?}", windows.slide_ms)
}
