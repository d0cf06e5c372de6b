//! Where messages come from.

mod settings;

pub use settings::{KafkaSettings, StartOffset};
