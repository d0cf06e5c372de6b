//! What an experiment does with predictions that wait: for their label, and for the
//! answers of other arms to the same request.
//!
//! Promises: what is joined follows from event times alone. A label counts when its
//! time is before the end of the label delay, counted from the end of the prediction's
//! window in whole windows: that is when the window's labels are looked at, and all
//! that was before it has been read by then, whichever partition was faster. It may
//! also be earlier than its prediction, by as much. Two answers are a pair when their
//! times are no further apart than the pair timeout. What finds no counterpart is
//! counted when none can come any more.

use std::collections::BTreeMap;

use super::{
    arm::ArmIndex,
    class::Class,
    experiment::{Experiment, Memory},
    losses::labelled,
    pane::{PairPane, Pane},
    settings::{Design, ExperimentSettings},
    sums::Step,
    timing::Timing,
    values::{EventView, Reading},
    waiting::{Answer, Entry, Room},
};

impl Experiment {
    /// Has a prediction wait for its label and for other answers.
    pub(super) fn wait(&mut self, event: EventView<'_, '_>, arm: ArmIndex, bucket: Option<u8>) {
        let time = event.envelope.time.0;
        let start = self.timing.start_of(time);
        let Some(id) = event.id() else {
            self.memory.leave_out(start).unmatched += 1;
            return;
        };
        let is_split = self.settings.design == Design::Split;
        let values = if is_split {
            let labelled = self.settings.metrics.iter().filter(|metric| metric.needs_label());
            labelled.flat_map(|metric| &metric.covariates).map(|of| event.covariate(of)).collect()
        } else {
            self.shadow_values(event, start, arm)
        };
        let room = self.room();
        let Self { settings, timing, memory } = self;
        let answer = Answer { arm, bucket, time, predicted: event.prediction(), values };
        let offered =
            memory.waiting.answer(id, answer, room, |answer, label| timing.is_in_time(answer, label));
        if offered.lost > 0 || !offered.is_new {
            let lost = memory.leave_out(start);
            lost.crowded += offered.lost;
            lost.unmatched += u64::from(!offered.is_new);
        }
        if !offered.is_new {
            return;
        }
        let Memory { panes, waiting, .. } = memory;
        if let Some(counted) = panes.get_mut(&start).and_then(|pane| pane.arms.get_mut(arm.index())) {
            counted.labelable += 1;
            if bucket.is_some() {
                counted.coverage.add(&[0, 1], bucket);
            }
        }
        let Some(entry) = waiting.get(id) else { return };
        let mut joins = Joins { settings, timing, panes };
        joins.pair(entry, arm);
        if let Some(label) = entry.label {
            joins.join_label(entry, Some(arm), label);
        }
    }

    /// What one of several answers says to the metrics that need no label.
    fn shadow_values(&mut self, event: EventView<'_, '_>, start: i64, arm: ArmIndex) -> Box<[Option<i64>]> {
        let Self { settings, memory, .. } = self;
        let pane = memory.panes.get_mut(&start).and_then(|pane| pane.arms.get_mut(arm.index()));
        let mut sums = pane.map(|pane| pane.metrics.iter_mut()).into_iter().flatten();
        let metrics = settings.metrics.iter().map(|metric| {
            let reading = event.reading(metric);
            if let Some(sums) = sums.next() {
                sums.invalid += u64::from(reading == Reading::Invalid);
                sums.clamped += u64::from(reading.is_clamped());
            }
            reading.first()
        });
        metrics.collect()
    }

    pub(super) fn take_label(&mut self, event: EventView<'_, '_>) {
        if !self.timing.needs_labels() {
            return;
        }
        let time = event.envelope.time.0;
        let window = self.timing.start_of(time);
        let (Some(id), Some(label)) = (event.id(), event.label()) else {
            self.memory.leave_out(window).unmatched += 1;
            return;
        };
        let room = self.room();
        let Self { settings, timing, memory } = self;
        let offered =
            memory.waiting.label(id, (time, label), room, |answer, label| timing.is_in_time(answer, label));
        if offered.lost > 0 {
            memory.leave_out(window).crowded += offered.lost;
        }
        let Memory { panes, waiting, .. } = memory;
        if offered.is_new
            && let Some(entry) = waiting.get(id).filter(|entry| entry.is_joined)
        {
            Joins { settings, timing, panes }.join_label(entry, None, (time, label));
        }
        if let Some(time) = offered.surplus {
            self.lose_label(time);
        }
    }

    /// A label that counts nowhere is said to be lost when no prediction can come any
    /// more that it could be of.
    fn lose_label(&mut self, time: i64) {
        let window = self.timing.start_of(time).saturating_add(self.timing.slide());
        self.memory.leave_out(window.saturating_add(self.timing.label_wait())).unmatched += 1;
    }

    /// Lets go of answers from before `answers` and of labels from before `labels`.
    pub(super) fn expire(&mut self, (answers, labels): (i64, i64)) {
        let Self { settings, timing, memory } = self;
        let is_shadow = settings.design != Design::Split;
        let mut alone = Vec::new();
        let lost = memory.waiting.expire(answers, labels, |entry| {
            if is_shadow {
                alone.extend(without_control(timing, entry));
            }
        });
        for time in alone {
            memory.leave_out(timing.start_of(time)).unmatched += 1;
        }
        for time in lost {
            self.lose_label(time);
        }
    }

