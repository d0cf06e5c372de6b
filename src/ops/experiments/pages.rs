//! Experiments for people and programs: the list, and everything that is said of
//! one.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::standing::{Present, Question, Standing};
use crate::{
    event::EventTime,
    ops::http::{Shared, refusal},
};

/// An experiment in the list: its verdict is the one that tools are given.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    phase: &'static str,
    verdict: &'static str,
    reason: String,
    ready: bool,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<EventTime>,
}

impl Line {
    fn new(id: &str, standing: &Standing<'_>) -> Self {
        let result = standing.result;
        let score = result.map_or(0.0, |result| result.score);
        Self {
            id: id.to_owned(),
            model: result.map(|result| result.model.clone()),
            phase: result.map_or("unknown", |result| result.phase.as_str()),
            verdict: standing.decision.as_str(),
            reason: standing.reason.clone(),
            ready: result.is_some_and(|result| result.ready),
            score: if score.is_finite() { score } else { 0.0 },
            end: result.filter(|result| result.began.is_some()).map(|result| result.end),
        }
    }
}

/// All experiments that are configured, in that order.
pub(super) async fn list(State(shared): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Answer {
        experiments: Vec<Line>,
    }
    let results = shared.status.experiments();
    let present = Present::of(&shared.status);
    let line = |id: &str| {
        let question = Question { experiment: id, arm: None, release: None };
        Line::new(id, &Standing::new(&shared.experiments, &results, question, &present))
    };
    let experiments = shared.experiments.served.iter().map(|served| line(&served.id)).collect();
    Json(Answer { experiments }).into_response()
}

/// The latest result of one experiment, as the daemon computed it.
pub(super) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let results = shared.status.experiments();
    if let Some(result) = results.iter().find(|result| result.experiment == id) {
        return Json(result).into_response();
    }
    if shared.experiments.find(&id).is_some() {
        let hint = "/ready says what is missing";
        return refusal(StatusCode::NOT_FOUND, format!("nothing is known of {id:?} yet"), hint);
    }
    let error = format!("there is no experiment {id:?}");
    refusal(StatusCode::NOT_FOUND, error, shared.experiments.names())
}
