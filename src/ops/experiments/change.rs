//! Starting and stopping experiments from outside.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{ExperimentPages, read, standing::Present};
use crate::{
    event::EventTime,
    experiment::{ExperimentAction, ExperimentChange},
    ops::{
        Status,
        alerts::{is_token, knows, unauthorised},
        http::{Shared, refusal},
    },
};

/// Characters of a release's name; Flagger's checksums have ten.
pub(super) const LONGEST_RELEASE: usize = 200;

/// Changes in one second, at most: each is a message to the pipeline's thread, which
/// must not be kept busy by a loop.
const MOST_CHANGES: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// Starts and stops experiments, for whoever has the token where there is one.
pub struct Changer {
    token: Option<SecretString>,
    tell: Box<dyn Fn(ExperimentChange) -> bool + Send + Sync>,
    /// Since when how many changes came, for [`MOST_CHANGES`].
    lately: Mutex<(Instant, u32)>,
}

/// Why a change is not made now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotNow {
    /// Events are not read, or by another member: it would change nothing but itself.
    #[error("not now: {0}")]
    Trouble(String),
    #[error("the daemon is stopping")]
    Stopping,
    #[error("there are more than {MOST_CHANGES} changes in a second")]
    TooMany,
}

impl fmt::Debug for Changer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changer").finish_non_exhaustive()
    }
}

impl Changer {
    /// `tell` gives `false` when nobody listens any more.
    pub fn new(
        token: Option<SecretString>,
        tell: impl Fn(ExperimentChange) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { token, tell: Box::new(tell), lately: Mutex::new((Instant::now(), 0)) }
    }

    /// Whether a request may change something; Flagger can't send headers, so its
    /// metadata may have the token.
    pub(super) fn admits(&self, headers: &HeaderMap, in_metadata: Option<&str>) -> bool {
        self.token.as_ref().is_none_or(|token| {
            knows(token, headers) || in_metadata.is_some_and(|given| is_token(token, given))
        })
    }

    /// Has it done from now on, by the wall clock.
    ///
    /// # Errors
    /// When events are not read here, nobody listens any more, or there are too many.
    pub(super) fn change(
        &self,
        status: &Status,
        experiment: &str,
        action: ExperimentAction,
    ) -> Result<EventTime, NotNow> {
        if let Some(trouble) = Present::of(status).trouble {
            return Err(NotNow::Trouble(trouble));
        }
        if !self.has_room() {
            return Err(NotNow::TooMany);
        }
        let at = EventTime(jiff::Timestamp::now().as_millisecond());
        let change = ExperimentChange { experiment: experiment.to_owned(), action, at };
        if (self.tell)(change) { Ok(at) } else { Err(NotNow::Stopping) }
    }

    fn has_room(&self) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.0.elapsed() >= SECOND {
            *lately = (Instant::now(), 0);
        }
        lately.1 += 1;
        lately.1 <= MOST_CHANGES
    }
}

/// Why an experiment can't be started or stopped by anybody.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// There is none of that name.
    Unknown(String),
    /// Its settings don't allow it.
    NoHooks(String),
}

/// The changer, for an experiment that can be changed.
pub(super) fn changer<'a>(pages: &'a ExperimentPages, id: &str) -> Result<&'a Changer, Closed> {
    let Some(served) = pages.find(id) else {
        return Err(Closed::Unknown(format!("there is no experiment {id:?}; {}", pages.names())));
    };
    let closed = || Closed::NoHooks(format!("the experiment {id:?} can't be started or stopped over HTTP"));
    pages.changer.as_ref().filter(|_| served.hooks).ok_or_else(closed)
}

/// What a request may say of a start.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    release: String,
}

/// Begins an experiment anew.
pub(super) async fn start(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    const HINT: &str = "send {\"release\": \"…\"}, or nothing";
    let body = match read(body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let wanted = if body.trim_ascii().is_empty() {
        Ok(Wanted::default())
    } else {
        serde_json::from_slice::<Wanted>(&body).map_err(|error| error.to_string())
    };
    match wanted {
        Ok(Wanted { release }) if release.chars().count() > LONGEST_RELEASE => {
            let error = format!("the release is longer than {LONGEST_RELEASE} characters");
            refusal(StatusCode::BAD_REQUEST, error, HINT)
        }
        Ok(Wanted { release }) => told(&shared, &id, &headers, &ExperimentAction::Start { release }),
        Err(error) => refusal(StatusCode::BAD_REQUEST, error, HINT),
    }
}

/// Ends an experiment.
pub(super) async fn stop(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match read(body) {
        Ok(_) => told(&shared, &id, &headers, &ExperimentAction::Stop),
        Err(refused) => *refused,
    }
}

/// 202: the pipeline's thread does it within a second.
fn told(shared: &Shared, id: &str, headers: &HeaderMap, action: &ExperimentAction) -> Response {
    let pages = Arc::clone(&shared.experiments);
    let changer = match changer(&pages, id) {
        Ok(changer) => changer,
        Err(Closed::Unknown(error)) => {
            return refusal(StatusCode::NOT_FOUND, error, "GET /api/v1/experiments lists them");
        }
        Err(Closed::NoHooks(error)) => {
            return refusal(StatusCode::FORBIDDEN, error, "set hooks = true in its settings");
        }
    };
    if !changer.admits(headers, None) {
        return unauthorised();
    }
    match changer.change(&shared.status, id, action.clone()) {
        Ok(at) => {
            let answer = json!({ "experiment": id, "action": action, "at": at });
            (StatusCode::ACCEPTED, Json(answer)).into_response()
        }
        Err(error @ NotNow::Trouble(_)) => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "ask the member that reads")
        }
        Err(error @ NotNow::Stopping) => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "ask again when it runs")
        }
        Err(error @ NotNow::TooMany) => {
            refusal(StatusCode::TOO_MANY_REQUESTS, error.to_string(), "ask again in a second")
        }
    }
}
