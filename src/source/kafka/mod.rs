//! The Kafka consumer.
//!
//! One OS thread owns the client: it polls, serves the callbacks, pauses,
//! commits and closes. Batches of messages leave it through a bounded channel;
//! the thread never blocks on that channel, so that the group's rules are kept
//! however slow the rest is.
//!
//! **One reader.** A window spans all partitions, so one member of the group
//! reads all of them and the others stand by (`group.rs` says which is which).
//! Standing by is healthy: it polls, keeps its place, and takes over.
//!
//! **Truth.** Whoever starts the source says where reading starts: the
//! [`StartPlan`] is shown what the group has committed for every partition and
//! answers with offsets. Without checkpoints ([`ReplayPlan`]) the commits are
//! the truth. A commit names the offset to go on from, and in its metadata the
//! offset from which a reader without the committer's checkpoint must read,
//! the end of the windows delivered so far, and the checkpoint.
//!
//! **Epochs.** A new reader's memory is not the old one's, so each change of
//! what is read begins a new epoch, in which *every* partition is read from
//! where the plan says. Batches and commits carry their epoch; those of an
//! older one are ignored and counted. With the eager assignment strategies of
//! librdkafka's default (`range,roundrobin`) every rebalance takes everything
//! away and begins an epoch. With `cooperative-sticky` or the newer group
//! protocol, set by pass-through, the reader goes on where it is as long as it
//! stays the reader and the partitions are the same; when there are more, it
//! begins anew, and those that stay are sought back.
//!
//! **Back-pressure.** A full channel is waited for briefly, since pausing
//! throws away what librdkafka has fetched; after that the partitions are
//! paused and polling goes on.

mod context;
mod error;
mod fill;
mod group;
mod metadata;
mod metrics;
mod names;
mod offsets;
mod outbound;
mod plan;
mod progress;
mod slots;
mod state;
mod statistics;
mod worker;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use prometheus::Registry;
use rdkafka::consumer::BaseConsumer;

use self::{
    context::Context,
    metrics::Metrics,
    names::NameTable,
    outbound::Outbound,
    state::{Command, Shared, State, subscribe},
    worker::Worker,
};
pub use self::{
    error::SourceError,
    names::{PartitionNames, TopicPartition},
    plan::{CheckpointId, Commit, Committed, Position, ReplayPlan, Resume, StartPlan},
};
use super::{
    KafkaSettings,
    client::{Role, client_config, settings_error},
};
use crate::event::{EventTime, MessageBatch, PartitionId};

/// Events that wait in the channel, at most: 4 MiB of messages or more only
/// when single messages are larger than a batch.
const CHANNEL: usize = 8;

/// What the consumer tells, in order.
#[derive(Debug)]
pub enum SourceEvent {
    /// A new assignment, perhaps an empty one: whatever is in memory is to be
    /// thrown away, and what follows begins where the plan said.
    Assigned {
        /// Number of the assignment; events of lower epochs are stale.
        epoch: u64,
        /// All partitions that are read from now on, with the offset of the
        /// first message; `None` for the oldest that the broker has.
        partitions: Vec<(PartitionId, Option<i64>)>,
        /// What the plan said: end of the last window that was delivered.
        delivered_until: Option<EventTime>,
        /// What the plan said: the checkpoint that the offsets come from.
        checkpoint: Option<CheckpointId>,
    },
    /// Messages.
    Batch {
        /// The assignment under which they were read.
        epoch: u64,
        /// At least one message; to be given back by [`KafkaSource::recycle`].
        batch: MessageBatch,
    },
    /// Whether all that a partition has was handed over before this event.
    CaughtUp {
        /// The assignment under which this holds.
        epoch: u64,
        /// The partition.
        partition: PartitionId,
        /// `false` at the beginning, and whenever it lags.
        caught_up: bool,
    },
    /// The thread ended; the reason when it was not asked to.
    Stopped(Option<SourceError>),
}

/// How the consumer stands, for readiness and the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Whether a broker is connected.
    pub connected: bool,
    /// What is wrong at present, as a sentence; never holds a secret.
    pub error: Option<String>,
    /// The current assignment's number; 0 before the first.
    pub epoch: u64,
    /// Partitions read at present.
    pub assigned: usize,
    /// Partitions of which everything was handed over.
    pub caught_up: usize,
    /// Messages that the brokers have and that were not handed over yet, over
    /// all assigned partitions; `None` until it is known for each.
    pub lag: Option<u64>,
    /// Whether reading is paused because the channel is full.
    pub paused: bool,
    /// Whether another member of the group reads while this one waits to take
    /// over; healthy.
    pub standby: bool,
}

