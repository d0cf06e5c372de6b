//! Webhooks of Flagger.
//!
//! It takes a status of at most 202 for a yes and everything else for a no, and of
//! a rollback hook a yes means to roll back at once. Its client gives up on 429
//! and 5xx without reading the body, while that of another refusal becomes an
//! event of the canary. So a no is 403 with one line that says why.
//!
//! Its payload has a checksum of what is released. Where the experiment is started
//! by Flagger, a verdict about another checksum is nobody's: the rollback hook runs
//! before the first event of a new release is sent.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    change::{Closed, LONGEST_RELEASE, changer},
    read,
    standing::{About, Present, Question, Standing},
};
use crate::{
    experiment::ExperimentAction,
    ops::http::{Shared, refusal},
    result::{Decision, ExperimentPhase, ExperimentResult},
};

/// What Flagger sends to every hook. What it may add in later versions is let go.
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    checksum: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl Payload {
    fn get(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The experiment, which has to be named.
    fn experiment(&self) -> Result<&str, String> {
        self.get("experiment").ok_or_else(|| "metadata.experiment names no experiment".to_owned())
    }
}

fn parse(body: Result<Bytes, BytesRejection>) -> Result<Payload, Box<Response>> {
    const HINT: &str = "send what Flagger sends: {\"name\", \"namespace\", \"phase\", \"checksum\", \"metadata\": \
                        {\"experiment\": \"…\"}}";
    let body = read(body)?;
    serde_json::from_slice(&body)
        .map_err(|error| Box::new(refusal(StatusCode::BAD_REQUEST, error.to_string(), HINT)))
}

fn yes(reason: &str) -> Response {
    (StatusCode::OK, format!("{reason}\n")).into_response()
}

/// One line, for the canary's events.
fn no(reason: &str) -> Response {
    let line = reason.lines().collect::<Vec<_>>().join(" ");
    (StatusCode::FORBIDDEN, format!("{line}\n")).into_response()
}

/// Answers by what may be said of the experiment that a payload names.
fn judged(
    shared: &Shared,
    body: Result<Bytes, BytesRejection>,
    passes: impl FnOnce(&Standing<'_>, &Payload) -> bool,
) -> Response {
    let payload = match parse(body) {
        Ok(payload) => payload,
        Err(refused) => return *refused,
    };
    let experiment = match payload.experiment() {
        Ok(experiment) => experiment,
        Err(reason) => return no(&reason),
    };
    let results = shared.status.experiments();
    let is_started = |result: &ExperimentResult| result.experiment == experiment && result.release.is_some();
    let hooks = shared.experiments.find(experiment).is_some_and(|served| served.hooks);
    // An experiment that was begun without naming a release is not told apart by it.
    let has_release = hooks && results.iter().any(is_started);
    if has_release && payload.checksum.is_empty() {
        return no("the payload has no checksum, so that it is not known which release is meant");
    }
    let release = has_release.then_some(payload.checksum.as_str());
    let question = Question { experiment, arm: payload.get("arm"), release };
    let standing = Standing::new(&shared.experiments, &results, question, &Present::of(&shared.status));
    let line = format!("{}: {}", standing.decision.as_str(), standing.reason);
    if passes(&standing, &payload) { yes(&line) } else { no(&line) }
}

/// For `confirm-promotion`: yes when the challenger is to be promoted. With
/// `allow: hold` in the metadata, for `confirm-traffic-increase`, also while
/// nothing is proven and the experiment goes on.
pub(super) async fn gate(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Response {
    judged(&shared, body, |standing, payload| match standing.decision {
        Decision::Promote => true,
        Decision::Hold => standing.is_open() && payload.get("allow") == Some("hold"),
        Decision::Rollback => false,
    })
}

/// For `rollout`, whose every no counts towards a rollback by Flagger: no when the
/// challenger is to be taken back, when nothing watches this release, and when a
/// stale verdict is to be an error. Other stale verdicts stop no release here, so
/// that a pause of the daemon rolls nothing back; the gates do.
pub(super) async fn rollout(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Response {
    judged(&shared, body, |standing, _| {
        let is_watched = matches!(standing.about, About::Present | About::Stale);
        standing.decision != Decision::Rollback && is_watched && !standing.is_error()
    })
}

/// For `rollback`: yes, which is to roll back, only when that is proven; everything
/// else is 403, what can't be read included.
pub(super) async fn rollback(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Response {
    let mut response = judged(&shared, body, |standing, _| standing.decision == Decision::Rollback);
    if response.status() != StatusCode::OK {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

/// For `event`, `pre-rollout` and `post-rollout`: begins and ends the experiment
/// with the release.
pub(super) async fn event(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let payload = match parse(body) {
        Ok(payload) => payload,
        Err(refused) => return *refused,
    };
    let experiment = match payload.experiment() {
        Ok(experiment) => experiment,
        Err(reason) => return no(&reason),
    };
    let changer = match changer(&shared.experiments, experiment) {
        Ok(changer) => changer,
        Err(Closed::Unknown(reason)) => return no(&reason),
        Err(Closed::NoHooks(reason)) => return no(&format!("{reason}; set hooks = true in its settings")),
    };
    if !changer.admits(&headers, payload.get("token")) {
        return no("the token is missing or wrong; set metadata.token");
    }
    let results = shared.status.experiments();
    let result = results.iter().find(|result| result.experiment == experiment);
    let trouble = Present::of(&shared.status).trouble;
    let action = match action(&payload, result, trouble.as_deref()) {
        Ok(Some(action)) => action,
        Ok(None) => return yes("nothing changes"),
        Err(reason) => return no(&reason),
    };
    match changer.change(&shared.status, experiment, action.clone()) {
        Ok(at) => {
            let answer = json!({ "experiment": experiment, "action": action, "at": at });
            (StatusCode::ACCEPTED, Json(answer)).into_response()
        }
        Err(reason) => no(&reason.to_string()),
    }
}

/// What a phase asks for. Flagger sends several events a minute with the same
/// phase, and the first of a release still with the checksum of the one before: a
/// second try of that one by its looks, which the start of the new one ends again.
/// From `Promoting` on both arms are the new release; the events of a success end
/// with `Finalising` (fluxcd/flagger#1792), only its `post-rollout` hook is told
/// `Succeeded`.
fn action(
    payload: &Payload,
    result: Option<&ExperimentResult>,
    trouble: Option<&str>,
) -> Result<Option<ExperimentAction>, String> {
    let ended = result.is_some_and(|result| result.phase == ExperimentPhase::Ended);
    let running = result.is_none_or(|result| result.phase == ExperimentPhase::Running);
    match payload.phase.as_str() {
        "Progressing" if payload.checksum.is_empty() => {
            Err("the payload has no checksum, so that it is not known what is released".to_owned())
        }
        "Progressing" if payload.checksum.chars().count() > LONGEST_RELEASE => {
            Err(format!("the checksum is longer than {LONGEST_RELEASE} characters"))
        }
        "Progressing" if result.is_some_and(|result| !result.is_begun_by(&payload.checksum)) => Ok(None),
        "Progressing" => Ok(Some(ExperimentAction::Start { release: payload.checksum.clone() })),
        "Promoting" | "Finalising" | "Succeeded" | "Failed" if running => Ok(Some(ExperimentAction::Stop)),
        // It may run where events are read, which is not here.
        "Promoting" | "Finalising" | "Succeeded" | "Failed" if !ended => {
            trouble.map_or(Ok(None), |trouble| Err(format!("not now: {trouble}")))
        }
        _ => Ok(None),
    }
}
