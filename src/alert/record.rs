//! What is written down of an alert: a point, an annotation on a graph, a line
//! of a timeline.

use serde::{Deserialize, Serialize};

use super::{
    notification::{Alert, DESCRIPTION, SUMMARY, VALUE},
    standing::Change,
};
use crate::{
    event::EventTime,
    result::schema::{
        AlertFields, Row, TAG_ALERT, TAG_EXPERIMENT, TAG_FEATURE, TAG_MODEL, TAG_RULE, TAG_SEGMENT,
        TAG_SEVERITY, TAG_VARIANT, TAG_VERSION,
    },
};

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

impl AlertRecord {
    /// Calls `with` with the row that is written.
    pub fn row<T>(&self, with: impl FnOnce(Row<'_>) -> T) -> T {
        let alert = &self.alert;
        let mut tags = vec![
            (TAG_RULE, alert.rule.as_str()),
            (TAG_SEVERITY, alert.severity.as_str()),
            (TAG_ALERT, alert.fingerprint.as_str()),
        ];
        let about = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_SEGMENT, TAG_EXPERIMENT];
        tags.extend(
            about.map(|tag| (tag, alert.label(tag))).into_iter().filter(|(_, value)| !value.is_empty()),
        );
        let fields = AlertFields {
            state: self.state.as_str(),
            title: alert.annotation(SUMMARY).to_owned(),
            text: alert.annotation(DESCRIPTION).to_owned(),
            value: alert.annotation(VALUE).to_owned(),
            since: alert.starts_at,
        };
        fields.row(&tags, with)
    }
}
