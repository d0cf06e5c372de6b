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

use super::{
    experiment::Experiment,
    pane::PairPane,
    settings::{Design, ExperimentSettings},
    sums::Unit,
    values::{EventView, Outcome, Reading, labelled},
    waiting::{Answer, Entry, Room},
};

impl Experiment {
    /// Has a prediction wait for its label and for other answers.
    pub(super) fn wait(&mut self, event: EventView<'_, '_>, arm: u8, bucket: Option<u8>) {
        let time = event.envelope.time.0;
        let start = self.start_of(time);
        let Some(id) = event.id() else {
            self.memory.lose(start).unmatched += 1;
            return;
        };
        let is_split = self.settings.design == Design::Split;
        let values: Vec<Option<i64>> = if is_split {
            let labelled = self.settings.metrics.iter().filter(|metric| metric.needs_label());
            labelled.flat_map(|metric| &metric.covariates).map(|of| event.covariate(of)).collect()
        } else {
            self.shadow_values(event, start, arm)
        };
        let answer =
            Answer { arm, bucket, time, score: event.score(), class: event.class(), values: values.into() };
        let (in_time, room) = (self.in_time(), self.room());
        let offered = self.memory.waiting.answer(id, answer, room, in_time);
        if offered.lost > 0 || !offered.is_new {
            let lost = self.memory.lose(start);
            lost.crowded += offered.lost;
            lost.unmatched += u64::from(!offered.is_new);
        }
        if !offered.is_new {
            return;
        }
        let pane = self.memory.panes.get_mut(&start);
        if let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(usize::from(arm))) {
            counted.labelable += 1;
            if bucket.is_some() {
                counted.coverage.add(&[0, 1], bucket);
            }
        }
        let Some(entry) = self.memory.waiting.get(id) else { return };
        if is_split && !entry.is_joined {
            return;
        }
        let entry = entry.clone();
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

    pub(super) fn take_label(&mut self, event: EventView<'_, '_>) {
        if !self.needs_labels() {
            return;
        }
        let time = event.envelope.time.0;
        let (Some(id), Some(label)) = (event.id(), event.label()) else {
            let window = self.start_of(time);
            self.memory.lose(window).unmatched += 1;
            return;
        };
        let (in_time, room) = (self.in_time(), self.room());
        let offered = self.memory.waiting.label(id, (time, label), room, in_time);
        if let Some(time) = offered.surplus {
            self.lose_label(time);
        }
        if offered.lost > 0 {
            let window = self.start_of(time);
            self.memory.lose(window).crowded += offered.lost;
        }
        if offered.is_new
            && let Some(entry) = self.memory.waiting.get(id).filter(|entry| entry.is_joined).cloned()
        {
            self.join_label(&entry, None, (time, label));
        }
    }

    /// A label that counts nowhere is said to be lost when no prediction can come any
    /// more that it could be of.
    fn lose_label(&mut self, time: i64) {
        let window = self.start_of(time).saturating_add(self.slide_ms());
        self.memory.lose(window.saturating_add(self.label_wait_ms())).unmatched += 1;
    }

    /// Lets go of answers from before `answers` and of labels from before `labels`.
    pub(super) fn expire(&mut self, (answers, labels): (i64, i64)) {
        let Self { settings, memory, .. } = self;
        let mut strangers = Vec::new();
        let lost = memory.waiting.expire(answers, labels, |entry| {
            strangers.extend(without_control(settings, entry));
        });
        for time in lost {
            self.lose_label(time);
        }
        for time in strangers {
            let window = self.start_of(time);
            self.memory.lose(window).unmatched += 1;
        }
    }

    fn room(&self) -> Room {
        let answers = match self.settings.design {
            Design::Split => 1,
            Design::Shadow { .. } => self.settings.arms.len(),
        };
        Room { most: self.settings.most_waiting, answers, has_label: self.needs_labels() }
    }

