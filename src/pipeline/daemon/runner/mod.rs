//! The thread that owns the core.

mod alerts;
mod experiments;
mod explanations;
mod hand_out;
mod stop;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use prometheus::Registry;
use tokio::runtime::Handle;

use self::{alerts::VitalSigns, experiments::LoggedVerdicts};
use super::{
    DaemonError, Hooks, checkpoints::Checkpoints, delivery::Delivery, references::LearnedReferences,
};
use crate::{
    alert::SilenceChange,
    checkpoint::Checkpoint,
    event::{EventTime, MessageBatch, PartitionId},
    experiment::ExperimentChange,
    explainer::Explainers,
    ops::{Asked, Component, CoreMetrics, Status},
    pipeline::{Commit, CommitQueue, Core, Input, Outputs, PartitionState, Position},
    source::{self, CheckpointId, KafkaSource, PartitionNames, SourceEvent},
};

/// Between two ticks of the core.
const TICK: Duration = Duration::from_millis(200);
/// Longer between two ticks means that the process was frozen or the machine
/// asleep.
const FROZEN: Duration = Duration::from_secs(1);
/// Between two looks at the models and two commits.
const REPORT: Duration = Duration::from_secs(1);
/// A commit that says nothing new is repeated this often, since the last may
/// have failed.
const REPEAT_COMMIT: Duration = Duration::from_secs(30);
/// Between two looks at what blocks the pipeline.
const BLOCKED_PAUSE: Duration = Duration::from_millis(20);

/// What the thread can be told.
#[derive(Debug)]
pub(super) enum Control {
    /// Drain and end by then.
    Stop(Instant),
    /// Values below which a column is insufficient, from now on.
    SetMinEvents(u64),
    /// A silence begins or ends.
    Silence(SilenceChange),
    /// Somebody asks why an event was predicted as it was.
    Explain(Asked),
    /// An experiment begins or ends.
    Experiment(ExperimentChange),
}

/// What the thread needs from the outside.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) core: Core,
    pub(super) source: KafkaSource,
    pub(super) events: Receiver<SourceEvent>,
    pub(super) delivery: Delivery,
    pub(super) references: LearnedReferences,
    pub(super) explainers: Explainers,
    /// Absent without `state_dir`.
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) status: Arc<Status>,
    pub(super) metrics: CoreMetrics,
    pub(super) registry: Registry,
    pub(super) control: Receiver<Control>,
    pub(super) hooks: Hooks,
    pub(super) runtime: Handle,
    /// How long closing the consumer may take.
    pub(super) close_timeout: Duration,
}

/// The core and what it has been doing.
#[derive(Debug)]
pub(super) struct Runner {
    parts: Parts,
    outputs: Outputs,
    commits: CommitQueue,
    epoch: u64,
    /// Whether there are partitions to read. Without any the core is empty, so that it
    /// has nothing to say of experiments.
    is_assigned: bool,
    /// Changes of experiments that came while there were none.
    changes: Vec<ExperimentChange>,
    names: PartitionNames,
    topics: Vec<String>,
    last_tick: Instant,
    last_report: Instant,
    last_repeat: Instant,
    was_blocked: bool,
    components: Vec<Component>,
    vitals: VitalSigns,
    verdicts: LoggedVerdicts,
}

/// The clock.
fn now() -> EventTime {
    EventTime(jiff::Timestamp::now().as_millisecond())
}

impl Runner {
    pub(super) fn new(parts: Parts) -> Self {
        let start = Instant::now();
        Self {
            parts,
            outputs: Outputs::default(),
            commits: CommitQueue::default(),
            epoch: 0,
            is_assigned: false,
            changes: Vec::new(),
            names: PartitionNames::default(),
            topics: Vec::new(),
            last_tick: start,
            last_report: start,
            last_repeat: start,
            was_blocked: false,
            components: Vec::new(),
            vitals: VitalSigns::default(),
            verdicts: LoggedVerdicts::default(),
        }
    }

    /// Works until it is told to stop or can't go on.
    pub(super) fn run(mut self) -> Result<(), DaemonError> {
        self.report();
        loop {
            if let Some(deadline) = self.take_controls() {
                return self.drain(deadline);
            }
            // Whoever is blocked must still hear that another member reads now.
            if self.is_blocked() && !self.is_overtaken() {
                std::thread::sleep(BLOCKED_PAUSE);
            } else {
                let pause = TICK.saturating_sub(self.last_tick.elapsed());
                match self.parts.events.recv_timeout(pause) {
                    Ok(SourceEvent::Stopped(reason)) => return self.source_ended(reason),
                    Ok(event) => self.take(event)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return self.source_ended(None),
                }
            }
            if self.last_tick.elapsed() >= TICK {
                self.tick();
            }
            self.move_explanations();
            self.settle();
        }
    }

