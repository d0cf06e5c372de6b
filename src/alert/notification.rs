//! What receivers are told.

use serde::{Deserialize, Serialize};

use super::rule::{Labels, Severity};
use crate::{event::EventTime, result::BinShare};

/// Label: the rule's name.
pub const LABEL_RULE: &str = "alertname";
/// Label: how much it matters.
pub const LABEL_SEVERITY: &str = "severity";
/// Label: the model's name.
pub const LABEL_MODEL: &str = "model";
/// Label: the feature.
pub const LABEL_FEATURE: &str = "feature";
/// Annotation: one line.
pub const SUMMARY: &str = "summary";
/// Annotation: what else is to be said.
pub const DESCRIPTION: &str = "description";
/// Annotation: what the field had in the last window in which the condition held.
pub const VALUE: &str = "value";

/// Whether an alert is on or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The word in notifications.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert as receivers are told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Hash of the labels, 16 hexadecimal digits: the same alert has the same
    /// one at all times.
    pub fingerprint: String,
    /// The rule's name.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about. No value and no time is in here.
    pub labels: Labels,
    /// [`SUMMARY`], [`VALUE`], perhaps [`DESCRIPTION`], and what the rule adds.
    pub annotations: Labels,
    /// On or over.
    pub status: AlertStatus,
    /// End of the window with which it fired, in event time; of a rule over the
    /// daemon itself the clock.
    pub starts_at: EventTime,
    /// End of the window with which it was over.
    pub ends_at: Option<EventTime>,
    /// Start and end of the last window in which the condition held; `None` for
    /// a rule over the daemon itself.
    pub window: Option<(EventTime, EventTime)>,
    /// By which the alerts of one notification are ordered, the largest first.
    pub weight: f64,
    /// The feature's distribution in that window and in the reference; empty
    /// when the alert is about no feature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<BinShare>,
}

impl Alert {
    /// The value of a label; empty without it.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The value of an annotation; empty without it.
    #[must_use]
    pub fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }
}

/// The alerts that are told together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupKey {
    /// The model; `None` for the daemon itself.
    pub model: Option<String>,
    /// How much they matter.
    pub severity: Severity,
}

/// Why a notification was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// An alert fires of which nothing was told yet.
    New,
    /// An alert is over, and none is new.
    Resolved,
    /// Nothing has changed for `repeat_interval`.
    Repeated,
}

impl Reason {
    /// The word in metrics and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Resolved => "resolved",
            Self::Repeated => "repeated",
        }
    }
}

/// What is told of one group at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The same whenever this is told again: after a retry, a restart, a replay.
    pub id: String,
    /// Whose alerts.
    pub group: GroupKey,
    /// Why.
    pub reason: Reason,
    /// The clock when it was made.
    pub made_at: EventTime,
    /// All firing alerts of the group, then those that are over since the last
    /// notification; in each the ones that weigh most first.
    pub alerts: Vec<Alert>,
}

impl Notification {
    /// Firing while any of its alerts is.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        self.alerts.iter().map(|alert| alert.status).min().unwrap_or(AlertStatus::Resolved)
    }

    /// Its firing alerts.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing)
    }

    /// Those that are over.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.status == AlertStatus::Resolved)
    }
}
