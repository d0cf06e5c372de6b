//! What the configuration says about HTTP and logs.

use std::net::SocketAddr;

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
