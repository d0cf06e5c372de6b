//! The tools' own packages beside the clients written after them, where this
//! machine has them: programs `argo` and `flagger` in the folder that
//! `DRIFTLINE_ROLLOUT_TOOLS` names. Each takes a JSON request as its argument and
//! prints what the tool made of it.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    analysis::{Limits, Phase},
    argo::Metric,
};

fn asked(program: &str, request: &Value) -> Option<String> {
    let folder = PathBuf::from(std::env::var_os("DRIFTLINE_ROLLOUT_TOOLS")?);
    let output = Command::new(folder.join(program)).arg(request.to_string()).output().unwrap();
    assert!(output.status.success(), "{request}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

/// The phase of a measurement.
pub(crate) fn argo(request: &Value, metric: &Metric, phase: Phase) {
    let mut request = request.clone();
    request["successCondition"] = metric.success.clone().into();
    request["failureCondition"] = metric.failure.clone().into();
    if let Some(theirs) = asked("argo", &request) {
        assert_eq!(theirs.lines().next(), Some(format!("{phase:?}").as_str()), "{request}: {theirs}");
    }
}

/// How a run stands after measurements.
pub(crate) fn assessed(limits: &Limits, measurements: &[Phase], phase: Phase) {
    let measurements: Vec<String> = measurements.iter().map(|phase| format!("{phase:?}")).collect();
    let request = json!({
        "measurements": measurements,
        "count": limits.count,
        "interval": if limits.has_interval { "1m" } else { "" },
        "failureLimit": limits.failure,
        "inconclusiveLimit": limits.inconclusive,
        "consecutiveErrorLimit": limits.consecutive_error,
        "consecutiveSuccessLimit": limits.consecutive_success,
    });
    if let Some(theirs) = asked("argo", &request) {
        assert_eq!(theirs.lines().next(), Some(format!("{phase:?}").as_str()), "{request}: {theirs}");
    }
}

/// Whether a condition holds, or is an error.
pub(crate) fn condition(condition: &str, result: &Value, floats: bool, holds: Option<bool>) {
    let request = json!({ "condition": condition, "result": result, "floats": floats });
    if let Some(theirs) = asked("argo", &request) {
        let ours = holds.map_or("error".to_owned(), |holds| holds.to_string());
        assert_eq!(theirs.lines().next(), Some(ours.as_str()), "{request}: {theirs}");
    }
}

/// What a webhook or a metric comes to: `ok`, or what the canary's event would say.
pub(crate) fn flagger(request: &Value, ours: &Result<Option<f64>, String>) {
    if let Some(theirs) = asked("flagger", request) {
        let ours = match ours {
            Ok(None) => "ok".to_owned(),
            Ok(Some(number)) => format!("ok {number}"),
            Err(text) => format!("error {}", text.trim_end()),
        };
        assert_eq!(theirs, ours, "{request}");
    }
}
