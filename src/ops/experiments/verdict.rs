//! The verdict of one experiment, for the web provider of Argo Rollouts and for
//! scripts.
//!
//! That provider takes any answer but 2xx for an error, five in a row for a
//! failed analysis, and evaluates conditions on the JSON; a comparison with null
//! is an error, too. So the answer is 200 also for what is not known, and a number
//! that can't be computed is left out.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::standing::{About, Present, Question, Standing};
use crate::{
    event::EventTime,
    ops::http::{Shared, refusal},
    result::{ChallengerResult, Decision, MetricResult, MetricRole},
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictQuery {
    arm: Option<String>,
    release: Option<String>,
}

/// The answer. Whatever is no `Option` is always there.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields that conditions name")]
struct Answer<'a> {
    experiment: &'a str,
    verdict: &'static str,
    /// Empty when it is about no single challenger.
    arm: &'a str,
    phase: &'static str,
    /// Empty when no start named one.
    release: &'a str,
    ready: bool,
    score: f64,
    reason: &'a str,
    srm_ok: bool,
    healthy: bool,
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<EventTime>,
    evidence: BTreeMap<&'a str, Evidence>,
}

/// What is known of one metric.
#[derive(Debug, Serialize)]
struct Evidence {
    role: &'static str,
    verdict: &'static str,
    n: u64,
    /// What the estimate and its bounds are: a difference, or relative to the control.
    scale: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper: Option<f64>,
    /// For what promotion asks of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    e_value: Option<f64>,
}

pub(super) fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

impl From<&MetricResult> for Evidence {
    fn from(metric: &MetricResult) -> Self {
        let e_value = match metric.role {
            MetricRole::Guardrail => metric.e_not_worse,
            MetricRole::Goal | MetricRole::Plain => metric.e_better,
        };
        Self {
            role: metric.role.as_str(),
            verdict: metric.verdict.as_str(),
            n: metric.n,
            scale: metric.scale.as_str(),
            estimate: finite(metric.estimate),
            lower: finite(metric.lower),
            upper: finite(metric.upper),
            e_value: finite(e_value),
        }
    }
}

impl<'a> Answer<'a> {
    fn new(question: &Question<'a>, standing: &'a Standing<'a>) -> Self {
        let shown = standing.shown();
        let of = standing.challenger;
        let score = of.map(|of| of.score).or(shown.map(|result| result.score));
        let score = match standing.decision {
            Decision::Rollback => 0.0,
            Decision::Hold | Decision::Promote => finite(score).unwrap_or(0.0),
        };
        let metrics = of.map_or(&[][..], |of: &ChallengerResult| of.metrics.as_slice());
        Self {
            experiment: question.experiment,
            verdict: standing.decision.as_str(),
            arm: of.map_or("", |of| of.arm.as_str()),
            phase: standing.result.map_or("unknown", |result| result.phase.as_str()),
            release: standing.result.and_then(|result| result.release.as_deref()).unwrap_or(""),
            ready: shown.is_some_and(|result| result.ready),
            score,
            reason: &standing.reason,
            srm_ok: shown.is_some_and(|result| result.health.srm_ok),
            healthy: shown.is_some_and(|result| result.health.ok),
            stale: standing.about == About::Stale,
            end: shown.filter(|result| result.began.is_some()).map(|result| result.end),
            evidence: metrics.iter().map(|metric| (metric.metric.as_str(), metric.into())).collect(),
        }
    }
}

/// What is to be done with an experiment, or with one challenger of it.
pub(super) async fn verdict(
    State(shared): State<Shared>,
    Path(experiment): Path<String>,
    query: Result<Query<VerdictQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => {
            let hint = "possible are arm and release";
            return refusal(StatusCode::BAD_REQUEST, rejection.body_text(), hint);
        }
    };
    let results = shared.status.experiments();
    let question = Question {
        experiment: &experiment,
        arm: query.arm.as_deref().filter(|arm| !arm.is_empty()),
        release: query.release.as_deref(),
    };
    let present = Present::of(&shared.status);
    let standing = Standing::new(&shared.experiments, &results, question, &present);
    let code = if standing.is_error() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(Answer::new(&question, &standing))).into_response()
}
