//! When checkpoints are taken and stored, and what follows from that.
//!
//! One is taken every few seconds and when a window has closed. It is stored
//! once the dead letters that came before it are acknowledged, since the
//! offsets in it pass over their messages. Then, and not before, its points may
//! leave the daemon and its offsets are committed; [`Ledger`] keeps the books.
//!
//! [`Ledger`]: crate::pipeline::Ledger

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DaemonError, StartError, delivery::Delivery};
use crate::{
    alert::Alert,
    checkpoint::{self, Checkpoint, CheckpointPlan, FormatError, Loaded, Store, Stored, Writer, Written},
    event::EventTime,
    experiment::ExperimentAnew,
    ops::{CheckpointMetrics, Component},
    pipeline::{Anew, Commit, Core, Draft, Mark, Position},
    source::{CheckpointId, PartitionNames},
};

/// Between two checkpoints when nothing hurries.
const INTERVAL: Duration = Duration::from_secs(3);
/// After one that could not be stored.
const RETRY: Duration = Duration::from_secs(1);
/// A checkpoint that is not stored after so long is said not to be.
const SLOW: Duration = Duration::from_secs(10);
/// Between two of the same state.
const REPEAT: Duration = Duration::from_secs(60);
/// Taking and storing may take one part in so many of the time.
const SHARE: u32 = 10;

/// A checkpoint on its way to the disk.
#[derive(Debug)]
struct UnderWay {
    stored: Stored,
    /// When it was taken, and how long that took.
    since: Instant,
    took: Duration,
    /// The alerts that it holds.
    levels: Vec<Alert>,
}

/// What changes when there is anything new to store.
#[derive(Debug, PartialEq, Eq)]
struct State {
    epoch: u64,
    positions: Vec<Position>,
    delivered_until: Option<EventTime>,
    given: Mark,
    done: Mark,
    /// Of the alerts, and of what was told of them.
    alerts: u64,
    told: u64,
}

/// What the group is told when a checkpoint is stored.
#[derive(Debug)]
pub(super) struct GroupCommit {
    pub(super) id: CheckpointId,
    pub(super) commit: Commit,
}

/// The checkpoints of one daemon.
#[derive(Debug)]
pub(super) struct Checkpoints {
    writer: Writer,
    plan: Arc<CheckpointPlan>,
    metrics: CheckpointMetrics,
    instance: u64,
    /// Number of the last checkpoint that was stored.
    sequence: u64,
    under_way: Option<UnderWay>,
    /// What the last one was taken of: an idle daemon writes one a minute.
    last: Option<State>,
    /// When one is taken although nothing changed: a commit may have failed.
    repeat_at: Instant,
    /// When the next one is due, and when it may be due at the earliest.
    next_at: Instant,
    hurried_at: Instant,
    hurries: bool,
    problem: Option<String>,
}

impl Checkpoints {
    /// Goes on with what was found in `store`.
    pub(super) fn start(
        store: Store,
        loaded: Loaded,
        core: &Core,
        metrics: CheckpointMetrics,
    ) -> Result<Self, StartError> {
        for (path, reason) in &loaded.broken {
            metrics.broken();
            tracing::error!(
                path = %path.display(), reason,
                "a checkpoint can't be used; the other generation is, or events are read again from Kafka"
            );
        }
        let found = loaded.checkpoint;
        let instance = found.as_ref().map_or_else(checkpoint::new_instance, |found| found.instance);
        let plan = Arc::new(CheckpointPlan::new(instance));
        let sequence = found.as_ref().map_or(0, |found| found.sequence);
        if let Some(found) = &found {
            plan.set_last(found_at_start(found, core).map_err(StartError::Checkpoint)?);
        } else {
            tracing::info!("there is no checkpoint yet");
        }
        let now = Instant::now();
        Ok(Self {
            writer: Writer::start(store).map_err(StartError::Threads)?,
            plan,
            metrics,
            instance,
            sequence,
            under_way: None,
            last: None,
            repeat_at: now,
            next_at: now + INTERVAL,
            hurried_at: now,
            hurries: false,
            problem: None,
        })
    }

    /// Where the consumer is to begin.
    pub(super) fn plan(&self) -> Arc<CheckpointPlan> {
        Arc::clone(&self.plan)
    }

