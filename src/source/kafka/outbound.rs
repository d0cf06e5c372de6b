//! What waits to be handed over: the batch being filled, events in order, and
//! empty batches to fill again.

use std::{
    collections::VecDeque,
    sync::mpsc::{SyncSender, TrySendError},
};

use super::{SourceEvent, metrics::Metrics};
use crate::event::MessageBatch;

/// Messages in a batch, at most.
pub(super) const BATCH_MESSAGES: usize = 512;
/// A batch of at least this many bytes is full.
const BATCH_BYTES: usize = 1 << 20;
/// Empty batches that are kept.
const SPARES: usize = 16;
/// A batch that grew beyond this for a huge message gives its memory back.
const LARGEST_SPARE_BYTES: usize = 4 * BATCH_BYTES;

/// The way out of the thread.
#[derive(Debug)]
pub(super) struct Outbound {
    sender: SyncSender<SourceEvent>,
    waiting: VecDeque<SourceEvent>,
    pub(super) filling: MessageBatch,
    spares: Vec<MessageBatch>,
}

/// Nobody receives any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed;

impl Outbound {
    pub(super) fn new(sender: SyncSender<SourceEvent>) -> Self {
        Self { sender, waiting: VecDeque::new(), filling: MessageBatch::default(), spares: Vec::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.filling.len() >= BATCH_MESSAGES || self.filling.byte_len() >= BATCH_BYTES
    }

    /// Closes the batch being filled, if it holds anything.
    pub(super) fn flush(&mut self, epoch: u64) {
        if !self.filling.is_empty() {
            let batch = std::mem::replace(&mut self.filling, self.spares.pop().unwrap_or_default());
            self.waiting.push_back(SourceEvent::Batch { epoch, batch });
        }
    }

    /// Appends an event that comes after everything before it.
    pub(super) fn push(&mut self, event: SourceEvent) {
        self.waiting.push_back(event);
    }

    /// Throws away what belongs to an assignment that is over.
    pub(super) fn discard(&mut self, metrics: &Metrics) {
        metrics.discarded.inc_by(count(self.filling.len()));
        self.filling.clear();
        for event in std::mem::take(&mut self.waiting) {
            if let SourceEvent::Batch { batch, .. } = event {
                metrics.discarded.inc_by(count(batch.len()));
                self.recycle(batch);
            }
        }
    }

    /// Hands over what the channel takes; `true` when all of it.
    pub(super) fn send(&mut self, metrics: &Metrics) -> Result<bool, Closed> {
        while let Some(event) = self.waiting.pop_front() {
            let size = match &event {
                SourceEvent::Batch { batch, .. } => Some((count(batch.len()), count(batch.byte_len()))),
                _ => None,
            };
            match self.sender.try_send(event) {
                Ok(()) => {
                    if let Some((messages, bytes)) = size {
                        metrics.batches.inc();
                        metrics.messages.inc_by(messages);
                        metrics.bytes.inc_by(bytes);
                    }
                }
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return Ok(false);
                }
                Err(TrySendError::Disconnected(_)) => return Err(Closed),
            }
        }
        Ok(true)
    }

    pub(super) fn recycle(&mut self, mut batch: MessageBatch) {
        if self.spares.len() < SPARES && batch.byte_len() <= LARGEST_SPARE_BYTES {
            batch.clear();
            self.spares.push(batch);
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
