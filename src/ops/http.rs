//! The pages that the daemon serves: health, metrics and the read-only API.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Component, Status, alerts, alerts::Silencer, experiments, experiments::ExperimentPages, explanations,
    explanations::Asker, grouped, render,
};
use crate::{
    event::EventTime,
    pipeline::ModelStatus,
    result::{NamedCount, StreamKey, WindowResult},
};

/// Every endpoint with what it is for: the index page and the answer to
/// requests for anything else.
const ENDPOINTS: [(&str, &str); 16] = [
    ("/", "this page"),
    ("/live", "200 while the process works"),
    (
        "/ready",
        "200 while events are read, or another member of the group reads them, and results are written; else 503 \
         with the reasons",
    ),
    ("/metrics", "metrics of the daemon for Prometheus"),
    ("/api/v1/models", "the models, their references and streams"),
    (
        "/api/v1/models/{model}/windows?version=V&variant=V&limit=N",
        "the latest results of a model, the newest first",
    ),
    (
        "/api/v1/models/{model}/explanations?version=V&variant=V&limit=N",
        "why the model predicted what it did, in its latest windows",
    ),
    (
        "/api/v1/models/{model}/explain",
        "POST {\"id\": …} or {\"event\": {…}}: why it predicted so for one event",
    ),
    (
        "/api/v1/alerts",
        "alerts that are pending, fire, or were over lately; ?state=S&model=M&rule=R&severity=S narrows",
    ),
    (
        "/api/v1/silences",
        "silences; POST begins one and DELETE /api/v1/silences/{id} ends it, both with the token",
    ),
    (
        "/api/v1/alerts/{fingerprint}/picture.svg",
        "the distributions that an alert is about; also as picture.png",
    ),
    ("/api/v1/experiments", "the experiments and what is to be done with each; /{id} has everything of one"),
    (
        "/api/v1/experiments/{id}/verdict?arm=A&release=R",
        "promote, hold or rollback, for the web provider of Argo Rollouts",
    ),
    ("/api/v1/experiments/{id}/start", "POST {\"release\": …}: begins it anew; /stop ends it"),
    (
        "/api/v1/flagger/{gate|rollout|rollback|event}",
        "POST by Flagger: whether a release goes on or back, and that one begins or ends",
    ),
    (
        "/api/v1/query?query=driftline_experiment_verdict{experiment=\"ID\"}",
        "an experiment's numbers as Prometheus would answer",
    ),
];
/// Windows in one answer unless asked otherwise.
const DEFAULT_LIMIT: usize = 20;
/// Windows in one answer, at most.
const MAX_LIMIT: usize = 1_000;

#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) status: Arc<Status>,
    registry: Registry,
    pub(super) silencer: Option<Arc<Silencer>>,
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) experiments: Arc<ExperimentPages>,
}

/// The daemon's pages over `status` and the metrics of `registry`; without a
/// silencer no alert is silenced, and without an asker no event is explained.
pub fn router(
    status: Arc<Status>,
    registry: Registry,
    silencer: Option<Silencer>,
    asker: Option<Asker>,
    experiments: ExperimentPages,
) -> Router {
    let shared = Shared {
        status,
        registry,
        silencer: silencer.map(Arc::new),
        asker: asker.map(Arc::new),
        experiments: Arc::new(experiments),
    };
    Router::new()
        .route("/", get(index))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/models", get(models))
        .route("/api/v1/models/{model}/windows", get(windows))
        .route("/api/v1/models/{model}/explanations", get(explanations::explanations))
        .route("/api/v1/models/{model}/explain", post(explanations::explain))
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/alerts/{fingerprint}/picture.svg", get(alerts::picture_svg))
        .route("/api/v1/alerts/{fingerprint}/picture.png", get(alerts::picture_png))
        .route("/api/v1/silences", get(alerts::silences).post(alerts::silence))
        .route("/api/v1/silences/{id}", delete(alerts::end_silence))
        .merge(experiments::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(security_headers))
        .with_state(shared)
}

/// Keeps browsers from guessing types, framing the page or keeping old state.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// A refused request: what was wrong and what would be right.
pub(super) fn refusal(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Response {
    (status, Json(json!({ "error": error.into(), "hint": hint.into() }))).into_response()
}

async fn not_found(request: Request) -> Response {
    let paths: Vec<&str> = ENDPOINTS.iter().map(|(path, _)| *path).collect();
    let error = format!("there is no {}", request.uri().path());
    refusal(StatusCode::NOT_FOUND, error, format!("there are {}", paths.join(", ")))
}

async fn method_not_allowed(request: Request) -> Response {
    let error = format!("{} is not possible here", request.method());
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        error,
        "every endpoint is read with GET, but /explain, /api/v1/flagger/…, /start and /stop take POST; \
         /api/v1/silences takes POST and DELETE, too",
    )
}

