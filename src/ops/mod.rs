//! The daemon's own operation: HTTP, metrics, logs, signals.

mod settings;

pub use settings::{HttpSettings, LogFormat, LogSettings};
