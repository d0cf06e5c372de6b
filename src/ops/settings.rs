//! What the configuration says about HTTP and logs.

use std::{net::SocketAddr, time::Duration};

/// The page, the API and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address to listen on; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// Windows kept in memory per stream for the API.
    pub latest_windows: usize,
}

/// An experiment as it is served to rollout tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedExperiment {
    /// Its name.
    pub id: String,
    /// Whether it can be started and stopped over HTTP.
    pub hooks: bool,
    /// When its last window is older than this, its verdict is stale.
    pub stale_after: Duration,
    /// What is answered then.
    pub on_stale: OnStale,
}

/// What is answered for a verdict that is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// To go on as it is.
    Hold,
    /// An error, so that whoever asks can give up.
    Error,
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
