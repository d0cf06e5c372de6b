//! The pure core: one step function from inputs to outputs.
//!
//! Why: everything that decides what a point says is in here, without a
//! clock, a thread, a file or a socket, so that a test can drive it through
//! any schedule of batches, silences, restarts and late events.
//!
//! Promises: what is written for a window depends on the events in it and on
//! the reference only; every message is either in a window or in exactly one
//! counter of [`Counters`] that says why not.

mod alerts;
mod experiments;
mod explanations;
mod outputs;
mod read_again;
mod restore;

use std::sync::Arc;

pub use self::outputs::Outputs;
use self::read_again::ReadAgain;
use super::{
    commits::Commit,
    counters::{Counters, DropReason},
    explanations::{ExplainTask, Explained, Explanations},
    holds::{Holds, Position},
    model::{Model, ModelSpec, ModelStatus, TakeContext, Taken},
    snapshot::{self, Snapshot},
};
use crate::{
    alert::{Alerts, SilenceChange, Vitals},
    decode::{Decoder, EventMapping, Row},
    event::{EventTime, Message, MessageBatch, PartitionId, Reject, RejectReason},
    experiment::{EventView, ExperimentChange, Experiments},
    meaning::Meaning,
    profile::row_hash,
    window::{Watermarks, WindowSettings},
};

/// What the core is made from.
#[derive(Debug, Clone)]
pub struct CoreSettings {
    /// Where fields are found in a message.
    pub mapping: EventMapping,
    /// Windows of every model.
    pub windows: WindowSettings,
    /// The models.
    pub models: Vec<ModelSpec>,
    /// Longer payloads are refused.
    pub max_message_bytes: usize,
    /// End of the last window that was delivered before a restart.
    pub delivered_until: Option<EventTime>,
}

