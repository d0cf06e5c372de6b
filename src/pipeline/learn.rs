//! Learning a reference from the stream, for those who have no training data.

use std::sync::Arc;

use crate::{
    decode::{Envelope, LooseValue, loose_features, loose_value},
    event::{EventKind, EventTime},
    reference::{ColumnReport, ColumnRole, Reference, ReferenceBuilder, ReferenceError, Value},
    result::{PREDICTION, PREDICTION_CLASS},
};

/// Which rows of the stream make the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learning {
    /// The first so many.
    FirstEvents(u64),
    /// Those in a range of event time, `from` inclusive, `until` exclusive.
    TimeRange {
        /// Inclusive.
        from: EventTime,
        /// Exclusive.
        until: EventTime,
    },
}

impl Learning {
    /// First event time that a reference learned in this way does not cover,
    /// given the first and last time of its rows.
    #[must_use]
    pub fn covers_until(&self, times: Option<(EventTime, EventTime)>) -> EventTime {
        match self {
            Self::FirstEvents(_) => times.map(|(_, latest)| latest).unwrap_or_default().plus_ms(1),
            Self::TimeRange { until, .. } => *until,
        }
    }
}

/// A reference that was learned.
#[derive(Debug, Clone)]
pub struct LearnedReference {
    /// The reference.
    pub reference: Arc<Reference>,
    /// How each column came out, for people.
    pub columns: Vec<ColumnReport>,
}

/// A reference that is being learned.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) learning: Learning,
    builder: ReferenceBuilder,
    /// Greatest time of an event that came too late for a row, or too early
    /// for a window: no reference was there yet.
    left_out_until: Option<EventTime>,
}

impl Learner {
    pub(super) fn new(learning: Learning, builder: ReferenceBuilder) -> Self {
        Self { learning, builder, left_out_until: None }
    }

    pub(super) fn rows(&self) -> u64 {
        self.builder.rows()
    }

    /// Values of features that have no place in the reference.
    pub(super) fn surplus(&self) -> u64 {
        self.builder.surplus()
    }

    /// Whether an event of this time belongs to the reference.
    fn wants(&self, time: EventTime) -> bool {
        match self.learning {
            Learning::FirstEvents(_) => true,
            Learning::TimeRange { from, until } => (from..until).contains(&time),
        }
    }

    /// Takes an event; `false` when it is not a row of the reference.
    pub(super) fn take(&mut self, envelope: &Envelope<'_>) -> bool {
        let is_row = envelope.kind != EventKind::Label
            && self.wants(envelope.time)
            && push_event(&mut self.builder, envelope, Some(envelope.time));
        if !is_row {
            self.left_out_until = self.left_out_until.max(Some(envelope.time));
        }
        is_row
    }

    /// Whether all rows have come, given the watermark.
    pub(super) fn is_complete(&self, watermark: Option<EventTime>) -> bool {
        match self.learning {
            Learning::FirstEvents(count) => self.rows() >= count,
            Learning::TimeRange { until, .. } => {
                self.rows() > 0 && watermark.is_some_and(|time| time >= until)
            }
        }
    }

    /// Rows wanted, where that is known beforehand.
    pub(super) fn target_rows(&self) -> Option<u64> {
        match self.learning {
            Learning::FirstEvents(count) => Some(count),
            Learning::TimeRange { .. } => None,
        }
    }

    /// The reference, and the first event time that it does not cover.
    pub(super) fn finish(self) -> Result<(LearnedReference, EventTime), ReferenceError> {
        let source = match self.learning {
            Learning::FirstEvents(count) => format!("the first {count} rows of the stream"),
            Learning::TimeRange { from, until } => format!("the stream from {from} until {until}"),
        };
        let (mut reference, columns) = self.builder.finish(source)?;
        // Windows with events that were left out would lack them.
        let left_out = self.left_out_until.map(|time| time.plus_ms(1));
        let end = left_out.unwrap_or_default().max(self.learning.covers_until(reference.times));
        reference.covers_until = Some(end);
        Ok((LearnedReference { reference: Arc::new(reference), columns }, end))
    }
}

/// Takes a decoded event as a row of a reference, of this time if it has one:
/// its features and its prediction. `false` when it holds neither.
pub fn push_event(builder: &mut ReferenceBuilder, envelope: &Envelope<'_>, time: Option<EventTime>) -> bool {
    let mut cells: Vec<(&str, ColumnRole, Value<'_>)> = Vec::new();
    let features = envelope.features.and_then(loose_features).unwrap_or_default();
    for (name, value) in &features {
        cells.extend(plain(value).map(|value| (name.as_ref(), ColumnRole::Feature, value)));
    }
    let prediction = envelope.prediction.as_deref().and_then(loose_value);
    let class = envelope.prediction_class.as_deref().and_then(loose_value);
    if let Some(value) = prediction.as_ref().and_then(plain) {
        let name = if matches!(value, Value::Number(_)) { PREDICTION } else { PREDICTION_CLASS };
        cells.push((name, ColumnRole::Prediction, value));
    }
    if let Some(value) = class.as_ref().and_then(plain) {
        cells.retain(|(name, ..)| *name != PREDICTION_CLASS);
        cells.push((PREDICTION_CLASS, ColumnRole::Prediction, value));
    }
    if cells.is_empty() {
        return false;
    }
    match time {
        Some(time) => builder.push_row_at(time, cells),
        None => builder.push_row(cells),
    }
    true
}

fn plain<'a>(value: &'a LooseValue<'_>) -> Option<Value<'a>> {
    Some(match value {
        LooseValue::Missing => Value::Missing,
        LooseValue::Number(number) => Value::Number(*number),
        LooseValue::Text(text) => Value::Text(text),
        LooseValue::Bool(flag) => Value::Bool(*flag),
        LooseValue::Nested => return None,
    })
}
