//! Instant queries in Prometheus' shape, so that the prometheus providers of Argo
//! Rollouts and Flagger can ask the daemon itself.
//!
//! The first sends a form by POST, the second a query by GET.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Form, State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{selector::Selector, series};
use crate::ops::http::Shared;

/// Answers one query; times and timeouts that are asked for are let go, since only
/// the present is known.
pub(super) async fn query(
    State(shared): State<Shared>,
    form: Result<Form<BTreeMap<String, String>>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => return bad(rejection.status(), &rejection.body_text()),
    };
    let Some(query) = form.get("query") else {
        return bad(StatusCode::BAD_REQUEST, "there is no parameter query");
    };
    match samples(&shared, query) {
        Ok(result) => {
            let data = json!({ "resultType": "vector", "result": result });
            Json(json!({ "status": "success", "data": data })).into_response()
        }
        Err(error) => bad(StatusCode::BAD_REQUEST, &error),
    }
}

fn samples(shared: &Shared, query: &str) -> Result<Vec<Value>, String> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    let sample = |labels: Map<String, Value>, value: f64| json!({ "metric": labels, "value": [now, value.to_string()] });
    let (name, labels) = match Selector::parse(query)? {
        Selector::Number(number) => return Ok(vec![sample(Map::new(), number)]),
        Selector::Series { name, labels } => (name, labels),
    };
    let mut found = Vec::new();
    series::select((&shared.experiments, &shared.status), &name, &labels, |one| {
        let labels = one.labels.iter().map(|(label, value)| ((*label).to_owned(), json!(value)));
        let with_name = [("__name__".to_owned(), json!(name))].into_iter().chain(labels);
        found.push(sample(with_name.collect(), one.value));
    })?;
    Ok(found)
}

fn bad(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "status": "error", "errorType": "bad_data", "error": error }))).into_response()
}