    fn room(&self) -> Room {
        let answers = match self.settings.design {
            Design::Split => 1,
            Design::Shadow { .. } => self.settings.arms.len(),
        };
        Room { most: self.settings.most_waiting, answers, has_label: self.timing.needs_labels() }
    }
}

/// Times of the answers of shadows that none of the control's belongs to.
fn without_control<'a>(timing: &'a Timing, entry: &'a Entry) -> impl Iterator<Item = i64> + use<'a> {
    let control = entry.answer_of(ArmIndex::CONTROL).map(|control| control.time);
    let is_alone = move |time: &i64| control.is_none_or(|control| !timing.is_pair(control, *time));
    let shadows = entry.answers().filter(|answer| answer.arm != ArmIndex::CONTROL);
    shadows.map(|answer| answer.time).filter(is_alone)
}

/// Where what was joined is counted.
struct Joins<'a> {
    settings: &'a ExperimentSettings,
    timing: &'a Timing,
    panes: &'a mut BTreeMap<i64, Pane>,
}

impl Joins<'_> {
    /// Counts the label of an entry: for all of its answers, or for the one that came
    /// last.
    fn join_label(&mut self, entry: &Entry, only: Option<ArmIndex>, (time, label): (i64, Class)) {
        let timing = self.timing;
        let is_wanted = |answer: &&Answer| only.is_none_or(|arm| arm == answer.arm);
        let in_time = |answer: &&Answer| timing.is_in_time(answer.time, time);
        for answer in entry.answers().filter(is_wanted).filter(in_time) {
            self.label_answer(answer, label);
        }
        let Some(control) = entry.answer_of(ArmIndex::CONTROL).filter(in_time) else {
            return;
        };
        let settings = self.settings;
        for answer in entry.answers() {
            // The pairs that were complete before the last answer have their label.
            let is_new = only.is_none_or(|arm| arm == ArmIndex::CONTROL || arm == answer.arm);
            if is_new && let Some((pairs, _)) = self.pairs_of(control, answer) {
                label_pair(settings, pairs, (control, answer), label);
            }
        }
    }

    fn label_answer(&mut self, answer: &Answer, label: Class) {
        let pane = self.panes.get_mut(&self.timing.start_of(answer.time));
        let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(answer.arm.index())) else { return };
        counted.labelled += 1;
        if answer.bucket.is_some() {
            counted.coverage.add(&[1, 0], answer.bucket);
        }
        if self.settings.design != Design::Split {
            return;
        }
        let mut covariates = &*answer.values;
        let metrics = self.settings.metrics.iter().zip(&mut counted.metrics);
        for (metric, sums) in metrics.filter(|(metric, _)| metric.needs_label()) {
            let (own, rest) = covariates.split_at_checked(metric.covariates.len()).unwrap_or_default();
            covariates = rest;
            sums.take(metric, labelled(metric, answer.predicted, label).with(own), answer.bucket);
        }
    }

    /// Pairs the answer of `arm` with the control's, or the control's with all others.
    fn pair(&mut self, entry: &Entry, arm: ArmIndex) {
        let Some(control) = entry.answer_of(ArmIndex::CONTROL) else { return };
        let settings = self.settings;
        for answer in entry.answers().filter(|answer| arm == ArmIndex::CONTROL || answer.arm == arm) {
            if let Some((pairs, false)) = self.pairs_of(control, answer) {
                compare(settings, pairs, control, answer);
            }
        }
    }

    /// Where a pair is counted, and whether that has been looked at; nothing of answers
    /// that are none.
    fn pairs_of(&mut self, control: &Answer, answer: &Answer) -> Option<(&mut PairPane, bool)> {
        let place = answer.arm.challenger().filter(|_| self.timing.is_pair(control.time, answer.time))?;
        let pane = self.panes.get_mut(&self.timing.start_of(control.time))?;
        Some((pane.pairs.get_mut(place)?, pane.is_looked_at))
    }
}

fn label_pair(
    settings: &ExperimentSettings,
    pairs: &mut PairPane,
    (control, answer): (&Answer, &Answer),
    label: Class,
) {
    let metrics = settings.metrics.iter().zip(&mut pairs.metrics);
    for (metric, sums) in metrics.filter(|(metric, _)| metric.needs_label()) {
        let [mine, theirs] = [control, answer].map(|of| labelled(metric, of.predicted, label));
        sums.clamped += u64::from(mine.is_clamped()) + u64::from(theirs.is_clamped());
        let (mine, theirs) = (mine.first(), theirs.first());
        sums.invalid += u64::from(mine.is_none() || theirs.is_none());
        sums.take(mine, theirs, control.bucket);
    }
}

/// Compares two answers to one request.
fn compare(settings: &ExperimentSettings, pairs: &mut PairPane, control: &Answer, answer: &Answer) {
    let values = control.values.iter().zip(&answer.values);
    for ((metric, sums), (mine, theirs)) in settings.metrics.iter().zip(&mut pairs.metrics).zip(values) {
        if !metric.needs_label() {
            sums.take(*mine, *theirs, control.bucket);
        }
    }
    pairs.agreement.pairs += 1;
    let score = |answer: &Answer| answer.predicted.score.and_then(|score| Step::COARSE.count(score));
    if let Some((mine, theirs)) = score(control).zip(score(answer)) {
        pairs.agreement.scores.add(&[mine, theirs], None);
    }
    if let Some((mine, theirs)) = control.predicted.class.zip(answer.predicted.class) {
        pairs.agreement.classes.0 += 1;
        pairs.agreement.classes.1 += u64::from(mine != theirs);
    }
}
