//! An application as the JSON that a scoring service would log.

use std::io::Write as _;

use super::{Application, FEATURES, MODEL, Outcome};
use crate::reference::Value;

/// Appends the event.
pub(super) fn write(application: &Application, outcome: Outcome, out: &mut Vec<u8>) {
    let Application { index, time, version, prediction, decision, .. } = application;
    // Writing to a vector can't fail.
    let _ = write!(
        out,
        r#"{{"kind":"prediction","id":"loan-{index:010}","time":"{time}","model":"{MODEL}","version":"{version}","features":{{"#
    );
    for (position, (name, value)) in FEATURES.iter().zip(&application.features).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        let _ = match value {
            Value::Missing => write!(out, r#""{name}":null"#),
            Value::Number(number) => write!(out, r#""{name}":{number}"#),
            Value::Text(text) => write!(out, r#""{name}":"{text}""#),
            Value::Bool(truth) => write!(out, r#""{name}":{truth}"#),
        };
    }
    let Outcome { build, error, latency_ms, accepted } = outcome;
    let _ = write!(
        out,
        r#"}},"prediction":{prediction},"prediction_class":"{decision}","build":"{build}","error":{error},"latency_ms":{latency_ms},"accepted":{accepted}}}"#
    );
}
