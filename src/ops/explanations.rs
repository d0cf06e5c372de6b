//! Why a model predicts what it does, over HTTP: the latest explained windows,
//! and the explanation of one event on demand.
//!
//! Where the API has a token, an event is explained only for those who have it:
//! the answer shows the event's features.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use super::{
    alerts::{knows, unauthorised},
    http::{Shared, WindowsQuery, latest, refusal},
};
use crate::{
    explainer::AskError,
    model::PredictError,
    result::{EventExplanation, WindowExplanation},
};

/// Requests under way at a time, of all models: more would only wait, in front of
/// what else the pipeline is told.
const MOST_REQUESTS: usize = 64;
/// An explanation that takes longer is not waited for.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// An event that somebody asks about.
#[derive(Debug)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Which event.
    pub event: AskedEvent,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<Result<EventExplanation, AskError>>,
}

/// How an event is named.
#[derive(Debug)]
pub enum AskedEvent {
    /// By its id, one of the latest.
    Id(String),
    /// As it would stand in the topic.
    Json(Vec<u8>),
}

/// Has events explained.
pub struct Asker {
    token: Option<SecretString>,
    ask: Box<dyn Fn(Asked) -> bool + Send + Sync>,
    /// Requests that may be under way.
    slots: Semaphore,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Asker {
    /// `ask` gives `false` when nobody listens any more.
    pub fn new(token: Option<SecretString>, ask: impl Fn(Asked) -> bool + Send + Sync + 'static) -> Self {
        Self { token, ask: Box::new(ask), slots: Semaphore::new(MOST_REQUESTS) }
    }
}

/// The latest explanations of a model, the newest first.
pub(super) async fn explanations(
    State(shared): State<Shared>,
    Path(model): Path<String>,
    query: Result<Query<WindowsQuery>, QueryRejection>,
) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        model: &'a str,
        explanations: Vec<&'a WindowExplanation>,
    }
    let status = Arc::clone(&shared.status);
    match latest(&shared, &model, query, |model, wanted, limit| status.explanations(model, wanted, limit)) {
        Ok(found) => {
            let explanations = found.iter().map(AsRef::as_ref).collect();
            Json(Answer { model: &model, explanations }).into_response()
        }
        Err(refused) => *refused,
    }
}

/// What a request names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Wanted {
    Id(String),
    Event(serde_json::Map<String, serde_json::Value>),
}

/// Explains one event.
pub(super) async fn explain(
    State(shared): State<Shared>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    const HINT: &str =
        "send {\"id\": \"…\"} of one of the latest events, or {\"event\": {…}} as events stand in the topic";
    let Some(asker) = &shared.asker else {
        return answer(Err(AskError::NotExplained));
    };
    if asker.token.as_ref().is_some_and(|token| !knows(token, &headers)) {
        return unauthorised();
    }
    let event = match serde_json::from_slice(&body) {
        Ok(Wanted::Id(id)) => AskedEvent::Id(id),
        Ok(Wanted::Event(event)) => {
            AskedEvent::Json(serde_json::Value::Object(event).to_string().into_bytes())
        }
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.to_string(), HINT),
    };
    let Ok(_slot) = asker.slots.try_acquire() else { return answer(Err(AskError::Busy)) };
    let (sender, receiver) = oneshot::channel();
    if !(asker.ask)(Asked { model, event, answer: sender }) {
        return answer(Err(AskError::Stopping));
    }
    match tokio::time::timeout(LONGEST_ANSWER, receiver).await {
        Ok(Ok(explained)) => answer(explained),
        // Who should have answered is gone.
        Ok(Err(_)) => answer(Err(AskError::Stopping)),
        Err(_) => {
            let error = format!("there was no answer within {} s", LONGEST_ANSWER.as_secs());
            refusal(StatusCode::GATEWAY_TIMEOUT, error, "/ready says how the model can be asked")
        }
    }
}

fn answer(explained: Result<EventExplanation, AskError>) -> Response {
    let error = match explained {
        Ok(explanation) => return Json(explanation).into_response(),
        Err(error) => error,
    };
    let (code, hint) = match &error {
        AskError::NotExplained => (StatusCode::NOT_FOUND, "add [models.explain] to the configuration"),
        AskError::NotSeen(_) => (StatusCode::NOT_FOUND, "send the event itself as {\"event\": {…}}"),
        AskError::OtherVersion(_) => (StatusCode::CONFLICT, "models.explain.versions names those that it is"),
        AskError::SurrogateOnly => {
            (StatusCode::CONFLICT, "name the model's file or server in [models.explain]")
        }
        AskError::Unusable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "send it as events stand in the topic"),
        AskError::Busy => (StatusCode::TOO_MANY_REQUESTS, "ask again in a second"),
        AskError::Predict(PredictError::Refused(_) | PredictError::Width { .. }) => {
            (StatusCode::BAD_GATEWAY, "the model's server says why")
        }
        AskError::NotReady(_) | AskError::Predict(PredictError::Unavailable(_)) | AskError::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, "ask again later; /ready says how the model can be asked")
        }
    };
    let mut response = refusal(code, error.to_string(), hint);
    if matches!(error, AskError::Busy) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
