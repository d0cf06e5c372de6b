//! From a window's result to its points.
//!
//! Promises: the same result gives the same lines, byte for byte; timestamps
//! are the window's end and nothing else depends on time or place, so that a
//! window that is written again overwrites its own points.

use super::line_protocol::{FieldValue, write_point};
use crate::{
    alert::AlertRecord,
    result::{
        EventExplanation, ExperimentResult, WindowExplanation, WindowResult,
        schema::{Row, Value},
    },
};

/// What is to be written at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written<'a> {
    /// Windows that were closed, or written again.
    pub windows: &'a [WindowResult],
    /// Windows that were explained.
    pub explanations: &'a [WindowExplanation],
    /// Events of alerts that were explained.
    pub events: &'a [EventExplanation],
    /// Experiments, looked at anew.
    pub experiments: &'a [ExperimentResult],
    /// Alerts that have changed.
    pub alerts: &'a [AlertRecord],
}

impl Written<'_> {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
            && self.explanations.is_empty()
            && self.events.is_empty()
            && self.experiments.is_empty()
            && self.alerts.is_empty()
    }
}

/// The points of window results, one line each.
#[derive(Debug, Default)]
pub struct Points {
    /// Lines of line protocol, in the order of the results.
    pub lines: Vec<String>,
    /// Fields left out because their number was NaN or infinite.
    pub omitted_fields: usize,
    /// Points left out because no field was left.
    pub empty_points: usize,
}

impl Points {
    /// Adds the points of `window`, one per row.
    pub fn add(&mut self, window: &WindowResult) {
        window.rows(&mut |row| self.point(row, window.end.0));
    }

    /// Adds the points of everything, in order.
    pub fn add_all(&mut self, written: &Written<'_>) {
        written.windows.iter().for_each(|window| self.add(window));
        for explanation in written.explanations {
            explanation.rows(&mut |row| self.point(row, explanation.end.0));
        }
        for event in written.events {
            if let Some(window) = &event.window {
                event.rows(&mut |row| self.point(row, window.end.0));
            }
        }
        for experiment in written.experiments {
            experiment.rows(&mut |row| self.point(row, experiment.end.0));
        }
        written.alerts.iter().for_each(|record| self.add_alert(record));
    }

    /// Adds the point of a change of an alert.
    pub fn add_alert(&mut self, record: &AlertRecord) {
        record.row(|row| self.point(row, record.at.0));
    }

    fn point(&mut self, row: Row<'_>, at: i64) {
        let value = |value| match value {
            Value::Float(number) => FieldValue::Float(number),
            Value::Integer(count) => FieldValue::Integer(count.try_into().unwrap_or(i64::MAX)),
            Value::Text(text) => FieldValue::Text(text),
        };
        let values: Vec<(&str, FieldValue<'_>)> =
            row.fields().filter_map(|(name, field)| Some((name, value(field?)))).collect();
        let mut line = String::new();
        let encoded = write_point(&mut line, row.measurement, row.tags, &values, at);
        self.omitted_fields += encoded.omitted_fields;
        if encoded.written {
            self.lines.push(line);
        } else {
            self.empty_points += 1;
        }
    }
}
