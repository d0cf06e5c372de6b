//! Alerts and silences over HTTP: everybody who can reach the address may read
//! them, and whoever has the token may silence.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::http::{Shared, refusal};
use crate::{
    alert::{AlertView, MOST_SILENCES, Silence, SilenceChange, hex},
    event::EventTime,
    notify::picture,
};

/// A silence can last so long.
const LONGEST_SECONDS: u64 = 366 * 24 * 3_600;
/// Characters of an author, a comment, a label's name or a pattern.
const LONGEST_TEXT: usize = 500;
/// Alerts in one answer.
const MOST_ALERTS: usize = 1_000;
/// Matchers of one silence.
const MOST_MATCHERS: usize = 20;

/// Changes silences for whoever has the token.
pub struct Silencer {
    token: SecretString,
    tell: Box<dyn Fn(SilenceChange) -> bool + Send + Sync>,
}

impl fmt::Debug for Silencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silencer").finish_non_exhaustive()
    }
}

impl Silencer {
    /// `tell` gives `false` when nobody listens any more.
    pub fn new(token: SecretString, tell: impl Fn(SilenceChange) -> bool + Send + Sync + 'static) -> Self {
        Self { token, tell: Box::new(tell) }
    }
}

/// Whether this is the token.
///
/// Compares hashes, so that the time it takes says nothing of the token.
pub(super) fn is_token(token: &SecretString, given: &str) -> bool {
    Sha256::digest(given.trim()) == Sha256::digest(token.expose_secret())
}

/// Whether a request has the token.
pub(super) fn knows(token: &SecretString, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    given.is_some_and(|given| is_token(token, given))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertsQuery {
    state: Option<String>,
    model: Option<String>,
    rule: Option<String>,
    severity: Option<String>,
}

/// The alerts, those that matter most first.
pub(super) async fn alerts(
    State(shared): State<Shared>,
    query: Result<Query<AlertsQuery>, QueryRejection>,
) -> Response {
    #[derive(Serialize)]
    struct Answer {
        /// All that were asked for, also those that are left out.
        total: usize,
        alerts: Vec<AlertView>,
    }
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => {
            let hint = "possible are state, model, rule and severity";
            return refusal(StatusCode::BAD_REQUEST, rejection.body_text(), hint);
        }
    };
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let report = shared.status.alerts();
    let mut alerts: Vec<&AlertView> = report
        .alerts
        .iter()
        .filter(|view| {
            fits(&query.state, view.state)
                && fits(&query.model, view.alert.label(crate::alert::LABEL_MODEL))
                && fits(&query.rule, &view.alert.rule)
                && fits(&query.severity, view.alert.severity.as_str())
        })
        .collect();
    alerts.sort_by(|a, b| {
        let (a, b) = (&a.alert, &b.alert);
        (a.status, b.severity).cmp(&(b.status, a.severity)).then_with(|| b.weight.total_cmp(&a.weight))
    });
    // The distributions are drawn by the picture.
    let plain = |view: &&AlertView| {
        let mut view = (*view).clone();
        view.alert.bins.clear();
        view
    };
    let total = alerts.len();
    Json(Answer { total, alerts: alerts.iter().take(MOST_ALERTS).map(plain).collect() }).into_response()
}

/// The distributions that an alert is about, as SVG.
pub(super) async fn picture_svg(State(shared): State<Shared>, Path(fingerprint): Path<String>) -> Response {
    match shared_alert(&shared, &fingerprint) {
        Ok(view) => {
            let title = view.alert.annotation(crate::alert::SUMMARY);
            ([(header::CONTENT_TYPE, "image/svg+xml")], picture::svg(title, &view.alert.bins)).into_response()
        }
        Err(refused) => *refused,
    }
}

/// The same as PNG, without words, for receivers that take no SVG.
pub(super) async fn picture_png(State(shared): State<Shared>, Path(fingerprint): Path<String>) -> Response {
    match shared_alert(&shared, &fingerprint).map(|view| picture::png(&view.alert.bins)) {
        Ok(Some(bytes)) => ([(header::CONTENT_TYPE, "image/png")], bytes).into_response(),
        Ok(None) => no_picture(),
        Err(refused) => *refused,
    }
}

/// An alert with something to draw.
fn shared_alert(shared: &Shared, fingerprint: &str) -> Result<AlertView, Box<Response>> {
    let report = shared.status.alerts();
    let Some(view) = report.alerts.iter().find(|view| view.alert.fingerprint == fingerprint) else {
        let hint = "GET /api/v1/alerts lists those that are there";
        return Err(Box::new(refusal(
            StatusCode::NOT_FOUND,
            format!("there is no alert {fingerprint:?}"),
            hint,
        )));
    };
    if view.alert.bins.is_empty() { Err(Box::new(no_picture())) } else { Ok(view.clone()) }
}

