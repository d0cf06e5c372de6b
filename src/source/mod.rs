//! Where messages come from.

mod check;
pub(crate) mod client;
pub mod files;
mod kafka;
mod producer;
mod settings;

pub use check::{CheckLine, connect_check};
pub use client::refused_setting;
pub use kafka::{
    CheckpointId, Commit, Committed, KafkaSource, PartitionNames, Position, ReplayPlan, Resume, SourceError,
    SourceEvent, SourceStatus, StartPlan, TopicPartition,
};
pub use producer::{Producer, PublishError};
pub use settings::{KafkaSettings, StartOffset};
