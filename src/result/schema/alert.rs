//! What is written about alerts.

use super::{ALERT, Field, Read, Row, Tag, field, rows::TableOf};
use crate::event::EventTime;

/// What a point of [`ALERT`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertFields {
    /// `firing`, `resolved` or `withdrawn`.
    pub state: &'static str,
    /// One line.
    pub title: String,
    /// What else is to be said.
    pub text: String,
    /// What the rule looked at.
    pub value: String,
    /// End of the window with which it fired.
    pub since: EventTime,
}

/// Fields of [`ALERT`].
pub(super) const ALERT_FIELDS: &[Field<AlertFields>] = &[
    field(
        "state",
        "word",
        "`firing`, `resolved`, or `withdrawn`: what was said with this window does not hold any more, a late event \
         has changed it",
        Read::Text(|a| Some(a.state.into())),
    ),
    field(
        "firing",
        "flag",
        "1 when the alert fires from here on, else 0",
        Read::Integer(|a| Some(u64::from(a.state == "firing"))),
    ),
    field("title", "text", "one line, for annotations", Read::Text(|a| Some(a.title.as_str().into()))),
    field(
        "text",
        "text",
        "what else is to be said; empty when there is nothing",
        Read::Text(|a| Some(a.text.as_str().into())),
    ),
    field(
        "value",
        "text",
        "what the rule looked at in the last window in which its condition held; empty for an expression",
        Read::Text(|a| Some(a.value.as_str().into())),
    ),
    field(
        "since",
        "ms since 1970",
        "end of the window with which the alert fired",
        Read::Integer(|a| a.since.0.try_into().ok()),
    ),
];

impl AlertFields {
    /// Calls `with` with the row of these fields.
    pub fn row<T>(&self, tags: &[Tag<'_>], with: impl FnOnce(Row<'_>) -> T) -> T {
        with(Row { measurement: ALERT, tags, fields: &TableOf { table: ALERT_FIELDS, from: self } })
    }
}