fn no_picture() -> Response {
    let hint = "only alerts about a feature have pictures";
    refusal(StatusCode::NOT_FOUND, "this alert is about no distribution", hint)
}

/// The silences.
pub(super) async fn silences(State(shared): State<Shared>) -> Response {
    Json(json!({ "silences": &*shared.status.alerts().silences })).into_response()
}

/// A silence as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    matchers: BTreeMap<String, String>,
    seconds: u64,
    #[serde(default)]
    author: String,
    #[serde(default)]
    comment: String,
}

/// Begins a silence.
pub(super) async fn silence(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    const HINT: &str = "send {\"matchers\": {\"alertname\": \"feature_drift\", \"model\": \"credit*\"}, \"seconds\": \
                        3600, \"author\": \"…\", \"comment\": \"…\"} as application/json";
    let silencer = match authorised(&shared, &headers) {
        Ok(silencer) => silencer,
        Err(refused) => return *refused,
    };
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.to_string(), HINT),
    };
    if shared.status.alerts().silences.len() >= MOST_SILENCES {
        let error = format!("there are {MOST_SILENCES} silences already");
        return refusal(StatusCode::CONFLICT, error, "end some of them first");
    }
    if let Err(error) = check(&wanted) {
        return refusal(StatusCode::BAD_REQUEST, error, HINT);
    }
    let from = EventTime(jiff::Timestamp::now().as_millisecond());
    let until = from.plus_ms(i64::try_from(wanted.seconds).unwrap_or(0).saturating_mul(1_000));
    let Wanted { matchers, author, comment, .. } = wanted;
    // By its content and time: nobody has to count.
    let digest = Sha256::digest(format!("{matchers:?} {author:?} {comment:?} {from}"));
    let id = hex(digest.iter().take(8));
    let silence = Silence { id, matchers, from, until, author, comment };
    told(silencer.tell.as_ref(), SilenceChange::Add(silence.clone()), &json!({ "silence": silence }))
}

/// Ends a silence.
pub(super) async fn end_silence(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let silencer = match authorised(&shared, &headers) {
        Ok(silencer) => silencer,
        Err(refused) => return *refused,
    };
    if !shared.status.alerts().silences.iter().any(|silence| silence.id == id) {
        let hint = "GET /api/v1/silences lists them; a new one is there after a second";
        return refusal(StatusCode::NOT_FOUND, format!("there is no silence {id:?}"), hint);
    }
    told(silencer.tell.as_ref(), SilenceChange::Remove(id.clone()), &json!({ "ended": id }))
}

/// 202: the pipeline's thread does it within a second.
fn told(tell: &dyn Fn(SilenceChange) -> bool, change: SilenceChange, answer: &serde_json::Value) -> Response {
    if tell(change) {
        (StatusCode::ACCEPTED, Json(answer)).into_response()
    } else {
        refusal(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "ask again when it runs")
    }
}

fn check(wanted: &Wanted) -> Result<(), String> {
    let texts = wanted.matchers.iter().flat_map(|(name, pattern)| [name, pattern]);
    if !(1..=MOST_MATCHERS).contains(&wanted.matchers.len()) {
        return Err(format!("a silence has 1 to {MOST_MATCHERS} matchers"));
    }
    if texts.chain([&wanted.author, &wanted.comment]).any(|text| text.chars().count() > LONGEST_TEXT) {
        return Err(format!("a text is longer than {LONGEST_TEXT} characters"));
    }
    if !(1..=LONGEST_SECONDS).contains(&wanted.seconds) {
        return Err(format!("a silence lasts 1 to {LONGEST_SECONDS} seconds"));
    }
    Ok(())
}

/// The silencer, for a request that has its token.
fn authorised<'a>(shared: &'a Shared, headers: &HeaderMap) -> Result<&'a Arc<Silencer>, Box<Response>> {
    let Some(silencer) = &shared.silencer else {
        let hint = "set alerts.api_token_file or alerts.api_token_env in the configuration";
        return Err(Box::new(refusal(
            StatusCode::FORBIDDEN,
            "silences can't be changed: there is no token",
            hint,
        )));
    };
    if knows(&silencer.token, headers) { Ok(silencer) } else { Err(Box::new(unauthorised())) }
}

/// A request without the token.
pub(super) fn unauthorised() -> Response {
    let hint = "send the header Authorization: Bearer TOKEN";
    let mut response = refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong", hint);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}
