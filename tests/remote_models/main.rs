//! Models behind HTTP against a stand-in for their servers. It is one so that it
//! can fail in every way and show each request to the byte; what the real ones
//! take and answer is in `tests/real_servers/model_servers.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod blame;
mod failures;
mod grouping;
mod metadata;
mod outputs;
mod protocols;
mod secrets;
mod tls;

use std::time::Duration;

use driftline::{
    explainer::remote::{
        Pacing, Protocol, RemoteError, RemoteInput, RemoteMetrics, RemoteModel, RemoteSettings, Tensors,
    },
    model::{Model as _, PredictError, Rows},
};
use prometheus::{Registry, TextEncoder};
use support::stand_in::{Reply, Seen, StandIn};
use tokio::runtime::Runtime;

/// Pauses too short to wait for.
const HASTY: Pacing = Pacing {
    base: Duration::from_millis(1),
    max: Duration::from_millis(4),
    max_retry_after: Duration::from_secs(2),
};

/// A server, and what a model of it needs.
struct Rig {
    runtime: Runtime,
    server: StandIn,
    registry: Registry,
    metrics: RemoteMetrics,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Rig {
    fn new(behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let runtime = runtime();
        let server = runtime.block_on(StandIn::start(behaviour));
        let registry = Registry::new();
        let metrics = RemoteMetrics::new(&registry).unwrap();
        Self { runtime, server, registry, metrics }
    }

    fn answering(body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_| json(&body))
    }

    /// Settings of the model `credit` with the inputs `a` and `b`.
    fn settings(&self, protocol: Protocol) -> RemoteSettings {
        settings(&self.server.url(), protocol)
    }

    fn connect(&self, settings: &RemoteSettings) -> Result<RemoteModel, RemoteError> {
        RemoteModel::connect(settings, &self.metrics, self.runtime.handle())
    }

    /// What the metrics say of a model and an outcome, 0 when nothing.
    fn requests(&self, outcome: &str) -> u64 {
        let line = format!("driftline_model_requests_total{{model=\"credit\",outcome=\"{outcome}\"}} ");
        self.metric(&line)
    }

    fn metric(&self, beginning: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(beginning));
        value.map(|value| value.parse().unwrap()).unwrap_or_default()
    }
}

fn settings(url: &str, protocol: Protocol) -> RemoteSettings {
    RemoteSettings {
        inputs: vec![RemoteInput::number("a"), RemoteInput::number("b")],
        pacing: HASTY,
        // Only against a test that hangs.
        timeout: Duration::from_secs(60),
        ..RemoteSettings::new("credit", url, protocol)
    }
}

fn json(body: &str) -> Reply {
    Reply::status(200).header("content-type", "application/json").body(body)
}

fn kserve() -> Protocol {
    Protocol::KServeV1 { model: "credit".to_owned() }
}

fn open_inference(tensors: Tensors) -> Protocol {
    Protocol::OpenInference {
        model: "credit".to_owned(),
        version: None,
        tensors,
        output: None,
        content_type: None,
    }
}

fn predict(model: &RemoteModel, values: &[f64]) -> Result<Vec<f64>, PredictError> {
    let mut out = vec![-1.0];
    let answer = model.predict(Rows::new(values, model.info().inputs), &mut out);
    assert_eq!(out.remove(0), -1.0, "predictions are appended");
    assert!(answer.is_ok() || out.is_empty(), "nothing is appended with an error");
    answer.map(|()| out)
}
