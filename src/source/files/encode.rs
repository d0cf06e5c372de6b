//! A row of a table as the event that a producer would have sent.

use std::io::Write;

use super::{FileValue, TableRow, columns::Place};
use crate::event::EventTime;

/// Writes rows as native events of one model.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// The model's name as JSON.
    model: String,
    columns: Vec<Column>,
    has_features: bool,
    has_prediction: bool,
}

#[derive(Debug)]
struct Column {
    place: Place,
    /// The name as JSON, with the colon.
    key: String,
}

impl Encoder {
    pub(super) fn new(model: &str) -> Self {
        Self { model: json_string(model), ..Self::default() }
    }

    /// Says what the columns are; called again when there are more of them.
    pub(super) fn set_columns(&mut self, columns: &[String], place: impl Fn(&str) -> Place) {
        self.columns =
            columns.iter().map(|name| Column { place: place(name), key: json_string(name) + ":" }).collect();
        let has = |wanted: &[Place]| self.columns.iter().any(|column| wanted.contains(&column.place));
        self.has_features = has(&[Place::Feature]);
        self.has_prediction = has(&[Place::Prediction, Place::PredictionClass]);
    }

    /// The value of the column at `place`, if the row has one.
    pub(super) fn value<'r>(&self, row: &'r TableRow, place: Place) -> Option<FileValue<'r>> {
        let index = self.columns.iter().position(|column| column.place == place)?;
        row.get(index).filter(|value| *value != FileValue::Missing)
    }

    /// Whether the row gives an event at all.
    pub(super) fn has_event(&self, row: &TableRow) -> bool {
        self.has_features || self.has_prediction || self.value(row, Place::Label).is_some()
    }

    /// Appends the row's prediction, or its feature event when no column holds
    /// predictions; `false` when no column holds features or predictions.
    pub(super) fn row(&self, row: &TableRow, time: Option<EventTime>, out: &mut Vec<u8>) -> bool {
        if !self.has_features && !self.has_prediction {
            return false;
        }
        self.head(if self.has_prediction { "prediction" } else { "feature" }, row, time, out);
        if self.has_features {
            self.features(row, out);
        }
        for (place, key) in [(Place::Prediction, "prediction"), (Place::PredictionClass, "prediction_class")]
        {
            if let Some(value) = self.value(row, place) {
                member(key, out);
                push_value(value, out);
            }
        }
        out.push(b'}');
        true
    }

    /// Appends the row's label event; `false` when it has no label.
    pub(super) fn label(&self, row: &TableRow, time: Option<EventTime>, out: &mut Vec<u8>) -> bool {
        let Some(label) = self.value(row, Place::Label) else { return false };
        self.head("label", row, time, out);
        member("label", out);
        push_value(label, out);
        out.push(b'}');
        true
    }

    /// The members that all kinds share.
    fn head(&self, kind: &str, row: &TableRow, time: Option<EventTime>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        if let Some(id) = self.value(row, Place::Id) {
            member("id", out);
            push_name(id, out);
        }
        if let Some(time) = time {
            member("time", out);
            // Writing to memory can't fail.
            let _ = write!(out, "\"{time}\"");
        }
        member("model", out);
        out.extend_from_slice(self.model.as_bytes());
        for (place, key) in [(Place::Version, "version"), (Place::Variant, "variant")] {
            if let Some(value) = self.value(row, place) {
                member(key, out);
                push_name(value, out);
            }
        }
    }

    fn features(&self, row: &TableRow, out: &mut Vec<u8>) {
        member("features", out);
        let mut separator = b'{';
        for (index, column) in self.columns.iter().enumerate() {
            let Some(value) = row.get(index).filter(|_| column.place == Place::Feature) else { continue };
            out.push(separator);
            out.extend_from_slice(column.key.as_bytes());
            push_value(value, out);
            separator = b',';
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
    }
}

/// The text of an id, version or variant: names are text, whatever they look like.
pub(super) fn name_text(value: FileValue<'_>) -> &str {
    match value {
        FileValue::Text(text) | FileValue::Number(_, text) | FileValue::Nested(text) => text,
        FileValue::Bool(true) => "true",
        FileValue::Bool(false) => "false",
        FileValue::Missing => "",
    }
}

fn member(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_name(value: FileValue<'_>, out: &mut Vec<u8>) {
    push_string(name_text(value), out);
}

fn push_value(value: FileValue<'_>, out: &mut Vec<u8>) {
    match value {
        FileValue::Missing => out.extend_from_slice(b"null"),
        FileValue::Number(_, text) | FileValue::Nested(text) => out.extend_from_slice(text.as_bytes()),
        FileValue::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        FileValue::Text(text) => push_string(text, out),
    }
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    let is_plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(json_string(text).as_bytes());
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
