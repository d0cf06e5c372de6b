//! From batches of messages to window results.
//!
//! [`Core`] is the pure heart: one step function that takes batches, ticks and
//! assignments and gives results, rejects and offsets that may be committed.
//! [`daemon`] is the shell that drives it from Kafka to InfluxDB.

mod basis;
mod commits;
mod core;
mod counters;
pub mod daemon;
mod explanations;
mod holds;
mod join;
mod judge;
mod learn;
mod ledger;
mod memory;
mod model;
mod notices;
mod outbox;
mod pane;
mod recent;
mod reference_file;
mod segments;
mod snapshot;
mod stream;

pub use self::core::{Core, CoreSettings, Input, Outputs};
pub use commits::{Commit, CommitQueue, Mark};
pub use counters::{Counters, DropReason, ExplainLoss};
pub use explanations::{ExplainPurpose, ExplainRow, ExplainSpec, ExplainTask, Explained, Explanations};
pub use holds::Position;
pub use join::JoinSettings;
pub use learn::{LearnedReference, Learning, push_event};
pub use ledger::{Draft, Ledger};
pub use model::{ModelSpec, ModelStatus, ReferenceSpec, row_schema};
pub use notices::{Leaving, Notices, Undelivered};
pub use outbox::Outbox;
pub use recent::RecentRow;
pub use reference_file::{ReferenceFileError, load as load_reference, store as store_reference};
pub use snapshot::{Anew, PartitionState, Snapshot};