/// The handle of the consumer's thread. Dropping it closes the consumer in
/// the background; [`Self::stop`] waits for that.
#[derive(Debug)]
pub struct KafkaSource {
    group: String,
    names: Arc<NameTable>,
    status: Arc<Mutex<SourceStatus>>,
    commands: Sender<Command>,
    /// Disconnected once the consumer is closed.
    closed: Receiver<()>,
    thread: JoinHandle<()>,
}

impl KafkaSource {
    /// Starts the thread, which connects in its own time. `plan` says where
    /// each assignment starts.
    ///
    /// # Errors
    /// When the settings make no client; never because a broker is away.
    pub fn start(
        settings: &KafkaSettings,
        registry: &Registry,
        plan: Arc<dyn StartPlan>,
    ) -> Result<(Self, Receiver<SourceEvent>), SourceError> {
        let config = client_config(settings, Role::Consumer)?;
        let shared = Shared {
            names: Arc::default(),
            metrics: Arc::new(Metrics::register(registry)?),
            status: Arc::default(),
        };
        let read_committed = config.get("isolation.level") != Some("read_uncommitted");
        let context =
            Context::new(&settings.topics, settings.start, read_committed, Arc::clone(&shared.metrics), plan);
        let consumer: BaseConsumer<Context> =
            config.create_with_context(context).map_err(|error| settings_error(settings, &error))?;
        subscribe(&consumer, &settings.topics)?;

        let interval = config.get("statistics.interval.ms").and_then(|ms| ms.parse().ok());
        let interval = Duration::from_millis(interval.unwrap_or_default());
        if interval.is_zero() {
            tracing::warn!(
                "kafka.librdkafka: statistics.interval.ms is 0, so that lag is unknown and no partition ever \
                 counts as idle"
            );
        }
        let (names, status) = (Arc::clone(&shared.names), Arc::clone(&shared.status));
        let (events, receiver) = sync_channel(CHANNEL);
        let (commands, inbox) = channel();
        let (closing, closed) = sync_channel(0);
        let state = State::new(shared, Outbound::new(events.clone()), settings.topics.clone(), interval);
        let worker = Worker { consumer, commands: inbox, state };
        let thread = thread::Builder::new()
            .name("kafka-source".to_owned())
            .spawn(move || run(worker, closing, &events))?;
        let group = settings.group.clone();
        Ok((Self { group, names, status, commands, closed, thread }, receiver))
    }

    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The topics and partitions behind the ids handed out so far.
    #[must_use]
    pub fn topic_names(&self) -> PartitionNames {
        self.names.snapshot()
    }

    /// Asks for a commit. Returns at once; a commit of a stale epoch is ignored
    /// and counted, a refused one is counted and made up for by the next.
    pub fn commit(&self, epoch: u64, commit: Commit) {
        self.ask(Command::Commit { epoch, commit });
    }

    /// Gives a batch back to be filled again.
    pub fn recycle(&self, batch: MessageBatch) {
        self.ask(Command::Recycle(batch));
        // There is room in the channel now.
        self.thread.thread().unpark();
    }

    /// How the consumer stands.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finishes the commits that were asked for, closes the consumer and waits
    /// for at most `timeout`; after that the thread is left behind.
    ///
    /// # Errors
    /// [`SourceError::CloseTimeout`] when the thread was left behind.
    pub fn stop(self, timeout: Duration) -> Result<(), SourceError> {
        self.ask(Command::Stop);
        match self.closed.recv_timeout(timeout) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(SourceError::CloseTimeout(timeout)),
        }
    }

    fn ask(&self, command: Command) {
        // Only fails once the thread has ended, which its last event tells.
        let _ended = self.commands.send(command);
    }
}

/// The thread: tells that the consumer is closed, then why it ended.
fn run(worker: Worker, closing: SyncSender<()>, events: &SyncSender<SourceEvent>) {
    let reason = match catch_unwind(AssertUnwindSafe(|| worker.run())) {
        Ok(reason) => reason,
        Err(_panic) => Some(SourceError::Panicked),
    };
    if let Some(error) = &reason {
        tracing::error!("{error}");
    }
    drop(closing);
    // Waits for room; ends when the receiver is dropped.
    let _unheard = events.send(SourceEvent::Stopped(reason));
}
