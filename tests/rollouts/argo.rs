//! The metric providers of Argo Rollouts.

use serde_json::{Value as Json, json};

use crate::{
    analysis::Phase,
    expr::{self, Value},
    rig::Daemon,
    support::servers::http::{self, Answer},
    tools,
};

/// A metric of an `AnalysisTemplate`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metric {
    /// `{$}` when empty.
    pub(crate) json_path: String,
    pub(crate) success: String,
    pub(crate) failure: String,
}

impl Metric {
    pub(crate) fn new(success: &str, failure: &str) -> Self {
        Self { json_path: String::new(), success: success.to_owned(), failure: failure.to_owned() }
    }

    /// utils/evaluate/evaluate.go, `EvaluateResult`.
    pub(crate) fn evaluate(&self, result: &Value) -> Phase {
        let holds =
            |condition: &str| (!condition.is_empty()).then(|| expr::holds(condition, result)).transpose();
        let (Ok(success), Ok(failure)) = (holds(&self.success), holds(&self.failure)) else {
            return Phase::Error;
        };
        let (success, failure) = match (success, failure) {
            (None, None) => (true, false),
            (Some(success), None) => (success, !success),
            (None, Some(failure)) => (!failure, failure),
            (Some(success), Some(failure)) => (success, failure),
        };
        match (failure, success) {
            (true, _) => Phase::Failed,
            (false, true) => Phase::Successful,
            (false, false) => Phase::Inconclusive,
        }
    }
}

/// metricproviders/webmetric/webmetric.go, `Run` and `parseResponse`.
pub(crate) fn web(daemon: &Daemon, path: &str, metric: &Metric) -> Phase {
    let phase = web_phase(&daemon.get(path), metric);
    tools::argo(&json!({ "web": daemon.url(path), "jsonPath": metric.json_path }), metric, phase);
    phase
}

fn web_phase(answer: &Answer, metric: &Metric) -> Phase {
    if !(200..300).contains(&answer.status) {
        return Phase::Error;
    }
    let Ok(body) = serde_json::from_str::<Json>(&answer.body) else {
        // Whatever is not JSON is a success there, without any condition.
        return Phase::Successful;
    };
    match at_path(body, &metric.json_path) {
        Some(value) => metric.evaluate(&value.into()),
        None => Phase::Error,
    }
}

/// `{$}` and `{$.field.field}` of client-go's jsonpath, where a field that is not
/// there is an error.
fn at_path(body: Json, path: &str) -> Option<Json> {
    let inner = if path.is_empty() { "$" } else { path.strip_prefix('{')?.strip_suffix('}')? };
    let fields = inner.strip_prefix('$')?.split('.').filter(|field| !field.is_empty());
    let mut found = body;
    for field in fields {
        found = found.get(field)?.clone();
    }
    Some(found)
}

/// metricproviders/prometheus/prometheus.go, `Run` and `processResponse`, over
/// `client_golang` api/prometheus/v1/api.go, `Query` and `DoGetFallback`.
pub(crate) fn prometheus(daemon: &Daemon, query: &str, metric: &Metric) -> Phase {
    let form = [("query", query), ("time", "1795757356.123")];
    let post = |form: &[(&str, &str)]| {
        let body = http_form(form);
        http::post(&daemon.url("/api/v1/query"), None, "application/x-www-form-urlencoded", body)
    };
    let mut answer = post(&form);
    if [405, 501].contains(&answer.status) {
        answer = http::get_with(&daemon.url("/api/v1/query"), None, &form);
    }
    let phase = prometheus_result(&answer).map_or(Phase::Error, |result| metric.evaluate(&result));
    tools::argo(
        &json!({ "prometheus": format!("http://{}", daemon.address), "query": query }),
        metric,
        phase,
    );
    phase
}

/// A vector becomes its values, a scalar its value.
fn prometheus_result(answer: &Answer) -> Option<Value> {
    let is_success = (200..300).contains(&answer.status);
    let data = answer.json()["data"].clone();
    let value = |sample: &Json| sample[1].as_str()?.parse::<f64>().ok();
    match data["resultType"].as_str().filter(|_| is_success)? {
        "vector" => {
            let series = data["result"].as_array()?;
            let values = series.iter().map(|one| value(&one["value"]));
            Some(Value::Floats(values.collect::<Option<_>>()?))
        }
        "scalar" => Some(Value::Float(value(&data["result"])?)),
        _ => None,
    }
}

pub(crate) fn http_form(pairs: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |text: &str| {
        let bytes = text.bytes();
        let parts =
            bytes.map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
        parts.collect::<String>()
    };
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    pairs.join("&")
}