    /// Whether an answer of a time counts with a label of another.
    fn in_time(&self) -> impl Fn(i64, i64) -> bool + use<> {
        let (slide, wait) = (self.slide_ms(), self.label_wait_ms());
        move |answer: i64, label: i64| {
            let start = answer.div_euclid(slide) * slide;
            let reach = slide.saturating_add(wait);
            (start.saturating_sub(reach)..start.saturating_add(reach)).contains(&label)
        }
    }

    /// Counts the label of an entry: for all of its answers, or for the one that came
    /// last.
    fn join_label(&mut self, entry: &Entry, only: Option<u8>, (time, label): (i64, Outcome)) {
        let in_time = self.in_time();
        let is_wanted = |answer: &&Answer| only.is_none_or(|arm| arm == answer.arm);
        for answer in entry.answers().filter(is_wanted).filter(|answer| in_time(answer.time, time)) {
            self.label_answer(answer, label);
        }
        if self.settings.design == Design::Split {
            return;
        }
        let Some(control) = entry.answer_of(0).filter(|control| in_time(control.time, time)) else { return };
        for answer in entry.answers().filter(|answer| answer.arm != 0) {
            // The pairs that were complete before the last answer have their label.
            let is_new = only.is_none_or(|arm| arm == 0 || arm == answer.arm);
            if is_new && are_near(&self.settings, control, answer) {
                self.label_pair(control, answer, label);
            }
        }
    }

    fn label_answer(&mut self, answer: &Answer, label: Outcome) {
        let start = self.start_of(answer.time);
        let Self { settings, memory, .. } = self;
        let pane = memory.panes.get_mut(&start);
        let Some(counted) = pane.and_then(|pane| pane.arms.get_mut(usize::from(answer.arm))) else { return };
        counted.labelled += 1;
        if answer.bucket.is_some() {
            counted.coverage.add(&[1, 0], answer.bucket);
        }
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
        let start = self.start_of(control.time);
        let others = entry.answers().filter(|answer| answer.arm != 0 && (arm == 0 || answer.arm == arm));
        for answer in others {
            if !are_near(&self.settings, control, answer) {
                continue;
            }
            let place = usize::from(answer.arm).saturating_sub(1);
            let pane = self.memory.panes.get_mut(&start).filter(|pane| !pane.is_looked_at);
            let Some(pairs) = pane.and_then(|pane| pane.pairs.get_mut(place)) else { continue };
            compare(&self.settings, pairs, control, answer);
        }
    }

    fn label_pair(&mut self, control: &Answer, answer: &Answer, label: Outcome) {
        let place = usize::from(answer.arm).saturating_sub(1);
        let start = self.start_of(control.time);
        let pane = self.memory.panes.get_mut(&start);
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
}

/// Whether two answers are to the same request in time.
fn are_near(settings: &ExperimentSettings, one: &Answer, other: &Answer) -> bool {
    let Design::Shadow { pair_timeout_ms, .. } = settings.design else { return false };
    one.time.abs_diff(other.time) <= pair_timeout_ms.unsigned_abs()
}

/// Times of the answers of shadows that none of the control's belongs to.
fn without_control(settings: &ExperimentSettings, entry: &Entry) -> Vec<i64> {
    if settings.design == Design::Split {
        return Vec::new();
    }
    let control = entry.answer_of(0);
    let is_alone = |answer: &&Answer| control.is_none_or(|control| !are_near(settings, control, answer));
    entry.answers().filter(|answer| answer.arm != 0).filter(is_alone).map(|answer| answer.time).collect()
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
    let score = |answer: &Answer| answer.score.and_then(|score| Unit::COARSE.count(score));
    if let Some((mine, theirs)) = score(control).zip(score(answer)) {
        pairs.agreement.scores.add(&[mine, theirs], None);
    }
    if let Some((mine, theirs)) = control.class.zip(answer.class) {
        pairs.agreement.classes.0 += 1;
        pairs.agreement.classes.1 += u64::from(mine.word != theirs.word);
    }
}
