//! Times in which alerts are not told.

use crate::event::EventTime;

/// Placeholder.
#[derive(Debug, Clone, PartialEq)]
pub struct MuteTime {
    /// Its name.
    pub name: String,
}

impl MuteTime {
    /// Whether it is on.
    #[must_use]
    pub fn is_muted(&self, _at: EventTime) -> bool {
        false
    }
}
