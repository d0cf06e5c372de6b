//! What Flagger asks over HTTP.

use serde_json::{Value, json};

use crate::{
    rig::Daemon,
    support::servers::http::{self, Answer},
    tools,
};

/// pkg/controller/webhook.go, `callWebhook`, with the client of
/// hashicorp/go-retryablehttp (client.go, `baseRetryPolicy`) and no retries.
pub(crate) fn webhook(daemon: &Daemon, path: &str, payload: &Value) -> Result<(), String> {
    let url = daemon.url(path);
    let said = came_to(&url, &daemon.post(path, &payload.to_string()));
    tools::flagger(&json!({ "webhook": url, "payload": payload }), &said.clone().map(|()| None));
    said
}

fn came_to(url: &str, answer: &Answer) -> Result<(), String> {
    let given_up = answer.status == 429 || (answer.status >= 500 && answer.status != 501);
    if given_up {
        return Err(format!("POST {url} giving up after 1 attempt(s)"));
    }
    if answer.status > 202 { Err(answer.body.clone()) } else { Ok(()) }
}

/// pkg/metrics/providers/prometheus.go, `RunQuery`.
pub(crate) fn query(daemon: &Daemon, query: &str) -> Result<f64, String> {
    let trimmed = query.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = value(&http::get_with(&daemon.url("/api/v1/query"), None, &[("query", &trimmed)]));
    let request = json!({ "prometheus": format!("http://{}", daemon.address), "query": query });
    tools::flagger(&request, &found.clone().map(Some));
    found
}

fn value(answer: &Answer) -> Result<f64, String> {
    if answer.status >= 400 {
        return Err(format!("error response: {}", answer.body));
    }
    let body = answer.json();
    let series = body["data"]["result"].as_array().cloned().unwrap_or_default();
    let last = series.iter().filter_map(|one| one["value"][1].as_str()).next_back();
    let last = last.map(|text| text.parse::<f64>().map_err(|error| error.to_string())).transpose()?;
    last.filter(|number| !number.is_nan()).ok_or_else(|| "no values found".to_owned())
}

/// The same file, `IsOnline`.
pub(crate) fn is_online(daemon: &Daemon) -> bool {
    query(daemon, "vector(1)") == Ok(1.0)
}
