//! From a window's result to its points.
//!
//! Promises: the same result gives the same lines, byte for byte; timestamps
//! are the window's end and nothing else depends on time or place, so that a
//! window that is written again overwrites its own points.

use super::{
    line_protocol::{FieldValue, write_point},
    schema::{
        DISTRIBUTION, DISTRIBUTION_FIELDS, DRIFT, DRIFT_FIELDS, Field, Read, TAG_BIN, TAG_FEATURE, TAG_MODEL,
        TAG_VARIANT, TAG_VERSION, TAG_WINDOW, WINDOW, WINDOW_FIELDS,
    },
};
use crate::result::WindowResult;

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
    /// Adds the points of `window`: one of [`WINDOW`], then one of [`DRIFT`]
    /// and its bins of [`DISTRIBUTION`] per column.
    pub fn add(&mut self, window: &WindowResult) {
        let stream = &window.stream;
        let tags = [
            (TAG_MODEL, stream.model.as_str()),
            (TAG_VERSION, stream.version.as_str()),
            (TAG_VARIANT, stream.variant.as_str()),
            (TAG_WINDOW, window.window.as_str()),
        ];
        self.point(WINDOW, &tags, WINDOW_FIELDS, (window, window.end.0));
        for column in &window.features {
            let [model, version, variant, length] = tags;
            let tags = [model, version, variant, length, (TAG_FEATURE, column.feature.as_str())];
            self.point(DRIFT, &tags, DRIFT_FIELDS, (column, window.end.0));
            for (index, bin) in column.bins.iter().enumerate() {
                let [model, version, variant, length, feature] = tags;
                let number = format!("{index:03}");
                let tags = [model, version, variant, length, feature, (TAG_BIN, number.as_str())];
                self.point(DISTRIBUTION, &tags, DISTRIBUTION_FIELDS, (bin, window.end.0));
            }
        }
    }

    fn point<T>(&mut self, name: &str, tags: &[(&str, &str)], fields: &[Field<T>], (from, at): (&T, i64)) {
        let values: Vec<(&str, FieldValue<'_>)> = fields
            .iter()
            .filter_map(|field| {
                let value = match field.read {
                    Read::Float(read) => FieldValue::Float(read(from)?),
                    Read::Integer(read) => FieldValue::Integer(read(from)?.try_into().unwrap_or(i64::MAX)),
                    Read::Text(read) => FieldValue::Text(read(from)?),
                };
                Some((field.name, value))
            })
            .collect();
        let mut line = String::new();
        let encoded = write_point(&mut line, name, tags, &values, at);
        self.omitted_fields += encoded.omitted_fields;
        if encoded.written {
            self.lines.push(line);
        } else {
            self.empty_points += 1;
        }
    }
}
