//! The decoder against `serde_json`, and against itself without a memory.
//!
//! The decoder learns the layout of a producer's messages and then takes a
//! shorter way through them. Whatever it has learned, it must read a message
//! as a decoder does that has never seen another one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use driftline::{
    decode::{ColumnPlace, Decoder, EventMapping, Row, Schema},
    event::{MessageBatch, PartitionId},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
};
use proptest::prelude::*;

const MODELS: [&str; 2] = ["credit", "fraud"];

/// A reference with two numeric and one categorical feature and a prediction.
fn reference(model: &str) -> Reference {
    let mut builder = ReferenceBuilder::new(model, &BTreeMap::new(), 10);
    for row in 0..100 {
        let number = f64::from(row);
        let color = if row % 3 == 0 { "red" } else { "blue" };
        builder.push_row([
            ("age", ColumnRole::Feature, Value::Number(number)),
            ("income", ColumnRole::Feature, Value::Number(number * 10.5)),
            ("color", ColumnRole::Feature, Value::Text(color)),
            ("prediction", ColumnRole::Prediction, Value::Number(number / 100.0)),
        ]);
    }
    builder.finish("test".to_owned()).expect("there are rows").0
}

fn decoder(mapping: &EventMapping) -> Decoder {
    let mut decoder = Decoder::new(mapping, 100_000, MODELS.map(str::to_owned));
    for (index, model) in MODELS.iter().enumerate() {
        let reference = reference(model);
        let columns = reference.columns.iter().map(|column| {
            let feature = column.role == ColumnRole::Feature;
            let place = if feature { ColumnPlace::Feature } else { ColumnPlace::Prediction };
            (column.name.as_str(), place, &column.grid)
        });
        decoder.set_schema(index, Schema::new(columns, ["ignored"]));
    }
    decoder
}

/// Everything that decoding gave, as text.
fn decoded(decoder: &mut Decoder, payload: &[u8]) -> String {
    let mut batch = MessageBatch::default();
    batch.push(PartitionId(0), 0, None, Some(payload));
    let message = batch.get(0).expect("pushed above");
    let mut row = Row::default();
    match decoder.decode(&message, "topic", &mut row) {
        Ok(envelope) => format!("{envelope:?}\n{row:?}"),
        Err(reject) => format!("{reject:?}"),
    }
}

