//! Where one alert stands, window by window.
//!
//! Promises: a standing follows from the windows in order of their ends alone,
//! so that a window that is corrected changes what would have been said, and
//! nothing else does.

use serde::{Deserialize, Serialize};

use super::rule::{NoData, Outcome, Rule};

/// How far an alert has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The condition does not hold.
    #[default]
    Inactive,
    /// It has held for so many windows, which are not enough yet.
    Pending(u32),
    /// It fires.
    Firing,
    /// It fires still, though the condition has not held for so many windows.
    Recovering(u32),
}

impl Phase {
    /// The word in the API and in points.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending(_) => "pending",
            Self::Firing => "firing",
            Self::Recovering(_) => "recovering",
        }
    }

    /// Whether an alert in it is to be told.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Firing | Self::Recovering(_))
    }
}

/// What a window changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The alert fires from this window on.
    Fired,
    /// It is over with this window.
    Resolved,
}

/// Where an alert stands after a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// How far it has come.
    pub phase: Phase,
    /// End of the window with which it fired last.
    pub since: Option<i64>,
    /// End of the last window.
    pub last_end: Option<i64>,
    /// What the last window said.
    pub outcome: Option<Outcome>,
}

impl Standing {
    /// The standing after the window that ends at `end`.
    #[must_use]
    pub fn after(self, outcome: Outcome, end: i64, rule: &Rule) -> Self {
        let counted = match (outcome, rule.no_data) {
            (Outcome::NoData, NoData::Resolve) => Some(Outcome::Clear),
            (Outcome::NoData, NoData::Fire) => Some(Outcome::Breach),
            (Outcome::NoData | Outcome::Insufficient, _) => None,
            (outcome, _) => Some(outcome),
        };
        let phase = counted.map_or(self.phase, |counted| next(self.phase, counted, rule));
        Self { phase, last_end: Some(end), outcome: Some(outcome), ..self }
    }

    /// Whether there is anything to remember.
    #[must_use]
    pub fn is_idle(self) -> bool {
        self.phase == Phase::Inactive
    }
}

fn next(phase: Phase, outcome: Outcome, rule: &Rule) -> Phase {
    let pending = |windows: u32| {
        if windows >= rule.raise_after { Phase::Firing } else { Phase::Pending(windows) }
    };
    let recovering = |windows: u32| {
        if windows >= rule.resolve_after { Phase::Inactive } else { Phase::Recovering(windows) }
    };
    match (phase, outcome) {
        (Phase::Inactive, Outcome::Breach) => pending(1),
        (Phase::Pending(windows), Outcome::Breach) => pending(windows.saturating_add(1)),
        (Phase::Inactive | Phase::Pending(_), _) => Phase::Inactive,
        (Phase::Firing, Outcome::Clear) => recovering(1),
        (Phase::Recovering(windows), Outcome::Clear) => recovering(windows.saturating_add(1)),
        (Phase::Firing | Phase::Recovering(_), _) => Phase::Firing,
    }
}
