//! From a window's result to its points.
//!
//! Promises: the same result gives the same lines, byte for byte; timestamps
//! are the window's end and nothing else depends on time or place, so that a
//! window that is written again overwrites its own points.

use super::line_protocol::{FieldValue, write_point};
use crate::{
    alert::AlertRecord,
    result::{
        WindowResult,
        schema::{Row, Value},
    },
};

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
