//! What holds for the decoder, whatever the messages.
//!
//! A decoder that has seen other messages reads one as a fresh decoder does;
//! it takes for JSON what `serde_json` does, but for nesting beyond its limit
//! and for the words `NaN`, `Infinity` and `-Infinity`; and a numeric feature
//! has the value that `serde_json` finds.
//!
//! The input is a byte that chooses where fields are found, then messages with
//! the byte [`SEPARATOR`] between them, which no JSON holds.

use std::{collections::BTreeMap, sync::LazyLock};

use driftline::{
    decode::{ColumnPlace, Decoder, EventMapping, FieldSource, JsonPointer, Row, Schema},
    event::{EventKind, Message, MessageBatch, PartitionId, RejectReason},
    profile::{Cell, spelled_number},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
};
use serde::de::IgnoredAny;

/// Stands between messages.
pub(crate) const SEPARATOR: u8 = 0x1e;
const MODELS: [&str; 2] = ["credit", "fraud"];
/// Longer messages are refused.
const MAX_BYTES: usize = 20_000;
/// So deep nothing is refused for its nesting.
const SHALLOW: usize = 60;

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..100 {
        let number = f64::from(row);
        let color = if row % 3 == 0 { "red" } else { "blue" };
        builder.push_row([
            ("age", ColumnRole::Feature, Value::Number(number)),
            ("income", ColumnRole::Feature, Value::Number(number * 10.5)),
            ("color", ColumnRole::Feature, Value::Text(color)),
            ("prediction", ColumnRole::Prediction, Value::Number(number / 100.0)),
            ("prediction_class", ColumnRole::Prediction, Value::Text(if row < 30 { "0" } else { "yes" })),
        ]);
    }
    builder.finish("fuzz".to_owned()).expect("there are rows").0
});

fn pointer(text: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer::parse(text).expect("a pointer"))
}

/// The native envelope, and what users map in its place.
fn mapping(choice: u8) -> EventMapping {
    let mut mapping = EventMapping::default();
    match choice % 6 {
        1 => mapping.features = JsonPointer::default(),
        2 => (mapping.model, mapping.time) = (FieldSource::Key, pointer("/meta/at")),
        3 => {
            (mapping.id, mapping.version) = (pointer("/features/id"), pointer("/features/v"));
        }
        4 => {
            (mapping.model, mapping.prediction) =
                (FieldSource::Constant("fraud".to_owned()), pointer("/out/0/score"));
            mapping.features = JsonPointer(vec!["in".to_owned(), "0".to_owned()]);
        }
        5 => (mapping.kind, mapping.prediction) = (FieldSource::Topic, FieldSource::Header("p".to_owned())),
        _ => {}
    }
    mapping
}

fn decoder(mapping: &EventMapping) -> Decoder {
    let mut decoder = Decoder::new(mapping, MAX_BYTES, MODELS.map(str::to_owned));
    for model in 0..MODELS.len() {
        let columns = REFERENCE.columns.iter().map(|column| {
            let place = match column.name.as_str() {
                "prediction" => ColumnPlace::Prediction,
                "prediction_class" => ColumnPlace::PredictionClass,
                _ => ColumnPlace::Feature,
            };
            (column.name.as_str(), place, &column.grid)
        });
        decoder.set_schema(model, Schema::new(columns, ["ignored"]));
    }
    decoder
}

/// Everything that decoding gave, as text.
fn decoded(decoder: &mut Decoder, message: &Message<'_>) -> (String, Row, Outcome) {
    let mut row = Row::default();
    match decoder.decode(message, "prediction", &mut row) {
        Ok(envelope) => {
            let kind = envelope.kind;
            let text = format!("{envelope:?}\n{row:?}");
            (text, row, Outcome::Event(kind))
        }
        Err(reject) => (format!("{reject:?}"), row, Outcome::Refused(reject.reason)),
    }
}

enum Outcome {
    Event(EventKind),
    Refused(RejectReason),
}

/// Panics when one of the promises does not hold for these messages.
pub(crate) fn check(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let mapping = mapping(choice);
    let mut batch = MessageBatch::default();
    for (offset, payload) in (0..).zip(rest.split(|&byte| byte == SEPARATOR).take(64)) {
        batch.push(PartitionId(0), offset, Some(b"credit"), Some(payload));
        batch.push_header(b"p", Some(b"0.25"));
    }
    let mut experienced = decoder(&mapping);
    for message in batch.iter() {
        let (text, row, outcome) = decoded(&mut experienced, &message);
        let (fresh, ..) = decoded(&mut decoder(&mapping), &message);
        let payload = message.value.unwrap_or_default();
        assert_eq!(text, fresh, "of {:?}", String::from_utf8_lossy(payload));
        check_json(payload, &outcome);
        if matches!(outcome, Outcome::Event(EventKind::Prediction)) && choice % 6 == 0 {
            check_numbers(payload, &row);
        }
    }
}

/// Whether `serde_json` agrees about what is JSON.
fn check_json(payload: &[u8], outcome: &Outcome) {
    let refused = matches!(outcome, Outcome::Refused(RejectReason::NotJson));
    if payload.len() > MAX_BYTES || nesting(payload) > SHALLOW {
        return;
    }
    let is_json = std::str::from_utf8(payload)
        .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(&without_words(text)).is_ok());
    assert_eq!(!refused, is_json, "{:?}", String::from_utf8_lossy(payload));
}

/// The text with a number for every bare word that Python writes.
fn without_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(next) = rest.chars().next() {
        let word = ["NaN", "Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            // Only where a value can stand, with nothing of a number around it.
            let clean = out.trim_end().ends_with([':', ',', '[']) || out.trim_end().is_empty();
            let minus = word == "Infinity" && out.ends_with('-');
            out.push_str(if clean || minus { "0" } else { word });
            rest = &rest[word.len()..];
            // A digit behind the word must stay an error.
            if rest.starts_with(|c: char| c.is_ascii_digit() || ".eE".contains(c)) {
                out.push('x');
            }
            continue;
        }
        out.push(next);
        rest = &rest[next.len_utf8()..];
        if in_string && next == '\\' {
            if let Some(escaped) = rest.chars().next() {
                out.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
        } else if next == '"' {
            in_string = !in_string;
        }
    }
    out
}

/// No more levels than these are open at once.
fn nesting(payload: &[u8]) -> usize {
    payload.iter().filter(|byte| matches!(byte, b'{' | b'[')).count()
}

/// The numeric features of a prediction in the native envelope.
fn check_numbers(payload: &[u8], row: &Row) {
    let Ok(serde_json::Value::Object(event)) = serde_json::from_slice(payload) else { return };
    let Some(serde_json::Value::Object(features)) = event.get("features") else { return };
    for (column, cell) in REFERENCE.columns.iter().zip(&row.cells) {
        if column.name != "age" && column.name != "income" {
            continue;
        }
        let expected = match features.get(&column.name) {
            None | Some(serde_json::Value::Null) => Cell::MISSING,
            Some(serde_json::Value::Number(number)) => number.as_f64().map_or(Cell::MISSING, Cell::number),
            Some(serde_json::Value::String(text)) => {
                spelled_number(text.as_bytes()).map_or(Cell::WRONG_TYPE, Cell::number)
            }
            Some(_) => Cell::WRONG_TYPE,
        };
        assert_eq!(*cell, expected, "{} of {:?}", column.name, String::from_utf8_lossy(payload));
    }
}
