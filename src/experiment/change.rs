//! What is done to an experiment from outside.

use serde::{Deserialize, Serialize};

use crate::event::EventTime;

/// An experiment begins, begins anew, or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperimentChange {
    /// Which one; a change of one that is not known is let go.
    pub experiment: String,
    /// What happens to it.
    pub action: ExperimentAction,
    /// Event time from which on it does: of a release, the present.
    pub at: EventTime,
}

/// What happens to an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentAction {
    /// It begins with nothing counted, whatever was counted before, but for
    /// [`crate::result::ExperimentResult::is_begun_by`].
    Start {
        /// What is being released, such as Flagger's checksum; empty when it has no
        /// name, and then every start begins anew.
        release: String,
    },
    /// It counts no more, and its verdict stays.
    Stop,
}
