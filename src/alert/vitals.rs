//! What rules can look at that no window says: models that fall silent, and the
//! daemon itself. The clock drives these, not event time.

use super::rule::Labels;
use crate::{
    event::EventTime,
    result::schema::{Fields, Row, Tag, Value},
};

/// Whether a model's events still come: one row per model.
pub const MODEL: &str = "model";
/// Whether a part of the daemon can do its work: one row per part.
pub const COMPONENT: &str = "component";
/// Metrics of the daemon, as `/metrics` shows them: one row per series; the
/// field is the metric's name.
pub const METRIC: &str = "metric";
/// Tag of [`COMPONENT`].
pub const TAG_COMPONENT: &str = "component";
/// Between two looks at the vitals.
pub const EVERY_MS: i64 = 15_000;

/// Fields of [`MODEL`], with their meaning.
pub const MODEL_FIELDS: [(&str, &str); 2] = [
    ("silent_seconds", "seconds by the clock since the last event of the model came"),
    ("silent_windows", "the same in lengths of a window"),
];
/// Fields of [`COMPONENT`], with their meaning.
pub const COMPONENT_FIELDS: [(&str, &str); 2] =
    [("ready", "1 when the part can do its work, else 0"), ("unready_seconds", "for how long it can't")];

/// What the daemon knows of itself at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vitals {
    /// The clock.
    pub now: EventTime,
    /// Whether messages are read: this daemon is the one of its group that
    /// does, and the broker is there.
    pub is_reading: bool,
    /// The models, and whether events of each came since the last look.
    pub models: Vec<(String, bool)>,
    /// Rows of [`COMPONENT`] and [`METRIC`].
    pub rows: Vec<VitalRow>,
}

/// One of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct VitalRow {
    /// [`MODEL`], [`COMPONENT`] or [`METRIC`].
    pub measurement: &'static str,
    /// What it is about.
    pub tags: Labels,
    /// What it says.
    pub fields: Vec<(String, f64)>,
}

impl Fields for VitalRow {
    fn at(&self, index: usize) -> Option<(&str, Option<Value<'_>>)> {
        self.fields.get(index).map(|(name, value)| (name.as_str(), Some(Value::Float(*value))))
    }
}

impl VitalRow {
    /// Calls `with` with the row as rules read it.
    pub(super) fn read<T>(&self, with: impl FnOnce(&Row<'_>) -> T) -> T {
        let tags: Vec<Tag<'_>> =
            self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        with(&Row { measurement: self.measurement, tags: &tags, fields: self })
    }
}
