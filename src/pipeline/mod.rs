//! From batches of messages to window results.
//!
//! [`Core`] is the pure heart: one step function that takes batches, ticks and
//! assignments and gives results, rejects and offsets that may be committed.
//! [`daemon`] is the shell that drives it from Kafka to InfluxDB.

mod core;
mod counters;
pub mod daemon;
mod holds;
mod join;
mod learn;
mod model;
mod reference_file;
mod stream;

pub use self::core::{Core, CoreSettings, Input, Outputs};
pub use counters::{Counters, DropReason};
pub use join::JoinSettings;
pub use learn::{LearnedReference, Learning, push_event};
pub use model::{ModelSpec, ModelStatus, ReferenceSpec};
pub use reference_file::{ReferenceFileError, load as load_reference, store as store_reference};
