//! What the configuration says about HTTP, logs and how experiments are served.

use std::{net::SocketAddr, time::Duration};

/// The page, the API and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address to listen on; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// Windows kept in memory per stream for the API.
    pub latest_windows: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A level or a `tracing` filter such as `info,driftline::sink=debug`.
    pub level: String,
    /// Shape of the lines.
    pub format: LogFormat,
}

/// An experiment as HTTP serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedExperiment {
    /// Its name.
    pub id: String,
    /// Whether it can be started and stopped by POST.
    pub hooks: bool,
    /// How long its last result is served as its verdict.
    pub stale_after: Duration,
    /// What is served after that.
    pub on_stale: OnStale,
}

/// What is served of an experiment without a recent result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// The verdict `hold`.
    Hold,
    /// An error, which rollout tools count as a failure.
    Error,
}