    /// Does all that it was told since the last look; by when it is to end, if
    /// it is.
    fn take_controls(&mut self) -> Option<Instant> {
        loop {
            match self.parts.control.try_recv() {
                Ok(Control::Stop(deadline)) => return Some(deadline),
                Ok(Control::SetMinEvents(min_events)) => self.parts.core.set_min_events(min_events),
                Ok(Control::Silence(change)) => self.silence(&change),
                Ok(Control::Explain(asked)) => self.explain(asked),
                Ok(Control::Experiment(change)) => self.change_experiment(change),
                Err(TryRecvError::Empty) => return None,
                // The handle was dropped: nobody is left who could stop it.
                Err(TryRecvError::Disconnected) => return Some(Instant::now()),
            }
        }
    }

    /// Does what follows from deliveries: checkpoints, then commits.
    fn settle(&mut self) {
        self.parts.delivery.move_on();
        if self.parts.checkpoints.is_some() {
            self.settle_checkpoint();
        } else if let Some(commit) = self.commits.take_ready(self.parts.delivery.done()) {
            self.commit(commit, None);
        }
    }

    fn settle_checkpoint(&mut self) {
        let may_take = self.may_commit();
        let Parts { checkpoints: Some(checkpoints), core, delivery, .. } = &mut self.parts else { return };
        if may_take && checkpoints.is_due() {
            checkpoints.take(self.epoch, core, delivery, &self.names);
        }
        if let Some(stored) = checkpoints.advance(self.epoch, delivery) {
            self.commit(stored.commit, Some(stored.id));
        }
    }

    /// Whether servers are behind. When they are not any more, silence that
    /// was our own pause must not make a partition idle.
    fn is_blocked(&mut self) -> bool {
        self.send_letters();
        let blocked = self.parts.delivery.is_blocked();
        if self.was_blocked && !blocked {
            self.step(Input::Resumed(now()));
        }
        self.was_blocked = blocked;
        blocked
    }

    /// Whether the assignment that is worked on is over: what comes of it is
    /// made again by whoever reads now.
    fn is_overtaken(&self) -> bool {
        self.was_blocked && self.parts.source.status().epoch != self.epoch
    }

    fn take(&mut self, event: SourceEvent) -> Result<(), DaemonError> {
        let is_overtaken = self.is_overtaken();
        match event {
            SourceEvent::Batch { batch, .. } if is_overtaken => self.parts.source.recycle(batch),
            SourceEvent::Assigned { epoch, partitions, delivered_until, checkpoint } => {
                let partitions: Vec<_> = partitions.iter().map(|(partition, _)| *partition).collect();
                self.assign(epoch, &partitions, delivered_until, checkpoint)?;
            }
            SourceEvent::Batch { epoch, batch } if epoch == self.epoch => self.take_batch(batch),
            SourceEvent::Batch { batch, .. } => self.parts.source.recycle(batch),
            SourceEvent::CaughtUp { epoch, partition, caught_up } if epoch == self.epoch => {
                self.step(Input::CaughtUp(partition, caught_up));
            }
            // Of an assignment that is over; `Stopped` was taken by the loop.
            SourceEvent::CaughtUp { .. } | SourceEvent::Stopped(_) => {}
        }
        Ok(())
    }

    fn assign(
        &mut self,
        epoch: u64,
        partitions: &[PartitionId],
        delivered_until: Option<EventTime>,
        checkpoint: Option<CheckpointId>,
    ) -> Result<(), DaemonError> {
        self.epoch = epoch;
        self.commits.clear();
        self.names = self.parts.source.topic_names();
        let ids = (0..u32::try_from(self.names.len()).unwrap_or(u32::MAX)).map(PartitionId);
        self.topics = ids
            .map(|id| self.names.get(id).map_or_else(String::new, |name| name.topic.to_string()))
            .collect();
        let resumed = match (&self.parts.checkpoints, checkpoint) {
            (Some(checkpoints), Some(id)) => Some(checkpoints.take_up(id)?),
            _ => None,
        };
        if let Some(checkpoint) = &resumed {
            self.restore(checkpoint, partitions);
        } else {
            if !partitions.is_empty() {
                self.warn_of_experiments(delivered_until.is_some());
            }
            self.restart(delivered_until, partitions.is_empty());
        }
        let now = now();
        for partition in partitions {
            self.step(Input::Assigned(*partition, now));
        }
        self.is_assigned = !partitions.is_empty();
        self.go_on_with_experiments();
        Ok(())
    }

    /// Throws everything away: what is read from here on makes it again.
    fn restart(&mut self, delivered_until: Option<EventTime>, is_empty: bool) {
        tracing::debug!(epoch = self.epoch, "the core begins again without a checkpoint");
        self.parts.delivery.restart(is_empty);
        self.step(Input::Restart(delivered_until));
    }

    /// Goes back to a checkpoint.
    fn restore(&mut self, checkpoint: &Checkpoint<'_>, partitions: &[PartitionId]) {
        tracing::info!(sequence = checkpoint.sequence, "going on from the checkpoint");
        self.parts.delivery.restore(&checkpoint.outbox, &checkpoint.notifications);
        let place = |id: &PartitionId| {
            let name = self.names.get(*id)?;
            let is_it =
                |state: &PartitionState| state.partition == name.partition && *state.topic == *name.topic;
            Some((*id, checkpoint.core.partitions.iter().position(is_it)?))
        };
        let partitions: Vec<_> = partitions.iter().filter_map(place).collect();
        self.step(Input::Restore { snapshot: &checkpoint.core, partitions: &partitions });
    }

