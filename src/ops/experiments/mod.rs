//! Experiments over HTTP: what is said of them for people, and their verdicts in
//! the shapes that Argo Rollouts and Flagger ask for.
//!
//! Promises: what is not known, not fresh or of another release never promotes;
//! only what is proven of the release that is asked about takes one back; an
//! absent number is left out, so that no answer holds a null or a NaN, which
//! those tools take for an error.
//! Refuses: starting and stopping experiments whose settings don't allow it, and
//! without the API's token where there is one.

mod change;
mod flagger;
mod metrics;
mod pages;
mod query;
mod selector;
mod series;
mod standing;
mod verdict;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, rejection::BytesRejection},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};

pub use self::{change::Changer, metrics::ExperimentMetrics};
use super::{
    http::{Shared, refusal},
    settings::ServedExperiment,
};

/// Bytes of a request's body, at most; the tools send a few hundred.
const MAX_BODY: usize = 64 * 1_024;

/// What the pages about experiments need.
#[derive(Debug, Default)]
pub struct ExperimentPages {
    /// The experiments that are configured.
    pub served: Vec<ServedExperiment>,
    /// Starts and stops them; without it nobody can.
    pub changer: Option<Changer>,
}

impl ExperimentPages {
    fn find(&self, id: &str) -> Option<&ServedExperiment> {
        self.served.iter().find(|served| served.id == id)
    }

    /// The names of all of them, for whoever asked for another.
    fn names(&self) -> String {
        if self.served.is_empty() {
            return "none is configured".to_owned();
        }
        let names: Vec<&str> = self.served.iter().map(|served| served.id.as_str()).collect();
        format!("there are: {}", names.join(", "))
    }
}

/// The pages.
pub(super) fn routes() -> Router<Shared> {
    let verdict = get(verdict::verdict).post(verdict::verdict).put(verdict::verdict);
    Router::new()
        .route("/api/v1/experiments", get(pages::list))
        .route("/api/v1/experiments/{id}", get(pages::one))
        .route("/api/v1/experiments/{id}/verdict", verdict)
        .route("/api/v1/experiments/{id}/start", post(change::start))
        .route("/api/v1/experiments/{id}/stop", post(change::stop))
        .route("/api/v1/flagger/gate", post(flagger::gate))
        .route("/api/v1/flagger/rollout", post(flagger::rollout))
        .route("/api/v1/flagger/rollback", post(flagger::rollback))
        .route("/api/v1/flagger/event", post(flagger::event))
        .route("/api/v1/query", get(query::query).post(query::query))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// The body of a request, or what is wrong with it.
fn read(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Box<Response>> {
    body.map_err(|rejection| {
        let hint = format!("a body can have {} KiB", MAX_BODY / 1_024);
        let status = rejection.status();
        let status = if status.is_client_error() { status } else { StatusCode::BAD_REQUEST };
        Box::new(refusal(status, rejection.body_text(), hint))
    })
}
