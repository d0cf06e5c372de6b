//! The daemon's own memory across restarts.
//!
//! A checkpoint is one snapshot of everything that would be lost with the
//! process: where reading stands, open panes, rows that wait for their other
//! half, and the outbox of points that the database does not have yet. It is
//! the truth; the group's committed offsets follow it, so that lag tools work.
//! Kafka stays the log: whatever is not in a checkpoint is read again.
//!
//! Promises: a file holds a whole checkpoint or is known not to (length and
//! checksum); two generations are kept, and a torn or corrupt one falls back to
//! the older, then to reading again from Kafka, and says so. Points leave the
//! daemon only after a checkpoint that holds them is on the disk.
//!
//! It refuses to share its folder with another running daemon, and to be used
//! when the group's last commit was made by another member: that one knows
//! better, and its commit says from where to read.

mod format;
mod plan;
mod store;
mod writer;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use self::{
    format::{FormatError, decode, encode},
    plan::{CheckpointPlan, Stored},
    store::{Loaded, Store, StoreError, new_instance},
    writer::{Writer, Written},
};
use crate::{
    pipeline::{Snapshot, Undelivered},
    source::CheckpointId,
};

/// Everything that a restart goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint<'a> {
    /// The daemon that made it; survives restarts with the folder.
    pub instance: u64,
    /// Grows from checkpoint to checkpoint.
    pub sequence: u64,
    /// The core.
    pub core: Snapshot<'a>,
    /// Points that were not delivered, in order.
    pub outbox: Vec<Cow<'a, str>>,
    /// Notifications that some receiver did not get; absent in checkpoints of
    /// versions that had none.
    #[serde(default)]
    pub notifications: Vec<Undelivered<'a>>,
}

impl Checkpoint<'_> {
    /// Its name in the group's commits.
    #[must_use]
    pub fn id(&self) -> CheckpointId {
        CheckpointId { instance: self.instance, sequence: self.sequence }
    }
}