    fn take_batch(&mut self, batch: MessageBatch) {
        let started = Instant::now();
        let input = Input::Batch { batch: &batch, topics: &self.topics, now: Some(now()) };
        self.parts.core.step(input, &mut self.outputs);
        self.hand_out(started);
        if self.outputs.rejects.is_empty() {
            self.parts.source.recycle(batch);
        } else {
            let rejects = std::mem::take(&mut self.outputs.rejects);
            self.parts.delivery.put_aside(batch, rejects);
            self.send_letters();
        }
    }

    fn send_letters(&mut self) {
        if let Some(batch) = self.parts.delivery.send_letters(&self.names) {
            self.parts.source.recycle(batch);
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let started = Instant::now();
        self.parts.core.step(input, &mut self.outputs);
        self.hand_out(started);
    }

    fn tick(&mut self) {
        if self.last_tick.elapsed() > FROZEN {
            // Silence that was our own must not close windows: they would be
            // written from a part of their events, over what another member of
            // the group may have written meanwhile.
            self.step(Input::Resumed(now()));
        }
        self.last_tick = Instant::now();
        // While messages wait outside, the clock says nothing about event time.
        if self.was_blocked {
            self.step(Input::Clock(now()));
        } else {
            self.step(Input::Tick(now()));
        }
        if self.last_report.elapsed() >= REPORT {
            self.last_report = self.last_tick;
            self.parts.references.retry();
            if self.last_repeat.elapsed() >= REPEAT_COMMIT {
                self.last_repeat = self.last_tick;
                self.commits.repeat();
            }
            self.queue_commit();
            self.report();
            self.look_at_vitals();
        }
        self.report_components();
    }

    fn report(&mut self) {
        let models: Vec<_> = self.parts.core.models().collect();
        self.parts.metrics.set_models(&models);
        self.parts.metrics.set_watermark(self.parts.core.watermark(), now());
        self.parts.status.set_models(models);
        self.report_experiments();
        self.report_alerts();
        self.report_components();
    }

    fn report_components(&mut self) {
        let mut components = vec![kafka_component(&self.parts.source)];
        components.extend(self.parts.delivery.components());
        components.extend(self.parts.references.component());
        components.extend(self.parts.explainers.components());
        if let Some(checkpoints) = &self.parts.checkpoints {
            checkpoints.report(&self.parts.delivery);
            components.push(checkpoints.component());
        }
        for component in &components {
            let before = self.components.iter().find(|other| other.name == component.name);
            let was_ready = before.map(|before| before.reason.is_none());
            match (&component.reason, was_ready) {
                (Some(reason), Some(true)) => {
                    tracing::warn!(component = &*component.name, reason, "not ready");
                }
                (Some(reason), None) => tracing::info!(component = &*component.name, reason, "not ready yet"),
                (None, Some(false)) => tracing::info!(component = &*component.name, "ready"),
                _ => {}
            }
        }
        self.components.clone_from(&components);
        self.parts.status.set_components(components, self.parts.core.watermark());
    }

    /// Whether what was taken so far is on its way as a whole.
    fn may_commit(&self) -> bool {
        self.epoch > 0 && self.parts.references.all_saved() && !self.parts.delivery.has_unsent_letters()
    }

    fn queue_commit(&mut self) {
        if self.parts.checkpoints.is_some() || !self.may_commit() {
            return;
        }
        let core = &self.parts.core;
        // Without a checkpoint, reading must begin where open windows do.
        let held = |position: Position| Position { next: position.replay, ..position };
        let positions = core.positions().into_iter().map(held).collect();
        let commit = Commit { positions, delivered_until: core.delivered_until() };
        if !commit.positions.is_empty() {
            self.commits.push(self.parts.delivery.given(), commit);
        }
    }

    fn commit(&mut self, commit: Commit, checkpoint: Option<CheckpointId>) {
        let Commit { positions, delivered_until } = commit;
        tracing::debug!(?positions, ?delivered_until, ?checkpoint, "committing");
        self.parts.source.commit(self.epoch, source::Commit { positions, delivered_until, checkpoint });
    }
}

fn kafka_component(source: &KafkaSource) -> Component {
    let status = source.status();
    let reason = match (status.error, status.connected) {
        (Some(error), _) => error,
        (None, false) => "no broker is connected".to_owned(),
        (None, true) if status.standby => {
            let note = format!("stands by: another member of group {} reads", source.group());
            return Component::ready_but("kafka", note);
        }
        (None, true) if status.assigned == 0 => "waiting for the group to assign partitions".to_owned(),
        (None, true) => return Component::ready("kafka"),
    };
    Component::not_ready("kafka", reason)
}
