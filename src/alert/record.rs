//! What is written down of an alert: a point, an annotation on a graph, a line
//! of a timeline.

use serde::{Deserialize, Serialize};

use super::{notification::Alert, standing::Change};
use crate::event::EventTime;

/// What became of an alert at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// It fires from here on.
    Firing,
    /// It is over from here on.
    Resolved,
    /// It was said to fire or to be over with this window; a late event has
    /// changed the window since.
    Withdrawn,
}

impl RecordState {
    /// The word in points.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl From<Change> for RecordState {
    fn from(change: Change) -> Self {
        match change {
            Change::Fired => Self::Firing,
            Change::Resolved => Self::Resolved,
        }
    }
}

/// One change of one alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// End of the window with which it changed, or the clock.
    pub at: EventTime,
    /// What it is now.
    pub state: RecordState,
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
}