async fn index() -> Response {
    let mut rows = String::new();
    for (path, what) in ENDPOINTS {
        let name = if path.contains('{') {
            format!("<code>{path}</code>")
        } else {
            format!("<a href=\"{path}\"><code>{path}</code></a>")
        };
        let _ = write!(rows, "<dt>{name}</dt><dd>{what}</dd>");
    }
    let version = env!("CARGO_PKG_VERSION");
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Driftline</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1rem/1.5 system-ui;max-width:45rem;margin:2rem auto;padding:0 1rem}}\
         dt{{margin-top:.75rem}}dd{{margin-left:0;color:#555}}</style>\
         <h1>Driftline {version}</h1><dl>{rows}</dl></html>\n"
    );
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn live(State(shared): State<Shared>) -> Response {
    if shared.status.is_alive() {
        return Json(json!({ "live": true })).into_response();
    }
    let body = json!({ "live": false, "reason": "the pipeline does not report any more" });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn ready(State(shared): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Answer {
        ready: bool,
        components: Vec<ComponentView>,
    }
    #[derive(Serialize)]
    struct ComponentView {
        ready: bool,
        #[serde(flatten)]
        component: Component,
    }
    let components: Vec<ComponentView> = shared
        .status
        .components()
        .into_iter()
        .map(|component| ComponentView { ready: component.reason.is_none(), component })
        .collect();
    let ready = components.iter().all(|view| view.ready);
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Answer { ready, components })).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match render(&shared.registry) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics can't be written");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written", "the log says why")
        }
    }
}

/// A model as the API shows it.
#[derive(Debug, Serialize)]
struct ModelView<'a> {
    name: &'a str,
    state: String,
    reference: Option<ReferenceView<'a>>,
    learning: Option<LearningView>,
    streams: Vec<StreamView<'a>>,
    unknown_features: &'a [NamedCount],
    open_panes: usize,
    state_bytes: usize,
    waiting_joins: usize,
}

#[derive(Debug, Serialize)]
struct ReferenceView<'a> {
    source: &'a str,
    rows: u64,
    columns: usize,
    from: Option<EventTime>,
    until: Option<EventTime>,
}

#[derive(Debug, Serialize)]
struct LearningView {
    rows: u64,
    target_rows: Option<u64>,
}

#[derive(Debug, Serialize)]
struct StreamView<'a> {
    version: &'a str,
    variant: &'a str,
}

impl<'a> ModelView<'a> {
    fn new(model: &'a ModelStatus) -> Self {
        let reference = model.reference.as_deref().map(|reference| ReferenceView {
            source: &reference.source,
            rows: reference.rows,
            columns: reference.columns.len(),
            from: reference.times.map(|(from, _)| from),
            until: reference.times.map(|(_, until)| until),
        });
        let state = match model.learning {
            None => "watching".to_owned(),
            Some((rows, Some(target))) => format!("learning, {} of {} rows", grouped(rows), grouped(target)),
            Some((rows, None)) => format!("learning, {} rows so far", grouped(rows)),
        };
        let stream =
            |stream: &'a StreamKey| StreamView { version: &stream.version, variant: &stream.variant };
        Self {
            name: &model.name,
            state,
            reference,
            learning: model.learning.map(|(rows, target_rows)| LearningView { rows, target_rows }),
            streams: model.streams.iter().map(stream).collect(),
            unknown_features: &model.unknown_features,
            open_panes: model.open_panes,
            state_bytes: model.state_bytes,
            waiting_joins: model.waiting,
        }
    }
}

async fn models(State(shared): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        watermark: Option<EventTime>,
        models: Vec<ModelView<'a>>,
    }
    let models = shared.status.models();
    let views = models.iter().map(ModelView::new).collect();
    Json(Answer { watermark: shared.status.watermark(), models: views }).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowsQuery {
    version: Option<String>,
    variant: Option<String>,
    limit: Option<usize>,
}

async fn windows(
    State(shared): State<Shared>,
    Path(model): Path<String>,
    query: Result<Query<WindowsQuery>, QueryRejection>,
) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        model: &'a str,
        windows: Vec<&'a WindowResult>,
    }
    let status = Arc::clone(&shared.status);
    match latest(&shared, &model, query, |model, wanted, limit| status.windows(model, wanted, limit)) {
        Ok(found) => {
            Json(Answer { model: &model, windows: found.iter().map(AsRef::as_ref).collect() }).into_response()
        }
        Err(refused) => *refused,
    }
}

/// Says which streams are wanted.
pub(super) type Wanted<'w> = &'w dyn Fn(&StreamKey) -> bool;

/// What `read` gives of the streams of a model that a query asks for.
pub(super) fn latest<T>(
    shared: &Shared,
    model: &str,
    query: Result<Query<WindowsQuery>, QueryRejection>,
    read: impl FnOnce(&str, Wanted<'_>, usize) -> Vec<Arc<T>>,
) -> Result<Vec<Arc<T>>, Box<Response>> {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => {
            let hint = "possible are version, variant and limit (a number)";
            return Err(Box::new(refusal(StatusCode::BAD_REQUEST, rejection.body_text(), hint)));
        }
    };
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let error = format!("limit is {limit}");
        let hint = format!("it can be 1 to {MAX_LIMIT}");
        return Err(Box::new(refusal(StatusCode::BAD_REQUEST, error, hint)));
    }
    let models = shared.status.models();
    if !models.iter().any(|known| known.name == model) {
        let names: Vec<&str> = models.iter().map(|known| known.name.as_str()).collect();
        let error = format!("there is no model {model:?}");
        let hint = format!("there are: {}", names.join(", "));
        return Err(Box::new(refusal(StatusCode::NOT_FOUND, error, hint)));
    }
    let fits = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let wanted =
        |stream: &StreamKey| fits(&query.version, &stream.version) && fits(&query.variant, &stream.variant);
    Ok(read(model, &wanted, limit))
}
