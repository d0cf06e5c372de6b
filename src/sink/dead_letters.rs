//! Messages that could not be used, put aside with the reason.

use prometheus::Registry;

use crate::{
    event::{Message, Reject},
    source::{KafkaSettings, SourceError},
};

/// The queue of dead letters is full: nothing was taken, and the message is to
/// be offered again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of dead letters is full")]
pub struct Full;

/// The producer for refused messages.
#[derive(Debug)]
pub struct DeadLetters {}

impl DeadLetters {
    /// Makes the client; connects in the background. Without a dead-letter
    /// topic there is no client: refused messages are counted and logged.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn start(_settings: &KafkaSettings, _registry: &Registry) -> Result<Self, SourceError> {
        Ok(Self {})
    }

    /// Takes a refused message that came from `topic` and `partition`; gives
    /// its sequence number, which starts at 1.
    ///
    /// # Errors
    /// [`Full`] when the broker is behind; the message was not taken.
    pub fn send(
        &self,
        _message: &Message<'_>,
        _topic: &str,
        _partition: i32,
        _reject: &Reject,
    ) -> Result<u64, Full> {
        Ok(0)
    }

    /// Every dead letter up to this sequence number is done with: on the
    /// broker, or given up for good and counted as lost.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        0
    }
}
