//! The daemon's own operation: HTTP, metrics, logs, signals.
//!
//! Promises: `/live`, `/ready` and `/metrics` answer from the first moment on,
//! whatever Kafka and InfluxDB do, and say what is wrong; nothing that a
//! client does can hold up the pipeline; no secret reaches a page or a log.
//! Refuses: everything but reading, and silencing alerts with a token.

mod alerts;
mod checkpoint_metrics;
mod explanations;
mod http;
mod log_limit;
mod logs;
mod metrics;
mod panics;
mod process;
mod server;
mod settings;
mod signals;
mod status;

pub use alerts::Silencer;
pub use checkpoint_metrics::CheckpointMetrics;
pub use explanations::{Asked, AskedEvent, Asker};
pub use http::router;
pub use logs::{LogControl, LogError, init_logs};
pub use metrics::{CoreMetrics, ReloadMetrics, register_build_info, register_process_metrics, render};
pub use panics::end_process_on_panic;
pub use server::serve;
pub use settings::{HttpSettings, LogFormat, LogSettings, OnStale, ServedExperiment};
pub use signals::{Signal, listen_for_signals};
pub use status::{AlertReport, Component, Status, grouped};
