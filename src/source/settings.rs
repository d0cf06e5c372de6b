//! What the configuration says about Kafka.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;

/// Where a group without committed offsets starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOffset {
    /// With the oldest message that the broker still has.
    Earliest,
    /// With the next message.
    Latest,
}

/// How to reach Kafka and what to read.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Consumer group.
    pub group: String,
    /// Name of this member within the group, for good: it may restart within
    /// the session timeout without a rebalance.
    pub instance_id: Option<String>,
    /// Topics to read, at least one.
    pub topics: Vec<String>,
    /// Where to start without a committed offset.
    pub start: StartOffset,
    /// Topic for messages that can't be used; without one they are counted
    /// and logged only.
    pub dead_letter_topic: Option<String>,
    /// Longer payloads are rejected as too large.
    pub max_message_bytes: usize,
    /// How long closing the consumer may take.
    pub close_timeout: Duration,
    /// Settings for librdkafka by its own names: security, tuning. They win
    /// over our defaults. Secrets among them are never printed.
    pub librdkafka: BTreeMap<String, SecretString>,
}
