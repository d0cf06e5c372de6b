//! Conditions as Argo Rollouts would evaluate them, by which everything else here
//! stands. Where the tools are there, they evaluate the same ones.

use serde_json::{Value as Json, json};

use crate::{
    expr::{self, Value},
    tools,
};

fn check(condition: &str, json: &Json, expected: Option<bool>) {
    let found = expr::holds(condition, &json.clone().into());
    assert_eq!(found.clone().ok(), expected, "{condition} of {json}: {found:?}");
    tools::condition(condition, json, false, expected);
}

#[test]
fn fields_and_truth_values() {
    let result = json!({
        "verdict": "hold", "ready": true, "score": 87.5, "n": 3,
        "evidence": { "brier": { "lower": -0.5 }, "p99-latency": { "upper": 2 } },
    });
    for (condition, expected) in [
        ("result.verdict == 'hold'", Some(true)),
        ("result.verdict != \"promote\" && result.ready", Some(true)),
        ("not result.ready or result.n == 3", Some(true)),
        ("!(result.ready && result.score >= 90)", Some(true)),
        ("result.evidence.brier.lower > -1", Some(true)),
        ("result.evidence.brier.lower > -0.25", Some(false)),
        ("result.evidence[\"p99-latency\"].upper < 3", Some(true)),
        ("asInt(result.score) == 87", Some(true)),
        ("isNaN(result.score)", Some(false)),
        // A field that is not there is nil; nil is not equal, and has no size.
        ("result.missing == \"x\"", Some(false)),
        ("result.missing == nil", Some(true)),
        ("result.missing > 0", None),
        ("result.missing.deeper == 1", None),
        ("!result.missing", None),
        ("result.missing && result.ready", None),
        ("result.ready || result.missing", Some(true)),
        ("isNaN(result.missing)", None),
        ("asFloat(result.missing) > 0", None),
        // What to write instead.
        ("(result.evidence?.brier?.lower ?? -1) > 0", Some(false)),
        ("result.evidence?.other?.lower ?? -1.0 > -2", None),
        ("result.evidence?.other?.lower.deeper == nil", Some(true)),
        ("(result.evidence?.other?.lower ?? -1.0) > 0", Some(false)),
        // Both look at the whole result.
        ("isNil(result.missing)", Some(false)),
        ("default(result.missing, 1) == 1", Some(false)),
        // Other types.
        ("result.verdict > 1", None),
        ("result.verdict == 1", Some(false)),
        ("result.verdict", None),
        ("result.verdict.deeper == 1", None),
        ("result.score ==", None),
        ("unknown == 1", None),
    ] {
        check(condition, &result, expected);
    }
}

#[test]
fn plain_results() {
    for (condition, json, expected) in [
        ("result == \"promote\"", json!("promote"), Some(true)),
        ("result == \"promote\"", json!("hold"), Some(false)),
        ("result == \"promote\"", json!(1), None),
        ("asFloat(result) >= 0.5", json!("0.5"), Some(true)),
        ("asFloat(result) >= 0.5", json!("x"), None),
        ("result > 0", json!(null), None),
        ("isNil(result) || result > 0", json!(null), None),
        ("isNil(result) || asFloat(result) > 0", json!(null), Some(true)),
        ("result == nil || result == 1", json!(null), Some(true)),
        ("default(result, 0) == 0", json!(null), Some(true)),
        ("result", json!(true), Some(true)),
        ("result == true", json!("true"), None),
    ] {
        check(condition, &json, expected);
    }
}

#[test]
fn vectors() {
    for (condition, floats, expected) in [
        ("result[0] == 1", vec![1.0], Some(true)),
        ("result[0] == 1.0", vec![-1.0], Some(false)),
        ("result[0] == -1", vec![-1.0], Some(true)),
        ("result[0] == 1", vec![], None),
        ("result[0] == \"1\"", vec![1.0], None),
        ("result[0] > 0 && result[1] > 0", vec![1.0], None),
        ("result == 1", vec![1.0], None),
        ("isNaN(result[0])", vec![1.0], Some(false)),
    ] {
        let found = expr::holds(condition, &Value::Floats(floats.clone()));
        assert_eq!(found.clone().ok(), expected, "{condition} of {floats:?}: {found:?}");
        tools::condition(condition, &json!(floats), true, expected);
    }
}