#[test]
fn a_number_as_the_class_leaves_the_prediction_alone() {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..100 {
        builder.push_row([
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 100.0)),
            ("prediction_class", ColumnRole::Prediction, Value::Text(if row < 30 { "0" } else { "1" })),
        ]);
    }
    let reference = builder.finish("test".to_owned()).expect("there are rows").0;
    let places = [ColumnPlace::Prediction, ColumnPlace::PredictionClass];
    let columns = reference.columns.iter().zip(places);
    let schema = Schema::new(columns.map(|(column, place)| (column.name.as_str(), place, &column.grid)), []);
    let mut decoder = Decoder::new(&EventMapping::default(), 100_000, ["credit".to_owned()]);
    decoder.set_schema(0, schema);
    let mut cells = |prediction: &str| {
        let payload = format!(r#"{{"time": 1735725600, "model": "credit", {prediction}}}"#);
        let mut batch = MessageBatch::default();
        batch.push(PartitionId(0), 0, None, Some(payload.as_bytes()));
        let mut row = Row::default();
        decoder.decode(&batch.get(0).expect("pushed above"), "topic", &mut row).expect("a good event");
        row.cells
    };
    let as_text = cells(r#""prediction": 0.25, "prediction_class": "1""#);
    assert_ne!(as_text[0], as_text[1]);
    assert_eq!(cells(r#""prediction": 0.25, "prediction_class": 1"#), as_text);
    assert_eq!(cells(r#""prediction_class": 1, "prediction": 0.25"#), as_text);
}

/// A JSON value as a producer may put it at any place.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<f32>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| number.to_string()),
        6 => (-9_999_999i64..9_999_999).prop_map(|number| number.to_string()),
        4 => (0u32..1_000_000, 0usize..9).prop_map(|(n, digits)| format!("{:.digits$}", f64::from(n) / 1e3)),
        2 => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        4 => "[a-z]{0,12}".prop_map(|text| format!("\"{text}\"")),
        2 => Just("\"red\"".to_owned()),
        1 => ".{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        2 => prop_oneof![Just("null"), Just("true"), Just("false"), Just("NaN"), Just("-Infinity")]
            .prop_map(str::to_owned),
        1 => prop_oneof![Just("{}"), Just("[]"), Just(r#"{"a":[1,{"b":null}]}"#), Just(r#"["x", 2]"#)]
            .prop_map(str::to_owned),
    ]
}

/// A producer: the order of its keys and its white space.
#[derive(Debug, Clone)]
struct Shape {
    envelope: Vec<&'static str>,
    features: Vec<&'static str>,
    comma: &'static str,
    colon: &'static str,
    end: &'static str,
}

fn shape() -> impl Strategy<Value = Shape> {
    let envelope = prop::sample::subsequence(
        vec![
            "kind",
            "id",
            "time",
            "model",
            "version",
            "variant",
            "features",
            "prediction",
            "label",
            "extra",
            "id",
        ],
        5..11,
    );
    let features =
        prop::sample::subsequence(vec!["age", "income", "color", "surprise", "ignored", "age"], 0..6);
    let space = prop_oneof![Just((",", ":", "")), Just((", ", ": ", "\n")), Just((" ,\t", " : ", " "))];
    (envelope.prop_shuffle(), features.prop_shuffle(), space)
        .prop_map(|(envelope, features, (comma, colon, end))| Shape { envelope, features, comma, colon, end })
}

fn message(shape: &Shape, mut values: impl FnMut() -> String, fraud: bool) -> String {
    let mut object = |keys: &[&str], fixed: &dyn Fn(&str) -> Option<String>| {
        let members: Vec<String> = keys
            .iter()
            .map(|key| format!("\"{key}\"{}{}", shape.colon, fixed(key).unwrap_or_else(&mut values)))
            .collect();
        format!("{{{}}}", members.join(shape.comma))
    };
    let features = object(&shape.features, &|_| None);
    let text = object(&shape.envelope, &|key| match key {
        "kind" => Some("\"prediction\"".to_owned()),
        "time" => Some("\"2026-03-01T10:20:30.5Z\"".to_owned()),
        "model" => Some(format!("\"{}\"", MODELS[usize::from(fraud)])),
        "version" | "variant" => Some("\"v2\"".to_owned()),
        "features" => Some(features.clone()),
        _ => None,
    });
    text + shape.end
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_learned_changes_nothing(
        shapes in prop::collection::vec(shape(), 1..4),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..40),
        values in prop::collection::vec(value(), 50),
        broken in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mapping = EventMapping::default();
        let mut experienced = decoder(&mapping);
        let mut next = values.iter().cycle();
        for (position, (pick, fraud)) in picks.iter().enumerate() {
            let mut payload = message(pick.get(&shapes), || next.next().expect("cycles").clone(), *fraud).into_bytes();
            if let Some((at, index, byte)) = &broken
                && at.index(picks.len()) == position
            {
                let index = index.index(payload.len());
                payload[index] = *byte;
            }
            let fresh = decoded(&mut decoder(&mapping), &payload);
            let text = String::from_utf8_lossy(&payload).into_owned();
            prop_assert_eq!(decoded(&mut experienced, &payload), fresh, "{}", text);
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused(payload in r#"[\{\}\[\]",:0-9a-z\\ \.\-eE+]{0,40}"#) {
        let outcome = decoded(&mut decoder(&EventMapping::default()), payload.as_bytes());
        let is_json = serde_json::from_str::<serde_json::Value>(&payload).is_ok();
        prop_assert_eq!(!outcome.contains("NotJson"), is_json, "{}: {}", payload, outcome);
    }

    #[test]
    fn arbitrary_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        decoded(&mut decoder(&EventMapping::default()), &payload);
    }
}

/// A producer's second message is read by the layout of its first, and gives
/// the values that `serde_json` finds in it.
#[test]
fn numbers_of_followed_messages_are_those_of_serde_json() {
    let mut decoder = decoder(&EventMapping::default());
    let texts = [
        "0",
        "-0.0",
        "1.5",
        "-12.25",
        "9999999",
        "12345678",
        "0.1234567",
        "0.12345678",
        "1e3",
        "2.5E-3",
        "1e400",
    ];
    for (first, second) in texts.iter().flat_map(|first| texts.iter().map(move |second| (first, second))) {
        let payload = format!(
            r#"{{"time":1767225600,"model":"credit","features":{{"age":{first},"income":{second}}},"prediction":0.5}}"#
        );
        let mut batch = MessageBatch::default();
        batch.push(PartitionId(0), 0, None, Some(payload.as_bytes()));
        let mut row = Row::default();
        decoder.decode(&batch.get(0).unwrap(), "", &mut row).unwrap();
        let expected: Vec<f64> = [first, second].iter().map(|text| text.parse().unwrap()).collect();
        let found: Vec<f64> = [0, 2].iter().map(|&column| row.cells[column].to_f64()).collect();
        assert_eq!(found, expected, "{payload}");
    }
}
