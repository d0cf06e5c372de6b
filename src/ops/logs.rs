//! Log lines: text for people or JSON for machines, on standard error.
//!
//! Levels: ERROR means that data was lost or that a human is needed; WARN that
//! something is wrong and the daemon goes on trying; INFO what an operator
//! wants to know once; DEBUG the rest.

use std::{fmt, io::IsTerminal, time::Instant};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::FilterExt, fmt::format::FmtSpan, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

use super::{LogFormat, LogSettings, log_limit::LogLimit};

/// Why logging can't be set up or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The level is no `tracing` filter.
    #[error(
        "log.level {level:?} is not a level (error, warn, info, debug, trace) or a filter such as \"info,driftline::sink=debug\": {reason}"
    )]
    BadLevel {
        /// As configured.
        level: String,
        /// What the parser says.
        reason: String,
    },
    /// Another subscriber is there already.
    #[error("logging is set up already")]
    AlreadySet,
    /// The subscriber is gone.
    #[error("logging has ended")]
    Ended,
}

/// Changes logging while the daemon runs.
#[derive(Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    limit: LogLimit,
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").finish_non_exhaustive()
    }
}

impl LogControl {
    /// Sets the level or filter from now on.
    ///
    /// # Errors
    /// When `level` can't be parsed; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = parse(level)?;
        self.filter.reload(filter).map_err(|_| LogError::Ended)
    }

    /// Says which places in the code had lines left out because they repeated
    /// themselves too fast.
    pub fn report_left_out(&self) {
        for place in self.limit.take_left_out(Instant::now()) {
            let line = place.line.unwrap_or_default();
            tracing::warn!(lines = place.lines, place = %format_args!("{}:{line}", place.target), "repeated log lines were left out");
        }
    }
}

/// Sends log lines to standard error from now on, for the whole process.
///
/// # Errors
/// When the level can't be parsed or logging was set up before.
pub fn init_logs(settings: &LogSettings) -> Result<LogControl, LogError> {
    let (filter, handle) = reload::Layer::new(parse(&settings.level)?);
    let limit = LogLimit::default();
    let filter = filter.and(limit.clone());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let layer = match settings.format {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
        }
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(layer).try_init().map_err(|_| LogError::AlreadySet)?;
    Ok(LogControl { filter: handle, limit })
}

fn parse(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| LogError::BadLevel { level: level.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_read_and_nonsense_is_named() {
        for level in ["info", "WARN", "info,driftline::sink=debug"] {
            assert!(parse(level).is_ok(), "{level}");
        }
        let error = parse("driftline=loud").expect_err("no such level");
        assert!(error.to_string().contains("driftline=loud"), "{error}");
    }
}