    /// The checkpoint of this name, which a new assignment begins with.
    pub(super) fn take_up(&self, id: CheckpointId) -> Result<Checkpoint<'static>, DaemonError> {
        let stored = self.plan.take_up(id).ok_or(DaemonError::CheckpointGone)?;
        checkpoint::decode(&stored.bytes).map_err(DaemonError::Checkpoint)
    }

    /// A window has closed: its points wait for the next checkpoint.
    pub(super) fn hurry(&mut self) {
        self.hurries = true;
    }

    /// Makes the next one due at once.
    pub(super) fn force(&mut self) {
        self.next_at = Instant::now();
    }

    /// Whether one is to be taken.
    pub(super) fn is_due(&self) -> bool {
        let now = Instant::now();
        self.under_way.is_none() && (now >= self.next_at || (self.hurries && now >= self.hurried_at))
    }

    /// Whether one is on its way to the disk.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Takes one of what `core` and `delivery` hold.
    pub(super) fn take(
        &mut self,
        epoch: u64,
        core: &mut Core,
        delivery: &mut Delivery,
        names: &PartitionNames,
    ) {
        let started = Instant::now();
        self.next_at = started + INTERVAL;
        let state = State {
            epoch,
            positions: core.positions(),
            delivered_until: core.delivered_until(),
            given: delivery.given(),
            done: delivery.done(),
            alerts: core.alerts().memory().revision(),
            told: delivery.told(),
        };
        let is_new = self.last.as_ref() != Some(&state);
        if !is_new && started < self.repeat_at {
            self.hurries = false;
            return;
        }
        let replay = core.is_learning();
        let letter = delivery.last_letter();
        let named = |id| names.get(id).map(|name| (name.topic.to_string(), name.partition));
        let levels = core.alerts().levels();
        let Some(draft) = delivery.ledger.take(core, epoch, letter, &named) else { return };
        let Draft { core, outbox, notifications } = draft;
        let (instance, sequence) = (self.instance, self.sequence + 1);
        let checkpoint = Checkpoint { instance, sequence, core, outbox, notifications };
        let (id, partitions) = (checkpoint.id(), checkpoint.core.partitions.clone());
        match checkpoint::encode(&checkpoint) {
            Ok(bytes) => {
                self.hurries = false;
                let stored = Stored { id, bytes: Arc::new(bytes), partitions, replay };
                self.under_way = Some(UnderWay { stored, since: started, took: started.elapsed(), levels });
                self.last = Some(state);
                self.repeat_at = started + REPEAT;
            }
            Err(error) => {
                delivery.ledger.discard();
                self.failed(&error.to_string());
            }
        }
    }

    /// Moves the one under way on; gives what to commit once it is stored.
    pub(super) fn advance(&mut self, epoch: u64, delivery: &mut Delivery) -> Option<GroupCommit> {
        let under_way = self.under_way.as_ref()?;
        if !self.writer.is_busy() && delivery.ledger.may_store(delivery.acknowledged_letter()) {
            self.writer.write(under_way.stored.id.sequence, Arc::clone(&under_way.stored.bytes));
        }
        let written = self.writer.poll()?;
        self.finish(&written, epoch, delivery)
    }

    fn finish(&mut self, written: &Written, epoch: u64, delivery: &mut Delivery) -> Option<GroupCommit> {
        let UnderWay { stored, took, levels, .. } = self.under_way.take()?;
        if let Err(error) = &written.result {
            delivery.ledger.discard();
            self.failed(&error.to_string());
            return None;
        }
        // A number that was not stored is used again: the next one must not
        // take the place of the newest.
        self.sequence = stored.id.sequence;
        if self.problem.take().is_some() {
            tracing::info!("checkpoints are stored again");
        }
        self.metrics.stored(took, written.took, stored.bytes.len());
        self.hurried_at = Instant::now() + (took + written.took) * SHARE;
        self.next_at = self.next_at.max(self.hurried_at);
        if !delivery.ledger.is_of(epoch) {
            delivery.ledger.discard();
            return None;
        }
        let id = stored.id;
        self.plan.set_last(stored);
        delivery.set_levels(&levels);
        let commit = delivery.ledger.stored()?;
        delivery.move_on();
        Some(GroupCommit { id, commit })
    }

    fn failed(&mut self, reason: &str) {
        self.last = None;
        self.metrics.failed();
        if self.problem.is_none() {
            tracing::error!(
                reason,
                "a checkpoint can't be stored; points are held back and offsets not committed until one is"
            );
        }
        self.problem = Some(reason.to_owned());
        let now = Instant::now();
        (self.next_at, self.hurried_at) = (now + RETRY, now + RETRY);
    }

    /// Shows what waits.
    pub(super) fn report(&self, delivery: &Delivery) {
        self.metrics.set_outbox(delivery.ledger.outbox().len());
    }

    /// Whether checkpoints are stored.
    pub(super) fn component(&self) -> Component {
        let slow =
            self.under_way.as_ref().map(|under_way| under_way.since.elapsed()).filter(|age| *age > SLOW);
        let slow = slow.map(|age| format!("it takes {} s so far", age.as_secs()));
        match self.problem.as_ref().or(slow.as_ref()) {
            Some(reason) => Component::not_ready(
                "state_dir",
                format!("a checkpoint can't be stored, points are held back until one is: {reason}"),
            ),
            None => Component::ready("state_dir"),
        }
    }
}

/// The checkpoint that was found, for the plan; says what it means.
fn found_at_start(found: &Checkpoint<'_>, core: &Core) -> Result<Stored, FormatError> {
    let anew = core.compare(&found.core);
    tracing::info!(
        sequence = found.sequence,
        partitions = found.core.partitions.len(),
        undelivered_points = found.outbox.len(),
        "a checkpoint was found"
    );
    for Anew { model, reason } in &anew {
        tracing::warn!(model, reason, "the windows of this model begin anew, from Kafka");
    }
    for ExperimentAnew { experiment, reason } in core.compare_experiments(&found.core) {
        tracing::warn!(experiment, reason, "this experiment begins anew, with nothing counted");
    }
    Ok(Stored {
        id: found.id(),
        bytes: Arc::new(checkpoint::encode(found)?),
        partitions: found.core.partitions.clone(),
        replay: !anew.is_empty(),
    })
}
