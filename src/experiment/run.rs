//! Since when an experiment counts, and until when.

use serde::{Deserialize, Serialize};

use super::settings::ExperimentSettings;
use crate::result::ExperimentPhase;

/// What was started and stopped from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// What is being released.
    pub(super) release: Option<String>,
    pub(super) from: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Run {
    /// Whether something was done to it after `other`.
    pub(super) fn is_later_than(&self, other: &Self) -> bool {
        self.from > other.from || (self.from == other.from && self.until.is_some() && other.until.is_none())
    }

    /// From when on events count and until when; `None` before it was started.
    pub(super) fn times(&self, settings: &ExperimentSettings) -> Option<(i64, i64)> {
        if settings.waits_for_start && self.from.is_none() {
            return None;
        }
        let from = settings.starts_at.map(|time| time.0).max(self.from).unwrap_or(i64::MIN);
        let until = [settings.ends_at.map(|time| time.0), self.until].into_iter().flatten().min();
        Some((from, until.unwrap_or(i64::MAX)))
    }

    /// Where it stands when windows up to `end` were looked at.
    pub(super) fn phase(&self, settings: &ExperimentSettings, end: i64) -> ExperimentPhase {
        match self.times(settings) {
            None => ExperimentPhase::Waiting,
            Some(_) if self.until.is_some() => ExperimentPhase::Ended,
            Some((_, until)) if end >= until => ExperimentPhase::Ended,
            Some(_) => ExperimentPhase::Running,
        }
    }
}