/// One thing that happens to the core.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Messages came. `topics` names the topic of each partition by its
    /// number; `now` is the clock, absent for files.
    Batch {
        /// The messages.
        batch: &'a MessageBatch,
        /// Topic names, indexed by partition.
        topics: &'a [String],
        /// The clock.
        now: Option<EventTime>,
    },
    /// A partition is now read.
    Assigned(PartitionId, EventTime),
    /// A partition has, or no longer has, messages that were not read yet.
    CaughtUp(PartitionId, bool),
    /// Time has passed.
    Tick(EventTime),
    /// Reading goes on after a pause that was not the partitions': silence up
    /// to now says nothing about them.
    Resumed(EventTime),
    /// The clock, for alerts alone: time passes for those who are told of them
    /// even while it says nothing about event time.
    Clock(EventTime),
    /// What the daemon knows of itself, for the rules that look at it; the
    /// core adds which models were heard of.
    Vitals(&'a Vitals),
    /// A silence begins or ends.
    Silence(&'a SilenceChange),
    /// What came of the task with this number.
    Explained(u64, &'a Explained),
    /// An experiment begins or ends.
    Experiment(&'a ExperimentChange),
    /// Begin again with nothing in memory; windows up to this end have been
    /// delivered.
    Restart(Option<EventTime>),
    /// Begin again from a snapshot; `partitions` are those that are read from
    /// now on and that are in it, by their place in it. Reading begins at
    /// `next` of each, or at `replay` where [`Core::compare`] names a model.
    Restore {
        /// What to go on from.
        snapshot: &'a Snapshot<'a>,
        /// Partitions and their places in the snapshot.
        partitions: &'a [(PartitionId, usize)],
    },
    /// There will be no more messages: write all windows that have data.
    End,
}

/// The state of all models.
#[derive(Debug)]
pub struct Core {
    windows: WindowSettings,
    meaning: Meaning,
    tag: String,
    decoder: Decoder,
    row: Row,
    models: Vec<Model>,
    watermarks: Watermarks,
    holds: Holds,
    /// Per partition: messages before this offset are read again, for models
    /// that begin anew. Empty when none are.
    replayed: ReadAgain,
    floor: Option<i64>,
    counters: Counters,
    /// Whether any model is learning its reference.
    learning: bool,
    alerts: Alerts,
    explanations: Explanations,
    experiments: Experiments,
    counted: ReadAgain,
    /// The task that this step brought the answer of.
    explained: Option<Arc<ExplainTask>>,
    /// End of the last window that would not be written again, at the last close
    /// and as the alerts know it.
    closed_until: Option<i64>,
    final_until: Option<i64>,
    /// By model, whether an event came since the vitals were last looked at.
    heard: Vec<bool>,
    /// Lower bound of the watermark at which a window is to be written.
    next_due: i64,
}

impl Core {
    /// A core that has seen nothing.
    #[must_use]
    pub fn new(settings: CoreSettings) -> Self {
        let names = settings.models.iter().map(|model| model.name.clone());
        let mut decoder = Decoder::new(&settings.mapping, settings.max_message_bytes, names);
        let models: Vec<Model> =
            settings.models.into_iter().map(|spec| Model::new(spec, &settings.windows)).collect();
        for (index, model) in models.iter().enumerate() {
            if let Some(schema) = model.schema() {
                decoder.set_schema(index, schema);
            }
        }
        Self {
            tag: settings.windows.tag(),
            meaning: snapshot::meaning(&settings.windows, &settings.mapping),
            watermarks: Watermarks::new(&settings.windows),
            windows: settings.windows,
            decoder,
            row: Row::default(),
            learning: models.iter().any(Model::is_learning),
            alerts: Alerts::default(),
            explanations: Explanations::default(),
            experiments: Experiments::default(),
            counted: ReadAgain::default(),
            explained: None,
            closed_until: None,
            final_until: None,
            heard: vec![false; models.len()],
            models,
            holds: Holds::default(),
            replayed: ReadAgain::default(),
            floor: settings.delivered_until.map(|time| time.0),
            counters: Counters::default(),
            next_due: i64::MAX,
        }
    }

    /// Takes one input and appends what follows from it to `out`.
    pub fn step(&mut self, input: Input<'_>, out: &mut Outputs) {
        let before = out.lengths();
        match input {
            Input::Batch { batch, topics, now } => {
                for (index, message) in batch.iter().enumerate() {
                    let topic = topics.get(message.partition.0 as usize).map_or("", String::as_str);
                    let replayed = self.replayed.has(&message);
                    match self.take(message, topic, now, replayed, out) {
                        Ok(()) => {}
                        // It was refused before the restart already.
                        Err(_) if replayed => self.counters.drop(DropReason::AlreadyCounted),
                        Err(reject) => {
                            self.counters.reject(reject.reason);
                            out.rejects.push((index, reject));
                        }
                    }
                    if !replayed {
                        self.holds.pass(message.partition, message.offset);
                    }
                    self.pass_read_again(message.partition, message.offset + 1, out);
                }
            }
            Input::Assigned(partition, now) => self.watermarks.assign(partition, now),
            Input::CaughtUp(partition, caught_up) => {
                self.watermarks.set_caught_up(partition, caught_up);
                if caught_up {
                    // What was there before the restart may be there no more.
                    self.pass_read_again(partition, i64::MAX, out);
                }
            }
            Input::Tick(now) => {
                if self.watermarks.tick(now) {
                    self.advance(out);
                }
            }
            Input::Resumed(now) => self.watermarks.resume(now),
            Input::Clock(_) => {}
            Input::Vitals(vitals) => self.look_at_vitals(vitals, out),
            Input::Silence(change) => self.alerts.silence(change),
            Input::Experiment(change) => out.experiments.extend(self.experiments.change(change)),
            Input::Explained(number, explained) => self.take_explained(number, explained, out),
            Input::Restart(delivered_until) => {
                self.explanations.clear(delivered_until, &mut self.counters);
                self.restart(delivered_until);
            }
            Input::Restore { snapshot, partitions } => self.restore(snapshot, partitions, out),
            Input::End => {
                self.close(true, out);
                self.look_at_experiments(i64::MAX, out);
            }
        }
        self.rewrite_dirty(matches!(input, Input::Tick(_) | Input::End), out);
        self.raise_alerts(&input, &before, out);
        self.explain_alerts(before.records, out);
    }

    fn take(
        &mut self,
        message: Message<'_>,
        topic: &str,
        now: Option<EventTime>,
        replayed: bool,
        out: &mut Outputs,
    ) -> Result<(), Reject> {
        self.counters.messages += 1;
        let payload = message.value.unwrap_or_default();
        self.counters.bytes += payload.len() as u64;
        let envelope = self.decoder.decode(&message, topic, &mut self.row)?;
        let is_sampled = self.models.get(envelope.model).is_some_and(Model::samples);
        // The same for both halves of a row, and after a replay.
        let sampled_by = || row_hash(envelope.id.as_deref().map_or(payload, str::as_bytes));
        self.row.hash = if is_sampled { sampled_by() } else { 0 };
        let time = envelope.time;
        if let Some(now) = now
            && time > now.plus_ms(self.windows.max_future_ms)
        {
            let ahead = (time.0 - now.0) / 1_000;
            let detail = format!("{time} is {ahead} s ahead of the clock, more than windows.max_future");
            return Err(Reject::new(RejectReason::TooFarAhead, detail));
        }
        let mut context = TakeContext {
            settings: &self.windows,
            watermark: self.watermarks.current(),
            floor: self.floor,
            counters: &mut self.counters,
            explanations: &mut self.explanations,
        };
        let Some(model) = self.models.get_mut(envelope.model) else { return Ok(()) };
        if let Some(heard) = self.heard.get_mut(envelope.model) {
            *heard = true;
        }
        if replayed && !model.begins_anew() {
            self.counters.drop(DropReason::AlreadyCounted);
            return Ok(());
        }
        let taken = model.take(&envelope, payload, &self.row, &mut context)?;
        let wait_ms = model.join_timeout_ms();
        self.counters.decoded(envelope.kind);
        let is_counted = replayed || self.counted.has(&message);
        if !is_counted {
            let event = EventView { envelope: &envelope, message: &message, topic };
            self.experiments.take(model.name(), event, &self.row, experiments::view(model));
        }
        match taken {
            Taken::InPane(pane) => {
                self.holds.hold_pane(pane, message.partition, message.offset);
                self.next_due = self.next_due.min(pane + self.windows.slide_ms + wait_ms);
            }
            Taken::Learned => self.holds.hold_learning(envelope.model, message.partition, message.offset),
            Taken::Dropped => {}
        }
        let learning = taken == Taken::Learned;
        if self.watermarks.observe(message.partition, time, now.unwrap_or(time)) {
            self.advance(out);
        } else if learning {
            self.finish_learning(out);
        }
        Ok(())
    }

    /// Writes what the watermark has passed.
    fn advance(&mut self, out: &mut Outputs) {
        self.finish_learning(out);
        if self.watermarks.current().is_some_and(|watermark| watermark.0 >= self.next_due) {
            self.close(false, out);
        }
        if let Some(watermark) = self.watermarks.current() {
            self.look_at_experiments(watermark.0, out);
        }
    }

    fn finish_learning(&mut self, out: &mut Outputs) {
        if !self.learning {
            return;
        }
        let watermark = self.watermarks.current();
        for (index, model) in self.models.iter_mut().enumerate().filter(|(_, model)| model.is_learning()) {
            match model.finish_learning(watermark, &self.windows) {
                None => {}
                Some(Ok(learned)) => {
                    if let Some(schema) = model.schema() {
                        self.decoder.set_schema(index, schema);
                    }
                    self.holds.release_learning(index);
                    out.learned.push(learned);
                }
                Some(Err(sentence)) => {
                    self.holds.release_learning(index);
                    out.failures.push(sentence);
                }
            }
        }
        self.learning = self.models.iter().any(Model::is_learning);
    }

    fn close(&mut self, flush: bool, out: &mut Outputs) {
        let mut context = TakeContext {
            settings: &self.windows,
            watermark: self.watermarks.current(),
            floor: self.floor,
            counters: &mut self.counters,
            explanations: &mut self.explanations,
        };
        let mut next_due: Option<i64> = None;
        for model in &mut self.models {
            model.close_due(&mut context, &self.tag, flush, &mut out.results);
            let due = model.next_due(&context);
            next_due = [next_due, due].into_iter().flatten().min();
        }
        self.next_due = next_due.unwrap_or(i64::MAX);
        self.closed_until = self.delivered_until().map(|until| until.0);
        if let Some(end) = self.closed_until {
            // A feature event may be needed by predictions of later panes.
            let longest_join = self.longest_join_ms();
            self.holds.release_panes(self.windows.size_ms + longest_join, end);
        }
    }

    /// The longest that any model waits for the other half of a row.
    fn longest_join_ms(&self) -> i64 {
        self.models.iter().map(Model::join_timeout_ms).max().unwrap_or(0)
    }

    /// Writes what late events have changed; when `is_time`, also what depends
    /// on it.
    fn rewrite_dirty(&mut self, is_time: bool, out: &mut Outputs) {
        if !self.replayed.is_empty() {
            // Points could leave only with a checkpoint, and there is none now.
            return;
        }
        let mut context = TakeContext {
            settings: &self.windows,
            watermark: self.watermarks.current(),
            floor: self.floor,
            counters: &mut self.counters,
            explanations: &mut self.explanations,
        };
        for model in &mut self.models {
            model.rewrite_dirty(&mut context, &self.tag, &mut out.results);
            if is_time {
                model.refresh(&mut context, &self.tag, &mut out.results);
            }
        }
    }

    /// Whether a model learns its reference: no snapshot has it, and reading
    /// from one has to begin at the partitions' `replay`.
    #[must_use]
    pub fn is_learning(&self) -> bool {
        self.models.iter().any(Model::is_learning)
    }

    /// Where reading began at the last restart, and what was delivered then.
    #[must_use]
    pub fn begun(&self) -> Commit {
        Commit { positions: self.holds.begun(), delivered_until: self.floor.map(EventTime) }
    }

    /// Where reading stands. Offsets may be committed once everything given
    /// out so far is delivered: `replay` of each, or `next` when a snapshot is
    /// stored.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.holds.positions()
    }

    /// End of the last window that will not be written again; goes with
    /// [`Self::positions`] into the commit, so that a restart knows which
    /// windows are done.
    #[must_use]
    pub fn delivered_until(&self) -> Option<EventTime> {
        let longest_join = self.longest_join_ms();
        let passed = self.watermarks.current().map(|watermark| {
            let passed = watermark.0 - longest_join - self.windows.grace_ms;
            passed.div_euclid(self.windows.slide_ms) * self.windows.slide_ms
        });
        // Soon after a restart there is no watermark yet; what was delivered
        // before it still is.
        self.floor.max(passed).map(EventTime)
    }

    /// The watermark, once there is one.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermarks.current()
    }

    /// The counts since the last call.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// How every model stands.
    pub fn models(&self) -> impl Iterator<Item = ModelStatus> + '_ {
        self.models.iter().map(Model::status)
    }

    /// Values below which a column is insufficient, from now on.
    pub fn set_min_events(&mut self, min_events: u64) {
        self.windows.min_events = min_events;
    }
}
